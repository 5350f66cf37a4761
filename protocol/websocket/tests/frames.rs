//! Frames, one rule after the other.

mod client;

use client::*;
use offhook_websocket::*;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// Everything that a stream of frames brings, in words, and the violation that ends it.
fn read_up_to(mut bytes: Vec<u8>, message_bytes_max: usize) -> (Vec<String>, Option<Violation>) {
    let mut reader = Reader::new(message_bytes_max);
    let (mut seen, mut at) = (Vec::new(), 0);
    loop {
        match reader.next(&mut bytes[at..]) {
            Ok(Some((used, input))) => {
                seen.push(in_words(input));
                at += used;
            }
            Ok(None) => return (seen, None),
            Err(violation) => return (seen, Some(violation)),
        }
    }
}

fn in_words(input: Input<'_>) -> String {
    let text = String::from_utf8_lossy;
    match input {
        Input::Message(bytes) => format!("message {}", text(bytes)),
        Input::Fragment => "fragment".into(),
        Input::Ping(bytes) => format!("ping {}", text(bytes)),
        Input::Pong(bytes) => format!("pong {}", text(bytes)),
        Input::Close { code, reason } => format!("close {code:?} {reason}"),
    }
}

fn read(frames: &[Vec<u8>]) -> (Vec<String>, Option<Violation>) {
    read_up_to(frames.concat(), 65_535)
}

#[track_caller]
fn brings(frames: &[Vec<u8>], want: &[&str]) {
    assert_eq!(read(frames), (want.iter().map(|s| s.to_string()).collect(), None));
}

#[track_caller]
fn breaks(frame: Vec<u8>, want: Violation, code: u16) {
    assert_eq!(read(&[frame]), (vec![], Some(want)));
    assert_eq!(want.code() as u16, code);
}

/// RFC 6455 §5.7: "A single-frame masked text message".
#[test]
fn hello_as_in_the_rfc() {
    let frame = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(frame, masked(TEXT, b"Hello", KEY));
    brings(&[frame], &["message Hello"]);
}

/// RFC 6455 §5.7: "A single-frame unmasked text message", and what a server must make of it (§5.1).
#[test]
fn hello_without_a_mask_is_ours_to_send_and_not_to_take() {
    let frame = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f];
    assert_eq!([FrameHead::of_message(b"Hello").as_bytes(), b"Hello"].concat(), frame);
    breaks(frame.into(), Violation::Unmasked, 1002);
}

/// RFC 6455 §5.7: "A fragmented unmasked text message", here with masks, as a client must (§5.4).
#[test]
fn hello_in_two_pieces() {
    let frames = [masked(TEXT_BEGINS, b"Hel", KEY), masked(ENDS, b"lo", [1, 2, 3, 4])];
    brings(&frames, &["fragment", "message Hello"]);
}

