//! A MESSAGE that reaches nobody is kept: RFC 3428 §7.
//!
//! ```text
//!   no device ───────────────────────────┐
//!   every device silent, gone or away ───┼─► asked to be kept ─► durable ─► 202
//!   nothing heard for 2·3.5 s ───────────┘          └─► no room: 480, 403, 503
//! ```
//! Only who is known may leave a message: what strangers send makes no state. The request waits with its transaction,
//! where repetitions of it end; the shard goes on meanwhile.

use offhook_net::{Flow, Outbox};
use offhook_proxy::Screened;
use offhook_proxy::access::Sender;
use offhook_route::Then;
use offhook_sip::{Essentials, Hint, Host, Message, Method, Refusal, Reply, Splice, Uri};
use offhook_transaction::{ServerId, ServerKey};
use offhook_undelivered::{NewMessage, NotKept, Told};

use crate::admit::home_and_realm;
use crate::arrival::Arrival;
use crate::identify::account_shown;
use crate::relay::Passage;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::way::Way;

/// How long a sender waits when messages cannot be kept.
const KEEP_RETRY_AFTER_S: u32 = 30;

impl Switchboard {
    /// Whether this request may be kept when its recipient cannot be reached.
    #[inline]
    pub(crate) fn may_keep(&self, passage: &Passage<'_, '_, '_>) -> bool {
        let Screened { method, routed, parts, .. } = passage.screened;
        *method == Method::Message
            && self.undelivered.is_on()
            && matches!(passage.sender, Sender::Proved | Sender::Peer)
            && routed.in_dialog.is_none()
            && parts.to_tag.is_empty()
            && match passage.way {
                Way::User { .. } => true,
                Way::Rule(rule, _) => matches!(rule.then, Then::Users),
                _ => false,
            }
    }

    /// The recipient has no device: the message is kept, or refused as `refusal` says.
    pub(crate) fn keep_absent(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        key: &ServerKey<'_>,
        out: &mut Outbox,
    ) {
        let arrival = passage.arrival;
        let Some(id) = self.open_upstream(passage, key, out) else { return };
        self.keep_at_once(arrival, id, out);
    }

    /// The same, when its transaction is open.
    pub(crate) fn keep_at_once(&mut self, arrival: &Arrival<'_, '_>, id: ServerId, out: &mut Outbox) {
        self.hold_request(arrival, id);
        self.ask_to_keep(arrival.settings, arrival.now_ms, id, None, out);
    }

    /// Has the transaction hold the request as it is answered: with its Via mended.
    pub(crate) fn hold_request(&mut self, arrival: &Arrival<'_, '_>, id: ServerId) {
        let mut draft = std::mem::take(&mut self.draft);
        draft.clear();
        let mut splice = Splice::new(arrival.message, &mut self.scratch);
        if let Some(mended) = arrival.mended_via {
            let via = arrival.message.range_of(arrival.parts.via.text);
            splice.replace(via, |out| out.extend_from_slice(mended));
        }
        splice.write_to(&mut draft);
        self.transactions.keep_request(id, &draft);
        self.draft = draft;
    }

    /// Every branch of a request is over, and this is the best that was said. Whether the request is kept instead.
    #[inline]
    pub(crate) fn keeps_instead(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ServerId,
        out: &mut Outbox,
    ) -> bool {
        let Some(record) = self.transactions.server(id) else { return false };
        if record.request().is_empty()
            || !record.user.fork.best().is_some_and(offhook_message::is_unreachable)
        {
            return false;
        }
        self.ask_to_keep(settings, now_ms, id, Some(now_ms), out);
        true
    }

    /// The sender has been told 100, and no device has said anything final for as long again. What devices say from now
    /// on comes too late: their transactions end.
    pub(crate) fn keep_unanswered(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ServerId,
        out: &mut Outbox,
    ) {
        let mut branch = self.transactions.server(id).and_then(|record| record.user.branches);
        while let Some((this, record)) = branch.and_then(|id| Some((id, self.transactions.client_mut(id)?))) {
            branch = record.user.next;
            record.user.finished = true;
            self.transactions.abandon_client(now_ms, this);
        }
        self.ask_to_keep(settings, now_ms, id, Some(now_ms), out);
    }

