//! A request of ours as an ICMP error quotes it: RFC 3261 §18.4. Its beginning is there and may be cut off anywhere, or
//! anybody has made it up.
//!
//! ```text
//!   INVITE sip:bob@192.0.2.8 SIP/2.0 ⏎ Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bK… ⏎ Max-Forw
//!   └ method                                                                            └ branch   └ cut off
//! ```

use memchr::memchr;

use crate::Name;

/// What can be said of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotedRequest<'a> {
    /// The method, as written.
    pub method: &'a [u8],
    /// The branch of the topmost Via. If the quote ends within it, it is not whole: only its maker can tell.
    pub branch: &'a [u8],
}

impl<'a> QuotedRequest<'a> {
    /// Finds both. `None`: it is no request, or the quote ends before the branch.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (first, mut rest) = split_line(bytes)?;
        let method = first.get(..memchr(b' ', first)?)?;
        if !first.ends_with(b" SIP/2.0") || method.is_empty() {
            return None;
        }
        loop {
            let (line, below) = split_line(rest).unwrap_or((rest, b""));
            // An empty line is the end of the headers, or of what there is.
            let colon = memchr(b':', line)?;
            let (name, value) = line.split_at_checked(colon)?;
            if Name::from_token(name.trim_ascii_end()) == Name::Via {
                return Some(Self { method, branch: branch_of(value)? });
            }
            rest = below;
        }
    }
}

/// The line without its end, and what follows. `None`: the line does not end.
fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b'\n', bytes)?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)?))
}

/// The branch of the first Via in a line.
fn branch_of(line: &[u8]) -> Option<&[u8]> {
    let first = line.split(|byte| *byte == b',').next()?;
    first.split(|byte| *byte == b';').skip(1).find_map(|param| param.trim_ascii().strip_prefix(b"branch="))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:bob@192.0.2.8 SIP/2.0\r\n\
        Record-Route: <sip:198.51.100.1;lr>\r\n\
        Via: SIP/2.0/UDP 198.51.100.1:5060;rport;branch=z9hG4bKours;alias\r\n\
        Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bKtheirs\r\n\
        \r\n";

    /// RFC 3261 §18.4: what an error is about.
    #[test]
    fn the_topmost_branch_counts() {
        let read = QuotedRequest::read(INVITE);
        assert_eq!(read, Some(QuotedRequest { method: b"INVITE", branch: b"z9hG4bKours" }));
        let one_line = b"BYE sip:b SIP/2.0\nv : SIP/2.0/UDP a; branch=x, SIP/2.0/UDP b;branch=y\n";
        assert_eq!(QuotedRequest::read(one_line), Some(QuotedRequest { method: b"BYE", branch: b"x" }));
    }

    /// Wherever it ends it is read without a branch, with a part of it, or with all of it.
    #[test]
    fn a_quote_may_end_anywhere() {
        let begin = INVITE.windows(7).position(|bytes| bytes == b"z9hG4bK").unwrap();
        for end in 0..INVITE.len() {
            let read = QuotedRequest::read(&INVITE[..end]);
            match read {
                None => assert!(end < begin, "{end}"),
                Some(quoted) => {
                    let whole = end >= begin + b"z9hG4bKours".len();
                    assert_eq!(quoted.method, b"INVITE");
                    assert_eq!(quoted.branch == b"z9hG4bKours", whole, "{end}");
                    assert!(b"z9hG4bKours".starts_with(quoted.branch), "{end}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_request_of_ours() {
        for text in [
            &b""[..],
            b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=x\r\n",
            b"INVITE sip:b SIP/2.0",
            b"INVITE sip:b SIP/2.0\r\n\r\nVia: SIP/2.0/UDP a;branch=x\r\n",
            b"INVITE sip:b HTTP/1.1\r\nVia: SIP/2.0/UDP a;branch=x\r\n",
            b"INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;rport\r\nVia: SIP/2.0/UDP a;branch=x\r\n",
            b" sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=x\r\n",
            b"\0\0\0\0\x30\x31\r\n:::::\r\n",
        ] {
            assert_eq!(QuotedRequest::read(text), None, "{:?}", String::from_utf8_lossy(text));
        }
    }
}
