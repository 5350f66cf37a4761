//! Caller preferences against the examples of RFC 3841 and the use cases of RFC 4596.

use offhook_proxy::preferences::{Preferences, Standing};
use offhook_sip::{Message, Method, NameAddr, header};

/// Who is called in which order: `u5, u1, u4`; those of one turn are joined by `+`.
fn order(contacts: &[(&str, &str)], headers: &str, method: &str) -> String {
    let text = format!("{method} sip:y@example.com SIP/2.0\r\n{headers}\r\n");
    let message = Message::parse(text.as_bytes()).expect("a request");
    let preferences =
        Preferences::of(&message, Method::from_token(method.as_bytes())).expect("sound preferences");
    let values: Vec<String> = contacts.iter().map(|(_, params)| format!("<sip:u@h>{params}")).collect();
    let mut called: Vec<(u16, u16, &str)> = Vec::new();
    let mut all = Vec::new();
    for ((name, _), value) in contacts.iter().zip(&values) {
        let params = NameAddr::parse(value.as_bytes()).expect("a contact").params();
        let q_milli = params.value(b"q").map_or(1000, |q| header::q_milli(q).expect("a q"));
        all.push((q_milli, 0, *name));
        if let Standing::Wanted(milli) = preferences.judge(params) {
            called.push((q_milli, milli, name));
        }
    }
    if called.is_empty() && preferences.are_implicit() {
        called = all;
    }
    called.sort_by_key(|(q, milli, _)| std::cmp::Reverse((*q, *milli)));
    let turns = called.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1));
    let names = |turn: &[(u16, u16, &str)]| turn.iter().map(|(.., name)| *name).collect::<Vec<_>>().join("+");
    turns.map(names).collect::<Vec<_>>().join(", ")
}

const CONTRIVED: [(&str, &str); 5] = [
    ("u1", ";audio;video;methods=\"INVITE,BYE\";q=0.2"),
    ("u2", ";audio=\"FALSE\";methods=\"INVITE\";actor=\"msg-taker\";q=0.2"),
    ("u3", ";audio;actor=\"msg-taker\";methods=\"INVITE\";video;q=0.3"),
    ("u4", ";audio;methods=\"INVITE,OPTIONS\";q=0.2"),
    ("u5", ";q=0.5"),
];

/// RFC 3841 §7.2.5: the contrived example, and its figures.
#[test]
fn the_contrived_example() {
    let headers = "Reject-Contact: *;actor=\"msg-taker\";video\r\nAccept-Contact: *;audio;require\r\n\
                   Accept-Contact: *;video;explicit, *;methods=\"BYE\";class=\"business\";q=1.0\r\n";
    assert_eq!(order(&CONTRIVED, headers, "INVITE"), "u5, u1, u4");
    let text = format!("INVITE sip:user@example.com SIP/2.0\r\n{headers}\r\n");
    let message = Message::parse(text.as_bytes()).expect("a request");
    let preferences = Preferences::of(&message, Method::Invite).expect("sound preferences");
    let standings = CONTRIVED.map(|(_, params)| {
        let value = format!("<sip:u@h>{params}");
        preferences.judge(NameAddr::parse(value.as_bytes()).expect("a contact").params())
    });
    let [u1, u2, u3, u4, u5] = standings;
    assert_eq!((u1, u4, u5), (Standing::Wanted(833), Standing::Wanted(500), Standing::Wanted(1000)));
    assert_eq!((u2, u3), (Standing::Unwanted, Standing::Unwanted));
}

