use offhook_sip::{Scratch, Splice};

use super::*;

const RECEIVED: &[u8] = b"sip:bob@house.example";

/// What a copy to the last leap is told, where these copies were sent before: path, status, response.
struct Scene<'x> {
    headers: &'x str,
    before: Vec<(Vec<Leap>, u16, &'x str)>,
    leaves: Option<&'x [String]>,
}

fn scene(headers: &str) -> Scene<'_> {
    Scene { headers, before: Vec::new(), leaves: None }
}

fn leap(uri: &str, how: How) -> Leap {
    Leap::new(uri.as_bytes(), how)
}

fn same(uri: &str) -> Vec<Leap> {
    vec![leap(uri, How::SameUser)]
}

fn request(headers: &str) -> String {
    format!("INVITE sip:bob@house.example SIP/2.0\r\n{headers}\r\n")
}

fn response(status: u16, headers: &str) -> String {
    format!("SIP/2.0 {status} x\r\n{headers}\r\n")
}

/// The headers of a message but its start line.
fn headers_of(text: Vec<u8>) -> String {
    let text = String::from_utf8(text).expect("ASCII");
    text.lines().skip(1).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("|")
}

fn is_ours(uri: &[u8]) -> bool {
    is_of(uri, &["house.example".to_owned()])
}

impl Scene<'_> {
    fn history(&self) -> Option<History<usize>> {
        let text = request(self.headers);
        let message = Message::parse(text.as_bytes()).expect("a message");
        let mut history = History::of(&message, RECEIVED, Some("house.example"))?;
        for (branch, (path, status, headers)) in self.before.iter().enumerate() {
            history.note(branch, history.steps_to(path));
            let text = response(*status, headers);
            let response = Message::parse(text.as_bytes()).expect("a response");
            if *status > 0 {
                history.heard(branch, (*status, Some(&response)), is_ours);
            }
        }
        Some(history)
    }

    fn copy(&self, path: &[Leap]) -> String {
        let text = request(self.headers);
        let message = Message::parse(text.as_bytes()).expect("a message");
        let veil = veil_of(&message, self.leaves.is_some());
        let history = self.history();
        let entries = history.map(|history| history.entries_with(&history.steps_to(path), veil));
        let mut scratch = Scratch::default();
        let mut splice = Splice::new(&message, &mut scratch);
        let story = Story { entries: &entries.unwrap_or_default(), leaves: self.leaves };
        story.edit(&mut splice, &message);
        let mut out = Vec::new();
        splice.write_to(&mut out);
        headers_of(out)
    }

    /// What becomes of a response with these headers.
    fn answer(&self, headers: &str, veil: Veil) -> Option<String> {
        let text = response(486, headers);
        let response = Message::parse(text.as_bytes()).expect("a response");
        let mut out = Vec::new();
        let told = self.history()?.tell(&response, veil, &mut Scratch::default(), &mut out);
        told.then(|| headers_of(out))
    }
}

/// RFC 7044 §9.1, RFC 7044 §9.2, RFC 7044 §10.3 rule 1: what was dialled, then where it goes.
#[test]
fn a_first_entry() {
    for (how, from) in
        [(How::Unchanged, ";np=1"), (How::SameUser, ";rc=1"), (How::OtherUser, ";mp=1"), (How::Unsaid, "")]
    {
        assert_eq!(
            scene("").copy(&[leap("sip:bob@192.0.2.4", how)]),
            format!("History-Info: <sip:bob@house.example>;index=1, <sip:bob@192.0.2.4>;index=1.1{from}")
        );
    }
}

