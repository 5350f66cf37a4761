//! The keys of a moment, and the keys of all moments that still count.

use std::sync::Arc;

use arrayvec::ArrayVec;

use crate::key::{Key, Purpose, Raw, State};

/// Keys that a ring can hold: the one before, the one that seals, the one to come, and one more while a clock steps.
pub(crate) const KEYS_MAX: usize = 4;

/// A key with the time from which it seals.
#[derive(Clone)]
pub(crate) struct Timed {
    pub(crate) seals_from_ms: u64,
    pub(crate) key: Arc<Key>,
}

/// All keys that are not retired, with the times from which they seal. Every shard and every process that reads the same
/// ring uses the same key at the same time.
#[derive(Clone, Default)]
pub struct Ring {
    pub(crate) keys: ArrayVec<Timed, KEYS_MAX>,
}

impl Ring {
    /// One key that seals for ever: for tests, and for what must not end.
    pub fn of_one(bytes: [u8; 32]) -> Self {
        let mut ring = Self::default();
        ring.push(0, 0, &bytes);
        ring
    }

    /// Adds a key that seals from that time on, with its number in tokens; of more than four the oldest makes room.
    pub fn push(&mut self, id: u8, seals_from_ms: u64, bytes: &[u8; 32]) {
        if self.keys.is_full() {
            self.keys.remove(0);
        }
        self.keys.push(Timed { seals_from_ms, key: Arc::new(Key::new(id, bytes)) });
    }

    /// The keys as they are to be used now. Cheap enough for once a second, not for each message.
    pub fn seals(&self, now_ms: u64) -> Seals {
        let sealing = self.keys.iter().rev().find(|timed| timed.seals_from_ms <= now_ms);
        let sealing = sealing.or(self.keys.first()).map(|timed| Arc::clone(&timed.key));
        Seals { sealing, opening: self.keys.iter().map(|timed| Arc::clone(&timed.key)).collect() }
    }
}

/// The keys of this moment.
#[derive(Clone)]
pub struct Seals {
    sealing: Option<Arc<Key>>,
    opening: ArrayVec<Arc<Key>, KEYS_MAX>,
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seals({} keys)", self.opening.len())
    }
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ring({} keys)", self.keys.len())
    }
}

impl Seals {
    /// Appends the token for `state`: base64url, which may stand in any part of a URI. `None`: the state is longer than
    /// [`STATE_BYTES_MAX`](crate::STATE_BYTES_MAX), and nothing was written.
    pub fn seal(&self, purpose: Purpose, bound_to: &[&[u8]], state: &[u8], out: &mut Vec<u8>) -> Option<()> {
        self.sealing.as_ref()?.seal(purpose, bound_to, state, out)
    }

    /// What a token holds. `None`: it is not ours, not whole, for another purpose, bound to something else, or its key is
    /// retired.
    pub fn open(&self, purpose: Purpose, bound_to: &[&[u8]], token: &[u8]) -> Option<State> {
        self.open_either(purpose, [bound_to], token).map(|(_, state)| state)
    }

    /// The same for a token that may be bound to one of several things; says to which.
    pub fn open_either<const N: usize>(
        &self,
        purpose: Purpose,
        bound_to: [&[&[u8]]; N],
        token: &[u8],
    ) -> Option<(usize, State)> {
        let raw = Raw::read(token)?;
        let key = self.opening.iter().find(|key| key.id == raw.key_id())?;
        bound_to.into_iter().enumerate().find_map(|(i, bound)| Some((i, raw.open(key, purpose, bound)?)))
    }
}
