//! The part of the server that asks name servers, put together from the configuration.

use std::thread::JoinHandle;

use offhook_config::Config;
use offhook_journal::Journal;
use offhook_locate::Abilities;
use offhook_names::{Names, Options};
use offhook_net::{Clock, NamesDesk};

/// Starts the thread that asks.
///
/// # Errors
/// The system has no thread for it.
pub fn start(
    options: Options,
    journal: Journal,
    clock: Clock,
    desk: NamesDesk,
) -> anyhow::Result<(Names, JoinHandle<()>)> {
    let deliver = move |shard, finding| desk.deliver(shard, finding);
    Ok(Names::start(options, journal, move || clock.now_ms(), deliver)?)
}

/// What `[dns]` says.
pub fn options(config: &Config, abilities: Abilities) -> Options {
    let dns = &config.dns;
    Options {
        servers: dns.servers.clone(),
        dnssec: dns.dnssec,
        timeout_ms: dns.timeout_ms,
        ttl_min_s: dns.ttl_min_s,
        ttl_max_s: dns.ttl_max_s,
        stale_max_s: dns.stale_max_s,
        answers_max: dns.cache_max,
        abilities,
    }
}
