//! A message on its way through a proxy costs no allocation once the scratch has seen one.

#![allow(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;

use offhook_sip::stream::{Frame, frame};
use offhook_sip::{Essentials, Message, Name, NameAddr, Reply, Scratch, Splice};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const INVITE: &[u8] = b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport\r\n\
    Max-Forwards: 70\r\nFrom: \"A\" <sip:a@b>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\n\
    Contact: <sip:a@192.0.2.1>\r\nRoute: <sip:p;lr>, <sip:q;lr>\r\nContent-Length: 5\r\n\r\nhello";

fn pass(scratch: &mut Scratch, forwarded: &mut Vec<u8>, trying: &mut Vec<u8>) {
    assert_eq!(frame(INVITE), Frame::Message(INVITE.len()));
    let message = Message::parse(INVITE).expect("a message");
    let parts = Essentials::of(&message).expect("all headers");
    let source = SocketAddr::from(([192, 0, 2, 1], 5060));
    assert!(parts.via.needs_mending(source));
    let routes = message.values(Name::Route).filter_map(NameAddr::parse).filter_map(|r| r.parsed_uri().ok());
    assert_eq!(routes.filter(|uri| uri.is_loose()).count(), 2);
    assert!(message.contacts().all(|contact| contact.is_ok()));
    trying.clear();
    Reply::new(&message, 100).write(trying);
    let mut splice = Splice::new(&message, scratch);
    splice.push_front(Name::Via, |out| out.extend_from_slice(b"SIP/2.0/UDP p;branch=z9hG4bK2"));
    splice.set(Name::MaxForwards, |out| out.extend_from_slice(b"69"));
    splice.pop_values(Name::Route, 1);
    let via = message.range_of(parts.via.text);
    splice.replace(via, |out| parts.via.write_mended(source, out));
    forwarded.clear();
    splice.write_to(forwarded);
}

#[test]
fn a_second_message_allocates_nothing() {
    let (mut scratch, mut forwarded, mut trying) = (Scratch::default(), Vec::new(), Vec::new());
    pass(&mut scratch, &mut forwarded, &mut trying);
    let before = ALLOCATIONS.get();
    for _ in 0..10 {
        pass(&mut scratch, &mut forwarded, &mut trying);
    }
    assert_eq!(ALLOCATIONS.get(), before);
    let text = String::from_utf8_lossy(&forwarded);
    assert!(
        text.contains("Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.1;rport=5060\r\n"),
        "{text}"
    );
}
