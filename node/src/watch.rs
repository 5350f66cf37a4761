//! What the targets of trunks have said and how often they were called, for whoever asks how a trunk stands
//! ([`crate::standing`]). Without trunks it is empty, and a response costs one look at that.

use offhook_locate::Hop;

/// Addresses that are watched: so many targets with so many addresses that nobody reads about them one by one.
const WATCHED_MAX: usize = 1_024;

/// What one shard has seen of the targets of trunks.
#[derive(Default, Debug)]
pub(crate) struct Watch {
    /// In the order of their places.
    list: Vec<Watched>,
    /// Calls by the index of their trunk.
    calls: Vec<u64>,
}

/// One address of a target.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watched {
    hop: Hop,
    /// Since when it lives, ms; `None`: it has said nothing yet, or fails.
    pub alive_since_ms: Option<u64>,
    /// What it has said last, and when, ms.
    pub answer: Option<(u16, u64)>,
    /// Calls that were sent there.
    pub calls: u64,
}

impl Watch {
    /// From now on these are watched. What is known of those that were is kept.
    pub(crate) fn set(&mut self, mut hops: Vec<Hop>, trunks: usize) {
        self.calls.resize(trunks, 0);
        hops.sort_unstable_by_key(place);
        hops.dedup();
        hops.truncate(WATCHED_MAX);
        if self.list.iter().map(|watched| watched.hop).eq(hops.iter().copied()) {
            return;
        }
        let new = |hop| Watched { hop, alive_since_ms: None, answer: None, calls: 0 };
        let list = hops.into_iter().map(|hop| self.of(hop).copied().unwrap_or(new(hop))).collect();
        self.list = list;
    }

    /// Whether nothing is watched.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is known of one.
    pub(crate) fn of(&self, hop: Hop) -> Option<&Watched> {
        self.list.get(self.find(hop)?)
    }

    /// One may have said something.
    pub(crate) fn note_answer(&mut self, now_ms: u64, hop: Hop, status: u16) {
        let Some(watched) = self.find(hop).and_then(|at| self.list.get_mut(at)) else { return };
        watched.answer = Some((status, now_ms));
        if status != 503 {
            watched.alive_since_ms.get_or_insert(now_ms);
        }
    }

    /// One may have failed.
    pub(crate) fn note_dead(&mut self, hop: Hop) {
        if let Some(watched) = self.find(hop).and_then(|at| self.list.get_mut(at)) {
            watched.alive_since_ms = None;
        }
    }

    /// A call was sent there.
    pub(crate) fn note_call(&mut self, hop: Hop) {
        if let Some(watched) = self.find(hop).and_then(|at| self.list.get_mut(at)) {
            watched.calls += 1;
        }
    }

    /// A call goes out by the trunk with this index.
    pub(crate) fn note_call_by(&mut self, trunk: usize) {
        if let Some(calls) = self.calls.get_mut(trunk) {
            *calls += 1;
        }
    }

    /// How many calls have gone out by each trunk.
    pub(crate) fn calls(&self) -> &[u64] {
        &self.calls
    }

    fn find(&self, hop: Hop) -> Option<usize> {
        self.list.binary_search_by_key(&place(&hop), |watched| place(&watched.hop)).ok()
    }
}

fn place(hop: &Hop) -> (std::net::SocketAddr, offhook_sip::Transport) {
    (hop.address, hop.transport)
}

#[cfg(test)]
mod tests {
    use offhook_sip::Transport;

    use super::*;

    fn hop(n: u32) -> Hop {
        Hop { transport: Transport::Udp, address: (std::net::Ipv4Addr::from_bits(n), 5060).into() }
    }

    #[test]
    fn only_targets_of_trunks_are_watched() {
        let mut watch = Watch::default();
        watch.note_answer(1, hop(1), 200);
        assert!(watch.is_empty() && watch.of(hop(1)).is_none());
        watch.set(vec![hop(2), hop(1), hop(2)], 1);
        watch.note_answer(5, hop(1), 404);
        watch.note_answer(6, hop(3), 200);
        watch.note_answer(7, hop(2), 503);
        let known = |n| watch.of(hop(n)).map(|watched| (watched.alive_since_ms, watched.answer));
        assert_eq!(known(1), Some((Some(5), Some((404, 5)))), "a refusal is a sign of life");
        assert_eq!(known(2), Some((None, Some((503, 7)))));
        assert_eq!(known(3), None);
    }

    #[test]
    fn what_is_known_is_kept_when_names_lead_elsewhere() {
        let mut watch = Watch::default();
        watch.set(vec![hop(1), hop(2)], 2);
        watch.note_call(hop(2));
        watch.note_call_by(1);
        watch.note_call_by(7);
        watch.note_answer(5, hop(2), 200);
        watch.note_answer(9, hop(2), 180);
        watch.set(vec![hop(3), hop(2)], 2);
        let second = watch.of(hop(2)).expect("it is watched");
        assert_eq!((second.calls, second.alive_since_ms, second.answer), (1, Some(5), Some((180, 9))));
        assert_eq!(watch.calls(), [0, 1]);
        watch.note_dead(hop(2));
        assert_eq!(watch.of(hop(2)).and_then(|watched| watched.alive_since_ms), None);
        watch.set((0..5_000).map(hop).collect(), 2);
        assert_eq!(watch.list.len(), WATCHED_MAX);
    }
}
