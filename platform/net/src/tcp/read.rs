//! From a connection's bytes to messages: RFC 3261 §18.3, keep-alives by RFC 5626 §3.5.1.

use std::io::{ErrorKind, Read};
use std::mem;

use offhook_sip::stream::{Frame, frame};

use super::{Connection, Streams};
use crate::fallout::Fallout;
use crate::{CloseReason, ConnectionId, Engine, Outbox};

/// What one read brought.
#[derive(Default)]
pub(super) struct Brought {
    /// Bytes that need not be kept.
    used: usize,
    pub(super) messages: usize,
    pings: usize,
    pub(super) unframeable: bool,
}

impl Brought {
    /// A message that nobody may send.
    pub(super) fn too_long() -> Self {
        Self { unframeable: true, ..Self::default() }
    }

    /// What another record of the same read brought.
    pub(super) fn add(&mut self, more: Self) {
        self.messages += more.messages;
        self.pings += more.pings;
        self.unframeable |= more.unframeable;
    }
}

impl Streams {
    /// One read, and what is whole after it goes to the engine. Says how often the engine was called.
    pub(super) fn read<E: Engine>(
        &mut self,
        id: ConnectionId,
        now_ms: u64,
        (engine, out): (&mut E, &mut Outbox),
        fallout: &mut Fallout,
    ) -> usize {
        let Some(connection) = self.table.find_mut(id) else { return 0 };
        if connection.layers.is_some() {
            return self.read_layers(id, now_ms, (engine, out), fallout);
        }
        if connection.keeps_messages_apart() {
            return self.read_apart(id, now_ms, (engine, out), fallout);
        }
        let count = match (&connection.stream).read(&mut self.read_buffer) {
            Ok(0) => {
                self.close(id, CloseReason::Peer, fallout);
                return 0;
            }
            Ok(count) => count,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return 0,
            Err(_) => {
                self.close(id, CloseReason::Reset, fallout);
                return 0;
            }
        };
        let brought = connection.take(&self.read_buffer[..count], now_ms, engine, out);
        self.account(id, brought, now_ms, fallout)
    }

    /// Counts what a read brought and closes what cannot go on. Says how often the engine was called.
    pub(super) fn account(
        &mut self,
        id: ConnectionId,
        brought: Brought,
        now_ms: u64,
        fallout: &mut Fallout,
    ) -> usize {
        self.counters.stream_messages_in.add(brought.messages as u64);
        self.counters.pings.add(brought.pings as u64);
        let keeps = self.table.find(id).is_some_and(|c| c.waits_since_ms().is_some());
        self.keep_track(id, now_ms);
        if brought.unframeable {
            self.closing.push((id, CloseReason::Unframeable));
        } else if keeps && self.held_bytes > self.limits.held_bytes_max {
            if let Some(connection) = self.table.find(id) {
                fallout.no_room.push((connection.flow, "held_bytes_max", self.limits.held_bytes_max));
            }
            self.close(id, CloseReason::OutOfMemory, fallout);
        }
        brought.messages + usize::from(brought.unframeable)
    }
}

impl Connection {
    /// Delivers what is whole, from where it lies if nothing was kept before, and keeps the rest.
    pub(super) fn take<E: Engine>(
        &mut self,
        fresh: &[u8],
        now_ms: u64,
        engine: &mut E,
        out: &mut Outbox,
    ) -> Brought {
        let brought;
        if self.rest.is_empty() {
            brought = self.deliver(fresh, now_ms, engine, out);
            self.rest = fresh[brought.used..].to_vec();
            self.rest_ms = now_ms;
        } else {
            // Only fresh bytes are copied, so that a message in a thousand pieces is not copied a thousand times.
            let mut all = mem::take(&mut self.rest);
            all.extend_from_slice(fresh);
            brought = self.deliver(&all, now_ms, engine, out);
            if brought.used > 0 {
                all = all[brought.used..].to_vec();
                self.rest_ms = now_ms;
            }
            self.rest = all;
        }
        self.greeted |= brought.messages > 0;
        if brought.used > 0 {
            self.alive_ms = now_ms;
        }
        brought
    }

    /// Delivers a message that another framing has found, RFC 7118 §5; its keep-alives are those of RFC 5626 §3.5.1 (§6).
    pub(super) fn take_message<E: Engine>(
        &mut self,
        message: &[u8],
        now_ms: u64,
        engine: &mut E,
        out: &mut Outbox,
    ) -> Brought {
        self.alive_ms = now_ms;
        match message {
            b"\r\n\r\n" => {
                self.answer(1, out);
                Brought { pings: 1, ..Brought::default() }
            }
            b"" | b"\r\n" => Brought::default(),
            _ => {
                engine.receive(now_ms, &self.flow, message, out);
                Brought { messages: 1, ..Brought::default() }
            }
        }
    }

    /// A keep-alive of another framing came and was answered.
    pub(super) fn pinged(&mut self, now_ms: u64) -> Brought {
        self.alive_ms = now_ms;
        Brought { pings: 1, ..Brought::default() }
    }

    fn deliver<E: Engine>(&mut self, bytes: &[u8], now_ms: u64, engine: &mut E, out: &mut Outbox) -> Brought {
        let mut brought = Brought::default();
        loop {
            let rest = &bytes[brought.used..];
            let length = match frame(rest) {
                Frame::Incomplete => break,
                Frame::Message(length) => {
                    engine.receive(now_ms, &self.flow, &rest[..length], out);
                    brought.messages += 1;
                    length
                }
                Frame::Ping(length) => {
                    brought.pings += 1;
                    length
                }
                Frame::Pong(length) => {
                    brought.pings += usize::from(self.half_ping);
                    self.half_ping = !self.half_ping;
                    brought.used += length;
                    continue;
                }
                Frame::Unframeable(_) => {
                    engine.unframeable(now_ms, &self.flow, rest, out);
                    brought.unframeable = true;
                    rest.len()
                }
            };
            self.half_ping = false;
            brought.used += length;
            if brought.unframeable {
                break;
            }
        }
        self.answer(brought.pings, out);
        brought
    }

    /// One CRLF for each ping, together: their place among the messages means nothing.
    fn answer(&self, pings: usize, out: &mut Outbox) {
        if pings > 0 {
            let start = out.begin();
            (0..pings).for_each(|_| out.arena().extend_from_slice(b"\r\n"));
            out.send(start, self.flow, 0);
        }
    }
}
