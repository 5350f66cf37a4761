//! Reading from a transport that keeps messages apart, SCTP: RFC 4168 §3.2. No Content-Length is needed to find their
//! ends. A message that is too long for one read comes in parts; nothing comes between them.

use std::io::ErrorKind;
use std::mem;
use std::os::fd::AsFd;

use offhook_sip::limits::MESSAGE_BYTES_MAX;

use super::read::Brought;
use super::{Connection, Streams};
use crate::fallout::Fallout;
use crate::sys::read_part;
use crate::{CloseReason, ConnectionId, Engine, Outbox};

/// Messages taken from one connection in one turn, so that a busy one does not keep others waiting.
const READS_PER_TURN: usize = 32;

impl Streams {
    /// Takes what has come. Says how often the engine was called.
    pub(super) fn read_apart<E: Engine>(
        &mut self,
        id: ConnectionId,
        now_ms: u64,
        (engine, out): (&mut E, &mut Outbox),
        fallout: &mut Fallout,
    ) -> usize {
        let mut calls = 0;
        for _ in 0..READS_PER_TURN {
            let Some(connection) = self.table.find_mut(id) else { break };
            let (count, is_end) = match read_part(connection.stream.as_fd(), &mut self.read_buffer) {
                Ok((0, _)) => {
                    self.close(id, CloseReason::Peer, fallout);
                    break;
                }
                Ok(part) => part,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Err(_) => {
                    self.close(id, CloseReason::Reset, fallout);
                    break;
                }
            };
            let part = &self.read_buffer[..count];
            let brought = connection.take_part((part, is_end), now_ms, engine, out);
            let is_over = brought.unframeable;
            calls += self.account(id, brought, now_ms, fallout);
            if is_over {
                break;
            }
        }
        calls
    }
}

impl Connection {
    /// Delivers a message, or keeps a part of one until the rest is there.
    fn take_part<E: Engine>(
        &mut self,
        (part, is_end): (&[u8], bool),
        now_ms: u64,
        engine: &mut E,
        out: &mut Outbox,
    ) -> Brought {
        if self.rest.len() + part.len() > MESSAGE_BYTES_MAX {
            self.rest = Vec::new();
            return Brought::too_long();
        }
        if self.rest.is_empty() && is_end {
            return self.greet(part, now_ms, engine, out);
        }
        if self.rest.is_empty() {
            self.rest_ms = now_ms;
        }
        self.rest.extend_from_slice(part);
        if !is_end {
            return Brought::default();
        }
        let whole = mem::take(&mut self.rest);
        self.greet(&whole, now_ms, engine, out)
    }

    fn greet<E: Engine>(&mut self, message: &[u8], now_ms: u64, engine: &mut E, out: &mut Outbox) -> Brought {
        let brought = self.take_message(message, now_ms, engine, out);
        self.greeted |= brought.messages > 0;
        brought
    }
}
