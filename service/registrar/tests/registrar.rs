//! What a REGISTER does to the bindings of its address-of-record, as a table of small stories.

use offhook_location::{Binding, StoredFlow};
use offhook_registrar::gruu::{Fit, Gruu};
use offhook_registrar::{BindingList, Contacts, Headers, Policy, Registration, decide, write_headers};
use offhook_seal::{Ring, Seals};
use offhook_sip::{Message, Name, Transport, Uri};

const NOW_MS: u64 = 1_000_000;

/// A phone book of one: REGISTERs go in, bindings stay.
#[derive(Default)]
struct Registrar {
    /// Leaked texts are fine in a test: bindings borrow from requests.
    bindings: BindingList<'static>,
}

impl Registrar {
    /// `lines` are the headers that matter; `call` is "call-id cseq". The answer: status, or the 200's headers.
    fn register(&mut self, call: &str, lines: &str) -> Result<String, u16> {
        self.register_at("sip:b", call, lines)
    }

    /// The same with this Request-URI.
    fn register_at(&mut self, uri: &str, call: &str, lines: &str) -> Result<String, u16> {
        let (call_id, cseq) = call.split_once(' ').expect("call-id and cseq");
        let text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{}\r\n",
            lines.lines().map(|l| format!("{}\r\n", l.trim())).collect::<String>()
        );
        let message = Message::parse(text.leak().as_bytes()).expect("a message");
        let policy = Policy { bindings_per_aor_max: 3, ..Policy::default() };
        let path: Vec<&[u8]> = message.values(Name::Path).collect();
        let path: &[u8] = path.join(&b","[..]).leak();
        let flow = StoredFlow { transport: Transport::Tcp, ..StoredFlow::default() };
        let mut room = Contacts::new();
        let registration =
            Registration::read(&message, path, flow, &policy, &mut room).map_err(|r| r.status())?;
        let mut next = self.bindings.clone();
        let known = self.bindings.iter().copied();
        decide(&registration, &mut next, known, (NOW_MS, &policy)).map_err(|r| r.status())?;
        self.bindings = next;
        let mut out = Vec::new();
        let headers =
            Headers { aor: b"a@b", gruus: &gruus(), service_route: "", flow_timer_s: 120, date_line: b"" };
        write_headers(&registration, &self.bindings, &headers, NOW_MS, &mut out);
        Ok(String::from_utf8(out).expect("ASCII").replace("\r\n", "|"))
    }

    fn contacts(&self) -> Vec<&str> {
        self.bindings.iter().map(|b| std::str::from_utf8(b.contact).expect("ASCII")).collect()
    }
}

/// RFC 3261 §10.2.1: add and refresh; §10.3 step 8: the 200 lists all with what they have left.
#[test]
fn two_devices_register_and_one_refreshes() {
    let mut r = Registrar::default();
    assert_eq!(
        r.register("x 1", "Contact: <sip:a@1.1.1.1>;q=0.5").as_deref(),
        Ok("Contact: <sip:a@1.1.1.1>;q=0.500;expires=3600|")
    );
    r.register("y 1", "Contact: <sip:a@2.2.2.2>;+sip.instance=\"<urn:x>\";expires=90").expect("accepted");
    assert_eq!(
        r.register("x 2", "Contact: <sip:a@1.1.1.1>\nExpires: 120").as_deref(),
        Ok(
            "Contact: <sip:a@1.1.1.1>;expires=120|Contact: <sip:a@2.2.2.2>;+sip.instance=\"<urn:x>\";expires=90|"
        )
    );
}

/// RFC 3261 §10.2.3: no Contact, no change.
#[test]
fn asking_changes_nothing() {
    let mut r = Registrar::default();
    assert_eq!(r.register("x 1", "").as_deref(), Ok(""));
    r.register("x 2", "Contact: <sip:a@1.1.1.1>").expect("accepted");
    assert_eq!(r.register("z 1", "Expires: 0").as_deref(), Ok("Contact: <sip:a@1.1.1.1>;expires=3600|"));
}

