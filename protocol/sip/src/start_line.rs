//! The first line: RFC 3261 §7.1 and §7.2.

use crate::chars::{are_uri, number, token_len, trim};
use crate::{Malformed, Method, NotSip};

/// What the first line says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StartLine<'a> {
    /// RFC 3261 §7.1.
    Request {
        /// The method; [`Method::Other`] keeps its text in `method_text`.
        method: Method,
        /// The method as written.
        method_text: &'a [u8],
        /// The Request-URI as written.
        uri: &'a [u8],
    },
    /// RFC 3261 §7.2.
    Response {
        /// 100 to 699.
        status: u16,
        /// The reason phrase as written.
        reason: &'a [u8],
    },
}

/// Reads a line without its line end. A fault beside the result is one that can still be answered.
pub(crate) fn start_line(line: &[u8]) -> Result<(StartLine<'_>, Option<Malformed>), NotSip> {
    if line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/") {
        status_line(line)
    } else {
        request_line(line)
    }
}

/// `SIP/2.0 200 OK`: the version ends at 7, the code stands at 8 to 11, the phrase may be empty.
fn status_line(line: &[u8]) -> Result<(StartLine<'_>, Option<Malformed>), NotSip> {
    let version = line.get(4..7).ok_or(NotSip::NoStartLine)?;
    let status = line.get(8..11).and_then(|s| number(s, 699)).unwrap_or(0);
    let spaced = line.get(7) == Some(&b' ') && matches!(line.get(11), None | Some(b' '));
    let fault = if version != b"2.0" {
        Some(Malformed::Version)
    } else if !spaced || status < 100 {
        Some(Malformed::StartLine)
    } else {
        None
    };
    let reason = line.get(12..).unwrap_or_default();
    Ok((StartLine::Response { status: status as u16, reason }, fault))
}

/// `Method SP Request-URI SP SIP-Version`, with one space each and nothing behind: readers that forgive more would read
/// another URI than we do.
fn request_line(line: &[u8]) -> Result<(StartLine<'_>, Option<Malformed>), NotSip> {
    let method_len = token_len(line);
    let (method_text, rest) = line.split_at(method_len);
    let request = |uri| StartLine::Request { method: Method::from_token(method_text), method_text, uri };
    match rest.strip_prefix(b" ").and_then(before_version) {
        Some(uri) if method_len > 0 && !uri.is_empty() && are_uri(uri) => Ok((request(uri), None)),
        _ => request_line_fault(rest).map(|(uri, fault)| (request(uri), Some(fault))),
    }
}

fn before_version(text: &[u8]) -> Option<&[u8]> {
    let (before, version) = text.split_last_chunk::<8>()?;
    version.eq_ignore_ascii_case(b" SIP/2.0").then_some(before)
}

/// What is wrong with a line that breaks the grammar, and the URI that may have been meant. One that at least ends in
/// a version is worth an answer.
fn request_line_fault(behind_method: &[u8]) -> Result<(&[u8], Malformed), NotSip> {
    let text = trim(behind_method);
    let version_at = text.iter().rposition(|&c| c == b' ').map_or(0, |space| space + 1);
    let (uri, version) = text.split_at(version_at);
    if version.len() < 4 || !version[..4].eq_ignore_ascii_case(b"SIP/") {
        return Err(NotSip::NoStartLine);
    }
    let is_ours = version.eq_ignore_ascii_case(b"SIP/2.0");
    Ok((trim(uri), if is_ours { Malformed::StartLine } else { Malformed::Version }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(line: &str) -> Result<Option<Malformed>, NotSip> {
        start_line(line.as_bytes()).map(|(_, fault)| fault)
    }

    /// RFC 3261 §7.1.
    #[test]
    fn request_lines() {
        let line = start_line(b"INVITE sip:a@b SIP/2.0");
        let want = StartLine::Request { method: Method::Invite, method_text: b"INVITE", uri: b"sip:a@b" };
        assert_eq!(line, Ok((want, None)));
        for line in [
            "INVITE  sip:a SIP/2.0",
            "INVITE sip:a  SIP/2.0",
            "INVITE sip:a SIP/2.0 ",
            " INVITE sip:a SIP/2.0",
            "INVITE\tsip:a SIP/2.0",
            "INVITE sip:a b SIP/2.0",
            "INVITE <sip:a> SIP/2.0",
            "INVITE SIP/2.0",
            "INV@TE sip:a SIP/2.0",
            "INVITE sip:\u{e9} SIP/2.0",
        ] {
            assert_eq!(fault(line), Ok(Some(Malformed::StartLine)), "{line:?}");
        }
    }

    /// RFC 3261 §21.5.6: another version is told so.
    #[test]
    fn other_versions() {
        for line in
            ["OPTIONS sip:a SIP/7.0", "OPTIONS sip:a SIP/10.0", "OPTIONS sip:a SIP/", "SIP/3.0 200 OK"]
        {
            assert_eq!(fault(line), Ok(Some(Malformed::Version)), "{line:?}");
        }
    }

    #[test]
    fn other_protocols() {
        for line in ["GET / HTTP/1.1", "INVITE sip:a", "SIP/2", "", " ", "SSH-2.0-x", "SIP/ "] {
            assert_eq!(fault(line), Err(NotSip::NoStartLine), "{line:?}");
        }
    }

    /// RFC 3261 §7.2: three digits, then a space even where the phrase is empty (we forgive that one).
    #[test]
    fn status_lines() {
        assert_eq!(
            start_line(b"SIP/2.0 183 Session Progress"),
            Ok((StartLine::Response { status: 183, reason: b"Session Progress" }, None))
        );
        assert_eq!(start_line(b"SIP/2.0 100"), Ok((StartLine::Response { status: 100, reason: b"" }, None)));
        for line in [
            "SIP/2.0 099 x",
            "SIP/2.0 700 x",
            "SIP/2.0 2000 x",
            "SIP/2.0  200 x",
            "SIP/2.0 20",
            "SIP/2.0x200",
        ] {
            assert_eq!(fault(line), Ok(Some(Malformed::StartLine)), "{line:?}");
        }
    }
}
