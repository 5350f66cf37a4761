//! The oracle: an observer at the exchange's door who sees each message with time and direction, keeps his own small
//! model of every transaction, and knows from it what must be sent, what may be sent, and what must not.
//!
//! ```text
//!                 ┌────────────── one step of a shard ──────────────┐
//!   message,  ──► │ the model moves, and wants: an answer, a copy,  │ ──► what the shard sent is held
//!   timer, …      │ an ACK, a CANCEL, a repetition                  │     against it, in both directions
//!                 └─────────────────────────────────────────────────┘
//! ```
//! Sources: RFC 3261 §16 to §18, RFC 6026, RFC 4320, RFC 3581. It shares no code with the server.

mod answered;
mod asked;
mod copies;
mod group;
mod health;
mod history;
mod identity;
mod moved;
mod packet;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod proof_group;
#[cfg(test)]
mod proof_history;
#[cfg(test)]
mod proof_identity;
#[cfg(test)]
mod proof_moved;
#[cfg(test)]
mod proof_places;
#[cfg(test)]
mod proof_secure;
mod report;
mod secure;
mod sent;
mod standing;
mod transactions;
mod trunks;
mod turns;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use offhook_sip::Transport;

use crate::sniffer::{Cause, Step};
use group::Spread;
pub(crate) use group::{Draw, Group, Key};
use health::Health;
pub(crate) use identity::Trust;
pub(crate) use moved::Follows;
pub(crate) use packet::{Packet, param};
use packet::{user_and_host, via_key};
pub(crate) use report::{Violation, is_given_up, registrations, said};
use transactions::{Client, Server};
use ways::Found;
pub(crate) use ways::Hop;

/// What ends after a while may end this much later: one wake-up for many.
const GRAIN_MS: u64 = 64;

/// What is known of an exchange beforehand.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Where it listens, in the order of its listeners.
    pub(crate) places: Vec<(Transport, SocketAddr)>,
    pub(crate) domain: String,
    /// Nobody is asked who he is.
    pub(crate) open: bool,
    pub(crate) neighbours: Vec<Neighbour>,
    /// What becomes of redirections.
    pub(crate) follows: Follows,
    /// How long phones ring before others have their turn; `None`: until Timer C ends it.
    pub(crate) ring_ms: Option<u64>,
    /// Who says and hears who calls.
    pub(crate) trust: Trust,
    /// Requests say which way they have gone.
    pub(crate) history: bool,
}

/// Where the requests for another domain go.
#[derive(Clone, Debug)]
pub(crate) struct Neighbour {
    pub(crate) takes: Takes,
    pub(crate) toward: Toward,
    /// All that its names can lead to.
    pub(crate) places: Vec<SocketAddr>,
    pub(crate) stateless: bool,
    /// It asks who we are, and is told.
    pub(crate) has_login: bool,
    /// Its targets share requests.
    pub(crate) group: Option<Group>,
    /// What records call the trunk and the way there.
    pub(crate) trunk: &'static str,
    pub(crate) route: &'static str,
}

impl Facts {
    /// The neighbour that the requests for this URI go to.
    pub(crate) fn neighbour_of(&self, uri: &str) -> Option<&Neighbour> {
        let (user, host) = user_and_host(uri);
        self.neighbours.iter().find(|n| match &n.takes {
            Takes::Domain(domain) => domain == host,
            Takes::Numbers { prefix, .. } => host == self.domain && user.starts_with(prefix),
        })
    }
}

/// Which requests go to a neighbour.
#[derive(Clone, Debug)]
pub(crate) enum Takes {
    /// Those for another domain.
    Domain(String),
    /// Those for numbers of ours that begin so; there they have this host.
    Numbers { prefix: &'static str, host: &'static str },
}

/// What stands in the configuration.
#[derive(Clone, Debug)]
pub(crate) enum Toward {
    /// Places by rank, the lowest first.
    Row(Vec<(u32, Hop)>),
    /// A name, as it is asked for.
    Name(String),
}

/// A Contact that was registered.
#[derive(Debug, Default)]
struct Registered<'a> {
    user: &'a str,
    places: BTreeSet<SocketAddr>,
    q_milli: u32,
    /// The exchange has said so.
    is_bound: bool,
}

