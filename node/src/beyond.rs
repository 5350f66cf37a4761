//! Requests to trunks that ask for credentials: which they are, how they are numbered there, and how what comes back is
//! made to fit what the caller has sent ([`offhook_proxy::renumber`] says why).

use offhook_net::{Flow, Outbox};
use offhook_proxy::record_route::{Beyond, First, TrunkMark, Trunks};
use offhook_proxy::renumber::{self, Renumber};
use offhook_route::Trunk;
use offhook_sip::{Message, Method, Name, Splice};
use offhook_transaction::ClientId;

use crate::challenge::own_realm;
use crate::failover::Lost;
use crate::relay::Passage;
use crate::settings::Settings;
use crate::switchboard::Switchboard;
use crate::targets::Target;

/// What a branch to such a trunk is; the default is any other branch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Leg {
    /// The index of the trunk whose challenges are answered, counted from 1.
    pub trunk: u16,
    /// How often its request was repeated.
    pub tries: u8,
    /// Whether its CSeq is not the caller's.
    pub renumbered: bool,
    /// What a request of our own is for.
    pub errand: Errand,
}

/// What a request to a trunk is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Errand {
    /// It is somebody else's, on its way through.
    #[default]
    None,
    /// It registers us there.
    Register,
    /// It asks whether somebody is there whom nobody has called yet.
    Check,
    /// It asks whether who was dead lives again.
    Probe,
}

impl Errand {
    /// Whether it asks who lives. A 408 is no answer to that.
    pub(crate) const fn is_question(self) -> bool {
        matches!(self, Self::Check | Self::Probe)
    }
}

impl Leg {
    /// The index of the trunk.
    pub(crate) fn trunk_index(self) -> Option<usize> {
        usize::from(self.trunk).checked_sub(1)
    }

    /// The number of the request that this copy was made of, where the copy has another.
    pub(crate) fn cseq_before(self, copy: &Message<'_>) -> Option<u32> {
        let cseq = copy.cseq().ok().filter(|_| self.renumbered)?;
        Some(renumber::inward(cseq.number))
    }
}

/// The leg of a copy that goes to `target`.
pub(crate) fn leg(passage: &Passage<'_, '_, '_>, target: &Target) -> Leg {
    let cseq = passage.arrival.parts.cseq.number;
    if let Some(beyond) = beyond(passage) {
        // The dialog was renumbered from its start, whatever the configuration says now.
        let renumbered = renumber::has_place(cseq);
        let index = passage.arrival.settings.routing.login_of_mark(beyond.mark);
        return Leg { trunk: index.map_or(0, number), renumbered, ..Leg::default() };
    }
    let settings = passage.arrival.settings;
    if let Some(mark) = passage.screened.routed.in_dialog.and_then(|dialog| dialog.toward_near.trunk) {
        // It began with a number that had no place, and so have none of its requests: they keep theirs when they are repeated.
        let is_meant = |trunk: &Trunk| trunk.login.is_some() && TrunkMark::of(trunk.mark.get()) == mark;
        let index = settings.routing.trunks().iter().position(is_meant);
        return Leg { trunk: index.map_or(0, number), ..Leg::default() };
    }
    let trunk = if has_login(settings, target.trunk) { target.trunk } else { 0 };
    Leg { trunk, renumbered: trunk != 0 && renumber::fits(cseq), ..Leg::default() }
}

/// Whether the trunk with this number is one whose challenges are answered.
fn has_login(settings: &Settings, number: u16) -> bool {
    let index = usize::from(number).checked_sub(1);
    index.and_then(|index| settings.routing.trunk(index)).is_some_and(|trunk| trunk.login.is_some())
}

/// An index, counted from 1; 0 for none.
pub(crate) fn number(index: usize) -> u16 {
    u16::try_from(index + 1).unwrap_or(0)
}

/// The trunk that a request in a dialog goes to.
pub(crate) fn beyond(passage: &Passage<'_, '_, '_>) -> Option<Beyond> {
    passage.screened.routed.in_dialog.and_then(|dialog| dialog.beyond)
}

impl Switchboard {
    /// What Record-Route remembers of the trunks at both ends of a new dialog.
    pub(crate) fn trunks_of(&self, passage: &Passage<'_, '_, '_>, leg: Leg) -> Trunks {
        let Passage { arrival, .. } = *passage;
        let routing = &arrival.settings.routing;
        if !routing.has_logins() {
            return Trunks::default();
        }
        let callee = leg.trunk_index().filter(|_| leg.renumbered).and_then(|index| routing.trunk(index));
        Trunks {
            caller: self.calling_trunk(passage).map(|trunk| trunk.mark),
            callee: callee.map(|trunk| trunk.mark),
            first: match callee {
                Some(_) => First { number: arrival.parts.cseq.number, tries: 0 },
                None => First::default(),
            },
        }
    }

