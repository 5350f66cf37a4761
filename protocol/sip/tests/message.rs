//! What a message is refused for, and what not.

use offhook_sip::limits::{HEADER_LINES_MAX, MESSAGE_BYTES_MAX};
use offhook_sip::{Malformed, Message, Name, NotSip};

const HEAD: &str = "INVITE sip:bob@example.com SIP/2.0\r\n";
const MANDATORY: [&str; 6] = [
    "Via: SIP/2.0/UDP h;branch=z9hG4bK1",
    "From: <sip:a@b>;tag=1",
    "To: <sip:bob@example.com>",
    "Call-ID: x@y",
    "CSeq: 1 INVITE",
    "Max-Forwards: 70",
];

/// A request that is right but for what `change` does to its header lines.
fn checked(change: impl FnOnce(&mut Vec<String>)) -> Result<(), Malformed> {
    let mut lines: Vec<String> = MANDATORY.iter().map(|line| format!("{line}\r\n")).collect();
    change(&mut lines);
    let text = format!("{HEAD}{}\r\nhello", lines.concat());
    Message::parse(text.as_bytes()).expect("a message").check_request()
}

fn checked_with(line: &str) -> Result<(), Malformed> {
    checked(|lines| lines.push(format!("{line}\r\n")))
}

/// Puts another value in the place of a mandatory header's.
fn checked_as(name: &str, value: &str) -> Result<(), Malformed> {
    checked(|lines| {
        let line = lines.iter_mut().find(|line| line.starts_with(name)).expect("a mandatory header");
        *line = format!("{name}: {value}\r\n");
    })
}

/// RFC 3261 §8.1.1: six headers make a request; it lives without Max-Forwards, as those of RFC 2543 did.
#[test]
fn the_mandatory_headers() {
    assert_eq!(checked(|_| {}), Ok(()));
    for (index, name) in ["Via", "From", "To", "Call-ID", "CSeq"].into_iter().enumerate() {
        assert_eq!(checked(|lines| drop(lines.remove(index))), Err(Malformed::Missing(name)));
    }
    assert_eq!(checked(|lines| drop(lines.pop())), Ok(()));
}

/// RFC 3261 §8.1.1.5, §20.8, §20.16, §20.22, §20.42, §19.3
#[test]
fn malformed_values() {
    for (name, value) in [
        ("Via", ""),
        ("Via", "SIP/2.0/UDP"),
        ("From", "a@b"),
        ("From", "<sip:a@b>;tag="),
        ("To", "<sip:a@b>;tag"),
        ("Call-ID", ""),
        ("Call-ID", "a b"),
        ("Call-ID", "a\u{7f}b"),
        ("CSeq", "1"),
        ("CSeq", "INVITE"),
        ("CSeq", "2147483648 INVITE"),
        ("Max-Forwards", "256"),
        ("Max-Forwards", "many"),
    ] {
        assert_eq!(checked_as(name, value), Err(Malformed::Header(name)), "{name}: {value:?}");
    }
    assert_eq!(checked_as("CSeq", "2147483647 INVITE"), Ok(()));
    assert_eq!(checked_as("CSeq", "1 invite"), Err(Malformed::CSeqMethod));
}

/// RFC 3261 §7.3.1, §16.3 step 1: two of what all act on are refused at once, two of the rest when asked for.
#[test]
fn headers_that_stand_twice() {
    for line in &MANDATORY[1..] {
        let name = line.split(':').next().expect("a name");
        assert_eq!(
            checked_with(line).err().map(|fault| fault.to_string()),
            Some(format!("More than one {name}"))
        );
    }
    assert_eq!(checked_with("l: 5\r\nContent-Length: 5"), Err(Malformed::Repeated("Content-Length")));
    assert_eq!(checked_with(MANDATORY[0]), Ok(()));

    let text = format!("{HEAD}Expires: 1\r\nSubject: a\r\nExpires: 2\r\n\r\n");
    let message = Message::parse(text.as_bytes()).expect("a message");
    assert_eq!(message.fault(), None);
    assert_eq!(message.seconds(Name::Expires), Err(Malformed::Repeated("Expires")));
    assert_eq!(message.only_value(Name::Subject), Ok(Some(&b"a"[..])));
    assert_eq!(message.only_value(Name::Date), Ok(None));
}

/// RFC 3261 §7.3.1: lines end with CRLF; what others would read as a line end is refused.
#[test]
fn line_ends() {
    for line in ["X: a\nY: b", "X: a\rY: b", "X: a\n b", "X: a\r"] {
        assert_eq!(checked_with(line), Err(Malformed::LineEnd), "{line:?}");
    }
    assert_eq!(checked_with("X: a\r\n b"), Ok(()));
    for start in ["INVITE sip:bob@example.com SIP/2.0\n", "SIP/2.0 200 O\rK\r\n"] {
        let text = format!("{start}Subject: x\r\n\r\n");
        assert_eq!(
            Message::parse(text.as_bytes()).expect("a message").fault(),
            Some(Malformed::LineEnd),
            "{start:?}"
        );
    }
}

