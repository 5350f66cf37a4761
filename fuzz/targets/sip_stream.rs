//! Streams of strangers: no panic; however the bytes arrive, the same messages come out, and each is as long as its
//! Content-Length says.

#![cfg_attr(not(test), no_main)]

use offhook_fuzz::fuzz_target;
use offhook_sip::Message;
use offhook_sip::stream::{Frame, frame};

fuzz_target!(|bytes: &[u8]| {
    // The first bytes say how the rest arrives.
    let Some((sizes, stream)) = bytes.split_at_checked(4) else { return };
    let sizes = sizes.iter().cycle().map(|&size| usize::from(size) + 1);
    let (whole, piecewise) = (messages(stream, std::iter::once(stream.len())), messages(stream, sizes));
    assert_eq!(whole, piecewise);
    for message in whole.0 {
        if let Ok(parsed) = Message::parse(message)
            && parsed.fault().is_none()
        {
            assert_eq!(parsed.whole(), message);
        }
    }
});

/// The messages, and whether the stream ended in something that is none.
fn messages(stream: &[u8], mut sizes: impl Iterator<Item = usize>) -> (Vec<&[u8]>, bool) {
    let (mut at, mut arrived) = (0, 0);
    let mut found = Vec::new();
    loop {
        match frame(&stream[at..arrived]) {
            Frame::Ping(len) | Frame::Pong(len) => at += len,
            Frame::Message(len) => {
                found.push(&stream[at..at + len]);
                at += len;
            }
            Frame::Incomplete if arrived == stream.len() => return (found, false),
            Frame::Incomplete => arrived = stream.len().min(arrived + sizes.next().unwrap_or(1)),
            Frame::Unframeable(_) => return (found, true),
        }
    }
}
