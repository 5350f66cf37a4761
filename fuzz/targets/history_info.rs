//! History-Info by strangers, in a request and in an answer to its first copy; ours is added to the second copy and to the answer,
//! inside our domains and out of them: no panic; both are messages, what is added is bounded, one line, behind theirs, and reads
//! as entries with an index. RFC 7044 §5, §9.3, §9.4, §10.1.2, §10.3.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_proxy::history::{self, History, How, Leap, Story, Veil};
use offhook_sip::limits::HEADER_LINES_MAX;
use offhook_sip::{Message, Name, NameAddr, Scratch, Splice};

/// What the way over one rule and two copies may add, bytes: with what the first of them has said.
const ADDED_MAX: usize = 3_072;

/// Between the headers of the request and those of the answer.
const BORDER: u8 = 0;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, headers)) = input.split_first() else { return };
    // A request with so many lines that ours find no room is refused before: 513.
    if headers.iter().filter(|&&c| c == b'\n').count() > HEADER_LINES_MAX - 20 {
        return;
    }
    let mut parts = headers.splitn(2, |&c| c == BORDER);
    let asked = [b"INVITE sip:bob@house.example SIP/2.0\r\n", parts.next().unwrap_or_default(), b"\r\n\r\n"];
    let said = [b"SIP/2.0 486 Busy\r\n", parts.next().unwrap_or_default(), b"\r\n\r\n"];
    let (asked, said) = (asked.concat(), said.concat());
    let (Ok(request), Ok(response)) = (Message::parse(&asked), Message::parse(&said)) else { return };
    if request.fault().is_some() || response.fault().is_some() {
        return;
    }
    let way = way(choice, &request, &response);
    copied(choice, &request, way.as_ref());
    if let Some(way) = way {
        let veil = [Veil::None, Veil::Asked, Veil::Targets, Veil::All][usize::from(choice >> 3 & 3)];
        let mut out = Vec::new();
        if way.tell(&response, veil, &mut Scratch::default(), &mut out) {
            let told = Message::parse(&out).expect("an answer is a message");
            assert!(told.fault().is_none() && told.body() == response.body(), "{}", out.escape_ascii());
            assert!(out.len() <= asked.len() + said.len() + ADDED_MAX, "{}", out.escape_ascii());
            let all = told.values(Name::HistoryInfo);
            let ours = entries(all.skip(request.values(Name::HistoryInfo).count()));
            assert!(ours >= usize::from(choice >> 1 & 1), "{}", out.escape_ascii());
        }
    }
});

/// What is known of it after its first copy was refused.
fn way(choice: u8, request: &Message<'_>, response: &Message<'_>) -> Option<History<u8>> {
    let mut history = History::of(request, b"sip:bob@house.example", None)?;
    if choice & 2 != 0 {
        history.note(1, history.steps_to(&path(choice, b"sip:bob@192.0.2.7")));
        let domains = ["house.example".to_owned()];
        history.heard(1, (486, Some(response)), |uri| history::is_of(uri, &domains));
    }
    Some(history)
}

fn path(choice: u8, uri: &[u8]) -> Vec<Leap> {
    let how = [How::Unchanged, How::SameUser, How::OtherUser, How::Unsaid][usize::from(choice >> 6)];
    let mapped = (choice & 1 != 0).then(|| Leap::new(b"sip:carol@house.example", How::OtherUser));
    mapped.into_iter().chain([Leap::new(uri, how)]).collect()
}

fn copied(choice: u8, request: &Message<'_>, way: Option<&History<u8>>) {
    let domains = ["house.example".to_owned()];
    let leaves = choice & 4 != 0;
    let veil = history::veil_of(request, leaves);
    let added = way.map(|way| way.entries_with(&way.steps_to(&path(choice, b"sip:bob@192.0.2.8")), veil));
    let story = Story { entries: &added.unwrap_or_default(), leaves: leaves.then_some(&domains) };
    let mut scratch = Scratch::default();
    let mut splice = Splice::new(request, &mut scratch);
    story.edit(&mut splice, request);
    let mut out = Vec::new();
    splice.write_to(&mut out);
    let copied = Message::parse(&out).expect("a copy is a message");
    assert!(copied.fault().is_none() && copied.body() == request.body(), "{}", out.escape_ascii());
    let lines = |message: &Message<'_>| message.lines_of(Name::HistoryInfo).count();
    assert_eq!(lines(&copied), lines(request) + usize::from(way.is_some()));
    if !leaves {
        assert!(out.len() <= request.whole().len() + ADDED_MAX, "{}", out.escape_ascii());
    }
    let added = copied.values(Name::HistoryInfo).skip(request.values(Name::HistoryInfo).count());
    assert!(way.is_none() || entries(added) >= 1);
}

/// How many there are, each sound.
fn entries<'v>(values: impl Iterator<Item = &'v [u8]>) -> usize {
    let is_sound = |value: &[u8]| {
        let entry = NameAddr::parse(value).expect("an entry");
        let index = entry.params().value(b"index").expect("it has an index");
        assert!(index.iter().all(|c| c.is_ascii_digit() || *c == b'.'), "{}", value.escape_ascii());
    };
    values.map(is_sound).count()
}
