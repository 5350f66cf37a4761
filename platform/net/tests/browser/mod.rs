//! A WebSocket client that sends its frames by hand.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::io::{Read, Write};

/// First bytes of frames: RFC 6455 §5.2.
pub const TEXT: u8 = 0x81;
pub const TEXT_BEGINS: u8 = 0x01;
pub const BINARY: u8 = 0x82;
pub const CONTINUES: u8 = 0x00;
pub const ENDS: u8 = 0x80;
pub const CLOSE: u8 = 0x88;
pub const PING: u8 = 0x89;
pub const PONG: u8 = 0x8a;

/// RFC 7118 §4.1, its example.
pub const OPENING: &str = "GET / HTTP/1.1\r\nHost: sip-ws.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://www.example.com\r\n\
    Sec-WebSocket-Protocol: sip\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The answer to it.
pub const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: sip\r\n\r\n";

/// One frame with a mask.
pub fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        short @ ..126 => frame.push(0x80 | short as u8),
        long @ ..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((long as u16).to_be_bytes());
        }
        huge => {
            frame.push(0x80 | 127);
            frame.extend((huge as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Says the opening handshake and reads the answer.
#[track_caller]
pub fn open(stream: &mut (impl Read + Write)) {
    stream.write_all(OPENING.as_bytes()).unwrap();
    let mut answer = vec![0; OPENED.len()];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(String::from_utf8_lossy(&answer), OPENED);
}

/// The next frame of the server: its first byte and its payload.
#[track_caller]
pub fn hear(stream: &mut impl Read) -> (u8, Vec<u8>) {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a frame");
    let mut length = [0; 8];
    let more = match head[1] {
        126 => 2,
        127 => 8,
        // A server masks nothing: RFC 6455 §5.1.
        short => {
            assert!(short < 126, "masked");
            length[7] = short;
            0
        }
    };
    stream.read_exact(&mut length[8 - more..]).expect("a length");
    let mut payload = vec![0; u64::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload).expect("a payload");
    (head[0], payload)
}
