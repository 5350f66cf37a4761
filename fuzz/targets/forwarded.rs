//! Any request that is let on becomes a copy with session timer, identity and history, and any response loses them again:
//! what comes out is a message, says what it must, and keeps its body and every header that is nobody's business.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::asserted::{Statement, Trust};
use offhook_proxy::forward::{self, Branch, Extras, Forward};
use offhook_proxy::history::{self, History, How, Leap, Story};
use offhook_proxy::session_timer::{self, Demand, Wish};
use offhook_proxy::{CookieKey, Identity, Local, Place, screen};
use offhook_seal::Ring;
use offhook_sip::{Essentials, Message, Name, Scratch, Splice, Transport};

/// What all edits together may add, bytes.
const ADDED_MAX: usize = 4_096;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, text)) = input.split_first() else { return };
    let Ok(message) = Message::parse(text) else { return };
    if message.status().is_some() {
        return response(choice, &message);
    }
    let Ok(parts) = Essentials::of(&message) else { return };
    request(choice, &message, parts);
});

/// What it says of its way: a user in between, a copy before.
fn entries(choice: u8, message: &Message<'_>, received: &[u8], leaves: bool) -> Option<Vec<u8>> {
    let mut way = History::of(message, received, None)?;
    let mapped = || (choice & 4 != 0).then(|| Leap::new(b"sip:m@b", How::OtherUser));
    let path = |uri: &[u8]| mapped().into_iter().chain([Leap::new(uri, How::SameUser)]).collect::<Vec<_>>();
    way.note(1, way.steps_to(&path(b"sip:x@y")));
    way.heard(1, (486, None), |_| false);
    let steps = way.steps_to(&path(b"sip:x@192.0.2.9"));
    Some(way.entries_with(&steps, history::veil_of(message, leaves)))
}

fn request(choice: u8, message: &Message<'_>, parts: Essentials<'_>) {
    let local = Local::new(Transport::Udp, "192.0.2.1:5060".parse().expect("an address"), None);
    let identity = Identity::new(vec!["b".to_owned()], vec![local.clone()]);
    let key = CookieKey::new([1; 16], Ring::of_one([2; 32]).seals(0));
    let Ok(screened) = screen(message, &parts, &identity, &key) else { return };
    let wish = Wish { expires_s: 1800, min_s: 120 };
    let Ok(session_timer) = Demand::of(wish, screened.method, message) else { return };
    let trust = Trust { from: choice & 1 != 0, to: choice & 2 != 0 };
    let leaves = choice & 8 != 0;
    let entries = entries(choice, message, screened.routed.uri.text, leaves).unwrap_or_default();
    let story = Story { entries: &entries, leaves: leaves.then(|| identity.domains()) };
    let extras = Extras {
        session_timer,
        statement: Some(Statement::of_request(message, trust, choice & 16 != 0, || Some((b"a", b"b")))),
        story: (choice & 32 != 0).then_some(story),
    };
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
    assert!(copied.fault().is_none(), "{}", out.escape_ascii());
    assert!(out.len() < message.whole().len() + ADDED_MAX);
    assert_eq!(copied.body(), message.body());
    assert!(!copied.has(Name::PPreferredIdentity));
    if !trust.from {
        let told = usize::from(copied.has(Name::PAssertedIdentity));
        assert_eq!(copied.values(Name::PAssertedIdentity).count(), told, "no more than ours");
        assert!(!copied.has(Name::RemotePartyId));
    }
    if session_timer.is_some() {
        let seconds = |name| copied.seconds(name).ok().flatten();
        let interval = seconds(Name::SessionExpires).expect("an interval");
        assert!(interval >= 90 && interval >= seconds(Name::MinSe).unwrap_or(0));
    }
}

fn response(choice: u8, message: &Message<'_>) {
    if message.check_response().is_err() {
        return;
    }
    let mut scratch = Scratch::default();
    let mut splice = Splice::new(message, &mut scratch);
    if session_timer::is_missing(message) {
        session_timer::answer(&mut splice, message, 1800);
    }
    let trust = Trust { from: choice & 1 != 0, to: choice & 2 != 0 };
    Statement::of_response(message, trust).edit(&mut splice, message);
    splice.remove_all(Name::HistoryInfo);
    let mut out = Vec::new();
    splice.write_to(&mut out);
    let passed = Message::parse(&out).expect("a message");
    assert!(passed.fault().is_none(), "{}", out.escape_ascii());
    assert!(trust.from || !passed.has(Name::PAssertedIdentity));
    assert_eq!((passed.body(), passed.has(Name::HistoryInfo)), (message.body(), false));
}
