//! Ways that have changed: a phone behind a translator (NAT) has registered again from another port, or a phone on a stream by
//! another connection. Its calls know the way of before, which was sealed when they began.
//!
//! ```text
//!   REGISTER of bob, his Contact by F before, by G now  ──► bob: F ─► G
//!   in-dialog request to bob, sealed way F              ──► F ─► G (─► H …): by the last
//! ```
//! An entry is for the user whose registration it was: who registers at a way of somebody else, or writes somebody else into
//! To, draws nobody's call to himself. It is what this process has seen, and a hint: without it the way of before is tried.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use offhook_location::StoredFlow;
use offhook_net::Flow;
use offhook_sip::Transport;

use crate::closed::connection_of;
use crate::switchboard::Switchboard;

/// Changes that are known before the older half is forgotten: as many as the phones of a large provider whose translator was
/// started anew. 100 bytes each.
const HALF_MAX: usize = 65_536;

/// How often a phone may have changed its way within a call: with each refresh of some hours.
const CHANGES_MAX: usize = 64;

/// A way and the user at its end, hashed with a key.
type Place = u64;

/// What all shards know of them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Moved(Arc<Shared>);

#[derive(Default, Debug)]
struct Shared {
    /// How many there are, so that who has none never looks.
    count: AtomicUsize,
    table: RwLock<Table>,
}

#[derive(Default, Debug)]
struct Table {
    young: HashMap<Place, (Place, Flow)>,
    old: HashMap<Place, (Place, Flow)>,
}

impl Moved {
    fn is_empty(&self) -> bool {
        self.0.count.load(Relaxed) == 0
    }

    /// A phone is here now, by this flow; it was elsewhere `before`, or is new.
    fn note(&self, before: Option<Place>, (here, flow): (Place, Flow)) {
        let before = before.filter(|before| *before != here);
        if before.is_none() && !self.has(here) {
            return;
        }
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        table.note(before, (here, flow));
        self.0.count.store(table.young.len() + table.old.len(), Relaxed);
    }

    fn has(&self, place: Place) -> bool {
        !self.is_empty() && {
            let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
            table.next(place).is_some()
        }
    }

    /// Where who was there is now.
    fn find(&self, place: Place) -> Option<Flow> {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let steps = std::iter::successors(table.next(place), |(place, _)| table.next(*place));
        steps.take(CHANGES_MAX).last().map(|(_, flow)| flow)
    }
}

impl Table {
    fn next(&self, place: Place) -> Option<(Place, Flow)> {
        self.young.get(&place).or_else(|| self.old.get(&place)).copied()
    }

    /// Where somebody is now nothing leads away from, so that nothing leads in circles.
    fn note(&mut self, before: Option<Place>, (here, flow): (Place, Flow)) {
        self.young.remove(&here);
        self.old.remove(&here);
        let Some(before) = before else { return };
        if self.young.len() >= HALF_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(before, (here, flow));
    }
}

impl Switchboard {
    /// A user has registered by this flow; `before` is the way that his binding had until now.
    pub(crate) fn note_way(&self, aor: &[u8], before: Option<StoredFlow>, now: &StoredFlow) {
        if before.is_none() && self.moved.is_empty() {
            return;
        }
        let Some(here) = self.place(aor, now.transport, now.remote) else { return };
        let before = before.and_then(|before| self.place(aor, before.transport, before.remote));
        let (transport, listener, remote) = (now.transport, now.listener, now.remote);
        let flow = Flow { transport, listener, connection: connection_of(now), remote };
        self.moved.note(before, (here, flow));
    }

    /// Whether anybody may be elsewhere.
    pub(crate) fn have_any_moved(&self) -> bool {
        !self.moved.is_empty()
    }

    /// Where the phone of this user is now that was at this flow.
    pub(crate) fn moved_from(&self, aor: &[u8], flow: &Flow) -> Option<Flow> {
        let found = self.moved.find(self.place(aor, flow.transport, flow.remote)?)?;
        let is_there = !found.transport.is_reliable() || found.connection.is_some();
        (is_there && !self.closed.has(self.shard, found.connection)).then_some(found)
    }

    fn place(&self, aor: &[u8], transport: Transport, remote: SocketAddr) -> Option<Place> {
        let port = remote.port().to_be_bytes();
        let name = transport.uri_name().as_bytes();
        let mark = match remote.ip() {
            IpAddr::V4(ip) => self.cookies.phone_mark(&[aor, name, &ip.octets(), &port]),
            IpAddr::V6(ip) => self.cookies.phone_mark(&[aor, name, &ip.octets(), &port]),
        };
        mark.map(|mark| mark.get())
    }
}

#[cfg(test)]
mod tests {
    use offhook_net::ConnectionId;

    use super::*;

    fn flow(port: u16) -> Flow {
        let remote = SocketAddr::from(([192, 0, 2, 1], port));
        Flow { transport: Transport::Udp, listener: 0, connection: ConnectionId::NONE, remote }
    }

    fn at(place: Place) -> (Place, Flow) {
        (place, flow(u16::try_from(place % 60_000).unwrap_or_default()))
    }

    #[test]
    fn the_last_way_counts() {
        let moved = Moved::default();
        moved.note(None, at(1));
        moved.note(Some(1), at(1));
        assert!(moved.is_empty(), "whoever stays where he is is not noted");
        moved.note(Some(1), at(2));
        moved.note(Some(2), at(3));
        assert_eq!([1, 2, 3].map(|place| moved.find(place)), [Some(flow(3)), Some(flow(3)), None]);
    }

    #[test]
    fn nothing_leads_in_circles() {
        let moved = Moved::default();
        for (before, now) in [(1, 2), (2, 1), (1, 2), (2, 3), (3, 1)] {
            moved.note(Some(before), at(now));
        }
        assert_eq!([1, 2, 3].map(|place| moved.find(place)), [None, Some(flow(1)), Some(flow(1))]);
        moved.note(None, at(3));
        assert_eq!(moved.find(3), None, "another phone is there now");
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let moved = Moved::default();
        let count = HALF_MAX as u64;
        for place in 0..3 * count {
            moved.note(Some(2 * place), at(2 * place + 1));
        }
        let known = moved.0.count.load(Relaxed);
        assert!((HALF_MAX..=2 * HALF_MAX).contains(&known), "{known}");
        assert_eq!((moved.find(0), moved.find(6 * count - 2)), (None, Some(at(6 * count - 1).1)));
    }
}
