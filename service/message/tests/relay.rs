//! What a message relay keeps and sends: RFC 3428.

use offhook_message::{Delivery, Policy, expires_at_ms, judge, worse, write_content, write_identity};
use offhook_sip::{Message, Name};
use offhook_undelivered::Outcome;
use proptest::prelude::*;

/// Sat, 21 Nov 2026 08:15:03 GMT.
const NOW_MS: u64 = 1_795_248_903_123;

const POLICY: Policy = Policy { bytes_max: 2_000, keep_ms: 3_600_000, from_registered_flows: false };

fn message(headers: &str, body: &str) -> String {
    format!(
        "MESSAGE sip:bob@b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         f: <sip:alice@a>;tag=9\r\nTo: <sip:bob@b>\r\nCall-ID: c1\r\nCSeq: 5 MESSAGE\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn kept(text: &str) -> String {
    let mut out = Vec::new();
    write_content(&Message::parse(text.as_bytes()).unwrap(), NOW_MS, &mut out);
    String::from_utf8(out).unwrap()
}

/// RFC 3428 §4: the recipient sees who has sent it, when, and every byte of the body; not by which hops it came.
#[test]
fn what_is_kept_is_the_senders() {
    let text = message(
        "Route: <sip:b;lr>\r\nProxy-Authorization: Digest secret\r\nP-Asserted-Identity: <sip:boss@a>\r\nX-Own: 1\r\nc: message/cpim\r\n",
        "From: MR SANDERS\r\n\r\nhello\r\n",
    );
    assert_eq!(
        kept(&text),
        "f: <sip:alice@a>;tag=9\r\nTo: <sip:bob@b>\r\nCall-ID: c1\r\nCSeq: 5 MESSAGE\r\nX-Own: 1\r\n\
         c: message/cpim\r\nDate: Sat, 21 Nov 2026 08:15:03 GMT\r\nContent-Length: 27\r\n\r\n\
         From: MR SANDERS\r\n\r\nhello\r\n"
    );
}

/// RFC 3428 §4: a Date that the sender wrote stays.
#[test]
fn the_senders_date_stays() {
    let kept = kept(&message("Date: Fri, 20 Nov 2026 00:00:00 GMT\r\n", ""));
    assert_eq!(kept.matches("Date:").count(), 1, "{kept}");
}

/// RFC 3428 §7: Expires counts from Date, or from when it came; never beyond what we keep.
#[test]
fn messages_expire() {
    let expires = |headers: &str| {
        let text = message(headers, "hello");
        expires_at_ms(&Message::parse(text.as_bytes()).unwrap(), NOW_MS, &POLICY).map_err(|r| r.status())
    };
    assert_eq!(expires(""), Ok(NOW_MS + POLICY.keep_ms));
    assert_eq!(expires("Expires: 60\r\n"), Ok(NOW_MS + 60_000));
    assert_eq!(expires("Expires: 4294967295\r\n"), Ok(NOW_MS + POLICY.keep_ms));
    assert_eq!(expires("Expires: soon\r\n"), Ok(NOW_MS + POLICY.keep_ms));
    assert_eq!(expires("Expires: 0\r\n"), Err(480));
    assert_eq!(expires("Date: Sat, 21 Nov 2026 08:15:00 GMT\r\nExpires: 60\r\n"), Ok(1_795_248_960_000));
    assert_eq!(expires("Date: Sat, 21 Nov 2026 08:14:00 GMT\r\nExpires: 60\r\n"), Err(480));
}

/// RFC 3428 §8: a store is no file server.
#[test]
fn a_long_message_is_not_kept() {
    let text = message("", &"x".repeat(2_000));
    let refusal = expires_at_ms(&Message::parse(text.as_bytes()).unwrap(), NOW_MS, &POLICY).unwrap_err();
    assert_eq!(refusal.status(), 413);
}

/// RFC 3428 §7: what answers to a delivery mean. RFC 3261 §8.2.2.2: 482 says that the device has it.
#[test]
fn answers_of_devices() {
    let is = |status| judge(status);
    assert_eq!([is(200), is(202), is(482)], [Outcome::Delivered; 3]);
    assert_eq!([is(408), is(480), is(503), is(405), is(501)], [Outcome::Failed; 5]);
    assert_eq!([is(415), is(603), is(401)].map(|o| matches!(o, Outcome::Refused(_))), [true; 3]);
    assert_eq!(worse(Some(Outcome::Failed), Outcome::Refused(415)), Outcome::Failed);
    assert_eq!(worse(Some(Outcome::Refused(415)), Outcome::Failed), Outcome::Failed);
    assert_eq!(worse(None, Outcome::Refused(415)), Outcome::Refused(415));
}

fn delivered(content: &[u8]) -> Vec<u8> {
    let delivery = Delivery {
        content,
        uri: b"sip:bob@192.0.2.9;ob?Subject=x",
        path: b"<sip:edge;lr>",
        via: "SIP/2.0/UDP 192.0.2.1;rport;branch=",
    };
    let mut out = Vec::new();
    delivery.write(|out| out.extend_from_slice(b"z9hG4bKx"), &mut out);
    out
}

/// RFC 3428 §4, RFC 3261 §8.1.1: the request to a device.
#[test]
fn a_delivery() {
    let sent = delivered(kept(&message("Content-Type: text/plain\r\n", "hello")).as_bytes());
    let sent = Message::parse(&sent).unwrap();
    sent.check_request().unwrap();
    assert_eq!(sent.request_uri_text(), b"sip:bob@192.0.2.9;ob");
    assert_eq!(sent.top_via().unwrap().branch(), b"z9hG4bKx");
    assert_eq!(sent.value(Name::Route), Some(&b"<sip:edge;lr>"[..]));
    assert_eq!((sent.call_id().unwrap(), sent.body()), (&b"c1"[..], &b"hello"[..]));
}

proptest! {
    /// Whatever passes for a MESSAGE is delivered as one, with the same body.
    #[test]
    fn what_was_kept_can_be_read_again(
        headers in "([A-Z][a-z]{1,8}: [ -~]{0,20}\r\n){0,4}", body in "[ -~\r\n]{0,60}",
    ) {
        let text = message(&headers, &body);
        let Ok(message) = Message::parse(text.as_bytes()) else { return Ok(()) };
        prop_assume!(message.check_request().is_ok());
        let mut content = Vec::new();
        write_content(&message, NOW_MS, &mut content);
        let sent = delivered(&content);
        let sent = Message::parse(&sent).expect("a message");
        prop_assert!(sent.check_request().is_ok());
        prop_assert_eq!(sent.body(), message.body());
        let identity = |message: &Message<'_>| {
            let mut out = Vec::new();
            write_identity(message, &mut out);
            out
        };
        prop_assert_eq!(identity(&sent), identity(&message));
    }
}
