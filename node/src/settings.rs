//! What a shard is told once, at its start: the configuration, in the form that decisions use.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use offhook_config::{Config, DigestAlgorithm, Domain, Recursion};
use offhook_digest::Algorithm;
use offhook_locate::{Abilities, Reach};
use offhook_message::Policy as MessagePolicy;
use offhook_net::Listener;
use offhook_proxy::access::Rights;
use offhook_proxy::session_timer::Wish;
use offhook_proxy::{Identity, Local};
use offhook_registrar::Policy;
use offhook_route::{Rules, TrustDomain};
use offhook_sip::Transport;
use offhook_transaction::Timing;

use crate::checks::DeadTargets;
use crate::service_routes::ServiceRoutes;
use crate::standing::Standings;

/// The domain of a server that was given none. `.internal` is set aside for such names.
pub const DOMAIN_DEFAULT: &str = "offhook.internal";

/// Everything a shard needs to know to decide.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our domains and addresses.
    pub identity: Identity,
    /// How many shards share the limits.
    pub(crate) shards: usize,
    /// The listeners, in the order that flows count them.
    pub listeners: Vec<Listener>,
    /// The addresses of this machine, in order.
    own_addresses: Vec<IpAddr>,
    /// The rules and trunks of the configuration.
    pub routing: Rules,
    /// What the registrars of trunks said about the way there.
    pub service_routes: ServiceRoutes,
    /// The targets of trunks that do not answer.
    pub dead_targets: DeadTargets,
    /// How the trunks stand.
    pub standings: Standings,
    /// Who may do what.
    pub rights: Rights,
    /// What strangers who behave badly meet.
    pub abuse: crate::AbuseSettings,
    /// Whether a REGISTER must be authenticated.
    pub authenticate_register: bool,
    /// Whether a REGISTER that passes through must be of a phone that supports Path (RFC 3327 §5.2).
    pub require_path: bool,
    /// The values of Service-Route that registered phones are told (RFC 3608), joined by commas.
    pub service_route: String,
    /// Which messages are kept for those who cannot be reached.
    pub messages: MessagePolicy,
    /// The registrar's policy.
    pub registrar: Policy,
    /// Domains with settings of their own, by their names in lower case.
    pub domains: HashMap<String, DomainSettings>,
    /// Algorithms offered in challenges, the preferred one first.
    pub algorithms: Vec<Algorithm>,
    /// How long a nonce is good, ms.
    pub nonce_lifetime_ms: u64,
    /// Timer C, ms.
    pub timer_c_ms: u64,
    /// Most targets of one request.
    pub fork_targets_max: usize,
    /// How long targets of one preference ring before the next, ms.
    pub ring_ms: u32,
    /// Which redirections are followed for the caller.
    pub recursion: Recursion,
    /// Whether callers may choose among the phones of a user (RFC 3841).
    pub caller_preferences: bool,
    /// Whether to stay in the path of dialogs.
    pub record_route: bool,
    /// T1, T2, T4.
    pub timing: Timing,
    /// Most bytes of a request.
    pub message_bytes_max: usize,
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
    /// Whether any request is told more than RFC 3261 asks for: one of the following.
    pub tells: bool,
    /// The neighbours that are trusted with identities (RFC 3325).
    pub trust: TrustDomain,
    /// Whether requests say which way they have gone (RFC 7044).
    pub history_info: bool,
    /// Whether everybody is told the account of a caller.
    pub assert_everywhere: bool,
    /// The session timer that calls are asked for (RFC 4028).
    pub session_timer: Option<Wish>,
}

impl Settings {
    /// From the configuration and the addresses that were really bound; `shards` share the limits.
    pub fn new(config: &Config, listeners: &[Listener], shards: usize) -> Self {
        let locals =
            listeners.iter().map(|l| Local::new(l.transport, l.local, l.advertise.as_deref())).collect();
        let mut domains: Vec<String> =
            config.all_domains().map(|d| d.as_str().to_ascii_lowercase()).collect();
        if domains.is_empty() {
            domains.push(DOMAIN_DEFAULT.to_owned());
        }
        let trust = TrustDomain::new(config);
        Self {
            tells: config.session_timer.enabled
                || config.proxy.history_info
                || config.identity.assert_everywhere
                || !trust.is_empty(),
            identity: aliased(config, Identity::new(domains, locals)),
            listeners: listeners.to_vec(),
            own_addresses: in_order(listeners.iter().map(|listener| listener.local.ip())),
            routing: Rules::new(config),
            dead_targets: DeadTargets::default(),
            standings: Standings::new(shards),
            shards,
            service_routes: ServiceRoutes::new(config.trunk.len()),
            rights: Rights {
                authenticate_calls: config.access.authenticate_calls,
                strangers_may_call_users: config.access.strangers_may_call_users,
            },
            abuse: crate::AbuseSettings::new(&config.abuse, registration_max_s(config)),
            authenticate_register: config.access.authenticate_register,
            require_path: config.proxy.require_path,
            service_route: service_route(&config.registrar.service_route),
            messages: MessagePolicy {
                bytes_max: config.messages.message_bytes_max,
                keep_ms: config.messages.keep_s * 1000,
                from_registered_flows: config.messages.from_registered_flows,
            },
            registrar: policy(config),
            domains: config.domain.iter().map(|domain| own_settings(config, domain)).collect(),
            algorithms: config.digest.algorithms.iter().map(algorithm).collect(),
            nonce_lifetime_ms: config.digest.nonce_lifetime_s * 1000,
            timer_c_ms: config.proxy.timer_c_s * 1000,
            fork_targets_max: config.proxy.fork_targets_max,
            ring_ms: config.proxy.ring_s as u32 * 1000,
            recursion: config.proxy.follow_redirects,
            caller_preferences: config.proxy.caller_preferences,
            record_route: config.proxy.record_route,
            timing: Timing {
                t1_ms: config.timers.t1_ms as u32,
                t2_ms: config.timers.t2_ms as u32,
                t4_ms: config.timers.t4_ms as u32,
            },
            message_bytes_max: config.limits.message_bytes_max,
            transactions_max: config.limits.transactions_max / shards.max(1),
            reach: if config.dns.private_addresses { Reach::Private } else { Reach::Public },
            name_patience_ms: config.dns.patience_ms,
            failover_after_ms: config.proxy.failover_after_ms as u32,
            tcp_above_bytes: config.proxy.tcp_above_bytes,
            overload_feedback: config.overload.feedback,
            history_info: config.proxy.history_info,
            trust,
            assert_everywhere: config.identity.assert_everywhere,
            session_timer: config.session_timer.enabled.then_some(Wish {
                expires_s: config.session_timer.expires_s,
                min_s: config.session_timer.min_s,
            }),
        }
    }
}

