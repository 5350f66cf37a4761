//! Who asks for one user after the other and proves nothing: by who does not answer he learns who does.
//!
//! ```text
//!   a user without a phone, or one who would have to prove to be one ──► another than within a minute? ──► score of the source
//!       ──► silence, 0.5 s … 8 s, for what proves nothing there ──► over a connection: a ban
//! ```
//! Apart from wrong passwords, for here the address of a datagram is not proved: by datagrams nobody is banned, nobody's
//! credentials go unheard, and where the right password was shown lately nothing is counted at all. What comes over a
//! connection has a score of its own, which no datagram changes.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use siphasher::sip::SipHasher13;

use crate::ban::{Ban, Offence};
use crate::guard::{Guard, KNOWN_FACTOR, Pace, SILENCE_MS, SOURCE_DOUBLINGS, Verdict, allows};
use crate::score::{Score, TIME_BITS, WHOLE_MAX};
use crate::slots::{Entry, Slots};
use crate::source::Source;

/// Sources that are remembered: 96 KiB. Who has asked least gives way.
const WALKERS: usize = 4_096;
/// Users that were asked for: 64 KiB. One that has been displaced counts again.
const ASKED: usize = 4_096;
/// The same user counts again after this: who calls him in vain again and again is a friend.
const AGAIN_MS: u64 = 60_000;

/// One who asks for a user and has proved nothing.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// From where.
    pub from: IpAddr,
    /// Whether he is known to be there: a connection says so, a datagram does not.
    pub is_there: bool,
    /// For whom, in whatever words.
    pub whom: &'a [u8],
}

#[derive(Default)]
struct Walker {
    score: AtomicU64,
    closed_until_ms: AtomicU64,
}

impl Entry for Walker {
    fn wipe(&self) {
        self.score.store(0, Relaxed);
        self.closed_until_ms.store(0, Relaxed);
    }
}

impl Walker {
    /// Counts one more, up to `most`: whoever stops is forgiven in time. How many there are now.
    fn add(&self, now_ms: u64, leak_ms: u64, most: u32) -> u32 {
        let before = Score(self.score.load(Relaxed)).at(now_ms, leak_ms);
        let score = if before.failures() < most { before.plus(1) } else { before };
        self.score.store(score.0, Relaxed);
        score.failures()
    }

    fn worth(&self, now_ms: u64, leak_ms: u64) -> u64 {
        let score = Score(self.score.load(Relaxed));
        u64::from(score.at(now_ms, leak_ms).failures()) << TIME_BITS | score.at_ms()
    }
}

/// What is remembered of walks, for all shards.
pub(crate) struct Walks {
    sources: Slots<Walker>,
    asked: Slots<Pace>,
    hash_key: [u8; 16],
    /// No silence lasts longer, ms.
    silence_until_ms: AtomicU64,
}

impl Walks {
    pub(crate) fn new(hash_key: [u8; 16]) -> Self {
        Self {
            sources: Slots::new(WALKERS, hash_key),
            asked: Slots::new(ASKED, hash_key),
            hash_key,
            silence_until_ms: AtomicU64::new(0),
        }
    }

    pub(crate) fn forgive(&self, source: Source) {
        for is_there in [true, false] {
            if let Some(walker) = self.sources.find(source.key_by(is_there)) {
                walker.wipe();
            }
        }
    }

    /// Whether this source has not asked for this user within a minute.
    fn is_new(&self, now_ms: u64, source: Source, whom: &[u8]) -> bool {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        hasher.write_u64(source.key());
        hasher.write(whom);
        allows(&self.asked, now_ms, hasher.finish().clamp(1, u64::MAX - 1), (1, AGAIN_MS))
    }
}

impl Guard {
    /// Whether there is nobody whom [`Guard::hears`] would not hear.
    #[inline]
    pub fn no_walker_is_silent(&self, now_ms: u64) -> bool {
        now_ms >= self.walks().silence_until_ms.load(Relaxed)
    }

    /// Whether one who proves nothing is heard. What is dropped counts too.
    pub fn hears(&self, now_ms: u64, asking: &Asking<'_>) -> Verdict {
        let key = Source::of(asking.from).key_by(asking.is_there);
        let walker = self.walks().sources.find(key).filter(|_| self.may_count(now_ms, asking));
        if walker.is_none_or(|walker| now_ms >= walker.closed_until_ms.load(Relaxed)) {
            return Verdict::Heard;
        }
        self.count_walk(now_ms, asking, false).map_or(Verdict::Silence, Verdict::Banned)
    }

    /// He has asked in vain, or was asked to prove who he is. The ban that follows from it, if one does.
    pub fn walked(&self, now_ms: u64, asking: &Asking<'_>) -> Option<Ban> {
        self.count_walk(now_ms, asking, true)
    }

    /// A datagram might be sent in the name of phones.
    fn may_count(&self, now_ms: u64, asking: &Asking<'_>) -> bool {
        asking.is_there || !self.knows(now_ms, asking.from)
    }

    fn count_walk(&self, now_ms: u64, asking: &Asking<'_>, answered: bool) -> Option<Ban> {
        let (source, policy) = (Source::of(asking.from), self.policy());
        let known = self.knows(now_ms, asking.from);
        if !self.may_count(now_ms, asking) || !self.walks().is_new(now_ms, source, asking.whom) {
            return None;
        }
        let tolerance = if known { KNOWN_FACTOR } else { 1 };
        let (leak_ms, most) = (policy.walk_leak_ms(), (policy.walk_max() * tolerance).min(WHOLE_MAX));
        let key = source.key_by(asking.is_there);
        let walker = self.walks().sources.claim(key, |walker| walker.worth(now_ms, leak_ms))?;
        let asked = walker.add(now_ms, leak_ms, most);
        if asked >= most && asking.is_there && !known {
            walker.wipe();
            return self.ban_walker(now_ms, source, asked);
        }
        // Who is silent already is not silenced for longer by asking.
        if answered && let Some(over) = asked.checked_sub(policy.walk_free() * tolerance + 1) {
            let until_ms = now_ms + (SILENCE_MS << over.min(SOURCE_DOUBLINGS));
            walker.closed_until_ms.store(until_ms, Relaxed);
            self.walks().silence_until_ms.fetch_max(until_ms, Relaxed);
        }
        None
    }

    fn ban_walker(&self, now_ms: u64, source: Source, asked: u32) -> Option<Ban> {
        let record = self.claim(now_ms, source.key())?;
        record.count(asked);
        Some(self.ban(now_ms, source, record, Offence::Walk))
    }
}
