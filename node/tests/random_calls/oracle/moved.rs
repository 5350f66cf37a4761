//! Redirections that are followed for the caller: RFC 3261 §16.7 step 4, and the manual's `who-rings.md`.
//!
//! ```text
//!   302 of a branch ──► its Contacts by q ──► those that may be followed: their users' phones ring now, or in their turn
//!                            └──► the others stay in the 302, which is an answer like others
//! ```
//! No URI is called twice for one request (§16.5), and only so many redirections are followed. What a user's phones are is
//! known for sure as long as nobody's connection was lost; then all of them have to be called before the caller is refused.

use std::collections::BTreeSet;

use super::Oracle;
use super::packet::{Packet, address_of, param, uri_of, user_and_host};
use super::transactions::{Cancelling, Serving};
use crate::lines;
use crate::sniffer::Sent;

/// A call that is sent on more often goes in a circle.
const FOLLOWED_MAX: u32 = 5;

/// Which redirections are followed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Follows {
    Off,
    /// To domains of ours.
    Own,
    All,
}

impl Follows {
    /// As the configuration says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Own => "own",
            Self::All => "all",
        }
    }
}

/// A Contact of a redirection that may be followed.
#[derive(Clone, Debug)]
pub(super) struct Choice<'a> {
    pub(super) uri: &'a str,
    q_milli: u32,
}

/// Where a request was sent on to.
#[derive(Clone, Default, Debug)]
pub(super) struct Moved<'a> {
    count: u32,
    pub(super) choices: Vec<Choice<'a>>,
    /// Those that somebody was there for when they were named.
    led: BTreeSet<&'a str>,
    /// Those that somebody was called for.
    followed: BTreeSet<&'a str>,
    /// Who must be called before the caller is refused.
    owed: BTreeSet<&'a str>,
    /// Who was called.
    called: BTreeSet<&'a str>,
    /// Who has to be called first because of the last one: with which q, and one of them.
    first: Option<(u32, &'a str)>,
}

/// Whether a redirection is among the answers of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Left {
    Yes,
    Perhaps,
    No,
}

impl Moved<'_> {
    /// Whether it was sent on at all.
    pub(super) fn is_moved(&self) -> bool {
        self.count > 0
    }

    /// What is left of a redirection that was followed.
    pub(super) fn left_of(&self, redirection: &Packet<'_>) -> Left {
        let contacts: Vec<_> = redirection.values("Contact").map(uri_of).collect();
        let is_choice = |uri: &&str| self.choices.iter().any(|choice| choice.uri == *uri);
        match () {
            () if contacts.is_empty() || !contacts.iter().all(is_choice) => Left::Yes,
            () if contacts.iter().all(|uri| self.followed.contains(uri)) => Left::No,
            () => Left::Perhaps,
        }
    }

    /// Whether these are the contacts that must be left of those.
    pub(super) fn are_left(&self, left: &Packet<'_>, all: &Packet<'_>, is_over: bool) -> bool {
        let mut left = left.values("Contact").peekable();
        let is_right = all.values("Contact").all(|value| {
            let stays = left.next_if_eq(&value).is_some();
            let uri = uri_of(value);
            match self.followed.contains(uri) {
                // A redirection that came too late is as it came.
                true => !stays || is_over,
                false => stays || self.choices.iter().any(|choice| choice.uri == uri),
            }
        });
        is_right && left.next().is_none()
    }
}

