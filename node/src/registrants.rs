//! Phones that have registered elsewhere through us, and by which connections: when one is gone, the phone that was at its far
//! end is found by the next (RFC 5626 §5.3). Its registrar may know as much; we are all that a request meets which goes along the
//! route of a call.
//!
//! ```text
//!   REGISTER by a connection, answered 200  ──► this phone is at the far end of this connection
//!   INVITE by the connection, or along it   ──► the phone's mark travels in our Record-Route, sealed
//!   later the connection is gone            ──► the mark leads to the connection that the phone holds now
//! ```
//! A mark says whom the registrar has let in: which registrar that was, which user, which device. So nobody gets the calls of
//! somebody else who could not have registered in his place. Nothing of it outlives a connection, so there is no more of it
//! than there are connections.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};

use offhook_net::{ConnectionId, Flow};
use offhook_proxy::PhoneMark;
use offhook_sip::{Message, Name, NameAddr, Uri};
use offhook_transaction::ServerId;

use crate::edge::comes_from_phone;
use crate::relay::Passage;
use crate::switchboard::Switchboard;

/// Registrations that are known of one connection: few phones have more accounts. One more is not known, and its calls are
/// not found again.
const OF_CONNECTION_MAX: usize = 4;

/// Connections that are known of one phone: RFC 5626 §4.2.1 has two for each. Of more the oldest is forgotten.
const OF_PHONE_MAX: usize = 4;

/// A phone as its registrar knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Registrant {
    /// The phone.
    mark: PhoneMark,
    /// The user that it is registered for.
    user: PhoneMark,
}

/// What all shards know of them.
#[derive(Clone, Default, Debug)]
pub(crate) struct Registrants(Arc<Shared>);

#[derive(Default, Debug)]
struct Shared {
    /// How many connections there are, so that a server that is nobody's edge never looks.
    count: AtomicUsize,
    table: RwLock<Table>,
}

#[derive(Default, Debug)]
struct Table {
    /// Where phones are, the newest flow last.
    by_mark: HashMap<PhoneMark, Vec<Flow>>,
    by_connection: HashMap<ConnectionId, Vec<Registrant>>,
}

impl Registrants {
    fn is_empty(&self) -> bool {
        self.0.count.load(Relaxed) == 0
    }

    fn note(&self, flow: Flow, registrant: Registrant) {
        // Phones register again and again: that changes nothing.
        if !self.has_room_for(flow.connection, registrant) {
            return;
        }
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        table.note(flow, registrant);
        self.0.count.store(table.by_connection.len(), Relaxed);
    }

    fn has_room_for(&self, connection: ConnectionId, registrant: Registrant) -> bool {
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        let known = table.by_connection.get(&connection);
        known.is_none_or(|all| all.len() < OF_CONNECTION_MAX && !all.contains(&registrant))
    }

    fn find(&self, mark: PhoneMark) -> Option<Flow> {
        if self.is_empty() {
            return None;
        }
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        table.by_mark.get(&mark)?.last().copied()
    }

    /// The phone at the far end of a connection. Where it is registered for several users, this is the one of `user`.
    fn mark_of(
        &self,
        connection: ConnectionId,
        user: impl FnOnce() -> Option<PhoneMark>,
    ) -> Option<PhoneMark> {
        if self.is_empty() || !connection.is_some() {
            return None;
        }
        let table = self.0.table.read().unwrap_or_else(PoisonError::into_inner);
        match &**table.by_connection.get(&connection)? {
            [one] => Some(one.mark),
            all => {
                let user = user()?;
                all.iter().find(|registrant| registrant.user == user).map(|registrant| registrant.mark)
            }
        }
    }

    fn forget(&self, connection: ConnectionId) {
        let mut table = self.0.table.write().unwrap_or_else(PoisonError::into_inner);
        table.forget(connection);
        self.0.count.store(table.by_connection.len(), Relaxed);
    }
}

impl Table {
    fn note(&mut self, flow: Flow, registrant: Registrant) {
        self.by_connection.entry(flow.connection).or_default().push(registrant);
        let flows = self.by_mark.entry(registrant.mark).or_default();
        flows.push(flow);
        if flows.len() > OF_PHONE_MAX {
            let oldest = flows.remove(0).connection;
            self.by_connection.entry(oldest).and_modify(|all| all.retain(|r| r.mark != registrant.mark));
        }
    }

    fn forget(&mut self, connection: ConnectionId) {
        for registrant in self.by_connection.remove(&connection).unwrap_or_default() {
            let Some(flows) = self.by_mark.get_mut(&registrant.mark) else { continue };
            flows.retain(|flow| flow.connection != connection);
            if flows.is_empty() {
                self.by_mark.remove(&registrant.mark);
            }
        }
    }
}

impl Switchboard {
    /// Who is registered, if the REGISTER on its way says so that a phone sends by a connection of its own.
    pub(crate) fn registrant(&self, passage: &Passage<'_, '_, '_>) -> Option<Box<Registrant>> {
        let arrival = passage.arrival;
        if !comes_from_phone(passage) || !arrival.from.connection.is_some() {
            return None;
        }
        let contact = NameAddr::parse(arrival.message.values(Name::Contact).next()?)?;
        let uri = contact.parsed_uri().ok().filter(|_| !leaves(arrival.message, &contact))?;
        let device = match contact.params().value(b"+sip.instance") {
            Some(instance) => instance.to_vec(),
            None => place_of_contact(&uri),
        };
        let routed = &passage.screened.routed;
        let (registrar, way) = (routed.uri.address?.host_text, routed.next.map_or(&b""[..], |next| next.uri));
        let user = aor_of(&arrival.parts.to)?;
        let mark =
            self.cookies.phone_mark(&[&registrar.to_ascii_lowercase(), way, user.as_slice(), &device])?;
        Some(Box::new(Registrant { mark, user: self.cookies.phone_mark(&[user.as_slice()])? }))
    }

