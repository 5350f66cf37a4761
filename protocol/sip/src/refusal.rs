//! An error that knows its answer: the final response other than 2xx that a refusal sends, RFC 3261 §21.

use crate::error::Malformed;
use crate::message::Message;
use crate::name::Name;
use crate::reply::Reply;
use crate::status::reason_phrase;

/// A header that a refusal must carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hint<'a> {
    /// Nothing more.
    None,
    /// `Unsupported` of a 420 (RFC 3261 §21.4.15): the option tags, comma-separated.
    Unsupported(&'a [u8]),
    /// The same: every tag in this header of the request but the known ones.
    UnsupportedBut(Name, &'static [&'static [u8]]),
    /// `Min-Expires` of a 423 (§21.4.17), seconds.
    MinExpires(u32),
    /// `Min-SE` of a 422 (RFC 4028 §6), seconds.
    MinSe(u32),
    /// `Retry-After` of a 503 (§21.5.4) or 480, seconds.
    RetryAfter(u32),
    /// `Allow` of a 405 (§21.4.6).
    Allow(&'a str),
    /// `Warning` (§20.43) by nobody in particular: code, agent and text, ready to be written.
    Warning(&'a str),
    /// `Require` of a 421 (§21.4.16): the option tag that is needed.
    Require(&'a str),
    /// `Contact` of a 3xx (§8.1.3.4): the URI to try instead, in angle brackets.
    Contact(&'a [u8]),
}

/// A refusal: a status from 300 to 699, the text for the peer, and what must go with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal<'a> {
    status: u16,
    reason: &'a str,
    hint: Hint<'a>,
    fault: Option<Malformed>,
}

impl<'a> Refusal<'a> {
    /// A refusal with the registered phrase. Statuses that are no refusals become 500: a bug of ours must not look
    /// like success.
    pub const fn new(status: u16) -> Self {
        let status = if status >= 300 && status <= 699 { status } else { 500 };
        Self { status, reason: reason_phrase(status), hint: Hint::None, fault: None }
    }

    /// Another phrase, which tells the peer more.
    pub const fn because(mut self, reason: &'a str) -> Self {
        self.reason = reason;
        self
    }

    /// The header that goes with it.
    pub const fn with(mut self, hint: Hint<'a>) -> Self {
        self.hint = hint;
        self
    }

    /// The status code.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The phrase for the peer.
    pub fn reason(&self) -> String {
        self.fault.map_or_else(|| self.reason.to_owned(), |f| f.to_string())
    }

    /// Writes the whole response.
    pub fn write(&self, request: &Message<'_>, to_tag: &[u8], top_via: Option<&[u8]>, out: &mut Vec<u8>) {
        let reason;
        let reply = Reply::new(request, self.status).to_tag(to_tag).top_via(top_via);
        match self.fault {
            Some(fault) => {
                reason = fault.to_string();
                reply.reason(&reason).write_head(out);
            }
            None => reply.reason(self.reason).write_head(out),
        }
        self.write_hint(request, out);
        Reply::write_end(out);
    }

    fn write_hint(&self, request: &Message<'_>, out: &mut Vec<u8>) {
        let mut number = itoa::Buffer::new();
        let unknown;
        let (name, value) = match self.hint {
            Hint::None => return,
            Hint::UnsupportedBut(header, known) => {
                unknown = unknown_tags(request, header, known);
                (Name::Unsupported, &unknown[..])
            }
            Hint::Unsupported(tags) => (Name::Unsupported, tags),
            Hint::MinExpires(s) => (Name::MinExpires, number.format(s).as_bytes()),
            Hint::MinSe(s) => (Name::MinSe, number.format(s).as_bytes()),
            Hint::RetryAfter(s) => (Name::RetryAfter, number.format(s).as_bytes()),
            Hint::Allow(methods) => (Name::Allow, methods.as_bytes()),
            Hint::Warning(text) => (Name::Warning, text.as_bytes()),
            Hint::Require(tag) => (Name::Require, tag.as_bytes()),
            Hint::Contact(uri) => (Name::Contact, uri),
        };
        out.extend_from_slice(name.text().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// All of them, comma-separated.
fn unknown_tags(request: &Message<'_>, header: Name, known: &[&[u8]]) -> Vec<u8> {
    let is_unknown = |tag: &&[u8]| !known.iter().any(|own| own.eq_ignore_ascii_case(tag));
    request.values(header).filter(is_unknown).collect::<Vec<_>>().join(&b", "[..])
}

impl From<Malformed> for Refusal<'_> {
    fn from(fault: Malformed) -> Self {
        Self { fault: Some(fault), ..Self::new(fault.status()) }
    }
}
