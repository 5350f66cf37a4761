//! From the outbox to connections: what a batch has for one of them leaves in one vectored write.

use std::io::{self, ErrorKind, IoSlice, Write};
use std::mem;
use std::net::TcpStream;
use std::ops::ControlFlow;

use super::Streams;
use super::write_queue::{SLICES_MAX, WriteQueue};
use crate::fallout::Fallout;
use crate::{CloseReason, ConnectionId, Flow, Outbox, Ticket};

impl Streams {
    /// Finds the connection for a message of the outbox, or begins one. [`Streams::write`] then sends it.
    pub(crate) fn address(&mut self, out: &Outbox, index: usize, now_ms: u64, fallout: &mut Fallout) {
        let message = &out.outgoing()[index];
        match self.connection_for(&message.flow, out, now_ms, fallout) {
            Some(id) if message.bytes.len() <= self.limits.write_queue_bytes => {
                self.touched.push((id, index))
            }
            _ => fallout.failed.push((self.shard, message.ticket)),
        }
    }

    /// Sends what was addressed.
    pub(crate) fn write(&mut self, out: &Outbox, now_ms: u64, fallout: &mut Fallout) {
        let mut touched = mem::take(&mut self.touched);
        // By connection, and within it in the order of the outbox.
        touched.sort_unstable_by_key(|(id, index)| (id.index, *index));
        for of_one in touched.chunk_by(|a, b| a.0 == b.0) {
            self.write_batch(of_one[0].0, of_one, out, now_ms, fallout);
        }
        touched.clear();
        self.touched = touched;
    }

    fn write_batch(
        &mut self,
        id: ConnectionId,
        of_one: &[(ConnectionId, usize)],
        out: &Outbox,
        now_ms: u64,
        fallout: &mut Fallout,
    ) {
        if self.table.find(id).is_some_and(|c| c.layers.is_some()) {
            let shard = self.shard;
            let message = |(_, index): &(ConnectionId, usize)| {
                let message = &out.outgoing()[*index];
                (out.bytes(message.bytes.clone()), shard, message.ticket)
            };
            return self.send_layered(id, of_one.iter().map(message), now_ms, fallout);
        }
        let mut left = Progress::default();
        if let Some(connection) = self.table.find_mut(id).filter(|c| !c.connecting && c.queue.is_empty()) {
            match write_slices(&connection.stream, connection.messages_per_write(), of_one, out) {
                Ok(progress) => left = progress,
                Err(_) => self.close(id, CloseReason::Reset, fallout),
            }
            if let Some(connection) = self.table.find_mut(id) {
                connection.alive_ms = now_ms;
                connection.taken_ms = now_ms;
            }
        }
        self.counters.stream_messages_out.add(left.messages as u64);
        for (_, index) in &of_one[left.messages..] {
            let message = &out.outgoing()[*index];
            let bytes = &out.bytes(message.bytes.clone())[left.bytes..];
            // The end of a message whose beginning has left must follow, however full the queue is.
            let must = mem::take(&mut left.bytes) > 0;
            if self.has_room(id, bytes.len(), must) {
                self.enqueue(id, bytes.into(), (self.shard, message.ticket), now_ms);
            } else {
                fallout.failed.push((self.shard, message.ticket));
            }
        }
        self.keep_track(id, now_ms);
    }

    /// A message that another shard has for a connection of ours.
    pub(crate) fn write_for(
        &mut self,
        flow: &Flow,
        bytes: Box<[u8]>,
        (origin, ticket): (u8, Ticket),
        now_ms: u64,
        fallout: &mut Fallout,
    ) {
        let id = flow.connection;
        if !self.has_room(id, bytes.len(), false) {
            return fallout.failed.push((origin, ticket));
        }
        if self.table.find(id).is_some_and(|c| c.layers.is_some()) {
            return self.send_layered(id, [(&*bytes, origin, ticket)].into_iter(), now_ms, fallout);
        }
        self.enqueue(id, bytes, (origin, ticket), now_ms);
        self.write_waiting(id, now_ms, fallout);
    }

    /// Writes what waits, as far as the peer takes it.
    pub(super) fn write_waiting(&mut self, id: ConnectionId, now_ms: u64, fallout: &mut Fallout) {
        let Some(connection) = self.table.find_mut(id).filter(|c| !c.connecting) else { return };
        match connection.queue.write_to(&connection.stream, connection.messages_per_write()) {
            Ok(true) => {
                connection.alive_ms = now_ms;
                connection.taken_ms = now_ms;
            }
            Ok(false) => {}
            Err(_) => return self.close(id, CloseReason::Reset, fallout),
        }
        self.keep_track(id, now_ms);
    }

    pub(super) fn has_room(&self, id: ConnectionId, bytes: usize, must: bool) -> bool {
        let Some(connection) = self.table.find(id) else { return false };
        let cost = WriteQueue::cost(bytes);
        let fits = connection.waiting_bytes() + cost <= self.limits.write_queue_bytes
            && self.held_bytes + cost <= self.limits.held_bytes_max;
        must || fits
    }

    pub(super) fn enqueue(
        &mut self,
        id: ConnectionId,
        bytes: Box<[u8]>,
        (origin, ticket): (u8, Ticket),
        now_ms: u64,
    ) {
        let Some(connection) = self.table.find_mut(id) else { return };
        if connection.queue.is_empty() {
            connection.taken_ms = now_ms;
        }
        connection.queue.push(bytes, origin, ticket);
        self.counters.stream_messages_out.add(1);
    }
}

/// How far a batch has left.
#[derive(Default, Clone, Copy)]
struct Progress {
    /// Whole messages.
    messages: usize,
    /// Bytes of the next one.
    bytes: usize,
}

/// Writes messages of the outbox from where they lie, up to `per_write` together, until the peer takes no more.
fn write_slices(
    mut stream: &TcpStream,
    per_write: usize,
    of_one: &[(ConnectionId, usize)],
    out: &Outbox,
) -> io::Result<Progress> {
    let bytes_of = |index: usize| out.bytes(out.outgoing()[index].bytes.clone());
    let mut done = 0;
    while done < of_one.len() {
        let some = &of_one[done..of_one.len().min(done + per_write)];
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        for (slice, (_, index)) in slices.iter_mut().zip(some) {
            *slice = IoSlice::new(bytes_of(*index));
        }
        let written = match stream.write_vectored(&slices[..some.len()]) {
            Ok(written) => written,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            Err(e) => return Err(e),
        };
        let whole = some.iter().try_fold((0, written), |(whole, left), (_, index)| {
            match left.checked_sub(bytes_of(*index).len()) {
                Some(left) => ControlFlow::Continue((whole + 1, left)),
                None => ControlFlow::Break((whole, left)),
            }
        });
        match whole {
            ControlFlow::Continue((whole, _)) => done += whole,
            ControlFlow::Break((whole, bytes)) => return Ok(Progress { messages: done + whole, bytes }),
        }
    }
    Ok(Progress { messages: done, bytes: 0 })
}
