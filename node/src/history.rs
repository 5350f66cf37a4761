//! Which way a request has gone: the facts for [`offhook_proxy::history`], RFC 7044.

use offhook_proxy::history::{ENTRIES_MAX, How, Mapped, Past, Story};
use offhook_route::Then;
use offhook_sip::Method;
use offhook_transaction::{ClientId, ServerId};

use crate::relay::Passage;
use crate::switchboard::Switchboard;
use crate::targets::{Target, Targets};
use crate::way::Way;

/// The way of one copy.
pub(crate) struct Passed {
    mapped: Option<Mapped>,
    uri: Box<[u8]>,
    how: How,
    past: Vec<Past>,
    /// Whether it goes to somebody else's domain.
    leaves: bool,
}

impl Passed {
    /// As the copy is told.
    pub(crate) fn story<'s>(&'s self, passage: &Passage<'s, 's, 's>) -> Story<'s> {
        Story {
            received: passage.screened.routed.uri.text,
            mapped: self.mapped.as_ref(),
            uri: &self.uri,
            how: self.how,
            past: &self.past,
            leaves: self.leaves.then(|| passage.arrival.settings.identity.domains()),
        }
    }

    /// As the next copy remembers it.
    pub(crate) fn into_past(self) -> Past {
        Past { uri: self.uri, how: self.how, status: 0 }
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
        let begins = arrival.parts.to_tag.is_empty() && screened.method != Method::Ack;
        if !arrival.settings.history_info || !begins {
            return None;
        }
        let way = passage.way;
        let received = screened.routed.uri.text;
        let upstream = server.and_then(|id| self.transactions.server(id));
        let rest = upstream.and_then(|record| record.user.rest.as_ref());
        Some(Passed {
            mapped: mapped(passage, way),
            uri: target.uri.as_ref().map_or(received, |uri| texts.text(uri)).into(),
            how: match rest {
                // §10.4: what a redirection leads to is not ours to name.
                Some(rest) if rest.redirected.has_followed() => How::Unsaid,
                _ => how(way, target),
            },
            past: rest
                .map_or_else(Vec::new, |rest| rest.history.iter().map(|(_, past)| past.clone()).collect()),
            leaves: leaves(way),
        })
    }

    /// A copy is on its way. Only a request that may have another one remembers it.
    pub(crate) fn note_copy(&mut self, server: ServerId, branch: ClientId, past: Past) {
        self.with_rest(server, |rest| {
            if rest.history.len() < ENTRIES_MAX {
                rest.history.push((branch, past));
            }
        });
    }

    /// What became of it: the next copy says so.
    pub(crate) fn note_outcome(&mut self, server: ServerId, branch: ClientId, status: u16) {
        self.with_rest(server, |rest| {
            let copy = rest.history.iter_mut().find(|(of, _)| *of == branch);
            if let Some((_, past)) = copy {
                past.status = status;
            }
        });
    }
}

/// §7: the user whose phones are called, where a rule made him of what was dialled.
fn mapped(passage: &Passage<'_, '_, '_>, way: &Way<'_, '_>) -> Option<Mapped> {
    let Way::Rule(rule, uri) = way else { return None };
    if rule.then != Then::Users || rule.change.keeps_user() {
        return None;
    }
    let identity = &passage.arrival.settings.identity;
    let domain = identity.domain_of(uri).or_else(|| identity.first_domain())?;
    let mut text = b"sip:".to_vec();
    rule.change.write_user(uri, &mut text);
    text.push(b'@');
    text.extend_from_slice(domain.as_bytes());
    let how = if rule.change.names_user() { How::OtherUser } else { How::SameUser };
    Some(Mapped { uri: text, how })
}

/// §10.4. A number that is written another way is the same user; a rule that names one makes another of him.
fn how(way: &Way<'_, '_>, target: &Target) -> How {
    match way {
        _ if target.uri.is_none() => How::Unchanged,
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
