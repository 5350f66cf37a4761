//! One connection: its buffers and what it owes by when.

use std::net::TcpStream;

use super::write_queue::WriteQueue;
use crate::sys::Interest;
use crate::{CloseReason, Flow, Limits};

/// About 250 bytes while both buffers are empty.
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    /// Names this connection.
    pub(super) flow: Flow,
    /// The peer opened it.
    pub(super) accepted: bool,
    /// We are opening it; it carries nothing yet.
    pub(super) connecting: bool,
    /// A whole message has come.
    pub(super) greeted: bool,
    /// The last thing that came was a lone CRLF: another makes the two halves of a ping.
    pub(super) half_ping: bool,
    /// The beginning of a message whose end has not come.
    pub(super) rest: Vec<u8>,
    pub(super) queue: WriteQueue,
    pub(super) opened_ms: u64,
    /// The last time something whole came or something left.
    pub(super) alive_ms: u64,
    /// The first byte of `rest` came.
    pub(super) rest_ms: u64,
    /// The peer last took something, or had taken everything.
    pub(super) taken_ms: u64,
    /// What the epoll set watches it for.
    pub(super) interest: Interest,
    /// The planned look at its deadline.
    pub(super) check_ms: Option<u64>,
    /// What it counts for in the shard's sum.
    pub(super) held_bytes: usize,
}

impl Connection {
    pub(super) fn new(stream: TcpStream, flow: Flow, accepted: bool, now_ms: u64) -> Self {
        Self {
            stream,
            flow,
            accepted,
            connecting: !accepted,
            greeted: false,
            half_ping: false,
            rest: Vec::new(),
            queue: WriteQueue::default(),
            opened_ms: now_ms,
            alive_ms: now_ms,
            rest_ms: now_ms,
            taken_ms: now_ms,
            interest: if accepted { Interest::READ } else { Interest::WRITE },
            check_ms: None,
            held_bytes: 0,
        }
    }

    /// When it is over, and why, if nothing changes.
    pub(super) fn deadline(&self, limits: &Limits) -> (u64, CloseReason) {
        if self.connecting {
            return (self.opened_ms + limits.connect_timeout_ms, CloseReason::ConnectTimeout);
        }
        let silent = self.accepted && !self.greeted;
        let candidates = [
            (true, self.alive_ms + limits.idle_ms, CloseReason::Idle),
            (silent, self.opened_ms + limits.first_message_ms, CloseReason::Silent),
            (!self.rest.is_empty(), self.rest_ms + limits.message_ms, CloseReason::SlowWriter),
            (!self.queue.is_empty(), self.taken_ms + limits.write_stall_ms, CloseReason::SlowReader),
        ];
        let applying = candidates.into_iter().filter(|c| c.0).map(|(_, at_ms, reason)| (at_ms, reason));
        applying.min_by_key(|c| c.0).expect("idleness always applies")
    }

    /// A peer that does not take what it asked for may not ask for more.
    pub(super) fn wanted(&self, limits: &Limits) -> Interest {
        if self.connecting {
            return Interest::WRITE;
        }
        Interest { read: self.queue.bytes() <= limits.write_queue_bytes / 2, write: !self.queue.is_empty() }
    }
}
