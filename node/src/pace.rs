//! How many new requests a second a shard takes on while more come than it can carry.
//!
//! ```text
//!   every 100 ms:  the shortest wait of a message that had others behind it
//!                    │ stays short                     │ stays long
//!                    ▼                                 ▼
//!             capacity is more ◄── estimate ──► capacity is a little less;
//!                                               and while it stays, pace = capacity less a part of what waits
//! ```
//! What counts is the wait that never went away. A queue that was empty once in the meantime held a lump: many that came
//! together, or a processor that was elsewhere for a moment. It needs no answer, and is gone before one has an effect.
//!
//! What was let in too much is worked off by a pace below the capacity, which ends by itself when the wait does; the estimate
//! itself moves slowly, and falls only while the wait does not. Far below where it was too much it rises fast.

/// How often the pace is set anew, ms: some of the rounds in which a machine with many tenants is given its processors.
pub(crate) const WINDOW_MS: u64 = 100;

/// A wait that may stay, ms: then there is always something to do, and a call has still its answer in time. A fast machine
/// fills its receive buffer in not much more; that counts as a wait as well (`shard/lateness.rs` of `offhook-net`).
const WAIT_MS: u64 = 10;

/// A wait that is this long stops all new work but a quarter, ms.
const WORK_OFF_MS: u64 = 400;
const PACE_MIN_PERMILLE: u64 = 250;

/// While a wait does not fall, the estimate does in each step: by a thousandth for each millisecond of it up to so many, and
/// again for each beyond a wait that no lump makes, up to so many in all.
const FALL_PERMILLE: u64 = 50;
const LONG_MS: u64 = 150;
const FALL_MAX_PERMILLE: u64 = 250;

/// It rises to so many thousandths: far below what was too much, and near to it or beyond.
const RISE_PERMILLE: u64 = 1_200;
const RISE_NEAR_PERMILLE: u64 = 1_030;

/// Where near begins, thousandths of what was too much.
const NEAR_PERMILLE: u64 = 800;

/// Beyond what is carried on average the estimate begins at so many thousandths: the average is late.
const BEGINS_PERMILLE: u64 = 1_250;

/// The slowest pace, requests a second: something always gets in, or we would never learn that the storm is over.
const PER_S_MIN: u64 = 40;

/// No estimate is higher: more than any machine can read.
const PER_S_MAX: u64 = 1_000_000_000;

/// After so many windows in which nobody was turned away there is no limit any more.
const CALM_WINDOWS: u32 = 10;

/// Of what is carried an average is kept: a window's part in it is one in so many.
const CARRIED_WEIGHT: u64 = 4;

/// What a window has brought.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Its length, ms.
    pub(crate) lasted_ms: u64,
    /// New requests that were let in.
    pub(crate) let_in: u32,
    /// Whether others were not.
    pub(crate) turned_away: bool,
    /// The shortest wait in it, ms.
    pub(crate) waited_ms: u32,
}

/// The pace of a shard.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// New requests a second; `None`: as many as come.
    per_s: Option<u64>,
    /// How many could be carried, the estimate.
    capacity_per_s: u64,
    /// What was too much when a wait last began to stay.
    too_much_per_s: u64,
    /// New requests that were let in, an average, a second.
    carried_per_s: u64,
    /// The shortest wait of the last window, and the one that stayed through it and the one before, ms.
    waited_ms: u64,
    stayed_ms: u64,
    /// Windows without need of a limit, in a row.
    calm: u32,
    /// What may be taken on at once, thousandths of a request; below nothing, what was taken on in advance.
    credit_milli: i64,
    /// Up to when that is counted.
    credited_ms: u64,
}

impl Pace {
    /// Whether everything is let in.
    #[inline]
    pub(crate) fn is_free(&self) -> bool {
        self.per_s.is_none()
    }

    /// New requests in so many milliseconds; `None`: as many as come.
    pub(crate) fn in_ms(&self, ms: u64) -> Option<u32> {
        self.per_s.map(|per_s| u32::try_from(per_s * ms / 1_000).unwrap_or(u32::MAX).max(1))
    }

    /// Whether one more keeps the pace; `ahead`: or is no more than a window ahead of it.
    pub(crate) fn allows(&mut self, now_ms: u64, ahead: bool) -> bool {
        let Some(per_s) = self.per_s else { return true };
        let window_milli = (per_s * WINDOW_MS) as i64;
        let since_ms = now_ms.saturating_sub(self.credited_ms).min(WINDOW_MS);
        self.credited_ms = now_ms;
        self.credit_milli = (self.credit_milli + (per_s * since_ms) as i64).min(window_milli);
        self.credit_milli >= if ahead { 1_000 - window_milli } else { 1_000 }
    }

