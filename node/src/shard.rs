//! A shard as the socket loop sees it: bytes in, bytes out, time as a number. All it owns it owns alone.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_abuse::Guard;
use offhook_accounts::{Credential, Directory};
use offhook_cdr::Spool;
use offhook_digest::NonceKey;
use offhook_journal::{Event, EventKind, Journal};
use offhook_locate::Finding;
use offhook_location::{Location, LocationError};
use offhook_net::{ConnectionId, Engine, Flow, IcmpError, Outbox, Ticket, TlsFailure, WebSocketFailure};
use offhook_proxy::CookieKey;
use offhook_seal::Ring;
use offhook_sip::limits::MESSAGE_BYTES_MAX;
use offhook_sip::stream::{Frame, Reason, frame};
use offhook_sip::{Essentials, Malformed, Message, NotSip, Scratch, StartLine, Transport};
use offhook_transaction::{ClientId, Config, Limits, Transactions};
use offhook_undelivered::Desk;

use crate::abuse::own_guard;
use crate::admission::Admission;
use crate::arrival::Arrival;
use crate::certified::Certified;
use crate::checks::Checks;
use crate::closed::ClosedConnections;
use crate::date_line::DateLine;
use crate::deliver::Deliveries;
use crate::drain::Drain;
use crate::enrol::Enrolments;
use crate::failover::Lost;
use crate::health::Health;
use crate::names::Names;
use crate::neighbours::Neighbours;
use crate::parked::Parked;
use crate::relay::TRYING_AFTER_MS;
use crate::repeated::Repeated;
use crate::settings::Settings;
use crate::stranded::Stranded;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::whereabouts::Whereabouts;

/// How often expired bindings are swept, and the journal is given a chance to speak. Once a second keeps an idle server
/// idle.
const SWEEP_EVERY_MS: u64 = 1_000;

/// Secrets of a server, the same in every shard and after a restart.
#[derive(Clone)]
pub struct Secrets {
    /// Proves branches and tags.
    pub cookies: [u8; 16],
    /// Seals nonces.
    pub nonces: [u8; 32],
    /// Keeps strangers from choosing colliding transaction keys.
    pub hashes: [u8; 16],
    /// Seals temporary GRUUs, as long as there are any.
    pub gruus: [u8; 32],
}

/// What a shard shares with the rest of the server.
pub struct Resources {
    /// Where users are.
    pub location: Location,
    /// Who they are.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Where this shard's events go.
    pub journal: Journal,
    /// Where its facts for call detail records go.
    pub spool: Spool,
    /// Where messages are kept for those who cannot be reached.
    pub undelivered: Desk,
    /// The keys.
    pub secrets: Secrets,
    /// The keys that seal what travels in messages. They change with time: each shard looks once a second.
    pub seals: Arc<ArcSwap<Ring>>,
    /// How the server stops.
    pub drain: Arc<Drain>,
    /// Which shard works on what.
    pub whereabouts: Whereabouts,
}

/// What a shard holds of what passes through it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Held {
    /// Server transactions.
    pub servers: usize,
    /// Client transactions.
    pub clients: usize,
    /// Reminders in the timer queue, stale ones included.
    pub timer_entries: usize,
}

/// What is done each second.
#[derive(Default)]
struct Sweeps {
    next_ms: u64,
    /// The registrations have theirs once those of this turn are settled.
    is_due: bool,
}

/// One shard of a running exchange: registrar and proxy over its own transactions.
pub struct Shard {
    settings: Arc<Settings>,
    switchboard: Switchboard,
    seals: Arc<ArcSwap<Ring>>,
    via: Vec<u8>,
    sweeps: Sweeps,
    /// The bans that this shard knows of: see [`Guard::bans_made`].
    bans_known: u64,
}

