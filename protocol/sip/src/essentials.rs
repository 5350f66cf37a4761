//! What every step of handling a request asks for, parsed once: RFC 3261 §8.1.1.

use crate::header::{CSeq, NameAddr, Via};
use crate::{Malformed, Message, Name};

/// The mandatory headers of a request that has them all in order.
#[derive(Clone, Copy, Debug)]
pub struct Essentials<'a> {
    /// The topmost Via.
    pub via: Via<'a>,
    /// Its branch, empty if there is none.
    pub branch: &'a [u8],
    /// Whether it is the only Via: the request comes straight from a user agent.
    pub is_first_hop: bool,
    /// From.
    pub from: NameAddr<'a>,
    /// The tag of From, empty if there is none (RFC 2543).
    pub from_tag: &'a [u8],
    /// To.
    pub to: NameAddr<'a>,
    /// The tag of To, empty outside a dialog.
    pub to_tag: &'a [u8],
    /// Call-ID.
    pub call_id: &'a [u8],
    /// CSeq.
    pub cseq: CSeq<'a>,
    /// Max-Forwards, if there is one.
    pub max_forwards: Option<u8>,
}

impl<'a> Essentials<'a> {
    /// All that RFC 3261 §8.1.1 and §16.3 step 1 ask of a request before anything is done with it.
    ///
    /// # Errors
    /// The first fault, with its answer.
    pub fn of(message: &Message<'a>) -> Result<Self, Malformed> {
        if let Some(fault) = message.fault() {
            return Err(fault);
        }
        let via = message.top_via()?;
        let (from, to) = (message.from()?, message.to()?);
        let call_id = message.call_id()?;
        let cseq = message.cseq()?;
        if cseq.method != message.method_text() {
            return Err(Malformed::CSeqMethod);
        }
        Ok(Self {
            via,
            branch: via.branch(),
            is_first_hop: is_only_via(message, &via),
            from,
            from_tag: from.tag().unwrap_or_default(),
            to,
            to_tag: to.tag().unwrap_or_default(),
            call_id,
            cseq,
            max_forwards: message.max_forwards()?,
        })
    }
}

fn is_only_via(message: &Message<'_>, top: &Via<'_>) -> bool {
    let mut lines = message.lines_of(Name::Via);
    lines.next().is_some_and(|line| message.line_value(line).len() == top.text.len())
        && lines.next().is_none()
}
