//! What a phone may write into a REGISTER: no panic; a refusal has a status; what is granted keeps its bounds; and the answer is
//! a message that tells each binding, with an end. RFC 3261 §10.3, RFC 3327 §5.3, RFC 5626 §6, RFC 5627 §5.
//!
//! The headers stand as they would in a message. A line `~~` ends one REGISTER, and the next one begins.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_location::StoredFlow;
use offhook_registrar::gruu::Gruu;
use offhook_registrar::{BindingList, Contacts, Headers, Policy, Registration, decide, write_headers};
use offhook_seal::Ring;
use offhook_sip::{Contact, Message, Name, Transport};

const NOW_MS: u64 = 1_700_000_000_000;

/// Between two of them.
const CUT: &str = "\n~~\n";

/// More repeat what was there.
const REGISTERS_MAX: usize = 4;

fuzz_target!(|input: &[u8]| {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    let mut rest = input;
    while texts.len() < REGISTERS_MAX {
        let end = rest.windows(CUT.len()).position(|w| w == CUT.as_bytes());
        texts.push(request(texts.len() + 1, &rest[..end.unwrap_or(rest.len())]));
        match end {
            Some(end) => rest = &rest[end + CUT.len()..],
            None => break,
        }
    }
    let messages: Vec<_> = texts.iter().filter_map(|text| Message::parse(text).ok()).collect();
    let paths: Vec<Vec<u8>> = messages.iter().map(joined_path).collect();
    let mut bindings = BindingList::new();
    for (message, path) in messages.iter().zip(&paths) {
        if message.check_request().is_ok() {
            register(message, path, &mut bindings);
        }
    }
});

fn request(cseq: usize, headers: &[u8]) -> Vec<u8> {
    let head = format!(
        "REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\n\
         Call-ID: 1\r\nCSeq: {cseq} REGISTER\r\n"
    );
    [head.as_bytes(), headers, b"\r\n\r\n"].concat()
}

fn joined_path(message: &Message<'_>) -> Vec<u8> {
    message.values(Name::Path).collect::<Vec<_>>().join(&b","[..])
}

fn register<'x>(message: &Message<'x>, path: &'x [u8], bindings: &mut BindingList<'x>) {
    let policy = Policy::default();
    let flow = StoredFlow { transport: Transport::Tcp, ..StoredFlow::default() };
    let mut room = Contacts::new();
    let registration = match Registration::read(message, path, flow, &policy, &mut room) {
        Ok(registration) => registration,
        Err(refusal) => return assert!((400..500).contains(&refusal.status())),
    };
    let mut next = bindings.clone();
    match decide(&registration, &mut next, bindings.iter().copied(), (NOW_MS, &policy)) {
        Ok(_) => *bindings = next,
        Err(refusal) => assert!((400..500).contains(&refusal.status())),
    }
    assert!(bindings.len() <= policy.bindings_per_aor_max);
    for binding in &*bindings {
        let left_s = (binding.expires_at_ms - NOW_MS) / 1000;
        assert!((u64::from(policy.expires_min_s)..=u64::from(policy.expires_max_s)).contains(&left_s));
        assert!(binding.q_milli <= 1000 && (binding.reg_id == 0 || !binding.instance.is_empty()));
        let mut of_device = bindings.iter().filter(|other| other.instance == binding.instance);
        assert!(
            of_device.all(|other| other.began_at_ms == binding.began_at_ms),
            "temporary names of one device"
        );
    }
    answer(&registration, bindings);
}

fn answer(registration: &Registration<'_, '_>, bindings: &BindingList<'_>) {
    let gruus = Ring::of_one([5; 32]).seals(0);
    let headers =
        Headers { aor: b"a@b", gruus: &gruus, service_route: "", flow_timer_s: 120, date_line: b"" };
    let mut out = b"SIP/2.0 200 OK\r\n".to_vec();
    write_headers(registration, bindings, &headers, NOW_MS, &mut out);
    out.extend_from_slice(b"\r\n");
    let answer = Message::parse(&out).expect("our own message");
    assert!(answer.fault().is_none(), "{}", out.escape_ascii());
    let told: Vec<_> = answer.contacts().collect();
    assert_eq!(told.len(), bindings.len(), "{}", out.escape_ascii());
    for (told, binding) in told.iter().zip(bindings) {
        let Ok(Contact::Address { name_addr, expires_s, .. }) = told else {
            panic!("no contact: {}", out.escape_ascii());
        };
        assert_eq!(name_addr.uri, binding.contact);
        assert_eq!(expires_s.map(u64::from), Some((binding.expires_at_ms - NOW_MS) / 1000));
        for gruu in [&b"pub-gruu"[..], b"temp-gruu"] {
            let Some(text) = name_addr.params().value(gruu) else { continue };
            let uri = offhook_sip::Uri::parse(text).expect("what we wrote ourselves");
            let mut aor = Vec::new();
            assert!(Gruu::read(&uri, "b", &gruus, &mut aor).is_some() && aor == b"a@b");
        }
    }
}
