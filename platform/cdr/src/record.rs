//! The record of a call that is over.

use crate::address::put_address;
use crate::call::{Call, Dialog, EndedBy};
use crate::layout::{Opening, Reply};

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Somebody answered.
    Answered,
    /// The caller gave up before (CANCEL, RFC 3261 §9.1; or BYE, §15).
    Cancelled,
    /// 486, 600.
    Busy,
    /// 408: it rang, or nothing was heard, until time was up. 487 without a word of the caller: it was ended because time was
    /// up (RFC 3261 §16.8, §13.3.1).
    NoAnswer,
    /// 603, 403 and 607 of the called side.
    Declined,
    /// 480, 404, 410, 604: nobody is there.
    Unavailable,
    /// 3xx: the caller was told to try elsewhere.
    Redirected,
    /// The server was stopped or killed before there was an answer.
    Interrupted,
    /// Any other refusal.
    Failed,
}

/// A call detail record. Times are ms since 1970, UTC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Unique in this data directory, in the order in which calls were over.
    pub id: u64,
    /// When the first INVITE went on its way.
    pub start_ms: u64,
    /// When the caller heard the first provisional response.
    pub ring_ms: Option<u64>,
    /// When the caller was sent the first 2xx.
    pub answer_ms: Option<u64>,
    /// When it was over; `None` where nobody can say.
    pub end_ms: Option<u64>,
    /// What became of it.
    pub outcome: Outcome,
    /// Who ended an answered call.
    pub ended_by: Option<EndedBy>,
    /// The final status that the caller was sent; 0: none.
    pub status: u16,
    /// Reason, or the reason phrase.
    pub reason: String,
    /// The URI in From.
    pub from: String,
    /// The URI in To.
    pub to: String,
    /// The Request-URI of the caller.
    pub request_uri: String,
    /// The account that proved itself.
    pub user: String,
    /// The caller's Contact.
    pub caller_contact: String,
    /// His User-Agent.
    pub caller_agent: String,
    /// Transport and address that he sent from.
    pub caller_source: String,
    /// The Contact of who answered.
    pub callee_contact: String,
    /// His User-Agent or Server.
    pub callee_agent: String,
    /// Where the branch that was answered had been sent.
    pub callee_target: String,
    /// How the way was found.
    pub route: String,
    /// The trunk.
    pub trunk: String,
    /// Call-ID.
    pub call_id: String,
}

/// The texts of a record.
pub(crate) const TEXTS: usize = 14;

/// A record on its way from the facts to the store and the files, or back: what the facts said stays where it is, as it
/// came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) id: u64,
    pub(crate) start_ms: u64,
    pub(crate) ring_ms: Option<u64>,
    pub(crate) answer_ms: Option<u64>,
    pub(crate) end_ms: Option<u64>,
    pub(crate) outcome: Outcome,
    pub(crate) ended_by: Option<EndedBy>,
    pub(crate) status: u16,
    pub(crate) reason: &'a [u8],
    pub(crate) opening: Opening<'a>,
    pub(crate) reply: Option<Reply<'a>>,
}

impl Outcome {
    /// Its word in lists and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Cancelled => "cancelled",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Declined => "declined",
            Self::Unavailable => "unavailable",
            Self::Redirected => "redirected",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
        }
    }

    /// Its number in the store.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    const ALL: [Self; 9] = [
        Self::Answered,
        Self::Cancelled,
        Self::Busy,
        Self::NoAnswer,
        Self::Declined,
        Self::Unavailable,
        Self::Redirected,
        Self::Interrupted,
        Self::Failed,
    ];

    const fn of(status: u16, cancelled: bool) -> Self {
        match status {
            0 => Self::Interrupted,
            _ if cancelled => Self::Cancelled,
            486 | 600 => Self::Busy,
            408 | 487 => Self::NoAnswer,
            403 | 603 | 607 => Self::Declined,
            404 | 410 | 480 | 604 => Self::Unavailable,
            300..=399 => Self::Redirected,
            _ => Self::Failed,
        }
    }
}

impl EndedBy {
    /// Its word in lists and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Callee => "callee",
            Self::SessionTimer => "session-timer",
            Self::Unknown => "unknown",
        }
    }

    /// Its number in the store.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let all = [Self::Caller, Self::Callee, Self::SessionTimer, Self::Unknown];
        all.into_iter().find(|by| by.code() == code)
    }
}

impl Record {
    /// How long it was answered, ms.
    pub fn duration_ms(&self) -> Option<u64> {
        duration_ms(self.answer_ms, self.end_ms)
    }

    /// The texts, in the order of their columns.
    pub(crate) fn texts(&self) -> [&str; TEXTS] {
        [
            &self.reason,
            &self.from,
            &self.to,
            &self.request_uri,
            &self.user,
            &self.caller_contact,
            &self.caller_agent,
            &self.caller_source,
            &self.callee_contact,
            &self.callee_agent,
            &self.callee_target,
            &self.route,
            &self.trunk,
            &self.call_id,
        ]
    }
}

