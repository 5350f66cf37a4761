//! The opening handshake, read and answered: RFC 6455 §4.2, with the sub-protocol `sip` of RFC 7118 §4.1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use memchr::memmem;
use sha1::{Digest, Sha1};

use crate::limits::{OPENING_BYTES_MAX, OPENING_LINES_MAX};
use crate::{Origin, Refusal};

/// Who may connect where.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    /// The only path that is served; `None` for any.
    pub path: Option<String>,
    /// The pages that may connect; none named admits all. A request without an Origin is from no browser (RFC 6455
    /// §4.2.1 item 7), and no page can make a browser leave it out, so it is admitted.
    pub origins: Vec<Origin>,
}

/// What has come of an opening handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Opening {
    /// Its head has not ended.
    Incomplete,
    /// It is good.
    Accepted(Accepted),
    /// It is not.
    Refused(Refusal),
}

/// A good opening handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Its length, bytes; frames follow.
    pub bytes: usize,
    /// Our `Sec-WebSocket-Accept`.
    proof: String,
}

impl Accepted {
    /// Appends the answer, 101: RFC 6455 §4.2.2 item 5.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(
            b"HTTP/1.1 101 Switching Protocols\r\n\
              Upgrade: websocket\r\n\
              Connection: Upgrade\r\n\
              Sec-WebSocket-Accept: ",
        );
        out.extend_from_slice(self.proof.as_bytes());
        out.extend_from_slice(b"\r\nSec-WebSocket-Protocol: sip\r\n\r\n");
    }
}

/// Looks at the front of what a client has sent.
pub fn open(received: &[u8], policy: &Policy) -> Opening {
    // Other protocols are told from HTTP by their first byte: the end of a head would never come.
    if received.first().is_some_and(|first| !first.is_ascii_uppercase()) {
        return Opening::Refused(Refusal::NotHttp);
    }
    let near = &received[..received.len().min(OPENING_BYTES_MAX)];
    let Some(end) = memmem::find(near, b"\r\n\r\n") else {
        let too_long = received.len() >= OPENING_BYTES_MAX;
        return if too_long { Opening::Refused(Refusal::HeadTooLong) } else { Opening::Incomplete };
    };
    match judge(&near[..end + 4], policy) {
        Ok(accepted) => Opening::Accepted(accepted),
        Err(refusal) => Opening::Refused(refusal),
    }
}

/// RFC 6455 §4.2.1, in an order that names first what a person got wrong first.
fn judge(head: &[u8], policy: &Policy) -> Result<Accepted, Refusal> {
    let mut lines = [httparse::EMPTY_HEADER; OPENING_LINES_MAX];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(head) {
        Ok(httparse::Status::Complete(bytes)) if bytes == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
        _ => return Err(Refusal::NotHttp),
    }
    // httparse knows 1.0 and 1.1 only.
    if request.version != Some(1) {
        return Err(Refusal::NotHttp);
    }
    if request.method != Some("GET") {
        return Err(Refusal::Method);
    }
    if policy.path.as_deref().is_some_and(|wanted| request.path.is_none_or(|target| path(target) != wanted)) {
        return Err(Refusal::Path);
    }
    let headers = Headers(request.headers);
    if !headers.lists("Upgrade", |token| token.eq_ignore_ascii_case(b"websocket")) {
        return Err(Refusal::NotWebSocket);
    }
    if !headers.lists("Connection", |token| token.eq_ignore_ascii_case(b"upgrade")) {
        return Err(Refusal::Header("Connection"));
    }
    headers.one("Host")?.ok_or(Refusal::Header("Host"))?;
    let admitted = |origin: &[u8]| policy.origins.iter().any(|pattern| pattern.admits(origin));
    if headers.one("Origin")?.is_some_and(|origin| !policy.origins.is_empty() && !admitted(origin)) {
        return Err(Refusal::Origin);
    }
    if headers.one("Sec-WebSocket-Version")? != Some(b"13") {
        return Err(Refusal::Version);
    }
    let key = headers.one("Sec-WebSocket-Key")?.filter(|key| is_key(key));
    let key = key.ok_or(Refusal::Header("Sec-WebSocket-Key"))?;
    if !headers.lists("Sec-WebSocket-Protocol", |token| token == b"sip") {
        return Err(Refusal::NotSip);
    }
    Ok(Accepted { bytes: head.len(), proof: proof(key) })
}

/// The header lines of a request.
struct Headers<'a>(&'a [httparse::Header<'a>]);

impl<'a> Headers<'a> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .iter()
            .filter(move |line| line.name.eq_ignore_ascii_case(name))
            .map(|line| line.value.trim_ascii())
    }

    /// The value of a header that may stand once.
    fn one(&self, name: &'static str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() { Err(Refusal::Header(name)) } else { Ok(first) }
    }

    /// Whether one of the tokens of a list, on one line or several, is meant.
    fn lists(&self, name: &str, is_meant: impl Fn(&[u8]) -> bool) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|&c| c == b','))
            .any(|token| is_meant(token.trim_ascii()))
    }
}

/// The path of a request target in origin form or absolute form (RFC 9112 §3.2), without its query.
fn path(target: &str) -> &str {
    let target = target.split(['?', '#']).next().unwrap_or_default();
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find('/').map_or("/", |slash| &rest[slash..])
}

/// RFC 6455 §4.2.1 item 5: 16 bytes in base64.
fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; 18];
    BASE64.decode_slice(key, &mut nonce).is_ok_and(|bytes| bytes == 16)
}

/// RFC 6455 §4.2.2 item 5.4.
fn proof(key: &[u8]) -> String {
    let digest = Sha1::new_with_prefix(key).chain_update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    BASE64.encode(digest)
}
