//! The resolver: it only asks. Its own cache is off, for ours outlives dead servers.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::RetryDnsHandle;
use hickory_resolver::proto::op::DnsRequestOptions;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Hosts, NameServerPool, PoolContext, TlsConfig, TokioResolver};
use offhook_locate::{Answer, Question};

use crate::answer;
use crate::checked::Checked;
use crate::options::{NamesError, Options};

/// How often a question is asked of the servers before it has failed; two servers are asked at once.
const ATTEMPTS: usize = 2;

/// Questions under way over one connection to a server.
const QUESTIONS_AT_ONCE: usize = 256;

/// A question may take as long as so many of its servers that say nothing: with signatures there are the keys of each zone above
/// to ask for.
const SILENCES: u32 = 4;

/// The name servers.
pub(crate) struct Servers {
    resolver: Resolver,
    /// How long one question may take, with all that it needs.
    patience: Duration,
}

enum Resolver {
    Believing(Box<TokioResolver>),
    Checking(Box<Checked<RetryDnsHandle<NameServerPool<TokioRuntimeProvider>>>>),
}

impl Servers {
    pub(crate) fn new(options: &Options) -> Result<Self, NamesError> {
        let (config, mut how) = if options.servers.is_empty() {
            read_system_conf().map_err(wrong)?
        } else {
            (ResolverConfig::from_parts(None, Vec::new(), own_servers(options)), ResolverOpts::default())
        };
        configure(&mut how, options);
        let resolver = if options.dnssec { checking(config, how, options)? } else { believing(config, how)? };
        let patience = Duration::from_millis(options.timeout_ms) * ATTEMPTS as u32 * SILENCES;
        Ok(Self { resolver, patience })
    }

    /// Asks.
    ///
    /// # Errors
    /// Why there is no answer that could be used.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, String> {
        let name = name(question)?;
        let kind = answer::record_type(question.kind);
        let said = match &self.resolver {
            Resolver::Believing(servers) => {
                tokio::time::timeout(self.patience, servers.lookup(name, kind)).await
            }
            Resolver::Checking(servers) => {
                tokio::time::timeout(self.patience, servers.lookup(name, kind)).await
            }
        };
        answer::read(question.kind, said.map_err(|_| "it took too long, and was given up")?)
    }
}

/// Names in SIP are whole: no search list.
pub(crate) fn name(question: &Question) -> Result<Name, String> {
    let mut name = Name::from_ascii(question.name.as_str()).map_err(|error| error.to_string())?;
    name.set_fqdn(true);
    Ok(name)
}

fn wrong(error: impl Display) -> NamesError {
    NamesError::Servers(error.to_string())
}

fn own_servers(options: &Options) -> Vec<NameServerConfig> {
    let servers = options.servers.iter().map(|&address| {
        let at = |mut one: ConnectionConfig| {
            one.port = address.port();
            one
        };
        let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
        NameServerConfig::new(address.ip(), true, connections)
    });
    servers.collect()
}

fn believing(config: ResolverConfig, how: ResolverOpts) -> Result<Resolver, NamesError> {
    let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    builder.with_options(how).build().map(|servers| Resolver::Believing(Box::new(servers))).map_err(wrong)
}

fn checking(config: ResolverConfig, how: ResolverOpts, options: &Options) -> Result<Resolver, NamesError> {
    let mut asked = DnsRequestOptions::default();
    asked.recursion_desired = how.recursion_desired;
    asked.use_edns = how.edns0;
    asked.edns_payload_len = how.edns_payload_len;
    asked.edns_set_dnssec_ok = true;
    asked.case_randomization = how.case_randomization;
    let context = Arc::new(PoolContext::new(how, TlsConfig::new().map_err(wrong)?));
    let pool = NameServerPool::from_config(config.into_parts().2, context, TokioRuntimeProvider::default());
    Ok(Resolver::Checking(Box::new(Checked {
        servers: RetryDnsHandle::new(pool, ATTEMPTS),
        anchors: options.anchors.keys(),
        hosts: Hosts::from_system().unwrap_or_default(),
        options: asked,
    })))
}

fn configure(resolver: &mut ResolverOpts, options: &Options) {
    resolver.timeout = Duration::from_millis(options.timeout_ms);
    resolver.attempts = ATTEMPTS;
    resolver.cache_size = 0;
    resolver.edns0 = true;
    resolver.try_tcp_on_error = true;
    resolver.max_active_requests = QUESTIONS_AT_ONCE;
}
