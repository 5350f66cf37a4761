//! Which way a request has gone: the facts for [`offhook_proxy::history`], RFC 7044.
//!
//! ```text
//!   request ──► History ──► copy: what is known, and its own entry ──► phone
//!                  ▲ └────► every answer to who asked for it               │
//!                  └──── status, reasons, entries of others ◄── response ──┘
//! ```

use offhook_net::Outbox;
use offhook_proxy::access::Sender;
use offhook_proxy::history::{self, History, How, Leap, Step, Story, Veil};
use offhook_route::Then;
use offhook_sip::{Message, Method, NameAddr, Scratch};
use offhook_transaction::{ClientId, ServerId};

use crate::arrival::Arrival;
use crate::context::Upstream;
use crate::relay::Passage;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::way::Way;

/// The way of one copy.
pub(crate) struct Passed {
    steps: Vec<Step<ClientId>>,
    entries: Vec<u8>,
    /// Whether it goes to somebody else's domain.
    leaves: bool,
}

impl Passed {
    /// As the copy is told.
    pub(crate) fn story<'s>(&'s self, passage: &Passage<'s, 's, 's>) -> Story<'s> {
        let domains = || passage.arrival.settings.identity.domains();
        Story { entries: &self.entries, leaves: self.leaves.then(domains) }
    }

    /// As the next copy, and who asked, hear of it.
    pub(crate) fn into_steps(self) -> Vec<Step<ClientId>> {
        self.steps
    }
}

/// The contact of a 3xx that was followed: its targets have come a longer way.
#[derive(Debug)]
pub(crate) struct Chosen {
    path: Vec<Leap>,
    how: How,
    leaves: bool,
}

impl Chosen {
    /// This contact, for which a way was found.
    pub(crate) fn new(contact: &NameAddr<'_>, passage: &Passage<'_, '_, '_>) -> Self {
        let mut path = vec![Leap::to_contact(contact.uri, contact.params())];
        path.extend(mapped(passage));
        Self { path, how: how(passage.way), leaves: leaves(passage.way) }
    }
}

impl Switchboard {
    /// The way of the copy for this target; `None`: nobody wants to know, or this request begins nothing.
    pub(crate) fn history_of(
        &self,
        passage: &Passage<'_, '_, '_>,
        server: Option<ServerId>,
        target: &Target,
        texts: &Targets,
    ) -> Option<Passed> {
        let Passage { arrival, screened, .. } = *passage;
        if !has_history(arrival) {
            return None;
        }
        let upstream = server.and_then(|id| self.transactions.server(id)).map(|record| &record.user);
        let fresh;
        let history = match upstream {
            Some(upstream) => upstream.history.as_deref(),
            None => {
                fresh = begun(arrival, screened.routed.uri.text);
                fresh.as_ref()
            }
        };
        let rest = upstream.and_then(|upstream| upstream.rest.as_ref());
        let chosen = usize::from(target.choice).checked_sub(1).zip(rest);
        let chosen = chosen.and_then(|(index, rest)| rest.redirected.chosen.get(index));
        let leaves = chosen.map_or_else(|| leaves(passage.way), |chosen| chosen.leaves);
        let path = path_to(passage, chosen, target.uri.as_ref().map(|uri| texts.text(uri)));
        let steps = history.map(|history| history.steps_to(&path)).unwrap_or_default();
        let veil = history::veil_of(arrival.message, leaves);
        let entries = history.map(|history| history.entries_with(&steps, veil)).unwrap_or_default();
        Some(Passed { steps, entries, leaves })
    }

    /// A copy is on its way.
    pub(crate) fn note_steps(&mut self, server: ServerId, branch: ClientId, steps: Vec<Step<ClientId>>) {
        self.with_history(server, |history| history.note(branch, steps));
    }

