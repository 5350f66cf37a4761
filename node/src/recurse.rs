//! Redirections that are followed for the caller: RFC 3261 §16.7 step 4.
//!
//! ```text
//!   302 from a branch ──► choices ──► each as if the caller had called it himself: way, rights, targets
//!                            │                       │ none: the 302 goes the way of all answers
//!                            │                       └► branches in its place; the others wait for their turn
//!                            └► what was not followed stays in the 302, which is kept with the other answers
//! ```
//! A redirection opens no doors: it leads where the caller could have gone without it, and by default to domains of ours
//! only. It goes round in no circles: no URI is called twice for one request, and only so many are followed.

use offhook_config::Recursion;
use offhook_net::Outbox;
use offhook_proxy::access::{Access, Sender};
use offhook_proxy::early::EarlyDialogs;
use offhook_proxy::redirect::{self, Choice, REDIRECTIONS_MAX};
use offhook_proxy::{CookieKey, Routed, Screened};
use offhook_route::Then;
use offhook_sip::{Disposition, Message, Method, Name, Scheme, Splice};
use offhook_transaction::{ClientId, ServerId};

use crate::access_of;
use crate::challenge;
use crate::context::{Cancel, Downstream, Rest};
use crate::history::Chosen;
use crate::maddr;
use crate::relay::Passage;
use crate::settings::Settings;
use crate::settle::Final;
use crate::switchboard::Switchboard;
use crate::targets::Targets;
use crate::way::Way;

/// What a request remembers of redirections.
#[derive(Debug, Default)]
pub(crate) struct Redirected {
    /// How many it has followed.
    count: u8,
    /// The URIs it was sent to or led to: its own targets, where there are several, and at most [`REDIRECTIONS_MAX`] times the
    /// contacts of a response and their phones.
    tried: Vec<Vec<u8>>,
    /// The URIs of contacts that branches were opened for.
    followed: Vec<Vec<u8>>,
    /// The contacts that led to targets, where requests say which way they have gone.
    pub(crate) chosen: Vec<Chosen>,
    /// The loop mark of the request as it came, where the request is kept as it was copied.
    pub(crate) loop_mark: Option<u32>,
}

impl Redirected {
    /// These are called, now or when their turn comes: §16.5, what is in the target set "MUST NOT be added again".
    pub(crate) fn note_called(&mut self, targets: &Targets) {
        self.tried.extend(targets.uris().map(<[u8]>::to_vec));
    }
}

