//! ICMP errors about requests that were sent by UDP: RFC 3261 §18.4. They end a branch at once that its timers would wait for
//! (§17.1.4), and count as a 503 (§16.9).
//!
//! ```text
//!   INVITE ──► a host where nobody listens
//!          ◄── ICMP "port unreachable": INVITE … Via: …;branch=OURS          the quote
//!                 our branch? its method? where it was sent? nothing heard? ──► the branch has failed
//! ```
//! Whoever can send us a packet can send this one. The branch proves that he has seen what we sent, and the address of the
//! quoted packet that it was sent there: nobody else's branch is ended by it.
//!
//! A router says "network" or "host unreachable" also while it looks for another way. Where the request can go to another
//! address at once, it does; else its first repetition, half a second later, decides.
//!
//! Errors about responses change nothing. RFC 6026 §8.8 has the server transaction "remain in the current state", so a refusal
//! goes again until Timer H, and its user, the proxy, has no other use for the news. What RFC 3263 §5 would try next, the host
//! in the Via, is one that a sender of datagrams can write there as he likes, and his the error too.

use offhook_journal::{Event, EventKind};
use offhook_net::{Flow, IcmpError, Outbox};
use offhook_sip::{Message, QuotedRequest, Transport};
use offhook_transaction::{ClientId, ClientState, InviteClient, NonInviteClient};

use crate::context::Downstream;
use crate::failover::Lost;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// A client transaction.
type Record = offhook_transaction::ClientRecord<Downstream>;

impl Switchboard {
    /// Takes an ICMP error about a datagram that was to go `to` there and began with `quoted`.
    pub(crate) fn icmp_error(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (to, error, quoted): (&Flow, IcmpError, &[u8]),
        out: &mut Outbox,
    ) {
        let Some(request) = QuotedRequest::read(quoted) else { return };
        let Some(place) = self.cookies.read_branch(request.branch) else { return };
        if place.shard != self.shard {
            return out.hand_over_error(place.shard, *to, error, quoted);
        }
        let named = ClientId::from_bits(place.transaction);
        let Some(id) = named.and_then(|id| self.transactions.find_client(id, request.method)) else { return };
        let Some(record) = self.transactions.client(id) else { return };
        let Some(repeated) = unheard(record) else { return };
        if !is_about(record, to, request.method) || error.is_soft() && !repeated && !self.has_other_way(id) {
            return;
        }
        self.note_unreachable(now_ms, id, error.name());
        if self.transactions.client_transport_failed(now_ms, id) {
            self.branch_failed(settings, now_ms, id, Lost::Refused(error), out);
        }
    }

    /// Whether its request can go to another address or by another flow as soon as this one has failed.
    fn has_other_way(&self, id: ClientId) -> bool {
        let server = self.transactions.client(id).and_then(|record| record.user.server);
        server.is_some_and(|server| self.has_spare(server, id)) || self.has_other_flow(id)
    }

    /// Of a request of our own others tell: `target.dead`, `trunk.unregistered`.
    pub(crate) fn note_unreachable(&mut self, now_ms: u64, id: ClientId, why: &'static str) {
        let Some(record) = self.transactions.client(id).filter(|record| record.user.server.is_some()) else {
            return;
        };
        if !self.journal.logs(EventKind::TargetUnreachable) {
            return self.journal.count(EventKind::TargetUnreachable);
        }
        let Ok(request) = Message::parse(record.request()) else { return };
        let event = Event::TargetUnreachable {
            to: request.to().map(|to| to.uri).unwrap_or_default(),
            target: record.user.flow.remote,
            why,
            call_id: request.call_id().unwrap_or_default(),
        };
        self.journal.note(now_ms, &event);
    }
}

/// `None`: it has been answered, if only provisionally. Else whether its request was repeated.
fn unheard(record: &Record) -> Option<bool> {
    match record.state() {
        ClientState::Invite(InviteClient::Calling { resent })
        | ClientState::NonInvite(NonInviteClient::Trying { resent }) => Some(resent > 0),
        ClientState::Invite(_) | ClientState::NonInvite(_) => None,
    }
}

/// Whether this request was sent there. The CANCEL and the ACK of an INVITE have its branch and another method: the first is a
/// transaction of its own, the second is none.
fn is_about(record: &Record, to: &Flow, method: &[u8]) -> bool {
    let sent_to = &record.user.flow;
    let same_method = record
        .request()
        .strip_prefix(method)
        .is_some_and(|rest| rest.first().is_some_and(|byte| *byte == b' '));
    let same_address = (sent_to.remote.ip(), sent_to.remote.port()) == (to.remote.ip(), to.remote.port());
    sent_to.transport == Transport::Udp && same_address && same_method
}