    /// One more was let in.
    pub(crate) fn note_let_in(&mut self) {
        if self.per_s.is_some() {
            self.credit_milli -= 1_000;
        }
    }

    /// Sets the pace by what the last window has brought.
    pub(crate) fn set(&mut self, now_ms: u64, window: &Window) {
        let carried = u64::from(window.let_in) * 1_000 / window.lasted_ms.max(1);
        self.carried_per_s = (self.carried_per_s * (CARRIED_WEIGHT - 1) + carried) / CARRIED_WEIGHT;
        let waited_ms = u64::from(window.waited_ms);
        let stays_ms = waited_ms.min(std::mem::replace(&mut self.waited_ms, waited_ms));
        let stayed_ms = std::mem::replace(&mut self.stayed_ms, stays_ms);
        let is_late = stays_ms > WAIT_MS;
        self.calm = if is_late || window.turned_away { 0 } else { self.calm + 1 };
        match self.per_s {
            None if !is_late => return,
            None => {
                self.capacity_per_s = PER_S_MAX;
                (self.credit_milli, self.credited_ms) = (0, now_ms);
            }
            Some(_) if self.calm >= CALM_WINDOWS => return self.per_s = None,
            Some(_) => {}
        }
        self.estimate(stayed_ms, stays_ms);
        let worked_off = (1_000_u64.saturating_sub(stays_ms * 1_000 / WORK_OFF_MS)).max(PACE_MIN_PERMILLE);
        self.per_s = Some((self.capacity_per_s * worked_off / 1_000).max(PER_S_MIN));
    }

    fn estimate(&mut self, stayed_ms: u64, stays_ms: u64) {
        let is_late = stays_ms > WAIT_MS;
        if is_late && stayed_ms <= WAIT_MS {
            // Where fewer came than might, the estimate says nothing of what is too much.
            let carried = self.carried_per_s * BEGINS_PERMILLE / 1_000;
            self.capacity_per_s = self.capacity_per_s.min(carried);
            self.too_much_per_s = self.capacity_per_s;
        }
        let is_far = self.capacity_per_s < self.too_much_per_s * NEAR_PERMILLE / 1_000;
        let change = match is_late {
            true if stays_ms < stayed_ms => 1_000,
            true => 1_000 - fall_permille(stays_ms),
            false if is_far => RISE_PERMILLE,
            false => RISE_NEAR_PERMILLE,
        };
        self.capacity_per_s = (self.capacity_per_s * change / 1_000).clamp(PER_S_MIN, PER_S_MAX);
    }
}

