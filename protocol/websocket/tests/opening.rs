//! Opening handshakes, good and bad.

use offhook_websocket::limits::{OPENING_BYTES_MAX, OPENING_LINES_MAX};
use offhook_websocket::*;

/// RFC 7118 §4.1, its example.
const REQUEST: &str = "GET / HTTP/1.1\r\n\
    Host: sip-ws.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://www.example.com\r\n\
    Sec-WebSocket-Protocol: sip\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// RFC 7118 §4.1, the answer.
const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";

fn answer(request: &str, policy: &Policy) -> String {
    let mut out = Vec::new();
    match open(request.as_bytes(), policy) {
        Opening::Incomplete => {}
        Opening::Accepted(accepted) => accepted.write(&mut out),
        Opening::Refused(refusal) => refusal.write(&mut out),
    }
    String::from_utf8(out).unwrap()
}

/// The refusal, after the rest of its answer was looked at.
#[track_caller]
fn refused(request: &str, policy: &Policy) -> Refusal {
    let Opening::Refused(refusal) = open(request.as_bytes(), policy) else {
        panic!("not refused: {request}")
    };
    let answer = answer(request, policy);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let (code, phrase) = refusal.status();
    assert!(head.starts_with(&format!("HTTP/1.1 {code} {phrase}\r\n")), "{head}");
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())) && head.contains("close\r\n"),
        "{head}"
    );
    assert_eq!(body, format!("{refusal}\r\n"));
    refusal
}

/// The example with one text in place of another.
#[track_caller]
fn with(from: &str, to: &str) -> String {
    assert!(REQUEST.contains(from));
    REQUEST.replace(from, to)
}

#[track_caller]
fn accepts(request: &str, policy: &Policy) {
    assert_eq!(answer(request, policy), ANSWER);
}

/// RFC 7118 §4.1, RFC 6455 §4.2.2.
#[test]
fn the_example_of_the_rfc() {
    accepts(REQUEST, &Policy::default());
    let Opening::Accepted(accepted) = open(&[REQUEST.as_bytes(), b"\x81\x80"].concat(), &Policy::default())
    else {
        panic!("refused");
    };
    assert_eq!(accepted.bytes, REQUEST.len());
}

/// RFC 6455 §4.2.1: names and tokens in any case, lists on one line or several, other headers ignored.
#[test]
fn headers_as_browsers_and_proxies_write_them() {
    for request in [
        with("Upgrade: websocket", "upgrade: WebSocket"),
        with("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
        with("Connection: Upgrade", "Connection: keep-alive\r\nConnection:  upgrade "),
        with("Protocol: sip", "Protocol: xmpp, sip"),
        with("Protocol: sip", "Protocol: msrp\r\nSec-WebSocket-Protocol: sip"),
        with(
            "Origin: http://www.example.com\r\n",
            "Cookie: a=b\r\nSec-WebSocket-Extensions: permessage-deflate\r\n",
        ),
    ] {
        accepts(&request, &Policy::default());
    }
}

/// RFC 6455 §4.2.2 item 4: a resource that is not there is answered 404.
#[test]
fn a_path_that_is_not_served() {
    let policy = Policy { path: Some("/sip".into()), ..Policy::default() };
    accepts(&with("GET / ", "GET /sip "), &policy);
    accepts(&with("GET / ", "GET /sip?token=1 "), &policy);
    accepts(&with("GET / ", "GET http://sip-ws.example.com/sip "), &policy);
    for target in ["/", "/sip/", "/SIP", "http://sip-ws.example.com", "*"] {
        assert_eq!(refused(&with("GET / ", &format!("GET {target} ")), &policy), Refusal::Path);
        accepts(&with("GET / ", &format!("GET {target} ")), &Policy::default());
    }
    assert_eq!(Refusal::Path.status().0, 404);
}

/// RFC 6455 §4.2.2 item 4, §10.2: pages from elsewhere are answered 403; who is no browser says no origin.
#[test]
fn a_page_that_may_not_connect() {
    let origins = |text: &str| Policy { path: None, origins: vec![Origin::parse(text).unwrap()] };
    accepts(REQUEST, &origins("http://www.example.com"));
    accepts(REQUEST, &origins("http://*.example.com"));
    accepts(&with("Origin: http://www.example.com\r\n", ""), &origins("https://phone.example.com"));
    assert_eq!(refused(REQUEST, &origins("https://phone.example.com")), Refusal::Origin);
    assert_eq!(
        refused(&with("http://www.example.com", "null"), &origins("http://www.example.com")),
        Refusal::Origin
    );
    let twice = with("Origin: http", "Origin: null\r\nOrigin: http");
    assert_eq!(refused(&twice, &origins("http://www.example.com")), Refusal::Header("Origin"));
    assert_eq!(Refusal::Origin.status().0, 403);
}

/// RFC 6455 §4.2.2 item 4, §4.4: another version is answered 426 with the one that is spoken.
#[test]
fn another_version() {
    for request in [with("Version: 13", "Version: 8"), with("Sec-WebSocket-Version: 13\r\n", "")] {
        assert_eq!(refused(&request, &Policy::default()), Refusal::Version);
        assert!(answer(&request, &Policy::default()).contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }
    assert_eq!(Refusal::Version.status().0, 426);
}

/// RFC 7118 §4.1: the client must offer `sip`.
#[test]
fn a_client_that_does_not_speak_sip() {
    for request in [
        with("Protocol: sip", "Protocol: xmpp"),
        with("Protocol: sip", "Protocol: sips, sip2"),
        with("Sec-WebSocket-Protocol: sip\r\n", ""),
    ] {
        assert_eq!(refused(&request, &Policy::default()), Refusal::NotSip);
    }
    assert_eq!(Refusal::NotSip.status().0, 400);
}

/// A person opens the address in a browser, and reads what it is.
#[test]
fn an_ordinary_page_is_asked_for() {
    let request = "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\n\r\n";
    assert_eq!(refused(request, &Policy::default()), Refusal::NotWebSocket);
    assert!(answer(request, &Policy::default()).contains("This is no web page"));
    assert_eq!(Refusal::NotWebSocket.status().0, 426);
}

/// RFC 6455 §4.2.1: what else must be there, and be well-formed.
#[test]
fn mandatory_headers() {
    let check =
        |request: String, name| assert_eq!(refused(&request, &Policy::default()), Refusal::Header(name));
    check(with("Host: sip-ws.example.com\r\n", ""), "Host");
    check(with("Host: sip-ws.example.com\r\n", "Host: a\r\nHost: b\r\n"), "Host");
    check(with("Connection: Upgrade", "Connection: close"), "Connection");
    check(with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""), "Sec-WebSocket-Key");
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25j",
        "dGhlIHNhbXBsZSBub25jZSEh",
        "****************======",
    ] {
        check(with("dGhlIHNhbXBsZSBub25jZQ==", key), "Sec-WebSocket-Key");
    }
    assert_eq!(Refusal::Header("Host").status().0, 400);
}

