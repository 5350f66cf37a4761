//! A call that is not over: what its facts have said so far, kept as they came.

use offhook_frames::encoding::Cursor;
use smallvec::{SmallVec, smallvec};

use crate::fact::{Begun, Fact, InDialog};
use crate::joiner::Policy;
use crate::layout::{Opening, Reply};
use crate::leg::{Leg, LegEnd, LegKey, Refusal};

/// How long a refused call may still go on, unless its refusal was acknowledged: by an attempt with credentials (RFC 3261 §22.2), or by a retransmission of
/// an INVITE that we refused without a transaction or lost in a restart. 64·T1.
pub(crate) const LINGER_MS: u64 = 32_000;

/// Between the end of a session timer and the BYE it causes (RFC 4028 §10) facts may be under way: Timer F.
const SESSION_GRACE_MS: u64 = 32_000;

/// The longest session timer, seconds. It is renewed when half of it is over (RFC 4028 §10).
const SESSION_S_MAX: u32 = 86_400;

/// Phones that answered the same call, RFC 3261 §13.2.2.4. One more is not followed.
const DIALOGS_MAX: usize = 8;

/// INVITEs of one call. One more takes the place of the first that was refused: who was refused is not billed. Where none
/// was, it is a call of its own.
const LEGS_MAX: usize = 8;

/// The facts of nearly all calls are shorter than this.
const SMALL_BYTES: usize = 2_048;

/// Calls on their way from one owner to the next: some 200 bytes each, which stay where they are.
pub(crate) type CallsOver = Vec<Box<Call>>;

/// Who ended a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndedBy {
    /// The caller hung up.
    Caller,
    /// The callee hung up.
    Callee,
    /// Nobody was heard of any more, and the session timer ran out (RFC 4028 §10).
    SessionTimer,
    /// No BYE was seen.
    Unknown,
}

/// One phone that answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dialog {
    pub(crate) at_ms: u64,
    /// The fact, as it came.
    pub(crate) answered: Vec<u8>,
    pub(crate) session_ends_ms: Option<u64>,
    pub(crate) end: Option<(u64, EndedBy)>,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Call {
    /// Of its first attempt.
    pub(crate) began_ms: u64,
    /// The fact of its latest attempt, as it came.
    pub(crate) begun: Vec<u8>,
    pub(crate) rang_ms: Option<u64>,
    /// The INVITEs of the latest attempt.
    pub(crate) legs: SmallVec<[Leg; 1]>,
    pub(crate) dialogs: SmallVec<[Dialog; 1]>,
    /// Memory for the answer, of a call that was here before.
    room: Vec<u8>,
}

impl Call {
    pub(crate) fn new(leg: Leg, at_ms: u64, payload: &[u8]) -> Self {
        let (legs, dialogs) = (smallvec![leg], SmallVec::new());
        Self { began_ms: at_ms, begun: payload.into(), rang_ms: None, legs, dialogs, room: Vec::new() }
    }

    /// Another call, in the memory of this one, which is over.
    pub(crate) fn renew(&mut self, leg: Leg, at_ms: u64, payload: &[u8]) {
        self.began_ms = at_ms;
        self.rang_ms = None;
        replace(&mut self.begun, payload);
        self.legs.clear();
        self.legs.push(leg);
        if let Some(dialog) = self.dialogs.pop() {
            self.room = dialog.answered;
            self.dialogs.clear();
        }
    }

    /// Whether another one may have its memory: there is not much of it.
    pub(crate) fn is_small(&self) -> bool {
        let answers = self.dialogs.iter().map(|dialog| dialog.answered.capacity());
        self.begun.capacity() + self.room.capacity() + answers.sum::<usize>() <= SMALL_BYTES
    }

    /// Call-ID and the caller's tag.
    pub(crate) fn identity(&self) -> (&[u8], &[u8]) {
        Opening::identity_of(&self.begun)
    }

