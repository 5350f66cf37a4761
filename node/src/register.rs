//! REGISTER: who it is, what it asks for, what is stored, what is answered (RFC 3261 §10.3). No transaction is kept: a
//! retransmission asks for the same again and changes nothing.
//!
//! The 200 waits in the outbox until the end of the batch. There [`Switchboard::settle_registrations`] makes all changes of
//! the batch durable with one write; if the disk refuses, each 200 becomes a 503 before it leaves.

use offhook_journal::Event;
use offhook_location::{Change, LocationError, StoredFlow};
use offhook_net::{Flow, Outbox};
use offhook_registrar::{
    Asked, BindingList, Contacts, Headers, Policy, Registration, Wanted, decide, gruu, way_before,
    write_headers,
};
use offhook_sip::{Hint, Host, Message, Name, NameAddr, Refusal, Reply, Transport, Uri};

use crate::arrival::Arrival;
use crate::identify::{Door, Proof};
use crate::off_limits::place_of;
use crate::switchboard::Switchboard;

/// A whole round through the bindings takes this many sweeps.
const SWEEPS_PER_ROUND: usize = 64;

/// How long a phone waits before it tries again when the store is broken.
const STORE_RETRY_AFTER_S: u32 = 30;

impl Switchboard {
    /// A REGISTER for a domain of ours.
    pub(crate) fn register(&mut self, arrival: &Arrival<'_, '_>, out: &mut Outbox) {
        let mut aor = std::mem::take(&mut self.aor);
        match user_in_to(arrival, &mut aor) {
            Some(domain) => self.register_as(arrival, domain, &aor, out),
            // §10.3 step 5: the address-of-record is not one of this domain.
            None => self.refuse(arrival, Refusal::new(404), out),
        }
        self.aor = aor;
    }

    fn register_as(&mut self, arrival: &Arrival<'_, '_>, domain: &str, aor: &[u8], out: &mut Outbox) {
        let user = aor.split(|&c| c == b'@').next().unwrap_or_default();
        let mut again = false;
        if arrival.settings.authenticate_register {
            match self.prove(arrival, Door::Registrar, domain) {
                // §10.3 step 4: nobody registers for somebody else.
                Proof::Valid { user: proved, .. } if proved == user => {}
                Proof::Again { user: proved, .. } if proved == user => again = true,
                Proof::Valid { .. } | Proof::Again { .. } => {
                    return self.refuse(arrival, Refusal::new(403).because("To is not your account"), out);
                }
                Proof::Silenced => return,
                Proof::Stale => return self.challenge(arrival, Door::Registrar, domain, true, out),
                Proof::Absent | Proof::Wrong | Proof::Foreign
                    if self.is_scanner(arrival)
                        || self.repeats_itself(arrival, false)
                        || self.is_walker(arrival, arrival.parts.to.uri) =>
                {
                    return;
                }
                proof @ (Proof::Absent | Proof::Wrong | Proof::Foreign) => {
                    self.note_challenge(arrival, arrival.parts.to.uri, (user, domain));
                    return self.challenge(
                        arrival,
                        Door::Registrar,
                        domain,
                        matches!(proof, Proof::Foreign),
                        out,
                    );
                }
            }
        }
        if arrival.settings.authenticate_register
            && let Err(refusal) = self.count_for(arrival, Some(user), domain)
        {
            return self.refuse_registration(arrival, aor, refusal, out);
        }
        let mut path = Vec::new();
        join_values(arrival.message, Name::Path, &mut path);
        let policy = arrival.settings.registrar_of(domain);
        match self.update_bindings(arrival, (aor, policy), (&path, again), out) {
            Ok(Updated::Done) => {}
            // RFC 7616 §5.4: overheard credentials do not register another phone.
            Ok(Updated::Untrusted) => self.challenge(arrival, Door::Registrar, domain, true, out),
            Err(refusal) => self.refuse_registration(arrival, aor, refusal, out),
        }
    }

