//! Answers to requests: RFC 3261 §8.2.6.

use crate::header::NameAddr;
use crate::message::Message;
use crate::name::Name;
use crate::status::reason_phrase;

/// A response under construction. It copies what §8.2.6.2 says from the request, byte for byte.
///
/// ```text
///   Reply::new(&request, 404).to_tag(tag).write_head(out);   start line, Via…, From, To, Call-ID, CSeq
///   out.extend(b"Retry-After: 5\r\n");                       more headers, if any
///   Reply::write_end(out);                                   Content-Length: 0 and the empty line
/// ```
#[derive(Clone, Copy)]
pub struct Reply<'m, 'a> {
    request: &'m Message<'a>,
    status: u16,
    reason: Option<&'m str>,
    to_tag: &'m [u8],
    top_via: Option<&'m [u8]>,
    vias_skipped: usize,
    cseq: Option<u32>,
}

impl<'m, 'a> Reply<'m, 'a> {
    /// An answer with this status and its registered phrase.
    pub fn new(request: &'m Message<'a>, status: u16) -> Self {
        Self { request, status, reason: None, to_tag: b"", top_via: None, vias_skipped: 0, cseq: None }
    }

    /// Another reason phrase. It must be free of line ends; phrases of ours are.
    pub fn reason(mut self, reason: &'m str) -> Self {
        self.reason = Some(reason);
        self
    }

    /// The tag that To gets if it has none (§8.2.6.2). A 100 needs none.
    pub fn to_tag(mut self, tag: &'m [u8]) -> Self {
        self.to_tag = tag;
        self
    }

    /// The topmost Via value with `received` and `rport` filled in, where it had to change.
    pub fn top_via(mut self, via: Option<&'m [u8]>) -> Self {
        self.top_via = via;
        self
    }

    /// The request is our own forwarded copy, so its first Via line is ours and is left out: the response is for the
    /// one we forwarded it for.
    pub fn behind_our_via(mut self) -> Self {
        self.vias_skipped = 1;
        self
    }

    /// The number that CSeq has in the request we forwarded, where our copy has another.
    pub fn cseq(mut self, number: Option<u32>) -> Self {
        self.cseq = number;
        self
    }

    /// Writes the start line and the headers that every response copies.
    pub fn write_head(&self, out: &mut Vec<u8>) {
        self.write_status(out);
        self.write_vias(out);
        self.copy_line(Name::From, out);
        self.write_to_header(out);
        self.copy_line(Name::CallId, out);
        self.write_cseq(out);
        if self.status == 100 {
            // §8.2.6.1: the sender measures the way with it.
            self.copy_line(Name::Timestamp, out);
        }
    }

    /// Ends a response without body.
    pub fn write_end(out: &mut Vec<u8>) {
        out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    }

    /// The whole response without further headers.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_head(out);
        Self::write_end(out);
    }

    fn write_status(&self, out: &mut Vec<u8>) {
        // Most are this one.
        if (self.status, self.reason) == (200, None) {
            return out.extend_from_slice(b"SIP/2.0 200 OK\r\n");
        }
        out.extend_from_slice(b"SIP/2.0 ");
        out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.reason.unwrap_or(reason_phrase(self.status)).as_bytes());
        out.extend_from_slice(b"\r\n");
    }

    fn write_vias(&self, out: &mut Vec<u8>) {
        let bytes = self.request.bytes();
        let mut top = self.top_via;
        for line in self.request.lines_of(Name::Via).skip(self.vias_skipped) {
            let Some(mended) = top.take() else {
                out.extend_from_slice(&bytes[line.whole()]);
                continue;
            };
            let value = self.request.line_value(line);
            let first = crate::header::split(value).0;
            let behind = self.request.range_of(first).end..line.whole().end;
            out.extend_from_slice(b"Via: ");
            out.extend_from_slice(mended);
            out.extend_from_slice(&bytes[behind]);
        }
    }

    fn write_to_header(&self, out: &mut Vec<u8>) {
        let Some(line) = self.request.line(Name::To) else { return };
        let is_tagged = || !NameAddr::tag_of(self.request.line_value(line)).is_empty();
        if self.to_tag.is_empty() || is_tagged() {
            return self.copy_line(Name::To, out);
        }
        out.extend_from_slice(&self.request.bytes()[line.whole().start..line.value().end]);
        out.extend_from_slice(b";tag=");
        out.extend_from_slice(self.to_tag);
        out.extend_from_slice(b"\r\n");
    }

    fn write_cseq(&self, out: &mut Vec<u8>) {
        let Some((number, Ok(copied))) = self.cseq.map(|number| (number, self.request.cseq())) else {
            return self.copy_line(Name::CSeq, out);
        };
        out.extend_from_slice(b"CSeq: ");
        out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        out.push(b' ');
        out.extend_from_slice(copied.method);
        out.extend_from_slice(b"\r\n");
    }

    fn copy_line(&self, name: Name, out: &mut Vec<u8>) {
        if let Some(line) = self.request.line(name) {
            out.extend_from_slice(&self.request.bytes()[line.whole()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §8.2.6.2: Via, From, To, Call-ID and CSeq equal those of the request.
    #[test]
    fn a_response_copies_what_it_must() {
        let request = Message::parse(
            b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=1, SIP/2.0/TCP q\r\nt: <sip:b>\r\nVia: SIP/2.0/UDP r\r\n\
              f: <sip:a>;tag=9\r\ni: abc\r\nCSeq: 1 OPTIONS\r\nSubject: no\r\n\r\n",
        )
        .expect("a message");
        let mut out = Vec::new();
        Reply::new(&request, 404)
            .to_tag(b"T")
            .top_via(Some(b"SIP/2.0/UDP p;branch=1;received=1.2.3.4"))
            .write(&mut out);
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            "SIP/2.0 404 Not Found\r\nVia: SIP/2.0/UDP p;branch=1;received=1.2.3.4, SIP/2.0/TCP q\r\n\
             Via: SIP/2.0/UDP r\r\nf: <sip:a>;tag=9\r\nt: <sip:b>;tag=T\r\ni: abc\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }
}
