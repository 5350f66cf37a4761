//! Entries of History-Info as text: RFC 7044 §5, §10.2, §10.3.

use std::borrow::Cow;

use offhook_sip::{Message, Name, Scheme, Uri};

use super::Step;

/// Longest index that is continued, bytes: fifteen hops of two digits.
const INDEX_BYTES_MAX: usize = 48;

/// The reasons of a response that its entry is given, bytes as written. One that does not fit is left out.
const REASONS_BYTES_MAX: usize = 300;

/// RFC 3323 §4.1.1.3.
const ANONYMOUS: &[u8] = b"sip:anonymous@anonymous.invalid";

/// What whoever gets an entry may see (§10.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Veil {
    /// All: it stays within our domains.
    None,
    /// It leaves them: not what asks for itself to be hidden.
    Asked,
    /// It leaves them: nothing of ours but what was received.
    Targets,
    /// It leaves them: nothing of ours.
    All,
}

impl<B> Step<B> {
    /// Writes it as an entry, behind others if there are any.
    pub(super) fn write(&self, base: &[u8], veil: Veil, out: &mut Vec<u8>) {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        let is_hidden = match veil {
            Veil::None => false,
            Veil::Asked => self.is_private,
            Veil::Targets => self.is_private || *self.index != *base,
            Veil::All => true,
        };
        out.push(b'<');
        out.extend_from_slice(if is_hidden { ANONYMOUS } else { without_headers(&self.leap.uri) });
        // §10.2: a telephone number has no place for it.
        if is_hidden || !is_tel(&self.leap.uri) {
            self.write_headers(veil, out);
        }
        out.push(b'>');
        write_param("index", &self.index, out);
        if let (Some(name), Some(of)) = (self.leap.how.name(), &self.leap.of) {
            write_param(name, of, out);
        }
        for taken in &self.below {
            out.extend_from_slice(b", ");
            taken.write(veil, out);
        }
    }

    fn write_headers(&self, veil: Veil, out: &mut Vec<u8>) {
        let mut mark = b'?';
        if self.is_private && veil == Veil::None {
            out.extend_from_slice(b"?Privacy=history");
            mark = b'&';
        }
        if self.status >= 300 {
            out.push(mark);
            out.extend_from_slice(b"Reason=SIP%3Bcause%3D");
            out.extend_from_slice(itoa::Buffer::new().format(self.status).as_bytes());
            out.extend_from_slice(&self.reasons);
        }
    }
}

/// §10.2: the reasons that a refusal gives itself, but for the one that is its status.
pub(super) fn reasons(response: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let own = format!("SIP;cause={}", response.status().unwrap_or_default());
    for value in response.values(Name::Reason) {
        let bare: Vec<u8> = value.iter().copied().filter(|c| !matches!(c, b' ' | b'\t')).collect();
        if bare.get(..own.len()).is_some_and(|head| head.eq_ignore_ascii_case(own.as_bytes())) {
            continue;
        }
        let start = out.len();
        out.extend_from_slice(b"&Reason=");
        escape(value, &mut out);
        if out.len() > REASONS_BYTES_MAX {
            out.truncate(start);
        }
    }
    out
}

/// As the value of a header in a URI: RFC 3261 §19.1.1, `hvalue`.
fn escape(text: &[u8], out: &mut Vec<u8>) {
    for &c in text {
        if c.is_ascii_alphanumeric() || b"-_.!~*'()[]/?:+$".contains(&c) {
            out.push(c);
        } else {
            out.extend_from_slice(format!("%{c:02X}").as_bytes());
        }
    }
}

/// Writes the URI of an entry that is hidden: what it says of reasons stays.
pub(super) fn write_hidden(uri: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(ANONYMOUS);
    for (n, header) in headers(uri).filter(|header| !is_private(header)).enumerate() {
        out.push(if n == 0 { b'?' } else { b'&' });
        out.extend_from_slice(header);
    }
}

/// Whether the URI of an entry asks for it to be hidden (§10.1.1).
pub(super) fn asks(uri: &[u8]) -> bool {
    headers(uri).any(is_private)
}

fn headers(uri: &[u8]) -> impl Iterator<Item = &[u8]> {
    let all = uri.get(without_headers(uri).len() + 1..).unwrap_or_default();
    all.split(|&c| c == b'&').filter(|header| !header.is_empty())
}

fn is_private(header: &[u8]) -> bool {
    header.eq_ignore_ascii_case(b"Privacy=history")
}

/// The index, if it is one that can be continued.
pub(super) fn sound_index(index: &[u8]) -> Option<&[u8]> {
    let numbers =
        |index: &[u8]| index.split(|&c| c == b'.').all(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    (index.len() <= INDEX_BYTES_MAX && numbers(index)).then_some(index)
}

/// The index of the step with this number.
pub(super) fn below(index: &[u8], number: usize) -> Vec<u8> {
    [index, b".", itoa::Buffer::new().format(number).as_bytes()].concat()
}

pub(super) fn without_headers(uri: &[u8]) -> &[u8] {
    uri.split(|&c| c == b'?').next().unwrap_or(uri)
}

/// §9.1, §9.2: a telephone number as a SIP URI of this host, if there is one, as RFC 3261 §19.1.6 makes it; any other URI
/// as it is.
pub(super) fn number_at<'u>(uri: &'u [u8], host: &[u8]) -> Cow<'u, [u8]> {
    let number = Uri::parse(uri).ok().filter(|uri| uri.scheme == Scheme::Tel && !host.is_empty());
    let Some(number) = number else { return Cow::Borrowed(uri) };
    let digits = number.user.unwrap_or_default().iter().filter(|c| !b"-.()".contains(c)).copied();
    let user: Vec<u8> = digits.chain(number.params().text().to_ascii_lowercase()).collect();
    Cow::Owned([b"sip:", &*user, b"@", host, b";user=phone"].concat())
}

/// Whether the URI of an entry says where this Request-URI leads, be it that a number became a SIP URI of some host.
pub(super) fn stands_for(entry: &[u8], received: &[u8]) -> bool {
    let entry = without_headers(entry);
    let host = || Uri::parse(entry).ok()?.address.map(|at| at.host_text);
    entry == received || is_tel(received) && host().is_some_and(|host| *number_at(received, host) == *entry)
}

fn is_tel(uri: &[u8]) -> bool {
    uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"tel:"))
}

pub(super) fn write_param(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b';');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value);
}
