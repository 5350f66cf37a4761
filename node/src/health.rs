//! Next hops that do not answer: remembered, passed over while another one is there, and asked by OPTIONS until they do
//! (RFC 3263 §4.3 says when one has failed; how long that holds is ours to say).
//!
//! ```text
//!   silence, 503, no connection ──► dead ──any answer but 503──► forgotten
//!                                    │ └── every PROBE_EVERY_MS: OPTIONS
//!                                    └── FORGET_MS without another failure ──► forgotten
//! ```
//! Each shard has its own: a dead next hop costs each of them one request. What one shard has been told by another
//! ([`crate::checks`]) it does not ask about, and forgets when it is told so.

use std::collections::HashMap;

use offhook_locate::Hop;

use crate::silent::Silent;
use crate::standing::{AddressStanding, Liveness};
use crate::watch::Watch;

/// Next hops that are remembered. More are dead only where our own network is, and then the order does not matter.
const DEAD_MAX: usize = 256;

/// How often a dead next hop is asked whether it lives, ms.
const PROBE_EVERY_MS: u64 = 10_000;

/// A next hop that nobody has asked for in this time is forgotten, ms.
const FORGET_MS: u64 = 600_000;

/// The longest time that a 503 keeps requests away, seconds (RFC 3261 §21.5.4 lets it say any).
const RETRY_AFTER_MAX_S: u32 = 300;

/// The next hops of one shard that failed.
#[derive(Default, Debug)]
pub(crate) struct Health {
    dead: HashMap<Hop, Dead>,
    /// What the targets of trunks have said.
    pub watch: Watch,
    /// Those that get no requests.
    pub silent: Silent,
}

#[derive(Clone, Copy, Debug)]
struct Dead {
    since_ms: u64,
    failed_ms: u64,
    why: &'static str,
    /// Forgotten then.
    until_ms: u64,
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
        let wait_ms = retry_after_s.map_or(PROBE_EVERY_MS, wait_ms);
        let known = self.dead.get(&hop);
        let (since_ms, why) = known.map_or((now_ms, why), |dead| (dead.since_ms, dead.why));
        let (until_ms, probe_ms) = (now_ms + FORGET_MS, now_ms + wait_ms);
        let is_known = known.is_some();
        if is_known || self.dead.len() < DEAD_MAX {
            self.dead.insert(hop, Dead { since_ms, failed_ms: now_ms, why, until_ms, probe_ms });
        }
        self.watch.note_dead(hop);
        !is_known
    }

    /// Another shard knows that this one is dead, and asks it.
    pub(crate) fn note_told(&mut self, now_ms: u64, hop: Hop) {
        if self.is_dead(hop) {
            return self.keep(now_ms, hop);
        }
        self.note_dead(now_ms, hop, "no answer", None);
        self.wait_until(hop, u64::MAX);
    }

    /// Somebody wants to know about this one: if it is dead, that is not forgotten.
    pub(crate) fn keep(&mut self, now_ms: u64, hop: Hop) {
        if let Some(dead) = self.dead.get_mut(&hop) {
            dead.until_ms = now_ms + FORGET_MS;
        }
    }

    /// A dead one has said again for how long: it is asked no sooner.
    pub(crate) fn wait(&mut self, now_ms: u64, hop: Hop, retry_after_s: u32) {
        self.wait_until(hop, now_ms + wait_ms(retry_after_s));
    }

    fn wait_until(&mut self, hop: Hop, probe_ms: u64) {
        if let Some(dead) = self.dead.get_mut(&hop) {
            dead.probe_ms = probe_ms;
        }
    }

    /// A next hop has answered. `true` if that is news.
    pub(crate) fn note_alive(&mut self, hop: Hop) -> bool {
        self.silent.forget(hop);
        !self.dead.is_empty() && self.dead.remove(&hop).is_some()
    }

    /// Whether a next hop is to be passed over.
    pub(crate) fn is_dead(&self, hop: Hop) -> bool {
        !self.dead.is_empty() && self.dead.contains_key(&hop)
    }

    /// Whether any is: nothing else is to be done if not.
    pub(crate) fn is_empty(&self) -> bool {
        self.dead.is_empty()
    }

    /// Whether answers tell nothing: none is dead, and nobody wants to know who lives.
    #[inline]
    pub(crate) fn is_deaf(&self) -> bool {
        self.dead.is_empty() && self.watch.is_empty() && self.silent.is_empty()
    }

    /// How a target of a trunk stands.
    pub(crate) fn standing_of(&self, hop: Hop) -> AddressStanding {
        let watched = self.watch.of(hop);
        let health = match (self.dead.get(&hop), watched.and_then(|watched| watched.alive_since_ms)) {
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
        self.dead.retain(|_, dead| now_ms < dead.until_ms);
        let mut due: Vec<Hop> = Vec::new();
        for (hop, dead) in self.dead.iter_mut().filter(|(_, dead)| dead.probe_ms <= now_ms) {
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
        assert_eq!(health.dead.len(), DEAD_MAX);
        assert_eq!(health.due(FORGET_MS), []);
        assert!(health.is_empty());
    }
}
