//! Frames of strangers: no panic; however the bytes arrive, the same comes of them; nothing is held beyond its bound.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_websocket::limits::CLIENT_HEAD_BYTES_MAX;
use offhook_websocket::{Input, Reader, Violation};

const MESSAGE_BYTES_MAX: usize = 300;

fuzz_target!(|bytes: &[u8]| {
    // The first bytes say how the rest arrives.
    let Some((sizes, stream)) = bytes.split_at_checked(4) else { return };
    let sizes = sizes.iter().cycle().map(|&size| usize::from(size) + 1);
    assert_eq!(read(stream, std::iter::repeat(stream.len().max(1))), read(stream, sizes));
});

/// What came: the kind of it and its bytes; and what ended it.
fn read(stream: &[u8], sizes: impl Iterator<Item = usize>) -> (Vec<(u8, Vec<u8>)>, Option<Violation>) {
    let mut reader = Reader::new(MESSAGE_BYTES_MAX);
    let (mut seen, mut rest, mut arrived) = (Vec::new(), Vec::new(), 0);
    for size in sizes {
        let until = stream.len().min(arrived + size);
        rest.extend_from_slice(&stream[arrived..until]);
        arrived = until;
        loop {
            let used = match reader.next(&mut rest) {
                Ok(Some((used, input))) => {
                    seen.push(owned(input));
                    used
                }
                Ok(None) => break,
                Err(violation) => return (seen, Some(violation)),
            };
            rest.drain(..used);
        }
        assert!(rest.len() < MESSAGE_BYTES_MAX + CLIENT_HEAD_BYTES_MAX);
        assert!(reader.held_bytes() <= 2 * MESSAGE_BYTES_MAX);
        assert!(reader.is_within_message() || reader.held_bytes() == 0);
        if arrived == stream.len() {
            break;
        }
    }
    (seen, None)
}

fn owned(input: Input<'_>) -> (u8, Vec<u8>) {
    match input {
        Input::Message(bytes) => {
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            (0, bytes.into())
        }
        Input::Fragment => (1, Vec::new()),
        Input::Ping(bytes) => (2, bytes.into()),
        Input::Pong(bytes) => (3, bytes.into()),
        Input::Close { code, reason } => (4, format!("{code:?} {reason}").into()),
    }
}