    /// The trunk that this request comes from, if it may ask us for credentials. Of two accounts at one provider the one
    /// whose Contact was called; where nothing says so, the first one at that address.
    fn calling_trunk<'m>(&self, passage: &Passage<'_, 'm, '_>) -> Option<&'m Trunk> {
        let Passage { arrival, screened, .. } = *passage;
        let settings: &'m Settings = arrival.settings;
        let has_login = |trunk: &&Trunk| trunk.login.is_some();
        let known = self.known_trunk(settings, &arrival.from, &screened.routed.uri);
        let known = known.and_then(|index| settings.routing.trunk(index)).filter(has_login);
        let is_there = |trunk: &&Trunk| has_login(trunk) && self.trunk_is_at(trunk, arrival.from.remote.ip());
        known.or_else(|| settings.routing.trunks().iter().find(is_there))
    }

    /// The numbers of a copy.
    pub(crate) fn renumber(&self, passage: &Passage<'_, '_, '_>, leg: Leg) -> Option<Renumber> {
        if !leg.renumbered {
            return None;
        }
        let arrival = passage.arrival;
        let tries_of = |number| self.tries_of(passage, number);
        Some(match arrival.message.method() {
            Some(Method::Ack) => Renumber { tries: tries_of(arrival.parts.cseq.number), earlier_tries: 0 },
            Some(Method::Prack) => {
                let invite = renumber::invite_of(arrival.message);
                Renumber { tries: 0, earlier_tries: invite.map_or(0, tries_of) }
            }
            Some(Method::Subscribe) => {
                let refer = renumber::refer_of(arrival.message);
                Renumber { tries: 0, earlier_tries: refer.map_or(0, tries_of) }
            }
            _ => Renumber { tries: 0, earlier_tries: 0 },
        })
    }

    /// How often the INVITE or REFER of this dialog with this number was repeated.
    fn tries_of(&self, passage: &Passage<'_, '_, '_>, number: u32) -> u8 {
        let parts = passage.arrival.parts;
        let noted = self.repeated.tries(passage.arrival.now_ms, (parts.call_id, parts.from_tag, number));
        let first = beyond(passage).and_then(|beyond| beyond.first).filter(|first| first.number == number);
        noted.or(first.map(|first| first.tries)).unwrap_or(0)
    }

    /// A response of a branch to a trunk that asks for credentials: it may be a challenge for us. Everybody behind us sees
    /// it as if nothing had happened in between.
    pub(crate) fn trunk_said(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        (id, from): (ClientId, &Flow),
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        let Some(leg) = self.transactions.client(id).map(|record| record.user.leg) else { return };
        if leg.errand == Errand::Register {
            return self.registrar_said(settings, now_ms, (id, leg), message, out);
        }
        if leg.errand.is_question() {
            return self.checked(now_ms, (id, leg.errand), message);
        }
        let status = message.status().unwrap_or(500);
        let challenges = matches!(status, 401 | 407);
        if challenges && self.answer_challenge(settings, now_ms, (id, from), message, out) {
            return;
        }
        let mut text = Vec::with_capacity(message.bytes().len());
        let status = match challenges.then(|| own_realm(settings, leg)).flatten() {
            Some(realm) if leg.tries > 0 => self.write_unanswered(message, leg, realm, &mut text),
            _ => {
                self.write_inward(message, leg, |_| {}, &mut text);
                status
            }
        };
        if let Ok(restored) = Message::parse(&text) {
            self.take_response(settings, now_ms, id, status, &restored, out);
        }
    }

    /// A request of our own had no answer, or could not be sent.
    pub(crate) fn errand_failed(
        &mut self,
        settings: &Settings,
        now_ms: u64,
        id: ClientId,
        lost: Lost,
        out: &mut Outbox,
    ) {
        let Some(leg) = self.transactions.client(id).map(|record| record.user.leg) else { return };
        let why = lost.name();
        match leg.errand {
            Errand::Register => self.registrar_silent(settings, now_ms, (id, leg), why, out),
            Errand::Check => self.check_failed(now_ms, id, why, None),
            Errand::Probe => {}
            // A delivery, or a CANCEL.
            Errand::None => self.delivery_said(id, lost.status()),
        }
    }

    /// The response with the number that the caller knows.
    fn write_inward(
        &mut self,
        message: &Message<'_>,
        leg: Leg,
        edit: impl FnOnce(&mut Splice<'_, '_>),
        out: &mut Vec<u8>,
    ) {
        let mut splice = Splice::new(message, &mut self.scratch);
        if let (true, Ok(cseq)) = (leg.renumbered, message.cseq()) {
            splice.set(Name::CSeq, |out| {
                renumber::write_cseq(renumber::inward(cseq.number), cseq.method, out);
            });
        }
        edit(&mut splice);
        splice.write_to(out);
    }

    /// A challenge that came again after we had answered it. The caller has no use for it: it is taken out, and where
    /// nothing is left to answer, the trunk has refused us (RFC 3261 §21.4.4). Gives back the status.
    fn write_unanswered(&mut self, message: &Message<'_>, leg: Leg, realm: &[u8], out: &mut Vec<u8>) -> u16 {
        const REFUSED: &[u8] = b"SIP/2.0 403 Refused by the trunk\r\n";
        let headers = [Name::WwwAuthenticate, Name::ProxyAuthenticate];
        let lines = || headers.into_iter().flat_map(|name| message.lines_of(name));
        let is_ours = |line: &&offhook_sip::Line| {
            let challenge = offhook_digest::Challenge::parse(message.line_value(line));
            challenge.is_ok_and(|challenge| challenge.realm.eq_ignore_ascii_case(realm))
        };
        let is_left = lines().any(|line| !is_ours(&line));
        let ours: Vec<_> = lines().filter(is_ours).map(offhook_sip::Line::whole).collect();
        let first_line = 0..message.lines().first().map_or(0, |line| line.whole().start);
        self.write_inward(
            message,
            leg,
            |splice| {
                ours.into_iter().for_each(|line| splice.remove(line));
                if !is_left {
                    splice.replace(first_line, |out| out.extend_from_slice(REFUSED));
                }
            },
            out,
        );
        if is_left { message.status().unwrap_or(401) } else { 403 }
    }
}
