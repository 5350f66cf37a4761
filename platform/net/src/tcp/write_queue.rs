//! What a peer has not taken yet.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Write};

use crate::Ticket;

/// Messages in one vectored write. Linux takes 1024; more than this rarely fit a socket's buffer.
pub(super) const SLICES_MAX: usize = 64;

/// Whole messages in order, each with the ticket to fail if it never leaves. Takes no memory while empty.
#[derive(Default)]
pub(super) struct WriteQueue {
    waiting: VecDeque<Waiting>,
    /// How much of the first has left.
    written: usize,
    bytes: usize,
}

struct Waiting {
    bytes: Box<[u8]>,
    ticket: Ticket,
    /// The shard whose engine asks about the ticket.
    origin: u8,
}

impl WriteQueue {
    pub(super) fn push(&mut self, bytes: Box<[u8]>, origin: u8, ticket: Ticket) {
        self.bytes += Self::cost(bytes.len());
        self.waiting.push_back(Waiting { bytes, ticket, origin });
    }

    /// Writes, up to `per_write` messages together, until all is gone or the peer takes no more; says whether it took
    /// anything.
    pub(super) fn write_to(&mut self, mut stream: impl Write, per_write: usize) -> io::Result<bool> {
        let mut progress = false;
        while !self.waiting.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slice, waiting) in slices.iter_mut().zip(&self.waiting).take(per_write) {
                let from = if count == 0 { self.written } else { 0 };
                *slice = IoSlice::new(&waiting.bytes[from..]);
                count += 1;
            }
            match stream.write_vectored(&slices[..count]) {
                Ok(written) => self.advance(written),
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e),
            }
            progress = true;
        }
        Ok(progress)
    }

    /// Empties it: each message with who asks about which ticket.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (Box<[u8]>, u8, Ticket)> {
        std::mem::take(self).waiting.into_iter().map(|w| (w.bytes, w.origin, w.ticket))
    }

    /// Empties it and names what was in it.
    pub(super) fn drain_tickets(&mut self) -> impl Iterator<Item = (u8, Ticket)> {
        std::mem::take(self).waiting.into_iter().map(|w| (w.origin, w.ticket))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What it holds: messages and the entries for them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What a message of this length adds to [`WriteQueue::bytes`].
    pub(super) fn cost(bytes: usize) -> usize {
        bytes + size_of::<Waiting>()
    }

    fn advance(&mut self, mut written: usize) {
        written += self.written;
        while let Some(first) = self.waiting.front().filter(|w| w.bytes.len() <= written) {
            written -= first.bytes.len();
            self.bytes -= Self::cost(first.bytes.len());
            self.waiting.pop_front();
        }
        self.written = written;
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `per_write` bytes at a time, `room` bytes in all.
    struct Peer {
        taken: Vec<u8>,
        per_write: usize,
        room: usize,
    }

    impl Write for &mut Peer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.write_vectored(&[IoSlice::new(bytes)])
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            let count = all.len().min(self.per_write).min(self.room);
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.room -= count;
            self.taken.extend(&all[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn queue(messages: usize) -> (WriteQueue, Vec<u8>) {
        let mut queue = WriteQueue::default();
        let mut all = Vec::new();
        for n in 0..messages {
            let message = vec![n as u8; n + 1];
            all.extend(&message);
            queue.push(message.into(), 0, n as u64);
        }
        (queue, all)
    }

    #[test]
    fn bytes_leave_in_order_however_they_are_taken() {
        for per_write in [1, 2, 3, 7, 100, 1_000_000] {
            let (mut queue, all) = queue(SLICES_MAX + 10);
            let mut peer = Peer { taken: vec![], per_write, room: usize::MAX };
            assert!(queue.write_to(&mut peer, SLICES_MAX).unwrap());
            assert_eq!(peer.taken, all, "{per_write} at a time");
            assert_eq!((queue.is_empty(), queue.bytes()), (true, 0));
        }
    }

    #[test]
    fn a_message_that_left_in_part_has_not_left() {
        let (mut queue, _) = queue(4);
        let mut peer = Peer { taken: vec![], per_write: 100, room: 1 + 2 + 2 };
        assert!(queue.write_to(&mut peer, SLICES_MAX).unwrap());
        assert!(!queue.write_to(&mut peer, SLICES_MAX).unwrap());
        assert_eq!(queue.drain_tickets().collect::<Vec<_>>(), [(0, 2), (0, 3)]);
        assert_eq!(queue.bytes(), 0);
    }
}
