//! What is left of a transaction when all has been said: it waits 32 s for repetitions (RFC 3261 Timers H, J, RFC 6026
//! Timers L, M), so of those a busy server has many more than of any other. Alone in its file: the allocator is the whole
//! process's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_config::Config;
use offhook_journal::Journal;
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Engine, Flow, Listener, Outbox};
use offhook_node::{Drain, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_sip::{Message, Name, Transport};

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE_BYTES.fetch_add(layout.size(), Relaxed);
        // SAFETY: as promised to us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as promised to us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Whole chunks of the tables, so that no unused place is counted for a transaction.
const CALLS: usize = 8 * 1024;

/// Bytes of a finished transaction, tables, timers and the memory pool's unused blocks included.
/// 293 when this was written.
const FINISHED_BYTES_MAX: usize = 600;

/// A transaction of an INVITE that rings, bytes. 732 when this was written.
const LIVE_BYTES_MAX: usize = 4_000;

const START_MS: u64 = 1_700_000_000_000;

#[test]
fn what_transactions_take() {
    let mut scene = Scene::new();
    let empty = LIVE_BYTES.load(Relaxed);
    let invites: Vec<Vec<u8>> = (0..CALLS)
        .map(|n| {
            let invite = scene.gives(&request("INVITE", 1, n, "", SDP));
            scene.gives(&response(&invite, "180 Ringing", ""));
            invite
        })
        .collect();
    let texts: usize = invites.iter().map(Vec::capacity).sum::<usize>() + CALLS * size_of::<Vec<u8>>();
    // A server and a client transaction for each call.
    let ringing = (LIVE_BYTES.load(Relaxed) - empty - texts) / (2 * CALLS);
    for (n, invite) in invites.iter().enumerate() {
        let answer = scene.gives(&response(invite, "200 OK", SDP));
        let route = Message::parse(&answer).unwrap().value(Name::RecordRoute).map(<[u8]>::to_vec).unwrap();
        let dialog = format!("Route: {}\r\n", String::from_utf8(route).unwrap());
        scene.gives(&request("ACK", 1, n, &dialog, ""));
        let bye = scene.gives(&request("BYE", 2, n, &dialog, ""));
        scene.gives(&response(&bye, "200 OK", ""));
    }
    drop(invites);
    let finished = (LIVE_BYTES.load(Relaxed) - empty) / (4 * CALLS);
    assert!((100..=LIVE_BYTES_MAX).contains(&ringing), "{ringing} bytes per transaction that rings");
    assert!((100..=FINISHED_BYTES_MAX).contains(&finished), "{finished} bytes per finished transaction");
}

struct Scene {
    shard: Shard,
    out: Outbox,
    given: usize,
}

impl Scene {
    fn new() -> Self {
        let text = "domains = [\"home.test\"]\n[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n\
            [access]\nauthenticate_register = false\nauthenticate_calls = false\n\
            [[route]]\nmatch = { domain = \"bench.test\" }\nto = \"sip:127.0.0.1:6001\"\n";
        let config = Config::parse(text, "scene").unwrap();
        let local = "127.0.0.1:5060".parse().unwrap();
        let listeners = [Listener { transport: Transport::Udp, local, prefix_bits: 8, advertise: None }];
        let resources = Resources {
            location: Location::in_memory(Limits::default()),
            directory: Arc::new(ArcSwap::from_pointee(Directory::of_passwords([("a", "b", "c")]))),
            journal: Journal::silent(),
            spool: offhook_cdr::Spool::off(),
            undelivered: offhook_undelivered::Desk::off(),
            secrets: Secrets { cookies: [1; 16], nonces: [2; 32], hashes: [3; 16], gruus: [5; 32] },
            seals: Arc::new(arc_swap::ArcSwap::from_pointee(offhook_seal::Ring::of_one([4; 32]))),
            drain: Arc::new(Drain::new(1)),
            whereabouts: Whereabouts::new(1),
        };
        let shard = Shard::new(0, Arc::new(Settings::new(&config, &listeners, 1)), resources).unwrap();
        Self { shard, out: Outbox::new(), given: 0 }
    }

    /// Gives the shard a message; the one that it sends on.
    fn gives(&mut self, text: &str) -> Vec<u8> {
        let remote = ([127, 0, 0, 1], 6000 + u16::from(text.starts_with("SIP/2.0"))).into();
        let from = Flow { transport: Transport::Udp, listener: 0, connection: ConnectionId::NONE, remote };
        // Six messages of a call in a millisecond: all calls within the 32 s that the first one waits.
        let now_ms = START_MS + self.given as u64 / 6;
        self.given += 1;
        self.out.clear();
        self.shard.receive(now_ms, &from, text.as_bytes(), &mut self.out);
        self.shard.commit(now_ms, &mut self.out);
        let sent = self.out.outgoing().last().expect("the shard sends something");
        self.out.bytes(sent.bytes.clone()).to_vec()
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0 8 101\r\n\
    a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n";

fn request(method: &str, cseq: u32, number: usize, route: &str, body: &str) -> String {
    let to_tag = if route.is_empty() { "" } else { ";tag=callee" };
    format!(
        "{method} sip:u1@bench.test SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK{method}{number};rport\r\n\
         {route}Max-Forwards: 70\r\nFrom: <sip:alice@bench.test>;tag=f{number}\r\nTo: <sip:u1@bench.test>{to_tag}\r\n\
         Call-ID: {number}@bench\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@127.0.0.1:6000>\r\nUser-Agent: bench\r\n\
         Allow: INVITE, ACK, BYE, CANCEL, OPTIONS\r\nSupported: replaces, timer\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn response(request: &[u8], status: &str, body: &str) -> String {
    let request = Message::parse(request).unwrap();
    let mut text = format!("SIP/2.0 {status}\r\n");
    for name in [Name::Via, Name::RecordRoute, Name::From, Name::CallId, Name::CSeq] {
        for line in request.lines_of(name) {
            text.push_str(&String::from_utf8_lossy(&request.bytes()[line.whole()]));
        }
    }
    text.push_str(&format!(
        "To: <sip:u1@bench.test>;tag=callee\r\nContact: <sip:u1@127.0.0.1:6001>\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    text
}