impl<'a> Entry<'a> {
    /// How long it was answered, ms.
    pub(crate) fn duration_ms(&self) -> Option<u64> {
        duration_ms(self.answer_ms, self.end_ms)
    }

    /// The record of a call. Of several phones that answered, the one that stayed longest speaks for the callee.
    pub(crate) fn of(id: u64, call: &'a Call) -> Option<Self> {
        let dialog = match &call.dialogs[..] {
            [only] => Some(only),
            all => all.iter().max_by_key(|dialog| dialog.end.map(|(at_ms, _)| at_ms)),
        };
        let (reply, refused) = (dialog.and_then(Dialog::reply), call.refused());
        let mut entry = Self {
            id,
            start_ms: call.began_ms,
            ring_ms: call.rang_ms,
            answer_ms: call.dialogs.iter().map(|dialog| dialog.at_ms).min(),
            end_ms: None,
            outcome: Outcome::Answered,
            ended_by: None,
            status: reply.as_ref().map_or(0, |reply| reply.status),
            reason: refused.map_or(&[][..], |(leg, refusal)| leg.told(refusal)),
            opening: call.opening()?,
            reply,
        };
        match (dialog, refused) {
            (Some(dialog), _) => entry.ends(dialog.end),
            (None, Some((leg, refusal))) => {
                entry.status = refusal.status;
                entry.end_ms = Some(refusal.at_ms);
                entry.outcome = Outcome::of(refusal.status, leg.cancel.is_some());
            }
            // There were too many, and it had no answer yet.
            (None, None) => entry.outcome = Outcome::Interrupted,
        }
        Some(entry)
    }

    fn ends(&mut self, end: Option<(u64, EndedBy)>) {
        let (ended_ms, by) = end.unwrap_or((0, EndedBy::Unknown));
        self.ended_by = Some(by);
        self.end_ms = (by != EndedBy::Unknown).then_some(ended_ms);
    }

    /// The texts, in the order of their columns; `addresses` are written there.
    pub(crate) fn texts<'t>(&self, addresses: &'t mut Addresses) -> [&'t [u8]; TEXTS]
    where
        'a: 't,
    {
        let begun = self.opening.begun(0);
        let answered = self.reply.map(|reply| reply.answered(0));
        addresses.source.clear();
        addresses.source.extend_from_slice(begun.transport);
        addresses.source.push(b' ');
        put_address(begun.source, &mut addresses.source);
        addresses.account.clear();
        addresses.account.extend_from_slice(begun.user);
        if !begun.domain.is_empty() {
            addresses.account.push(b'@');
            addresses.account.extend_from_slice(begun.domain);
        }
        addresses.target.clear();
        if let Some(answered) = &answered {
            addresses.target.extend_from_slice(answered.transport);
            addresses.target.push(b' ');
            put_address(answered.target, &mut addresses.target);
        }
        [
            self.reason,
            begun.from,
            begun.to,
            begun.request_uri,
            &addresses.account,
            begun.contact,
            begun.agent,
            &addresses.source,
            answered.as_ref().map_or(&[][..], |answered| answered.contact),
            answered.as_ref().map_or(&[][..], |answered| answered.agent),
            &addresses.target,
            begun.route,
            begun.trunk,
            begun.call_id,
        ]
    }

    /// Whether no text has a byte that means something in a file; addresses have none.
    pub(crate) fn is_plain(&self, is_plain: impl Fn(&[u8]) -> bool) -> bool {
        is_plain(self.opening.texts.bytes())
            && self.reply.is_none_or(|reply| is_plain(reply.texts.bytes()))
            && is_plain(self.reason)
    }

    /// The same, standing alone.
    pub(crate) fn into_record(self) -> Record {
        let own = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let mut addresses = Addresses::default();
        let [
            reason,
            from,
            to,
            request_uri,
            user,
            caller_contact,
            caller_agent,
            caller_source,
            callee_contact,
            callee_agent,
            callee_target,
            route,
            trunk,
            call_id,
        ] = self.texts(&mut addresses).map(own);
        Record {
            id: self.id,
            start_ms: self.start_ms,
            ring_ms: self.ring_ms,
            answer_ms: self.answer_ms,
            end_ms: self.end_ms,
            outcome: self.outcome,
            ended_by: self.ended_by,
            status: self.status,
            reason,
            from,
            to,
            request_uri,
            user,
            caller_contact,
            caller_agent,
            caller_source,
            callee_contact,
            callee_agent,
            callee_target,
            route,
            trunk,
            call_id,
        }
    }
}

/// Addresses as text, while they are on their way.
#[derive(Debug, Default)]
pub(crate) struct Addresses {
    source: Vec<u8>,
    account: Vec<u8>,
    target: Vec<u8>,
}

fn duration_ms(answer_ms: Option<u64>, end_ms: Option<u64>) -> Option<u64> {
    Some(end_ms?.saturating_sub(answer_ms?))
}
