//! Next hops that do not answer: remembered, passed over while another one is there, and asked by OPTIONS until they do
//! (RFC 3263 §4.3 says when one has failed; how long that holds is ours to say).
//!
//! ```text
//!   silence, 503, no connection ──► dead ──any answer but 503──► forgotten
//!                                    │ └── every PROBE_EVERY_MS: OPTIONS
//!                                    └── FORGET_MS without another failure ──► forgotten
//!   SILENCES_MAX requests in a row ──► dead, and left alone: it gets no request at all, nobody waits for half a minute
//!                                    ├── any answer ──► forgotten
//!                                    └── one request after 10 s, 20 s, 40 s, then each minute: it may answer no OPTIONS
//! ```
//! Left alone are only those that the configuration names and that may be asked to listen: "the SIP client MUST stop sending
//! requests to this server", and probe it, the less often the longer it lasts (RFC 7339 §5.9).
//!
//! Each shard has its own: a dead next hop costs each of them one request. What one shard has been told by another
//! ([`crate::checks`]) it does not ask about, and forgets when it is told so.

use std::collections::HashMap;

use offhook_locate::Hop;

use crate::standing::{AddressStanding, Liveness};
use crate::watch::Watch;

/// Next hops that are remembered. More fail only where our own network does, and then the order does not matter.
const FAILING_MAX: usize = 256;

/// How often a dead next hop is asked whether it lives, ms.
const PROBE_EVERY_MS: u64 = 10_000;

/// A next hop that nobody has asked for in this time is forgotten, ms.
const FORGET_MS: u64 = 600_000;

/// The longest time that a 503 keeps requests away, seconds (RFC 3261 §21.5.4 lets it say any).
const RETRY_AFTER_MAX_S: u32 = 300;

/// Requests in a row that may be left unanswered. One alone says little: its answer may be what was lost.
const SILENCES_MAX: u8 = 3;

/// Who is left alone is tried with one request after so long, ms; then after twice as long each time.
const TRY_AFTER_MS: u64 = 10_000;

/// The longest such time, ms.
const TRY_AFTER_MAX_MS: u64 = 60_000;

/// The next hops of one shard that failed.
#[derive(Default, Debug)]
pub(crate) struct Health {
    failing: HashMap<Hop, Failing>,
    /// What the targets of trunks have said.
    pub watch: Watch,
}

/// What is held against a next hop.
#[derive(Clone, Copy, Debug)]
struct Failing {
    /// Forgotten then.
    until_ms: u64,
    dead: Option<Dead>,
    /// Requests in a row that it has left unanswered.
    silences: u8,
    /// Left alone, it is tried then, and so long after that once more.
    try_ms: u64,
    wait_ms: u64,
}

#[derive(Clone, Copy, Debug)]
struct Dead {
    since_ms: u64,
    failed_ms: u64,
    why: &'static str,
    /// Asked then.
    probe_ms: u64,
}

impl Health {
    /// A next hop has failed in this way; `retry_after_s`: it said for how long. `true` if that is news.
    pub(crate) fn note_dead(
        &mut self,
        now_ms: u64,
        hop: Hop,
        why: &'static str,
        retry_after_s: Option<u32>,
    ) -> bool {
        let probe_ms = now_ms + retry_after_s.map_or(PROBE_EVERY_MS, wait_ms);
        let known = self.dead(hop).copied();
        let (since_ms, why) = known.map_or((now_ms, why), |dead| (dead.since_ms, dead.why));
        if let Some(failing) = self.fails(now_ms, hop) {
            failing.dead = Some(Dead { since_ms, failed_ms: now_ms, why, probe_ms });
        }
        self.watch.note_dead(hop);
        known.is_none()
    }

    /// A next hop has left a request unanswered. `true`: from now on it is left alone.
    pub(crate) fn note_unanswered(&mut self, now_ms: u64, hop: Hop) -> bool {
        let Some(failing) = self.fails(now_ms, hop) else { return false };
        failing.silences = failing.silences.saturating_add(1);
        let begins = failing.silences == SILENCES_MAX;
        if begins {
            failing.try_ms = now_ms + failing.wait_ms;
        }
        begins
    }

