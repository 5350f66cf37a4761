//! The part of the server that asks name servers, put together from the configuration.

use std::thread::JoinHandle;

use offhook_config::Config;
use offhook_journal::{Event, Journal};
use offhook_locate::Abilities;
use offhook_names::{Names, NamesError, Options};
use offhook_net::{Clock, NamesDesk};

/// Starts the thread that asks. `None`: there are no name servers that could be asked; the journal knows why, and every
/// name stays unanswered.
///
/// # Errors
/// The system has no thread for it.
pub fn start(
    options: Options,
    mut journal: Journal,
    clock: Clock,
    desk: NamesDesk,
) -> anyhow::Result<Option<(Names, JoinHandle<()>)>> {
    // Checked here, while there is a journal to tell.
    if let Err(NamesError::Servers(error)) = offhook_names::check(&options) {
        let event = Event::NameUnanswered { question: "any name", error: &error };
        journal.note(clock.now_ms(), &event);
        journal.flush(clock.now_ms());
        return Ok(None);
    }
    let deliver = move |shard, finding| desk.deliver(shard, finding);
    Ok(Some(Names::start(options, journal, move || clock.now_ms(), deliver)?))
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