impl Shard {
    /// The shard with this number.
    ///
    /// # Errors
    /// The log of its bindings cannot be opened.
    pub fn new(number: u8, settings: Arc<Settings>, resources: Resources) -> Result<Self, LocationError> {
        let Resources { location, directory, journal, spool, undelivered, .. } = resources;
        let Resources { secrets, seals, drain, whereabouts, .. } = resources;
        // Until the first tick says what time it is, the newest key seals.
        let newest = seals.load().seals(u64::MAX);
        let transactions_max = u32::try_from(settings.transactions_max).unwrap_or(u32::MAX);
        let transactions = Transactions::new(&Config {
            timing: settings.timing,
            limits: Limits {
                servers_max: transactions_max,
                clients_max: transactions_max,
                ..Limits::default()
            },
            hash_key: secrets.hashes,
            user_delays_ms: vec![
                TRYING_AFTER_MS,
                settings.timing.non_invite_trying_after_ms(),
                settings.timer_c_ms as u32,
                settings.failover_after_ms,
            ],
        });
        let switchboard = Switchboard {
            shard: number,
            transactions,
            bindings: location.writer(u16::from(number))?,
            location,
            directory,
            gruus: Ring::of_one(secrets.gruus).seals(0),
            cookies: CookieKey::new(secrets.cookies, newest).of_process(process_number(&secrets)),
            spread_key: secrets.cookies,
            nonces: NonceKey::new(secrets.nonces),
            nonce_counter: u64::from(number) << 56,
            decoy: Credential::decoy(),
            journal,
            spool,
            undelivered,
            deliveries: Deliveries::default(),
            closed: ClosedConnections::new(whereabouts.closed()),
            aliases: whereabouts.aliases(),
            registrants: whereabouts.registrants(),
            moved: whereabouts.moved(),
            certified: Certified::default(),
            admission: Admission::new(secrets.hashes),
            guard: own_guard(&settings, secrets.hashes, number),
            names: Names::default(),
            parked: Parked::default(),
            checks: Checks::default(),
            enrolments: Enrolments::default(),
            repeated: Repeated::new(secrets.hashes),
            stranded: Stranded::default(),
            health: Health::default(),
            neighbours: Neighbours::new(&settings.routing, secrets.hashes),
            trust: settings.trust.clone(),
            drain,
            whereabouts,
            hash_key: secrets.hashes,
            at_work: 0,
            date_line: DateLine::default(),
            unsettled: Vec::new(),
            aor: Vec::new(),
            order: Vec::new(),
            targets: Targets::default(),
            scratch: Scratch::default(),
            draft: Vec::new(),
        };
        Ok(Self { settings, switchboard, seals, via: Vec::new(), sweeps: Sweeps::default(), bans_known: 0 })
    }

    /// Shares a guard with the other shards of its server.
    pub fn guarded_by(mut self, guard: Guard) -> Self {
        self.switchboard.guard = guard;
        self
    }

    /// Whether no transaction is left: what a polite stop waits for.
    pub fn is_idle(&self) -> bool {
        self.switchboard.transactions.servers_len() == 0 && self.switchboard.transactions.clients_len() == 0
    }

    /// Whether nothing at all is left of what passed through: for tests that look for leaks.
    pub fn is_empty(&self) -> bool {
        self.switchboard.transactions.is_empty()
    }

    /// What is held at the moment: for tests that know what must be.
    pub fn held(&self) -> Held {
        let transactions = &self.switchboard.transactions;
        Held {
            servers: transactions.servers_len(),
            clients: transactions.clients_len(),
            timer_entries: transactions.timer_entries(),
        }
    }

    /// The SIP domains that the peer of a connection of this shard has proved by its certificate (RFC 5922 §7.4).
    pub fn domains_proved(&self, connection: ConnectionId) -> &[String] {
        self.switchboard.certified.domains(connection)
    }

    fn handle(&mut self, now_ms: u64, from: &Flow, bytes: &[u8], out: &mut Outbox) {
        // A keep-alive on the SIP port: RFC 5626 §8.
        if from.transport == Transport::Udp && offhook_stun::is_stun(bytes) {
            let start = out.begin();
            if offhook_stun::answer(bytes, from.remote, out.arena()) {
                return out.send(start, *from, 0);
            }
        }
        if self.switchboard.is_barred(now_ms, from, bytes) {
            return;
        }
        if self.switchboard.admission.sheds(now_ms, from, bytes) {
            return self.switchboard.journal.count(EventKind::RequestShed);
        }
        // Read and looked at in one place: it is large, and moving it would show.
        let mut message = Message::empty();
        match message.read(bytes) {
            Ok(()) => {}
            // A keep-alive (RFC 5626 §3.5.1), or noise.
            Err(NotSip::Empty) => return,
            Err(not_sip) => {
                let event = Event::RequestMalformed {
                    source: from.remote,
                    status: None,
                    reason: &not_sip.to_string(),
                };
                return self.switchboard.journal.note(now_ms, &event);
            }
        }
        match message.start_line() {
            StartLine::Response { .. } => {
                self.switchboard.response(&self.settings, now_ms, from, &message, out)
            }
            StartLine::Request { .. } if bytes.len() > self.settings.message_bytes_max => {
                let of = (now_ms, *from);
                self.switchboard.malformed(&self.settings, of, &message, Malformed::TooLong, out)
            }
            StartLine::Request { .. } => match &Essentials::of(&message) {
                Ok(parts) => {
                    let told = self.switchboard.feedback_to(&self.settings, now_ms, from, &parts.via);
                    let told = (told, &mut self.via);
                    let arrival = Arrival::new(&self.settings, now_ms, *from, (&message, parts), told);
                    self.switchboard.request(&arrival, out);
                }
                Err(fault) => {
                    self.switchboard.malformed(&self.settings, (now_ms, *from), &message, *fault, out)
                }
            },
        }
    }

