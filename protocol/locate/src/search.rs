//! The search for the servers of a name: RFC 3263 §4.1 and §4.2.
//!
//! ```text
//!   nothing written ──► NAPTR ──► SRV of each service ──┐
//!   transport written ──────────► SRV of that one ──────┼──► A, AAAA of each server ──► Located
//!   port written ─────────────────── (no SRV at all) ───┘            └──► is it the family that we lack? ──► Nowhere
//! ```
//! Where NAPTR cannot be asked, the search goes on as if there were none: some name servers do not know it. Where SRV
//! cannot be asked, it ends: the address of the domain itself may be that of somebody's web server.

use std::mem;

use offhook_sip::Transport;

use crate::domain::Domain;
use crate::limits::{ADDRESSES_MAX, SERVERS_MAX};
use crate::located::{Located, Server};
use crate::question::{Kind, Question};
use crate::record::{Answer, Record, Srv};
use crate::service::{self, Service};
use crate::wanted::{Abilities, Wanted};

/// A search under way.
#[derive(Clone, Debug)]
pub struct Search {
    wanted: Wanted,
    transports: Vec<Transport>,
    abilities: Abilities,
    stage: Stage,
    questions: Vec<Question>,
    ttl_s: u32,
    dropped: usize,
}

#[derive(Clone, Debug)]
enum Stage {
    Naptr,
    Srv(Vec<Service>),
    Addresses(Vec<Server>),
    /// Nothing of the families that we have: whether there is another one.
    OtherFamily(Vec<Server>),
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Next {
    /// Its questions want answers.
    Ask(Search),
    /// The servers.
    Found(Located),
    /// There are none.
    Nowhere {
        /// Why.
        why: Nowhere,
        /// How long that may be believed, seconds.
        ttl_s: u32,
    },
}

/// Why a name leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Nowhere {
    /// What the URI asks for we do not have, or its addresses are of a family that we do not have.
    #[error("none of our transports and address families will do")]
    NoTransport,
    /// The name does not exist, or has no addresses.
    #[error("there is no such name, or it has no address")]
    NoSuchName,
    /// It leads to who asks, and is no name that it answers to. To be said by who knows where it is.
    #[error("it leads to this server, but is not among its domains")]
    Ourselves,
    /// The domain says that it has no such service (RFC 2782: the target is the root), or every server has port 0.
    #[error("the domain does not offer SIP by our transports")]
    NotOffered,
    /// Every address is one that answers may not lead to.
    #[error("the name leads only to addresses that are not allowed")]
    NotAllowed,
    /// The name servers did not answer, or not in a way that could be believed.
    #[error("the name servers gave no answer that could be used")]
    Unanswered,
}

impl Search {
    /// Begins a search.
    pub fn begin(wanted: Wanted, abilities: &Abilities) -> Next {
        let transports = wanted.transports(abilities);
        let Some(transport) = wanted.default_transport(&transports) else {
            return Next::Nowhere { why: Nowhere::NoTransport, ttl_s: u32::MAX };
        };
        let stage = match (wanted.port, wanted.transport) {
            (Some(port), _) => Stage::Addresses(vec![itself(&wanted, transport, port)]),
            (None, Some(_)) => Stage::Srv(service::guessed(&wanted.host, &transports)),
            (None, None) => Stage::Naptr,
        };
        let (questions, abilities) = (Vec::new(), abilities.clone());
        Self { wanted, transports, abilities, stage, questions, ttl_s: u32::MAX, dropped: 0 }.enter()
    }

    /// What is to be asked now. All of it may be asked at once.
    pub fn questions(&self) -> &[Question] {
        &self.questions
    }

    /// Goes on with the answers, in the order of the questions. Those that are missing count as failed.
    pub fn answered(mut self, answers: &[Answer]) -> Next {
        // A failure is not remembered by us, but what was found beside it is.
        let told = answers.iter().filter(|answer| !matches!(answer, Answer::Failed)).map(Answer::ttl_s);
        self.ttl_s = told.min().unwrap_or(u32::MAX).min(self.ttl_s);
        let complete = answers.len() >= self.questions.len();
        let failed = !complete || answers.iter().any(|answer| matches!(answer, Answer::Failed));
        match mem::replace(&mut self.stage, Stage::Naptr) {
            Stage::Naptr => self.take_services(answers),
            Stage::Srv(services) => self.take_servers(&services, answers, failed),
            Stage::Addresses(servers) => self.take_addresses(servers, answers, failed),
            Stage::OtherFamily(_) => self.nowhere(match answers.iter().any(|a| !a.records().is_empty()) {
                true => Nowhere::NoTransport,
                false => Nowhere::NoSuchName,
            }),
        }
    }

    /// Writes down what the stage asks.
    fn enter(mut self) -> Next {
        self.questions = match &self.stage {
            Stage::Naptr => vec![Question { kind: Kind::Naptr, name: self.wanted.host.clone() }],
            Stage::Srv(services) => {
                let ask = |s: &Service| Question { kind: Kind::Srv, name: s.srv.clone() };
                services.iter().map(ask).collect()
            }
            Stage::Addresses(servers) => self.address_questions(servers, true),
            Stage::OtherFamily(servers) => self.address_questions(servers, false),
        };
        // A name so long that it has no SRV has addresses at most.
        match &self.stage {
            Stage::Srv(services) if services.is_empty() => self.ask_the_host(&[]),
            _ => Next::Ask(self),
        }
    }

    /// For the families that we have, or for the others.
    fn address_questions(&self, servers: &[Server], ours: bool) -> Vec<Question> {
        let mut questions: Vec<Question> = Vec::new();
        for server in servers {
            for (has, kind) in [(self.abilities.ipv6, Kind::Aaaa), (self.abilities.ipv4, Kind::A)] {
                let question = Question { kind, name: server.name.clone() };
                if has == ours && !questions.contains(&question) {
                    questions.push(question);
                }
            }
        }
        questions
    }