/// RFC 4596 §3.1, §3.2; RFC 3841 §7.2.2.1, §7.2.4: the method chooses the phone, unless none knows it.
#[test]
fn a_method_is_a_wish() {
    let phone =
        ("y1", ";methods=\"INVITE,ACK,OPTIONS,BYE,CANCEL\";audio;schemes=\"sip\";mobility=\"mobile\"");
    let pager = ("y2", ";methods=\"OPTIONS,MESSAGE\";+sip.message;schemes=\"sip,im\";mobility=\"mobile\"");
    assert_eq!(order(&[phone, pager], "", "INVITE"), "y1");
    assert_eq!(order(&[phone, pager], "", "MESSAGE"), "y2");
    assert_eq!(order(&[phone, pager], "", "OPTIONS"), "y1+y2");
    assert_eq!(order(&[phone], "", "MESSAGE"), "y1", "405 is for the phone to say");
    assert_eq!(order(&[phone, pager], "", "REFER"), "y1+y2");
    // Who says nothing of methods may know them all, and does not wait until the others have given up.
    let silent = ("y3", ";+sip.instance=\"<urn:uuid:1>\"");
    assert_eq!(order(&[phone, pager, silent, ("y4", "")], "", "INVITE"), "y1+y3+y4");
}

/// RFC 4596 §3.3, §3.4; RFC 3841 §7.2.2.2.
#[test]
fn an_event_package_is_a_wish() {
    let phone = ("yi", ";methods=\"INVITE,BYE,OPTIONS,ACK,CANCEL,SUBSCRIBE\";events=\"dialog\";audio");
    let agent = ("yp", ";methods=\"SUBSCRIBE\";events=\"presence\";schemes=\"sip,pres\"");
    assert_eq!(order(&[phone, agent], "Event: presence\r\n", "SUBSCRIBE"), "yp");
    assert_eq!(order(&[phone, agent], "o: dialog;id=7\r\n", "SUBSCRIBE"), "yi");
    assert_eq!(order(&[phone, agent], "", "INVITE"), "yi");
    let vague = ("yi", ";methods=\"INVITE,BYE,OPTIONS,ACK,CANCEL,SUBSCRIBE\";audio");
    assert_eq!(order(&[vague, agent], "Event: presence\r\n", "SUBSCRIBE"), "yp, yi");
}

/// RFC 4596 §3.5 to §3.7: the callee's order stands; only require and explicit together break it.
#[test]
fn video_wished_and_video_required() {
    let methods = ";methods=\"INVITE,BYE,OPTIONS,ACK,CANCEL\";audio;schemes=\"sip,tel\";mobility=\"fixed\"";
    let (audio, video) = (format!("{methods};q=1.0"), format!("{methods};video;q=0.6"));
    let both = [("y1", audio.as_str()), ("y2", video.as_str())];
    assert_eq!(order(&both, "Accept-Contact: *;methods=\"INVITE\";video\r\n", "INVITE"), "y1, y2");
    assert_eq!(order(&both, "Accept-Contact: *;video;require;explicit\r\n", "INVITE"), "y2");
    assert_eq!(order(&both, "a: *;audio;video;require;explicit\r\n", "INVITE"), "y2");
    assert_eq!(order(&both[..1], "a: *;video;require;explicit\r\n", "INVITE"), "");
}

/// RFC 4596 §3.8: the more of the wishes a phone meets, the earlier it rings; RFC 3841 Figure 1, explicit alone.
#[test]
fn the_best_match_rings_first() {
    let both =
        [("y1", ";methods=\"INVITE\";audio"), ("y2", ";methods=\"INVITE,MESSAGE\";audio;+sip.message")];
    assert_eq!(order(&both, "Accept-Contact: *;audio;video;+sip.message\r\n", "INVITE"), "y2, y1");
    let three = [("some", ";audio"), ("all", ";audio;video"), ("none", ";text")];
    assert_eq!(order(&three, "a: *;audio;video\r\n", "INVITE"), "all, some, none");
    assert_eq!(order(&three, "a: *;audio;video;explicit\r\n", "INVITE"), "all, some+none");
    assert_eq!(order(&three, "a: *;audio;video;require\r\n", "INVITE"), "all, some, none");
    assert_eq!(order(&three, "a: *;audio;video;require;explicit\r\n", "INVITE"), "all");
}