/// RFC 7044 §10.3 rules 1 and 6: an entry that is there is continued, one that is missing is counted as 0.
#[test]
fn further_entries() {
    for (came, goes) in [
        ("<sip:bob@house.example>;index=1.2", "<sip:b@c>;index=1.2.1;rc=1.2"),
        (
            "<sip:x@y>;index=1, <sip:bob@house.example?Reason=SIP>;index=1.1;rc=1",
            "<sip:b@c>;index=1.1.1;rc=1.1",
        ),
        ("<sip:x@y>;index=1", "<sip:bob@house.example>;index=1.0, <sip:b@c>;index=1.0.1;rc=1.0"),
    ] {
        let came = format!("History-Info: {came}");
        let told = scene(&format!("{came}\r\nSubject: last\r\n")).copy(&same("sip:b@c"));
        assert_eq!(told, format!("{came}|History-Info: {goes}|Subject: last"));
    }
}

/// RFC 7044 §9.1, RFC 3261 §19.1.6: a number becomes a SIP URI, and one that became one of another house is known again.
#[test]
fn telephone_numbers() {
    for (came, received, goes) in [
        ("", "tel:+1-(555).7;Ext=3", "<sip:+15557;ext=3@house.example;user=phone>;index=1"),
        ("<sip:+1555@far.example;user=phone>;index=1", "tel:+1-555", ""),
        (
            "<sip:+1556@far.example;user=phone>;index=1",
            "tel:+1-555",
            "<sip:+1555@house.example;user=phone>;index=1.0",
        ),
        ("<tel:+1-555>;index=1", "tel:+1-555", ""),
    ] {
        let headers = if came.is_empty() { String::new() } else { format!("History-Info: {came}\r\n") };
        let text = request(&headers);
        let message = Message::parse(text.as_bytes()).expect("a message");
        let history =
            History::<usize>::of(&message, received.as_bytes(), Some("house.example")).expect("a way");
        let entries = history.entries_with(&[], Veil::None);
        assert_eq!(String::from_utf8(entries).expect("ASCII"), goes, "{received} after {came:?}");
    }
    let text = request("");
    let message = Message::parse(text.as_bytes()).expect("a message");
    let nowhere = History::<usize>::of(&message, b"tel:+1-555", None).expect("a way");
    assert_eq!(nowhere.entries_with(&[], Veil::None), b"<tel:+1-555>;index=1");
}

/// RFC 7044 §9.3, RFC 7044 §10.2, RFC 7044 §10.3 rule 5: branches are counted; those that were refused say so, those that
/// ring do not, those that are silent are not there.
#[test]
fn branches_before() {
    let before = vec![
        (same("sip:1@c"), 486, ""),
        (same("sip:2@c"), 0, ""),
        (same("tel:+3"), 408, ""),
        (same("sip:4@c"), 180, ""),
    ];
    assert_eq!(
        Scene { before, ..scene("") }.copy(&same("sip:5@c")),
        "History-Info: <sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1, \
         <sip:+3@house.example;user=phone?Reason=SIP%3Bcause%3D408>;index=1.3;rc=1, <sip:4@c>;index=1.4;rc=1, <sip:5@c>;index=1.5;rc=1"
    );
}

/// RFC 7044 §7, RFC 7044 §10.3 rules 2 and 3: a user that a rule made of the number has an entry of his own, once.
#[test]
fn a_user_in_between() {
    let path = |uri| vec![leap("sip:desk@house.example", How::OtherUser), leap(uri, How::SameUser)];
    assert_eq!(
        Scene { before: vec![(path("sip:1@c"), 480, "")], ..scene("") }.copy(&path("sip:2@c")),
        "History-Info: <sip:bob@house.example>;index=1, <sip:desk@house.example>;index=1.1;mp=1, \
         <sip:1@c?Reason=SIP%3Bcause%3D480>;index=1.2;rc=1.1, <sip:2@c>;index=1.3;rc=1.1"
    );
}