    /// There is more of it than a message may have.
    fn refuse_cut(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        if self.switchboard.is_barred(now_ms, from, head) {
            return;
        }
        let Ok(message) = Message::parse(head) else { return };
        if message.method().is_some() {
            let of = (now_ms, *from);
            self.switchboard.malformed(&self.settings, of, &message, Malformed::TooLong, out);
        }
    }

    /// Responses whose connection was found to be gone leave by another way.
    fn send_stranded(&mut self, now_ms: u64, out: &mut Outbox) {
        if !self.switchboard.stranded.is_quiet() {
            self.switchboard.send_stranded(&self.settings, now_ms, out);
        }
    }

    /// Runs one step. A panic is a bug of ours: it ends what it met and is told, and everything else goes on.
    fn guarded(&mut self, now_ms: u64, what: &'static str, step: impl FnOnce(&mut Self)) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| step(self))) {
            let message = panic
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let event = Event::PanicCaught { what, message: message.unwrap_or("no message") };
            self.switchboard.journal.note(now_ms, &event);
        }
    }
}

/// Tells this process from the one before: names of connections mean something only in the process that gave them.
fn process_number(secrets: &Secrets) -> u32 {
    let [a, b, c, d, ..] = secrets.hashes;
    u32::from_le_bytes([a, b, c, d])
}

