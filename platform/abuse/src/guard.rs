//! The guard itself: what is counted, when it silences, when it bans.

use std::hash::Hasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use siphasher::sip::SipHasher13;

use crate::ban::{Ban, Offence};
use crate::counts::Counts;
use crate::known::Known;
use crate::policy::Policy;
use crate::record::Record;
use crate::score::Score;
use crate::slots::{Entry, Slots};
use crate::source::Source;
use crate::walk::Walks;

/// Sources that are remembered: 384 KiB. Bans are the last to give way.
const RECORDS: usize = 8_192;
/// Accounts, and accounts at known sources, that are remembered: as much. Whoever has more addresses to be banned than
/// anybody can remember makes nobody forget where they guess.
const ACCOUNTS: usize = 8_192;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;

/// The first silence, ms: what a phone waits before it repeats (T1). Each failure doubles it.
pub(crate) const SILENCE_MS: u64 = 500;
/// The longest silence of a source, as a power of two times the first: 8 s.
pub(crate) const SOURCE_DOUBLINGS: u32 = 4;
/// The longest silence of an account at a known address: 32 s, as long as a transaction lasts. A phone with a wrong
/// password gets one answer for all its repetitions.
const PAIR_DOUBLINGS: u32 = 6;
/// One failure of it is forgiven in this time: slower than it can fail in silence.
const PAIR_LEAK_MS: u64 = MINUTE_MS;

/// An account that is guessed at from many places is open to places that are new to it once in this time.
const ACCOUNT_SILENCE_MS: u64 = MINUTE_MS;

/// So many times as many failures silence a known address: it has many phones.
pub(crate) const KNOWN_FACTOR: u32 = 10;

/// Sources that have proved nothing and are answered at the moment: 64 KiB. Forged addresses displace each other here and
/// nothing else.
const ANSWERED: usize = 4_096;

/// Requests that are watched for being sent again without pause: 64 KiB.
const REPEATED: usize = 4_096;
/// The same request is heard so often at once, and then once in this time. A phone that works needs two: without
/// credentials and with.
const REPEATS_MAX: u32 = 20;
const REPEAT_LEAK_MS: u64 = 500;

/// Accounts that have begun something lately, and strangers: 64 KiB each. Forged addresses displace strangers and nobody
/// else, who begin anew by it.
const ASKING: usize = 4_096;
/// Requests that may come at once are as many as may come in this time, seconds.
const REQUEST_BURST_S: u32 = 5;

/// Keys of accounts, and of accounts at sources: neither is that of the other.
const PAIR: u64 = 1 << 56;
const ACCOUNT: u64 = 2 << 56;
const BELOW_KIND: u64 = (1 << 56) - 1;

/// How often something has happened, as a score.
#[derive(Default)]
pub(crate) struct Pace(AtomicU64);

impl Entry for Pace {
    fn wipe(&self) {
        self.0.store(0, Relaxed);
    }
}

/// An attempt to prove to be a user.
#[derive(Clone, Copy, Debug)]
pub struct Guess<'a> {
    /// From where.
    pub from: IpAddr,
    /// The account's user part.
    pub user: &'a [u8],
    /// The account's domain.
    pub realm: &'a [u8],
}

/// What becomes of a guess.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is looked at.
    Heard,
    /// It is dropped, unlooked at.
    Silence,
    /// It is dropped, and it was one too many.
    Banned(Ban),
}

/// Counts failures for all shards of a server. Cloning shares it.
#[derive(Clone)]
pub struct Guard(Arc<Inner>);

struct Inner {
    policy: Policy,
    records: Slots<Record>,
    accounts: Slots<Record>,
    known: Known,
    counts: Counts,
    answers: Slots<Pace>,
    repeats: Slots<Pace>,
    walks: Walks,
    requests: Slots<Pace>,
    strangers: Slots<Pace>,
    hash_key: [u8; 16],
    /// How many bans were made.
    made: AtomicU64,
    /// No ban lasts longer, seconds: before that nobody needs to be looked up.
    bans_until_s: AtomicU64,
    /// No silence lasts longer, ms.
    silence_until_ms: AtomicU64,
}