/// What one step must bring.
#[derive(Debug, Default)]
struct Turn<'a> {
    /// Nothing of it must: it came in the moment when a transaction ends.
    optional: bool,
    /// A request that is to be answered or sent on.
    fresh: Option<usize>,
    /// The status that the answer must have.
    status: Option<u16>,
    /// The server transaction whose last response goes again.
    again: Option<usize>,
    relay: Option<(usize, Packet<'a>)>,
    pass: Option<Packet<'a>>,
    /// The client transaction that acknowledges this refusal.
    ack: Option<(usize, Packet<'a>)>,
    /// An ACK that goes on to who answered.
    ack_on: Option<(Packet<'a>, offhook_net::Flow)>,
    cancels: Vec<usize>,
    trying: Vec<usize>,
    /// All branches have ended: now the next targets, or the answer.
    settle: Vec<usize>,
    /// The last of them was cancelled long ago.
    late: Vec<usize>,
    went_on: Vec<usize>,
    /// Requests whose name has been found.
    woken: Vec<usize>,
    /// Branches that have failed at one place and go to the next.
    next: Vec<usize>,
    /// Requests that somebody has sent on.
    moved: Vec<usize>,
    /// Branches that were asked who we are: the request goes there once more, with an answer.
    retries: Vec<usize>,
    /// Answers of its own: which request, and the status.
    answers: Vec<(usize, u16)>,
    redial: Option<usize>,
}

/// The observer of one exchange.
pub(crate) struct Oracle<'a> {
    facts: &'a Facts,
    steps: &'a [Step],
    servers: Vec<Server<'a>>,
    clients: Vec<Client<'a>>,
    serving: Vec<usize>,
    asking: Vec<usize>,
    by_branch: HashMap<(&'a str, &'a str), usize>,
    /// Branches of what was forwarded without state.
    passed: BTreeSet<&'a str>,
    /// Call-IDs of dialogs that began without state.
    stateless_calls: BTreeSet<&'a str>,
    registered: BTreeMap<&'a str, Registered<'a>>,
    places: BTreeSet<SocketAddr>,
    /// What each shard was told of names.
    found: HashMap<(u8, String), Found>,
    /// Next hops that have failed.
    health: Health,
    spread: Spread,
    /// ACKs that wait for a name: until when, in which shard.
    acks: Vec<(u64, u8, Packet<'a>, offhook_net::Flow)>,
    /// A connection has been closed: who was behind it may not be reached any more.
    closed: bool,
    life: u32,
    index: usize,
    now_ms: u64,
    turn: Turn<'a>,
    violations: Vec<Violation>,
}

/// What an exchange did wrong, and whom it chose among equals.
pub(crate) fn judge(facts: &Facts, steps: &[Step]) -> (Vec<Violation>, Vec<Draw>) {
    let mut oracle = Oracle {
        facts,
        steps,
        servers: Vec::new(),
        clients: Vec::new(),
        serving: Vec::new(),
        asking: Vec::new(),
        by_branch: HashMap::new(),
        passed: BTreeSet::new(),
        stateless_calls: BTreeSet::new(),
        registered: BTreeMap::new(),
        places: facts.neighbours.iter().flat_map(|n| n.places.iter().copied()).collect(),
        found: HashMap::new(),
        health: Health::default(),
        spread: Spread::default(),
        acks: Vec::new(),
        closed: false,
        life: 0,
        index: 0,
        now_ms: 0,
        turn: Turn::default(),
        violations: Vec::new(),
    };
    for (index, step) in steps.iter().enumerate() {
        oracle.index = index;
        oracle.step(step);
    }
    oracle.finish();
    (oracle.violations, oracle.spread.draws)
}

impl<'a> Oracle<'a> {
    fn step(&mut self, step: &'a Step) {
        self.now_ms = step.at_ms;
        if self.life != step.life {
            // A new process knows nothing of what was under way; what needs no memory goes on.
            self.life = step.life;
            // What waited for a name without a transaction waits no more.
            self.servers.iter_mut().for_each(|server| server.waits_until_ms = None);
            let servers = &self.servers;
            self.serving.retain(|&i| !servers[i].is_kept());
            self.asking.clear();
            self.by_branch.clear();
            self.found.clear();
            self.health = Health::default();
            self.acks.clear();
        }
        self.forget_ended();
        self.turn = Turn::default();
        match &step.cause {
            Cause::Message(from, bytes) => {
                let Some(packet) = Packet::read(bytes) else {
                    return self.expect(step.sent.is_empty(), "§18.3", "an answer to what is no message");
                };
                match packet.status {
                    0 => self.asked(step.shard, from, packet),
                    _ => self.answered(step.shard, packet),
                }
            }
            Cause::Failed(ticket) => self.failed(step.shard, *ticket),
            Cause::Icmp(to, quoted) => self.not_arrived(step.shard, to, quoted),
            Cause::Time => self.time_passed(step.shard),
            Cause::Closed => self.closed = true,
            Cause::Located(finding) => self.located(step.shard, finding),
            Cause::HandedOver => {}
        }
        for sent in &step.sent {
            match Packet::read(&sent.bytes) {
                None => self.expect(false, "§7", "something that is no message"),
                Some(packet) if packet.status == 0 => self.request_sent(step.shard, sent, packet),
                Some(packet) => self.response_sent(step.shard, sent, packet),
            }
        }
        self.leftovers(step.shard);
        if matches!(step.cause, Cause::Time) {
            self.turns_may_be_over(step.shard);
            self.questions_are_asked(step.shard);
            self.count(step);
        }
    }

    /// What had to be sent, and was not.
    fn leftovers(&mut self, shard: u8) {
        self.ack_begins_to_wait(shard);
        let turn = std::mem::take(&mut self.turn);
        self.abandon_silent(&turn);
        let waits = turn.fresh.is_some_and(|fresh| self.begins_to_wait(fresh));
        self.are_followed(&turn.moved, &turn.went_on);
        self.nobody_has_waited(&turn.late, &turn.went_on);
        self.expect(turn.next.is_empty(), "RFC 3263 §4.3", "the next place was not tried");
        self.expect(turn.retries.is_empty(), "§22.3", "a challenge for us was not answered");
        let asleep = turn.woken.first().map(|&server| self.servers[server].request.clone());
        if let Some(request) = asleep {
            let text = format!("the name was found, and nothing sent there: {}", request.first);
            let call_id = request.value("Call-ID");
            self.violations.push(Violation::new(self.steps, self.index, "RFC 3263 §4", text, call_id));
        }
        self.expect(turn.answers.is_empty(), "§16.2", "no answer, though nobody is left to ask");
        if !turn.optional {
            let fresh = turn.fresh.filter(|_| !waits).map(|i| self.servers[i].state);
            self.expect(
                fresh != Some(transactions::Serving::Fresh),
                "§16.2",
                "a request of which nothing came",
            );
            self.expect(
                turn.again.is_none(),
                "§17.2",
                "a repeated request did not get the last response again",
            );
            self.expect(turn.relay.is_none(), "§16.7 step 5", "a response did not go upstream");
            self.expect(turn.pass.is_none(), "§16.11", "a response did not find its way without state");
            self.expect(turn.ack.is_none(), "§17.1.1.3", "a refusal was not acknowledged");
            self.expect(turn.ack_on.is_none(), "§13.2.2.4", "the ACK to a 2xx did not go on");
            self.expect(turn.cancels.is_empty(), "§16.7 step 10", "a branch was not cancelled");
            self.expect(turn.trying.is_empty(), "§17.2.1, RFC 4320 §4.1", "a 100 is missing");
        }
        for server in turn.settle {
            let s = &self.servers[server];
            let is_due =
                s.is_invite() || (s.lives_at(self.now_ms) && s.finals.iter().all(|(s, _)| *s != 408));
            let settled = self.servers[server].is_answered() || turn.went_on.contains(&server);
            self.expect(
                settled || !is_due,
                "§16.7 step 6",
                "all branches have ended, and no answer went upstream",
            );
        }
        self.overdue(shard);
    }

    /// RFC 4320 §4.2: who heard nothing says nothing, and keeps nothing.
    fn abandon_silent(&mut self, turn: &Turn<'a>) {
        for &server in turn.settle.iter().filter(|server| !turn.went_on.contains(server)) {
            let s = &mut self.servers[server];
            if !s.is_invite() && !s.is_answered() && s.finals.iter().all(|(_, packet)| packet.is_none()) {
                s.ends_ms = Some(self.now_ms);
            }
        }
    }

    /// Timers A, E and G: what had to be repeated by now.
    fn overdue(&mut self, shard: u8) {
        let now_ms = self.now_ms;
        // What arrives in the same instant goes first.
        let passed = u64::from(matches!(self.steps[self.index].cause, Cause::Time));
        let late = |resend: Option<transactions::Resend>| resend.is_some_and(|r| r.next_ms < now_ms + passed);
        let clients = self.asking.iter().map(|&i| &self.clients[i]);
        let client = clients.filter(|c| c.shard == shard && c.lives_at(now_ms)).find(|c| late(c.resend));
        let servers = self.serving.iter().map(|&i| &self.servers[i]);
        let server = servers.filter(|s| s.shard == shard && s.lives_at(now_ms)).find(|s| late(s.resend));
        let (request, response) = (client.map(|c| c.request.first), server.map(|s| s.request.first));
        if let Some(first) = request {
            self.expect(false, "§17.1.1.2, §17.1.2.2", format!("Timer A or E did not repeat {first}"));
        }
        if let Some(first) = response {
            self.expect(false, "§17.2.1", format!("Timer G did not repeat the answer to {first}"));
        }
    }

    /// RFC 3261 §17, RFC 6026: each transaction lives exactly as long as it must.
    fn count(&mut self, step: &Step) {
        let now_ms = self.now_ms;
        let bounds = |ends: &mut dyn Iterator<Item = Option<u64>>| {
            ends.fold((0, 0), |(must, may), ends_ms| {
                let surely = ends_ms.is_none_or(|ends_ms| ends_ms > now_ms);
                (must + usize::from(surely), may + 1)
            })
        };
        let servers = self.serving.iter().map(|&i| &self.servers[i]);
        let servers = servers.filter(|s| s.shard == step.shard && s.is_kept());
        let servers = bounds(&mut servers.map(|s| s.ends_ms));
        let clients = self.asking.iter().map(|&i| &self.clients[i]).filter(|c| c.shard == step.shard);
        let clients = bounds(&mut clients.map(|c| c.ends_ms));
        for (what, (must, may), held) in [("server", servers, step.held.0), ("client", clients, step.held.1)]
        {
            let text = || {
                let which =
                    if what == "client" { self.asked_by(step.shard) } else { self.served_by(step.shard) };
                format!("shard {} keeps {held} {what} transactions, not {must} to {may}:{which}", step.shard)
            };
            if !(must..=may).contains(&held) {
                self.violations.push(Violation::new(self.steps, self.index, "§17, RFC 6026 §7", text(), ""));
            }
        }
    }

    fn asked_by(&self, shard: u8) -> String {
        let clients = self.asking.iter().map(|&i| &self.clients[i]).filter(|c| c.shard == shard);
        clients.map(|c| format!("\n  {} {:?}, until {:?}", c.request.first, c.state, c.ends_ms)).collect()
    }

    fn served_by(&self, shard: u8) -> String {
        let servers =
            self.serving.iter().map(|&i| &self.servers[i]).filter(|s| s.shard == shard && s.is_kept());
        servers.map(|s| format!("\n  {} {:?}, until {:?}", s.request.first, s.state, s.ends_ms)).collect()
    }

    /// At the end of the evening.
    fn finish(&mut self) {
        let open = self.serving.iter().map(|&i| &self.servers[i]);
        let open: Vec<_> =
            open.filter(|s| s.is_kept() && s.ends_ms.is_none()).map(|s| s.request.clone()).collect();
        for request in open {
            let text = format!("never answered: {}", request.first);
            let call_id = request.value("Call-ID");
            self.violations.push(Violation::new(self.steps, self.index, "§16.7, §16.8", text, call_id));
        }
    }

    fn forget_ended(&mut self) {
        let now_ms = self.now_ms;
        let stays = |ends_ms: Option<u64>| ends_ms.is_none_or(|ends_ms| ends_ms + GRAIN_MS >= now_ms);
        let (servers, clients) = (&self.servers, &self.clients);
        self.serving.retain(|&i| stays(servers[i].ends_ms));
        self.asking.retain(|&i| stays(clients[i].ends_ms));
    }

    fn find_server(&self, shard: u8, via: &str, method: &str) -> Option<usize> {
        let key = via_key(via);
        let same = |&i: &usize| {
            let server = &self.servers[i];
            server.shard == shard && server.request.method == method && via_key(server.request.via()) == key
        };
        self.serving.iter().rev().copied().find(same)
    }

    /// Notes a violation unless this is so.
    fn expect(&mut self, is_so: bool, section: &'static str, what: impl Into<String>) {
        if !is_so {
            self.violations.push(Violation::new(
                self.steps,
                self.index,
                section,
                what.into(),
                self.call_id(),
            ));
        }
    }

    /// The Call-ID that this step is about.
    fn call_id(&self) -> &'a str {
        let step = &self.steps[self.index];
        let received = match &step.cause {
            Cause::Message(_, bytes) => Packet::read(bytes),
            _ => None,
        };
        let sent = || step.sent.first().and_then(|sent| Packet::read(&sent.bytes));
        received.or_else(sent).map_or("", |packet| packet.value("Call-ID"))
    }
}
