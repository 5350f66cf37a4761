//! The part of the server that asks name servers, put together from the configuration.

use std::path::Path;
use std::thread::JoinHandle;

use anyhow::Context;
use offhook_config::Config;
use offhook_journal::Journal;
use offhook_locate::Abilities;
use offhook_names::{Anchors, Names, Options};
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
///
/// # Errors
/// The file of trust anchors cannot be used.
pub fn options(config: &Config, abilities: Abilities) -> anyhow::Result<Options> {
    let dns = &config.dns;
    let anchors = anchors_of(config)?;
    Ok(Options {
        servers: dns.servers.clone(),
        dnssec: dns.dnssec,
        anchors: anchors.unwrap_or_default(),
        timeout_ms: dns.timeout_ms,
        ttl_min_s: dns.ttl_min_s,
        ttl_max_s: dns.ttl_max_s,
        stale_max_s: dns.stale_max_s,
        answers_max: dns.cache_max,
        abilities,
    })
}

/// Whether the files that `[dns]` names can be used, as a start needs them.
///
/// # Errors
/// The file of trust anchors cannot.
pub fn check(config: &Config) -> anyhow::Result<()> {
    anchors_of(config).map(drop)
}

fn anchors_of(config: &Config) -> anyhow::Result<Option<Anchors>> {
    let file = config.dns.trust_anchors.as_deref().filter(|_| config.dns.dnssec);
    file.map(anchors).transpose()
}

fn anchors(path: &Path) -> anyhow::Result<Anchors> {
    let unusable = || NoAnchors(path.display().to_string());
    let text = std::fs::read_to_string(path).with_context(unusable)?;
    Anchors::from_text(&text).with_context(unusable)
}

/// The file of trusted keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the trust anchors in {0}")]
pub struct NoAnchors(String);