impl Guard {
    /// One that has seen nothing, for so many shards.
    pub fn new(policy: Policy, hash_key: [u8; 16], shards: usize) -> Self {
        Self(Arc::new(Inner {
            policy,
            records: Slots::new(RECORDS, hash_key),
            accounts: Slots::new(ACCOUNTS, hash_key),
            known: Known::new(hash_key),
            counts: Counts::new(shards),
            answers: Slots::new(ANSWERED, hash_key),
            repeats: Slots::new(REPEATED, hash_key),
            walks: Walks::new(hash_key),
            requests: Slots::new(ASKING, hash_key),
            strangers: Slots::new(ASKING, hash_key),
            hash_key,
            made: AtomicU64::new(0),
            bans_until_s: AtomicU64::new(0),
            silence_until_ms: AtomicU64::new(0),
        }))
    }

    /// Whether requests from here are dropped unread.
    #[inline]
    pub fn is_banned(&self, now_ms: u64, from: IpAddr) -> bool {
        self.0.bans_until_s.load(Relaxed) * 1000 > now_ms && self.looks_banned(now_ms, from)
    }

    #[cold]
    fn looks_banned(&self, now_ms: u64, from: IpAddr) -> bool {
        let record = self.0.records.find(Source::of(from).key());
        record.is_some_and(|record| record.is_banned(now_ms))
    }

    /// A number that changes with each ban.
    #[inline]
    pub fn bans_made(&self) -> u64 {
        self.0.made.load(Relaxed)
    }

    /// A request of a banned source was dropped, or a connection of it refused.
    pub fn note_dropped(&self, from: IpAddr) {
        if let Some(record) = self.0.records.find(Source::of(from).key()) {
            record.count_dropped();
        }
    }

    /// A user has shown the right password here.
    #[inline]
    pub fn proved(&self, now_ms: u64, from: IpAddr) {
        self.0.known.note(now_ms, Source::of(from));
    }

    /// Whether a user has shown the right password here lately.
    pub fn knows(&self, now_ms: u64, from: IpAddr) -> bool {
        self.0.known.has(now_ms, Source::of(from), self.0.policy.known_s)
    }

    /// Whether a source that has proved nothing gets one more answer. To be asked once for each: it counts.
    pub fn may_answer(&self, now_ms: u64, from: IpAddr) -> bool {
        let most = self.0.policy.answers_max;
        let leak_ms = SECOND_MS / u64::from(most.max(1));
        allows(&self.0.answers, now_ms, Source::of(from).key(), (most, leak_ms))
    }

    /// Whether a request may be heard, of whose kind this number is (a keyed hash). To be asked once for each: it counts.
    pub fn may_repeat(&self, now_ms: u64, number: u64) -> bool {
        allows(&self.0.repeats, now_ms, number.clamp(1, u64::MAX - 1), (REPEATS_MAX, REPEAT_LEAK_MS))
    }

    /// Whether an account may begin one thing more. To be asked once for each: it counts.
    pub fn may_request(&self, now_ms: u64, account: &Guess<'_>) -> bool {
        let Inner { policy, requests, .. } = &*self.0;
        may_begin(requests, now_ms, self.account_key(account), policy.account_requests_max)
    }

    /// Whether a stranger may. `is_there`: a connection says so; what datagrams in his name have begun is not his. To be asked
    /// once for each: it counts.
    pub fn may_ask(&self, now_ms: u64, from: IpAddr, is_there: bool) -> bool {
        let Inner { policy, strangers, .. } = &*self.0;
        may_begin(strangers, now_ms, Source::of(from).key_by(is_there), policy.stranger_requests_max)
    }

    /// A number that stands for a source, for tables of others.
    pub fn number_of(&self, from: IpAddr) -> u64 {
        Source::of(from).key()
    }

    /// Whether nobody is silenced or banned: then every guess may be looked at.
    #[inline]
    pub fn is_at_rest(&self, now_ms: u64) -> bool {
        let quiet_from_ms =
            self.0.silence_until_ms.load(Relaxed).max(self.0.bans_until_s.load(Relaxed) * 1000);
        now_ms >= quiet_from_ms
    }

    /// Whether a guess may be looked at. `lives_here`: whether the account is registered from this very address.
    pub fn judge(&self, now_ms: u64, guess: &Guess<'_>, lives_here: impl FnOnce() -> bool) -> Verdict {
        // What is read of a banned source may belong to a call. Nobody proves anything by it.
        if self.is_banned(now_ms, guess.from) {
            return Verdict::Silence;
        }
        if now_ms >= self.0.silence_until_ms.load(Relaxed) {
            return Verdict::Heard;
        }
        self.judge_closely(now_ms, guess, lives_here)
    }

