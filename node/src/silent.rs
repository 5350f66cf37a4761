//! Next hops that leave one request after the other unanswered: "the SIP client MUST stop sending requests to this server" and
//! probe it, the less often the longer it lasts (RFC 7339 §5.9).
//!
//! ```text
//!   SILENCES_MAX requests in a row ──► held back: 503 at once, nobody waits for half a minute
//!                                       ├── OPTIONS, every ten seconds (see `health`)
//!                                       └── one request after 10 s, 20 s, 40 s, then each minute: for those who answer no OPTIONS
//!   any answer that shows it alive ──► forgotten
//! ```
//! Only of next hops that the configuration names and that may be asked to listen: the table grows with that alone.

use offhook_locate::Hop;

/// Requests in a row that may be left unanswered. One alone says little: its answer may be what was lost.
const SILENCES_MAX: u8 = 3;

/// After so long one request is let through, ms; then after twice as long each time.
const TRY_AFTER_MS: u64 = 10_000;

/// The longest such time, ms.
const TRY_AFTER_MAX_MS: u64 = 60_000;

/// Those of one shard.
#[derive(Default, Debug)]
pub(crate) struct Silent {
    list: Vec<Silence>,
}

#[derive(Debug)]
struct Silence {
    hop: Hop,
    count: u8,
    wait_ms: u64,
    try_ms: u64,
}

impl Silent {
    /// A request was left unanswered. `true`: from now on it gets none.
    pub(crate) fn note(&mut self, now_ms: u64, hop: Hop) -> bool {
        let place = self.list.iter().position(|silence| silence.hop == hop).unwrap_or_else(|| {
            self.list.push(Silence { hop, count: 0, wait_ms: TRY_AFTER_MS, try_ms: 0 });
            self.list.len() - 1
        });
        let Some(silence) = self.list.get_mut(place) else { return false };
        silence.count = silence.count.saturating_add(1);
        let begins = silence.count == SILENCES_MAX;
        if begins {
            silence.try_ms = now_ms + silence.wait_ms;
        }
        begins
    }

    /// It has answered.
    pub(crate) fn forget(&mut self, hop: Hop) {
        self.list.retain(|silence| silence.hop != hop);
    }

    /// Whether there is none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether it gets no requests.
    pub(crate) fn has(&self, hop: Hop) -> bool {
        self.list.iter().any(|silence| silence.hop == hop && silence.count >= SILENCES_MAX)
    }

    /// Whether one request may find out whether it lives again.
    pub(crate) fn takes_a_try(&mut self, now_ms: u64, hop: Hop) -> bool {
        let due = |silence: &&mut Silence| silence.hop == hop && silence.try_ms <= now_ms;
        let Some(silence) = self.list.iter_mut().find(due) else { return false };
        silence.wait_ms = (silence.wait_ms * 2).min(TRY_AFTER_MAX_MS);
        silence.try_ms = now_ms + silence.wait_ms;
        true
    }
}

#[cfg(test)]
mod tests {
    use offhook_sip::Transport;

    use super::*;

    fn hop(n: u8) -> Hop {
        Hop { transport: Transport::Udp, address: ([192, 0, 2, n], 5060).into() }
    }

    /// RFC 7339 §5.9: "in the event of repeated timeouts".
    #[test]
    fn once_is_nothing() {
        let mut silent = Silent::default();
        assert!(!silent.note(0, hop(1)) && !silent.note(0, hop(1)) && !silent.note(0, hop(2)));
        assert!(!silent.has(hop(1)));
        silent.forget(hop(1));
        assert!(!silent.note(1, hop(1)) && !silent.note(2, hop(1)), "an answer in between");
        assert!(silent.note(3, hop(1)) && !silent.note(3, hop(1)), "once it is news");
        assert!(silent.has(hop(1)) && !silent.has(hop(2)));
        silent.forget(hop(1));
        silent.forget(hop(2));
        assert!(silent.is_empty());
    }

    /// RFC 7339 §5.9: "clients should be conservative in their probing (e.g., using an exponential back-off)".
    #[test]
    fn tries_become_rare() {
        let mut silent = Silent::default();
        assert!((0..3).any(|_| silent.note(0, hop(1))));
        let mut tries_s = Vec::new();
        for second in 0..300 {
            if silent.takes_a_try(second * 1_000, hop(1)) {
                tries_s.push(second);
                assert!(!silent.takes_a_try(second * 1_000, hop(1)), "one at a time");
            }
            silent.note(second * 1_000, hop(1));
        }
        assert_eq!(tries_s, [10, 30, 70, 130, 190, 250]);
        assert!(!silent.takes_a_try(1_000_000, hop(2)));
    }
}
