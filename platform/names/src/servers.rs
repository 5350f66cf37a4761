//! The resolver: it only asks. Its own cache is off, for ours outlives dead servers.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use offhook_locate::{Answer, Question};

use crate::answer;
use crate::checkers::Checkers;
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
    resolver: TokioResolver,
    /// How long one question may take, with all that it needs.
    patience: Duration,
    /// Where signatures are checked, if they are.
    checkers: Option<Checkers>,
}

impl Servers {
    pub(crate) fn new(options: &Options) -> Result<Self, NamesError> {
        let wrong = |error: &dyn std::fmt::Display| NamesError::Servers(error.to_string());
        let provider = TokioRuntimeProvider::default();
        let mut builder = if options.servers.is_empty() {
            TokioResolver::builder(provider).map_err(|e| wrong(&e))?
        } else {
            let servers = options.servers.iter().map(|&address| {
                let at = |mut one: ConnectionConfig| {
                    one.port = address.port();
                    one
                };
                let connections = vec![at(ConnectionConfig::udp()), at(ConnectionConfig::tcp())];
                NameServerConfig::new(address.ip(), true, connections)
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            TokioResolver::builder_with_config(config, provider)
        };
        configure(builder.options_mut(), options);
        if options.dnssec {
            builder = builder.with_trust_anchor(options.anchors.keys());
        }
        let resolver = builder.build().map_err(|e| wrong(&e))?;
        let checkers = if options.dnssec { Some(Checkers::start()?) } else { None };
        let patience = Duration::from_millis(options.timeout_ms) * ATTEMPTS as u32 * SILENCES;
        Ok(Self { resolver, patience, checkers })
    }

    /// Asks.
    ///
    /// # Errors
    /// Why there is no answer that could be used.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, String> {
        let mut name = Name::from_ascii(question.name.as_str()).map_err(|error| error.to_string())?;
        // Names in SIP are whole: no search list.
        name.set_fqdn(true);
        let (resolver, kind) = (self.resolver.clone(), answer::record_type(question.kind));
        let lookup = async move { resolver.lookup(name, kind).await };
        let said = match &self.checkers {
            Some(checkers) => checkers.run(self.patience, lookup).await,
            None => tokio::time::timeout(self.patience, lookup).await.ok(),
        };
        answer::read(question.kind, said.ok_or("it took too long, and was given up")?)
    }
}

fn configure(resolver: &mut ResolverOpts, options: &Options) {
    resolver.timeout = Duration::from_millis(options.timeout_ms);
    resolver.attempts = ATTEMPTS;
    resolver.cache_size = 0;
    resolver.validate = options.dnssec;
    resolver.edns0 = true;
    resolver.try_tcp_on_error = true;
    resolver.max_active_requests = QUESTIONS_AT_ONCE;
}