    #[cold]
    fn judge_closely(&self, now_ms: u64, guess: &Guess<'_>, lives_here: impl FnOnce() -> bool) -> Verdict {
        let source = Source::of(guess.from);
        let closed = |record: Option<&Record>| record.is_some_and(|record| record.is_closed(now_ms));
        if closed(self.0.accounts.find(self.pair_key(source, guess))) {
            return Verdict::Silence;
        }
        let source_closed = closed(self.0.records.find(source.key()));
        let is_closed = source_closed || closed(self.0.accounts.find(self.account_key(guess)));
        if !is_closed || lives_here() {
            return Verdict::Heard;
        }
        // What others have guessed at an account is no fault of who comes now.
        if !source_closed {
            return Verdict::Silence;
        }
        // Who does not wait is counted on. The repetitions of one request (11 in 32 s) are forgiven as fast as they come.
        self.blame(now_ms, source, guess, false).map_or(Verdict::Silence, Verdict::Banned)
    }

    /// A guess that proved its source was wrong. The ban that follows from it, if one does.
    pub fn failed(&self, now_ms: u64, guess: &Guess<'_>) -> Option<Ban> {
        let source = Source::of(guess.from);
        let policy = &self.0.policy;
        if let Some(account) = self.account(now_ms, self.account_key(guess))
            && account.add(now_ms, policy.account_leak_ms(), 1) > policy.account_free()
        {
            self.close(now_ms, account, ACCOUNT_SILENCE_MS);
        }
        self.blame(now_ms, source, guess, true)
    }

    fn blame(&self, now_ms: u64, source: Source, guess: &Guess<'_>, answered: bool) -> Option<Ban> {
        let policy = &self.0.policy;
        let known = self.0.known.has(now_ms, source, policy.known_s);
        if known && let Some(pair) = self.account(now_ms, self.pair_key(source, guess)) {
            let failures = pair.add(now_ms, PAIR_LEAK_MS, 1);
            self.close_by(now_ms, pair, failures, policy.free(), PAIR_DOUBLINGS);
        }
        let record = self.claim(now_ms, source.key())?;
        let walks = record.meets_other_user(self.account_key(guess) as u16);
        let failures = record.add(now_ms, policy.source_leak_ms(), if walks { 2 } else { 1 });
        let tolerance = if known { KNOWN_FACTOR } else { 1 };
        if failures >= policy.failures_max && !known {
            let offence = if walks { Offence::ManyUsers } else { Offence::WrongPassword };
            return Some(self.ban(now_ms, source, record, offence));
        }
        // Who is silent already is not silenced for longer by asking.
        if answered {
            self.close_by(now_ms, record, failures, policy.free() * tolerance, SOURCE_DOUBLINGS);
        }
        None
    }

    /// Credentials were right: uses a count of their nonce, which has this serial number. Whether it was there to be used;
    /// if not, somebody may have overheard them. `lifetime_ms`: how long nonces live.
    #[inline]
    pub fn takes_count(&self, serial: u64, issued_ms: u64, count: u32, lifetime_ms: u64) -> bool {
        self.0.counts.take(serial, issued_ms, count, lifetime_ms)
    }

    /// A known scanner has shown itself over a connection.
    pub fn scanned(&self, now_ms: u64, from: IpAddr) -> Option<Ban> {
        let source = Source::of(from);
        if self.0.known.has(now_ms, source, self.0.policy.known_s) {
            return None;
        }
        let record = self.claim(now_ms, source.key())?;
        Some(self.ban(now_ms, source, record, Offence::Scanner))
    }

    /// Lets a ban hold again that was made before a restart. `false`: its time is over.
    pub fn restore(&self, now_ms: u64, ban: &Ban) -> bool {
        let now_s = (now_ms / SECOND_MS) as u32;
        // However wrong the clock was or is, it lasts no longer than it was meant to.
        let until_s = ban.until_s.min(now_s.saturating_add(ban.until_s.saturating_sub(ban.since_s)));
        if until_s <= now_s {
            return false;
        }
        let ban = Ban { since_s: ban.since_s.min(now_s), until_s, ..*ban };
        let Some(record) = self.claim(now_ms, ban.source.key()) else { return false };
        record.restore(&ban);
        self.note_made(until_s);
        true
    }

    /// The administrator bans a source for so long, whoever is there. `None`: there is no room for it now.
    pub fn ban_by_hand(&self, now_ms: u64, source: Source, lasts_s: u32) -> Option<Ban> {
        let record = self.claim(now_ms, source.key())?;
        record.ban(now_ms, Offence::Administrator, |_| lasts_s);
        let ban = record.as_ban(source);
        self.note_made(ban.until_s);
        Some(ban)
    }

