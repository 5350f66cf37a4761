//! Which sources flood us so that even dropping their requests costs too much: those are sifted in the kernel, see
//! [`offhook_net::Engine::sieve`].
//!
//! ```text
//!   every 100 ms, for each of the few:   what it may bring / what it sends ──► a smaller share passes the kernel, or a
//!                                                                              larger one
//! ```
//! A little more passes than is let in, so that it is seen when the flood is over.

use std::net::{IpAddr, Ipv6Addr};

use offhook_net::SIEVED_MAX;

/// How often the shares are set anew, ms.
const TURN_MS: u64 = 100;

/// The smallest share, thousandths: of a request inside a dialog, which the kernel cannot tell from a new one, one of its
/// repetitions must come through.
const SHARE_MIN_PERMILLE: u32 = 50;

/// A source with this share is sifted no more.
const SHARE_FREE_PERMILLE: u32 = 900;

/// So much passes, thousandths of what the source may bring: enough to see that it wants more.
const PASSES_PERMILLE: u64 = 1_150;

/// And so many requests a second more, for small shares: of all together, and of each one at most and at least.
const PASSES_MORE_PER_S: u64 = 160;
const PASSES_MORE_MAX_PER_S: u64 = 40;
const PASSES_MORE_MIN_PER_S: u64 = 5;

/// Of what a source sends an average is kept: a turn's part in it is one in so many, and a half where it sends far less.
const SENT_WEIGHT: u64 = 4;
const SENT_LESS_WEIGHT: u64 = 2;

/// What came through may be of before the share was set, when more passed: it counts for so many times the average at most.
const SENT_MAX: u64 = 4;

/// The sources that are sifted.
#[derive(Default)]
pub(crate) struct Sieve {
    /// In the order of their addresses.
    list: Vec<Sifted>,
    until_ms: u64,
    shares: Vec<(IpAddr, u16)>,
    changed: bool,
}

struct Sifted {
    source: IpAddr,
    is_banned: bool,
    /// When this turn began for it.
    since_ms: u64,
    /// New requests that came through in this turn.
    arrived: u32,
    /// That it sends, an average, a second; none before the first turn is over.
    sent_per_s: Option<u64>,
    share_permille: u32,
}

impl Sieve {
    /// Counts a new request; `floods`: its source takes more than its share.
    pub(crate) fn note(&mut self, now_ms: u64, source: IpAddr, floods: bool) {
        self.count(now_ms, source, (floods, false));
    }

    /// Counts a request of a source that is banned: as little of it passes as can be.
    pub(crate) fn note_banned(&mut self, now_ms: u64, source: IpAddr) {
        self.count(now_ms, source, (true, true));
    }

    fn count(&mut self, now_ms: u64, source: IpAddr, (floods, is_banned): (bool, bool)) {
        let source = subscriber(source);
        match self.list.binary_search_by_key(&source, |sifted| sifted.source) {
            Ok(place) => {
                let Some(sifted) = self.list.get_mut(place) else { return };
                sifted.arrived += 1;
                sifted.is_banned = is_banned;
            }
            Err(place) if floods && self.list.len() < SIEVED_MAX => {
                if self.list.is_empty() {
                    self.until_ms = now_ms + TURN_MS;
                }
                let (since_ms, sent_per_s, share_permille) = (now_ms, None, 1_000);
                let sifted = Sifted { source, is_banned, since_ms, arrived: 1, sent_per_s, share_permille };
                self.list.insert(place, sifted);
            }
            Err(_) => {}
        }
    }

    /// Whether nobody is sifted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether somebody is sifted who is not banned.
    pub(crate) fn holds_back(&self) -> bool {
        self.list.iter().any(|sifted| !sifted.is_banned)
    }