#[test]
fn what_is_no_header() {
    for line in ["no colon", ": no name", "two words: x", " Subject: x", "\u{e9}: x"] {
        let fault = checked(|lines| lines.insert(0, format!("{line}\r\n")));
        assert_eq!(fault, Err(Malformed::HeaderLine), "{line:?}");
    }
}

/// RFC 3261 §18.3: a datagram may hold more than Content-Length says, never less.
#[test]
fn the_body_is_as_long_as_the_header_says() {
    for (length, want) in
        [("0", Ok(())), ("4", Ok(())), ("5", Ok(())), ("6", Err(())), ("-1", Err(())), ("", Err(()))]
    {
        let fault = checked_with(&format!("Content-Length: {length}"));
        assert_eq!(fault, want.map_err(|()| Malformed::ContentLength), "{length:?}");
    }
    let message = Message::parse(b"MESSAGE sip:a SIP/2.0\r\nl: 2\r\n\r\nhello").expect("a message");
    assert_eq!((message.body(), message.whole().len()), (&b"he"[..], message.bytes().len() - 3));
    let message = Message::parse(b"MESSAGE sip:a SIP/2.0\r\n\r\nhello").expect("a message");
    assert_eq!(message.body(), b"hello");
}

/// RFC 3261 §7.5: empty lines before the start line are not part of the message.
#[test]
fn empty_lines_lead_nowhere() {
    let message = Message::parse(b"\r\n\r\nOPTIONS sip:a SIP/2.0\r\n\r\n").expect("a message");
    assert_eq!(message.bytes(), b"OPTIONS sip:a SIP/2.0\r\n\r\n");
    assert_eq!(Message::parse(b"\r\n\r\n").err(), Some(NotSip::Empty));
    assert_eq!(Message::parse(b"").err(), Some(NotSip::Empty));
}

/// RFC 3261 §7: the empty line is mandatory.
#[test]
fn heads_without_end() {
    for text in
        ["OPTIONS sip:a SIP/2.0\r\n", "OPTIONS sip:a SIP/2.0\r\nX: y\r\n", "OPTIONS sip:a SIP/2.0\r\nX: y"]
    {
        let message = Message::parse(text.as_bytes()).expect("a message");
        assert_eq!(message.fault(), Some(Malformed::HeadersUnfinished), "{text:?}");
        assert_eq!((message.body(), message.headers_end()), (&b""[..], text.len()));
    }
    assert_eq!(Message::parse(b"OPTIONS sip:a SIP/2.0").err(), Some(NotSip::NoStartLine));
}

/// RFC 3261 §7.3.1: the empty line is CRLF; who takes a line feed alone for one reads another body than others do.
#[test]
fn an_empty_line_is_crlf() {
    for empty in ["\n", "\r\r\n"] {
        let text = format!("OPTIONS sip:a SIP/2.0\r\nX: y\r\n{empty}Z: w\r\n\r\n");
        let message = Message::parse(text.as_bytes()).expect("a message");
        assert!(message.fault().is_some(), "{empty:?}");
        assert_eq!(message.headers_end() + 2, text.len(), "{empty:?}");
    }
}

#[test]
fn bounds() {
    let lines =
        |count: usize| checked(|lines| lines.extend(vec!["X: y\r\n".into(); count - MANDATORY.len()]));
    assert_eq!(lines(HEADER_LINES_MAX), Ok(()));
    assert_eq!(lines(HEADER_LINES_MAX + 1), Err(Malformed::TooManyHeaders));

    let long = |len: usize| format!("{HEAD}\r\n{}", "x".repeat(len - HEAD.len() - 2)).into_bytes();
    assert!(Message::parse(&long(MESSAGE_BYTES_MAX)).is_ok_and(|m| m.whole().len() == MESSAGE_BYTES_MAX));
    assert_eq!(Message::parse(&long(MESSAGE_BYTES_MAX + 1)).err(), Some(NotSip::TooLong));
}

/// RFC 3261 §16.7 step 1, §18.1.2: what a response must have to find its way back.
#[test]
fn responses() {
    let checked = |headers: &str| {
        let text = format!("SIP/2.0 180 Ringing\r\n{headers}\r\n");
        Message::parse(text.as_bytes()).expect("a message").check_response()
    };
    assert_eq!(checked("v: SIP/2.0/UDP h\r\ni: x\r\nCSeq: 1 INVITE\r\n"), Ok(()));
    assert_eq!(checked("i: x\r\nCSeq: 1 INVITE\r\n"), Err(Malformed::Missing("Via")));
    assert_eq!(checked("v: SIP/2.0/UDP h\r\nCSeq: 1 INVITE\r\n"), Err(Malformed::Missing("Call-ID")));
    assert_eq!(checked("v: SIP/2.0/UDP h\r\ni: x\r\n"), Err(Malformed::Missing("CSeq")));
}
