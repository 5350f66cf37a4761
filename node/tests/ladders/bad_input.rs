//! What no honest phone sends. Nothing of it may stop the exchange, leave anything behind, or pass on to others; a panic
//! inside fails these tests by itself (see `exchange.rs`).

use offhook_journal::EventKind;
use offhook_ladder::Stage;
use offhook_simnet::{Rng, mutation};
use offhook_sip::Transport;

use crate::exchange::{OPEN, Observed, open_ladder, scene};

/// Bytes that are no SIP at all: silence, and the next call goes as ever. RFC 3261 §18.3.
#[test]
fn garbage() {
    let mut stage = stage();
    let long = vec![b'A'; 60_000];
    let pieces: [&[u8]; 13] = [
        b"",
        b"\0",
        b"\r",
        b"\n\n\n\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00\x01\x00\x04\x21\x12\xa4\x42aaaaaaaaaaaa",
        b"\x00\x11\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa",
        b"SIP/2.0",
        b"SIP/2.0 200 OK",
        b"INVITE",
        b" \r\n\r\n",
        &long,
    ];
    for bytes in pieces {
        assert_eq!(answers(&mut stage, bytes), Vec::<String>::new(), "{}", String::from_utf8_lossy(bytes));
    }
    goes_on(stage);
}

/// A STUN Binding request on the SIP port is answered by datagram, and nothing else comes of it. RFC 5626 §3.5.2,
/// RFC 5626 §8.
#[test]
fn a_keep_alive_by_stun() {
    let mut stage = stage();
    let said = answers(&mut stage, b"\x00\x01\x00\x00\x21\x12\xa4\x42aaaaaaaaaaaa");
    assert_eq!(said.len(), 1, "one answer");
    assert!(said[0].starts_with("\u{1}\u{1}\0\u{c}!"), "a Binding success: {said:?}");
    goes_on(stage);
}

/// A message that ends too early, at every byte: whatever is left of it neither breaks anything nor reaches the callee
/// as a request that it was not. RFC 3261 §18.3.
#[test]
fn cut_short() {
    let mut stage = stage();
    let whole = invite("");
    for length in 0..whole.len() {
        answers(&mut stage, &whole.as_bytes()[..length]);
    }
    let received = stage.world().received(stage.phone("bob"));
    assert_eq!(received.iter().filter(|bytes| bytes.starts_with(b"INVITE")).count(), 0);
    goes_on(stage);
}

/// Faults that can be answered are, with words that say which; the rest of the message may be as strange as it likes.
/// RFC 3261 §21.4.1, RFC 3261 §8.2.6.2.
#[test]
fn faults_with_an_answer() {
    let many = "X: y\r\n".repeat(10_000);
    let cases: [(&str, String); 14] = [
        ("400 Wrong Content-Length", invite("Content-Length: 9999\r\n")),
        ("400 Wrong Content-Length", invite("Content-Length: 99999999999999999999\r\n")),
        ("400 Wrong Content-Length", invite("Content-Length: ten\r\n")),
        ("400 More than one", invite("Content-Length: 0\r\nContent-Length: 5\r\n")),
        ("400 Too many headers", invite(&many)),
        ("400 More than one Call-ID", invite("Call-ID: other\r\n")),
        ("400 More than one From", invite("f: <sip:x@y>;tag=1\r\n")),
        ("400 Malformed header line", invite("no colon here\r\n")),
        ("400 Malformed header line", invite(": no name\r\n")),
        ("400 Line without CRLF", invite("X: y\n")),
        ("400 Line without CRLF", invite("X: a\rb\r\n")),
        ("400 CSeq names another method", invite("").replace("1 INVITE", "1 MESSAGE")),
        ("400 Malformed CSeq", invite("").replace("1 INVITE", "4294967296 INVITE")),
        ("505 SIP version not supported", invite("").replacen("SIP/2.0", "SIP/7.0", 1)),
    ];
    let mut stage = stage();
    for (answer, request) in cases {
        let found = answers(&mut stage, request.as_bytes());
        let words = found.first().map_or("", |text| text.lines().next().unwrap_or_default());
        let shown = &request[..request.len().min(600)];
        assert!(found.len() == 1 && words.contains(answer), "{answer}: {found:?} to {shown}");
        assert!(found[0].len() < request.len() + 200, "no amplification");
    }
    goes_on(stage);
}

