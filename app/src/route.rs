//! `offhook route`: what would happen to a request, and which rule says so. Reads the files, so it works beside a running
//! server and without one; nothing is sent.

mod kept;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use jiff::Timestamp;
use offhook_accounts::{Accounts, Directory};
use offhook_config::Config;
use offhook_location::{Limits, Location};
use offhook_net::Clock;
use offhook_node::{Rehearsed, Sent, Settings, Supposed, rehearse};
use offhook_sip::{Message, Name, StartLine, Transport, Uri};
use offhook_store::Store;

use crate::account::expect_data;
use crate::check;
use crate::cli::{Common, RouteArguments};
use crate::seals::{GRUUS_SECRET, entropy};
use crate::visible::visible;

/// Plays the request and tells what came of it.
pub fn run(common: &Common, arguments: &RouteArguments) -> anyhow::Result<()> {
    let config = check::load(common)?;
    let now_ms = match &arguments.at {
        Some(at) => at.as_millisecond().unsigned_abs(),
        None => Clock::start().now_ms(),
    };
    let mut settings = Settings::new(&config, &offhook_net::resolve(&crate::serve::asked(&config))?, 1);
    let transport = Transport::from_name(arguments.transport.as_bytes())
        .with_context(|| format!("{} is no transport", arguments.transport))?;
    let (from, to) = (uri_of(&arguments.from, &config), uri_of(&arguments.to, &config));
    let source = SocketAddr::new(arguments.source.unwrap_or(IpAddr::from([192, 0, 2, 1])), 5060);
    let (method, keeps) = (arguments.method.as_str(), config.messages.keep);
    let supposed = Supposed { method, from: &from, to: &to, transport, source, now_ms, keeps };
    let (location, directory, gruus) = facts(&config, now_ms)?;
    let caller = Caller::of(&settings, &directory, &from, arguments.unproved);
    settings.rights.authenticate_calls &= caller != Caller::Proved;
    settings.authenticate_register &= caller != Caller::Proved;
    let rehearsed = rehearse(&settings, location, directory, gruus, &supposed)?;
    let kept = kept::told(&config, &supposed, caller != Caller::Proved, &rehearsed)?;
    tell(&supposed, caller, &rehearsed, kept.as_deref())
}

/// What the caller can prove.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Who he is.
    Proved,
    /// Nothing: that was asked for.
    Unproved,
    /// Nothing: he would have to be a user of ours, and is none.
    Nobody,
}

impl Caller {
    fn of(settings: &Settings, directory: &Directory, from: &str, unproved: bool) -> Self {
        let uri = Uri::parse(from.as_bytes()).ok();
        let home = uri.as_ref().and_then(|uri| Some((uri.user?, settings.identity.domain_of(uri)?)));
        let is_there = |(user, domain): (&[u8], &str)| {
            let domain = domain.as_bytes();
            directory.find(user, domain).is_some() || directory.user_of_alias(user, domain).is_some()
        };
        match home {
            _ if unproved => Self::Unproved,
            // Before the first accounts the rules are what is asked about.
            Some(home) if !directory.is_empty() && !is_there(home) => Self::Nobody,
            _ => Self::Proved,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Proved => "who has proved who that is",
            Self::Unproved => "who has not proved who that is",
            Self::Nobody => "who has no account and can prove nothing",
        }
    }
}

/// What the server knows of its users, and its key of temporary GRUUs; nothing where it was never started.
fn facts(config: &Config, now_ms: u64) -> anyhow::Result<(Location, Directory, [u8; 32])> {
    if expect_data(config).is_err() {
        return Ok((Location::in_memory(Limits::default()), Directory::of_passwords([]), entropy()?));
    }
    let store = Store::open(&config.data_dir)?;
    let directory = Directory::clone(&Accounts::open(&store)?.snapshot()?.load());
    let fresh = entropy()?;
    let gruus = store.secret(GRUUS_SECRET, || fresh)?;
    Ok((Location::open_copy(&config.data_dir, now_ms)?, directory, gruus))
}

/// People type `alice`, `alice@example.org` and `+4930123`.
fn uri_of(text: &str, config: &Config) -> String {
    match (text.contains(':'), text.contains('@')) {
        (true, _) => text.to_owned(),
        (false, true) => format!("sip:{text}"),
        (false, false) => format!("sip:{text}@{}", check::first_domain(config)),
    }
}

fn tell(
    supposed: &Supposed<'_>,
    caller: Caller,
    rehearsed: &Rehearsed,
    kept: Option<&str>,
) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    let who = caller.words();
    let Supposed { method, from, to, source, .. } = supposed;
    writeln!(out, "{method} {to}\n  from {from}, {who}, at {}", source.ip())?;
    for (name, unmet) in &rehearsed.rules {
        match unmet {
            Some(why) => writeln!(out, "  rule {name}: no, {why}")?,
            None => writeln!(out, "  rule {name}: takes it")?,
        }
    }
    if rehearsed.rules.last().is_none_or(|(_, unmet)| unmet.is_some()) {
        writeln!(out, "  no rule takes it")?;
    }
    for name in &rehearsed.names {
        match name.starts_with("sip") {
            true => writeln!(out, "  looks for the servers of {name} (offhook resolve shows them)")?,
            false => writeln!(out, "  looks up {name}")?,
        }
    }
    for sent in &rehearsed.sent {
        writeln!(out, "  {}", told(sent))?;
    }
    if let Some(kept) = kept {
        writeln!(out, "  {kept}")?;
    }
    if let Some((user, realm)) = &rehearsed.login {
        writeln!(out, "  answers a challenge of {realm} there as {user}")?;
    }
    Ok(())
}

fn told(sent: &Sent) -> String {
    let Ok(message) = Message::parse(&sent.bytes) else { return "sends what nobody can read".to_owned() };
    match message.status() {
        Some(status) => {
            let contact = message.value(Name::Contact).map(|uri| format!(" to {}", visible(uri)));
            format!("answers {status} {}{}", reason(&message), contact.unwrap_or_default())
        }
        None => {
            let uri = visible(message.request_uri_text());
            let proves = sent.proves.as_ref().map(|domain| format!(", which must prove to be {domain}"));
            let by = sent.transport.name();
            format!("sends it to {} by {by} as {uri}{}", sent.remote, proves.unwrap_or_default())
        }
    }
}

/// A method as a request may have it (RFC 3261 §25.1): known to us or not, but one word.
pub fn method(text: &str) -> Result<String, String> {
    let request = format!("{text} sip:a SIP/2.0\r\n\r\n");
    match Message::parse(request.as_bytes()).is_ok_and(|message| message.method_text() == text.as_bytes()) {
        true => Ok(text.to_owned()),
        false => Err("one word is wanted, such as INVITE or MESSAGE".to_owned()),
    }
}

/// A time as people write it: 2026-11-02T12:00:00Z.
pub fn time(text: &str) -> Result<Timestamp, String> {
    text.parse()
        .map_err(|_| "a time such as 2026-11-02T12:00:00Z or 2026-11-02T13:00:00+01:00 is wanted".to_owned())
}

fn reason(message: &Message<'_>) -> String {
    match message.start_line() {
        StartLine::Response { reason, .. } => visible(reason),
        StartLine::Request { .. } => String::new(),
    }
}