    /// Everybody who is banned, whoever is free first at the top.
    pub fn bans(&self, now_ms: u64) -> Vec<Ban> {
        if self.0.bans_until_s.load(Relaxed) * SECOND_MS <= now_ms {
            return Vec::new();
        }
        let records = self.0.records.iter().filter(|(_, record)| record.is_banned(now_ms));
        let mut bans: Vec<_> = records.map(|(key, record)| record.as_ban(Source::of_key(key))).collect();
        bans.sort_by_key(|ban| (ban.until_s, ban.source));
        bans
    }

    /// Forgives a source everything. The ban that ends by it.
    pub fn lift(&self, now_ms: u64, source: Source) -> Option<Ban> {
        self.0.walks.forgive(source);
        let record = self.0.records.find(source.key())?;
        let ban = record.is_banned(now_ms).then(|| record.as_ban(source));
        record.forgive();
        ban
    }

    /// The bans whose time was over since this was last asked.
    pub fn take_ended(&self, now_ms: u64) -> Vec<Ban> {
        if self.0.bans_until_s.load(Relaxed) == 0 {
            return Vec::new();
        }
        let ended = self.0.records.iter().filter(|(_, record)| record.take_end(now_ms));
        ended.map(|(key, record)| record.as_ban(Source::of_key(key))).collect()
    }

    pub(crate) fn ban(&self, now_ms: u64, source: Source, record: &Record, offence: Offence) -> Ban {
        let Policy { ban_s, ban_max_s, .. } = self.0.policy;
        record.ban(now_ms, offence, |times| {
            ban_s.saturating_mul(1u32.checked_shl(u32::from(times) - 1).unwrap_or(u32::MAX)).min(ban_max_s)
        });
        let ban = record.as_ban(source);
        self.note_made(ban.until_s);
        ban
    }

    pub(crate) fn walks(&self) -> &Walks {
        &self.0.walks
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.0.policy
    }

    fn note_made(&self, until_s: u32) {
        self.0.bans_until_s.fetch_max(u64::from(until_s), Relaxed);
        self.0.made.fetch_add(1, Relaxed);
    }

    fn close_by(&self, now_ms: u64, record: &Record, failures: u32, free: u32, doublings: u32) {
        if let Some(over) = failures.checked_sub(free + 1) {
            self.close(now_ms, record, SILENCE_MS << over.min(doublings));
        }
    }

    fn close(&self, now_ms: u64, record: &Record, silence_ms: u64) {
        record.close(now_ms + silence_ms);
        self.0.silence_until_ms.fetch_max(now_ms + silence_ms, Relaxed);
    }

    pub(crate) fn claim(&self, now_ms: u64, key: u64) -> Option<&Record> {
        let leak_ms = self.0.policy.source_leak_ms();
        self.0.records.claim(key, |record| record.worth(now_ms, leak_ms))
    }

    fn account(&self, now_ms: u64, key: u64) -> Option<&Record> {
        let leak_ms = self.0.policy.account_leak_ms();
        self.0.accounts.claim(key, |record| record.worth(now_ms, leak_ms))
    }

    fn account_key(&self, guess: &Guess<'_>) -> u64 {
        ACCOUNT | self.hash(0, guess) & BELOW_KIND
    }

    fn pair_key(&self, source: Source, guess: &Guess<'_>) -> u64 {
        PAIR | self.hash(source.key(), guess) & BELOW_KIND
    }

    fn hash(&self, source: u64, guess: &Guess<'_>) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0.hash_key);
        hasher.write_u64(source);
        hasher.write(guess.realm);
        hasher.write_u8(0);
        hasher.write(guess.user);
        hasher.finish()
    }
}

fn may_begin(slots: &Slots<Pace>, now_ms: u64, key: u64, a_second: u32) -> bool {
    let leak_ms = SECOND_MS / u64::from(a_second.max(1));
    allows(slots, now_ms, key, (a_second.saturating_mul(REQUEST_BURST_S), leak_ms))
}

/// Counts one more, unless there were `most` already of which one is forgiven in `leak_ms`.
pub(crate) fn allows(slots: &Slots<Pace>, now_ms: u64, key: u64, (most, leak_ms): (u32, u64)) -> bool {
    let Some(Pace(pace)) = slots.claim(key, |pace| pace.0.load(Relaxed)) else { return true };
    let score = Score(pace.load(Relaxed)).at(now_ms, leak_ms);
    let may = score.failures() < most;
    pace.store(if may { score.plus(1) } else { score }.0, Relaxed);
    may
}