/// RFC 3261 §10.2.2: expires 0 removes one, the star removes all; a star with anything else is refused.
#[test]
fn removing_bindings() {
    let mut r = Registrar::default();
    for (call, contact) in
        [("x 1", "<sip:a@1.1.1.1>"), ("y 1", "<sip:a@2.2.2.2>"), ("z 1", "<sip:a@3.3.3.3>")]
    {
        r.register(call, &format!("Contact: {contact}")).expect("accepted");
    }
    r.register("x 2", "Contact: <sip:a@1.1.1.1>;expires=0").expect("accepted");
    assert_eq!(r.contacts(), ["sip:a@2.2.2.2", "sip:a@3.3.3.3"]);
    assert_eq!(r.register("w 1", "Contact: *\nExpires: 5"), Err(400));
    assert_eq!(r.register("w 1", "Contact: *, <sip:a@1.1.1.1>\nExpires: 0"), Err(400));
    assert_eq!(r.register("y 0", "Contact: *\nExpires: 0"), Err(400), "older than what it would remove");
    assert_eq!(r.register("w 1", "Contact: *\nExpires: 0").as_deref(), Ok(""));
}

/// RFC 3261 §10.3 step 7: within one Call-ID the CSeq must grow; the same REGISTER again changes nothing, and
/// another one with its number is refused.
#[test]
fn late_and_repeated_registers() {
    let mut r = Registrar::default();
    r.register("x 5", "Contact: <sip:a@1.1.1.1>;expires=100").expect("accepted");
    assert_eq!(r.register("x 4", "Contact: <sip:a@1.1.1.1>;expires=0"), Err(400));
    assert_eq!(
        r.register("x 5", "Contact: <sip:a@1.1.1.1>;expires=100").as_deref(),
        Ok("Contact: <sip:a@1.1.1.1>;expires=100|")
    );
    for other in [
        "<sip:a@1.1.1.1>;expires=0",
        "<sip:a@1.1.1.1>;expires=200",
        "<sip:a@1.1.1.1>;q=0.1;expires=100",
        "*\nExpires: 0",
    ] {
        assert_eq!(r.register("x 5", &format!("Contact: {other}")), Err(400), "{other}");
    }
    assert_eq!(r.bindings[0].expires_at_ms, NOW_MS + 100_000);
    r.register("other 1", "Contact: <sip:a@1.1.1.1>;expires=200").expect("another Call-ID takes over");
    assert_eq!(r.bindings[0].call_id, b"other");
}

/// RFC 3261 §10.3 step 7 (minimum), §20.19; RFC 3261 §19.1.4 decides which contact is meant.
#[test]
fn lifetimes_and_equal_contacts() {
    let mut r = Registrar::default();
    assert_eq!(r.register("x 1", "Contact: <sip:a@1.1.1.1>;expires=59"), Err(423));
    r.register("x 2", "Contact: <sip:%61@Host.example;transport=udp>;expires=999999999").expect("accepted");
    r.register("x 3", "Contact: <sip:a@host.EXAMPLE;transport=UDP>;expires=1e3").expect("accepted");
    assert_eq!(r.contacts(), ["sip:a@host.EXAMPLE;transport=UDP"]);
}

/// RFC 3261 §10.2.1.1: "Malformed values SHOULD be treated as equivalent to 3600", whatever Expires says; a parameter without
/// a value is none. RFC 3261 §20.10.
#[test]
fn a_malformed_lifetime_is_an_hour() {
    for (params, want) in [(";expires=soon", 3600), (";expires=\"-1\"", 3600), (";expires", 7200), ("", 7200)]
    {
        let mut r = Registrar::default();
        let answer = r.register("x 1", &format!("Contact: <sip:a@1.1.1.1>{params}\nExpires: 7200"));
        let granted = answer.expect("accepted");
        assert!(granted.ends_with(&format!(";expires={want}|")), "{params}: {granted}");
    }
}