/// RFC 4596 §3.9, §3.16: one rule with two values is one or the other; two rules are both.
#[test]
fn languages() {
    let three = [("en", ";language=\"en\""), ("es", ";language=\"es\""), ("both", ";language=\"en,es\"")];
    let one = "Accept-Contact: *;language=\"en,es\";require\r\n";
    let two = "Accept-Contact: *;language=\"en\";require\r\nAccept-Contact: *;language=\"es\";require\r\n";
    assert_eq!(order(&three, one, "INVITE"), "en+es+both");
    assert_eq!(order(&three, two, "INVITE"), "both");
    assert_eq!(order(&three, "a: *;language=\"es\"\r\n", "INVITE"), "es+both, en");
}

/// RFC 4596 §3.14 and RFC 3841 §7.2.4: a phone is rejected for what it says of itself, all of it or nothing.
#[test]
fn whom_the_caller_does_not_want() {
    let three = [
        ("boss", ";actor=\"principal\";q=0.1"),
        ("aide", ";actor=\"attendant\";q=1.0"),
        ("robot", ";actor=\"attendant\";automata;q=0.5"),
    ];
    assert_eq!(order(&three, "", "INVITE"), "aide, robot, boss");
    assert_eq!(order(&three, "j: *;actor=\"attendant\"\r\nReject-Contact: *;automata\r\n", "INVITE"), "boss");
    assert_eq!(order(&three, "j: *;actor=\"attendant\";automata\r\n", "INVITE"), "aide, boss");
    assert_eq!(order(&[("mute", ";audio"), ("plain", "")], "j: *;automata\r\n", "INVITE"), "mute+plain");
}

/// RFC 4596 §3.15, §3.17, §3.18: a contact without features is immune.
#[test]
fn who_says_nothing_is_immune() {
    let moved = [("yy", ";q=1.0"), ("machine", ";automata;q=0.5")];
    assert_eq!(order(&moved, "a: *;mobility=\"mobile\";require;explicit\r\n", "INVITE"), "yy");
    assert_eq!(order(&moved, "a: *;class=\"personal\"\r\n", "INVITE"), "yy, machine");
    let four = [
        ("yy1", ";class=\"business\";q=0.1"),
        ("yy2", ";actor=\"attendant\";q=1.0"),
        ("yy4", ";mobility=\"mobile\";q=0.5"),
    ];
    assert_eq!(order(&four, "a: *;mobility=\"mobile\";require;explicit\r\n", "INVITE"), "yy4");
}

/// A rule without features asks for nothing, and still there are no implicit wishes beside it. RFC 3841 §7.2.2.
#[test]
fn a_rule_that_asks_for_nothing() {
    let both = [("y1", ";methods=\"MESSAGE\""), ("y2", ";audio")];
    assert_eq!(order(&both, "Accept-Contact: *;require;explicit\r\n", "INVITE"), "y1+y2");
    assert_eq!(order(&both, "Accept-Contact: *;q=0.7\r\n", "INVITE"), "y1+y2");
}

/// RFC 3841 §11: too many rules are refused; so is what is against the grammar (§10).
#[test]
fn what_is_refused() {
    let refused = |headers: &str| {
        let text = format!("INVITE sip:y@example.com SIP/2.0\r\n{headers}\r\n");
        let message = Message::parse(text.as_bytes()).expect("a request");
        Preferences::of(&message, Method::Invite).err().map(|refusal| refusal.status())
    };
    assert_eq!(refused(&"Accept-Contact: *;audio\r\n".repeat(20)), None);
    assert_eq!(refused(&"Accept-Contact: *;audio\r\n".repeat(21)), Some(403));
    assert_eq!(refused(&format!("j: *;methods=\"{}\"\r\n", "A,".repeat(100))), Some(403));
    for malformed in ["audio", "*;", "*;audio=\"", "* audio", "<*>;audio", ""] {
        assert_eq!(refused(&format!("Accept-Contact: {malformed}\r\n")), Some(400), "{malformed}");
    }
}
