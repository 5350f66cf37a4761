//! Responses whose connection is gone: RFC 3261 §18.2.2, RFC 3263 §5.
//!
//! ```text
//!   200 for a caller whose connection has closed ──► Stranded ──► sent-by is the address it came from: a new connection there
//!                                                       └───────► sent-by is a name: SRV or A, as for a request
//! ```
//! An answer goes to an address only if the request came from it: behind a translator, and where somebody has written what he
//! liked into his Via, another one may belong to anybody. A name leads where its domain says.

use std::collections::VecDeque;

use offhook_locate::{Located, Wanted};
use offhook_net::{Flow, Outbox};
use offhook_sip::{Host, Message, Via};

use crate::hop;
use crate::names::Known;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// Responses of one shard that may wait for a new way. When a proxy with thousands of calls dies, its partner is found by one
/// question; what comes before the answer waits. One more is lost: who asked hears nothing.
const STRANDED_MAX: usize = 1_024;

/// How long one waits for a name, ms: then its caller has given up (64·T1).
const PATIENCE_MS: u64 = 32_000;

/// Responses that have no way yet.
#[derive(Default, Debug)]
pub(crate) struct Stranded {
    /// To be tried as soon as what is going on is done.
    fresh: VecDeque<Response>,
    /// Those that wait for a name, the oldest first.
    waiting: VecDeque<Response>,
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

/// What can be done for a response.
enum Way {
    To(Flow),
    /// The name of its sender is being looked up.
    NotYet,
    Nowhere,
}

impl Switchboard {
    /// Keeps a response whose connection is gone until what is going on is done. `false`: there is no room.
    pub(crate) fn strand(&mut self, now_ms: u64, response: &[u8], from: Flow) -> bool {
        let Stranded { fresh, waiting } = &mut self.stranded;
        while waiting.front().is_some_and(|first| first.until_ms <= now_ms) {
            waiting.pop_front();
        }
        let has_room = fresh.len() + waiting.len() < STRANDED_MAX;
        if has_room {
            let until_ms = now_ms + PATIENCE_MS;
            fresh.push_back(Response { bytes: response.to_vec(), from, until_ms });
        }
        has_room
    }

    /// Sends what has found a way.
    pub(crate) fn send_stranded(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        while let Some(response) = self.stranded.fresh.pop_front() {
            match self.way_back(settings, now_ms, &response, out) {
                Way::To(flow) => out.push(&response.bytes, flow, 0),
                Way::NotYet if now_ms < response.until_ms => self.stranded.waiting.push_back(response),
                // As if its connection were there: the loop knows better, and counts it.
                Way::NotYet | Way::Nowhere => out.push(&response.bytes, response.from, 0),
            }
        }
    }

    fn way_back(&mut self, settings: &Settings, now_ms: u64, response: &Response, out: &mut Outbox) -> Way {
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
            Known::Found(located) => match self.first_path(settings, &located, from.listener) {
                Some(flow) if transport.is_secure() => {
                    Way::To(Flow { connection: out.toward(wanted.host.as_str()), ..flow })
                }
                Some(flow) => Way::To(flow),
                None => Way::Nowhere,
            },
        }
    }

    /// The best path that is not known to be dead.
    fn first_path(&self, settings: &Settings, located: &Located, arrived_on: u16) -> Option<Flow> {
        let hops = located.order(0).into_iter();
        let allowed = hops.filter(|hop| settings.reach.take(hop.address.ip()).is_some());
        let way = |hop: &offhook_locate::Hop| {
            hop::to_address(hop.transport, hop.address, &settings.listeners, arrived_on)
        };
        allowed.min_by_key(|hop| self.health.is_dead(*hop)).and_then(|hop| way(&hop))
    }
}

/// RFC 3263 §5: "the sent-by construction in the topmost Via", and the transport beside it.
fn wanted(via: &Via<'_>) -> Option<Wanted> {
    Wanted::of_via(via.transport()?, via.sent_by.host_text, via.sent_by.port)
}
