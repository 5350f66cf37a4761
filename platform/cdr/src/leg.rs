//! One INVITE of a call: as a rule it has one. It has more where the INVITE came again by another branch: from a proxy
//! before us that forks or was started anew (RFC 3261 §8.2.2.2), in a spiral, or after a restart of our own.

use offhook_frames::encoding::{Cursor, put_string, put_varint};

use crate::fact::Begun;

/// Run of the server, shard, and number of the transaction in it.
pub(crate) type LegKey = (u32, u16, u64);

/// One INVITE and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Leg {
    /// Its transaction; number 0: it was refused without one.
    pub(crate) key: LegKey,
    /// The caller gave it up; the Reason of the CANCEL.
    pub(crate) cancel: Option<Box<[u8]>>,
    pub(crate) end: Option<LegEnd>,
}

/// What became of an INVITE.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LegEnd {
    /// Somebody answered.
    Answered,
    /// Nobody will.
    Refused(Refusal),
}

/// Why nothing more comes of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    pub(crate) at_ms: u64,
    /// 0: the server was stopped while it rang.
    pub(crate) status: u16,
    pub(crate) reason: Box<[u8]>,
    /// The caller has acknowledged it.
    pub(crate) heard: bool,
}

impl Leg {
    /// An INVITE that began; what was refused without a transaction has its end with its beginning.
    pub(crate) fn new(key: LegKey, at_ms: u64, begun: &Begun<'_>) -> Self {
        let end = (begun.refused > 0).then(|| {
            let reason = offhook_sip::reason_phrase(begun.refused).as_bytes().into();
            LegEnd::Refused(Refusal { at_ms, status: begun.refused, reason, heard: false })
        });
        Self { key, cancel: None, end }
    }

    /// Whether later facts can name it.
    pub(crate) fn has_name(&self) -> bool {
        self.key.2 > 0
    }

    /// Whether it may still be answered.
    pub(crate) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match &self.end {
            Some(LegEnd::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }

    /// Why, in words: the Reason of the caller who gave up, or else that of the refusal.
    pub(crate) fn told<'l>(&'l self, refusal: &'l Refusal) -> &'l [u8] {
        self.cancel.as_deref().filter(|reason| !reason.is_empty()).unwrap_or(&refusal.reason)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (run, shard, number) = self.key;
        for number in [run.into(), shard.into(), number, self.cancel.is_some().into()] {
            put_varint(out, number);
        }
        put_string(out, self.cancel.as_deref().unwrap_or_default());
        match &self.end {
            None => put_varint(out, OPEN),
            Some(LegEnd::Answered) => put_varint(out, ANSWERED),
            Some(LegEnd::Refused(refusal)) => {
                put_varint(out, REFUSED);
                put_varint(out, refusal.at_ms);
                put_varint(out, refusal.status.into());
                put_varint(out, refusal.heard.into());
                put_string(out, &refusal.reason);
            }
        }
    }

    pub(crate) fn decode(from: &mut Cursor<'_>) -> Option<Self> {
        let key = (from.number()?, from.number()?, from.varint()?);
        let (is_cancelled, reason) = (from.varint()? != 0, from.string()?);
        let end = match from.varint()? {
            OPEN => None,
            ANSWERED => Some(LegEnd::Answered),
            REFUSED => Some(LegEnd::Refused(Refusal {
                at_ms: from.varint()?,
                status: from.number()?,
                heard: from.varint()? != 0,
                reason: from.string()?.into(),
            })),
            _ => return None,
        };
        Some(Self { key, cancel: is_cancelled.then(|| reason.into()), end })
    }
}

const OPEN: u64 = 0;
const ANSWERED: u64 = 1;
const REFUSED: u64 = 2;