impl<'a> Oracle<'a> {
    /// A branch has been redirected: where that leads, if anybody still waits.
    pub(super) fn sends_on(&mut self, client: usize, response: &Packet<'a>) {
        let c = &self.clients[client];
        let Some(server) = c.server.filter(|_| matches!(response.status, 300..=302)) else { return };
        let s = &self.servers[server];
        let waits = s.state == Serving::Proceeding && !s.over && s.lives_at(self.now_ms);
        let begins = param(s.request.value("To"), "tag").is_empty();
        let is_followed = begins && waits && c.cancel == Cancelling::No && s.moved.count < FOLLOWED_MAX;
        if !is_followed || self.facts.follows == Follows::Off {
            return;
        }
        let by_ours = self.registered_as(c.request.uri()).is_some();
        let contacts =
            response.values("Contact").map(|value| (uri_of(value), super::asked::milli(param(value, "q"))));
        let mut choices: Vec<_> = contacts.map(|(uri, q_milli)| Choice { uri, q_milli }).collect();
        choices.retain(|choice| {
            !s.moved.called.contains(lines::bare(choice.uri))
                && self.may_follow(s.request.uri(), (choice.uri, by_ours))
        });
        choices.sort_by_key(|choice| std::cmp::Reverse(choice.q_milli));
        // Who was named before has the phones of when he was named.
        let owed: Vec<(u32, &'a str)> = choices
            .iter()
            .filter(|choice| !s.moved.led.contains(choice.uri))
            .flat_map(|choice| self.phones_of(choice.uri).into_iter().map(|phone| (choice.q_milli, phone)))
            .filter(|(_, phone)| !s.moved.called.contains(phone) && !self.is_of_callee(server, phone))
            .filter(|(_, phone)| !s.moved.owed.contains(phone))
            .collect();
        let led: Vec<_> =
            choices.iter().map(|choice| choice.uri).filter(|uri| !self.phones_of(uri).is_empty()).collect();
        self.places.extend(choices.iter().filter_map(|choice| address_of(choice.uri)));
        let moved = &mut self.servers[server].moved;
        moved.count += 1;
        moved.first = owed.first().copied();
        moved.led.extend(led);
        moved.owed.extend(owed.iter().map(|(_, phone)| *phone));
        moved.choices.extend(choices);
        self.turn.moved.push(server);
    }

    fn may_follow(&self, request: &str, (uri, by_ours): (&str, bool)) -> bool {
        let (user, host) = user_and_host(uri);
        let is_own = host == self.facts.domain;
        let is_allowed = !lines::is_sips(request)
            && uri.starts_with("sip:")
            && (is_own || self.facts.follows == Follows::All);
        // Who is no user of ours sends nobody to a route.
        let by_rule = self.facts.neighbour_of(uri).filter(|neighbour| neighbour.route != "uri");
        is_allowed && !user.is_empty() && by_rule.is_none_or(|neighbour| by_ours && !neighbour.stateless)
    }

    /// Whether a phone is one of the user's who was called in the first place: it is called anyway.
    fn is_of_callee(&self, server: usize, phone: &str) -> bool {
        let (user, host) = user_and_host(self.servers[server].request.uri());
        let phone = format!("sip:{}", lines::bare(phone));
        let registered = self.registered_as(&phone).filter(|_| host == self.facts.domain);
        registered.is_some_and(|registered| registered.user == user)
    }

    /// The phones that are certainly registered for a user of ours.
    fn phones_of(&self, uri: &str) -> Vec<&'a str> {
        let (user, host) = user_and_host(uri);
        let is_sure = host == self.facts.domain && self.facts.neighbour_of(uri).is_none();
        let is_sure = is_sure && !self.closed && self.life == 1;
        let bound = self.registered.iter().filter(|(_, r)| is_sure && r.is_bound && r.user == user);
        bound.map(|(contact, _)| lines::bare(contact)).collect()
    }

    /// The exchange has said that a REGISTER counts.
    pub(super) fn binds(&mut self, server: usize) {
        let contacts: Vec<_> = self.servers[server].request.values("Contact").map(uri_of).collect();
        for contact in contacts {
            self.registered.entry(contact).or_default().is_bound = true;
        }
    }

    /// Somebody is called, and was not called before.
    pub(super) fn is_called_once(&mut self, server: usize, (meant, copy): (&str, &Packet<'a>)) {
        let is_moved = self.turn.moved.contains(&server);
        // Perhaps he would have been called anyway.
        let is_sure = !self.is_of_callee(server, copy.uri());
        let moved = &mut self.servers[server].moved;
        let choice = moved.choices.iter().find(|choice| choice.uri == meant).cloned();
        let is_new = moved.called.insert(lines::bare(copy.uri()));
        let was_owed = moved.owed.remove(lines::bare(copy.uri()));
        moved.followed.extend(choice.as_ref().filter(|_| is_sure).map(|choice| choice.uri));
        let first = moved.first.filter(|_| is_moved && was_owed);
        let is_turn = first.zip(choice).is_none_or(|((q_milli, _), choice)| choice.q_milli == q_milli);
        self.expect(is_new, "§16.5", format!("{} is called twice", copy.uri()));
        self.expect(is_turn, "§16.6", format!("{} is called out of its turn", copy.uri()));
    }

    /// The URI that a copy is meant for: that of the request, or one that it was sent on to.
    pub(super) fn meant(&self, server: usize, sent: &Sent, copy: &Packet<'a>) -> &'a str {
        let s = &self.servers[server];
        let fits = |uri: &&'a str| self.fits(uri, sent, copy);
        let choices = s.moved.choices.iter().rev().map(|choice| choice.uri);
        // What is sent in the moment of a redirection is sent because of it, if it can be.
        let uris: Vec<_> = match self.turn.moved.contains(&server) {
            true => choices.chain([s.request.uri()]).collect(),
            false => [s.request.uri()].into_iter().chain(choices).collect(),
        };
        uris.into_iter().find(fits).unwrap_or(s.request.uri())
    }

    /// A redirection that names somebody who can be called is followed at once.
    pub(super) fn are_followed(&mut self, moved: &[usize], went_on: &[usize]) {
        for server in moved {
            let first = self.servers[*server].moved.first;
            let is_so = first.is_none() || went_on.contains(server);
            self.expect(is_so, "§16.7 step 4", format!("a redirection to {first:?} was not followed"));
        }
    }

    /// The caller is refused when all have been called whom redirections have named.
    pub(super) fn all_are_called(&mut self, server: usize, status: u16) {
        let s = &self.servers[server];
        let owed = s.moved.owed.first().copied().filter(|_| !s.over && !s.cancelled && status < 600);
        self.expect(owed.is_none(), "§16.7 step 4", format!("{status}, though {owed:?} was never called"));
    }
}