    /// Gives the request that the transaction holds to the keeper. [`Told::Kept`] answers.
    fn ask_to_keep(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ServerId,
        failed_at_ms: Option<u64>,
        out: &mut Outbox,
    ) {
        self.transactions.stop_user_timer(id);
        let Some(record) = self.transactions.server(id) else { return };
        let (request, from) = (record.request().to_vec(), (record.user.reply_to, record.user.sender));
        let Ok(message) = Message::parse(&request) else { return self.give_up(now_ms, id) };
        let new = self.new_message(settings, now_ms, (&message, from), failed_at_ms);
        let refusal = match new.map(|new| self.undelivered.keep(id.to_bits(), new)) {
            Ok(true) => return,
            Ok(false) => Refusal::new(503).with(Hint::RetryAfter(KEEP_RETRY_AFTER_S)),
            Err(refusal) => refusal,
        };
        self.answer_held(now_ms, (id, &message), Err(refusal), out);
    }

    fn new_message(
        &self,
        settings: &Settings,
        now_ms: u64,
        (message, (from, sender)): (&Message<'_>, (Flow, Sender)),
        failed_at_ms: Option<u64>,
    ) -> Result<NewMessage, Refusal<'static>> {
        let unreadable = || Refusal::new(480);
        let expires_at_ms = offhook_message::expires_at_ms(message, now_ms, &settings.messages)?;
        let parts = Essentials::of(message).map_err(|_| unreadable())?;
        let screened = offhook_proxy::screen(message, &parts, &settings.identity, &self.cookies);
        let screened = screened.map_err(|_| unreadable())?;
        let arrival = Arrival {
            settings,
            now_ms,
            from,
            reply_to: from,
            message,
            parts: &parts,
            mended_via: None,
            answer_via: None,
        };
        let (mut aor, domain) =
            recipient(&arrival, &self.way_of(&arrival, &screened)).ok_or_else(unreadable)?;
        self.resolve_alias(domain, &mut aor);
        let (mut request, mut content) = (Vec::new(), Vec::new());
        offhook_message::write_identity(message, &mut request);
        offhook_message::write_content(message, now_ms, &mut content);
        Ok(NewMessage {
            aor: aor.into(),
            sender: left_by(&arrival, sender).into(),
            request: request.into(),
            received_ms: now_ms,
            expires_at_ms,
            failed_at_ms,
            secure: screened.routed.wants_security(),
            content: content.into(),
        })
    }

    /// What the keeper has told this shard.
    pub(crate) fn keeper_told(&mut self, settings: &Settings, now_ms: u64, out: &mut Outbox) {
        for told in self.undelivered.take() {
            match told {
                Told::Kept { ticket, verdict } => self.message_kept(now_ms, ticket, verdict, out),
                Told::Deliver(parcel) => self.deliver(settings, now_ms, *parcel, out),
            }
        }
    }

    fn message_kept(&mut self, now_ms: u64, ticket: u64, verdict: Result<(), NotKept>, out: &mut Outbox) {
        let Some(id) = ServerId::from_bits(ticket) else { return };
        let Some(record) = self.transactions.server(id) else { return };
        let request = record.request().to_vec();
        let Ok(message) = Message::parse(&request) else { return };
        self.answer_held(now_ms, (id, &message), verdict.map_err(refusal_of), out);
    }

