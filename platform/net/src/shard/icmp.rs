//! ICMP errors about datagrams that were sent: read in bounded amounts, and not at all while there are too many.
//!
//! ```text
//!   a router, a host ──ICMP──► the kernel's queue of the socket ──ERRORS_PER_TURN──► engine.icmp_error
//!                                       └── ERRORS_PER_S_MAX in one second: switched off until the next begins
//! ```
//! Anybody can send ICMP that quotes our address, and what waits to be read takes room from datagrams: the kernel counts both
//! against one bound. So a flood is not left to wait but ended at its source. What is lost by that is told by timers, as all
//! of it was before.

use super::Loop;
use crate::Engine;
use crate::sys::{QUOTED_BYTES_MAX, take_error};

/// Errors that one turn reads of a socket: a few dozen microseconds, less than a batch of datagrams takes.
const ERRORS_PER_TURN: usize = 32;

/// Errors that one second may bring to a socket: some milliseconds of work. A shard that forwards more calls than that to
/// ports where nobody listens has worse to do.
const ERRORS_PER_S_MAX: u32 = 4_000;

/// What a loop needs to read errors.
pub(super) struct ErrorReader {
    quoted: Box<[u8; QUOTED_BYTES_MAX]>,
    /// When a socket that hears no errors hears them again; 0: all of them do.
    resume_ms: u64,
}

/// How many errors came to one socket.
#[derive(Default)]
pub(super) struct ErrorCount {
    second: u64,
    read: u32,
}

impl ErrorReader {
    pub(super) fn new() -> Self {
        Self { quoted: Box::new([0; QUOTED_BYTES_MAX]), resume_ms: 0 }
    }
}

impl ErrorCount {
    /// One more. `false`: that was the last that this second may have.
    fn add(&mut self, now_ms: u64) -> bool {
        let second = now_ms / 1_000;
        if self.second != second {
            *self = Self { second, read: 0 };
        }
        self.read += 1;
        self.read < ERRORS_PER_S_MAX
    }
}

impl<E: Engine> Loop<E> {
    /// Reads what the kernel has queued for a socket, at most a turn's worth; the rest is reported again.
    pub(super) fn receive_errors(&mut self, port: usize) {
        let now_ms = self.now_ms;
        let port = &mut self.ports[port];
        let mut told = 0;
        for _ in 0..ERRORS_PER_TURN {
            let Some(queued) = take_error(port.socket(), &mut self.errors.quoted) else { break };
            self.counters.icmp_errors.add(1);
            if let (Some(to), Some(error)) = (queued.to, queued.error) {
                let quoted = &self.errors.quoted[..queued.quoted];
                self.engine.icmp_error(now_ms, &port.flow(to), error, quoted, &mut self.outbox);
                told += 1;
            }
            if !port.error_count.add(now_ms) {
                port.hear_errors(false);
                self.counters.icmp_pauses.add(1);
                self.errors.resume_ms = (now_ms / 1_000 + 1) * 1_000;
                break;
            }
        }
        self.called(told);
    }

    /// A new second: every socket hears errors again.
    pub(super) fn resume_errors(&mut self) {
        if self.errors.resume_ms != 0 && self.now_ms >= self.errors.resume_ms {
            self.errors.resume_ms = 0;
            self.ports.iter().for_each(|port| port.hear_errors(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_its_share() {
        let mut count = ErrorCount::default();
        let ten_s = (0..ERRORS_PER_S_MAX - 1).all(|_| count.add(10_999));
        assert!(ten_s && !count.add(10_999), "the last of this second");
        assert!(count.add(11_000), "a new one");
    }
}
