//! What a REGISTER does to the bindings of its address-of-record, as a table of small stories.

use offhook_location::{Binding, StoredFlow};
use offhook_registrar::{BindingList, Policy, Registration, decide, write_headers};
use offhook_sip::Message;

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
        let (call_id, cseq) = call.split_once(' ').expect("call-id and cseq");
        let text = format!(
            "REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\n{}\r\n",
            lines.lines().map(|l| format!("{}\r\n", l.trim())).collect::<String>()
        );
        let message = Message::parse(text.leak().as_bytes()).expect("a message");
        let policy = Policy { bindings_per_aor_max: 3, ..Policy::default() };
        let registration =
            Registration::read(&message, b"", StoredFlow::default(), &policy).map_err(|r| r.status())?;
        let mut next = self.bindings.clone();
        decide(&registration, &mut next, NOW_MS, &policy).map_err(|r| r.status())?;
        self.bindings = next;
        let mut out = Vec::new();
        write_headers(&self.bindings, b"", NOW_MS, &mut out);
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

/// RFC 3261 §10.3 step 7: within one Call-ID the CSeq must grow; the same REGISTER again changes nothing.
#[test]
fn late_and_repeated_registers() {
    let mut r = Registrar::default();
    r.register("x 5", "Contact: <sip:a@1.1.1.1>;expires=100").expect("accepted");
    assert_eq!(r.register("x 4", "Contact: <sip:a@1.1.1.1>;expires=0"), Err(400));
    assert_eq!(
        r.register("x 5", "Contact: <sip:a@1.1.1.1>;expires=100").as_deref(),
        Ok("Contact: <sip:a@1.1.1.1>;expires=100|")
    );
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

/// RFC 3261 §10.3 step 7: all or nothing; and the bound on devices.
#[test]
fn a_refused_register_changes_nothing() {
    let mut r = Registrar::default();
    r.register("x 1", "Contact: <sip:a@1.1.1.1>").expect("accepted");
    assert_eq!(r.register("x 2", "Contact: <sip:a@2.2.2.2>, <mailto:a@b>"), Err(400));
    assert_eq!(r.register("x 3", "Contact: <sip:a@2.2.2.2>, <sip:a@3.3.3.3>, <sip:a@4.4.4.4>"), Err(403));
    assert_eq!(r.contacts(), ["sip:a@1.1.1.1"]);
}

/// RFC 3261 §10.3 step 2; RFC 3327 §5.3 makes `path` known.
#[test]
fn required_extensions() {
    let mut r = Registrar::default();
    assert_eq!(r.register("x 1", "Contact: <sip:a@1.1.1.1>\nRequire: path, gruu"), Err(420));
    assert!(r.register("x 2", "Contact: <sip:a@1.1.1.1>\nRequire: path").is_ok());
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