    fn fails(&mut self, now_ms: u64, hop: Hop) -> Option<&mut Failing> {
        if self.failing.len() >= FAILING_MAX && !self.failing.contains_key(&hop) {
            return None;
        }
        let new = Failing { until_ms: 0, dead: None, silences: 0, try_ms: 0, wait_ms: TRY_AFTER_MS };
        let failing = self.failing.entry(hop).or_insert(new);
        failing.until_ms = now_ms + FORGET_MS;
        Some(failing)
    }

    fn dead(&self, hop: Hop) -> Option<&Dead> {
        self.failing.get(&hop)?.dead.as_ref()
    }

    fn dead_mut(&mut self, hop: Hop) -> Option<&mut Dead> {
        self.failing.get_mut(&hop)?.dead.as_mut()
    }

    /// Another shard knows that this one is dead, and asks it.
    pub(crate) fn note_told(&mut self, now_ms: u64, hop: Hop) {
        if self.is_dead(hop) {
            return self.keep(now_ms, hop);
        }
        self.note_dead(now_ms, hop, "no answer", None);
        self.wait_until(hop, u64::MAX);
    }

    /// Somebody wants to know about this one: if it fails, that is not forgotten.
    pub(crate) fn keep(&mut self, now_ms: u64, hop: Hop) {
        if let Some(failing) = self.failing.get_mut(&hop) {
            failing.until_ms = now_ms + FORGET_MS;
        }
    }

    /// A dead one has said again for how long: it is asked no sooner.
    pub(crate) fn wait(&mut self, now_ms: u64, hop: Hop, retry_after_s: u32) {
        self.wait_until(hop, now_ms + wait_ms(retry_after_s));
    }

    fn wait_until(&mut self, hop: Hop, probe_ms: u64) {
        if let Some(dead) = self.dead_mut(hop) {
            dead.probe_ms = probe_ms;
        }
    }

    /// A next hop has answered. `true` if that is news.
    pub(crate) fn note_alive(&mut self, hop: Hop) -> bool {
        !self.is_empty() && self.failing.remove(&hop).is_some_and(|failing| failing.dead.is_some())
    }

    /// Whether a next hop is to be passed over while another one is there.
    pub(crate) fn is_dead(&self, hop: Hop) -> bool {
        !self.is_empty() && self.dead(hop).is_some()
    }

    /// Whether a next hop gets no requests, wherever else they could go.
    pub(crate) fn is_left_alone(&self, hop: Hop) -> bool {
        !self.is_empty() && self.failing.get(&hop).is_some_and(|failing| failing.silences >= SILENCES_MAX)
    }

    /// Whether one request may find out whether a next hop that is left alone lives again.
    pub(crate) fn takes_a_try(&mut self, now_ms: u64, hop: Hop) -> bool {
        let Some(failing) = self.failing.get_mut(&hop).filter(|failing| failing.try_ms <= now_ms) else {
            return false;
        };
        failing.wait_ms = (failing.wait_ms * 2).min(TRY_AFTER_MAX_MS);
        failing.try_ms = now_ms + failing.wait_ms;
        true
    }

    /// Whether none fails: nothing else is to be done then.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.failing.is_empty()
    }

    /// Whether answers tell nothing: none fails, and nobody wants to know who lives.
    #[inline]
    pub(crate) fn is_deaf(&self) -> bool {
        self.is_empty() && self.watch.is_empty()
    }

    /// How a target of a trunk stands.
    pub(crate) fn standing_of(&self, hop: Hop) -> AddressStanding {
        let watched = self.watch.of(hop);
        let health = match (self.dead(hop), watched.and_then(|watched| watched.alive_since_ms)) {
            (Some(&Dead { since_ms, failed_ms, why, .. }), _) => Liveness::Down { since_ms, failed_ms, why },
            (None, Some(since_ms)) => Liveness::Up { since_ms },
            (None, None) => Liveness::Unknown,
        };
        AddressStanding {
            transport: hop.transport,
            address: hop.address,
            health,
            answer: watched.and_then(|watched| watched.answer),
            calls: watched.map_or(0, |watched| watched.calls),
        }
    }

    /// Those that are to be asked now; the forgotten ones go.
    pub(crate) fn due(&mut self, now_ms: u64) -> Vec<Hop> {
        self.failing.retain(|_, failing| now_ms < failing.until_ms);
        let mut due: Vec<Hop> = Vec::new();
        let dead = self.failing.iter_mut().filter_map(|(hop, failing)| Some((hop, failing.dead.as_mut()?)));
        for (hop, dead) in dead.filter(|(_, dead)| dead.probe_ms <= now_ms) {
            dead.probe_ms = now_ms + PROBE_EVERY_MS;
            due.push(*hop);
        }
        due.sort_by_key(|hop| (hop.address, hop.transport));
        due
    }
}