    /// The latest attempt. It was read once, so it can be read again.
    pub(crate) fn opening(&self) -> Option<Opening<'_>> {
        Opening::of_fact(&self.begun).map(|(_, opening)| opening)
    }

    /// Whether the same INVITE by another branch, or another time, still belongs to it.
    pub(crate) fn has_room(&self) -> bool {
        self.legs.len() < LEGS_MAX || self.legs.iter().any(|leg| leg.refusal().is_some())
    }

    /// The same INVITE by another branch, or another time, where there is room. Says which one makes place for it.
    pub(crate) fn comes_again(&mut self, leg: Leg, payload: &[u8]) -> Option<LegKey> {
        let is_full = self.legs.len() >= LEGS_MAX;
        let refused = self.legs.iter().position(|leg| leg.refusal().is_some());
        let gone = refused.filter(|_| is_full).map(|first| self.legs.remove(first).key);
        if !self.is_open() {
            replace(&mut self.begun, payload);
        }
        self.legs.push(leg);
        gone
    }

    /// Goes on with the next attempt of the same caller.
    pub(crate) fn try_again(&mut self, leg: Leg, payload: &[u8]) {
        replace(&mut self.begun, payload);
        self.legs.clear();
        self.legs.push(leg);
    }

    /// Its latest attempt goes out by this trunk, whatever was said when it began.
    pub(crate) fn goes_by(&mut self, trunk: &[u8]) {
        let Some((at_ms, Fact::Begun(begun))) = Fact::read(&self.begun) else { return };
        let mut changed = Vec::new();
        Fact::Begun(Begun { trunk, ..begun }).write(at_ms, &mut changed);
        self.begun = changed;
    }

    pub(crate) fn leg_mut(&mut self, key: LegKey) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|leg| leg.key == key)
    }

    /// Whether an INVITE of it may still be answered.
    pub(crate) fn is_open(&self) -> bool {
        self.legs.iter().any(Leg::is_open)
    }

    /// What the caller was told last, where every INVITE of it was refused, and by which.
    pub(crate) fn refused(&self) -> Option<(&Leg, &Refusal)> {
        if !self.dialogs.is_empty() || self.is_open() {
            return None;
        }
        let refusals = self.legs.iter().filter_map(|leg| Some((leg, leg.refusal()?)));
        refusals.max_by_key(|(_, refusal)| (refusal.status > 0, refusal.at_ms))
    }

    /// A phone has answered; a repeated 2xx changes nothing.
    pub(crate) fn answer(&mut self, key: LegKey, at_ms: u64, reply: &Reply<'_>, payload: &[u8]) -> bool {
        if let Some(leg) = self.leg_mut(key) {
            leg.end = Some(LegEnd::Answered);
        }
        let known = self.dialogs.iter().any(|dialog| dialog.tag() == reply.tag());
        if known || self.dialogs.len() >= DIALOGS_MAX {
            return false;
        }
        let session_ends_ms = session_end(at_ms, reply.session_expires());
        let mut answered = std::mem::take(&mut self.room);
        replace(&mut answered, payload);
        self.dialogs.push(Dialog { at_ms, answered, session_ends_ms, end: None });
        true
    }

    /// Which of its dialogs that is, if it still goes on, and which side has sent the request.
    pub(crate) fn dialog_of(&self, request: &InDialog<'_>) -> Option<(usize, EndedBy)> {
        let (call_id, caller) = self.identity();
        let (callee, by) = match caller {
            _ if call_id != request.call_id => return None,
            caller if caller == request.from_tag => (request.to_tag, EndedBy::Caller),
            caller if caller == request.to_tag => (request.from_tag, EndedBy::Callee),
            _ => return None,
        };
        Some((self.dialogs.iter().position(|dialog| dialog.is_open_with(callee))?, by))
    }

    /// Whether nothing more can come: every phone that answered has ended, or the caller knows that nobody does and will
    /// not ask again.
    pub(crate) fn is_over(&self) -> bool {
        if !self.dialogs.is_empty() {
            return self.dialogs.iter().all(|dialog| dialog.end.is_some()) && !self.is_open();
        }
        self.refused().is_some_and(|(_, refusal)| refusal.heard && !matches!(refusal.status, 0 | 401 | 407))
    }

    /// When it is to be looked at again, whatever is heard.
    pub(crate) fn deadline_ms(&self, policy: &Policy) -> u64 {
        if let Some((_, refusal)) = self.refused() {
            return refusal.at_ms.saturating_add(LINGER_MS);
        }
        let open = self.dialogs.iter().filter(|dialog| dialog.end.is_none());
        let first = open.map(|dialog| dialog.deadline(policy).0).min();
        first.unwrap_or(self.began_ms.saturating_add(policy.call_max_ms))
    }

    /// Ends what has gone on for too long.
    pub(crate) fn expire(&mut self, now_ms: u64, policy: &Policy) {
        for dialog in self.dialogs.iter_mut().filter(|dialog| dialog.end.is_none()) {
            let (deadline_ms, end) = dialog.deadline(policy);
            if deadline_ms <= now_ms {
                dialog.end = Some(end);
            }
        }
    }

    /// Ends it now, though nothing was heard.
    pub(crate) fn give_up(&mut self) {
        for dialog in self.dialogs.iter_mut().filter(|dialog| dialog.end.is_none()) {
            dialog.end = Some((dialog.at_ms, EndedBy::Unknown));
        }
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_times(out, [Some(self.began_ms), self.rang_ms]);
        put_bytes(out, &self.begun);
        // Eight at most of both.
        out.extend_from_slice(&[self.legs.len() as u8, self.dialogs.len() as u8]);
        self.legs.iter().for_each(|leg| leg.encode(out));
        self.dialogs.iter().for_each(|dialog| dialog.encode(out));
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Cursor::new(bytes);
        let (began_ms, rang_ms, begun) = (time(&mut from)??, time(&mut from)?, own_bytes(&mut from)?);
        let (legs, dialogs) = (from.byte()?, from.byte()?);
        let legs = (0..legs).map(|_| Leg::decode(&mut from)).collect::<Option<_>>()?;
        let dialogs = (0..dialogs).map(|_| Dialog::decode(&mut from)).collect::<Option<_>>()?;
        let call = Self { began_ms, begun, rang_ms, legs, dialogs, room: Vec::new() };
        (from.rest().is_empty() && call.opening().is_some()).then_some(call)
    }
}