    /// When [`Sieve::turn`] has something to do.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        (!self.list.is_empty()).then_some(self.until_ms)
    }

    /// Sets the shares anew, if it is time. Each source may bring so many new requests a second.
    pub(crate) fn turn(&mut self, now_ms: u64, may_per_s: u64) {
        if self.list.is_empty() || now_ms < self.until_ms {
            return;
        }
        self.until_ms = now_ms + TURN_MS;
        let more_per_s = PASSES_MORE_PER_S / self.list.len() as u64;
        let more_per_s = more_per_s.clamp(PASSES_MORE_MIN_PER_S, PASSES_MORE_MAX_PER_S);
        self.list.iter_mut().for_each(|sifted| sifted.turn(now_ms, (may_per_s, more_per_s)));
        self.list.retain(|sifted| sifted.share_permille < SHARE_FREE_PERMILLE);
        self.shares.clear();
        self.shares.extend(self.list.iter().map(|sifted| (sifted.source, sifted.share_permille as u16)));
        self.changed = true;
    }

    /// The shares, if they have changed since this was asked.
    pub(crate) fn changes(&mut self) -> Option<&[(IpAddr, u16)]> {
        std::mem::take(&mut self.changed).then_some(&self.shares[..])
    }
}

impl Sifted {
    fn turn(&mut self, now_ms: u64, (may_per_s, more_per_s): (u64, u64)) {
        let lasted_ms = now_ms.saturating_sub(std::mem::replace(&mut self.since_ms, now_ms)).max(1);
        let sent = u64::from(std::mem::take(&mut self.arrived)) * 1_000_000
            / (lasted_ms * u64::from(self.share_permille));
        let sent = self.sent_per_s.map_or(sent, |before| {
            let weight = if sent < before / 2 { SENT_LESS_WEIGHT } else { SENT_WEIGHT };
            (before * (weight - 1) + sent.min(before * SENT_MAX)) / weight
        });
        self.sent_per_s = Some(sent);
        let may_per_s = if self.is_banned { 0 } else { may_per_s };
        let passes = may_per_s.saturating_mul(PASSES_PERMILLE) / 1_000 + more_per_s;
        self.share_permille =
            passes.saturating_mul(1_000).checked_div(sent).unwrap_or(1_000).min(1_000) as u32;
        self.share_permille = self.share_permille.max(SHARE_MIN_PERMILLE);
    }
}

