//! One INVITE of a call: as a rule it has one. It has more where the INVITE came again by another branch: from a proxy
//! before us that forks or was started anew (RFC 3261 §8.2.2.2), in a spiral, or after a restart of our own.

use offhook_frames::encoding::{Cursor, put_string, put_varint};

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
    pub(crate) fn new(key: LegKey, at_ms: u64, refused: u16) -> Self {
        let end = (refused > 0).then(|| {
            let reason = offhook_sip::reason_phrase(refused).as_bytes().into();
            LegEnd::Refused(Refusal { at_ms, status: refused, reason, heard: false })
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
        let end = match &self.end {
            None => OPEN,
            Some(LegEnd::Answered) => ANSWERED,
            Some(LegEnd::Refused(_)) => REFUSED,
        };
        let cancelled = if self.cancel.is_some() { CANCELLED } else { 0 };
        let mut fixed = [0; FIXED_BYTES];
        fixed[0] = end | cancelled;
        fixed[1..3].copy_from_slice(&shard.to_le_bytes());
        fixed[3..7].copy_from_slice(&run.to_le_bytes());
        fixed[7..].copy_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&fixed);
        if let Some(reason) = &self.cancel {
            put_string(out, reason);
        }
        if let Some(LegEnd::Refused(refusal)) = &self.end {
            put_varint(out, refusal.at_ms);
            put_varint(out, refusal.status.into());
            put_varint(out, refusal.heard.into());
            put_string(out, &refusal.reason);
        }
    }

    pub(crate) fn decode(from: &mut Cursor<'_>) -> Option<Self> {
        let [state, s0, s1, r0, r1, r2, r3, number @ ..] = from.array::<FIXED_BYTES>()?;
        let run = u32::from_le_bytes([r0, r1, r2, r3]);
        let key = (run, u16::from_le_bytes([s0, s1]), u64::from_le_bytes(number));
        let is_cancelled = state & CANCELLED != 0;
        let cancel = if is_cancelled { Some(from.string()?.into()) } else { None };
        let end = match state & !CANCELLED {
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
        Some(Self { key, cancel, end })
    }
}

const OPEN: u8 = 0;
const ANSWERED: u8 = 1;
const REFUSED: u8 = 2;
const CANCELLED: u8 = 0x80;

/// Its state, shard, run and number.
const FIXED_BYTES: usize = 1 + 2 + 4 + 8;
