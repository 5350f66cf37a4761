//! What the shard notes for call detail records: who called whom, and what became of it. Facts only; the joiner
//! ([`offhook_cdr::Joiner`]) makes calls of them.
//!
//! ```text
//!   relay: INVITE on its way ─► Begun      response: 18x ─► Rang, 2xx ─► Answered      settle: other finals ─► Refused
//!   cancel: CANCEL ─► Cancelled, ACK to a refusal ─► Heard
//!   in the dialog: 2xx to re-INVITE or UPDATE ─► Renewed, answer to BYE ─► Ended
//! ```

use offhook_cdr::{Answered, Begun, Fact, InDialog};
use offhook_journal::Event;
use offhook_net::Flow;
use offhook_proxy::Screened;
use offhook_route::{Rule, Then};
use offhook_sip::{Message, Method, Name, NameAddr, StartLine, reason_phrase};
use offhook_transaction::ServerId;

use crate::beyond;
use crate::in_path;
use crate::relay::Passage;
use crate::servers::hop_of;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::trust::proved_account;
use crate::way::Way;

/// What a transaction means to the record of its call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Nothing.
    None,
    /// It is the call: an INVITE outside a dialog.
    Call,
    /// The same, and the caller has heard it ring.
    Rung,
    /// The same, and the caller has given up.
    Cancelled,
    /// It renews the session timer: an INVITE or UPDATE in a dialog.
    Renewal,
    /// It ends the call: a BYE.
    Goodbye,
}

impl Role {
    const fn is_call(self) -> bool {
        matches!(self, Self::Call | Self::Rung | Self::Cancelled)
    }
}

impl Switchboard {
    /// What a new request means.
    pub(crate) fn role_of(&self, screened: &Screened<'_, '_>) -> Role {
        if !self.spool.is_on() {
            return Role::None;
        }
        // Only what our seal proves to belong to a dialog may say anything about it.
        match (screened.method, screened.routed.in_dialog) {
            (Method::Invite, _) if screened.parts.to_tag.is_empty() => Role::Call,
            (Method::Invite | Method::Update, Some(_)) => Role::Renewal,
            (Method::Bye, Some(_)) => Role::Goodbye,
            _ => Role::None,
        }
    }

    /// A request has its transaction.
    pub(crate) fn note_opened(&mut self, passage: &Passage<'_, '_, '_>, id: ServerId, targets: &Targets) {
        if self.role_of(passage.screened) == Role::Call {
            let trunk = trunk_of(passage.way).map_or(0, beyond::number);
            self.with_upstream(id, |upstream| upstream.trunk = trunk);
            self.note_begun(passage, (Some(id), in_path::sees_the_end(passage, targets)), 0);
        }
        if let Way::Rule(rule, _) = passage.way
            && let Then::Trunk(index) = rule.then
            && begins_call(passage)
        {
            self.health.watch.note_call_by(index);
        }
    }

    /// An INVITE goes to a target.
    pub(crate) fn count_call(&mut self, passage: &Passage<'_, '_, '_>, target: &Target) {
        if !self.health.watch.is_empty() && begins_call(passage) {
            self.health.watch.note_call(hop_of(&target.flow));
        }
    }

    /// An INVITE that was let in is on its way (`leg`), and the end of its call will be seen or not (`in_path`); or it was
    /// refused by us.
    pub(crate) fn note_begun(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (leg, in_path): (Option<ServerId>, bool),
        refused: u16,
    ) {
        let Passage { arrival, screened, way, .. } = *passage;
        let (message, parts) = (arrival.message, arrival.parts);
        let value = |name| message.value(name).unwrap_or_default();
        let (user, domain) = proved_account(passage).unwrap_or_default();
        let fact = Begun {
            leg: leg.map_or(0, ServerId::to_bits),
            refused,
            in_path,
            cseq: parts.cseq.number,
            transport: arrival.from.transport.name().as_bytes(),
            source: arrival.from.remote,
            call_id: parts.call_id,
            from_tag: parts.from_tag,
            from: parts.from.uri,
            to: parts.to.uri,
            request_uri: screened.routed.uri.text,
            user,
            domain,
            contact: value(Name::Contact),
            agent: value(Name::UserAgent),
            route: route_name(way),
            trunk: trunk_of(way).map_or(b"", |index| name_of(index, arrival.settings)),
        };
        self.spool.note(arrival.now_ms, &Fact::Begun(fact));
    }

    /// A request is refused by us that was let in. A call has its record all the same; and one whose BYE can be brought to
    /// nobody is over: who has sent it is gone (RFC 3261 §15.1.1), and so is the other side.
    pub(crate) fn note_turned_away(&mut self, passage: &Passage<'_, '_, '_>, status: u16) {
        match self.role_of(passage.screened) {
            Role::Call => self.note_begun(passage, (None, true), status),
            Role::Goodbye => {
                let parts = passage.arrival.parts;
                let (call_id, from_tag, to_tag) = (parts.call_id, parts.from_tag, parts.to_tag);
                let dialog = InDialog { call_id, from_tag, to_tag };
                let fact = Fact::Ended { dialog, status, unheard: true };
                self.spool.note(passage.arrival.now_ms, &fact);
            }
            _ => {}
        }
    }

    /// The caller was sent a provisional response above 100.
    pub(crate) fn note_rang(&mut self, now_ms: u64, server: ServerId) {
        if let Some(record) = self.transactions.server_mut(server)
            && matches!(record.user.role, Role::Call | Role::Cancelled)
        {
            if record.user.role == Role::Call {
                record.user.role = Role::Rung;
            }
            self.spool.note(now_ms, &Fact::Rang { leg: server.to_bits() });
        }
    }

