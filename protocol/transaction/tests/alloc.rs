//! In steady state a call costs no allocation.

#![allow(unsafe_code, reason = "a global allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use offhook_transaction::*;

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(allocated: usize, freed: usize) {
    ALLOCATIONS.set(ALLOCATIONS.get() + usize::from(allocated > 0));
    BYTES.set(BYTES.get().wrapping_add(allocated).wrapping_sub(freed));
}

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller keeps the promises of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn layer<U>(transactions_max: u32) -> Transactions<U, U> {
    let limits = Limits { servers_max: transactions_max, clients_max: transactions_max, ..Limits::default() };
    Transactions::new(&Config {
        timing: Timing::default(),
        limits,
        hash_key: [3; 16],
        user_delays_ms: vec![200, 180_000],
    })
}

/// A branch as long as those of many clients: the cookie and 34 letters.
fn branch(number: u64) -> [u8; 41] {
    let mut branch = *b"z9hG4bKPj00000000000000000000000000000000";
    for (n, digit) in branch.iter_mut().rev().take(16).enumerate() {
        *digit = b'a' + (number >> (4 * n) & 15) as u8;
    }
    branch
}

fn key<'a>(branch: &'a [u8], method: &'a [u8]) -> ServerKey<'a> {
    ServerKey::Rfc3261 { branch, sent_by: b"192.168.100.100:5060", method }
}

/// One proxied call over datagrams: INVITE, 100, 180, 200 or 486 with ACK, then BYE, 200.
fn call(layer: &mut Transactions<u64, u64>, now_ms: u64, number: u64) {
    let branch = branch(number);
    let key = |method| key(&branch, method);
    let refused = number.is_multiple_of(3);

    assert_eq!(layer.find_server(&key(b"INVITE")), None);
    let server = layer.open_server(now_ms, &key(b"INVITE"), true, false, number).unwrap();
    layer.keep_request(server, &[b'i'; 900]);
    let _ = layer.respond(now_ms, server, 100, &[b'x'; 350]);
    let client = layer.open_client(now_ms, true, false, number).unwrap();
    layer.set_request(client, &[b'i'; 1_000]);
    layer.set_user_timer(now_ms, client, 180_000);
    for status in [100, 180, if refused { 486 } else { 200 }] {
        let verdict = layer.response(now_ms, client, status);
        assert_ne!(verdict, ClientVerdict::Discard);
        if verdict == ClientVerdict::PassAndAck {
            layer.store_ack(client, &[b'a'; 350]);
        }
        let _ = layer.respond(now_ms, server, status, &[b'x'; 450]);
    }
    if refused {
        assert_eq!(layer.find_acknowledged(&key(b"ACK"), |_| true), Some(server));
        assert_eq!(layer.ack(now_ms, server), AckVerdict::Absorb);
    }
    let server = layer.open_server(now_ms, &key(b"BYE"), false, false, number).unwrap();
    let client = layer.open_client(now_ms, false, false, number).unwrap();
    layer.set_request(client, &[b'b'; 600]);
    assert_eq!(layer.response(now_ms, client, 200), ClientVerdict::Pass);
    assert_eq!(layer.respond(now_ms, server, 200, &[b'x'; 450]), ServerVerdict::Send);
}

fn calls(layer: &mut Transactions<u64, u64>, numbers: std::ops::Range<u64>) {
    for number in numbers {
        let now_ms = 1_700_000_000_000 + number * 10;
        while layer.next_due(now_ms).is_some() {}
        call(layer, now_ms, number);
        assert!(layer.next_deadline_ms() > Some(now_ms));
    }
}

/// A hundred calls a second; the warm-up is longer than any transaction lingers.
#[test]
fn ten_thousand_calls_allocate_nothing() {
    let mut layer = layer(20_000);
    calls(&mut layer, 0..10_000);
    let before = ALLOCATIONS.get();
    calls(&mut layer, 10_000..20_000);
    assert_eq!(ALLOCATIONS.get() - before, 0);
    assert!(layer.servers_len() > 4_000, "they linger meanwhile");
}

const MANY: u64 = 60_000;

/// What each of `MANY` costs, everything included: record, block, table, timers, and the room they keep for growth.
fn bytes_each(open: impl Fn(&mut Transactions<u32, u32>, u64, u64)) -> usize {
    let before = BYTES.get();
    let mut layer = layer::<u32>(MANY as u32);
    for number in 0..MANY {
        let now_ms = 1_700_000_000_000 + number / 10;
        while layer.next_due(now_ms).is_some() {}
        open(&mut layer, now_ms, number);
        layer.next_deadline_ms();
    }
    BYTES.get().wrapping_sub(before) / MANY as usize
}

/// A finished transaction that waits for repetitions, its response of 450 bytes: Timers J and L.
#[test]
fn a_finished_transaction_is_small() {
    let answered = bytes_each(|layer, now_ms, number| {
        let id = layer.open_server(now_ms, &key(&branch(number), b"REGISTER"), false, false, 0).unwrap();
        let _ = layer.respond(now_ms, id, 200, &[b'x'; 450]);
    });
    assert!(answered <= 600, "{answered} bytes");
    let accepted = bytes_each(|layer, now_ms, number| {
        let id = layer.open_server(now_ms, &key(&branch(number), b"INVITE"), true, false, 0).unwrap();
        layer.keep_request(id, &[b'i'; 900]);
        let _ = layer.respond(now_ms, id, 180, &[b'x'; 450]);
        let _ = layer.respond(now_ms, id, 200, &[b'x'; 450]);
    });
    assert!(accepted <= 200, "{accepted} bytes");
}

/// A ringing call: the received request, the forwarded one, the 180, three timers.
#[test]
fn a_live_call_is_not_large() {
    let ringing = bytes_each(|layer, now_ms, number| {
        let server = layer.open_server(now_ms, &key(&branch(number), b"INVITE"), true, false, 0).unwrap();
        layer.keep_request(server, &[b'i'; 900]);
        let client = layer.open_client(now_ms, true, false, 0).unwrap();
        layer.set_request(client, &[b'i'; 1_020]);
        layer.set_user_timer(now_ms, client, 180_000);
        assert_eq!(layer.response(now_ms, client, 180), ClientVerdict::Pass);
        let _ = layer.respond(now_ms, server, 180, &[b'x'; 450]);
    });
    assert!(ringing <= 4_000, "{ringing} bytes");
}
