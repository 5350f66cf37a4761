//! A received message: its bytes, and where things are in them.
//!
//! One pass notes the start line, the range of every header line and the first line of each known name; nothing is
//! copied or decoded. Typed values are parsed when asked for, borrow from the bytes, and give the same answer each
//! time. Faults that leave a message answerable (RFC 3261 §21.4.1) are noted, not fatal: see [`Message::fault`].

use std::ops::Range;

use arrayvec::ArrayVec;

use crate::chars::{has_blanks, number, offset, token_len};
use crate::header::{self, CSeq, Contact, NameAddr, OptionTags, Values, Via};
use crate::limits::{HEADER_LINES_MAX, MESSAGE_BYTES_MAX};
use crate::line::{Line, LineEnds};
use crate::name::{NAMES, Name};
use crate::start_line::{StartLine, start_line};
use crate::{Essentials, Malformed, Method, NotSip, Uri};

const NO_LINE: u8 = u8::MAX;

/// A SIP message over the bytes it came in.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    start: StartLine<'a>,
    lines: ArrayVec<Line, HEADER_LINES_MAX>,
    first: [u8; NAMES],
    headers_end: usize,
    body: Range<usize>,
    fault: Option<Malformed>,
}

impl<'a> Message<'a> {
    /// Nothing: what [`Message::read`] fills.
    pub fn empty() -> Self {
        Self {
            bytes: b"",
            start: StartLine::Response { status: 0, reason: b"" },
            lines: ArrayVec::new(),
            first: [NO_LINE; NAMES],
            headers_end: 0,
            body: 0..0,
            fault: None,
        }
    }