impl Engine for Shard {
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        self.guarded(now_ms, "a message", |shard| {
            shard.handle(now_ms, from, message, out);
            shard.send_stranded(now_ms, out);
        });
    }

    fn unframeable(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        // What there is of the head may be enough for an answer; the parser says itself that there is no end.
        let is_cut = matches!(frame(head), Frame::Unframeable(Reason::HeadTooLong | Reason::BodyTooLong));
        if !is_cut {
            return self.receive(now_ms, from, head, out);
        }
        let head = head.get(..MESSAGE_BYTES_MAX).unwrap_or(head);
        self.guarded(now_ms, "the head of a message", |shard| shard.refuse_cut(now_ms, from, head, out));
    }

    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox) {
        self.guarded(now_ms, "a failed send", |shard| {
            let Some(id) = ClientId::from_bits(ticket) else {
                return shard.switchboard.stranded_again(now_ms, ticket, out);
            };
            // A device with another way is tried there; its flow is not dialled anew (RFC 5626 §7).
            if !shard.switchboard.has_other_flow(id) && shard.switchboard.dial_again(&shard.settings, id, out)
            {
                return;
            }
            shard.switchboard.note_unreachable(now_ms, id, Lost::NoConnection.name());
            if shard.switchboard.transactions.client_transport_failed(now_ms, id) {
                // §16.9: as if a 503 had come.
                shard.switchboard.branch_failed(&shard.settings, now_ms, id, Lost::NoConnection, out);
                shard.send_stranded(now_ms, out);
            }
        });
    }

    fn icmp_error(&mut self, now_ms: u64, to: &Flow, error: IcmpError, quoted: &[u8], out: &mut Outbox) {
        self.guarded(now_ms, "an ICMP error", |shard| {
            shard.switchboard.icmp_error(&shard.settings, now_ms, (to, error, quoted), out);
            shard.send_stranded(now_ms, out);
        });
    }

    fn connection_closed(&mut self, _now_ms: u64, connection: ConnectionId, _out: &mut Outbox) {
        // Bindings over it stay until they expire: their phones dial again and refresh. What was being sent failed with
        // its ticket; what was sent may still be answered over another connection (RFC 3261 §18.2.2).
        self.switchboard.closed.note(connection);
        self.switchboard.certified.forget(connection);
        self.switchboard.forget_alias(connection);
        self.switchboard.forget_registrants(connection);
    }

    fn peer_certified(&mut self, now_ms: u64, from: &Flow, certificate: &[u8]) {
        let domains = self.switchboard.certified.note(from.connection, certificate);
        let (peer, domains) = (from.remote, domains.join(", "));
        let event = match domains.as_str() {
            "" => Event::TlsNameless { peer },
            domains => Event::TlsProved { peer, domains: domains.as_bytes() },
        };
        self.switchboard.journal.note(now_ms, &event);
    }

    fn insecure(&mut self, now_ms: u64, from: &Flow, why: TlsFailure) {
        let event = Event::TlsFailed { peer: from.remote, why: why.meaning() };
        self.switchboard.journal.note(now_ms, &event);
    }

    fn websocket_failed(&mut self, now_ms: u64, from: &Flow, why: WebSocketFailure) {
        let event = Event::WebSocketFailed { peer: from.remote, why: &why.to_string() };
        self.switchboard.journal.note(now_ms, &event);
    }

    fn limit_reached(&mut self, now_ms: u64, from: &Flow, which: &'static str, limit: usize) {
        let share = format!("a shard's share of {which}");
        let which = if self.settings.shards > 1 { &share } else { which };
        let event = Event::LimitReached { which, limit: limit as u64, source: Some(from.remote) };
        self.switchboard.journal.note(now_ms, &event);
    }

    fn located(&mut self, now_ms: u64, finding: &Finding, out: &mut Outbox) {
        self.guarded(now_ms, "a name", |shard| {
            shard.switchboard.located(&shard.settings, now_ms, finding, out);
            shard.switchboard.stranded.wake();
            shard.send_stranded(now_ms, out);
        });
    }

    fn rung(&mut self, now_ms: u64, out: &mut Outbox) {
        self.guarded(now_ms, "a kept message", |shard| {
            shard.switchboard.keeper_told(&shard.settings, now_ms, out)
        });
    }

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        if self.switchboard.undelivered.is_told() {
            self.rung(now_ms, out);
        }
        self.guarded(now_ms, "a timer", |shard| {
            shard.switchboard.tick(&shard.settings, now_ms, out);
            shard.send_stranded(now_ms, out);
        });
        self.switchboard.admission.turn_sieve(now_ms);
        if now_ms >= self.sweeps.next_ms {
            self.sweeps.next_ms = now_ms + SWEEP_EVERY_MS;
            self.switchboard.cookies.renew(self.seals.load().seals(now_ms));
            self.guarded(now_ms, "a probe", |shard| {
                shard.switchboard.refresh_names(&shard.settings, now_ms);
                shard.switchboard.enrol(&shard.settings, now_ms, out);
                shard.switchboard.check_targets(&shard.settings, now_ms, out);
                shard.switchboard.probe_dead(&shard.settings, now_ms, out);
                shard.switchboard.tell_standings(&shard.settings, now_ms);
                shard.switchboard.end_setups(now_ms, out);
            });
            self.sweeps.is_due = true;
        }
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        let timers = self.switchboard.transactions.next_deadline_ms();
        let parked = self.switchboard.parked.next_ms();
        let sieve = self.switchboard.admission.sieve.deadline_ms();
        let told = self.switchboard.undelivered.is_told().then_some(0);
        [timers, parked, sieve, told, Some(self.sweeps.next_ms)].into_iter().flatten().min()
    }

    fn sieve(&mut self) -> Option<&[(IpAddr, u16)]> {
        self.switchboard.admission.sieve.changes()
    }

    fn admits(&mut self, now_ms: u64, from: IpAddr) -> bool {
        let banned = self.switchboard.guard.is_banned(now_ms, from);
        if banned {
            self.switchboard.guard.note_dropped(from);
        }
        !banned
    }

    fn bars_more(&mut self) -> bool {
        let made = self.switchboard.guard.bans_made();
        made != std::mem::replace(&mut self.bans_known, made)
    }

    fn note_wait(&mut self, waited_ms: u32) {
        self.switchboard.admission.note_wait(waited_ms);
    }

    fn note_clock(&mut self, ahead_ms: i64) {
        self.switchboard.date_line.ahead_ms = ahead_ms;
        self.switchboard.spool.note_clock(ahead_ms);
    }

    fn commit(&mut self, now_ms: u64, out: &mut Outbox) {
        self.switchboard.settle_registrations(now_ms, out);
        if std::mem::take(&mut self.sweeps.is_due) {
            self.switchboard.sweep_registrations(now_ms);
        }
        self.switchboard.settle_records(now_ms);
        self.switchboard.names.ask(out);
        let at_work = self.switchboard.at_work + self.switchboard.enrolments.open(now_ms);
        self.switchboard.drain.tell(self.switchboard.shard, at_work);
        self.switchboard.journal.flush(now_ms);
    }
}
