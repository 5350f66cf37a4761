//! What strangers who behave badly meet: where failures are counted and where their requests are dropped. What follows
//! from what is decided by [`offhook_abuse::Guard`], which all shards share.
//!
//! ```text
//!   banned source ──► dropped at the first look, but for responses, ACK, BYE, CANCEL
//!   credentials   ──► nonce of ours for this very address? ──► silenced? ──► looked at ──► wrong: counted
//!   none, or not right, and a scanner by its name ──► dropped; over a connection: banned
//! ```
//! Trunks and whom the configuration exempts are never counted.

use std::net::IpAddr;

use offhook_abuse::{Ban, Guard, Guess, Policy, Source, Verdict};
use offhook_config::Network;
use offhook_journal::{Event, EventKind, Journal};
use offhook_net::Flow;
use offhook_sip::{Name, Transport};

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
        self.abuse.enabled && self.routing.peer(from).is_none() && !exempt()
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
        let location = &self.location;
        let lives_here = || {
            let aor = [user, b"@", realm.as_bytes()].concat();
            let is_here = |ip: IpAddr| Source::of(ip) == Source::of(from);
            location.read(&aor, arrival.now_ms, |mut bindings| bindings.any(|b| is_here(b.flow.remote.ip())))
        };
        match self.guard.judge(arrival.now_ms, &guess, lives_here) {
            Verdict::Heard => false,
            Verdict::Silence => {
                self.note_silence(arrival, user);
                true
            }
            Verdict::Banned(ban) => {
                self.note_silence(arrival, user);
                note_ban(&mut self.journal, arrival.now_ms, &ban);
                true
            }
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

    fn note_silence(&mut self, arrival: &Arrival<'_, '_>, user: &[u8]) {
        let (method, source) = (arrival.message.method_text(), arrival.from.remote);
        self.journal.note(arrival.now_ms, &Event::RequestSilenced { method, user, source });
    }
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