/// RFC 7044 §10.4, RFC 7044 §10.3 rule 4: how a redirection came about is for the redirecting server to say; the parameter of
/// the Contact is that of the entry, and where there is none the entry has none. `np` says nothing here.
#[test]
fn contacts_that_are_followed() {
    for (params, entry) in [
        (";rc=1.1", ";index=1.2;rc=1.1"),
        (";q=0.5;mp=1.1.1", ";index=1.2;mp=1.1.1"),
        (";mp=1..1", ";index=1.2"),
        (";np=1.1", ";index=1.2"),
        ("", ";index=1.2"),
    ] {
        let contact = Leap::to_contact(b"sip:carol@house.example", Params::new(params.as_bytes()));
        let before = vec![(same("sip:1@c"), 302, "")];
        assert_eq!(
            Scene { before, ..scene("") }.copy(&[contact, leap("sip:2@c", How::SameUser)]),
            format!(
                "History-Info: <sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1, \
                 <sip:carol@house.example>{entry}, <sip:2@c>;index=1.3;rc=1.2"
            )
        );
    }
}

/// RFC 7044 §9.3 step 3: what was done behind a branch is told to the next one, in the order of the tree; what is no part of that
/// branch is not.
#[test]
fn entries_that_came_back() {
    let said = "History-Info: <sip:bob@house.example>;index=1, <sip:1@c>;index=1.1;rc=1, <sip:x@d>;index=1.1.10;rc=1.1\r\n\
                History-Info: <sip:y@d?Reason=SIP%3Bcause%3D480>;index=1.1.2;mp=1.1, <sip:z@e>;index=1.10, <sip:?>, x\r\n";
    let before =
        vec![(same("sip:1@c"), 486, said), (same("sip:2@c"), 180, "History-Info: <sip:v@f>;index=1.2.1\r\n")];
    let mut scene = Scene { before, ..scene("") };
    let told = "History-Info: <sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1, \
         <sip:y@d?Reason=SIP%3Bcause%3D480>;index=1.1.2;mp=1.1, <sip:x@d>;index=1.1.10;rc=1.1, \
         <sip:2@c>;index=1.2;rc=1, <sip:v@f>;index=1.2.1, <sip:3@c>;index=1.3;rc=1";
    assert_eq!(scene.copy(&same("sip:3@c")), told);
    let much = format!("History-Info: <sip:{}@d>;index=1.1.1\r\n", "1".repeat(3_000));
    scene.before[0].2 = &much;
    assert!(scene.copy(&same("sip:3@c")).len() < 300, "one branch does not fill the message");
}

/// A branch says more each time it is heard: RFC 7044 §9.3.
#[test]
fn the_last_word_counts() {
    let mut history = scene("Supported: histinfo\r\n").history().expect("a history");
    history.note(1, history.steps_to(&same("sip:1@c")));
    for (status, entry) in
        [(180, "<sip:x@d>;index=1.1.1"), (486, "<sip:x@d?Reason=SIP%3Bcause%3D486>;index=1.1.1")]
    {
        let text = response(status, &format!("History-Info: {entry}\r\n"));
        history.heard(1, (status, Message::parse(text.as_bytes()).ok().as_ref()), is_ours);
    }
    history.hand_on(1, 2);
    history.heard(1, (404, None), is_ours);
    history.heard(2, (408, None), is_ours);
    assert_eq!(
        String::from_utf8(history.entries_with(&[], Veil::None)).expect("ASCII"),
        "<sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D408>;index=1.1;rc=1, \
         <sip:x@d?Reason=SIP%3Bcause%3D486>;index=1.1.1"
    );
}

/// RFC 7044 §10.2: further reasons of a refusal stand behind its status, escaped (RFC 3261 §19.1.1); what is too long is left
/// out.
#[test]
fn reasons_of_others() {
    let long = format!("Reason: X;text=\"{}\"\r\n", "a".repeat(400));
    let said = format!(
        "Reason: SIP ;cause=486, Q.850;cause=17;text=\"User busy\"\r\n{long}Reason: SIP;cause=600\r\n"
    );
    let before = vec![(same("sip:1@c"), 486, &*said)];
    assert_eq!(
        Scene { before, ..scene("") }.copy(&same("sip:2@c")),
        "History-Info: <sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D486\
         &Reason=Q.850%3Bcause%3D17%3Btext%3D%22User%20busy%22&Reason=SIP%3Bcause%3D600>;index=1.1;rc=1, \
         <sip:2@c>;index=1.2;rc=1"
    );
}