    /// What became of it, and what its answer says: the next copy hears so, and who asked.
    pub(crate) fn note_outcome(
        &mut self,
        settings: &Settings,
        (server, branch): (ServerId, ClientId),
        heard: (u16, Option<&Message<'_>>),
    ) {
        let is_ours = |uri: &[u8]| history::is_of(uri, settings.identity.domains());
        self.with_history(server, |history| history.heard(branch, heard, is_ours));
    }

    pub(crate) fn with_history(&mut self, id: ServerId, change: impl FnOnce(&mut History<ClientId>)) {
        self.with_upstream(id, |upstream| {
            if let Some(history) = &mut upstream.history {
                change(history);
            }
        });
    }

    /// §9.4: writes into the response that begins at `start` which way its request has gone, if its sender wants to know.
    #[inline]
    pub(crate) fn tell_way(&mut self, server: ServerId, start: usize, out: &mut Outbox) {
        let upstream = self.transactions.server(server).map(|record| &record.user);
        if upstream.is_some_and(|upstream| upstream.history.is_some()) {
            self.tell_way_now(server, start, out);
        }
    }

    #[cold]
    fn tell_way_now(&mut self, server: ServerId, start: usize, out: &mut Outbox) {
        let Some(record) = self.transactions.server(server) else { return };
        let Upstream { history: Some(history), sender, .. } = &record.user else { return };
        write_way(history, veil_for(*sender), &mut self.scratch, start, out);
    }

    /// The same of an answer without a transaction.
    #[inline]
    pub(crate) fn tell_way_of(&mut self, arrival: &Arrival<'_, '_>, start: usize, out: &mut Outbox) {
        if arrival.settings.history_info {
            self.tell_way_of_now(arrival, start, out);
        }
    }

    #[cold]
    fn tell_way_of_now(&mut self, arrival: &Arrival<'_, '_>, start: usize, out: &mut Outbox) {
        let Some(history) = history_at(arrival, arrival.message.request_uri_text()) else { return };
        let end = out.begin();
        let plain = out.bytes(start..end).to_vec();
        write_way(&history, Veil::Targets, &mut self.scratch, start, out);
        // An answer without it is better than none.
        if self.is_too_much(arrival, start, out) {
            out.arena().truncate(start);
            out.arena().extend_from_slice(&plain);
        }
    }
}

/// Writes it into the response that begins at `start`, if there is something to tell.
fn write_way(history: &History<ClientId>, veil: Veil, scratch: &mut Scratch, start: usize, out: &mut Outbox) {
    let end = out.begin();
    let Ok(response) = Message::parse(out.bytes(start..end)) else { return };
    let mut told = Vec::new();
    if history.tell(&response, veil, scratch, &mut told) {
        out.arena().truncate(start);
        out.arena().extend_from_slice(&told);
    }
}

/// The way of a request from here on; `None`: nobody wants to know.
pub(crate) fn history_at(arrival: &Arrival<'_, '_>, received: &[u8]) -> Option<History<ClientId>> {
    if has_history(arrival) { begun(arrival, received) } else { None }
}

fn begun(arrival: &Arrival<'_, '_>, received: &[u8]) -> Option<History<ClientId>> {
    History::of(arrival.message, received, arrival.settings.identity.first_domain())
}

/// §8: the parameter of a Contact in a redirection of ours; empty for who does not ask.
pub(crate) fn mark_of(arrival: &Arrival<'_, '_>, received: &[u8], how: How) -> Vec<u8> {
    let mut mark = Vec::new();
    if let Some(history) = history_at(arrival, received) {
        history.write_mark(how, &mut mark);
    }
    mark
}

/// §5: "out-of-dialog requests or initial requests for a dialog".
fn has_history(arrival: &Arrival<'_, '_>) -> bool {
    let begins = || !matches!(arrival.message.method(), Some(Method::Ack | Method::Cancel));
    arrival.settings.history_info && arrival.parts.to_tag.is_empty() && begins()
}

/// Who has no account here does not learn from refusals where the phones of others are, nor who they are.
fn veil_for(sender: Sender) -> Veil {
    match sender {
        Sender::Proved | Sender::ProvedAnother | Sender::ClaimsOurs => Veil::None,
        Sender::Peer => Veil::Asked,
        Sender::Stranger => Veil::Targets,
    }
}

/// How the Request-URI of a copy came about: leap by leap.
fn path_to(passage: &Passage<'_, '_, '_>, chosen: Option<&Chosen>, uri: Option<&[u8]>) -> Vec<Leap> {
    let received = passage.screened.routed.uri.text;
    let Some(chosen) = chosen else {
        let how = if uri.is_none() { How::Unchanged } else { how(passage.way) };
        let last = Leap::new(uri.unwrap_or(received), how);
        return mapped(passage).into_iter().chain([last]).collect();
    };
    let mut path = chosen.path.clone();
    let uri = uri.unwrap_or(received);
    if path.last().is_none_or(|last| *last.uri != *uri) {
        path.push(Leap::new(uri, chosen.how));
    }
    path
}

/// §7: the user whose phones are called, where a rule made him of what was dialled.
fn mapped(passage: &Passage<'_, '_, '_>) -> Option<Leap> {
    let Way::Rule(rule, uri) = passage.way else { return None };
    if rule.then != Then::Users || rule.change.keeps_user() {
        return None;
    }
    let identity = &passage.arrival.settings.identity;
    let domain = identity.domain_of(uri).or_else(|| identity.first_domain())?;
    let mut text = b"sip:".to_vec();
    rule.change.write_user(uri, &mut text);
    text.push(b'@');
    text.extend_from_slice(domain.as_bytes());
    Some(Leap::new(&text, if rule.change.names_user() { How::OtherUser } else { How::SameUser }))
}

/// How phones of a user called are his, to whom they are mapped; a redirection tells who asked no more than that.
pub(crate) fn how_of_users(way: &Way<'_, '_>) -> How {
    match way {
        Way::Rule(rule, _) if rule.change.names_user() => How::OtherUser,
        _ => How::SameUser,
    }
}

/// §10.4. A number that is written another way is the same user; a rule that names one makes another of him.
fn how(way: &Way<'_, '_>) -> How {
    match way {
        Way::Rule(rule, _) if rule.then != Then::Users && rule.change.names_user() => How::OtherUser,
        _ => How::SameUser,
    }
}

fn leaves(way: &Way<'_, '_>) -> bool {
    match way {
        Way::Rule(rule, _) => rule.then != Then::Users,
        Way::Route(_) | Way::Uri(_) => true,
        _ => false,
    }
}