/// RFC 3261 §10.3 step 7: all or nothing; and the bound on devices.
#[test]
fn a_refused_register_changes_nothing() {
    let mut r = Registrar::default();
    r.register("x 1", "Contact: <sip:a@1.1.1.1>").expect("accepted");
    assert_eq!(r.register("x 2", "Contact: <sip:a@2.2.2.2>, <mailto:a@b>"), Err(400));
    assert_eq!(r.register("x 3", "Contact: <sip:a@2.2.2.2>, <sip:a@3.3.3.3>, <sip:a@4.4.4.4>"), Err(403));
    assert_eq!(r.contacts(), ["sip:a@1.1.1.1"]);
}

/// RFC 3261 §10.3 step 2; RFC 3327, RFC 5626 and RFC 5627 are known.
#[test]
fn required_extensions() {
    let mut r = Registrar::default();
    assert_eq!(r.register("x 1", "Contact: <sip:a@1.1.1.1>\nRequire: path, teleport"), Err(420));
    assert!(r.register("x 2", "Contact: <sip:a@1.1.1.1>\nRequire: path").is_ok());
}

fn gruus() -> Seals {
    Ring::of_one([5; 32]).seals(0)
}

/// RFC 5626 §6: the same flow of the same instance replaces its binding whatever the contact says.
#[test]
fn a_device_comes_back_with_another_address() {
    let mut r = Registrar::default();
    let contact = |ip: &str, id: u32| format!("Contact: <sip:a@{ip}>;reg-id={id};+sip.instance=\"<urn:x>\"");
    r.register("x 1", &contact("1.1.1.1", 1)).expect("accepted");
    r.register("x 2", &contact("2.2.2.2", 2)).expect("accepted");
    r.register("y 1", &contact("3.3.3.3", 1)).expect("accepted");
    assert_eq!(r.contacts(), ["sip:a@3.3.3.3", "sip:a@2.2.2.2"]);
    assert!(r.bindings.iter().all(|b: &Binding<'_>| b.instance == b"<urn:x>"));
}

const FLOW: &str = "Contact: <sip:a@1.1.1.1>;reg-id=1;+sip.instance=\"<urn:x>\"";

/// RFC 5626 §6: a phone that supports outbound and speaks to us directly is told so, and how often it should speak.
#[test]
fn outbound_is_confirmed() {
    let mut r = Registrar::default();
    let answer = r.register("x 1", &format!("Supported: outbound\n{FLOW}")).expect("accepted");
    assert!(answer.ends_with("Require: outbound|Flow-Timer: 120|"), "{answer}");
    let answer = r.register("x 2", FLOW).expect("accepted");
    assert!(!answer.contains("outbound"), "it did not ask: {answer}");
    let answer = r.register("x 3", "Supported: outbound\nContact: <sip:a@1.1.1.1>").expect("accepted");
    assert!(!answer.contains("outbound"), "no flow: {answer}");
}

/// RFC 5626 §6, §11.6: behind a proxy that keeps no flows outbound is impossible; the phone hears it if it can.
#[test]
fn the_first_hop_must_keep_the_flow() {
    let mut r = Registrar::default();
    for (supported, path, want) in [
        ("outbound, path", "Path: <sip:edge;lr>\n", Err(439)),
        ("outbound, path", "Via: SIP/2.0/UDP edge;branch=z9hG4bKe\n", Err(439)),
        ("outbound, path", "Path: <sip:edge2;lr>, <sip:edge;lr;ob>\n", Ok(1)),
        ("path", "Path: <sip:edge;lr>\n", Ok(0)),
    ] {
        r.bindings.clear();
        let lines = format!("Supported: {supported}\n{path}{FLOW}");
        let answer = r.register("x 1", &lines).map(|_| r.bindings[0].reg_id);
        assert_eq!(answer, want, "{path}");
    }
}

/// RFC 5626 §6: a reg-id without an instance is ignored; two flows in one REGISTER are refused.
#[test]
fn a_flow_is_of_one_device() {
    let mut r = Registrar::default();
    r.register("x 1", "Contact: <sip:a@1.1.1.1>;reg-id=1").expect("accepted");
    assert_eq!(r.bindings[0].reg_id, 0);
    assert_eq!(r.register("x 2", &format!("{FLOW}, <sip:a@2.2.2.2>")), Err(400));
    r.register("x 3", &format!("{FLOW}, <sip:a@1.1.1.1>;expires=0")).expect("one flow, one removal");
}

/// RFC 5626 §6: the Contact of a flow is not compared, so two devices behind NATs may write the same private address.
#[test]
fn two_devices_at_the_same_private_address() {
    let mut r = Registrar::default();
    r.register("x 1", FLOW).expect("accepted");
    r.register("y 1", &FLOW.replace("urn:x", "urn:y")).expect("accepted");
    r.register("z 1", "Contact: <sip:a@1.1.1.1>").expect("accepted");
    assert_eq!(r.contacts().len(), 3);
    r.register("z 2", "Contact: <sip:a@1.1.1.1>;expires=0").expect("accepted");
    assert_eq!(r.contacts().len(), 2, "any Contact can be taken away");
}

/// RFC 3327 §5.3: a Path that the phone does not know is refused with 420; so is one that never ends.
#[test]
fn paths_are_known_and_bounded() {
    let mut r = Registrar::default();
    let contact = "Contact: <sip:a@1.1.1.1>";
    assert_eq!(r.register("x 1", &format!("Path: <sip:edge;lr>\n{contact}")), Err(420));
    let of = |count: usize| {
        format!("Supported: path\nPath: {}<sip:e;lr>\n{contact}", "<sip:e;lr>,".repeat(count - 1))
    };
    assert!(r.register("x 2", &of(16)).expect("accepted").contains("|Path: <sip:e;lr>,<sip:e;lr>"));
    assert_eq!(r.register("x 3", &of(17)), Err(400));
    assert_eq!(r.register("x 4", &of(1000)), Err(400));
    assert_eq!(r.register("x 5", &format!("Supported: path\nPath: <tel:1>\n{contact}")), Err(400));
}

/// RFC 3840 §9: the capabilities of a Contact are kept as they are, within bounds.
#[test]
fn capabilities_are_kept() {
    let mut r = Registrar::default();
    r.register("x 1", "Contact: <sip:a@1.1.1.1>;audio;methods=\"INVITE,BYE\";q=0.3").expect("accepted");
    assert_eq!(r.bindings[0].params, b";audio;methods=\"INVITE,BYE\";q=0.3");
    let long = format!("Contact: <sip:a@1.1.1.1>;x=\"{}\"", "y".repeat(1024));
    assert_eq!(r.register("x 2", &long), Err(413));
}

/// The value of a Contact parameter in an answer.
fn param<'t>(answer: &'t str, name: &str) -> &'t str {
    let (_, rest) =
        answer.split_once(&format!(";{name}=\"")).unwrap_or_else(|| panic!("no {name} in {answer}"));
    rest.split('"').next().unwrap_or_default()
}