/// RFC 7044 §9.4: all that is known by now, in the place of what the callee says; nothing for who has not asked.
#[test]
fn answers() {
    let before = || vec![(same("sip:1@c"), 480, ""), (same("sip:2@c"), 486, ""), (same("sip:3@c"), 0, "")];
    let asks = "History-Info: <sip:x@y>;index=1\r\nHistory-Info: <sip:bob@house.example>;index=1.1\r\nSupported: x\r\n";
    let came = asks.trim_end().trim_end_matches("Supported: x").trim_end().replace("\r\n", "|");
    let told = Scene { before: before(), ..scene(asks) }
        .answer("Via: v\r\nHistory-Info: <sip:z@c>;index=1\r\nl: 0\r\n", Veil::None);
    assert_eq!(
        told.expect("told"),
        format!(
            "Via: v|l: 0|{came}|History-Info: <sip:1@c?Reason=SIP%3Bcause%3D480>;index=1.1.1;rc=1.1, \
             <sip:2@c?Reason=SIP%3Bcause%3D486>;index=1.1.2;rc=1.1"
        )
    );
    let supports = Scene { before: before(), ..scene("k: 100rel, histinfo\r\n") };
    assert!(
        supports
            .answer("", Veil::None)
            .is_some_and(|told| told.contains("<sip:bob@house.example>;index=1, "))
    );
    assert_eq!(Scene { before: before(), ..scene("") }.answer("", Veil::None), None);
}

/// RFC 7044 §10.1.1, RFC 7044 §10.1.2: outside nothing is seen of what caller, callee or the house itself keep private.
#[test]
fn answers_that_leave() {
    let hidden = "<sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1";
    let taken = "<sip:x@house.example?Privacy=history>;index=1.1.1, <sip:y@d>;index=1.1.2";
    let said = format!("History-Info: {taken}\r\n");
    let private = format!("History-Info: <sip:1@c?Privacy=history>;index=1.1;rc=1, {taken}\r\n");
    let scene = |headers, said| Scene { before: vec![(same("sip:1@c"), 486, said)], ..scene(headers) };
    let open = scene("k: histinfo\r\n", &said);
    let told = |scene: &Scene<'_>, headers, veil| scene.answer(headers, veil).expect("told");
    assert_eq!(
        told(&open, "", Veil::None),
        format!(
            "History-Info: <sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1, {taken}"
        )
    );
    let gone = "<sip:anonymous@anonymous.invalid>;index=1.1.1, <sip:y@d>;index=1.1.2";
    assert_eq!(
        told(&open, "Privacy: history\r\n", Veil::Asked),
        format!("History-Info: <sip:anonymous@anonymous.invalid>;index=1, {hidden}, {gone}")
    );
    assert!(
        told(&open, "", Veil::Asked)
            .contains(&format!("<sip:1@c?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1, {gone}"))
    );
    let strangers = format!("History-Info: <sip:bob@house.example>;index=1, {hidden}, {gone}");
    assert_eq!(told(&open, "", Veil::Targets), strangers);
    assert_eq!(told(&scene("k: histinfo\r\n", &private), "", Veil::Asked), strangers);
    let inside = told(&scene("k: histinfo\r\n", &private), "", Veil::None);
    assert!(inside.contains("<sip:1@c?Privacy=history&Reason=SIP%3Bcause%3D486>;index=1.1"), "{inside}");
    let wished = told(&scene("k: histinfo\r\nPrivacy: history\r\n", &said), "", Veil::Asked);
    assert!(wished.starts_with("History-Info: <sip:anonymous@anonymous.invalid>;index=1, "), "{wished}");
}

