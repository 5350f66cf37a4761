//! From a name to the paths that lead to it, in the order in which to try them: RFC 3263 §4, RFC 3261 §18.1.1.

use offhook_journal::Event;
use offhook_locate::{Hop, Located, Nowhere, Reach, Wanted};
use offhook_net::{Flow, Listener};
use offhook_proxy::record_route::Nearness;
use offhook_sip::{Refusal, Transport};

use crate::arrival::Arrival;
use crate::hop;
use crate::names::Known;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Targets;

/// What a copy of a request has more than what came, bytes: our Via and Record-Route. The size that counts is that of
/// the copy.
const COPY_MORE_BYTES: usize = 200;

/// Who has named the next hop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NamedBy {
    /// The administrator: a name may lead into our own network.
    Us,
    /// A URI of a request: somebody else decides where it leads.
    Peer,
    /// A URI of a request in a dialog of ours: its other side, which is so near.
    Dialog(Nearness),
    /// The same of a request that ends or confirms a call, with a seal of ours or without: nobody begins anything by it.
    End(Option<Nearness>),
}

impl Switchboard {
    /// Adds the target that a name leads to, or what has to be asked first.
    pub(crate) fn push_named(
        &mut self,
        arrival: &Arrival<'_, '_>,
        wanted: Wanted,
        by: NamedBy,
        targets: &mut Targets,
    ) -> Result<(), Refusal<'static>> {
        match self.names.look(arrival.now_ms, &wanted) {
            Known::NotYet => {
                targets.await_name(wanted);
                Ok(())
            }
            Known::Nowhere(why) => Err(self.unresolved(arrival, &wanted, why, targets)),
            Known::Found(located) => match self.flows_to(arrival, &wanted, &located, by) {
                Ok(flows) => {
                    targets.push_flows(&flows, wanted.host.as_str());
                    Ok(())
                }
                Err(why) => Err(self.unresolved(arrival, &wanted, why, targets)),
            },
        }
    }

    /// The paths, those that are known to be dead last.
    pub(crate) fn flows_to(
        &self,
        arrival: &Arrival<'_, '_>,
        wanted: &Wanted,
        located: &Located,
        by: NamedBy,
    ) -> Result<Vec<Flow>, Nowhere> {
        let settings = arrival.settings;
        // All messages of a call go the same way, and so do those of a proxy without state (RFC 3263 §4.4).
        let entropy = u64::from(self.cookies.loop_mark(&[arrival.parts.call_id]));
        let hops = located.order(entropy);
        let reach = if by == NamedBy::Us { Reach::Private } else { settings.reach };
        let is_open = |ip| self.off_limits_by(arrival, by, ip).is_none();
        let leads_there = |hop: &Hop| is_own(&settings.listeners, *hop) || is_open(hop.address.ip());
        let may_go = |hop: &Hop| reach.take(hop.address.ip()).is_some() && leads_there(hop);
        let allowed: Vec<Hop> = hops.into_iter().filter(may_go).collect();
        if allowed.is_empty() {
            return Err(Nowhere::NotAllowed);
        }
        // A name that leads to ourselves is one that nobody told us is ours.
        let others: Vec<Hop> = allowed.into_iter().filter(|hop| !is_own(&settings.listeners, *hop)).collect();
        if others.is_empty() {
            return Err(Nowhere::Ourselves);
        }
        let way = |hop: &Hop| {
            hop::to_address(hop.transport, hop.address, &settings.listeners, arrival.from.listener)
        };
        let mut flows: Vec<Flow> = others.iter().filter_map(way).collect();
        if !self.health.is_empty() {
            flows.sort_by_key(|flow| self.health.is_dead(hop_of(flow)));
        }
        if wanted.transport.is_none() {
            prefer_stream(&mut flows, arrival);
        }
        if flows.is_empty() { Err(Nowhere::NoTransport) } else { Ok(flows) }
    }

    /// The answer to a request whose next hop is nowhere; the journal learns why, and the target set.
    pub(crate) fn unresolved(
        &mut self,
        arrival: &Arrival<'_, '_>,
        wanted: &Wanted,
        why: Nowhere,
        targets: &mut Targets,
    ) -> Refusal<'static> {
        targets.note_nowhere();
        let (status, reason) = answer_of(why);
        let name = wanted.to_string();
        let event = Event::NameUnresolved { name: &name, why: &why.to_string(), status };
        self.journal.note(arrival.now_ms, &event);
        Refusal::new(status).because(reason)
    }
}

/// RFC 3261 §21.4.5: 404 is for a domain that is known not to be there; §21.5.5: 504 where a server that we asked, "e.g.
/// DNS", has not answered; §21.5.3: 502 where it answers what cannot be used.
fn answer_of(why: Nowhere) -> (u16, &'static str) {
    match why {
        Nowhere::NoSuchName | Nowhere::Ourselves => (404, "No such domain"),
        Nowhere::NotOffered => (404, "That domain has no SIP service"),
        Nowhere::NotAllowed => (403, "That name leads where requests may not go"),
        Nowhere::NoTransport => (502, "No way to that transport or address family"),
        Nowhere::Unanswered => (504, "The name servers do not answer"),
    }
}

fn is_own(listeners: &[Listener], hop: Hop) -> bool {
    listeners.iter().any(|l| l.transport == hop.transport && l.local == hop.address)
}

/// The place that a flow leads to.
pub(crate) fn hop_of(flow: &Flow) -> Hop {
    Hop { transport: flow.transport, address: flow.remote }
}

/// RFC 3261 §18.1.1: what is too large for a datagram goes by TCP, to the same place; where that cannot be reached so, by
/// UDP all the same.
pub(crate) fn prefer_stream(flows: &mut Vec<Flow>, arrival: &Arrival<'_, '_>) {
    let Settings { tcp_above_bytes, listeners, .. } = arrival.settings;
    if *tcp_above_bytes == 0 || arrival.message.whole().len() + COPY_MORE_BYTES <= *tcp_above_bytes {
        return;
    }
    let first = flows.first().filter(|flow| flow.transport == Transport::Udp);
    let by_tcp = |flow: &Flow| hop::to_address(Transport::Tcp, flow.remote, listeners, arrival.from.listener);
    if let Some(stream) = first.and_then(by_tcp) {
        flows.insert(0, stream);
    }
}
