//! Privacy and what it hides, by strangers: no panic; `none` hides nothing, wishes that cannot be granted are refused only if
//! they are critical, and a granted `history` is wished no more. RFC 3323 §4.2, §5, RFC 7044 §10.1.2.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::history::{self, History, How, Leap, Story};
use offhook_proxy::privacy::Privacy;
use offhook_sip::limits::HEADER_LINES_MAX;
use offhook_sip::{Message, Name, Scratch, Splice};

fuzz_target!(|input: &[u8]| {
    // A request with so many lines that ours find no room is refused before: 513.
    if input.iter().filter(|&&c| c == b'\n').count() > HEADER_LINES_MAX - 20 {
        return;
    }
    let mut text =
        b"INVITE sip:bob@house.example SIP/2.0\r\nHistory-Info: <sip:x@house.example>;index=1\r\n".to_vec();
    for value in input.split(|&c| c == b'\n') {
        text.extend_from_slice(&[b"Privacy: ", value, b"\r\n"].concat());
    }
    text.extend_from_slice(b"\r\n");
    let Ok(message) = Message::parse(&text) else { return };
    if message.fault().is_some() {
        return;
    }
    let privacy = Privacy::of(&message);
    if privacy.hides_nothing() {
        assert!(!privacy.hides_identity() && !privacy.hides_history() && privacy.is_granted());
    }
    match privacy.check() {
        Ok(()) => {}
        Err(refusal) => assert!(refusal.status() == 500 && !privacy.is_granted()),
    }
    let domains = ["house.example".to_owned()];
    let way = History::<u8>::of(&message, b"sip:bob@house.example", None).expect("one sound entry");
    let steps = way.steps_to(&[Leap::new(b"sip:bob@192.0.2.8", How::SameUser)]);
    let entries = way.entries_with(&steps, history::veil_of(&message, true));
    let story = Story { entries: &entries, leaves: Some(&domains) };
    let mut scratch = Scratch::default();
    let mut splice = Splice::new(&message, &mut scratch);
    story.edit(&mut splice, &message);
    let mut out = Vec::new();
    splice.write_to(&mut out);
    let copied = Message::parse(&out).expect("a copy is a message");
    assert!(copied.fault().is_none(), "{}", out.escape_ascii());
    if privacy.hides_history() {
        let shown =
            copied.values(Name::HistoryInfo).any(|entry| entry.windows(16).any(|w| w == b"sip:bob@192.0.2."));
        assert!(!shown, "{}", out.escape_ascii());
        let wishes = copied.lines_of(Name::Privacy).map(|line| copied.line_value(line));
        let left = wishes.flat_map(|wishes| wishes.split(|c| matches!(c, b';' | b',')));
        assert!(!left.map(offhook_sip::trim).any(|wish| wish.eq_ignore_ascii_case(b"history")));
    }
    // What was granted is not wished again, so a second hop has nothing new to hide.
    assert!(!Privacy::of(&copied).hides_history() || privacy.hides_history());
});
