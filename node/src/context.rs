//! What the proxy remembers beside each transaction: the response context of RFC 3261 §16.2.
//!
//! ```text
//!   server transaction ── Upstream ──first──► Downstream ──next──► Downstream …      (client transactions)
//!                             │                    └── server ──► back
//!                             └── rest: only while there is more than one branch to think of
//! ```

use offhook_net::Flow;
use offhook_proxy::access::Sender;
use offhook_proxy::early::EarlyDialogs;
use offhook_proxy::fork::Fork;
use offhook_proxy::history::History;
use offhook_proxy::redirect::Additions;
use offhook_transaction::{ClientId, ServerId};

use crate::arrival::Arrival;
use crate::beyond::Leg;
use crate::records::Role;
use crate::recurse::Redirected;
use crate::registrants::Registrant;
use crate::targets::Targets;

/// Beside a server transaction.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// Where responses go.
    pub reply_to: Flow,
    /// What the branches have said.
    pub fork: Fork,
    /// Whether a final response has gone up.
    pub answered: bool,
    /// Whether its sender listens to how much we can take (RFC 7339).
    pub tells_load: bool,
    /// The session interval that the callee was asked for, seconds; 0: none, or the caller could not refresh it.
    pub session_s: u32,
    /// Whether its sender must not be told which way it has gone (RFC 7044 §9.4).
    pub hides_history: bool,
    /// Which way it has gone, where requests say so (RFC 7044).
    pub history: Option<Box<History<ClientId>>>,
    /// Whether one of its targets can only be reached through us, so that we stay in the path to all of them.
    pub stays: bool,
    /// What it means to the record of a call.
    pub role: Role,
    /// The Reason of the caller's CANCEL, while a branch waits for it (RFC 3326).
    pub reason: Option<Box<[u8]>>,
    /// The newest branch; each names the one before it.
    pub branches: Option<ClientId>,
    /// What only requests with several targets need.
    pub rest: Option<Box<Rest>>,
    /// Who has sent the request: a redirection leads only where he may go.
    pub sender: Sender,
    /// The trunk that its record says it goes out by: its index, counted from 1; 0 for none.
    pub trunk: u16,
    /// Who is registered elsewhere when it succeeds.
    pub registrant: Option<Box<Registrant>>,
}

/// The costly part of a response context: for forked requests only.
#[derive(Debug)]
pub(crate) struct Rest {
    /// The request as received, while there are targets it has not been sent to.
    pub request: Vec<u8>,
    /// By which path it came.
    pub from: Flow,
    /// Targets that wait for their turn.
    pub targets: Targets,
    /// The best final response so far, ready to go upstream.
    pub best: Vec<u8>,
    /// Challenges of other branches, to be added to a 401 or 407 (§16.7 step 7).
    pub challenges: Vec<u8>,
    /// Nothing has been sent yet: the name of the next hop is being looked up.
    pub waits_for_name: bool,
    /// How long the targets that ring now have before others have their turn, ms; 0: nobody waits behind them.
    pub ring_ms: u32,
    /// What it knows of redirections.
    pub redirected: Redirected,
    /// Where branches go when their address fails.
    pub spares: Vec<Spare>,
    /// Its early dialogs, where the caller wants to know when they end (RFC 6228).
    pub early: Option<EarlyDialogs<ClientId>>,
}

impl Rest {
    /// The request is kept, and nothing is known yet.
    pub(crate) fn of(arrival: &Arrival<'_, '_>) -> Self {
        let kept = Self::new(arrival.message.whole().to_vec(), arrival.from);
        Self { early: EarlyDialogs::of(arrival.message), ..kept }
    }

    /// The same of a request that has come by `from`.
    pub(crate) fn new(request: Vec<u8>, from: Flow) -> Self {
        Self {
            request,
            from,
            targets: Targets::default(),
            best: Vec::new(),
            challenges: Vec::new(),
            waits_for_name: false,
            ring_ms: 0,
            redirected: Redirected::default(),
            spares: Vec::new(),
            early: None,
        }
    }

    /// What was remembered of a branch is that of another one now. Whether that has other addresses to go to.
    pub(crate) fn hand_on(&mut self, old: ClientId, new: ClientId) -> bool {
        if let Some(early) = &mut self.early {
            early.hand_on(old, new);
        }
        let mut has_spare = false;
        for spare in self.spares.iter_mut().filter(|spare| spare.branch == old) {
            spare.branch = new;
            has_spare = true;
        }
        has_spare
    }
}

/// What is left of a target whose name leads to several addresses (RFC 3263 §4.3).
#[derive(Debug)]
pub(crate) struct Spare {
    /// The branch that is at the address before.
    pub branch: ClientId,
    /// The target, alone.
    pub target: Targets,
    /// Whether it has been moved to the next address, which may be taken.
    pub is_ready: bool,
    /// The Max-Breadth of its copies.
    pub max_breadth: Option<u32>,
}

/// Beside a client transaction.
#[derive(Debug)]
pub(crate) struct Downstream {
    /// The server transaction it works for; `None` for a CANCEL.
    pub server: Option<ServerId>,
    /// The path the request took.
    pub flow: Flow,
    /// The branch opened before this one.
    pub next: Option<ClientId>,
    /// Whether its final response is counted.
    pub finished: bool,
    /// How far cancelling it is.
    pub cancel: Cancel,
    /// The device it goes to, see [`Target`](crate::targets::Target); without a server transaction the number of the
    /// delivery it belongs to, or 0.
    pub device: u32,
    /// Whether it has said anything yet.
    pub heard: bool,
    /// Whether its time is that of its turn: ringing does not make it longer.
    pub in_turn: bool,
    /// Whether it goes to a phone in its call, on a connection: where none leads there, the phone is away.
    pub to_phone: bool,
    /// The trunk that it goes out by: its index, counted from 1; 0 for none.
    pub trunk: u16,
    /// To a trunk that asks for credentials.
    pub leg: Leg,
    /// What its copy has more than the request.
    pub added: Additions,
}

impl Downstream {
    /// A request of our own.
    pub(crate) fn errand(flow: Flow, leg: Leg) -> Self {
        Self {
            server: None,
            flow,
            next: None,
            finished: false,
            cancel: Cancel::No,
            device: 0,
            heard: false,
            in_turn: false,
            to_phone: false,
            trunk: 0,
            leg,
            added: Additions::default(),
        }
    }
}

/// How far the cancelling of a branch is: §9.1 forbids a CANCEL before a provisional response.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancel {
    /// Nobody wants it.
    No,
    /// As soon as the branch says something.
    Wanted,
    /// It is sent.
    Sent,
    /// The same, and others have their turn if nothing comes of it soon.
    SentForOthers,
}

impl Cancel {
    /// Whether a CANCEL has gone out.
    pub(crate) fn is_sent(self) -> bool {
        matches!(self, Self::Sent | Self::SentForOthers)
    }
}