/// RFC 5630 §5.2: "This includes the Request-URI and the Contacts and all the Path header fields".
#[test]
fn a_sips_contact_wants_sips_all_the_way() {
    let mut r = Registrar::default();
    let path = |paths: &str| format!("Supported: path\nPath: {paths}\nContact: <sips:a@1.1.1.1>");
    for (uri, lines) in [
        ("sip:b", "Contact: <sips:a@1.1.1.1>"),
        ("sips:b", "Contact: <sip:a@2.2.2.2>\nContact: <SIPS:a@1.1.1.1>"),
        ("sips:b", &path("<sips:e;lr>, <sip:f;lr>")),
    ] {
        assert_eq!(r.register_at(uri, "x 1", lines), Err(400), "{uri} {lines}");
    }
    r.register_at("sips:b", "x 2", &path("<sips:e;lr>, <sips:f;lr>")).expect("accepted");
    // From sips to sip and back: what goes is not bound.
    let back = "Contact: <sip:a@2.2.2.2>\nContact: <sips:a@1.1.1.1>;expires=0";
    r.register_at("sip:b", "x 3", back).expect("accepted");
    assert_eq!(r.contacts(), ["sip:a@2.2.2.2"]);
    r.register_at("sips:b", "x 4", "Contact: <sip:a@2.2.2.2>").expect("a sip Contact at a sips URI");
}

