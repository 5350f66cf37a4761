//! History-Info by strangers, to which ours is added, inside our domains and out of them: no panic; the copy is a message, what
//! is added is bounded, one line, behind theirs, and reads as entries with an index that begins as their last one does.
//! RFC 7044 §5, §10.1.2, §10.3.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::history::{How, Mapped, Past, Story};
use offhook_sip::limits::HEADER_LINES_MAX;
use offhook_sip::{Message, Name, NameAddr, Scratch, Splice};

/// What a story of one rule and two copies may add, bytes.
const ADDED_MAX: usize = 2_048;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, headers)) = input.split_first() else { return };
    // A request with so many lines that ours find no room is refused before: 513.
    if headers.iter().filter(|&&c| c == b'\n').count() > HEADER_LINES_MAX - 20 {
        return;
    }
    let text = [b"INVITE sip:bob@house.example SIP/2.0\r\n", headers, b"\r\n\r\n"].concat();
    let Ok(message) = Message::parse(&text) else { return };
    if message.fault().is_some() {
        return;
    }
    let domains = ["house.example".to_owned()];
    let past = [
        Past { uri: (*b"sip:bob@192.0.2.7").into(), how: How::SameUser, status: 486 },
        Past { uri: (*b"tel:+4930").into(), how: How::OtherUser, status: 302 },
    ];
    let mapped = Mapped { uri: b"sip:carol@house.example".to_vec(), how: How::OtherUser };
    let story = Story {
        received: b"sip:bob@house.example",
        mapped: (choice & 1 != 0).then_some(&mapped),
        uri: b"sip:bob@192.0.2.8",
        how: [How::Unchanged, How::SameUser, How::OtherUser, How::Unsaid][usize::from(choice >> 6)],
        past: if choice & 2 != 0 { &past } else { &[] },
        leaves: (choice & 4 != 0).then_some(&domains),
    };
    let mut scratch = Scratch::default();
    let mut splice = Splice::new(&message, &mut scratch);
    story.edit(&mut splice, &message);
    let mut out = Vec::new();
    splice.write_to(&mut out);
    let copied = Message::parse(&out).expect("a copy is a message");
    assert!(copied.fault().is_none() && copied.body() == message.body(), "{}", out.escape_ascii());
    let (before, after) =
        (message.lines_of(Name::HistoryInfo).count(), copied.lines_of(Name::HistoryInfo).count());
    assert!(after == before || after == before + 1);
    if choice & 4 == 0 {
        assert!(out.len() <= text.len() + ADDED_MAX);
    }
    if after == before + 1 {
        let added = copied.values(Name::HistoryInfo).skip(message.values(Name::HistoryInfo).count());
        let mut count = 0;
        for value in added {
            let entry = NameAddr::parse(value).expect("an entry");
            let index = entry.params().value(b"index").expect("it has an index");
            assert!(index.iter().all(|c| c.is_ascii_digit() || *c == b'.'), "{}", out.escape_ascii());
            count += 1;
        }
        assert!((1..=5).contains(&count));
    }
});