    fn refuse_registration(
        &mut self,
        arrival: &Arrival<'_, '_>,
        aor: &[u8],
        refusal: Refusal<'_>,
        out: &mut Outbox,
    ) {
        let (source, status) = (arrival.from.remote, refusal.status());
        let event = Event::RegisterRefused { aor, source, status, reason: &refusal.reason() };
        self.journal.note(arrival.now_ms, &event);
        self.refuse(arrival, refusal, out);
    }

    /// Reads, decides, stores, and puts the 200 into the outbox. `again`: the credentials were used before; then nothing may
    /// change, and a retransmission changes nothing.
    fn update_bindings<'x>(
        &mut self,
        arrival: &Arrival<'_, 'x>,
        (aor, policy): (&[u8], &Policy),
        (path, again): (&'x [u8], bool),
        out: &mut Outbox,
    ) -> Result<Updated, Refusal<'x>> {
        let flow = stored_flow(arrival);
        let mut room = Contacts::new();
        let mut registration = Registration::read(arrival.message, path, flow, policy, &mut room)?;
        if let Asked::Change(wanted) = &registration.asked {
            refuse_own_contacts(arrival, wanted)?;
            registration.flow.nat = flow.transport == Transport::Udp
                && wanted.first().is_some_and(|w| self.leads_elsewhere(&w.uri, arrival));
            if !registration.flow.nat {
                self.refuse_off_limits(arrival, wanted.get(1..).unwrap_or_default())?;
            }
            self.refuse_path(arrival)?;
        }
        let tag = self.stateless_tag(arrival.parts);
        let now_ms = arrival.now_ms;
        let (closed, shard) = (&self.closed, self.shard);
        let date_line = if policy.date { self.date_line.at(now_ms) } else { b"" };
        let headers = Headers {
            aor,
            gruus: &self.gruus,
            service_route: &arrival.settings.service_route,
            flow_timer_s: policy.flow_timer_s,
            date_line,
        };
        let mut before = None;
        let start = out.begin();
        let arena = out.arena();
        let updated = self.bindings.update(aor, now_ms, |have, next| {
            let mut list = BindingList::new();
            for binding in have.clone().filter(|binding| !closed.ended(shard, &binding.flow)) {
                if list.try_push(binding).is_err() {
                    return (Change::Keep, Err(Refusal::new(403).because("Too many contacts")));
                }
            }
            before = way_before(&registration, &list);
            let changed = match decide(&registration, &mut list, have, (now_ms, policy)) {
                Ok(changed) => changed,
                Err(refusal) => return (Change::Keep, Err(refusal)),
            };
            if changed && again {
                return (Change::Keep, Ok(None));
            }
            Reply::new(arrival.message, 200).to_tag(&tag).top_via(arrival.answer_via).write_head(arena);
            write_headers(&registration, &list, &headers, now_ms, arena);
            Reply::write_end(arena);
            if changed {
                list.iter().for_each(|binding| next.push(binding));
            }
            (if changed { Change::Replace } else { Change::Keep }, Ok(Some(changed)))
        });
        let changed = updated.map_err(|error| self.location_refusal(now_ms, &error))??;
        let Some(changed) = changed else { return Ok(Updated::Untrusted) };
        if changed {
            self.note_way(aor, before, &registration.flow);
            self.unsettled.push(out.outgoing().len());
            if self.undelivered.has_for(aor) {
                self.undelivered.registered(aor);
            }
        }
        self.tell_way_of(arrival, start, out);
        out.send(start, arrival.reply_to, 0);
        self.note_registration(arrival, aor, &registration);
        Ok(Updated::Done)
    }

    fn location_refusal(&mut self, now_ms: u64, error: &LocationError) -> Refusal<'static> {
        let text = error.to_string();
        match error {
            LocationError::TooManyBindings { .. } => Refusal::new(403).because("Too many contacts"),
            LocationError::RecordTooLong { .. } => Refusal::new(413).because("Contacts too long"),
            _ => {
                self.journal.note(now_ms, &Event::StoreFailed { what: "keep a registration", error: &text });
                Refusal::new(503).with(Hint::RetryAfter(STORE_RETRY_AFTER_S))
            }
        }
    }

    fn note_registration(
        &mut self,
        arrival: &Arrival<'_, '_>,
        aor: &[u8],
        registration: &Registration<'_, '_>,
    ) {
        let source = arrival.from.remote;
        let Asked::Change(wanted) = &registration.asked else {
            if matches!(registration.asked, Asked::Clear) {
                self.journal.note(arrival.now_ms, &Event::RegisterRemoved { aor, contact: b"*", source });
            }
            return;
        };
        for one in *wanted {
            let contact = one.contact.uri;
            let event = match one.expires_s {
                0 => Event::RegisterRemoved { aor, contact, source },
                expires_s => Event::RegisterAccepted { aor, contact, expires_s, source },
            };
            self.journal.note(arrival.now_ms, &event);
        }
    }

    /// The end of a batch: what its 200s promise becomes durable, or they become 503s.
    pub(crate) fn settle_registrations(&mut self, now_ms: u64, out: &mut Outbox) {
        if self.unsettled.is_empty() {
            return;
        }
        let mut unsettled = std::mem::take(&mut self.unsettled);
        if let Err(error) = self.bindings.commit() {
            self.location_refusal(now_ms, &error);
            for &index in &unsettled {
                take_back(index, out);
                self.note_taken_back(now_ms, index, out);
            }
        }
        unsettled.clear();
        self.unsettled = unsettled;
    }

    /// What the log has called accepted was not.
    fn note_taken_back(&mut self, now_ms: u64, index: usize, out: &Outbox) {
        let Some(sent) = out.outgoing().get(index) else { return };
        let Ok(answer) = Message::parse(out.bytes(sent.bytes.clone())) else { return };
        let Ok(aor) = answer.to().map(|to| to.uri) else { return };
        let (status, reason) = (503, "it could not be kept");
        let event = Event::RegisterRefused { aor, source: sent.flow.remote, status, reason };
        self.journal.note(now_ms, &event);
    }
}

