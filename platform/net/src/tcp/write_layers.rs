//! Sending through the layers of a connection: a batch is sealed into one buffer and written from there.

use std::io::{ErrorKind, Write};
use std::mem;
use std::net::TcpStream;

use super::Streams;
use super::layers::Bench;
use super::write_queue::WriteQueue;
use crate::fallout::Fallout;
use crate::{CloseReason, ConnectionId, Ticket, TlsFailure};

/// Sealed messages that are written together.
#[derive(Default)]
pub(super) struct Sealed {
    pub(super) wire: Vec<u8>,
    /// Where each ends, and who asks about it.
    ends: Vec<(usize, u8, Ticket)>,
    pub(super) bench: Bench,
}

/// What an unused buffer keeps, bytes: more than a batch makes.
const WIRE_KEPT_BYTES: usize = 256 * 1024;

impl Sealed {
    pub(super) fn clear(&mut self) {
        self.wire.clear();
        self.wire.shrink_to(WIRE_KEPT_BYTES);
        self.ends.clear();
    }
}

impl Streams {
    /// Seals messages and sends them. What the peer does not take waits sealed; while a handshake is in progress,
    /// messages wait as they are.
    pub(super) fn send_layered<'m>(
        &mut self,
        id: ConnectionId,
        messages: impl Iterator<Item = (&'m [u8], u8, Ticket)>,
        now_ms: u64,
        fallout: &mut Fallout,
    ) {
        let mut sealed = mem::take(&mut self.sealed);
        let mut failure = None;
        for (message, origin, ticket) in messages {
            let waits = sealed.wire.len() + sealed.ends.len() * WriteQueue::cost(0);
            if waits > 0 && !self.has_room(id, waits + message.len(), false) {
                self.write_sealed(id, &mut sealed, now_ms, fallout);
            }
            let room = failure.is_none() && self.has_room(id, sealed.wire.len() + message.len(), false);
            if !room {
                fallout.failed.push((origin, ticket));
            } else if let Err(why) = self.seal(id, message, (origin, ticket), &mut sealed) {
                fallout.failed.push((origin, ticket));
                failure = Some(why);
            }
        }
        self.write_sealed(id, &mut sealed, now_ms, fallout);
        self.sealed = sealed;
        // Keys that have sealed all they may: the next message finds a new connection.
        failure.into_iter().for_each(|why| self.close_insecure(id, why, fallout));
        self.keep_track(id, now_ms);
    }

    fn seal(
        &mut self,
        id: ConnectionId,
        message: &[u8],
        (origin, ticket): (u8, Ticket),
        sealed: &mut Sealed,
    ) -> Result<(), TlsFailure> {
        let layers = self.table.find_mut(id).and_then(|connection| {
            let securing = connection.securing;
            connection.layers.as_mut().map(|layers| (layers, securing))
        });
        let (layers, securing) = layers.ok_or(TlsFailure::Broken)?;
        self.counters.stream_messages_out.add(1);
        if securing {
            layers.early.push(message.into(), origin, ticket);
            return Ok(());
        }
        layers.seal(message, &mut sealed.wire, &mut sealed.bench)?;
        layers.unheard.note(origin, ticket);
        sealed.ends.push((sealed.wire.len(), origin, ticket));
        Ok(())
    }

    fn write_sealed(&mut self, id: ConnectionId, sealed: &mut Sealed, now_ms: u64, fallout: &mut Fallout) {
        let Some(connection) = self.table.find_mut(id).filter(|_| !sealed.ends.is_empty()) else { return };
        let mut written = 0;
        if connection.queue.is_empty() {
            connection.alive_ms = now_ms;
            connection.taken_ms = now_ms;
            match write_some(&connection.stream, &sealed.wire) {
                Ok(count) => written = count,
                Err(_) => {
                    fallout.failed.extend(sealed.ends.iter().map(|(_, origin, ticket)| (*origin, *ticket)));
                    sealed.clear();
                    return self.close(id, CloseReason::Reset, fallout);
                }
            }
        }
        let mut start = 0;
        for &(end, origin, ticket) in &sealed.ends {
            if end > written {
                connection.queue.push(sealed.wire[start.max(written)..end].into(), origin, ticket);
            }
            start = end;
        }
        sealed.clear();
    }
}

/// Writes until all is gone or the peer takes no more; says how much left.
fn write_some(mut stream: &TcpStream, bytes: &[u8]) -> std::io::Result<usize> {
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(count) => written += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(e),
        }
    }
    Ok(written)
}