/// RFC 7044 §8: contacts of our own redirections say how they came about, where the entries are seen.
#[test]
fn marks() {
    for (headers, expected) in [
        ("k: histinfo\r\n", ";mp=1"),
        ("History-Info: <sip:bob@house.example>;index=1.2\r\n", ";mp=1.2"),
        ("History-Info: <sip:x@y>;index=1.2\r\n", ";mp=1.2.0"),
        ("", ""),
    ] {
        let mut mark = Vec::new();
        scene(headers).history().expect("a history").write_mark(How::OtherUser, &mut mark);
        assert_eq!(String::from_utf8(mark).expect("ASCII"), expected);
    }
}

/// RFC 7044 §10.1.2: what leaves our domains is anonymous where that is wished, for all or for one.
#[test]
fn privacy_at_the_border() {
    let domains = ["house.example".to_owned()];
    let goes = [leap("sip:+1@provider.example", How::OtherUser)];
    let leaves = |headers: &str| Scene { leaves: Some(&domains), ..scene(headers) }.copy(&goes);
    let came = "History-Info: <sip:a@other.example>;index=1, <sip:bob@HOUSE.example>;index=1.1\r\n";
    let anonymous = "<sip:anonymous@anonymous.invalid>";
    assert_eq!(
        leaves(&format!("{came}Privacy: history\r\n")),
        format!(
            "History-Info: <sip:a@other.example>;index=1, {anonymous};index=1.1|\
             History-Info: {anonymous};index=1.1.0, {anonymous};index=1.1.0.1;mp=1.1.0"
        )
    );
    assert_eq!(leaves("Privacy: id;history;critical\r\n").split('|').next(), Some("Privacy: id;critical"));
    let one = "History-Info: <sip:x@house.example?Privacy=history&Reason=SIP%3Bcause%3D302>;index=1\r\n";
    let told = leaves(one);
    let hidden = "History-Info: <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D302>;index=1|";
    assert!(told.starts_with(hidden) && told.contains("<sip:bob@house.example>;index=1.0"), "{told}");
    assert!(scene(one).copy(&goes).starts_with("History-Info: <sip:x@house.example?Privacy=history"));
}

/// What is too long, too much or no entry goes on as it came, and so do its answers.
#[test]
fn what_is_not_continued() {
    for came in [
        vec!["<sip:a@b>;index=1"; ENTRIES_MAX + 1].join(", "),
        "<sip:a@b>".to_owned(),
        "<sip:a@b>;index=1..2".to_owned(),
        format!("<sip:a@b>;index={}", "1.".repeat(30) + "1"),
        "?".to_owned(),
    ] {
        let came = format!("History-Info: {came}");
        let headers = format!("{came}\r\n");
        assert_eq!(scene(&headers).copy(&same("sip:b@c")), came);
        assert_eq!(scene(&headers).answer("", Veil::None), None);
    }
    let before = (0..100).map(|_| (same(&format!("sip:{}@c", "1".repeat(200))), 486, "")).collect();
    let many = Scene { before, ..scene("") };
    assert!(many.copy(&same("sip:b@c")).len() < ADDED_BYTES_MAX + 500);
    assert_eq!(many.history().map(|history| history.steps.len()), Some(ENTRIES_MAX));
}

/// RFC 7044 §9.4.
#[test]
fn who_wants_it_back() {
    for (headers, wanted) in
        [("", false), ("Supported: histinfo\r\n", true), ("History-Info: <sip:a@b>;index=1\r\n", true)]
    {
        let text = format!("INVITE sip:b SIP/2.0\r\n{headers}\r\n");
        assert_eq!(is_wanted(&Message::parse(text.as_bytes()).expect("a message")), wanted, "{headers}");
    }
}