impl Switchboard {
    /// Each second, when nothing is unsettled: refreshes that waited go to the log, and what has ended is forgotten.
    pub(crate) fn sweep_registrations(&mut self, now_ms: u64) {
        // One shard sweeps for all.
        let stripes = if self.shard == 0 { self.location.stripes().div_ceil(SWEEPS_PER_ROUND) } else { 0 };
        if let Err(error) = self.bindings.expire(now_ms, stripes, |_, _| {}) {
            self.location_refusal(now_ms, &error);
        }
    }
}

/// Where a phone is, and where it may say that phones are.
impl Switchboard {
    /// The first Contact of a phone that is not where it says stands for the way it came by. The others are looked for where
    /// they say.
    fn refuse_off_limits(
        &self,
        arrival: &Arrival<'_, '_>,
        others: &[Wanted<'_>],
    ) -> Result<(), Refusal<'static>> {
        let why = others.iter().find_map(|w| self.leads_off_limits(arrival, &w.uri));
        why.map_or(Ok(()), |_| Err(Refusal::new(403).because("Contact that its sender may not lead to")))
    }

    /// RFC 3327 §5.3: requests go to the first value.
    fn refuse_path(&self, arrival: &Arrival<'_, '_>) -> Result<(), Refusal<'static>> {
        let first = arrival.message.values(Name::Path).next().and_then(NameAddr::parse);
        let why = first.and_then(|path| self.leads_off_limits(arrival, &path.parsed_uri().ok()?));
        why.map_or(Ok(()), |_| Err(Refusal::new(403).because("Path that its sender may not lead to")))
    }

    /// Whether the phone that sent this is not where its Contact says: requests to it must go back the way it came (contact
    /// mending: the Contact itself stays as it was written).
    pub(crate) fn is_behind_nat(&self, arrival: &Arrival<'_, '_>) -> bool {
        let Some(value) = arrival.message.values(Name::Contact).next() else { return false };
        let contact = NameAddr::parse(value).and_then(|c| c.parsed_uri().ok());
        // `ob` in a Contact asks for its flow: RFC 5626 §5.3.2.
        contact.is_some_and(|uri| uri.params().has(b"ob") || self.leads_elsewhere(&uri, arrival))
    }

    /// A name, which leads nowhere without DNS. Another address, unless Via shows that nothing on the way changes addresses:
    /// then a trunk has its Contact on another machine, or somebody registers another phone (RFC 3261 §10.2.1). Or, for a
    /// phone that asked for rport and so hears where it speaks (RFC 3581 §3), another port.
    fn leads_elsewhere(&self, contact: &Uri<'_>, arrival: &Arrival<'_, '_>) -> bool {
        let Some(at) = place_of(contact) else { return false };
        let Some(ip) = at.host.ip() else { return true };
        let Flow { remote, transport, .. } = arrival.from;
        if ip == remote.ip() {
            let other_port = at.port.unwrap_or(transport.default_port()) != remote.port();
            return arrival.parts.via.asks_rport()
                && other_port
                && contact.transport().is_none_or(|t| t == transport);
        }
        let via_is_true = arrival.parts.via.sent_by.host.ip() == Some(remote.ip());
        // Some phones that do not know their own address write 0.0.0.0, which from here would be this machine.
        !via_is_true || self.off_limits(arrival, ip).is_some()
    }
}

