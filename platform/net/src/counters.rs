//! What a shard's sockets have done, readable from any thread while it runs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::TlsFailure;

/// A number that one thread writes and others read.
#[derive(Default, Debug)]
pub struct Counter(AtomicU64);

impl Counter {
    /// What it stands at.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Only the owner's thread writes, so a load and a store do; no locked instruction is needed.
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get() + n);
    }

    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
}

/// Why a connection ended, or was never taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum CloseReason {
    /// The peer closed it.
    Peer,
    /// The peer or the network broke it.
    Reset,
    /// It could not be opened: refused, unreachable, or no descriptor was left.
    ConnectFailed,
    /// [`crate::Limits::connect_timeout_ms`].
    ConnectTimeout,
    /// [`crate::Limits::first_message_ms`].
    Silent,
    /// [`crate::Limits::message_ms`].
    SlowWriter,
    /// [`crate::Limits::write_stall_ms`].
    SlowReader,
    /// [`crate::Limits::idle_ms`].
    Idle,
    /// What it sent is no SIP.
    Unframeable,
    /// [`crate::Limits::connections_max`], [`crate::Limits::connections_per_source_max`].
    TooMany,
    /// [`crate::Limits::held_bytes_max`].
    OutOfMemory,
    /// It could not be secured: [`TlsFailure`] says why.
    Insecure,
    /// A WebSocket that was not opened, or broke its rules: [`crate::WebSocketFailure`] says why.
    WebSocket,
    /// The engine does not admit its peer, or not any more.
    Barred,
}

impl CloseReason {
    /// Every reason, in the order of declaration.
    pub const ALL: [Self; 14] = [
        Self::Peer,
        Self::Reset,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::Silent,
        Self::SlowWriter,
        Self::SlowReader,
        Self::Idle,
        Self::Unframeable,
        Self::TooMany,
        Self::OutOfMemory,
        Self::Insecure,
        Self::WebSocket,
        Self::Barred,
    ];

    /// Whether the peer is told why, in words of its protocol, before it is closed.
    pub(crate) const fn is_told(self) -> bool {
        matches!(self, Self::Unframeable | Self::Insecure | Self::WebSocket)
    }

    /// A short name for metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Reset => "reset",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::Silent => "silent",
            Self::SlowWriter => "slow_writer",
            Self::SlowReader => "slow_reader",
            Self::Idle => "idle",
            Self::Unframeable => "unframeable",
            Self::TooMany => "too_many",
            Self::OutOfMemory => "out_of_memory",
            Self::Insecure => "insecure",
            Self::WebSocket => "websocket",
            Self::Barred => "barred",
        }
    }
}

/// The counters of one shard. Aligned so that two shards never write to one cache line.
#[derive(Default, Debug)]
#[repr(align(128))]
pub struct NetCounters {
    /// Times the loop went round.
    pub turns: Counter,
    /// Datagrams handed to the engine.
    pub datagrams_in: Counter,
    /// System calls that brought them.
    pub batches_in: Counter,
    /// Datagrams given to the kernel.
    pub datagrams_out: Counter,
    /// System calls that took them.
    pub batches_out: Counter,
    /// Datagrams dropped because the kernel's send buffer stayed full.
    pub datagrams_lost: Counter,
    /// Datagrams from no internet address, or longer than a datagram can be: dropped.
    pub datagrams_malformed: Counter,
    /// ICMP errors about datagrams that were sent.
    pub icmp_errors: Counter,
    /// Times that ICMP errors were not listened to for the rest of a second, because there were too many.
    pub icmp_pauses: Counter,
    /// Messages of streams handed to the engine.
    pub stream_messages_in: Counter,
    /// Messages that went out on streams, or wait there.
    pub stream_messages_out: Counter,
    /// Keep-alives answered: RFC 5626 §3.5.1.
    pub pings: Counter,
    /// Messages that could not be sent, datagrams and streams.
    pub sends_failed: Counter,
    /// Connections open now, those being opened included.
    pub connections: Counter,
    /// Connections accepted.
    pub accepted: Counter,
    /// Connections that we opened.
    pub connected: Counter,
    /// Times that accepting stopped for a moment because no descriptor or memory was left.
    pub accept_pauses: Counter,
    /// Bytes that connections hold now: incomplete messages and messages that wait.
    pub held_bytes: Counter,
    /// Messages given to other shards.
    pub handed_over: Counter,
    /// Messages that found another shard's mailbox full.
    pub hand_over_lost: Counter,
    /// Handshakes (TLS) that succeeded.
    pub secured: Counter,
    /// Opening handshakes of WebSocket that succeeded.
    pub websockets: Counter,
    closed: [Counter; CloseReason::ALL.len()],
    tls_failed: [Counter; TlsFailure::ALL.len()],
}

impl NetCounters {
    /// Connections that ended for this reason.
    pub fn closed(&self, reason: CloseReason) -> u64 {
        self.closed[reason as usize].get()
    }

    /// Connections that were not secured for this reason.
    pub fn tls_failed(&self, reason: TlsFailure) -> u64 {
        self.tls_failed[reason as usize].get()
    }

    pub(crate) fn count_tls_failure(&self, reason: TlsFailure) {
        self.tls_failed[reason as usize].add(1);
    }

    pub(crate) fn count_closed(&self, reason: CloseReason) {
        self.closed[reason as usize].add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_own_place() {
        let counters = NetCounters::default();
        for (n, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, n);
            (0..=n).for_each(|_| counters.count_closed(reason));
        }
        let counts: Vec<u64> = CloseReason::ALL.into_iter().map(|r| counters.closed(r)).collect();
        assert_eq!(counts, (1..=CloseReason::ALL.len() as u64).collect::<Vec<_>>());
    }
}