fn fall_permille(stays_ms: u64) -> u64 {
    let fall = (stays_ms - WAIT_MS).min(FALL_PERMILLE) + stays_ms.saturating_sub(LONG_MS);
    fall.min(FALL_MAX_PERMILLE)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    /// To turn a request away costs so much of what it costs to carry it.
    const TURNED_AWAY: f64 = 0.02;

    /// A server that carries `capacity` new requests a second, and works for so many milliseconds of each round.
    struct Server {
        pace: Pace,
        capacity: f64,
        rounds: (u64, u64),
        now_ms: u64,
        /// When those came that it has not looked at yet.
        queue: VecDeque<u64>,
        /// Since this window began: when that was, how many were let in, how many not, the shortest wait.
        window: (u64, u32, u32, u64),
    }

    impl Server {
        fn new(capacity: f64, rounds: (u64, u64)) -> Self {
            let window = (1_000, 0, 0, u64::MAX);
            Self { pace: Pace::default(), capacity, rounds, now_ms: 1_000, queue: VecDeque::new(), window }
        }

        /// Offers so many a second for so long. Says how many a second were let in in the second half.
        fn offer(&mut self, per_s: f64, lasts_ms: u64) -> f64 {
            let (until_ms, half_ms) = (self.now_ms + lasts_ms, self.now_ms + lasts_ms / 2);
            let (mut let_in, mut offered) = (0, 0.0);
            while self.now_ms < until_ms {
                self.now_ms += 1;
                offered += per_s / 1_000.0;
                while offered >= 1.0 {
                    offered -= 1.0;
                    self.queue.push_back(self.now_ms);
                }
                let works = self.now_ms % self.rounds.1 < self.rounds.0;
                let done = if works { self.work() } else { 0 };
                let_in += if self.now_ms > half_ms { done } else { 0 };
            }
            f64::from(let_in) * 2_000.0 / lasts_ms as f64
        }

        /// One millisecond of it.
        fn work(&mut self) -> u32 {
            let mut room = self.capacity / 1_000.0 * self.rounds.1 as f64 / self.rounds.0 as f64;
            let let_in_before = self.window.1;
            while room > 0.0 && self.queue.pop_front().is_some() {
                if self.pace.allows(self.now_ms, false) {
                    self.pace.note_let_in();
                    (self.window.1, room) = (self.window.1 + 1, room - 1.0);
                } else {
                    (self.window.2, room) = (self.window.2 + 1, room - TURNED_AWAY);
                }
            }
            let done = self.window.1 - let_in_before;
            let wait_ms = self.queue.front().map_or(0, |came_ms| self.now_ms - came_ms);
            self.window.3 = self.window.3.min(wait_ms);
            let (since_ms, let_in, turned_away, shortest_ms) = self.window;
            if self.now_ms >= since_ms + WINDOW_MS {
                let (lasted_ms, waited_ms) = (self.now_ms - since_ms, shortest_ms as u32);
                let window = Window { lasted_ms, let_in, turned_away: turned_away > 0, waited_ms };
                self.pace.set(self.now_ms, &window);
                self.window = (self.now_ms, 0, 0, u64::MAX);
            }
            done
        }
    }

    /// Whether its processor is its own, or comes for a while and goes for a longer one.
    const ROUNDS: [(u64, u64); 3] = [(1, 1), (5, 20), (4, 80)];

    #[test]
    fn nothing_is_limited_that_can_be_carried() {
        for rounds in ROUNDS {
            let mut server = Server::new(1_000.0, rounds);
            let let_in = server.offer(900.0, 10_000);
            assert!((890.0..910.0).contains(&let_in) && server.pace.is_free(), "{rounds:?}: {let_in}");
        }
    }

    /// Of all that can be done beside turning away the others, and messages do not wait until their senders repeat them.
    #[test]
    fn of_too_much_as_much_as_can_be_carried_is() {
        for rounds in ROUNDS {
            for capacity in [200.0, 1_000.0, 30_000.0] {
                for times in [1.1, 2.0, 5.0, 10.0] {
                    let mut server = Server::new(capacity, rounds);
                    let let_in = server.offer(times * capacity, 20_000);
                    let best = capacity * (1.0 - TURNED_AWAY * times) / (1.0 - TURNED_AWAY);
                    let wait_ms = server.queue.front().map_or(0, |came_ms| server.now_ms - came_ms);
                    let text = format!("{rounds:?} {capacity} {times}: {let_in} of {best}, {wait_ms} ms");
                    assert!(let_in > 0.9 * best && wait_ms < 300, "{text}");
                }
            }
        }
    }

    #[test]
    fn two_seconds_after_the_storm_there_is_no_limit() {
        for rounds in ROUNDS {
            let mut server = Server::new(1_000.0, rounds);
            server.offer(5_000.0, 5_000);
            assert!(!server.pace.is_free());
            server.offer(600.0, 2_000);
            assert!(server.pace.is_free(), "{rounds:?}: {:?}", server.pace);
        }
    }

    #[test]
    fn a_server_that_has_become_faster_finds_it_out() {
        let mut server = Server::new(500.0, (1, 1));
        server.offer(5_000.0, 5_000);
        server.capacity = 1_000.0;
        let let_in = server.offer(5_000.0, 10_000);
        assert!(let_in > 850.0, "{let_in}");
    }

    #[test]
    fn credit_is_for_a_window_and_debt_too() {
        let mut pace = Pace { per_s: Some(100), credited_ms: 1_000, ..Pace::default() };
        let take = |pace: &mut Pace, ahead| {
            let allows = pace.allows(61_000, ahead);
            if allows {
                pace.note_let_in();
            }
            allows
        };
        assert_eq!((0..50).filter(|_| take(&mut pace, false)).count(), 10, "a minute of silence is a window");
        assert_eq!((0..50).filter(|_| take(&mut pace, true)).count(), 10, "so much ahead of the pace");
        assert!(pace.in_ms(100) == Some(10) && pace.in_ms(1) == Some(1));
    }
}
