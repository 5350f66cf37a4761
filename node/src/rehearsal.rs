//! What would happen to a request, asked of a shard that is not connected to anything: for `offhook route`. It is the
//! shard of the server, with the server's configuration, accounts and bindings; only nothing that it sends leaves.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_cdr::Spool;
use offhook_journal::Journal;
use offhook_location::{Location, LocationError};
use offhook_net::{ConnectionId, Engine, Flow, Outbox};
use offhook_seal::Ring;
use offhook_sip::{Essentials, Message, Transport, Uri};
use offhook_undelivered::{Ask, Desk, NewMessage, Office};

use crate::drain::Drain;
use crate::settings::Settings;
use crate::shard::{Resources, Secrets, Shard};
use crate::way;
use crate::whereabouts::Whereabouts;

/// A request that is only thought of.
#[derive(Clone, Copy, Debug)]
pub struct Supposed<'q> {
    /// Its method.
    pub method: &'q str,
    /// The URI in From.
    pub from: &'q str,
    /// The Request-URI.
    pub to: &'q str,
    /// The transport it comes by.
    pub transport: Transport,
    /// Where it comes from.
    pub source: SocketAddr,
    /// When, milliseconds of the Unix epoch.
    pub now_ms: u64,
    /// Whether the server keeps messages for those who cannot be reached.
    pub keeps: bool,
}

/// What would happen.
#[derive(Debug)]
pub struct Rehearsed {
    /// Every rule in order; `None`: it takes the request, and those behind it are not asked.
    pub rules: Vec<(String, Option<String>)>,
    /// What would be sent.
    pub sent: Vec<Sent>,
    /// Names that would have to be looked up first.
    pub names: Vec<String>,
    /// The message that would be kept, if there is room for it.
    pub kept: Option<Box<NewMessage>>,
    /// The user name and the realm with which a challenge of the trunk would be answered.
    pub login: Option<(String, String)>,
}

/// A message that would be sent.
#[derive(Debug)]
pub struct Sent {
    /// By this transport.
    pub transport: Transport,
    /// To this address.
    pub remote: SocketAddr,
    /// By TLS: the domain that the peer must prove to be (RFC 5922 §7.3); without one, its address.
    pub proves: Option<String>,
    /// The message.
    pub bytes: Vec<u8>,
}

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// The shard could not be made.
    #[error(transparent)]
    Location(#[from] LocationError),
    /// The request cannot be read.
    #[error("{0} is no URI that a request could have")]
    NoUri(String),
    /// No listener has this transport and address family.
    #[error("the server does not listen for {} from {source_address}", transport.name())]
    NoListener {
        /// The transport asked for.
        transport: Transport,
        /// The address asked for.
        source_address: SocketAddr,
    },
}

/// Plays a request to its end. `location` must be one that may be changed, for the shard thinks it is in service; `gruus` is
/// the server's key of temporary GRUUs.
///
/// # Errors
/// See [`RehearsalError`].
pub fn rehearse(
    settings: &Settings,
    location: Location,
    directory: Directory,
    gruus: [u8; 32],
    supposed: &Supposed<'_>,
) -> Result<Rehearsed, RehearsalError> {
    let flow = flow_of(settings, supposed)?;
    let text = written(supposed);
    let office = supposed.keeps.then(|| Office::new(1));
    let desk = office.as_ref().map_or_else(Desk::off, |office| office.desk(0));
    let resources = resources(location, directory, gruus, desk);
    let mut shard = Shard::new(0, Arc::new(settings.clone()), resources)?;
    let rules = explained(settings, &flow, text.as_bytes(), supposed)?;
    let mut out = Outbox::new();
    shard.receive(supposed.now_ms, &flow, text.as_bytes(), &mut out);
    shard.commit(supposed.now_ms, &mut out);
    let proves =
        |flow: &Flow| (!flow.connection.is_some()).then(|| out.domain_of(flow.connection.index)).flatten();
    let sent = out.outgoing().iter().map(|sent| Sent {
        transport: sent.flow.transport,
        remote: sent.flow.remote,
        proves: proves(&sent.flow).map(str::to_owned),
        bytes: out.bytes(sent.bytes.clone()).to_vec(),
    });
    let names = out.asked().iter().map(ToString::to_string).collect();
    let taker = rules.iter().position(|(_, unmet)| unmet.is_none());
    let login = taker.and_then(|index| settings.routing.login_of(settings.routing.rule(index)?));
    let login = login.map(|login| (login.user.clone(), login.realm.clone()));
    let kept = office.iter().flat_map(Office::take).find_map(|ask| match ask {
        Ask::Keep { message, .. } => Some(message),
        _ => None,
    });
    Ok(Rehearsed { rules, sent: sent.collect(), names, kept, login })
}

fn flow_of(settings: &Settings, supposed: &Supposed<'_>) -> Result<Flow, RehearsalError> {
    let Supposed { transport, source, .. } = *supposed;
    let fits = |l: &&offhook_net::Listener| l.transport == transport && l.local.is_ipv4() == source.is_ipv4();
    let listener = settings.listeners.iter().position(|l| fits(&l));
    let listener = listener.ok_or(RehearsalError::NoListener { transport, source_address: source })?;
    Ok(Flow { transport, listener: listener as u16, connection: ConnectionId::NONE, remote: source })
}

fn written(supposed: &Supposed<'_>) -> String {
    let Supposed { method, from, to, transport, source, .. } = supposed;
    format!(
        "{method} {to} SIP/2.0\r\nVia: SIP/2.0/{} {source};branch=z9hG4bK-rehearsal\r\nMax-Forwards: 70\r\n\
         From: <{from}>;tag=rehearsal\r\nTo: <{to}>\r\nCall-ID: rehearsal\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:{source}>\r\nContent-Length: 0\r\n\r\n",
        transport.via_token()
    )
}

fn resources(location: Location, directory: Directory, gruus: [u8; 32], undelivered: Desk) -> Resources {
    Resources {
        location,
        directory: Arc::new(ArcSwap::from_pointee(directory)),
        journal: Journal::silent(),
        spool: Spool::off(),
        undelivered,
        secrets: Secrets { cookies: [0; 16], nonces: [0; 32], hashes: [0; 16], gruus },
        seals: Arc::new(ArcSwap::from_pointee(Ring::of_one([0; 32]))),
        drain: Arc::new(Drain::new(1)),
        whereabouts: Whereabouts::new(1),
    }
}

fn explained(
    settings: &Settings,
    flow: &Flow,
    text: &[u8],
    supposed: &Supposed<'_>,
) -> Result<Vec<(String, Option<String>)>, RehearsalError> {
    let no_uri = || RehearsalError::NoUri(supposed.to.to_owned());
    let message = Message::parse(text).map_err(|_| no_uri())?;
    let parts = Essentials::of(&message).map_err(|_| no_uri())?;
    let uri = Uri::parse(supposed.to.as_bytes()).map_err(|_| no_uri())?;
    let domain = settings.identity.domain_of(&uri);
    let home = parts.from.parsed_uri().ok().and_then(|from| settings.identity.domain_of(&from));
    let facts = way::facts(
        (message.method_text(), parts.from, home),
        (flow.remote.ip(), None),
        supposed.now_ms,
        (uri, domain, false),
    );
    let mut rules = Vec::new();
    for (rule, unmet) in settings.routing.explain(&facts) {
        rules.push((rule.name.clone(), unmet.map(|why| why.to_string())));
        if unmet.is_none() {
            break;
        }
    }
    Ok(rules)
}