/// What became of a registration that was not refused.
enum Updated {
    /// It is answered.
    Done,
    /// It would change something, with credentials that were used before.
    Untrusted,
}

/// The domain of the address-of-record in To, which is written to `aor` in canonical form: whom a REGISTER speaks of (§10.3
/// steps 1 and 5), and whom a request in a dialog is for. A To that names our address means our first domain.
pub(crate) fn user_in_to<'m>(arrival: &Arrival<'m, '_>, aor: &mut Vec<u8>) -> Option<&'m str> {
    let to = arrival.parts.to.parsed_uri().ok()?;
    let domain = arrival.settings.identity.domain_of(&to)?;
    aor.clear();
    to.write_aor(Host::Name(domain.as_bytes()), aor)?;
    Some(domain)
}

/// A contact that is our own address would send us to ourselves.
fn refuse_own_contacts(arrival: &Arrival<'_, '_>, wanted: &[Wanted<'_>]) -> Result<(), Refusal<'static>> {
    let identity = &arrival.settings.identity;
    if wanted.iter().filter_map(|w| place_of(&w.uri)).any(|at| identity.is_us(&at)) {
        return Err(Refusal::new(403).because("Contact is this server"));
    }
    // RFC 5627 §5.1: a GRUU that leads to itself.
    if wanted.iter().any(|w| gruu::is_gruu(&w.uri) && identity.domain_of(&w.uri).is_some()) {
        return Err(Refusal::new(403).because("Contact is a GRUU of this domain"));
    }
    Ok(())
}

/// Puts a 503 in the place of the 200 at `index` of the outbox. The 200 holds all that the 503 has to copy.
fn take_back(index: usize, out: &mut Outbox) {
    let Some(outgoing) = out.outgoing().get(index) else { return };
    let promise = out.bytes(outgoing.bytes.clone()).to_vec();
    let mut answer = Vec::new();
    if let Ok(message) = Message::parse(&promise) {
        let refusal = Refusal::new(503).with(Hint::RetryAfter(STORE_RETRY_AFTER_S));
        refusal.write(&message, b"", None, &mut answer);
    }
    out.rewrite(index, &answer);
}

/// The way a REGISTER came.
fn stored_flow(arrival: &Arrival<'_, '_>) -> StoredFlow {
    let Flow { transport, listener, connection, remote } = arrival.from;
    StoredFlow {
        transport,
        listener,
        connection_index: connection.index,
        connection_generation: connection.generation,
        remote,
        nat: false,
    }
}

/// All values of a header, joined by commas.
fn join_values(message: &Message<'_>, name: Name, out: &mut Vec<u8>) {
    for value in message.values(name) {
        if !out.is_empty() {
            out.push(b',');
        }
        out.extend_from_slice(value);
    }
}
