//! What is kept: RFC 3428 §7, RFC 3261 §20.17 (Date), §20.19 (Expires).

use offhook_sip::header::Date;
use offhook_sip::{Message, Name, Refusal};

/// What the administrator decides about messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// A message with more bytes, its headers included, is not kept.
    pub bytes_max: usize,
    /// How long one is kept that says nothing about it, or more, ms.
    pub keep_ms: u64,
    /// Whether a MESSAGE that comes over the flow of a registered device of its sender needs no credentials.
    pub from_registered_flows: bool,
}

/// What belongs to one hop, or was meant for us: a secret between the sender and us, and identities that only trusted
/// neighbours may tell each other (RFC 3325 §7).
const LEFT_OUT: [Name; 12] = [
    Name::Via,
    Name::Route,
    Name::RecordRoute,
    Name::MaxForwards,
    Name::MaxBreadth,
    Name::Authorization,
    Name::ProxyAuthorization,
    Name::ProxyRequire,
    Name::Timestamp,
    Name::PAssertedIdentity,
    Name::PPreferredIdentity,
    Name::ContentLength,
];

/// Whether this final answer of the recipient's devices means that none was reached.
pub const fn is_unreachable(status: u16) -> bool {
    matches!(status, 408 | 430 | 480 | 503)
}

/// Until when the message may be delivered, ms.
///
/// # Errors
/// 480 for one that is not to outlast this moment, 413 for one that is too long.
pub fn expires_at_ms(message: &Message<'_>, now_ms: u64, policy: &Policy) -> Result<u64, Refusal<'static>> {
    if message.whole().len() > policy.bytes_max {
        return Err(Refusal::new(413).because("Too long to be kept"));
    }
    let latest_ms = now_ms + policy.keep_ms;
    let Ok(Some(expires_s)) = message.seconds(Name::Expires) else { return Ok(latest_ms) };
    // §7: "SHOULD interpret the Expires header field value as delta time from the Date header field value".
    let date = message.value(Name::Date).and_then(|value| Date::parse(value).ok());
    let sent_ms = date.map_or(now_ms, |date| date.unix_s * 1_000);
    let expires_ms = sent_ms.saturating_add(u64::from(expires_s) * 1_000).min(latest_ms);
    if expires_ms > now_ms { Ok(expires_ms) } else { Err(Refusal::new(480)) }
}

/// Writes what is kept: the header lines that are not of a hop, with a Date, the length, and the body.
pub fn write_content(message: &Message<'_>, now_ms: u64, out: &mut Vec<u8>) {
    for line in message.lines().iter().filter(|line| !LEFT_OUT.contains(&line.name)) {
        out.extend_from_slice(&message.bytes()[line.whole()]);
    }
    if !message.has(Name::Date) {
        out.extend_from_slice(b"Date: ");
        Date { unix_s: now_ms / 1_000 }.write(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Content-Length: ");
    out.extend_from_slice(itoa::Buffer::new().format(message.body().len()).as_bytes());
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(message.body());
}

/// Writes what tells this request from others (RFC 3261 §8.2.2.2): a sender that was not answered sends it again, also to
/// a server that has kept it and was killed.
pub fn write_identity(message: &Message<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(message.call_id().unwrap_or_default());
    out.push(b' ');
    out.extend_from_slice(message.value(Name::CSeq).unwrap_or_default());
    out.push(b' ');
    out.extend_from_slice(message.from().ok().and_then(|from| from.tag()).unwrap_or_default());
}