/// A NUL is a byte like others inside a header that nobody looks at; in one that we must understand it is a fault.
#[test]
fn nul_bytes() {
    let mut stage = stage();
    answers(&mut stage, invite("Subject: a\0b\r\n").as_bytes());
    let copy = last_to(&stage, "bob");
    assert!(copy.starts_with("INVITE") && copy.contains("Subject: a\0b\r\n"), "{copy}");
    let from = invite("").replace("From: <sip:a@b>", "From: <sip:a\0@b>").replace("z9hG4bK-1", "z9hG4bK-2");
    assert!(answers(&mut stage, from.as_bytes()).is_empty() || !last_to(&stage, "bob").contains("a\0@b"));
    stage.world_mut().run_for(200_000);
    goes_on(stage);
}

/// Headers and bodies in no known alphabet pass as they are. RFC 3261 §25.1, RFC 3261 §16.6 step 1.
#[test]
fn binary_headers_and_bodies() {
    let mut stage = stage();
    let mut request = b"MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.12;branch=z9hG4bK-1\r\n\
        From: \"\xff\xfe\xe9\" <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n\
        X-Bytes: \x01\x02\x80\xff\r\n\r\n"
        .to_vec();
    request.extend(0..=255u8);
    answers(&mut stage, &request);
    let received = stage.world().received(stage.phone("bob"));
    let copy = received[received.len() - 1];
    let has = |part: &[u8]| copy.windows(part.len()).any(|window| window == part);
    assert!(has(b"From: \"\xff\xfe\xe9\" <sip:a@b>;tag=1\r\n") && has(b"X-Bytes: \x01\x02\x80\xff\r\n"));
    assert!(copy.ends_with(&(0..=255u8).collect::<Vec<_>>()));
    stage.world_mut().run_for(40_000);
    goes_on(stage);
}

/// Large messages pass as long as our own lines still fit; a request that leaves no room for them is told so, for we could
/// not read our own copy again. RFC 3261 §21.5.7, RFC 3261 §18.1.1.
#[test]
fn the_largest_messages() {
    let of_size = |bytes: usize| {
        let head = invite("").replace("INVITE", "MESSAGE").replace("z9hG4bK-1", &format!("z9hG4bK-{bytes}"));
        let body = "x".repeat(bytes - head.len());
        [head, body].concat()
    };
    let of_lines = |lines: usize| {
        let more = "X: y\r\n".repeat(lines - 6);
        invite(&more).replace("INVITE", "MESSAGE").replace("z9hG4bK-1", &format!("z9hG4bK-{lines}-lines"))
    };
    let mut stage = stage();
    for good in [of_size(61_439), of_lines(184)] {
        assert!(answers(&mut stage, good.as_bytes()).is_empty());
        assert!(last_to(&stage, "bob").len() > good.len());
    }
    for bad in [of_size(61_440), of_size(65_507), of_lines(185), of_lines(200)] {
        let found = answers(&mut stage, bad.as_bytes());
        assert!(found.len() == 1 && found[0].starts_with("SIP/2.0 513"), "{found:?}");
    }
    stage.world_mut().run_for(40_000);
    goes_on(stage);
}

/// A thousand Record-Routes in one line are bytes like others: nobody but the phones reads them, and they pass in request and
/// answer, ours on top, as long as the message is no longer than one may be. RFC 3261 §16.6 step 4, RFC 3261 §20.30.
#[test]
fn record_routes_without_end_in_a_line() {
    let many = format!("Record-Route: {}<sip:192.0.2.50;lr>\r\n", "<sip:192.0.2.50;lr>, ".repeat(999));
    let mut stage = stage();
    assert!(answers(&mut stage, invite(&many).as_bytes()).is_empty());
    let copy = last_to(&stage, "bob");
    let (own, theirs) = (copy.find("Record-Route: <sip:198.51.100.1;lr;oh="), copy.find(&many));
    assert!(own.is_some() && own < theirs, "{}", &copy[..600]);
    bob_answers(&mut stage, &copy, "486 Busy Here", "");
    let answer = last_to(&stage, "alice");
    assert!(answer.starts_with("SIP/2.0 486") && answer.contains(&many), "{}", &answer[..600]);
    answers(&mut stage, invite("").replace("INVITE", "ACK").as_bytes());
    // A line that leaves no room for ours.
    let longer = many.replace("192.0.2.50", &"x".repeat(52));
    let found = answers(&mut stage, invite(&longer).replace("z9hG4bK-1", "z9hG4bK-2").as_bytes());
    assert!(found.len() == 1 && found[0].starts_with("SIP/2.0 513"), "{found:?}");
    stage.world_mut().run_for(40_000);
    goes_on(stage);
}

