//! The record of a call that is over.

use std::borrow::Cow;
use std::net::SocketAddr;

use crate::call::{Call, EndedBy};

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Somebody answered.
    Answered,
    /// The caller gave up before (CANCEL).
    Cancelled,
    /// 486, 600.
    Busy,
    /// 408: it rang, or nothing was heard, until time was up.
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

/// A call detail record that stands alone.
pub type Record = Entry<'static>;

/// A call detail record. Times are ms since 1970, UTC. Its texts are those of the facts, where it is only passed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
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
    pub reason: Cow<'a, str>,
    /// The URI in From.
    pub from: Cow<'a, str>,
    /// The URI in To.
    pub to: Cow<'a, str>,
    /// The Request-URI of the caller.
    pub request_uri: Cow<'a, str>,
    /// The account that proved itself.
    pub user: Cow<'a, str>,
    /// The caller's Contact.
    pub caller_contact: Cow<'a, str>,
    /// His User-Agent.
    pub caller_agent: Cow<'a, str>,
    /// Transport and address that he sent from.
    pub caller_source: Cow<'a, str>,
    /// The Contact of who answered.
    pub callee_contact: Cow<'a, str>,
    /// His User-Agent or Server.
    pub callee_agent: Cow<'a, str>,
    /// Where the branch that was answered had been sent.
    pub callee_target: Cow<'a, str>,
    /// How the way was found.
    pub route: Cow<'a, str>,
    /// The trunk.
    pub trunk: Cow<'a, str>,
    /// Call-ID.
    pub call_id: Cow<'a, str>,
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
            408 => Self::NoAnswer,
            403 | 603 | 607 => Self::Declined,
            404 | 410 | 480 | 604 => Self::Unavailable,
            487 => Self::Cancelled,
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

impl<'a> Entry<'a> {
    /// How long it was answered, ms.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(self.end_ms?.saturating_sub(self.answer_ms?))
    }

    /// The record of a call. Of several phones that answered, the one that stayed longest speaks for the callee.
    pub(crate) fn of(id: u64, call: &'a Call) -> Option<Self> {
        let begun = call.begun()?;
        let mut entry = Self {
            id,
            start_ms: call.began_ms,
            ring_ms: call.rang_ms,
            answer_ms: call.dialogs.iter().map(|dialog| dialog.at_ms).min(),
            end_ms: None,
            outcome: Outcome::Answered,
            ended_by: None,
            status: 0,
            reason: Cow::Borrowed(""),
            from: text(begun.from),
            to: text(begun.to),
            request_uri: text(begun.request_uri),
            user: text(begun.user),
            caller_contact: text(begun.contact),
            caller_agent: text(begun.agent),
            caller_source: source(&text(begun.transport), begun.source).into(),
            callee_contact: Cow::Borrowed(""),
            callee_agent: Cow::Borrowed(""),
            callee_target: Cow::Borrowed(""),
            route: text(begun.route),
            trunk: text(begun.trunk),
            call_id: text(begun.call_id),
        };
        match call.dialogs.iter().max_by_key(|dialog| dialog.end.map(|(at_ms, _)| at_ms)) {
            Some(dialog) => entry.fill_answered(dialog),
            None => entry.fill_refused(call),
        }
        Some(entry)
    }

    fn fill_answered(&mut self, dialog: &'a crate::call::Dialog) {
        let (ended_ms, by) = dialog.end.unwrap_or((0, EndedBy::Unknown));
        self.ended_by = Some(by);
        self.end_ms = (by != EndedBy::Unknown).then_some(ended_ms);
        if let Some(answered) = dialog.answered() {
            self.status = answered.status;
            self.callee_contact = text(answered.contact);
            self.callee_agent = text(answered.agent);
            let mut target = String::new();
            put_address(answered.target, &mut target);
            self.callee_target = target.into();
        }
    }

    fn fill_refused(&mut self, call: &'a Call) {
        let Some((leg, refusal)) = call.refused() else { return };
        self.status = refusal.status;
        self.end_ms = Some(refusal.at_ms);
        self.outcome = Outcome::of(self.status, leg.cancel.is_some());
        let told = leg.cancel.as_deref().filter(|reason| !reason.is_empty());
        self.reason = text(told.unwrap_or(&refusal.reason));
    }

    /// The texts, in the order of their columns.
    pub(crate) fn texts(&self) -> [&str; 14] {
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

    /// The same, with texts of its own.
    pub fn into_record(self) -> Record {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        Entry {
            reason: own(self.reason),
            from: own(self.from),
            to: own(self.to),
            request_uri: own(self.request_uri),
            user: own(self.user),
            caller_contact: own(self.caller_contact),
            caller_agent: own(self.caller_agent),
            caller_source: own(self.caller_source),
            callee_contact: own(self.callee_contact),
            callee_agent: own(self.callee_agent),
            callee_target: own(self.callee_target),
            route: own(self.route),
            trunk: own(self.trunk),
            call_id: own(self.call_id),
            id: self.id,
            start_ms: self.start_ms,
            ring_ms: self.ring_ms,
            answer_ms: self.answer_ms,
            end_ms: self.end_ms,
            outcome: self.outcome,
            ended_by: self.ended_by,
            status: self.status,
        }
    }
}

fn text(bytes: &[u8]) -> Cow<'_, str> {
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Transport and address.
fn source(transport: &str, address: SocketAddr) -> String {
    let mut source = String::with_capacity(transport.len() + 48);
    source.push_str(transport);
    source.push(' ');
    put_address(address, &mut source);
    source
}

/// As it is written everywhere. The formatting of the library takes ten times as long for what nearly all of them are.
fn put_address(address: SocketAddr, out: &mut String) {
    let SocketAddr::V4(v4) = address else { return out.push_str(&address.to_string()) };
    for (octet, after) in v4.ip().octets().into_iter().zip(['.', '.', '.', ':']) {
        put_number(octet.into(), out);
        out.push(after);
    }
    put_number(v4.port(), out);
}

fn put_number(number: u16, out: &mut String) {
    if number >= 10 {
        put_number(number / 10, out);
    }
    out.push(char::from(b'0' + (number % 10) as u8));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for address in
            ["192.0.2.1:5060", "0.0.0.0:0", "255.255.255.255:65535", "10.20.30.40:9", "[2001:db8::1]:5061"]
        {
            assert_eq!(source("udp", address.parse().unwrap()), format!("udp {address}"));
        }
    }
}
