//! Responses whose connection is gone: RFC 3261 §18.2.2, RFC 3263 §5.
//!
//! ```text
//!   200 for a caller whose connection has closed ──► Stranded ──► sent-by is the address it came from: a new connection there
//!                                                       └───────► sent-by is a name: SRV or A, as for a request; where nobody
//!                                                                 takes the connection, the next of its places
//! ```
//! An answer goes to an address only if the request came from it: behind a translator, and where somebody has written what he
//! liked into his Via, another one may belong to anybody. A name leads where its domain says.

use std::collections::VecDeque;

use offhook_locate::{Located, Wanted};
use offhook_net::{Flow, Outbox, Ticket};
use offhook_sip::{Host, Message, Via};

use crate::hop;
use crate::names::Known;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// Responses of one shard that may wait for a new way. When a proxy with thousands of calls dies, its partner is found by one
/// question; what comes before the answer waits. One more is lost: who asked hears nothing.
const STRANDED_MAX: usize = 1_024;

/// Places of a name that one response tries: a pair of servers, or two.
const PLACES_MAX: usize = 4;

/// How long one waits for a name, ms: then its caller has given up (64·T1).
const PATIENCE_MS: u64 = 32_000;

/// Responses that have no way yet.
#[derive(Default, Debug)]
pub(crate) struct Stranded {
    /// To be tried as soon as what is going on is done.
    fresh: VecDeque<Response>,
    /// Those that wait for a name, the oldest first.
    waiting: VecDeque<Response>,
    /// Those that were sent to the first of several places, the oldest first.
    sent: VecDeque<Sent>,
    /// The last ticket of such a one. No transaction has so small a number.
    ticket: u32,
}

impl Stranded {
    /// Whether none is to be tried.
    pub(crate) fn is_quiet(&self) -> bool {
        self.fresh.is_empty()
    }

    /// A search has come back: those that wait are tried again.
    pub(crate) fn wake(&mut self) {
        self.fresh.append(&mut self.waiting);
    }
}

#[derive(Debug)]
struct Response {
    bytes: Vec<u8>,
    /// The path of its request.
    from: Flow,
    until_ms: u64,
}

/// A response on its way to one of several places.
#[derive(Debug)]
struct Sent {
    ticket: Ticket,
    response: Response,
    /// Where it goes if nobody is there, the next place last.
    places: Vec<Flow>,
    /// By TLS, the name that its peer must prove.
    name: String,
}

/// What can be done for a response.
enum Way {
    To(Flow),
    /// To the first of these that takes it, the best one last; by TLS who is there must prove this name.
    ToOneOf(Vec<Flow>, String),
    /// The name of its sender is being looked up.
    NotYet,
    Nowhere,
}

impl Switchboard {
    /// Keeps a response whose connection is gone until what is going on is done. `false`: there is no room.
    pub(crate) fn strand(&mut self, now_ms: u64, response: &[u8], from: Flow) -> bool {
        let Stranded { fresh, waiting, sent, .. } = &mut self.stranded;
        while waiting.front().is_some_and(|first| first.until_ms <= now_ms) {
            waiting.pop_front();
        }
        while sent.front().is_some_and(|first| first.response.until_ms <= now_ms) {
            sent.pop_front();
        }
        let has_room = fresh.len() + waiting.len() + sent.len() < STRANDED_MAX;
        if has_room {
            let until_ms = now_ms + PATIENCE_MS;
            fresh.push_back(Response { bytes: response.to_vec(), from, until_ms });
        }
        has_room
    }

    /// Sends what has found a way.
    pub(crate) fn send_stranded(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        while let Some(response) = self.stranded.fresh.pop_front() {
            match self.way_back(settings, now_ms, &response) {
                Way::To(flow) => out.push(&response.bytes, flow, 0),
                Way::ToOneOf(places, name) => self.send_to_next((response, places, name), out),
                Way::NotYet if now_ms < response.until_ms => self.stranded.waiting.push_back(response),
                // As if its connection were there: the loop knows better, and counts it.
                Way::NotYet | Way::Nowhere => out.push(&response.bytes, response.from, 0),
            }
        }
    }

    /// A response could not be sent: RFC 3263 §5 has the next place tried.
    pub(crate) fn stranded_again(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        let Some(at) = self.stranded.sent.iter().position(|sent| sent.ticket == ticket) else { return };
        let Some(Sent { response, places, name, .. }) = self.stranded.sent.remove(at) else { return };
        if now_ms < response.until_ms {
            self.send_to_next((response, places, name), out);
        }
    }

    fn send_to_next(
        &mut self,
        (response, mut places, name): (Response, Vec<Flow>, String),
        out: &mut Outbox,
    ) {
        let Some(flow) = places.pop() else { return };
        let secure = flow.transport.is_secure();
        let flow = if secure { Flow { connection: out.toward(&name), ..flow } } else { flow };
        if places.is_empty() {
            return out.push(&response.bytes, flow, 0);
        }
        self.stranded.ticket = self.stranded.ticket.wrapping_add(1).max(1);
        let ticket = Ticket::from(self.stranded.ticket);
        out.push(&response.bytes, flow, ticket);
        self.stranded.sent.push_back(Sent { ticket, response, places, name });
    }

    fn way_back(&mut self, settings: &Settings, now_ms: u64, response: &Response) -> Way {
        let message = Message::parse(&response.bytes).ok();
        let Some(via) = message.as_ref().and_then(|message| message.top_via().ok()) else {
            return Way::Nowhere;
        };
        let Some(transport) = via.transport() else { return Way::Nowhere };
        let from = &response.from;
        if let Host::Ip(ip) = via.sent_by.host {
            let remote = std::net::SocketAddr::new(ip, via.port());
            let came_from_there = ip.to_canonical() == from.remote.ip().to_canonical();
            let flow = hop::to_address(transport, remote, &settings.listeners, from.listener);
            return flow.filter(|_| came_from_there).map_or(Way::Nowhere, Way::To);
        }
        let Some(wanted) = wanted(&via) else { return Way::Nowhere };
        match self.names.look(now_ms, &wanted) {
            Known::NotYet => Way::NotYet,
            Known::Nowhere(_) => Way::Nowhere,
            Known::Found(located) => match self.paths_back(settings, &located, from.listener) {
                places if places.is_empty() => Way::Nowhere,
                places => Way::ToOneOf(places, wanted.host.as_str().to_owned()),
            },
        }
    }

    /// The paths, the best one last, those that are known to be dead before the others.
    fn paths_back(&self, settings: &Settings, located: &Located, arrived_on: u16) -> Vec<Flow> {
        let mut hops = located.order(0);
        hops.retain(|hop| settings.reach.take(hop.address.ip()).is_some());
        hops.sort_by_key(|hop| self.health.is_dead(*hop));
        hops.truncate(PLACES_MAX);
        let way = |hop: &offhook_locate::Hop| {
            hop::to_address(hop.transport, hop.address, &settings.listeners, arrived_on)
        };
        hops.iter().rev().filter_map(way).collect()
    }
}

/// RFC 3263 §5: "the sent-by construction in the topmost Via", and the transport beside it.
fn wanted(via: &Via<'_>) -> Option<Wanted> {
    Wanted::of_via(via.transport()?, via.sent_by.host_text, via.sent_by.port)
}