fn wait_ms(retry_after_s: u32) -> u64 {
    u64::from(retry_after_s.clamp(1, RETRY_AFTER_MAX_S)) * 1000
}

#[cfg(test)]
mod tests {
    use offhook_sip::Transport;

    use super::*;

    fn hop(n: u8) -> Hop {
        Hop { transport: Transport::Udp, address: ([192, 0, 2, n], 5060).into() }
    }

    /// RFC 3263 §4.3: one that failed is passed over until it answers.
    #[test]
    fn the_dead_are_asked_until_they_answer() {
        let mut health = Health::default();
        assert!(health.note_dead(0, hop(1), "silence", None));
        assert!(!health.note_dead(1_000, hop(1), "silence", None), "no news");
        assert!(health.is_dead(hop(1)) && !health.is_dead(hop(2)));
        assert_eq!(health.due(10_000), []);
        assert_eq!(health.due(11_000), [hop(1)]);
        assert_eq!(health.due(12_000), [], "not all the time");
        assert!(health.note_alive(hop(1)) && !health.note_alive(hop(1)));
        assert!(health.is_empty());
    }

    /// RFC 3261 §21.5.4: Retry-After is heeded, within bounds.
    #[test]
    fn a_busy_one_is_left_alone() {
        let mut health = Health::default();
        health.note_dead(0, hop(1), "silence", Some(60));
        assert_eq!(health.due(59_000), []);
        assert_eq!(health.due(60_000), [hop(1)]);
        health.note_dead(0, hop(2), "silence", Some(u32::MAX));
        assert_eq!(health.due(300_000), [hop(1), hop(2)]);
    }

    #[test]
    fn all_of_it_is_bounded() {
        let mut health = Health::default();
        for n in 0..10_000_u32 {
            let address = (std::net::Ipv4Addr::from_bits(n), 5060).into();
            health.note_dead(0, Hop { transport: Transport::Tcp, address }, "silence", None);
        }
        assert_eq!(health.failing.len(), FAILING_MAX);
        assert_eq!(health.due(FORGET_MS), []);
        assert!(health.is_empty());
    }

    /// RFC 7339 §5.9: "in the event of repeated timeouts".
    #[test]
    fn once_is_nothing() {
        let mut health = Health::default();
        assert!(!health.note_unanswered(0, hop(1)) && !health.note_unanswered(0, hop(1)));
        assert!(!health.note_unanswered(0, hop(2)));
        assert!(!health.is_left_alone(hop(1)) && !health.is_dead(hop(1)));
        assert!(!health.note_alive(hop(1)), "it was not dead");
        assert!(
            !health.note_unanswered(1, hop(1)) && !health.note_unanswered(2, hop(1)),
            "an answer in between"
        );
        assert!(health.note_unanswered(3, hop(1)) && !health.note_unanswered(3, hop(1)), "once it is news");
        assert!(health.is_left_alone(hop(1)) && !health.is_left_alone(hop(2)));
        health.note_alive(hop(1));
        health.note_alive(hop(2));
        assert!(health.is_empty());
    }

    /// RFC 7339 §5.9: "clients should be conservative in their probing (e.g., using an exponential back-off)".
    #[test]
    fn tries_become_rare() {
        let mut health = Health::default();
        assert!((0..3).any(|_| health.note_unanswered(0, hop(1))));
        let mut tries_s = Vec::new();
        for second in 0..300 {
            if health.takes_a_try(second * 1_000, hop(1)) {
                tries_s.push(second);
                assert!(!health.takes_a_try(second * 1_000, hop(1)), "one at a time");
            }
            health.note_unanswered(second * 1_000, hop(1));
        }
        assert_eq!(tries_s, [10, 30, 70, 130, 190, 250]);
        assert!(!health.takes_a_try(1_000_000, hop(2)));
    }
}