/// In a thousand lines they are refused, whoever sends them: a request is answered, an answer is no answer, and the caller
/// hears that nobody has answered. RFC 3261 §21.4.1, RFC 3261 §18.1.2, RFC 3261 §17.1.2.2.
#[test]
fn record_routes_without_end_in_lines() {
    let many = "Record-Route: <sip:192.0.2.50;lr>\r\n".repeat(1_000);
    let mut stage = stage();
    let found = answers(&mut stage, invite(&many).as_bytes());
    assert!(found.len() == 1 && found[0].starts_with("SIP/2.0 400 Too many headers\r\n"), "{found:?}");
    assert!(found[0].len() < 600, "they are not repeated");
    assert!(answers(&mut stage, invite("").replace("z9hG4bK-1", "z9hG4bK-2").as_bytes()).is_empty());
    let copy = last_to(&stage, "bob");
    bob_answers(&mut stage, &copy, "200 OK", &many);
    stage.world_mut().run_for(40_000);
    assert!(last_to(&stage, "alice").starts_with("SIP/2.0 408"), "{}", last_to(&stage, "alice"));
    assert_eq!(stage.exchange().count(EventKind::ResponseMalformed), 1, "it has a line");
    goes_on(stage);
}

/// Over a stream: what cannot be cut into messages ends the connection, after an answer where there is enough for one.
/// RFC 3261 §18.3, RFC 3261 §21.5.7.
#[test]
fn unframeable_streams() {
    for bytes in [
        "GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n",
        "\\0\\0\\0\\0",
        "OPTIONS sip:example.com SIP/2.0\\r\\nContent-Length: x\\r\\n\\r\\n",
        "OPTIONS sip:example.com SIP/2.0\\r\\nContent-Length: 70000\\r\\n\\r\\n",
    ] {
        open_ladder(&format!(
            "
        given bob is registered
        alice  -> proxy/tcp        \"{bytes}\"
        alice  <- proxy            close
        "
        ))
        .leaves_nothing();
    }
    // Enough is there to say what is wrong.
    open_ladder(
        "
        given bob is registered
        alice  -> proxy/tcp        OPTIONS bob
            Content-Length: none
        alice  <- proxy            400 Wrong Content-Length
        alice  <- proxy            close
    ",
    )
    .leaves_nothing();
}

/// What says on a stream that it will be too long, or whose head has no end, is answered as what is too long; so is what is longer
/// than the administrator allows. RFC 3261 §21.5.7, RFC 3261 §18.3.
#[test]
fn too_long_for_a_stream() {
    let endless = format!("X: {}", "y".repeat(70_000));
    for header in ["Content-Length: 70000", &endless] {
        open_ladder(&format!(
            "
        alice  -> proxy/tcp        OPTIONS proxy
            {header}
        alice  <- proxy            513 Message Too Large
        alice  <- proxy            close
        "
        ))
        .leaves_nothing();
    }
    let filler = "y".repeat(2_000);
    for transport in ["udp", "tcp"] {
        scene(&format!("{OPEN}[limits]\nmessage_bytes_max = 2000\n"))
            .run(&format!(
                "
        given bob is registered
        alice  -> proxy/{transport}        OPTIONS bob
            X: {filler}
        alice  <- proxy            513 Message Too Large
        alice  -> proxy            OPTIONS proxy #2
        alice  <- proxy            200 #2
        "
            ))
            .leaves_nothing();
    }
}