impl Dialog {
    pub(crate) fn reply(&self) -> Option<Reply<'_>> {
        Reply::of_fact(&self.answered).map(|(_, reply)| reply)
    }

    /// Whether it goes on, and is with whoever has this tag.
    pub(crate) fn is_open_with(&self, tag: &[u8]) -> bool {
        self.end.is_none() && self.tag() == tag
    }

    fn tag(&self) -> &[u8] {
        Reply::tag_of(&self.answered)
    }

    fn deadline(&self, policy: &Policy) -> (u64, (u64, EndedBy)) {
        let longest_ms = self.at_ms.saturating_add(policy.call_max_ms);
        match self.session_ends_ms {
            Some(end_ms) => (end_ms + SESSION_GRACE_MS, (end_ms, EndedBy::SessionTimer)),
            None => (longest_ms, (longest_ms, EndedBy::Unknown)),
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let (ended_ms, by) = self.end.unzip();
        put_times(out, [Some(self.at_ms), self.session_ends_ms, ended_ms]);
        out.push(by.map_or(0, EndedBy::code));
        put_bytes(out, &self.answered);
    }

    fn decode(from: &mut Cursor<'_>) -> Option<Self> {
        let (at_ms, session_ends_ms, ended_ms) = (time(from)??, time(from)?, time(from)?);
        let by = EndedBy::from_code(from.byte()?)?;
        let end = ended_ms.map(|at_ms| (at_ms, by));
        Some(Self { at_ms, answered: own_bytes(from)?, session_ends_ms, end })
    }
}

/// When a session that was agreed on at this time ends unless it is renewed: RFC 4028 §4. `None`: there is no timer. A timer
/// of more than a day is taken for one of a day: nobody has to be believed for years.
pub(crate) fn session_end(at_ms: u64, session_expires: &[u8]) -> Option<u64> {
    let digits = session_expires.split(|byte| !byte.is_ascii_digit()).next()?;
    let seconds: u32 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(at_ms + u64::from(seconds.min(SESSION_S_MAX)) * 1_000)
}