    /// §4.1: what the domain offers, else what we would like.
    fn take_services(mut self, answers: &[Answer]) -> Next {
        let records = answers.first().map_or(&[][..], Answer::records);
        let offered = service::offered(records, &self.wanted, &self.transports);
        let services =
            if offered.is_empty() { service::guessed(&self.wanted.host, &self.transports) } else { offered };
        self.stage = Stage::Srv(services);
        self.enter()
    }

    /// §4.2, RFC 2782.
    fn take_servers(mut self, services: &[Service], answers: &[Answer], failed: bool) -> Next {
        let mut servers = Vec::new();
        for (place, (service, answer)) in services.iter().zip(answers).enumerate() {
            let mut srvs: Vec<&Srv> = answer.records().iter().filter_map(srv).collect();
            srvs.sort_by_key(|srv| srv.priority);
            let usable = srvs.iter().filter_map(|srv| server_of(srv, service.transport, place));
            let before = servers.len();
            servers.extend(usable);
            self.dropped += answer.records().len() - (servers.len() - before);
        }
        servers.truncate(SERVERS_MAX);
        if !servers.is_empty() {
            self.stage = Stage::Addresses(servers);
            return self.enter();
        }
        if failed {
            return self.nowhere(Nowhere::Unanswered);
        }
        if answers.iter().any(|answer| !answer.records().is_empty()) {
            return self.nowhere(Nowhere::NotOffered);
        }
        self.ask_the_host(services)
    }

    /// No SRV at all: the address of the host itself, by the transport found so far and at its usual port.
    fn ask_the_host(mut self, services: &[Service]) -> Next {
        let usual = self.wanted.default_transport(&self.transports);
        // NAPTR may have said which transport; our own guesses say nothing.
        let named = services.first().map(|s| s.transport).filter(|_| services.len() < self.transports.len());
        let Some(transport) = named.or(usual) else { return self.nowhere(Nowhere::NoTransport) };
        self.stage = Stage::Addresses(vec![itself(&self.wanted, transport, transport.default_port())]);
        self.enter()
    }

    fn take_addresses(mut self, mut servers: Vec<Server>, answers: &[Answer], failed: bool) -> Next {
        for server in &mut servers {
            let mut dropped = 0;
            let mut family = |kind: Kind| -> Vec<_> {
                let asked = |(q, _): &(&Question, &Answer)| q.kind == kind && q.name == server.name;
                let answer = self.questions.iter().zip(answers).find(asked).map(|(_, answer)| answer);
                let all = answer.map_or(&[][..], Answer::records);
                let usable = all.iter().filter_map(|record| address(record, &self.abilities));
                let usable: Vec<_> = usable.take(ADDRESSES_MAX).collect();
                dropped += all.len() - usable.len();
                usable
            };
            let (v6, v4) = (family(Kind::Aaaa), family(Kind::A));
            server.addresses = in_turn(&v6, &v4);
            self.dropped += dropped;
        }
        let told = answers.iter().any(|answer| !answer.records().is_empty());
        if !told && !failed && self.abilities.ipv4 != self.abilities.ipv6 {
            self.stage = Stage::OtherFamily(servers);
            return self.enter();
        }
        servers.retain(|server| !server.addresses.is_empty());
        match (servers.is_empty(), told, failed) {
            (false, ..) => Next::Found(Located {
                uris: Vec::new(),
                host: self.wanted.host,
                servers,
                ttl_s: self.ttl_s,
                dropped: self.dropped,
            }),
            (true, _, true) => self.nowhere(Nowhere::Unanswered),
            (true, true, false) => self.nowhere(Nowhere::NotAllowed),
            (true, false, false) => self.nowhere(Nowhere::NoSuchName),
        }
    }

    fn nowhere(&self, why: Nowhere) -> Next {
        let ttl_s = if why == Nowhere::Unanswered { 0 } else { self.ttl_s };
        Next::Nowhere { why, ttl_s }
    }
}

fn itself(wanted: &Wanted, transport: Transport, port: u16) -> Server {
    Server { name: wanted.host.clone(), transport, port, rank: 0, weight: 0, addresses: Vec::new() }
}

fn srv(record: &Record) -> Option<&Srv> {
    match record {
        Record::Srv(srv) => Some(srv),
        _ => None,
    }
}

fn server_of(srv: &Srv, transport: Transport, place: usize) -> Option<Server> {
    // RFC 2782: the root as target says "decidedly not available"; Domain::parse refuses it.
    let name = Domain::parse(&srv.target)?;
    let rank = (place as u32) << 16 | u32::from(srv.priority);
    let server = Server { name, transport, port: srv.port, rank, weight: srv.weight, addresses: Vec::new() };
    (srv.port != 0).then_some(server)
}

fn address(record: &Record, abilities: &Abilities) -> Option<std::net::IpAddr> {
    match record {
        Record::Address(ip) => {
            abilities.reach.take(*ip).filter(|ip| if ip.is_ipv4() { abilities.ipv4 } else { abilities.ipv6 })
        }
        _ => None,
    }
}

/// One of each family in turn, IPv6 first: where one family leads nowhere, the second try is the other one
/// (RFC 7984 §4, in the spirit of RFC 8305 §4).
fn in_turn<T: Copy>(first: &[T], second: &[T]) -> Vec<T> {
    let longest = first.len().max(second.len());
    let pairs = (0..longest).flat_map(|index| [first.get(index), second.get(index)]);
    pairs.flatten().copied().take(ADDRESSES_MAX).collect()
}
