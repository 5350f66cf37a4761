//! What strangers who behave badly meet: where failures are counted and where their requests are dropped. What follows
//! from what is decided by [`offhook_abuse::Guard`], which all shards share.
//!
//! ```text
//!   banned source ──► dropped at the first look, but for responses, ACK, BYE, CANCEL
//!   credentials   ──► nonce of ours for this very address? ──► silenced? ──► looked at ──► wrong: counted
//!   none, or not right, and a scanner by its name ──► dropped; over a connection: banned
//!                       and one user after the other is asked for ──► dropped for a while; over a connection: banned
//! ```
//! Trunks and whom the configuration exempts are never counted.

use std::net::IpAddr;

use offhook_abuse::{Asking, Ban, Guard, Guess, Policy, Source, Verdict};
use offhook_config::Network;
use offhook_journal::{Event, EventKind, Journal};
use offhook_net::Flow;
use offhook_sip::{Method, Name, Transport};

use crate::arrival::Arrival;
use crate::settings::Settings;
use crate::switchboard::Switchboard;

/// What the configuration says about abuse.
#[derive(Clone, Debug)]
pub struct AbuseSettings {
    /// Whether anything is counted.
    pub enabled: bool,
    /// Beginnings of the User-Agents of scanners, in small letters.
    pub scanners: Vec<Vec<u8>>,
    /// The first letters of these, a bit each: who begins otherwise need not be compared.
    initials: u64,
    /// Who is never counted.
    pub exempt: Vec<Network>,
    /// What is tolerated.
    pub policy: Policy,
}

impl AbuseSettings {
    pub(crate) fn new(config: &offhook_config::Abuse, registration_max_s: u32) -> Self {
        let scanners: Vec<Vec<u8>> =
            config.scanners.iter().map(|name| name.as_str().to_ascii_lowercase().into()).collect();
        Self {
            enabled: config.enabled,
            initials: scanners.iter().fold(0, |all, name| all | initial(name)),
            scanners,
            exempt: config.exempt.clone(),
            policy: Policy {
                failures_max: config.failures_max,
                account_failures_max: config.account_failures_max,
                ban_s: config.ban_s,
                ban_max_s: config.ban_max_s,
                answers_max: config.answers_max,
                account_requests_max: config.account_requests_max,
                stranger_requests_max: config.stranger_requests_max,
                known_s: registration_max_s,
            },
        }
    }
}

/// A bit for the first letter, in either case; some characters share one.
fn initial(name: &[u8]) -> u64 {
    name.first().map_or(0, |first| 1 << (first.to_ascii_lowercase() & 63))
}

impl Settings {
    /// Whether what comes from here is counted at all.
    pub fn counts(&self, from: IpAddr) -> bool {
        let exempt = || self.abuse.exempt.iter().any(|network| network.contains(from));
        self.abuse.enabled && !exempt() && !self.routing.has_trunk_at(from)
    }
}

impl Switchboard {
    /// Whether a message comes from a banned source and is not worth reading. What may belong to a call passes.
    #[inline]
    pub(crate) fn is_barred(&mut self, now_ms: u64, from: &Flow, bytes: &[u8]) -> bool {
        self.guard.is_banned(now_ms, from.remote.ip()) && self.bars(now_ms, from, bytes)
    }

    #[cold]
    fn bars(&mut self, now_ms: u64, from: &Flow, bytes: &[u8]) -> bool {
        const PASS: [&[u8]; 4] = [b"SIP/2.0 ", b"ACK ", b"BYE ", b"CANCEL "];
        if PASS.iter().any(|beginning| bytes.starts_with(beginning)) {
            return false;
        }
        self.guard.note_dropped(from.remote.ip());
        self.journal.count(EventKind::RequestSilenced);
        // Who goes on as if nothing had happened is sifted in the kernel.
        if from.transport == Transport::Udp {
            self.admission.sieve.note_banned(now_ms, from.remote.ip());
        }
        true
    }

    /// Whether credentials are not even looked at. To be asked when they have proved where they come from.
    #[inline]
    pub(crate) fn is_silenced(&mut self, arrival: &Arrival<'_, '_>, user: &[u8], realm: &str) -> bool {
        let from = arrival.from.remote.ip();
        if self.guard.is_at_rest(arrival.now_ms) || !arrival.settings.counts(from) {
            return false;
        }
        let guess = Guess { from, user, realm: realm.as_bytes() };
        let verdict = self.guard.judge(arrival.now_ms, &guess, || self.lives_there(arrival, user, realm));
        self.is_dropped(arrival, verdict, user)
    }

    fn is_dropped(&mut self, arrival: &Arrival<'_, '_>, verdict: Verdict, user: &[u8]) -> bool {
        let ban = match verdict {
            Verdict::Heard => return false,
            Verdict::Silence => None,
            Verdict::Banned(ban) => Some(ban),
        };
        let (method, source) = (arrival.message.method_text(), arrival.from.remote);
        self.journal.note(arrival.now_ms, &Event::RequestSilenced { method, user, source });
        if let Some(ban) = ban {
            note_ban(&mut self.journal, arrival.now_ms, &ban);
        }
        true
    }