    /// The caller has given up.
    pub(crate) fn note_cancelled(&mut self, now_ms: u64, server: ServerId, reason: &[u8]) {
        if let Some(record) = self.transactions.server_mut(server)
            && matches!(record.user.role, Role::Call | Role::Rung)
        {
            record.user.role = Role::Cancelled;
            self.spool.note(now_ms, &Fact::Cancelled { leg: server.to_bits(), reason });
        }
    }

    /// The caller has acknowledged a refusal.
    pub(crate) fn note_heard(&mut self, now_ms: u64, server: ServerId) {
        if self.role(server).is_call() {
            self.spool.note(now_ms, &Fact::Heard { leg: server.to_bits() });
        }
    }

    /// Who answers may have been redirected to: by another trunk than the one that the call began with, or by none.
    pub(crate) fn note_trunk(&mut self, settings: &Settings, now_ms: u64, (server, trunk): (ServerId, u16)) {
        let Some(record) = self.transactions.server_mut(server).filter(|r| r.user.role.is_call()) else {
            return;
        };
        if record.user.answered {
            return;
        }
        if std::mem::replace(&mut record.user.trunk, trunk) != trunk {
            let index = usize::from(trunk).checked_sub(1);
            let name = index.map_or(&b""[..], |index| name_of(index, settings));
            self.spool.note(now_ms, &Fact::ByTrunk { leg: server.to_bits(), trunk: name });
        }
    }

    /// A 2xx of a branch that was sent by `flow` is on its way to the caller.
    pub(crate) fn note_answered(&mut self, now_ms: u64, server: ServerId, flow: Flow, message: &Message<'_>) {
        if !self.role(server).is_call() {
            return;
        }
        let value = |name| message.value(name).unwrap_or_default();
        let mut session = Vec::new();
        let fact = Answered {
            leg: server.to_bits(),
            status: message.status().unwrap_or(200),
            transport: flow.transport.name().as_bytes(),
            target: flow.remote,
            to_tag: NameAddr::tag_of(value(Name::To)),
            contact: value(Name::Contact),
            agent: message.value(Name::UserAgent).unwrap_or_else(|| value(Name::Server)),
            session_expires: self.session_told(server, message, &mut session),
        };
        self.spool.note(now_ms, &Fact::Answered(fact));
    }

    /// The final answer of a transaction, if it was none of a phone that takes the call. `message` has its Call-ID, From
    /// and To; `unheard`: nothing came, the answer is ours.
    pub(crate) fn note_final(
        &mut self,
        now_ms: u64,
        server: ServerId,
        (status, unheard): (u16, bool),
        message: &Message<'_>,
    ) {
        let value = |name| message.value(name).unwrap_or_default();
        let tag = |name| NameAddr::tag_of(value(name));
        let dialog =
            || InDialog { call_id: value(Name::CallId), from_tag: tag(Name::From), to_tag: tag(Name::To) };
        let mut session = Vec::new();
        let fact = match self.role(server) {
            Role::None => return,
            Role::Call | Role::Rung | Role::Cancelled if status >= 300 => {
                let told = if unheard { None } else { message.value(Name::Reason) };
                let reason = told.unwrap_or_else(|| words_of(message, status));
                Fact::Refused { leg: server.to_bits(), status, reason }
            }
            Role::Renewal if status < 300 => {
                let session_expires = self.session_told(server, message, &mut session);
                Fact::Renewed { dialog: dialog(), session_expires }
            }
            Role::Goodbye => Fact::Ended { dialog: dialog(), status, unheard },
            _ => return,
        };
        self.spool.note(now_ms, &fact);
    }

    fn role(&self, server: ServerId) -> Role {
        self.transactions.server(server).map_or(Role::None, |record| record.user.role)
    }

    /// The end of a batch: its facts are on disk before its messages leave. Calls never wait for a disk that refuses.
    pub(crate) fn settle_records(&mut self, now_ms: u64) {
        if let Some(trouble) = self.spool.commit(now_ms) {
            let error = trouble.error.to_string();
            let event = Event::CdrUnwritten { lost: trouble.lost, error: &error };
            self.journal.note(now_ms, &event);
        }
    }
}

/// What the other side has said to a refusal, in its words; or ours, where the refusal is.
pub(crate) fn words_of<'m>(message: &Message<'m>, status: u16) -> &'m [u8] {
    match message.start_line() {
        StartLine::Response { status: its, reason } if its == status && !reason.is_empty() => reason,
        _ => reason_phrase(status).as_bytes(),
    }
}

fn begins_call(passage: &Passage<'_, '_, '_>) -> bool {
    passage.screened.method == Method::Invite && passage.screened.parts.to_tag.is_empty()
}

/// The trunk that the call goes out by.
fn trunk_of(way: &Way<'_, '_>) -> Option<usize> {
    match way {
        // Where its number was looked up, it may go elsewhere.
        Way::Rule(Rule { then: Then::Trunk(index), suffix: None, .. }, _) => Some(*index),
        _ => None,
    }
}

fn name_of(index: usize, settings: &Settings) -> &[u8] {
    settings.routing.trunk(index).map_or(b"", |trunk| trunk.name.as_bytes())
}

/// How the way was found, for people.
fn route_name<'n>(way: &Way<'n, '_>) -> &'n [u8] {
    match way {
        Way::User { .. } | Way::Gruu { .. } => b"user",
        Way::Flow(_) => b"flow",
        Way::Rule(rule, _) => rule.name.as_bytes(),
        Way::Dialog(_) => b"dialog",
        Way::Route(_) => b"route",
        Way::Uri(_) => b"uri",
        Way::Us | Way::Lost => b"",
    }
}