/// RFC 6455 §4.2.1 item 1: an HTTP/1.1 GET.
#[test]
fn other_requests() {
    assert_eq!(refused(&with("GET", "POST"), &Policy::default()), Refusal::Method);
    assert!(
        answer(&with("GET", "POST"), &Policy::default()).contains("405 Method Not Allowed\r\nAllow: GET\r\n")
    );
    assert_eq!(refused(&with("HTTP/1.1", "HTTP/1.0"), &Policy::default()), Refusal::NotHttp);
    assert_eq!(refused(&with("HTTP/1.1", "HTTP/2.0"), &Policy::default()), Refusal::NotHttp);
    let sip = "REGISTER sip:example.com SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(refused(sip, &Policy::default()), Refusal::NotHttp);
    for other in ["\x16\x03\x01", "\r\n\r\n", "{", " GET"] {
        assert_eq!(refused(other, &Policy::default()), Refusal::NotHttp, "{other:?}");
    }
    assert_eq!(Refusal::NotHttp.status().0, 400);
}

/// RFC 6585 §5: a head has a bound, in bytes and in lines.
#[test]
fn heads_that_are_too_long() {
    let more = |lines: &str| with("Origin:", &format!("{lines}Origin:"));
    let fill = OPENING_BYTES_MAX - REQUEST.len() - "X: \r\n".len();
    accepts(&more(&format!("X: {}\r\n", "x".repeat(fill))), &Policy::default());
    let longer = more(&format!("X: {}\r\n", "x".repeat(fill + 1)));
    assert_eq!(refused(&longer, &Policy::default()), Refusal::HeadTooLong);
    assert_eq!(refused(&"G".repeat(OPENING_BYTES_MAX), &Policy::default()), Refusal::HeadTooLong);
    assert_eq!(open("G".repeat(OPENING_BYTES_MAX - 1).as_bytes(), &Policy::default()), Opening::Incomplete);
    accepts(&more(&"X: y\r\n".repeat(OPENING_LINES_MAX - 7)), &Policy::default());
    assert_eq!(
        refused(&more(&"X: y\r\n".repeat(OPENING_LINES_MAX - 6)), &Policy::default()),
        Refusal::HeadTooLong
    );
    assert_eq!(Refusal::HeadTooLong.status().0, 431);
}