impl Switchboard {
    /// A branch is about to be told of other addresses: what the request was is kept, as long as its copy is there.
    pub(crate) fn keep_for_redirection(
        &mut self,
        settings: &Settings,
        id: ClientId,
        (status, response): (u16, &Message<'_>),
    ) {
        if settings.recursion == Recursion::Off
            || !redirect::can_be_followed(status)
            || !response.has(Name::Contact)
        {
            return;
        }
        let Some(record) = self.transactions.client(id).filter(|record| !record.user.finished) else {
            return;
        };
        let Downstream { server: Some(server), added, leg, .. } = record.user else { return };
        let Ok(copy) = Message::parse(record.request()) else { return };
        let uri = copy.request_uri_text().to_vec();
        let loop_mark = copy.top_via().ok().and_then(|via| CookieKey::mark_of(via.branch()));
        let Some(upstream) = self.transactions.server(server) else { return };
        let mut fresh = None;
        if upstream.user.rest.is_none() {
            let mut request = Vec::new();
            let undo = |splice: &mut Splice<'_, '_>| challenge::undo(splice, &copy, (leg, settings));
            if redirect::write_original(&copy, added, undo, &mut self.scratch, &mut request).is_err() {
                return;
            }
            let from = upstream.user.reply_to;
            let redirected = Redirected { loop_mark, ..Redirected::default() };
            let early = EarlyDialogs::of(&copy);
            fresh = Some(Box::new(Rest { redirected, early, ..Rest::new(request, from) }));
        }
        self.with_upstream(server, |upstream| {
            let rest = upstream.rest.take().or(fresh);
            upstream.rest = rest.map(|mut rest| {
                rest.redirected.tried.push(uri);
                rest
            });
        });
    }

    /// Follows a redirection, as far as the caller may. `false`: it goes the way of all answers.
    pub(crate) fn recurse(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, branch): (ServerId, ClientId),
        (status, response): (u16, &Message<'_>),
        out: &mut Outbox,
    ) -> bool {
        if settings.recursion == Recursion::Off || !redirect::can_be_followed(status) {
            return false;
        }
        let Some(redirecting) = self.transactions.client(branch).map(|record| &record.user) else {
            return false;
        };
        let (wanted, by_ours) = (redirecting.cancel == Cancel::No, redirecting.added.to_registered);
        let Some(upstream) = self.transactions.server_mut(server).map(|record| &mut record.user) else {
            return false;
        };
        let (sender, goes_on) = (upstream.sender, wanted && upstream.fork.may_go_on());
        let Some(rest) = upstream.rest.as_mut().filter(|_| goes_on) else { return false };
        if rest.redirected.count >= REDIRECTIONS_MAX {
            return false;
        }
        rest.redirected.count += 1;
        let mut known = rest.redirected.followed.clone();
        let open_before = upstream.fork.open();
        let choices = redirect::choices(response);
        let followed = self.replay(settings, now_ms, server, |board, passage| {
            board.follow_choices(passage, (server, (sender, by_ours)), &choices, out)
        });
        // What waits for its turn has it when this answer is counted.
        let has_opened = self.transactions.server(server).is_some_and(|s| s.user.fork.open() > open_before);
        if has_opened {
            known.extend(followed.unwrap_or_default().into_iter().map(<[u8]>::to_vec));
        }
        let is_followed = |uri: &[u8]| known.iter().any(|known| known == uri);
        let left = redirect::left(response, is_followed).count();
        if left == response.values(Name::Contact).count() {
            return false;
        }
        match (left, has_opened) {
            (0, true) => self.with_upstream(server, |upstream| upstream.fork.branch_replaced()),
            (0, false) => {
                let Some(upstream) = self.transactions.server_mut(server) else { return true };
                let verdict = upstream.user.fork.finished_for_others(status);
                self.carry_out(settings, now_ms, server, status, Final::Received(response), verdict, out);
            }
            _ => {
                let mut text = Vec::new();
                redirect::write_left(response, is_followed, &mut self.scratch, &mut text);
                self.keep_left(settings, now_ms, (server, status), &text, out);
            }
        }
        self.with_rest(server, |rest| rest.redirected.followed = known);
        true
    }

    /// Opens branches to all choices that the caller may follow, and says which.
    fn follow_choices<'c>(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (server, who): (ServerId, (Sender, bool)),
        choices: &[Choice<'c>],
        out: &mut Outbox,
    ) -> Vec<&'c [u8]> {
        let mut followed = Vec::new();
        if !may_be_followed(passage) {
            return followed;
        }
        let (mut tried, mut chosen, mut waiting) = (Vec::new(), Vec::new(), Targets::default());
        self.with_rest(server, |rest| {
            tried = std::mem::take(&mut rest.redirected.tried);
            chosen = std::mem::take(&mut rest.redirected.chosen);
            waiting = std::mem::take(&mut rest.targets);
        });
        let mut targets = Targets::default();
        for choice in choices {
            if self.follow_choice(passage, who, choice, (&mut tried, &mut chosen), &mut targets, out) {
                followed.push(choice.uri.text);
            }
        }
        self.with_rest(server, |rest| {
            (rest.redirected.tried, rest.redirected.chosen) = (tried, chosen);
        });
        if followed.is_empty() {
            self.with_rest(server, |rest| rest.targets = waiting);
        } else {
            targets.rank_before(&waiting, passage.arrival.settings.fork_targets_max);
            self.ring(passage, server, &mut targets, out);
        }
        followed
    }

    /// The choices that were not followed are an answer like others.
    fn keep_left(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (server, status): (ServerId, u16),
        left: &[u8],
        out: &mut Outbox,
    ) {
        let Ok(left) = Message::parse(left) else { return };
        let Some(upstream) = self.transactions.server_mut(server) else { return };
        let verdict = upstream.user.fork.finished(status);
        self.carry_out(settings, now_ms, server, status, Final::Received(&left), verdict, out);
    }

