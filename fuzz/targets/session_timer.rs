//! Session-Expires, Min-SE and Supported by a stranger: no panic; an interval that goes on is no shorter than 90 s and than
//! Min-SE, `refresher` and all that stands behind the number stay, and a refusal is a 422. RFC 4028 §4, §5, §8.1.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::forward::{self, Branch, Extras, Forward};
use offhook_proxy::session_timer::{Demand, Wish};
use offhook_proxy::{CookieKey, Identity, Local, Place, screen};
use offhook_seal::Ring;
use offhook_sip::{Essentials, Message, Name, Scratch, Transport};

const WISH: Wish = Wish { expires_s: 1800, min_s: 120 };

const HEAD: &[u8] =
    b"INVITE sip:x@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:x@b>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n";

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |&c| c == b'\n');
    let mut text = HEAD.to_vec();
    for name in ["Session-Expires: ", "Min-SE: ", "Supported: "] {
        if let Some(value) = lines.next().filter(|value| !value.is_empty()) {
            text.extend_from_slice(&[name.as_bytes(), value, b"\r\n"].concat());
        }
    }
    text.extend_from_slice(b"\r\n");
    let Ok(message) = Message::parse(&text) else { return };
    let Ok(parts) = Essentials::of(&message) else { return };
    match Demand::of(WISH, message.method().expect("INVITE"), &message) {
        Err(refusal) => assert_eq!(refusal.status(), 422),
        Ok(None) => {}
        Ok(Some(demand)) => passes(&message, parts, demand),
    }
});

fn passes(message: &Message<'_>, parts: Essentials<'_>, demand: Demand) {
    let local = Local::new(Transport::Udp, "192.0.2.1:5060".parse().expect("an address"), None);
    let identity = Identity::new(vec!["b".to_owned()], vec![local.clone()]);
    let key = CookieKey::new([1; 16], Ring::of_one([2; 32]).seals(0));
    let Ok(screened) = screen(message, &parts, &identity, &key) else { return };
    let extras = Extras { session_timer: Some(demand), statement: None, story: None };
    let copy = Forward {
        parts: &parts,
        routed: &screened.routed,
        target: Some(b"sip:x@192.0.2.9"),
        path: b"",
        local: &local,
        mended_via: None,
        branch: Branch::Stateful(Place { shard: 0, transaction: 1 }),
        loop_mark: 0,
        record_route: None,
        arrived_at: None,
        path_entry: None,
        max_breadth: None,
        spent_credentials: None,
        offers_overload_control: false,
        renumber: None,
        offers_reuse: false,
        extras: Some(&extras),
    };
    let mut out = Vec::new();
    forward::write(message, &key, &copy, &mut Scratch::default(), &mut out);
    let copied = Message::parse(&out).expect("a copy is a message");
    let seconds = |name| copied.seconds(name).expect("what we wrote can be read");
    let interval = seconds(Name::SessionExpires).expect("an interval");
    assert!(interval >= 90 && interval >= seconds(Name::MinSe).unwrap_or(0), "{}", out.escape_ascii());
    assert!(demand.remembered_s().is_none_or(|remembered| remembered == interval));
    if let (Some(before), Some(after)) =
        (message.value(Name::SessionExpires), copied.value(Name::SessionExpires))
    {
        assert_eq!(behind_number(before), behind_number(after));
    }
}

fn behind_number(value: &[u8]) -> &[u8] {
    &value[value.iter().take_while(|c| c.is_ascii_digit()).count()..]
}