/// Somebody plays with messages that were good: bits flipped, lines lost, doubled, swapped, tokens grown. Thousands of
/// them, of every kind, from both sides, and the exchange answers the next call as if nothing had been.
#[test]
fn spoilt_messages() {
    for seed in 0..8 {
        let mut stage = scene(OPEN).seed(seed).run(
            "
        given bob is registered
        given mobile is registered as bob
        alice  -> proxy            INVITE bob
                  proxy -> bob     INVITE
                  proxy -> mobile  INVITE
                  proxy <- bob     180
        alice  <- proxy            180
                  proxy <- mobile  486
                  proxy -> mobile  ACK
                  proxy <- bob     200
        alice  <- proxy            200
        alice  -> proxy            ACK
                  proxy -> bob     ACK
        alice  -> proxy            BYE
                  proxy -> bob     BYE
                  proxy <- bob     200
        alice  <- proxy            200
        ",
        );
        let proxy = stage.proxy();
        let entries = stage.world().trace().iter().filter(|entry| entry.to == Some(proxy));
        let originals: Vec<_> =
            entries.filter_map(|entry| Some((entry.from, entry.message()?.to_vec()))).collect();
        let mut rng = Rng::new(seed);
        for _ in 0..400 {
            let (from, original) = &originals[rng.below(originals.len() as u64) as usize];
            let mut bytes = original.clone();
            (0..rng.between(1, 4)).for_each(|_| mutation::any(&mut rng, &mut bytes));
            stage.world_mut().send(*from, Transport::Udp, PROXY.parse().expect("an address"), &bytes);
            stage.world_mut().run_for(rng.between(0, 300));
        }
        // What was begun so ends: Timer C and what follows it.
        stage.world_mut().run_for(400_000);
        assert!(stage.exchange().is_empty(), "seed {seed}");
    }
}

const PROXY: &str = "198.51.100.1:5060";

fn stage() -> Stage {
    open_ladder("given bob is registered\n alice -> proxy OPTIONS proxy\n alice <- proxy 200")
}

/// An INVITE of alice to bob with further header lines.
fn invite(more: &str) -> String {
    format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.12;branch=z9hG4bK-1\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nMax-Forwards: 70\r\n{more}\r\n"
    )
}

/// What alice is answered at once when she sends these bytes.
fn answers(stage: &mut Stage, bytes: &[u8]) -> Vec<String> {
    let (alice, before) = (stage.phone("alice"), stage.world().received(stage.phone("alice")).len());
    stage.world_mut().send(alice, Transport::Udp, PROXY.parse().expect("an address"), bytes);
    stage.world_mut().run_for(1);
    let received = stage.world().received(alice);
    received[before..].iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
}

/// Bob answers the copy of a request that he got.
fn bob_answers(stage: &mut Stage, copy: &str, answer: &str, more: &str) {
    let (_, rest) = copy.split_once("\r\n").expect("a request");
    let text = format!("SIP/2.0 {answer}\r\n{more}{rest}");
    let bob = stage.phone("bob");
    stage.world_mut().send(bob, Transport::Udp, PROXY.parse().expect("an address"), text.as_bytes());
    stage.world_mut().run_for(1);
}

fn last_to(stage: &Stage, phone: &str) -> String {
    let received = stage.world().received(stage.phone(phone));
    String::from_utf8_lossy(received[received.len() - 1]).into_owned()
}

/// After all that the exchange works as before, and nothing is left of what was.
fn goes_on(mut stage: Stage) {
    assert_eq!(stage.exchange().count(EventKind::PanicCaught), 0);
    let (alice, bob) = (stage.phone("alice"), stage.phone("bob"));
    let proxy = PROXY.parse().expect("an address");
    let request = invite("").replace("INVITE", "OPTIONS").replace("z9hG4bK-1", "z9hG4bK-last");
    stage.world_mut().send(alice, Transport::Udp, proxy, request.as_bytes());
    stage.world_mut().run_for(1);
    assert!(last_to(&stage, "bob").starts_with("OPTIONS sip:bob@192.0.2.11"));
    let copy =
        last_to(&stage, "bob").replacen("OPTIONS sip:bob@192.0.2.11:5060 SIP/2.0", "SIP/2.0 200 OK", 1);
    stage.world_mut().send(bob, Transport::Udp, proxy, copy.as_bytes());
    stage.world_mut().run_for(1);
    assert!(last_to(&stage, "alice").starts_with("SIP/2.0 200 OK"));
    stage.world_mut().run_for(80_000);
    assert!(stage.exchange().is_empty());
}