/// The kernel's filter looks at the first half of an IPv6 address: a /64 is one subscriber.
fn subscriber(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V6(ip) if ip.to_ipv4_mapped().is_none() => {
            Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    /// Offers `per_turn` requests in each turn, of which the kernel lets its share through; `may` are let in. Says the
    /// shares after each turn.
    fn play(sieve: &mut Sieve, from_ms: u64, turns: u64, per_turn: u32, may: u32) -> Vec<u32> {
        let mut shares = Vec::new();
        let mut share = sieve.shares.first().map_or(1000, |(_, share)| u32::from(*share));
        for turn in 0..turns {
            let now_ms = from_ms + turn * TURN_MS;
            let arrive = per_turn * share / 1000;
            (0..arrive).for_each(|_| sieve.note(now_ms, source(), arrive > may * 5 / 4));
            sieve.turn(now_ms + TURN_MS, u64::from(may) * 1_000 / TURN_MS);
            share = sieve.shares.first().map_or(1000, |(_, share)| u32::from(*share));
            shares.push(share);
        }
        shares
    }

    #[test]
    fn a_source_that_asks_for_little_more_is_not_sifted() {
        let mut sieve = Sieve::default();
        play(&mut sieve, 0, 10, 120, 100);
        assert!(sieve.is_empty() && sieve.changes().is_none() && sieve.deadline_ms().is_none());
    }

    #[test]
    fn of_a_flood_little_more_arrives_than_may() {
        for times in [2, 5, 15] {
            let mut sieve = Sieve::default();
            let shares = play(&mut sieve, 0, 50, times * 100, 100);
            let arrive: Vec<u32> = shares[5..].iter().map(|share| share * times / 10).collect();
            assert!(arrive.iter().all(|arrive| (105..=130).contains(arrive)), "{times}: {arrive:?}");
            assert!(sieve.changes().is_some_and(|shares| shares.len() == 1));
            assert!(sieve.changes().is_none(), "asked once");
        }
    }

    /// Of many together little more than they may bring as well.
    #[test]
    fn of_many_floods_little_more_arrives_than_may() {
        let mut sieve = Sieve::default();
        let address = |n: usize| IpAddr::from([192, 0, 2, n as u8]);
        let (mut arrive, mut owed) = (0, [0; 50]);
        for turn in 0..100 {
            let now_ms = turn * TURN_MS;
            // Each sends twenty a turn, and might bring two.
            for (n, owed) in owed.iter_mut().enumerate() {
                let share = sieve.shares.iter().find(|(source, _)| *source == address(n));
                *owed += 20 * share.map_or(1_000, |(_, share)| u32::from(*share));
                (0..*owed / 1_000).for_each(|_| sieve.note(now_ms, address(n), true));
                arrive += if turn < 50 { 0 } else { *owed / 1_000 };
                *owed %= 1_000;
            }
            sieve.turn(now_ms + TURN_MS, 20);
        }
        assert!((50 * 50 * 2..50 * 50 * 4).contains(&arrive), "{arrive} of 50,000");
    }

    #[test]
    fn something_always_passes() {
        let mut sieve = Sieve::default();
        let shares = play(&mut sieve, 0, 50, 100_000, 10);
        assert_eq!(shares.iter().min(), Some(&SHARE_MIN_PERMILLE));
    }

    #[test]
    fn what_was_queued_before_does_not_count_for_long() {
        let mut sieve = Sieve::default();
        play(&mut sieve, 0, 3, 500, 100);
        // Five hundred that came before they were sifted.
        (0..500).for_each(|_| sieve.note(300, source(), true));
        let shares = play(&mut sieve, 300, 8, 500, 100);
        assert!(shares[0] > 100 && shares[7] > 190, "{shares:?}");
    }

    #[test]
    fn of_a_banned_source_as_little_passes_as_can_be() {
        let mut sieve = Sieve::default();
        for turn in 0..20 {
            (0..100).for_each(|_| sieve.note_banned(turn * TURN_MS, source()));
            sieve.turn((turn + 1) * TURN_MS, u64::from(u32::MAX));
        }
        assert_eq!(sieve.shares, [(source(), SHARE_MIN_PERMILLE as u16)]);
    }

    #[test]
    fn within_two_seconds_of_quiet_nobody_is_sifted() {
        let mut sieve = Sieve::default();
        play(&mut sieve, 0, 50, 10_000, 10);
        play(&mut sieve, 50 * TURN_MS, 20, 5, 10);
        assert!(sieve.is_empty());
        assert_eq!(sieve.changes(), Some(&[][..]));
    }

    #[test]
    fn a_second_flood_is_measured_from_when_it_joined() {
        let mut sieve = Sieve::default();
        let second = IpAddr::from([192, 0, 2, 2]);
        (0..200).for_each(|_| sieve.note(0, source(), true));
        (0..80).for_each(|_| sieve.note(60, second, true));
        sieve.turn(TURN_MS, 1_000);
        let shares: Vec<u16> = sieve.shares.iter().map(|(_, share)| *share).collect();
        assert!(shares.len() == 2 && shares.iter().all(|share| (500..650).contains(share)), "{shares:?}");
    }

    #[test]
    fn addresses_of_one_subscriber_are_one_source() {
        let mut sieve = Sieve::default();
        for n in 0..20 {
            sieve.note(0, format!("2001:db8::{n}").parse().unwrap(), true);
        }
        assert_eq!((sieve.list.len(), sieve.list[0].arrived), (1, 20));
    }

    #[test]
    fn no_more_sources_than_the_kernel_is_told_of() {
        let mut sieve = Sieve::default();
        for n in (0..=255).rev() {
            sieve.note(0, IpAddr::from([192, 0, 2, n]), true);
        }
        assert_eq!(sieve.list.len(), SIEVED_MAX);
        assert!(sieve.list.is_sorted_by_key(|sifted| sifted.source));
    }
}
