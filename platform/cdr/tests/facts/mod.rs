//! Facts as a shard notes them.

// It is no part of an interface.
#![allow(unreachable_pub)]

use offhook_cdr::{Answered, Begun};

/// An INVITE of a to bob.
pub fn begun(call_id: &str, leg: u64) -> Begun<'_> {
    Begun {
        leg,
        refused: 0,
        in_path: true,
        cseq: 1,
        transport: b"udp",
        source: "192.0.2.1:5060".parse().unwrap(),
        call_id: call_id.as_bytes(),
        from_tag: b"a",
        from: b"sip:a@example.org",
        to: b"sip:bob@example.org",
        request_uri: b"sip:bob@example.org",
        user: b"a",
        domain: b"example.org",
        contact: b"<sip:a@192.0.2.1>",
        agent: b"",
        route: b"user",
        trunk: b"",
    }
}

/// Bob's answer to it.
pub fn answered(leg: u64) -> Answered<'static> {
    Answered {
        leg,
        status: 200,
        transport: b"udp",
        target: "192.0.2.2:5060".parse().unwrap(),
        to_tag: b"b",
        contact: b"<sip:bob@192.0.2.2>",
        agent: b"phone, \"soft\"",
        session_expires: b"",
    }
}
