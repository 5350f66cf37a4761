//! The resolver: it only asks. Its own cache is off, for ours outlives dead servers.

use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::Name;
use offhook_locate::{Answer, Question};

use crate::answer;
use crate::options::{NamesError, Options};

/// How often a question is asked of the servers before it has failed; two servers are asked at once.
const ATTEMPTS: usize = 2;

/// Questions under way over one connection to a server.
const QUESTIONS_AT_ONCE: usize = 256;

/// The name servers.
#[derive(Clone)]
pub(crate) struct Servers(TokioResolver);

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
        builder.build().map(Self).map_err(|e| wrong(&e))
    }

    /// Asks.
    ///
    /// # Errors
    /// Why there is no answer that could be used.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Answer, String> {
        let mut name = Name::from_ascii(question.name.as_str()).map_err(|error| error.to_string())?;
        // Names in SIP are whole: no search list.
        name.set_fqdn(true);
        let said = self.0.lookup(name, answer::record_type(question.kind)).await;
        answer::read(question.kind, said)
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