/// RFC 5627 §5.2: who supports GRUUs is told both for each device that has a name; nobody can bring his own (§5.1).
#[test]
fn gruus_are_told_to_who_takes_them() {
    let mut r = Registrar::default();
    let contact = "Contact: <sip:a@1.1.1.1>;pub-gruu=\"sip:evil@b;gr=1\";+sip.instance=\"<urn:uuid:A b>\"";
    let answer = r.register("x 1", contact).expect("accepted");
    assert!(!answer.contains("gruu"), "{answer}");
    let answer = r.register("x 2", &format!("Supported: gruu\n{contact}")).expect("accepted");
    assert_eq!(param(&answer, "pub-gruu"), "sip:a@b;gr=urn:uuid:A%20b");
    assert!(param(&answer, "temp-gruu").starts_with("sip:tgruu.") && !answer.contains("evil"));
    assert!(!answer.contains("Require"), "the option tag stands in no answer");
    let secure = "Supported: gruu\nContact: <sips:a@2.2.2.2>;+sip.instance=\"<urn:z>\"";
    let answer = r.register_at("sips:b", "y 1", secure);
    assert!(answer.expect("accepted").contains("pub-gruu=\"sips:a@b;gr=urn:z\""));
}

/// RFC 5627 §3.1, §5.1 and §5.4: every refresh gets another temporary GRUU and the earlier ones stay good, until the device
/// registers with another Call-ID. They tell nothing about whose they are.
#[test]
fn temporary_gruus() {
    let mut r = Registrar::default();
    let contact = "Supported: gruu\nContact: <sip:a@1.1.1.1>;+sip.instance=\"<urn:x>\"";
    let temporary = |answer: &str| param(answer, "temp-gruu").to_owned();
    let first = temporary(&r.register("x 1", contact).expect("accepted"));
    assert_eq!(first, temporary(&r.register("x 1", contact).expect("a retransmission")));
    let second = temporary(&r.register("x 2", contact).expect("accepted"));
    assert_ne!(first, second);
    let fit = |text: &str, r: &Registrar| {
        let mut aor = Vec::new();
        let uri = Uri::parse(text.as_bytes()).expect("a URI");
        let gruu = Gruu::read(&uri, "b", &gruus(), &mut aor)?;
        assert_eq!(aor, b"a@b");
        Some(gruu.fits(&r.bindings[0]))
    };
    assert_eq!([fit(&first, &r), fit(&second, &r)], [Some(Fit::Yes); 2]);
    assert_eq!(fit("sip:a@b;gr=URN:x", &r), Some(Fit::Yes));
    assert_eq!(fit("sip:a@b;gr=urn:%78", &r), Some(Fit::Yes));
    assert_eq!(fit("sip:a@b;gr=urn:xx", &r), Some(Fit::OtherDevice));
    let third = temporary(&r.register("y 1", contact).expect("the phone has started anew"));
    assert_eq!([fit(&first, &r), fit(&third, &r)], [Some(Fit::Outdated), Some(Fit::Yes)]);
    for at in 10..first.find('@').expect("a domain") {
        let mut forged = first.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(fit(std::str::from_utf8(&forged).expect("ASCII"), &r), None, "letter {at}");
    }
    assert_eq!(fit(&first.replace("@b", "@c"), &r), fit(&first, &r), "the domain is ours to say");
}