    /// A registrar has said 200.
    pub(crate) fn note_registrant(&mut self, server: ServerId) {
        let Some(record) = self.transactions.server_mut(server) else { return };
        let (flow, registrant) = (record.user.reply_to, record.user.registrant.take());
        if let Some(registrant) = registrant
            && !self.closed.has(self.shard, flow.connection)
        {
            self.registrants.note(flow, *registrant);
        }
    }

    /// The phone at the far end of a flow; `address` says for whom it speaks, or is spoken to.
    pub(crate) fn phone_at(&self, flow: &Flow, address: &NameAddr<'_>) -> Option<PhoneMark> {
        let user = || aor_of(address).and_then(|user| self.cookies.phone_mark(&[user.as_slice()]));
        self.registrants.mark_of(flow.connection, user)
    }

    /// The connection that this phone holds now.
    pub(crate) fn flow_of_phone(&self, mark: PhoneMark) -> Option<Flow> {
        self.registrants.find(mark).filter(|flow| !self.closed.has(self.shard, flow.connection))
    }

    /// A connection is gone.
    pub(crate) fn forget_registrants(&mut self, connection: ConnectionId) {
        if !self.registrants.is_empty() {
            self.registrants.forget(connection);
        }
    }
}

/// Whether a REGISTER takes a contact back (RFC 3261 §10.2.2).
fn leaves(message: &Message<'_>, contact: &NameAddr<'_>) -> bool {
    match contact.params().value(b"expires") {
        Some(expires) => expires.iter().all(|digit| *digit == b'0'),
        None => message.seconds(Name::Expires) == Ok(Some(0)),
    }
}

fn aor_of(address: &NameAddr<'_>) -> Option<Vec<u8>> {
    let (uri, mut aor) = (address.parsed_uri().ok()?, Vec::new());
    uri.write_aor(uri.address?.host, &mut aor)?;
    Some(aor)
}

/// What stays the same of the Contact of a phone that does not say which device it is.
fn place_of_contact(uri: &Uri<'_>) -> Vec<u8> {
    let mut place: Vec<u8> = uri.canonical_user().collect();
    place.push(b'@');
    place.extend(uri.address.map(|at| at.host_text.to_ascii_lowercase()).unwrap_or_default());
    place.extend(uri.address.and_then(|at| at.port).unwrap_or_default().to_be_bytes());
    place
}

#[cfg(test)]
mod tests {
    use offhook_sip::Transport;

    use super::*;

    fn mark(number: u64) -> PhoneMark {
        PhoneMark::new(number).unwrap()
    }

    fn registrant(number: u64) -> Registrant {
        Registrant { mark: mark(number), user: mark(number + 1_000) }
    }

    fn flow(index: u32) -> Flow {
        let connection = ConnectionId { index, generation: 1 };
        let remote = "192.0.2.1:5060".parse().unwrap();
        Flow { transport: Transport::Tcp, listener: 0, connection, remote }
    }

    fn sizes(all: &Registrants) -> (usize, usize, usize) {
        let table = all.0.table.read().unwrap();
        (table.by_mark.len(), table.by_connection.len(), all.0.count.load(Relaxed))
    }

    #[test]
    fn a_phone_is_where_it_registered_last() {
        let all = Registrants::default();
        let of = |index| all.mark_of(flow(index).connection, || None);
        assert_eq!((all.find(mark(7)), of(1)), (None, None));
        for _ in 0..3 {
            all.note(flow(1), registrant(7));
        }
        assert_eq!((all.find(mark(7)), of(1)), (Some(flow(1)), Some(mark(7))));
        all.note(flow(2), registrant(7));
        all.note(flow(1), registrant(7));
        assert_eq!((all.find(mark(7)), of(1), of(2)), (Some(flow(2)), Some(mark(7)), Some(mark(7))));
        all.forget(flow(2).connection);
        assert_eq!((all.find(mark(7)), of(2)), (Some(flow(1)), None));
        all.forget(flow(1).connection);
        assert_eq!((all.find(mark(7)), sizes(&all)), (None, (0, 0, 0)));
    }

    #[test]
    fn of_several_the_one_of_the_user() {
        let all = Registrants::default();
        all.note(flow(1), registrant(7));
        all.note(flow(1), registrant(8));
        let of = |user| all.mark_of(flow(1).connection, || user);
        assert_eq!(of(Some(mark(1_008))), Some(mark(8)));
        assert_eq!((of(Some(mark(1_009))), of(None)), (None, None));
    }

    #[test]
    fn there_is_no_more_than_connections_hold() {
        let all = Registrants::default();
        (1..100).for_each(|number| all.note(flow(1), registrant(number)));
        assert_eq!(sizes(&all), (OF_CONNECTION_MAX, 1, 1));
        (2..100).for_each(|index| all.note(flow(index), registrant(1)));
        assert_eq!(all.find(mark(1)), Some(flow(99)));
        assert_eq!(all.0.table.read().unwrap().by_mark[&mark(1)].len(), OF_PHONE_MAX);
        (1..100).for_each(|index| all.forget(flow(index).connection));
        assert_eq!(sizes(&all), (0, 0, 0));
    }
}
