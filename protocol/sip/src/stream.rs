//! Where one message ends and the next begins on a stream: RFC 3261 §18.3, with the keep-alives of RFC 5626 §3.5.1.

use memchr::memmem;

use crate::chars::{is_token, number};
use crate::limits::MESSAGE_BYTES_MAX;
use crate::line::{Line, LineEnds};
use crate::name::Name;

/// What stands at the front of the bytes read so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// CRLF CRLF, this many bytes: a ping; answer with one CRLF.
    Ping(usize),
    /// A lone CRLF, this many bytes: a pong or an empty line; skip it.
    Pong(usize),
    /// A whole message of this many bytes, body included.
    Message(usize),
    /// More bytes are needed.
    Incomplete,
    /// No message can be found in this stream any more: answer if possible and close.
    Unframeable(Reason),
}

/// Why a stream cannot be framed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The header section is longer than a message may be.
    HeadTooLong,
    /// Head and body together are longer than a message may be.
    BodyTooLong,
    /// Content-Length is missing (RFC 3261 §18.3 makes it mandatory on streams), repeated with another value, or no
    /// number.
    ContentLength,
    /// The first bytes are nothing that SIP begins with: another protocol.
    NotSip,
}

/// Looks at the bytes at the front of a stream. Costs one search for the empty line, then one pass over the head.
pub fn frame(bytes: &[u8]) -> Frame {
    match bytes {
        [] | [b'\r'] | [b'\r', b'\n', b'\r'] => return Frame::Incomplete,
        [b'\r', b'\n', b'\r', b'\n', ..] => return Frame::Ping(4),
        [b'\r', b'\n', ..] => return Frame::Pong(2),
        [first, ..] if !is_token(*first) => return Frame::Unframeable(Reason::NotSip),
        _ => {}
    }
    let Some(head) = memmem::find(bytes, b"\r\n\r\n") else {
        let too_long = bytes.len() > MESSAGE_BYTES_MAX;
        return if too_long { Frame::Unframeable(Reason::HeadTooLong) } else { Frame::Incomplete };
    };
    let head_len = head + 4;
    if head_len > MESSAGE_BYTES_MAX {
        return Frame::Unframeable(Reason::HeadTooLong);
    }
    let Some(body_len) = content_length(&bytes[..head + 2]) else {
        return Frame::Unframeable(Reason::ContentLength);
    };
    match head_len + body_len {
        whole if whole > MESSAGE_BYTES_MAX => Frame::Unframeable(Reason::BodyTooLong),
        whole if whole > bytes.len() => Frame::Incomplete,
        whole => Frame::Message(whole),
    }
}

/// The value of Content-Length; `None` if it is missing, contradictory or no number.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut found = None;
    let mut ends = LineEnds::of(head);
    let mut at = ends.of_header()?.feed + 1;
    while let Some(end) = ends.of_header() {
        // Only two names can matter and both begin with these letters: everything else is passed over at once.
        if matches!(head[at], b'c' | b'C' | b'l' | b'L')
            && let Some(line) = Line::read(head, at, end.feed)
            && line.name == Name::ContentLength
        {
            let length = number(&head[line.value()], u32::MAX)? as usize;
            if found.is_some_and(|f| f != length) {
                return None;
            }
            found = Some(length);
        }
        at = end.feed + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"MESSAGE sip:a@b SIP/2.0\r\nl: 5\r\nX: y\r\n\r\nhello";

    /// RFC 3261 §18.3: Content-Length frames a stream, however it is cut.
    #[test]
    fn a_message_is_whole_only_with_its_last_byte() {
        for cut in 1..MESSAGE.len() {
            assert_eq!(frame(&MESSAGE[..cut]), Frame::Incomplete, "{cut}");
        }
        assert_eq!(frame(MESSAGE), Frame::Message(MESSAGE.len()));
        let two = [MESSAGE, MESSAGE].concat();
        assert_eq!(frame(&two), Frame::Message(MESSAGE.len()));
    }

    /// RFC 3261 §7.3.1: a folded length is one, a method is none, a longer name is another header.
    #[test]
    fn lengths_are_read_as_headers_are() {
        for text in [
            "OPTIONS sip:a SIP/2.0\r\nContent-Length\t:\r\n 2\r\n\r\nab",
            "l sip:a SIP/2.0\r\nl: 002\r\n\r\nab",
            "OPTIONS sip:a SIP/2.0\r\nContent-Length-X: 9\r\nX: y\r\n l: 9\r\nL: 2\r\n\r\nab",
        ] {
            assert_eq!(frame(text.as_bytes()), Frame::Message(text.len()), "{text:?}");
        }
    }

    /// RFC 5626 §3.5.1.
    #[test]
    fn keep_alives() {
        assert_eq!(frame(b"\r\n\r\nINVITE"), Frame::Ping(4));
        assert_eq!(frame(b"\r\nINVITE"), Frame::Pong(2));
        assert_eq!(frame(b"\r\n\r"), Frame::Incomplete);
    }

    #[test]
    fn what_cannot_be_framed() {
        let head = |length: &str| format!("OPTIONS sip:a SIP/2.0\r\n{length}\r\n");
        for bad in ["", "l: x\r\n", "l: -1\r\n", "l: 1\r\nContent-Length: 2\r\n", "l:\r\n"] {
            assert_eq!(frame(head(bad).as_bytes()), Frame::Unframeable(Reason::ContentLength), "{bad:?}");
        }
        assert_eq!(frame(head("l: 70000\r\n").as_bytes()), Frame::Unframeable(Reason::BodyTooLong));
        assert_eq!(frame(b"\x16\x03\x01"), Frame::Unframeable(Reason::NotSip));
        assert_eq!(frame(&[b'a'; MESSAGE_BYTES_MAX + 1]), Frame::Unframeable(Reason::HeadTooLong));
        let with_an_end = head(&format!("X: {}\r\nl: 0\r\n", "y".repeat(MESSAGE_BYTES_MAX)));
        assert_eq!(frame(with_an_end.as_bytes()), Frame::Unframeable(Reason::HeadTooLong));
    }
}