/// What of these temporary GRUUs leads anywhere, one letter each: `y` or `n`.
fn valid(r: &Registrar, gruus_given: &[&String]) -> String {
    let is_valid = |text: &&&String| {
        let (mut aor, uri) = (Vec::new(), Uri::parse(text.as_bytes()).expect("a URI"));
        let gruu = Gruu::read(&uri, "b", &gruus(), &mut aor).expect("one of ours");
        r.bindings.iter().any(|binding| gruu.fits(binding) == Fit::Yes)
    };
    gruus_given.iter().map(|text| if is_valid(&text) { 'y' } else { 'n' }).collect()
}

/// RFC 5627 §5.1: "the registrar MUST invalidate all previously generated temporary GRUUs": none comes back with the Call-ID it
/// was given under, not in the same millisecond, not after the contact is gone that was registered in between.
#[test]
fn temporary_gruus_that_are_void_stay_so() {
    let mut r = Registrar::default();
    let register = |r: &mut Registrar, call: &str, more: &str| {
        let contact = format!("Supported: gruu\nContact: <sip:a@{more}>;+sip.instance=\"<urn:x>\"");
        param(&r.register(call, &contact).expect("accepted"), "temp-gruu").to_owned()
    };
    let first = register(&mut r, "x 1", "1.1.1.1");
    let second = register(&mut r, "y 1", "1.1.1.1");
    assert_eq!(valid(&r, &[&first, &second]), "ny");
    let third = register(&mut r, "x 1", "1.1.1.1");
    assert_eq!(valid(&r, &[&first, &second, &third]), "nny", "the earlier Call-ID, counted anew");
    let fourth = register(&mut r, "x 2", "1.1.1.1");
    assert_eq!(valid(&r, &[&first, &third, &fourth]), "nyy", "a refresh");
    let elsewhere = register(&mut r, "z 1", "2.2.2.2");
    assert_eq!(valid(&r, &[&third, &fourth, &elsewhere]), "nny", "a phone that has started anew");
    r.register("z 2", "Contact: <sip:a@2.2.2.2>;+sip.instance=\"<urn:x>\";expires=0").expect("gone");
    assert_eq!(valid(&r, &[&third, &fourth]), "nn", "what it left behind is bound to none of them");
    let fifth = register(&mut r, "x 3", "1.1.1.1");
    assert_eq!(
        valid(&r, &[&third, &fourth, &elsewhere, &fifth]),
        "nnyy",
        "it has only refreshed what is left"
    );
}

/// RFC 5627 §4.2: with several flows temporary GRUUs "remain valid as long as at least one flow is registered"; RFC 5627 §5.1: each
/// flow has its Call-ID, and where one takes another all of the device are void. RFC 5627 §5.2: the newest is told for each.
#[test]
fn temporary_gruus_of_flows() {
    let mut r = Registrar::default();
    let flow = |number: u8| format!("<sip:a@1.1.1.1>;+sip.instance=\"<urn:x>\";reg-id={number}");
    let register = |r: &mut Registrar, call: &str, number: u8| {
        let lines = format!("Supported: gruu, outbound, path\nContact: {}", flow(number));
        param(&r.register(call, &lines).expect("accepted"), "temp-gruu").to_owned()
    };
    let one = register(&mut r, "x 1", 1);
    let two = register(&mut r, "y 1", 2);
    assert_eq!(valid(&r, &[&one, &two]), "yy");
    r.register("x 2", &format!("Supported: outbound, path\nContact: {};expires=0", flow(1))).expect("gone");
    assert_eq!((r.bindings.len(), &*valid(&r, &[&one, &two])), (1, "yy"));
    let again = register(&mut r, "x 3", 1);
    assert_eq!(valid(&r, &[&one, &two, &again]), "yyy", "it had left, the device had not");
    let anew = register(&mut r, "z 1", 1);
    assert_eq!(valid(&r, &[&one, &two, &again, &anew]), "nnny");
}