/// Times that may be missing: one more than it, or 0.
fn put_times<const N: usize>(out: &mut Vec<u8>, times: [Option<u64>; N]) {
    let written = times.map(|at_ms| at_ms.map_or(0, |at_ms| at_ms.saturating_add(1)).to_le_bytes());
    out.extend_from_slice(written.as_flattened());
}

fn time(from: &mut Cursor<'_>) -> Option<Option<u64>> {
    Some(u64::from_le_bytes(from.array()?).checked_sub(1))
}

/// A fact, which is shorter than a frame.
fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn own_bytes(from: &mut Cursor<'_>) -> Option<Vec<u8>> {
    let length = u16::from_le_bytes(from.array()?);
    from.take(length.into()).map(Vec::from)
}

fn replace(bytes: &mut Vec<u8>, by: &[u8]) {
    bytes.clear();
    bytes.extend_from_slice(by);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::{Begun, Fact};

    fn call() -> Call {
        let begun = Begun {
            leg: 7,
            refused: 0,
            in_path: true,
            cseq: 1,
            transport: b"udp",
            source: "192.0.2.1:5060".parse().unwrap(),
            call_id: b"c",
            from_tag: b"f",
            from: b"sip:a@b",
            to: b"sip:b@b",
            request_uri: b"sip:b@b",
            user: b"",
            domain: b"",
            contact: b"",
            agent: b"",
            route: b"user",
            trunk: b"",
        };
        let mut payload = Vec::new();
        Fact::Begun(begun).write(5, &mut payload);
        Call::new(Leg::new((1, 2, 7), 5, 0), 5, &payload)
    }

    #[test]
    fn an_open_call_comes_back() {
        let mut call = call();
        call.rang_ms = Some(0);
        call.legs[0].cancel = Some(Box::default());
        let refusal = Refusal { at_ms: 9, status: 487, reason: b"SIP".as_slice().into(), heard: true };
        for (number, end) in [(8, None), (9, Some(LegEnd::Answered)), (0, Some(LegEnd::Refused(refusal)))] {
            call.legs.push(Leg { key: (1, 2, number), cancel: None, end });
        }
        for end in [
            None,
            Some((77, EndedBy::Callee)),
            Some((78, EndedBy::SessionTimer)),
            Some((79, EndedBy::Unknown)),
        ] {
            call.dialogs.push(Dialog { at_ms: 8, answered: b"x".into(), session_ends_ms: Some(60_008), end });
        }
        let mut bytes = Vec::new();
        call.encode(&mut bytes);
        assert_eq!(Call::decode(&bytes).as_ref(), Some(&call));
        for length in 0..bytes.len() {
            assert_eq!(Call::decode(&bytes[..length]), None, "cut at {length}");
        }
    }

    /// What is heard of every 45 s is not cut off after a minute. RFC 4028 §10.
    #[test]
    fn a_session_timer_counts_and_not_the_longest_call() {
        let policy = Policy { call_max_ms: 60_000, calls_max: 9 };
        let mut call = call();
        let dialog = Dialog { at_ms: 0, answered: Vec::new(), session_ends_ms: Some(90_000), end: None };
        call.dialogs.push(dialog);
        assert_eq!(call.deadline_ms(&policy), 90_000 + SESSION_GRACE_MS);
        call.expire(121_999, &policy);
        assert_eq!(call.dialogs[0].end, None);
        call.expire(122_000, &policy);
        assert_eq!(call.dialogs[0].end, Some((90_000, EndedBy::SessionTimer)));
    }

    /// RFC 4028 §4.
    #[test]
    fn session_timers_are_read() {
        assert_eq!(session_end(1_000, b"90;refresher=uac"), Some(91_000));
        assert_eq!(session_end(1_000, b"1800"), Some(1_801_000));
        assert_eq!(session_end(1_000, b""), None);
        assert_eq!(session_end(1_000, b"4294967295"), Some(86_401_000));
        assert_eq!(session_end(1_000, b"99999999999"), None);
    }
}
