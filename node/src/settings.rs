//! What a shard is told once, at its start: the configuration, in the form that decisions use.

use std::net::SocketAddr;

use offhook_config::{Config, DigestAlgorithm, RouteMode};
use offhook_digest::Algorithm;
use offhook_locate::{Abilities, Reach};
use offhook_net::Listener;
use offhook_proxy::access::Rules;
use offhook_proxy::{Identity, Local};
use offhook_registrar::Policy;
use offhook_sip::Transport;
use offhook_transaction::Timing;

/// The domain of a server that was given none. `.internal` is set aside for such names.
pub const DOMAIN_DEFAULT: &str = "offhook.internal";

/// A static next hop.
#[derive(Clone, Debug)]
pub struct StaticRoute {
    /// The host of the Request-URI that takes this route, in lower case.
    pub domain: Option<String>,
    /// How to get there.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
    /// The domain that it must prove to be, by TLS, in lower case; else its address.
    pub proves: Option<String>,
    /// Whether strangers may use it.
    pub open: bool,
    /// Whether requests are forwarded without transactions (RFC 3261 §16.11).
    pub stateless: bool,
    /// Whether the next hop is asked how much it can take (RFC 7339).
    pub overload_control: bool,
}

/// Everything a shard needs to know to decide.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our domains and addresses.
    pub identity: Identity,
    /// The listeners, in the order that flows count them.
    pub listeners: Vec<Listener>,
    /// The static routes, in order.
    pub routes: Vec<StaticRoute>,
    /// Who may do what.
    pub rules: Rules,
    /// Whether a REGISTER must be authenticated.
    pub authenticate_register: bool,
    /// The registrar's policy.
    pub registrar: Policy,
    /// Algorithms offered in challenges, the preferred one first.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce is good, ms.
    pub nonce_lifetime_ms: u64,
    /// Timer C, ms.
    pub timer_c_ms: u64,
    /// Most targets of one request.
    pub fork_targets_max: usize,
    /// Whether to stay in the path of dialogs.
    pub record_route: bool,
    /// T1, T2, T4.
    pub timing: Timing,
    /// Most server transactions, and most client transactions, of one shard.
    pub transactions_max: usize,
    /// Which addresses the names of requests may lead to.
    pub reach: Reach,
    /// How long a request waits for the name of its next hop, ms.
    pub name_patience_ms: u64,
    /// How long an address may say nothing before the next one is tried, ms.
    pub failover_after_ms: u32,
    /// Requests that are longer go by TCP where that is possible, bytes; 0: never.
    pub tcp_above_bytes: usize,
    /// Whether those who offer to hold back are told how much (RFC 7339).
    pub overload_feedback: bool,
}

impl Settings {
    /// From the configuration and the addresses that were really bound; `shards` share the limits.
    pub fn new(config: &Config, listeners: &[Listener], shards: usize) -> Self {
        let locals =
            listeners.iter().map(|l| Local::new(l.transport, l.local, l.advertise.as_deref())).collect();
        let mut domains: Vec<String> =
            config.domains.iter().map(|d| d.as_str().to_ascii_lowercase()).collect();
        if domains.is_empty() {
            domains.push(DOMAIN_DEFAULT.to_owned());
        }
        Self {
            identity: Identity::new(domains, locals),
            listeners: listeners.to_vec(),
            routes: config.route.iter().map(static_route).collect(),
            rules: Rules {
                authenticate_calls: config.access.authenticate_calls,
                strangers_may_call_users: config.access.strangers_may_call_users,
            },
            authenticate_register: config.access.authenticate_register,
            registrar: Policy {
                expires_min_s: config.registrar.expires_min_s,
                expires_default_s: config.registrar.expires_default_s,
                expires_max_s: config.registrar.expires_max_s,
                bindings_per_aor_max: config.registrar.bindings_per_aor_max,
            },
            algorithms: config.digest.algorithms.iter().map(algorithm).collect(),
            nonce_lifetime_ms: config.digest.nonce_lifetime_s * 1000,
            timer_c_ms: config.proxy.timer_c_s * 1000,
            fork_targets_max: config.proxy.fork_targets_max,
            record_route: config.proxy.record_route,
            timing: Timing {
                t1_ms: config.timers.t1_ms as u32,
                t2_ms: config.timers.t2_ms as u32,
                t4_ms: config.timers.t4_ms as u32,
            },
            transactions_max: config.limits.transactions_max / shards.max(1),
            reach: if config.dns.private_addresses { Reach::Private } else { Reach::Public },
            name_patience_ms: config.dns.patience_ms,
            failover_after_ms: config.proxy.failover_after_ms as u32,
            tcp_above_bytes: config.proxy.tcp_above_bytes,
            overload_feedback: config.overload.feedback,
        }
    }
}

impl Settings {
    /// What of the places that names lead to we could use: the transports and families of our listeners. Where the
    /// other side prefers none, TLS comes first, then UDP.
    pub fn abilities(&self) -> Abilities {
        let ours = |wanted: &Transport| self.listeners.iter().any(|l| l.transport == *wanted);
        let preferred = [Transport::Tls, Transport::Udp, Transport::Tcp, Transport::Sctp];
        Abilities {
            transports: preferred.into_iter().filter(ours).collect(),
            ipv4: self.listeners.iter().any(|l| l.local.is_ipv4()),
            ipv6: self.listeners.iter().any(|l| l.local.is_ipv6()),
            reach: Reach::Private,
        }
    }
}

fn static_route(route: &offhook_config::Route) -> StaticRoute {
    StaticRoute {
        domain: route.when.domain.as_ref().map(|d| d.as_str().to_ascii_lowercase()),
        transport: route.to.transport,
        address: route.to.address,
        proves: route.proves.as_ref().map(|d| d.as_str().to_ascii_lowercase()),
        open: route.open,
        stateless: route.mode == RouteMode::Stateless,
        overload_control: route.overload_control,
    }
}

fn algorithm(named: &DigestAlgorithm) -> Algorithm {
    match named {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
        DigestAlgorithm::Sha512Trunc256 => Algorithm::Sha512Trunc256,
    }
}
