//! What is remembered of one source, one account, or one account at one source.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::ban::{Ban, Offence};
use crate::score::{Score, TIME_BITS};
use crate::slots::Entry;
use crate::source::Source;

/// Who has behaved for so long after a ban starts from the beginning, seconds.
const FORGOTTEN_AFTER_S: u32 = 86_400;

/// Plain words, each changed as a whole. Two shards at once may count one failure as one; nobody is banned by that.
#[derive(Default)]
pub(crate) struct Record {
    score: AtomicU64,
    /// Nothing is heard until then, ms.
    closed_until_ms: AtomicU64,
    /// Since when and until when it is banned, seconds since 1970; since 0: told that it is over.
    ban: AtomicU64,
    facts: AtomicU64,
    dropped: AtomicU64,
}

/// Failures (32 bits), bans (8), offence (8), the last user's hash (16).
#[derive(Clone, Copy)]
struct Facts(u64);

impl Facts {
    fn failures(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn times(self) -> u8 {
        (self.0 >> 24) as u8
    }

    fn offence(self) -> Offence {
        Offence::of_number(self.0 >> 16 & 0xff)
    }

    fn user(self) -> u16 {
        self.0 as u16
    }

    fn new(failures: u32, times: u8, offence: Offence, user: u16) -> Self {
        Self(u64::from(failures) << 32 | u64::from(times) << 24 | offence.number() << 16 | u64::from(user))
    }
}

impl Entry for Record {
    fn wipe(&self) {
        for word in [&self.score, &self.closed_until_ms, &self.ban, &self.facts, &self.dropped] {
            word.store(0, Relaxed);
        }
    }
}

impl Record {
    /// Counts failures. How many there are now.
    pub(crate) fn add(&self, now_ms: u64, leak_ms: u64, failures: u32) -> u32 {
        let score = Score(self.score.load(Relaxed)).at(now_ms, leak_ms).plus(failures);
        self.score.store(score.0, Relaxed);
        self.count(1);
        score.failures()
    }

    /// Has done so much more in all.
    pub(crate) fn count(&self, failures: u32) {
        let Facts(facts) = self.facts();
        let counted = Facts(facts).failures().saturating_add(failures);
        self.facts.store(facts & u64::from(u32::MAX) | u64::from(counted) << 32, Relaxed);
    }

    /// Notes which account is tried. Whether it is another one than before.
    pub(crate) fn meets_other_user(&self, user: u16) -> bool {
        let facts = self.facts();
        if facts.user() == user {
            return false;
        }
        self.facts.store(facts.0 & !0xffff | u64::from(user), Relaxed);
        facts.failures() > 0
    }

    pub(crate) fn is_closed(&self, now_ms: u64) -> bool {
        now_ms < self.closed_until_ms.load(Relaxed)
    }

    pub(crate) fn close(&self, until_ms: u64) {
        self.closed_until_ms.store(until_ms, Relaxed);
    }

    pub(crate) fn is_banned(&self, now_ms: u64) -> bool {
        now_ms < u64::from(self.until_s()) * 1000
    }

    /// Bans it for the seconds that follow from how often that was so.
    pub(crate) fn ban(&self, now_ms: u64, offence: Offence, lasts_s: impl FnOnce(u8) -> u32) {
        let (now_s, facts) = ((now_ms / 1000) as u32, self.facts());
        let forgotten = now_s.saturating_sub(self.until_s()) > FORGOTTEN_AFTER_S;
        let times = if forgotten { 1 } else { facts.times().saturating_add(1) };
        self.facts.store(Facts::new(facts.failures(), times, offence, facts.user()).0, Relaxed);
        self.score.store(0, Relaxed);
        self.dropped.store(0, Relaxed);
        let until_s = now_s.saturating_add(lasts_s(times));
        self.ban.store(u64::from(now_s) << 32 | u64::from(until_s), Relaxed);
    }

    /// Is as banned as it was.
    pub(crate) fn restore(&self, ban: &Ban) {
        self.facts.store(Facts::new(ban.failures, ban.times, ban.offence, 0).0, Relaxed);
        self.dropped.store(ban.dropped, Relaxed);
        self.ban.store(u64::from(ban.since_s) << 32 | u64::from(ban.until_s), Relaxed);
    }

    pub(crate) fn count_dropped(&self) {
        self.dropped.store(self.dropped.load(Relaxed) + 1, Relaxed);
    }

    /// Whether a ban has ended that nobody was told of; now somebody is.
    pub(crate) fn take_end(&self, now_ms: u64) -> bool {
        let ban = self.ban.load(Relaxed);
        let ended = ban >> 32 != 0 && !self.is_banned(now_ms);
        // A ban that another shard puts here at this moment stays.
        ended && self.ban.compare_exchange(ban, ban & u64::from(u32::MAX), Relaxed, Relaxed).is_ok()
    }

    pub(crate) fn forgive(&self) {
        self.wipe();
    }

    pub(crate) fn as_ban(&self, source: Source) -> Ban {
        let (ban, facts) = (self.ban.load(Relaxed), self.facts());
        Ban {
            source,
            offence: facts.offence(),
            failures: facts.failures(),
            times: facts.times(),
            since_s: (ban >> 32) as u32,
            until_s: ban as u32,
            dropped: self.dropped.load(Relaxed),
        }
    }

    /// What a full bucket keeps: bans that last, then who has failed most if one failure is forgiven in `leak_ms`, then who
    /// has failed last.
    pub(crate) fn worth(&self, now_ms: u64, leak_ms: u64) -> u64 {
        if self.is_banned(now_ms) {
            return 1 << 63 | u64::from(self.until_s());
        }
        let score = Score(self.score.load(Relaxed));
        u64::from(score.at(now_ms, leak_ms).failures()) << TIME_BITS | score.at_ms()
    }

    fn until_s(&self) -> u32 {
        self.ban.load(Relaxed) as u32
    }

    fn facts(&self) -> Facts {
        Facts(self.facts.load(Relaxed))
    }
}
