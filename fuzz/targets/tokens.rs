//! Branches, tags and routes that only we can have written, by strangers: no panic; none of theirs is taken for ours, whatever it
//! looks like, so nothing of it gives a right. What we write ourselves is read again, and with one letter changed is not. RFC 3261
//! §16.4, §16.6 steps 4 and 8, §16.11, RFC 5626 §5.
//!
//! The first line is a branch, the second a tag, the rest are Route values.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_net::{ConnectionId, Flow};
use offhook_proxy::flow_token::{self, FlowRoute, PathEntry};
use offhook_proxy::record_route::{self, Sides};
use offhook_proxy::{CookieKey, Identity, Local, Place, screen};
use offhook_seal::Ring;
use offhook_sip::{Essentials, Message, Transport};

fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |&c| c == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (branch, tag, routes) = (line(), line(), line());
    let key = CookieKey::new([1; 16], Ring::of_one([2; 32]).seals(0)).of_process(7);
    assert_eq!(key.read_branch(branch), None);
    assert_eq!(key.read_stateless_branch(branch, &[branch, tag]), None);
    assert!(!key.is_tag(tag, b"1", b"1"));
    let _ = CookieKey::mark_of(branch);
    strangers_routes(&key, routes);
    ours(&key, input);
});

fn local() -> Local {
    Local::new(Transport::Udp, "192.0.2.1:5060".parse().expect("an address"), None)
}

/// They may name us, and lead on; they prove nothing.
fn strangers_routes(key: &CookieKey, routes: &[u8]) {
    let head = "INVITE sip:x@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n\
                To: <sip:x@b>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nRoute: <sip:192.0.2.1;lr>\r\nRoute: ";
    let text = [head.as_bytes(), routes, b"\r\n\r\n"].concat();
    let Ok(message) = Message::parse(&text) else { return };
    let Ok(parts) = Essentials::of(&message) else { return };
    let identity = Identity::new(vec!["b".to_owned()], vec![local()]);
    let Ok(screened) = screen(&message, &parts, &identity, key) else { return };
    assert!(screened.routed.in_dialog.is_none());
    assert!(matches!(screened.routed.flow, None | Some(FlowRoute::Forged)));
}

/// The bytes choose what is written, and which letter of it is changed.
fn ours(key: &CookieKey, input: &[u8]) {
    let byte = |at: usize| input.get(at).copied().unwrap_or_default();
    let place = Place { shard: byte(0), transaction: u64::from(byte(1)) << (byte(2) % 56) };
    let mut branch = Vec::new();
    key.write_branch(place, u32::from(byte(3)), &mut branch);
    assert_eq!(key.read_branch(&branch), Some(place));
    changed(&mut branch, byte(4), |branch| assert_eq!(key.read_branch(branch), None));

    let connection = ConnectionId { index: byte(5).into(), generation: 1 + u32::from(byte(6)) };
    let remote = ([192, 0, 2, byte(7)], 5060).into();
    let flow = Flow { transport: Transport::Tls, listener: byte(8).into(), connection, remote };
    let mut path = Vec::new();
    flow_token::write(key, &local(), PathEntry { flow, outbound: byte(9) & 1 != 0 }, &mut path);
    let read = |path: &[u8]| {
        let uri = offhook_sip::Uri::parse(path.strip_prefix(b"<")?.strip_suffix(b">")?).ok()?;
        Some(flow_token::read(key, uri.params().find(b"of")?))
    };
    assert_eq!(read(&path), Some(FlowRoute::To(flow)));

    let mut route = Vec::new();
    let sides = Sides { caller: Some(flow), callee: None, ..Sides::default() };
    record_route::write(key, &local(), (b"1", b"2"), sides, false, &mut route);
    let start = route.windows(3).position(|w| w == b"oh=").expect("a token") + 3;
    let mut token = route[start..route.len() - 1].to_vec();
    let read = |token: &[u8], from: &[u8]| record_route::read(key, token, b"1", from, b"3");
    assert_eq!(record_route::read(key, &token, b"1", b"3", b"2").and_then(|d| d.toward), Some(flow));
    assert!(read(&token, b"2").is_some() && read(&token, b"4").is_none());
    changed(&mut token, byte(4), |token| assert_eq!(read(token, b"2"), None));
}

/// Calls back with one letter changed.
fn changed(text: &mut [u8], which: u8, then: impl Fn(&[u8])) {
    let at = usize::from(which) % text.len();
    text[at] = if text[at] == b'a' { b'b' } else { b'a' };
    then(text);
}
