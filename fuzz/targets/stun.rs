//! Datagrams that look like STUN, from either family: no panic, what is no sound Binding request gets nothing, and an answer is
//! no longer than it may be, names the request's transaction and says its own length. RFC 5389 §6, §15.

#![cfg_attr(not(test), no_main)]

use std::net::SocketAddr;

use offhook_fuzz::fuzz_target;
use offhook_stun::{ANSWER_BYTES_MAX, answer, is_stun};

/// Type, length, cookie and transaction.
const HEADER_BYTES: usize = 20;

fuzz_target!(|datagram: &[u8]| {
    let sources: [SocketAddr; 3] = [
        ([192, 0, 2, 7], 5060).into(),
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], 5060).into(),
        ([0, 0, 0, 0, 0, 0xffff, 0xc000, 0x207], 5060).into(),
    ];
    for source in sources {
        let mut out = b"before".to_vec();
        let answered = answer(datagram, source, &mut out);
        let said = out.strip_prefix(b"before").expect("it is appended");
        if !answered {
            assert!(said.is_empty());
            continue;
        }
        assert!(is_stun(datagram) && datagram.len() >= HEADER_BYTES);
        assert!((HEADER_BYTES..=ANSWER_BYTES_MAX).contains(&said.len()) && said[0] == 1);
        assert_eq!(&said[4..HEADER_BYTES], &datagram[4..HEADER_BYTES]);
        assert_eq!(usize::from(u16::from_be_bytes([said[2], said[3]])), said.len() - HEADER_BYTES);
        let mut again = Vec::new();
        assert!(
            !answer(said, source, &mut again),
            "an answer is no question: two servers would talk for ever"
        );
    }
});