    /// §7: "SHOULD return a 202 (Accepted) response indicating that the message was accepted, but end to end delivery has
    /// not been guaranteed."
    fn answer_held(
        &mut self,
        now_ms: u64,
        (id, message): (ServerId, &Message<'_>),
        verdict: Result<(), Refusal<'_>>,
        out: &mut Outbox,
    ) {
        let from_tag = message.from().ok().and_then(|from| from.tag()).unwrap_or_default();
        let tag = self.cookies.tag(message.call_id().unwrap_or_default(), from_tag);
        let start = out.begin();
        let status = match verdict {
            Ok(()) => {
                Reply::new(message, 202).to_tag(&tag).write(out.arena());
                202
            }
            Err(refusal) => {
                refusal.write(message, &tag, None, out.arena());
                refusal.status()
            }
        };
        self.respond(now_ms, id, status, start, out);
    }

    /// Whether this request comes over the flow of a registered device of the user that From names: some phones do not
    /// answer a challenge to MESSAGE. Whoever can write datagrams with a phone's address can so write in its name.
    pub(crate) fn speaks_by_its_flow(&self, arrival: &Arrival<'_, '_>, domain: &str) -> bool {
        if !arrival.settings.messages.from_registered_flows
            || arrival.message.method() != Some(Method::Message)
            || !arrival.parts.is_first_hop
        {
            return false;
        }
        let mut aor = Vec::new();
        let from = arrival.parts.from.parsed_uri().ok();
        if from.and_then(|uri| uri.write_aor(Host::Name(domain.as_bytes()), &mut aor)).is_none() {
            return false;
        }
        let Flow { transport, listener, connection, remote } = arrival.from;
        self.location.read(&aor, arrival.now_ms, |mut bindings| {
            bindings.any(|binding| {
                let flow = &binding.flow;
                let same_way = flow.transport == transport && flow.remote == remote;
                let same_connection = flow.connection_index == connection.index
                    && flow.connection_generation == connection.generation;
                // Over a stream an address may be somebody else's by now.
                let same_flow =
                    if transport.is_reliable() { same_connection } else { flow.listener == listener };
                binding.path.is_empty() && same_way && same_flow
            })
        })
    }
}

/// The address-of-record that a request is for, and its domain.
fn recipient<'m>(arrival: &Arrival<'m, '_>, way: &Way<'m, '_>) -> Option<(Vec<u8>, &'m str)> {
    let mut aor = Vec::new();
    let domain = match way {
        Way::User { domain, uri } => {
            uri.write_aor(Host::Name(domain.as_bytes()), &mut aor)?;
            domain
        }
        Way::Rule(rule, uri) if matches!(rule.then, Then::Users) => {
            let identity = &arrival.settings.identity;
            let domain = identity.domain_of(uri).or_else(|| identity.first_domain())?;
            let mut text = b"sip:".to_vec();
            rule.change.write_user(uri, &mut text);
            text.extend_from_slice(b"@");
            text.extend_from_slice(domain.as_bytes());
            Uri::parse(&text).ok()?.write_aor(Host::Name(domain.as_bytes()), &mut aor)?;
            domain
        }
        _ => return None,
    };
    Some((aor, domain))
}

/// Whose messages this one is counted among: the neighbour, or the account that has proved itself, or who it says where
/// nobody has to.
fn left_by(arrival: &Arrival<'_, '_>, sender: Sender) -> Vec<u8> {
    let settings = arrival.settings;
    if sender == Sender::Peer {
        return arrival.from.remote.ip().to_string().into_bytes();
    }
    let from = arrival.parts.from.parsed_uri().ok();
    if settings.rights.authenticate_calls
        && let (_, Some(realm)) = home_and_realm(arrival, from.as_ref())
        && let Some(user) = account_shown(arrival.message, realm)
    {
        return [user, b"@", realm.as_bytes()].concat();
    }
    let domain = from.as_ref().and_then(|uri| settings.identity.domain_of(uri)).unwrap_or_default();
    let mut aor = Vec::new();
    match from.and_then(|uri| uri.write_aor(Host::Name(domain.as_bytes()), &mut aor)) {
        Some(_) => aor,
        None => arrival.parts.from.uri.to_vec(),
    }
}

fn refusal_of(not_kept: NotKept) -> Refusal<'static> {
    match not_kept {
        NotKept::RecipientFull => Refusal::new(480).because("Too many messages wait there"),
        NotKept::SenderFull => Refusal::new(403).because("Too many messages of yours wait"),
        NotKept::Full | NotKept::Broken => Refusal::new(503).with(Hint::RetryAfter(KEEP_RETRY_AFTER_S)),
    }
}
