//! The record of a call that is over.

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

/// A call detail record. Times are ms since 1970, UTC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Unique in this data directory, in the order in which calls began.
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

    pub(crate) fn from_name(name: &str) -> Self {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name).unwrap_or(Self::Failed)
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

    pub(crate) fn from_name(name: &str) -> Self {
        let all = [Self::Caller, Self::Callee, Self::SessionTimer];
        all.into_iter().find(|by| by.name() == name).unwrap_or(Self::Unknown)
    }
}

impl Record {
    /// How long it was answered, ms.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(self.end_ms?.saturating_sub(self.answer_ms?))
    }

    /// The record of a call. Of several phones that answered, the one that stayed longest speaks for the callee.
    pub(crate) fn of(id: u64, call: &Call) -> Option<Self> {
        let begun = call.begun()?;
        let mut record = Self {
            id,
            start_ms: call.began_ms,
            ring_ms: call.rang_ms,
            answer_ms: call.dialogs.iter().map(|dialog| dialog.at_ms).min(),
            end_ms: None,
            outcome: Outcome::Answered,
            ended_by: None,
            status: 0,
            reason: String::new(),
            from: text(begun.from),
            to: text(begun.to),
            request_uri: text(begun.request_uri),
            user: text(begun.user),
            caller_contact: text(begun.contact),
            caller_agent: text(begun.agent),
            caller_source: format!("{} {}", text(begun.transport), begun.source),
            callee_contact: String::new(),
            callee_agent: String::new(),
            callee_target: String::new(),
            route: text(begun.route),
            trunk: text(begun.trunk),
            call_id: text(begun.call_id),
        };
        match call.dialogs.iter().max_by_key(|dialog| dialog.end.map(|(at_ms, _)| at_ms)) {
            Some(dialog) => record.fill_answered(dialog),
            None => record.fill_refused(call),
        }
        Some(record)
    }

    fn fill_answered(&mut self, dialog: &crate::call::Dialog) {
        let (ended_ms, by) = dialog.end.unwrap_or((0, EndedBy::Unknown));
        self.ended_by = Some(by);
        self.end_ms = (by != EndedBy::Unknown).then_some(ended_ms);
        if let Some(answered) = dialog.answered() {
            self.status = answered.status;
            self.callee_contact = text(answered.contact);
            self.callee_agent = text(answered.agent);
            self.callee_target = answered.target.to_string();
        }
    }

    fn fill_refused(&mut self, call: &Call) {
        let Some((leg, refusal)) = call.refused() else { return };
        self.status = refusal.status;
        self.end_ms = Some(refusal.at_ms);
        self.outcome = Outcome::of(self.status, leg.cancel.is_some());
        let told = leg.cancel.as_deref().filter(|reason| !reason.is_empty());
        self.reason = text(told.unwrap_or(&refusal.reason));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