    /// Locates everything in one pass.
    ///
    /// `bytes` is a datagram or exactly one message of a stream. Of a datagram, bytes beyond Content-Length are left
    /// out of the body (RFC 3261 §18.3).
    ///
    /// # Errors
    /// Bytes that are no SIP message: there is nobody to answer.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NotSip> {
        let mut message = Self::empty();
        message.read(bytes)?;
        Ok(message)
    }

    /// The same where the message stays in its place: it is large, and who handles many would see it moved.
    ///
    /// # Errors
    /// As [`Message::parse`]; nothing but an empty message is left then.
    pub fn read(&mut self, bytes: &'a [u8]) -> Result<(), NotSip> {
        self.clear();
        if bytes.len() > MESSAGE_BYTES_MAX {
            return Err(NotSip::TooLong);
        }
        // Empty lines before a message are keep-alives of the peer (RFC 3261 §7.5).
        let lead = bytes.iter().take_while(|c| matches!(c, b'\r' | b'\n')).count();
        let bytes = &bytes[lead..];
        if bytes.is_empty() {
            return Err(NotSip::Empty);
        }
        let mut ends = LineEnds::of(bytes);
        let end = ends.of_line().ok_or(NotSip::NoStartLine)?;
        let line = &bytes[..end.feed];
        let (start, fault) = start_line(line.strip_suffix(b"\r").unwrap_or(line))?;
        self.bytes = bytes;
        self.start = start;
        self.fault = fault.or((!end.is_crlf).then_some(Malformed::LineEnd));
        self.headers_end = bytes.len();
        self.body = bytes.len()..bytes.len();
        self.scan_headers(end.feed + 1, ends);
        self.measure_body();
        Ok(())
    }

    fn clear(&mut self) {
        self.lines.clear();
        (self.bytes, self.start) = (b"", StartLine::Response { status: 0, reason: b"" });
        (self.first, self.headers_end, self.body, self.fault) = ([NO_LINE; NAMES], 0, 0..0, None);
    }

    fn scan_headers(&mut self, mut at: usize, mut ends: LineEnds<'_>) {
        let bytes = self.bytes;
        let mut is_crlf = true;
        loop {
            let Some(end) = ends.of_line() else {
                return self.note(Malformed::HeadersUnfinished);
            };
            if end.is_crlf && end.feed == at + 1 {
                break;
            }
            let Some(end) = ends.behind_folds(end) else {
                return self.note(Malformed::HeadersUnfinished);
            };
            is_crlf &= end.is_crlf;
            self.header_line(at, end.feed);
            at = end.feed + 1;
        }
        self.headers_end = at;
        self.body = at + 2..bytes.len();
        // A bare CR or LF is a line end for some neighbours and not for others; such a message is refused.
        if !is_crlf {
            self.note(Malformed::LineEnd);
        }
    }

    /// Notes the line from `at` to the line feed at `feed`.
    #[inline(never)] // so that the loop that calls it keeps what it needs in registers
    fn header_line(&mut self, at: usize, feed: usize) {
        let Some(line) = Line::read(self.bytes, at, feed) else {
            return self.note(Malformed::HeaderLine);
        };
        let index = self.lines.len() as u8;
        if self.lines.try_push(line).is_err() {
            return self.note(Malformed::TooManyHeaders);
        }
        let first = &mut self.first[line.name as usize];
        if *first == NO_LINE {
            *first = index;
        } else if line.name.is_vital() {
            self.note(Malformed::Repeated(line.name.text()));
        }
    }

    fn measure_body(&mut self) {
        let Some(value) = self.value(Name::ContentLength) else { return };
        match number(value, u32::MAX) {
            Some(length) if length as usize <= self.body.len() => {
                self.body.end = self.body.start + length as usize;
            }
            _ => self.note(Malformed::ContentLength),
        }
    }

    fn note(&mut self, fault: Malformed) {
        self.fault.get_or_insert(fault);
    }

    /// The bytes of the message, from the start line to the end of what was received.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes without what a datagram holds beyond the body.
    pub fn whole(&self) -> &'a [u8] {
        &self.bytes[..self.body.end]
    }

    /// The first thing found wrong, if anything. Such a request deserves its 400, such a response silence.
    pub fn fault(&self) -> Option<Malformed> {
        self.fault
    }

    /// The start line.
    pub fn start_line(&self) -> StartLine<'a> {
        self.start
    }

    /// The method of a request.
    pub fn method(&self) -> Option<Method> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The text of the method of a request, empty for a response.
    pub fn method_text(&self) -> &'a [u8] {
        match self.start {
            StartLine::Request { method_text, .. } => method_text,
            StartLine::Response { .. } => b"",
        }
    }

    /// The Request-URI as written, empty for a response.
    pub fn request_uri_text(&self) -> &'a [u8] {
        match self.start {
            StartLine::Request { uri, .. } => uri,
            StartLine::Response { .. } => b"",
        }
    }

    /// The Request-URI.
    ///
    /// # Errors
    /// It breaks the grammar of RFC 3261 §19.1.1 or RFC 3986, or has headers (`?…`), which §19.1.1 allows elsewhere
    /// only: they would become headers of the forwarded request.
    pub fn request_uri(&self) -> Result<Uri<'a>, Malformed> {
        let uri = Uri::parse(self.request_uri_text())?;
        if uri.headers().is_empty() { Ok(uri) } else { Err(Malformed::Uri) }
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Response { status, .. } => Some(status),
            StartLine::Request { .. } => None,
        }
    }

    /// All header lines in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The lines of one header, in order.
    pub fn lines_of(&self, name: Name) -> impl Iterator<Item = &Line> + '_ {
        let rest = self.first_index(name).and_then(|first| self.lines.get(first..)).unwrap_or_default();
        rest.iter().filter(move |l| l.name == name)
    }

    /// The first line of a header.
    pub fn line(&self, name: Name) -> Option<&Line> {
        self.lines.get(self.first_index(name)?)
    }

    /// Where in [`Message::lines`] the first line of a header stands.
    pub(crate) fn first_index(&self, name: Name) -> Option<usize> {
        Some(self.first[name as usize] as usize).filter(|&first| first != NO_LINE as usize)
    }

    /// Whether the header stands in the message.
    pub fn has(&self, name: Name) -> bool {
        self.first[name as usize] != NO_LINE
    }

    /// The text of a header line as it was written, without its colon: for unknown headers.
    pub fn name_text(&self, line: &Line) -> &'a [u8] {
        let whole = self.bytes.get(line.whole()).unwrap_or_default();
        &whole[..token_len(whole)]
    }

    /// The value of a line, folds included.
    pub fn line_value(&self, line: &Line) -> &'a [u8] {
        self.bytes.get(line.value()).unwrap_or_default()
    }

    /// The value of the first line of a header.
    pub fn value(&self, name: Name) -> Option<&'a [u8]> {
        self.line(name).map(|l| self.line_value(l))
    }

    /// The value of a header that may stand once.
    ///
    /// # Errors
    /// It stands more than once: another reader may take another line for the valid one.
    pub fn only_value(&self, name: Name) -> Result<Option<&'a [u8]>, Malformed> {
        if self.lines_of(name).nth(1).is_some() {
            return Err(Malformed::Repeated(name.text()));
        }
        Ok(self.value(name))
    }

    /// Every value of a header: all its lines, split at commas (RFC 3261 §7.3.1).
    pub fn values(&self, name: Name) -> Values<'_, 'a> {
        Values::new(self, name)
    }

    /// The topmost Via.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn top_via(&self) -> Result<Via<'a>, Malformed> {
        Via::parse(self.values(Name::Via).next().ok_or(Malformed::Missing("Via"))?)
    }

    /// From.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn from(&self) -> Result<NameAddr<'a>, Malformed> {
        self.name_addr(Name::From)
    }

    /// To.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn to(&self) -> Result<NameAddr<'a>, Malformed> {
        self.name_addr(Name::To)
    }

    /// The values of Contact.
    pub fn contacts(&self) -> impl Iterator<Item = Result<Contact<'a>, Malformed>> + '_ {
        self.values(Name::Contact).map(Contact::parse)
    }

    /// The option tags of Require, Proxy-Require, Supported or Unsupported.
    pub fn option_tags(&self, name: Name) -> OptionTags<'_, 'a> {
        OptionTags::new(self, name)
    }

    /// From or To: an address whose tag, if there is one, is not empty. A second tag beside an empty one, as an answer
    /// of ours would add it, is read differently by different neighbours.
    fn name_addr(&self, name: Name) -> Result<NameAddr<'a>, Malformed> {
        let value = self.value(name).ok_or(Malformed::Missing(name.text()))?;
        let address = NameAddr::parse(value).filter(|address| !address.has_empty_tag());
        address.ok_or(Malformed::Header(name.text()))
    }

    /// Call-ID: RFC 3261 §20.8. More characters than its grammar has are taken, since it is only compared.
    ///
    /// # Errors
    /// It is missing, empty or has blanks or control characters inside.
    pub fn call_id(&self) -> Result<&'a [u8], Malformed> {
        let value = self.value(Name::CallId).ok_or(Malformed::Missing("Call-ID"))?;
        if value.is_empty() || has_blanks(value) { Err(Malformed::Header("Call-ID")) } else { Ok(value) }
    }

    /// CSeq.
    ///
    /// # Errors
    /// It is missing or malformed.
    pub fn cseq(&self) -> Result<CSeq<'a>, Malformed> {
        CSeq::parse(self.value(Name::CSeq).ok_or(Malformed::Missing("CSeq"))?)
    }

    /// Max-Forwards, if there is one (RFC 3261 §20.22: 0 to 255).
    ///
    /// # Errors
    /// It is no number in that range.
    pub fn max_forwards(&self) -> Result<Option<u8>, Malformed> {
        let Some(value) = self.value(Name::MaxForwards) else { return Ok(None) };
        number(value, 255).map(|n| Some(n as u8)).ok_or(Malformed::Header("Max-Forwards"))
    }

    /// A header whose value is a number of seconds (Expires, Min-Expires): RFC 3261 §20.19. Larger numbers than fit
    /// are the largest.
    ///
    /// # Errors
    /// It is no number, or stands more than once.
    pub fn seconds(&self, name: Name) -> Result<Option<u32>, Malformed> {
        let Some(value) = self.only_value(name)? else { return Ok(None) };
        header::seconds(value).map(Some).ok_or(Malformed::Header(name.text()))
    }

    /// The body.
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.body.clone()]
    }

    /// Where the header section ends: the offset of the empty line, or of the end if there is none.
    pub fn headers_end(&self) -> usize {
        self.headers_end
    }

    /// The range of a slice of this message.
    pub fn range_of(&self, part: &[u8]) -> Range<usize> {
        let start = offset(self.bytes, part);
        start..(start + part.len()).min(self.bytes.len())
    }

    /// Whether this is a request with all that [`Essentials`] asks for.
    ///
    /// # Errors
    /// The first fault, with its answer.
    pub fn check_request(&self) -> Result<(), Malformed> {
        Essentials::of(self).map(|_| ())
    }

    /// What a response must have to be passed on.
    ///
    /// # Errors
    /// The first fault; the response is dropped.
    pub fn check_response(&self) -> Result<(), Malformed> {
        self.response_parts().map(|_| ())
    }

    /// The same, with what shows it its way.
    ///
    /// # Errors
    /// The first fault; the response is dropped.
    pub fn response_parts(&self) -> Result<ResponseParts<'a>, Malformed> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut vias = self.values(Name::Via);
        let via = Via::parse(vias.next().ok_or(Malformed::Missing("Via"))?)?;
        let cseq = self.cseq()?;
        self.call_id()?;
        Ok(ResponseParts { via, below: vias.next(), cseq })
    }
}

/// By what a response finds its way.
#[derive(Clone, Copy, Debug)]
pub struct ResponseParts<'a> {
    /// The topmost Via.
    pub via: Via<'a>,
    /// The value of the Via below it, as written.
    pub below: Option<&'a [u8]>,
    /// CSeq.
    pub cseq: CSeq<'a>,
}
