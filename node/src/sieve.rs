//! Which sources flood us so that even dropping their requests costs too much: those are sifted in the kernel, see
//! [`offhook_net::Engine::sieve`].
//!
//! ```text
//!   every 100 ms, for each of the few:   let in / arrived ──► a smaller share passes the kernel, or a larger one
//! ```
//! A little more passes than is let in, so that it is seen when the flood is over.

use std::net::IpAddr;

use offhook_net::SIEVED_MAX;

/// How often the shares are set anew, ms.
const TURN_MS: u64 = 100;

/// The smallest share, thousandths: of a request inside a dialog, which the kernel cannot tell from a new one, one of its
/// repetitions must come through.
const SHARE_MIN_PERMILLE: u32 = 50;

/// A source with this share is sifted no more.
const SHARE_FREE_PERMILLE: u32 = 900;

/// Below so many times what is let in, refusing costs less than the calls that the dice keep out and that come back in
/// lumps; then so many times as much passes.
const SIFTED_FROM: u32 = 4;
const SIFTED_TO: u32 = 2;

/// So many more must arrive than are let in before it is worth it: noise of a short turn.
const NOISE: u32 = 8;

/// The sources that are sifted.
#[derive(Default)]
pub(crate) struct Sieve {
    list: Vec<Sifted>,
    until_ms: u64,
    shares: Vec<(IpAddr, u16)>,
    changed: bool,
}

struct Sifted {
    source: IpAddr,
    arrived: u32,
    let_in: u32,
    share_permille: u32,
}

impl Sieve {
    /// Counts a new request; `floods`: its source takes far more than its share.
    pub(crate) fn note(&mut self, now_ms: u64, source: IpAddr, let_in: bool, floods: bool) {
        if let Some(sifted) = self.list.iter_mut().find(|sifted| sifted.source == source) {
            sifted.arrived += 1;
            sifted.let_in += u32::from(let_in);
        } else if floods && self.list.len() < SIEVED_MAX {
            if self.list.is_empty() {
                self.until_ms = now_ms + TURN_MS;
            }
            self.list.push(Sifted { source, arrived: 1, let_in: 0, share_permille: 1000 });
        }
    }

    /// Whether nobody is sifted.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// When [`Sieve::turn`] has something to do.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        (!self.list.is_empty()).then_some(self.until_ms)
    }

    /// Sets the shares anew, if it is time. `calm`: nobody is turned away any more.
    pub(crate) fn turn(&mut self, now_ms: u64, calm: bool) {
        if self.list.is_empty() || now_ms < self.until_ms {
            return;
        }
        self.until_ms = now_ms + TURN_MS;
        self.list.iter_mut().for_each(|sifted| sifted.turn(calm));
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
    fn turn(&mut self, calm: bool) {
        let (arrived, let_in) = (self.arrived, self.let_in);
        self.share_permille = if arrived > let_in * SIFTED_FROM + NOISE {
            // As much again as is let in may be refused.
            (self.share_permille * (let_in * SIFTED_TO + NOISE) / arrived).max(SHARE_MIN_PERMILLE)
        } else if calm || arrived <= let_in * 9 / 8 {
            self.share_permille * 3 / 2 + 10
        } else {
            self.share_permille * 17 / 16
        };
        (self.arrived, self.let_in) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> IpAddr {
        IpAddr::from([192, 0, 2, 1])
    }

    /// Offers `per_turn` requests in each turn, of which the kernel lets its share through and we take `carried`. Says
    /// the shares after each turn.
    fn play(sieve: &mut Sieve, from_ms: u64, turns: u64, per_turn: u32, carried: u32) -> Vec<u32> {
        let mut shares = Vec::new();
        let mut share = sieve.shares.first().map_or(1000, |(_, share)| u32::from(*share));
        for turn in 0..turns {
            let now_ms = from_ms + turn * TURN_MS;
            let arrive = per_turn * share / 1000;
            for n in 0..arrive {
                sieve.note(now_ms, source(), n < carried, arrive > 2 * carried);
            }
            sieve.turn(now_ms + TURN_MS, arrive < carried);
            share = sieve.shares.first().map_or(1000, |(_, share)| u32::from(*share));
            shares.push(share);
        }
        shares
    }

    #[test]
    fn a_source_that_asks_for_twice_as_much_is_not_sifted() {
        let mut sieve = Sieve::default();
        play(&mut sieve, 0, 10, 200, 100);
        assert!(sieve.is_empty() && sieve.changes().is_none() && sieve.deadline_ms().is_none());
    }

    #[test]
    fn of_a_flood_little_more_arrives_than_is_carried() {
        let mut sieve = Sieve::default();
        let shares = play(&mut sieve, 0, 50, 1_000, 100);
        assert!(shares[5..].iter().all(|share| (100..=430).contains(share)), "{shares:?}");
        assert!(sieve.changes().is_some_and(|shares| shares.len() == 1));
        assert!(sieve.changes().is_none(), "asked once");
    }

    #[test]
    fn something_always_passes() {
        let mut sieve = Sieve::default();
        let shares = play(&mut sieve, 0, 50, 100_000, 10);
        assert_eq!(shares.iter().min(), Some(&SHARE_MIN_PERMILLE));
    }

    #[test]
    fn within_a_second_and_a_half_of_quiet_nobody_is_sifted() {
        let mut sieve = Sieve::default();
        play(&mut sieve, 0, 50, 100_000, 10);
        play(&mut sieve, 50 * TURN_MS, 15, 5, 10);
        assert!(sieve.is_empty());
        assert_eq!(sieve.changes(), Some(&[][..]));
    }

    #[test]
    fn no_more_sources_than_the_kernel_is_told_of() {
        let mut sieve = Sieve::default();
        for n in 0..20 {
            sieve.note(0, IpAddr::from([192, 0, 2, n]), false, true);
        }
        assert_eq!(sieve.list.len(), SIEVED_MAX);
    }
}
