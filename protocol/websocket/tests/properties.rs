//! However a stream is cut, the same comes out of it; and no bytes make the readers stumble.

mod client;

use client::*;
use offhook_websocket::*;
use proptest::prelude::*;

/// What a frame brought, owned.
#[derive(Clone, PartialEq, Debug)]
enum Seen {
    Message(Vec<u8>),
    Fragment,
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Broken(Violation),
}

const MESSAGE_BYTES_MAX: usize = 400;

/// Reads a stream that arrives in pieces of these sizes, the way a connection does: what is not whole is kept.
fn read(stream: &[u8], sizes: &[usize]) -> Vec<Seen> {
    let mut reader = Reader::new(MESSAGE_BYTES_MAX);
    let (mut seen, mut rest) = (Vec::new(), Vec::new());
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(stream.len().max(1)));
    let mut arrived = 0;
    while arrived < stream.len() {
        let until = stream.len().min(arrived + sizes.next().unwrap());
        rest.extend_from_slice(&stream[arrived..until]);
        arrived = until;
        loop {
            let (used, one) = match reader.next(&mut rest) {
                Ok(Some((used, input))) => (used, owned(input)),
                Ok(None) => break,
                Err(violation) => {
                    seen.push(Seen::Broken(violation));
                    return seen;
                }
            };
            seen.push(one);
            rest.drain(..used);
        }
        // Never more than one frame is waited for, and never a longer one than is taken.
        assert!(rest.len() < MESSAGE_BYTES_MAX + limits::CLIENT_HEAD_BYTES_MAX);
        assert!(reader.held_bytes() <= 2 * MESSAGE_BYTES_MAX);
    }
    seen
}

fn owned(input: Input<'_>) -> Seen {
    match input {
        Input::Message(bytes) => Seen::Message(bytes.into()),
        Input::Fragment => Seen::Fragment,
        Input::Ping(bytes) => Seen::Ping(bytes.into()),
        Input::Pong(bytes) => Seen::Pong(bytes.into()),
        Input::Close { code, reason } => Seen::Close(code, reason.into()),
    }
}

fn payload(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..most),
        proptest::collection::vec(b' '..=b'~', 0..most),
    ]
}

/// A message whole or in fragments with control frames among them, and what must come of it.
fn message() -> impl Strategy<Value = (Vec<u8>, Vec<Seen>)> {
    let pieces =
        proptest::collection::vec((payload(130), proptest::option::of(payload(20)), any::<[u8; 4]>()), 1..4);
    pieces.prop_map(|pieces| {
        let last = pieces.len() - 1;
        let (mut bytes, mut seen, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for (n, (piece, ping, key)) in pieces.iter().enumerate() {
            let begins = if n == 0 { BINARY_BEGINS } else { CONTINUES };
            bytes.extend(masked(begins | if n == last { 0x80 } else { 0 }, piece, *key));
            whole.extend_from_slice(piece);
            seen.push(if n == last { Seen::Message(whole.clone()) } else { Seen::Fragment });
            if let Some(ping) = ping {
                bytes.extend(masked(PING, ping, *key));
                seen.push(Seen::Ping(ping.clone()));
            }
        }
        (bytes, seen)
    })
}

proptest! {
    /// RFC 6455 §5.4, §5.5: what was sent arrives, in order, however it is cut.
    #[test]
    fn what_was_sent_arrives(
        messages in proptest::collection::vec(message(), 0..5),
        sizes in proptest::collection::vec(1usize..200, 0..40),
    ) {
        let stream: Vec<u8> = messages.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
        let want: Vec<Seen> = messages.into_iter().flat_map(|(_, seen)| seen).collect();
        prop_assert_eq!(read(&stream, &sizes), want);
    }

    /// The cut makes no difference for nonsense either.
    #[test]
    fn nonsense_is_the_same_nonsense_however_it_is_cut(
        messages in proptest::collection::vec(message(), 0..3),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
        sizes in proptest::collection::vec(1usize..20, 0..100),
    ) {
        let mut stream: Vec<u8> = messages.into_iter().flat_map(|(bytes, _)| bytes).chain(tail).collect();
        for (at, byte) in damage {
            if !stream.is_empty() {
                let at = at.index(stream.len());
                stream[at] = byte;
            }
        }
        prop_assert_eq!(read(&stream, &sizes), read(&stream, &[]));
    }

    /// RFC 6455 §4.2.1: a head is judged when it has ended, not before, and what follows it does not matter.
    #[test]
    fn an_opening_is_judged_when_it_has_ended(bytes in "[A-Z]{1,6} /[a-z]{0,3} HTTP/1\\.[01]\r\n([A-Za-z-]{1,12}: ?[!-~]{0,9}\r\n){0,5}\r\n", more in payload(30)) {
        let policy = Policy::default();
        for cut in 1..bytes.len() {
            prop_assert_eq!(open(&bytes.as_bytes()[..cut], &policy), Opening::Incomplete);
        }
        let whole = open(bytes.as_bytes(), &policy);
        prop_assert_ne!(&whole, &Opening::Incomplete);
        prop_assert_eq!(open(&[bytes.as_bytes(), &more].concat(), &policy), whole);
    }
}
