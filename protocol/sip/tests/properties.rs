//! What must hold for any input, tried with many.

mod touch;

use offhook_sip::stream::{Frame, frame};
use offhook_sip::{Date, Message, NameAddr, Uri};
use proptest::collection::vec;
use proptest::prelude::*;

/// What messages are made of: put together at random, they reach further than random bytes.
const PIECES: &[&str] = &[
    "INVITE sip:bob@example.com SIP/2.0\r\n",
    "REGISTER sips:example.com;transport=tcp SIP/2.0\r\n",
    "SIP/2.0 200 OK\r\n",
    "SIP/2.0 404 ",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1;rport\r\n",
    "v: SIP/2.0/TLS [2001:db8::1]:5061;received=1.2.3.4, SIP / 2.0 / TCP h ; branch=\"x\"\r\n",
    "From: \"A \\\" B\" <sip:a@b>;tag=1\r\n",
    "t: sip:a@b;tag=2\r\n",
    "To: <tel:+1-201>\r\n",
    "Call-ID: 1@x\r\n",
    "i:x\r\n",
    "CSeq: 1 INVITE\r\n",
    "CSeq: 2147483648 BYE\r\n",
    "Max-Forwards: 70\r\n",
    "Contact: *\r\n",
    "m: <sip:a@b?x=y>;q=0.5;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=1, sip:c@d\r\n",
    "Route: <sip:p;lr>,\r\n <sip:q;%6Cr>\r\n",
    "Require: a, b\r\nSupported:\r\n",
    "Expires: 99999999999\r\n",
    "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\n",
    "Content-Length: 5\r\n",
    "l: 0\r\n",
    "\r\n",
    "\r\nhello",
    "\r\n\r\n",
    "\n",
    "\r",
    " ",
    ":",
    ";",
    ",",
    "\"",
    "<",
    ">",
    "\\",
    "%4",
    "\0",
    "\u{e9}",
];

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(PIECES).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// A whole request with one piece put in somewhere.
fn nearly_right() -> impl Strategy<Value = Vec<u8>> {
    let right =
        b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
        From: \"A\" <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\n\
        Contact: <sip:a@192.0.2.1>\r\nRoute: <sip:p;lr>\r\nContent-Length: 5\r\n\r\nhello";
    (0..right.len(), 0usize..4, pieces()).prop_map(|(at, skip, piece)| {
        let behind = right.get(at + skip..).unwrap_or_default();
        [&right[..at], piece.get(..piece.len().min(40)).unwrap_or_default(), behind].concat()
    })
}

/// Whole messages with Content-Length, keep-alives between them.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let message = (any::<bool>(), vec(any::<u8>(), 0..30)).prop_map(|(short, body)| {
        let name = if short { "l" } else { "Content-Length" };
        let head = format!("MESSAGE sip:a@b SIP/2.0\r\n{name}: {}\r\nX: y\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    let keep_alive = prop::sample::select(vec![&b"\r\n"[..], b"\r\n\r\n"]).prop_map(<[u8]>::to_vec);
    vec(prop_oneof![3 => message, 1 => keep_alive], 0..8).prop_map(|parts| parts.concat())
}

/// The messages of a stream that arrives in these chunks; what is left at the end must be incomplete.
fn framed(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let (mut buffer, mut found) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        loop {
            let taken = match frame(&buffer) {
                Frame::Ping(len) | Frame::Pong(len) => len,
                Frame::Message(len) => {
                    found.push(buffer[..len].to_vec());
                    len
                }
                Frame::Incomplete => break,
                Frame::Unframeable(reason) => panic!("{reason:?}"),
            };
            buffer.drain(..taken);
        }
    }
    assert_eq!(buffer, b"");
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// RFC 3261 §7, §16.6, §8.2.6: no bytes make the parser panic or leave changed; what passes can be answered.
    #[test]
    fn any_bytes_can_be_asked_anything(bytes in prop_oneof![vec(any::<u8>(), 0..200), pieces(), nearly_right()]) {
        touch::message(&bytes);
        touch::via(&bytes);
        touch::name_addr(&bytes);
        touch::contact(&bytes);
        touch::uri_of(&bytes);
        touch::features(&bytes, b";audio;methods=\"INVITE\"");
        let _ = frame(&bytes);
    }

    /// RFC 3261 §18.3: how a stream is cut changes nothing.
    #[test]
    fn cuts_of_a_stream_do_not_matter(stream in stream(), cuts in vec(any::<prop::sample::Index>(), 0..6)) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        let mut chunks = Vec::new();
        let mut at = 0;
        for cut in cuts.into_iter().chain([stream.len()]) {
            chunks.push(&stream[at..cut]);
            at = cut;
        }
        let whole = framed(&[&stream]);
        prop_assert_eq!(framed(&chunks), whole.clone());
        prop_assert!(whole.iter().all(|message| Message::parse(message).is_ok_and(|m| m.fault().is_none())));
    }

    /// RFC 3261 §19.1.4: equality holds from both sides, for escaped and plain characters alike.
    #[test]
    fn escapes_of_unreserved_characters_change_nothing(
        user in "[a-zA-Z0-9_.!~*'()-]{1,8}", escaped in vec(any::<bool>(), 8), other in "[a-z]{1,8}",
    ) {
        let escape = |(c, escaped): (u8, &bool)| if *escaped { format!("%{c:02x}") } else { char::from(c).to_string() };
        let hidden: String = user.bytes().zip(&escaped).map(escape).collect();
        let texts = [format!("sip:{user}@H;{user}=1"), format!("sip:{hidden}@h;{hidden}=1"), format!("sip:{other}@h")];
        let [plain, hidden, other] = texts.each_ref().map(|text| Uri::parse(text.as_bytes()).expect("a URI"));
        prop_assert!(plain.matches(&hidden) && hidden.matches(&plain));
        prop_assert_eq!(plain.matches(&other), other.matches(&plain));
        prop_assert_eq!(plain.matches(&other), hidden.matches(&other));
        let aor = |uri: &Uri<'_>| {
            let mut out = Vec::new();
            uri.write_aor(uri.address?.host, &mut out)?;
            Some(out)
        };
        prop_assert_eq!(aor(&plain), aor(&hidden));
    }

    /// RFC 3261 §20.10, §20.20: an address put together from its parts comes apart into them.
    #[test]
    fn addresses_come_apart(
        display in "[^\"\\\\\\x00-\\x1f\\x7f]{0,12}", user in "[a-z]{1,5}", tag in "[a-zA-Z0-9.!%*_+`'~-]{1,8}",
        space in "( |\t|\r\n ){0,2}",
    ) {
        let text = format!("\"{display}\"{space}<sip:{user}@h;x>{space};{space}TAG{space}={space}{tag}{space};y=\"{display};\"");
        let address = NameAddr::parse(text.as_bytes()).expect("an address");
        let uri = format!("sip:{user}@h;x");
        prop_assert_eq!((address.display, address.uri), (display.as_bytes(), uri.as_bytes()));
        prop_assert_eq!(address.tag(), Some(tag.as_bytes()));
        let y = format!("{display};");
        prop_assert_eq!(address.params().value(b"Y"), Some(y.as_bytes()));
    }

    /// RFC 3261 §20.17: up to the last second of the year 9999.
    #[test]
    fn dates_come_back(unix_s in 0u64..253_402_300_800) {
        let mut out = Vec::new();
        Date { unix_s }.write(&mut out);
        prop_assert_eq!(Date::parse(&out), Ok(Date { unix_s }));
    }
}
