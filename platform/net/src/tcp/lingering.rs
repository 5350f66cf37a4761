//! Connections that we have ended while their peer was still speaking.
//!
//! A socket that is closed with bytes unread resets its connection, and a reset takes from the peer what it has not read
//! yet: the Close frame, alert or refusal that says why. So the write side is closed, what still comes is read and
//! dropped, and the socket is closed when the peer is done or has had its time (RFC 9112 §9.6 tells it for HTTP).

use std::collections::VecDeque;
use std::io::{ErrorKind, Read};
use std::net::{Shutdown, TcpStream};

/// How many linger in a shard at once. Beyond it, who has lingered longest is closed.
const LINGERING_MAX: usize = 64;

/// How long a peer may go on until it is closed, milliseconds.
const LINGER_MS: u64 = 2_000;

/// How much of what it still says is read, bytes: a browser that sends a message of many megabytes is not waited for.
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// From one look at them to the next, milliseconds. Few linger, and not for long: no event is worth its bookkeeping.
const LOOK_EVERY_MS: u64 = 20;

/// Those of one shard, the oldest first.
#[derive(Default)]
pub(super) struct Lingering {
    peers: VecDeque<Peer>,
    look_ms: u64,
}

struct Peer {
    stream: TcpStream,
    /// Known from the first look on.
    until_ms: Option<u64>,
    /// What may still be read, bytes.
    patience_bytes: usize,
}

impl Lingering {
    /// Says to the peer that nothing follows, and lets it finish.
    pub(super) fn add(&mut self, stream: TcpStream) {
        // Fails where the peer has gone, and then nobody is there to be spared a reset.
        if stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        if self.peers.len() == LINGERING_MAX {
            self.peers.pop_front();
        }
        self.look_ms = 0;
        self.peers.push_back(Peer { stream, until_ms: None, patience_bytes: LINGER_BYTES });
    }

    /// When [`Lingering::look`] wants to be called next.
    pub(super) fn deadline_ms(&self) -> Option<u64> {
        (!self.peers.is_empty()).then_some(self.look_ms)
    }

    /// Reads and drops what has come, and closes who is done. `buffer` is anybody's.
    pub(super) fn look(&mut self, now_ms: u64, buffer: &mut [u8]) {
        if now_ms >= self.look_ms {
            self.peers.retain_mut(|peer| !peer.is_done(now_ms, buffer));
            self.look_ms = now_ms + LOOK_EVERY_MS;
        }
    }
}

impl Peer {
    fn is_done(&mut self, now_ms: u64, buffer: &mut [u8]) -> bool {
        while self.patience_bytes > 0 {
            match self.stream.read(buffer) {
                Ok(0) => return true,
                Ok(count) => self.patience_bytes = self.patience_bytes.saturating_sub(count),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    return now_ms >= *self.until_ms.get_or_insert(now_ms + LINGER_MS);
                }
                Err(_) => return true,
            }
        }
        true
    }
}
