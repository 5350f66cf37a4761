//! What a peer may cost us. Bounds that are nobody's choice stand as constants beside the code they bound.

use std::io;

use crate::sys::raise_descriptor_limit;

/// Bounds on the streams of one shard. What happens when one is reached is counted by
/// [`crate::CloseReason`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Open connections. One costs about 1 KiB here and some in the kernel. Beyond it, new ones are accepted and closed
    /// at once, and none is opened.
    pub connections_max: usize,
    /// Accepted connections from one IPv4 address or IPv6 /64. A company behind one NAT has hundreds of phones; one
    /// attacker should not get all of `connections_max`. Beyond it: accepted and closed at once.
    pub connections_per_source_max: usize,
    /// Until a connection that we open must stand, milliseconds. Shorter than Timer B (32 s, RFC 3261 §17.1.1.2), so
    /// that there is time for the next address of RFC 3263. Then what waited fails.
    pub connect_timeout_ms: u64,
    /// Handshakes (TLS) of accepted connections in progress. One costs some 20 KiB and up to a millisecond of work.
    /// Beyond it, new ones are accepted and closed at once.
    pub handshakes_max: usize,
    /// Those of them from one IPv4 address or IPv6 /64: far fewer, so that no single source keeps the others out.
    pub handshakes_per_source_max: usize,
    /// Until a handshake must be over, milliseconds. Then the connection is closed.
    pub handshake_ms: u64,
    /// Until an accepted connection must have sent its first message, milliseconds. Then it is closed.
    pub first_message_ms: u64,
    /// From the first byte of a message to its last, milliseconds. Slower writers are closed.
    pub message_ms: u64,
    /// How long a peer may take nothing while something waits for it, milliseconds. Then it is closed.
    pub write_stall_ms: u64,
    /// How long a connection may carry nothing at all, keep-alives included, milliseconds. Then it is closed. RFC 5626
    /// §4.4.1 has clients ping every 95 to 120 s.
    pub idle_ms: u64,
    /// What may wait for one peer that does not read, bytes. Reading from it stops at half of this. Beyond it, messages
    /// to it fail.
    pub write_queue_bytes: usize,
    /// What all connections of the shard together may hold of incomplete messages and of messages that wait, bytes.
    /// Beyond it, a connection that needs more is closed, and messages that would wait fail.
    pub held_bytes_max: usize,
}

impl Limits {
    /// Why one more connection cannot be taken in, beside so many in all and so many of its source.
    pub(crate) fn reached(&self, connections: usize, of_source: usize) -> Option<(&'static str, usize)> {
        if connections >= self.connections_max {
            return Some(("connections_max", self.connections_max));
        }
        let limit = self.connections_per_source_max;
        (of_source >= limit).then_some(("connections_per_source_max", limit))
    }
}

/// Descriptors that a server needs beside its connections: sockets, files, event descriptors.
const DESCRIPTORS_BESIDE: u64 = 512;

/// Lets the process have as many file descriptors as `connections` need, as far as the system allows, and says how many
/// connections that leaves room for.
///
/// # Errors
/// The system does not tell its limits.
pub fn make_room_for(connections: usize) -> io::Result<usize> {
    let limit = raise_descriptor_limit(connections as u64 + DESCRIPTORS_BESIDE)?;
    Ok(usize::try_from(limit.saturating_sub(DESCRIPTORS_BESIDE)).unwrap_or(usize::MAX))
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 65_536,
            connections_per_source_max: 1_024,
            connect_timeout_ms: 5_000,
            handshakes_max: 2_048,
            handshakes_per_source_max: 256,
            handshake_ms: 10_000,
            first_message_ms: 10_000,
            message_ms: 30_000,
            write_stall_ms: 30_000,
            idle_ms: 15 * 60_000,
            write_queue_bytes: 256 * 1024,
            held_bytes_max: 128 * 1024 * 1024,
        }
    }
}
