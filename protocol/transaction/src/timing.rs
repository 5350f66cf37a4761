//! The base times T1, T2, T4 and the timers that follow from them: RFC 3261 Annex A (Table 4), RFC 6026 §8.11.
//!
//! They are handed in, never global: a test or a slow satellite hop has its own.

/// The three times everything else is derived from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timing {
    /// Estimate of the round trip, RFC 3261 §17.1.1.1. Smaller than 500 ms only in closed networks (§17.1.1.2).
    pub t1_ms: u32,
    /// Longest interval between retransmissions of non-INVITE requests and INVITE responses, §17.1.2.2.
    pub t2_ms: u32,
    /// Longest time a message stays in the network, §17.1.2.2.
    pub t4_ms: u32,
}

/// The values of RFC 3261 Table 4.
impl Default for Timing {
    fn default() -> Self {
        Self { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000 }
    }
}

impl Timing {
    /// RFC 3261 §17.1.1.2: "at least 32 seconds", because the peer's T1 is unknown.
    pub const TIMER_D_MIN_MS: u32 = 32_000;

    /// Timer A after `resent` retransmissions of an INVITE: T1, 2·T1, 4·T1, … without a cap (§17.1.1.2).
    pub fn timer_a_ms(&self, resent: u8) -> u32 {
        let doubled = u64::from(self.t1_ms) << resent.min(31);
        u32::try_from(doubled).unwrap_or(u32::MAX).max(INTERVAL_MIN_MS)
    }

    /// Timers B, F, H, L, M, and J over datagrams: 64·T1, the time a client tries.
    pub fn timeout_ms(&self) -> u32 {
        self.t1_ms.saturating_mul(64)
    }

    /// Timer D, how long an INVITE client acknowledges repeated final responses (§17.1.1.2).
    pub fn timer_d_ms(&self, reliable: bool) -> u32 {
        if reliable { 0 } else { self.timeout_ms().max(Self::TIMER_D_MIN_MS) }
    }

    /// Timers E (§17.1.2.2) and G (§17.2.1) after `resent` retransmissions: as Timer A, capped at T2.
    pub fn timer_e_ms(&self, resent: u8) -> u32 {
        self.timer_a_ms(resent).min(self.timer_e_proceeding_ms())
    }

    /// Timer E once a provisional response has come: T2 (§17.1.2.2).
    pub fn timer_e_proceeding_ms(&self) -> u32 {
        self.t2_ms.max(INTERVAL_MIN_MS)
    }

    /// Timers I (§17.2.1) and K (§17.1.2.2): T4 over datagrams, nothing over streams.
    pub fn timer_i_ms(&self, reliable: bool) -> u32 {
        if reliable { 0 } else { self.t4_ms }
    }

    /// Timer J, how long a non-INVITE server repeats its answer (§17.2.2).
    pub fn timer_j_ms(&self, reliable: bool) -> u32 {
        if reliable { 0 } else { self.timeout_ms() }
    }

    /// When a non-INVITE request that is still unanswered gets its 100, and over datagrams not a moment earlier:
    /// the time until the client's Timer E is reset to T2 (RFC 4320 §4.1). 3.5 s by default.
    pub fn non_invite_trying_after_ms(&self) -> u32 {
        let (mut elapsed_ms, mut interval_ms) = (0_u32, self.timer_e_ms(0));
        while interval_ms < self.t2_ms {
            elapsed_ms = elapsed_ms.saturating_add(interval_ms);
            interval_ms = interval_ms.saturating_mul(2).min(self.t2_ms);
        }
        elapsed_ms
    }
}

/// A T1 or T2 of zero would send again without end in the same millisecond.
const INTERVAL_MIN_MS: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §17.1.1.2: "retransmitted with intervals that double after each transmission".
    #[test]
    fn timer_a_doubles_without_a_cap() {
        let intervals: Vec<u32> = (0..7).map(|n| Timing::default().timer_a_ms(n)).collect();
        assert_eq!(intervals, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000]);
    }

    /// RFC 3261 §17.1.2.2: "this results in intervals of 500 ms, 1 s, 2 s, 4 s, 4 s, 4 s".
    #[test]
    fn timer_e_stops_doubling_at_t2() {
        let intervals: Vec<u32> = (0..6).map(|n| Timing::default().timer_e_ms(n)).collect();
        assert_eq!(intervals, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
    }

    /// RFC 3261 Table 4.
    #[test]
    fn waits_are_those_of_table_4() {
        let timing = Timing::default();
        assert_eq!(timing.timeout_ms(), 32_000);
        assert_eq!([timing.timer_d_ms(false), timing.timer_d_ms(true)], [32_000, 0]);
        assert_eq!([timing.timer_i_ms(false), timing.timer_i_ms(true)], [5_000, 0]);
        assert_eq!([timing.timer_j_ms(false), timing.timer_j_ms(true)], [32_000, 0]);
        assert_eq!(Timing { t1_ms: 100, ..timing }.timer_d_ms(false), 32_000);
        assert_eq!(Timing { t1_ms: 1_000, ..timing }.timer_d_ms(false), 64_000);
    }

    /// RFC 4320 §4.1: Timer E fires after 0.5, 1.5 and 3.5 s; the third time it is reset to T2.
    #[test]
    fn trying_to_a_non_invite_waits_for_timer_e_to_reach_t2() {
        let timing = Timing::default();
        assert_eq!(timing.non_invite_trying_after_ms(), 3_500);
        assert_eq!(Timing { t1_ms: 4_000, ..timing }.non_invite_trying_after_ms(), 0);
    }

    #[test]
    fn absurd_times_neither_overflow_nor_spin() {
        for t in [0, u32::MAX] {
            let timing = Timing { t1_ms: t, t2_ms: t, t4_ms: t };
            assert!(timing.timer_a_ms(0) >= 1 && timing.timer_e_ms(255) >= 1);
            assert!(timing.timer_a_ms(255) >= timing.timer_a_ms(0));
            let _ = timing.non_invite_trying_after_ms();
        }
    }
}