impl Settings {
    /// The machine has these addresses besides those of its listeners: nobody is led to what else may listen there.
    pub fn with_own_addresses(self, more: Vec<IpAddr>) -> Self {
        Self { own_addresses: in_order(self.own_addresses.into_iter().chain(more)), ..self }
    }

    /// Whether an address is one of this machine. An unspecified one would lead here, too.
    pub(crate) fn is_own_address(&self, ip: IpAddr) -> bool {
        ip.is_loopback() || ip.is_unspecified() || self.own_addresses.binary_search(&ip).is_ok()
    }

    /// The registrar's policy for this domain.
    pub fn registrar_of(&self, domain: &str) -> &Policy {
        self.domains.get(domain).map_or(&self.registrar, |own| &own.registrar)
    }

    /// Who may do what at this domain, or where none is meant.
    pub fn rights_at(&self, domain: Option<&str>) -> Rights {
        domain.and_then(|domain| self.domains.get(domain)).map_or(self.rights, |own| Rights {
            strangers_may_call_users: own.strangers_may_call_users,
            ..self.rights
        })
    }

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

/// What one domain has of its own.
#[derive(Clone, Debug)]
pub struct DomainSettings {
    /// Its registrations.
    pub registrar: Policy,
    /// Whether strangers may call its users.
    pub strangers_may_call_users: bool,
}

fn own_settings(config: &Config, domain: &Domain) -> (String, DomainSettings) {
    let (expires_min_s, expires_default_s, expires_max_s) = domain.expires_s(config);
    let all = policy(config);
    let bindings_per_aor_max = domain.bindings_per_aor_max.unwrap_or(all.bindings_per_aor_max);
    let strangers = domain.strangers_may_call_users;
    let own = DomainSettings {
        registrar: Policy { expires_min_s, expires_default_s, expires_max_s, bindings_per_aor_max, ..all },
        strangers_may_call_users: strangers.unwrap_or(config.access.strangers_may_call_users),
    };
    (domain.name.as_str().to_ascii_lowercase(), own)
}

/// The longest that a registration of any domain can last, seconds.
fn registration_max_s(config: &Config) -> u32 {
    let own = config.domain.iter().map(|domain| domain.expires_s(config).2);
    own.fold(config.registrar.expires_max_s, u32::max)
}

fn policy(config: &Config) -> Policy {
    let keys = &config.registrar;
    Policy {
        expires_min_s: keys.expires_min_s,
        expires_default_s: keys.expires_default_s,
        expires_max_s: keys.expires_max_s,
        bindings_per_aor_max: keys.bindings_per_aor_max,
        path_must_be_supported: keys.path_must_be_supported,
        flow_timer_s: keys.flow_timer_s,
        date: keys.date,
    }
}

fn aliased(config: &Config, identity: Identity) -> Identity {
    let all =
        config.domain.iter().flat_map(|domain| domain.aliases.iter().map(|alias| (alias, &domain.name)));
    all.fold(identity, |identity, (alias, name)| {
        identity.with_alias(alias.as_str().to_ascii_lowercase(), name.as_str())
    })
}

/// As they go into the header: in angle brackets, commas between.
fn service_route(uris: &[offhook_config::RouteUri]) -> String {
    uris.iter().map(|uri| format!("<{uri}>")).collect::<Vec<_>>().join(", ")
}

fn algorithm(named: &DigestAlgorithm) -> Algorithm {
    match named {
        DigestAlgorithm::Md5 => Algorithm::Md5,
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
        DigestAlgorithm::Sha512Trunc256 => Algorithm::Sha512Trunc256,
    }
}

fn in_order(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let known: BTreeSet<IpAddr> = addresses.map(|ip| ip.to_canonical()).collect();
    known.into_iter().collect()
}