/// RFC 6455 §5.7: "Unmasked Ping request and masked Ping response".
#[test]
fn ping_and_pong_as_in_the_rfc() {
    let (mut ping, mut pong) = (Vec::new(), Vec::new());
    write_ping(b"Hello", &mut ping);
    write_pong(b"Hello", &mut pong);
    assert_eq!(ping, [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    assert_eq!(pong, [0x8a, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    let masked_pong = vec![0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    brings(&[masked_pong, masked(PING, b"Hello", KEY)], &["pong Hello", "ping Hello"]);
}

/// RFC 6455 §5.7: "256 bytes binary message" and "64KiB binary message", as we send them and as a client does.
#[test]
fn long_messages_as_in_the_rfc() {
    let message = |bytes: usize| vec![0xff; bytes];
    assert_eq!(FrameHead::of_message(&message(256)).as_bytes(), [0x82, 0x7e, 0x01, 0x00]);
    assert_eq!(FrameHead::of_message(&message(65_536)).as_bytes(), [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    for bytes in [0, 1, 125, 126, 127, 255, 256, 65_535, 65_536, 70_000] {
        let frame = masked(BINARY, &message(bytes), KEY);
        let mut reader = Reader::new(70_000);
        let mut received = frame.clone();
        let (used, input) = reader.next(&mut received).unwrap().unwrap();
        assert_eq!((used, input), (frame.len(), Input::Message(&message(bytes))));
    }
}

/// RFC 7118 §4.2: text where it can be, binary where it must be.
#[test]
fn what_is_not_utf_8_leaves_as_binary() {
    let first = |message: &[u8]| FrameHead::of_message(message).as_bytes()[0];
    assert_eq!(first("MESSAGE sip:bob@example.com SIP/2.0 \u{fc}".as_bytes()), TEXT);
    assert_eq!(first(b"MESSAGE sip:bob@example.com SIP/2.0 \xfc"), BINARY);
}

/// RFC 6455 §5.4: control frames may stand between the fragments of a message.
#[test]
fn a_ping_between_two_fragments() {
    let frames = [
        masked(BINARY_BEGINS, b"OPTIONS", KEY),
        masked(PING, b"there?", KEY),
        masked(CONTINUES, b" sip:a", KEY),
        masked(CONTINUES, b"", KEY),
        masked(PONG, b"", KEY),
        masked(ENDS, b" SIP/2.0", KEY),
        masked(TEXT, b"next", KEY),
    ];
    let want = [
        "fragment",
        "ping there?",
        "fragment",
        "fragment",
        "pong ",
        "message OPTIONS sip:a SIP/2.0",
        "message next",
    ];
    brings(&frames, &want);
}

/// RFC 6455 §5.4: a continuation continues something, and no message begins within another.
#[test]
fn fragments_out_of_order() {
    breaks(masked(CONTINUES, b"x", KEY), Violation::NothingToContinue, 1002);
    breaks(masked(ENDS, b"x", KEY), Violation::NothingToContinue, 1002);
    let twice = [masked(TEXT_BEGINS, b"a", KEY), masked(TEXT, b"b", KEY)];
    assert_eq!(read(&twice), (vec!["fragment".into()], Some(Violation::Interleaved)));
}

/// RFC 6455 §5.2: reserved bits, reserved opcodes, lengths that take more bytes than they need.
#[test]
fn heads_that_break_the_rules() {
    for bit in [0x40, 0x20, 0x10] {
        breaks(masked(TEXT | bit, b"x", KEY), Violation::ReservedBit, 1002);
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        breaks(masked(0x80 | opcode, b"x", KEY), Violation::ReservedOpcode, 1002);
    }
    breaks([&[TEXT, 0xfe, 0, 125], &KEY[..]].concat(), Violation::Length, 1002);
    breaks([&[TEXT, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], &KEY[..]].concat(), Violation::Length, 1002);
    breaks([&[TEXT, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0], &KEY[..]].concat(), Violation::Length, 1002);
}

/// RFC 6455 §5.5: control frames are short and whole.
#[test]
fn control_frames_have_125_bytes_at_most() {
    brings(&[masked(PING, &[b'p'; 125], KEY)], &[&format!("ping {}", "p".repeat(125))]);
    breaks(masked(PING, &[b'p'; 126], KEY), Violation::ControlTooLong, 1002);
    for whole in [PING, PONG, CLOSE] {
        breaks(masked(whole & 0x0f, b"", KEY), Violation::ControlFragmented, 1002);
    }
}

/// RFC 6455 §5.5.1, §7.4: a Close is empty, or has a code that may be sent and a reason in UTF-8.
#[test]
fn how_a_client_closes() {
    brings(&[masked(CLOSE, b"", KEY)], &["close None "]);
    brings(&[masked(CLOSE, b"\x03\xe9bye", KEY)], &["close Some(1001) bye"]);
    breaks(masked(CLOSE, b"\x03", KEY), Violation::Close, 1002);
    breaks(masked(CLOSE, b"\x03\xed", KEY), Violation::Close, 1002);
    breaks(masked(CLOSE, b"\x03\xe8\xff", KEY), Violation::NotUtf8, 1007);
    let mut ours = Vec::new();
    write_close(CloseCode::GoingAway, "restart", &mut ours);
    assert_eq!(ours, b"\x88\x09\x03\xe9restart");
}

/// RFC 6455 §8.1: text is UTF-8, taken as a whole; a letter may be cut by fragments. Binary may be anything.
#[test]
fn text_is_utf_8() {
    breaks(masked(TEXT, b"caf\xe9", KEY), Violation::NotUtf8, 1007);
    brings(&[masked(BINARY, b"caf\xe9", KEY)], &["message caf\u{fffd}"]);
    brings(
        &[masked(TEXT_BEGINS, b"caf\xc3", KEY), masked(ENDS, b"\xa9", KEY)],
        &["fragment", "message café"],
    );
    let broken = [masked(TEXT_BEGINS, b"caf\xc3", KEY), masked(ENDS, b"\x28", KEY)];
    assert_eq!(read(&broken).1, Some(Violation::NotUtf8));
}

/// RFC 6455 §10.4: what is too long is refused at its head, before a byte of it is kept; alone and in fragments.
#[test]
fn a_message_too_long_is_not_waited_for() {
    let head_of = |first: u8, bytes: u8| [&[first, 0x80 | bytes], &KEY[..]].concat();
    assert_eq!(read_up_to(head_of(TEXT, 101), 100), (vec![], Some(Violation::TooLong)));
    assert_eq!(Violation::TooLong.code() as u16, 1009);
    let begun = masked(TEXT_BEGINS, &[b'a'; 60], KEY);
    let seen = read_up_to([begun.clone(), head_of(ENDS, 41)].concat(), 100);
    assert_eq!(seen, (vec!["fragment".into()], Some(Violation::TooLong)));
    let seen = read_up_to([begun, masked(ENDS, &[b'b'; 40], KEY)].concat(), 100);
    assert_eq!((seen.0.len(), seen.1), (2, None));
    // A ping is no part of the message.
    let full = [masked(TEXT_BEGINS, &[b'a'; 100], KEY), masked(PING, &[b'p'; 99], KEY)].concat();
    assert_eq!(read_up_to(full, 100).1, None);
}

/// The largest length that can be written is no trouble either.
#[test]
fn a_length_of_nearly_two_to_the_63() {
    let head = [&[BINARY, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], &KEY[..]].concat();
    assert_eq!(read_up_to(head.clone(), 65_535), (vec![], Some(Violation::TooLong)));
    assert_eq!(read_up_to(head, usize::MAX), (vec![], None));
}

/// Memory is held only within a message of several frames.
#[test]
fn memory_is_given_back() {
    let mut reader = Reader::new(65_535);
    reader.next(&mut masked(TEXT_BEGINS, &[b'a'; 1_000], KEY)).unwrap();
    assert!(reader.is_within_message() && reader.held_bytes() >= 1_000);
    let mut end = masked(ENDS, b"", KEY);
    assert_eq!(reader.next(&mut end).unwrap().unwrap().1, Input::Message(&[b'a'; 1_000]));
    assert_eq!(reader.next(&mut []), Ok(None));
    assert_eq!((reader.is_within_message(), reader.held_bytes()), (false, 0));
    reader.next(&mut masked(TEXT, &[b'a'; 1_000], KEY)).unwrap();
    assert_eq!(reader.held_bytes(), 0);
}