    /// Whether an account is registered from where this request comes.
    fn lives_there(&self, arrival: &Arrival<'_, '_>, user: &[u8], realm: &str) -> bool {
        let aor = [user, b"@", realm.as_bytes()].concat();
        let here = Source::of(arrival.from.remote.ip());
        let is_here = |ip: IpAddr| Source::of(ip) == here;
        self.location.read(&aor, arrival.now_ms, |mut bindings| bindings.any(|b| is_here(b.flow.remote.ip())))
    }

    /// Whether one who has proved nothing is not heard, for he asks for one user after the other: now for `whom`.
    #[inline]
    pub(crate) fn is_walker(&mut self, arrival: &Arrival<'_, '_>, whom: &[u8]) -> bool {
        // What belongs to a call passes.
        if self.guard.no_walker_is_silent(arrival.now_ms)
            || arrival.message.method() == Some(Method::Ack)
            || !arrival.settings.counts(arrival.from.remote.ip())
        {
            return false;
        }
        let verdict = self.guard.hears(arrival.now_ms, &asking(arrival, whom));
        self.is_dropped(arrival, verdict, whom)
    }

    /// One who has proved nothing has asked for somebody who has no phone.
    pub(crate) fn note_miss(&mut self, arrival: &Arrival<'_, '_>) {
        let is_ack = arrival.message.method() == Some(Method::Ack);
        if !is_ack && arrival.settings.counts(arrival.from.remote.ip()) {
            self.note_walk(arrival, arrival.message.request_uri_text());
        }
    }

    /// One who has proved nothing is asked to: he says that he is `whom`. Where phones live many do, and then they prove it.
    pub(crate) fn note_challenge(
        &mut self,
        arrival: &Arrival<'_, '_>,
        whom: &[u8],
        (user, realm): (&[u8], &str),
    ) {
        let from = arrival.from.remote.ip();
        if arrival.settings.counts(from)
            && !self.guard.knows(arrival.now_ms, from)
            && !self.lives_there(arrival, user, realm)
        {
            self.note_walk(arrival, whom);
        }
    }

    fn note_walk(&mut self, arrival: &Arrival<'_, '_>, whom: &[u8]) {
        if let Some(ban) = self.guard.walked(arrival.now_ms, &asking(arrival, whom)) {
            note_ban(&mut self.journal, arrival.now_ms, &ban);
        }
    }

    /// Credentials that have proved where they come from were wrong.
    pub(crate) fn note_failure(&mut self, arrival: &Arrival<'_, '_>, user: &[u8], realm: &str) {
        let from = arrival.from.remote.ip();
        if !arrival.settings.counts(from) {
            return;
        }
        let guess = Guess { from, user, realm: realm.as_bytes() };
        if let Some(ban) = self.guard.failed(arrival.now_ms, &guess) {
            note_ban(&mut self.journal, arrival.now_ms, &ban);
        }
    }

    /// Whether a request without proof says itself that it comes from a scanner: it gets no answer.
    pub(crate) fn is_scanner(&mut self, arrival: &Arrival<'_, '_>) -> bool {
        let Some(agent) = arrival.message.value(Name::UserAgent) else { return false };
        if arrival.settings.abuse.initials & initial(agent) == 0 {
            return false;
        }
        let begins = |name: &Vec<u8>| agent.get(..name.len()).is_some_and(|a| a.eq_ignore_ascii_case(name));
        let from = arrival.from.remote;
        if !arrival.settings.abuse.scanners.iter().any(begins) || !arrival.settings.counts(from.ip()) {
            return false;
        }
        let event = Event::RequestScanning { method: arrival.message.method_text(), agent, source: from };
        self.journal.note(arrival.now_ms, &event);
        // The address of a datagram may be anybody's.
        if arrival.from.transport != Transport::Udp
            && let Some(ban) = self.guard.scanned(arrival.now_ms, from.ip())
        {
            note_ban(&mut self.journal, arrival.now_ms, &ban);
        }
        true
    }
}

fn asking<'a>(arrival: &Arrival<'_, '_>, whom: &'a [u8]) -> Asking<'a> {
    Asking { from: arrival.from.remote.ip(), is_there: arrival.from.transport.is_reliable(), whom }
}

/// The guard of a shard that was given none to share.
pub(crate) fn own_guard(settings: &Settings, hash_key: [u8; 16], shard: u8) -> Guard {
    Guard::new(settings.abuse.policy, hash_key, usize::from(shard) + 1)
}

/// Notes that a ban has begun, whoever imposed it.
pub fn note_ban(journal: &mut Journal, now_ms: u64, ban: &Ban) {
    let event = Event::BanBegan {
        source: &ban.source.to_string(),
        offence: &ban.offence.to_string(),
        failures: ban.failures,
        lasts_s: ban.until_s.saturating_sub(ban.since_s),
        times: ban.times.into(),
    };
    journal.note(now_ms, &event);
}