    /// Adds the targets of one choice, as if the caller had called it. `false`: he may not go there, nobody is there or
    /// gets requests just now, or the request has been there.
    fn follow_choice(
        &mut self,
        passage: &Passage<'_, '_, '_>,
        (sender, by_ours): (Sender, bool),
        choice: &Choice<'_>,
        (tried, chosen): (&mut Vec<Vec<u8>>, &mut Vec<Chosen>),
        targets: &mut Targets,
        out: &mut Outbox,
    ) -> bool {
        let Passage { arrival, screened, .. } = *passage;
        let uri = choice.uri;
        // "a proxy SHOULD NOT recurse to a non-SIPS URI if the Request-URI of the original request was a SIPS URI".
        let is_less = screened.routed.wants_security() && uri.scheme != Scheme::Sips;
        if is_less || tried.iter().any(|known| known == uri.text) {
            return false;
        }
        let mark = Some(screened.loop_mark(&self.cookies));
        let (message, parts, method) = (screened.message, screened.parts, screened.method);
        let redirected = Screened { message, parts, method, routed: Routed::to(uri), mark };
        let way = self.way_of(arrival, &redirected);
        // Who it comes from is told by where it was sent, and not by where it is sent on.
        let who = (sender, self.peer_of(arrival, screened));
        let passage = Passage { screened: &redirected, sender, way: &way, ..*passage };
        if !may_go(&passage, who, by_ours) {
            return false;
        }
        let mut found = Targets::default();
        let is_there = self.find_targets(&passage, &way, sender, &mut found, out).is_ok();
        // A name that is not known yet is asked for now and left to the caller: phones that ring cannot wait for it.
        if !is_there || !found.take_names().is_empty() {
            return false;
        }
        // Nor for a next hop that gets no requests just now (RFC 7339 §5.5, §5.9).
        if self.holds_back(arrival, &mut found).is_some() {
            return false;
        }
        found.address_all(uri.text);
        found.leave_tried(tried);
        tried.push(uri.text.to_vec());
        if found.list().is_empty() {
            return false;
        }
        let mut number = 0;
        if arrival.settings.history_info {
            chosen.push(Chosen::new(&choice.contact, &passage));
            number = u8::try_from(chosen.len()).unwrap_or(0);
        }
        targets.append(&found, number, choice.q_milli);
        true
    }
}

/// Whether the caller could have gone there by himself, and redirections may lead there. Who is no user of ours sends nobody
/// to a route: he could make the caller pay for numbers of his own.
fn may_go(passage: &Passage<'_, '_, '_>, who: (Sender, Option<usize>), by_ours: bool) -> bool {
    let way = passage.way;
    let (settings, uri) = (passage.arrival.settings, passage.screened.routed.uri);
    let at_ours = settings.identity.domain_of(&uri).is_some() && !maddr::leads_away(&uri, &settings.identity);
    let is_ours = at_ours || uri.scheme == Scheme::Tel;
    let leads_on = match way {
        Way::User { .. } | Way::Gruu { .. } => true,
        Way::Uri(uri) => uri.is_sip(),
        Way::Rule(rule, _) => {
            !rule.stateless
                && match rule.then {
                    // A number that is looked up may lead anywhere.
                    Then::Users if rule.suffix.is_none() => true,
                    Then::Users | Then::To(_) | Then::Trunk(_) | Then::Number => by_ours,
                    Then::Redirect(_) | Then::Refuse(_) => false,
                }
        }
        _ => false,
    };
    let allowed = || access_of::decide((passage.arrival, passage.screened), who, way) == Access::Allow;
    leads_on && (is_ours || settings.recursion == Recursion::All) && allowed()
}

/// Only what begins something, and is not on a route that somebody else has chosen.
fn may_be_followed(passage: &Passage<'_, '_, '_>) -> bool {
    let Passage { arrival, screened, .. } = passage;
    let asks = arrival.message.has(Name::RequestDisposition);
    let asked = asks.then(|| Disposition::of(arrival.message).recurse);
    arrival.parts.to_tag.is_empty()
        && screened.method != Method::Register
        && screened.routed.next.is_none()
        && asked.flatten() != Some(false)
}
