//! Calls that are under way, with messages spoilt on their way: the input is a score for three phones and two shards, who
//! register, call, ring, answer, cancel, repeat and let time pass, and now and then a message loses a line, gets another's
//! branch or tag, or is cut. So the input reaches states that no stranger's single datagram does.
//!
//! No panic; what is sent is SIP and goes to somebody who took part; and when all timers have passed, nothing is left.

#![cfg_attr(not(test), no_main)]

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_accounts::Directory;
use offhook_cdr::MemorySpool;
use offhook_config::Config;
use offhook_fuzz::fuzz_target;
use offhook_journal::{Counters, EventKind, Journal};
use offhook_location::{Limits, Location};
use offhook_net::{ConnectionId, Engine, Flow, IcmpError, Listener, Outbox, Ticket};
use offhook_node::{Drain, Held, Resources, Secrets, Settings, Shard, Whereabouts};
use offhook_seal::Ring;
use offhook_sip::{Message, Transport};

const SHARDS: usize = 2;
const PHONES: usize = 3;
const START_MS: u64 = 1_700_000_000_000;
/// Longer than three rounds of phones that ring until Timer C and do not answer their CANCEL.
const QUIET_MS: u64 = 800_000;
/// Notes of a score that are played; more repeats what was there.
const NOTES_MAX: usize = 200;
/// Messages remembered.
const PAST_MAX: usize = 64;
const WAITS_MS: [u64; 8] = [1, 20, 200, 500, 1_500, 4_000, 32_000, 181_000];
const STATUSES: [u16; 12] = [100, 180, 183, 200, 202, 302, 401, 407, 486, 487, 503, 603];
const METHODS: [&str; 8] = ["INVITE", "BYE", "INFO", "UPDATE", "PRACK", "OPTIONS", "MESSAGE", "SUBSCRIBE"];

/// What a shard gives to another: to which, by which flow, what, and the error if it is a quote.
type Mail = (usize, Flow, Vec<u8>, Option<IcmpError>);

/// The world in small.
struct Play<'i> {
    shards: Vec<Shard>,
    counters: Vec<Arc<Counters>>,
    drain: Arc<Drain>,
    now_ms: u64,
    score: std::slice::Iter<'i, u8>,
    /// What the phones got and sent: by whom, by which flow, what.
    got: Vec<(usize, Flow, Vec<u8>)>,
    sent: Vec<(usize, Vec<u8>)>,
    tickets: Vec<(usize, Ticket)>,
    transports: [Transport; PHONES],
    number: u32,
}

fuzz_target!(|input: &[u8]| {
    let mut play = Play::new(input);
    for _ in 0..NOTES_MAX {
        if !play.note() {
            break;
        }
    }
    play.ends();
});

impl<'i> Play<'i> {
    fn new(input: &'i [u8]) -> Self {
        let text = "domains = [\"b\"]\n[[listen]]\ntransport = \"udp\"\naddress = \"127.0.0.1:5060\"\n\
            [access]\nauthenticate_register = false\nauthenticate_calls = false\n\
            [[route]]\nmatch = { domain = \"s\" }\nto = \"sip:192.0.2.12\"\nmode = \"stateless\"\n";
        let config = Config::parse(text, "fuzz").expect("sound");
        let local = "198.51.100.1:5060".parse().expect("an address");
        let listener = |transport| Listener { transport, local, prefix_bits: 8, advertise: None };
        let listeners = [listener(Transport::Udp), listener(Transport::Tcp)];
        let settings = Arc::new(Settings::new(&config, &listeners, SHARDS));
        let location = Location::in_memory(Limits::default());
        let (drain, spool) = (Arc::new(Drain::new(SHARDS)), MemorySpool::default());
        let seals = Arc::new(ArcSwap::from_pointee(Ring::of_one([4; 32])));
        let whereabouts = Whereabouts::new(SHARDS);
        let directory = Arc::new(ArcSwap::from_pointee(Directory::of_passwords([("u0", "b", "c")])));
        let (mut shards, mut counters) = (Vec::new(), Vec::new());
        for number in 0..SHARDS {
            let journal = Journal::silent();
            counters.push(journal.counters());
            let resources = Resources {
                location: location.clone(),
                directory: Arc::clone(&directory),
                journal,
                spool: spool.spool(1, number as u8),
                undelivered: offhook_undelivered::Desk::off(),
                secrets: Secrets { cookies: [1; 16], nonces: [2; 32], hashes: [3; 16], gruus: [5; 32] },
                seals: Arc::clone(&seals),
                drain: Arc::clone(&drain),
                whereabouts: whereabouts.clone(),
            };
            shards.push(Shard::new(number as u8, Arc::clone(&settings), resources).expect("a shard"));
        }
        let transports = [Transport::Udp, Transport::Udp, Transport::Tcp];
        let (got, sent, tickets) = (Vec::new(), Vec::new(), Vec::new());
        let score = input.iter();
        let mut play = Self {
            shards,
            counters,
            drain,
            now_ms: START_MS,
            score,
            got,
            sent,
            tickets,
            transports,
            number: 0,
        };
        (0..PHONES).for_each(|phone| play.register(phone));
        play
    }

    /// The next number below `end`.
    fn below(&mut self, end: usize) -> usize {
        usize::from(self.score.next().copied().unwrap_or(0)) % end.max(1)
    }

    fn note(&mut self) -> bool {
        let Some(&what) = self.score.next() else { return false };
        let phone = self.below(PHONES);
        match what % 16 {
            0 => self.register(phone),
            1 | 2 => self.asks(phone),
            3..=6 => self.answers(),
            7 => self.follows("ACK"),
            8 => self.follows("CANCEL"),
            9 => self.in_dialog(),
            10 => self.again(),
            11 | 12 => {
                let wait_ms = WAITS_MS[self.below(WAITS_MS.len())];
                self.pass(wait_ms);
            }
            13 => self.fails(),
            14 => self.closes(phone),
            _ if what & 0x80 != 0 => self.bounces(),
            _ => self.moves(phone),
        }
        true
    }

    fn flow(&self, phone: usize) -> Flow {
        let transport = self.transports[phone];
        let is_tcp = transport == Transport::Tcp;
        let index = (phone % SHARDS) as u32 * 0x100_0000 + phone as u32;
        let connection = if is_tcp { ConnectionId { index, generation: 1 } } else { ConnectionId::NONE };
        Flow { transport, listener: u16::from(is_tcp), connection, remote: address(phone) }
    }

    fn head(&mut self, phone: usize, method: &str, uri: &str) -> String {
        self.number += 1;
        let (n, via) = (self.number, self.transports[phone].via_token());
        let to = address(phone);
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} {to};branch=z9hG4bK-{n};rport\r\n\
             Max-Forwards: 70\r\nContact: <sip:p{phone}@{to}>\r\n"
        )
    }

    fn register(&mut self, phone: usize) {
        let head = self.head(phone, "REGISTER", "sip:b");
        let (n, user) = (self.number, phone % 2);
        let ends = format!("From: <sip:u{user}@b>;tag=r\r\nTo: <sip:u{user}@b>\r\nCall-ID: r{phone}\r\n");
        self.speaks(phone, format!("{head}{ends}CSeq: {n} REGISTER\r\nContent-Length: 0\r\n\r\n"));
    }

    fn asks(&mut self, phone: usize) {
        let (method, to) = (METHODS[self.below(METHODS.len())], self.below(4));
        let uri = ["sip:u0@b", "sip:u1@b", "sip:x@s", "sip:b"][to];
        let head = self.head(phone, method, uri);
        let n = self.number;
        let ends = format!("From: <sip:u{phone}@b>;tag=f{n}\r\nTo: <{uri}>\r\nCall-ID: c{n}\r\n");
        self.speaks(phone, format!("{head}{ends}CSeq: 1 {method}\r\nContent-Length: 2\r\n\r\nhi"));
    }

    /// A phone answers one of the last requests that came.
    fn answers(&mut self) {
        let (back, status) = (self.below(6), STATUSES[self.below(STATUSES.len())]);
        let requests = self.got.iter().rev().filter(|(_, _, bytes)| !bytes.starts_with(b"SIP/2.0"));
        let Some((phone, _, bytes)) = requests.clone().nth(back).or_else(|| requests.clone().next()) else {
            return;
        };
        let (phone, text) = (*phone, String::from_utf8_lossy(bytes).into_owned());
        let mut answer = format!("SIP/2.0 {status} So\r\n");
        for line in text.lines().skip(1).take_while(|line| !line.is_empty()) {
            let keep = ["Via:", "From:", "To:", "Call-ID:", "CSeq:", "Record-Route:"];
            if keep.iter().any(|name| line.starts_with(name)) {
                answer += line;
                let tags = line.starts_with("To:") && !line.contains("tag=") && status > 100;
                answer += &if tags { format!(";tag=t{phone}\r\n") } else { "\r\n".to_owned() };
            }
        }
        answer += &format!("Contact: <sip:p{phone}@{}>\r\nContent-Length: 0\r\n\r\n", address(phone));
        self.speaks(phone, answer);
    }

    /// ACK or CANCEL of one of the last INVITEs that a phone has sent.
    fn follows(&mut self, method: &str) {
        let back = self.below(4);
        let invites = self.sent.iter().rev().filter(|(_, bytes)| bytes.starts_with(b"INVITE "));
        let Some((phone, bytes)) = invites.clone().nth(back).or_else(|| invites.clone().next()) else {
            return;
        };
        let (phone, text) = (*phone, String::from_utf8_lossy(bytes).into_owned());
        let text = text.replace("INVITE", method);
        self.speaks(phone, text);
    }

    /// A request in the dialog of one of the last responses that a phone has got.
    fn in_dialog(&mut self) {
        let (back, method) = (self.below(4), METHODS[self.below(METHODS.len())]);
        let responses = self.got.iter().rev().filter(|(_, _, bytes)| bytes.starts_with(b"SIP/2.0 2"));
        let Some((phone, _, bytes)) = responses.clone().nth(back).or_else(|| responses.clone().next()) else {
            return;
        };
        let (phone, text) = (*phone, String::from_utf8_lossy(bytes).into_owned());
        let values = |name: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix(name)).map(|v| v.trim().to_owned()).collect()
        };
        let target = values("Contact:")
            .first()
            .map_or("sip:u1@b".to_owned(), |c| c.trim_matches(['<', '>']).to_owned());
        let method = if method == "SUBSCRIBE" { "ACK" } else { method };
        let mut request = self.head(phone, method, &target);
        for route in values("Record-Route:").iter().rev() {
            request += &format!("Route: {route}\r\n");
        }
        for name in ["From:", "To:", "Call-ID:"] {
            request += &format!("{name} {}\r\n", values(name).first().cloned().unwrap_or_default());
        }
        self.speaks(phone, format!("{request}CSeq: {} {method}\r\nContent-Length: 0\r\n\r\n", 1 + back));
    }

    fn again(&mut self) {
        let back = self.below(8);
        if let Some((phone, bytes)) = self.sent.iter().rev().nth(back).cloned() {
            self.arrives(phone, &bytes);
        }
    }

    fn fails(&mut self) {
        let back = self.below(8);
        if let Some(&(shard, ticket)) = self.tickets.iter().rev().nth(back) {
            self.step(shard, |shard, now_ms, out| shard.send_failed(now_ms, ticket, out));
        }
    }

    /// The network says that something has not arrived, and quotes it, perhaps spoilt or cut off.
    fn bounces(&mut self) {
        let (back, error, length) = (self.below(8), self.below(IcmpError::ALL.len()), self.below(256) * 4);
        let Some((phone, to, mut quoted)) = self.got.iter().rev().nth(back).cloned() else { return };
        if self.below(4) == 0 {
            self.spoil(&mut quoted);
        }
        quoted.truncate(if length == 0 { usize::MAX } else { length });
        self.step(phone % SHARDS, |shard, now_ms, out| {
            shard.icmp_error(now_ms, &to, IcmpError::ALL[error], &quoted, out);
        });
    }

    fn closes(&mut self, phone: usize) {
        let connection =
            ConnectionId { index: (phone % SHARDS) as u32 * 0x100_0000 + phone as u32, generation: 1 };
        self.step(phone % SHARDS, |shard, now_ms, out| shard.connection_closed(now_ms, connection, out));
    }

    fn moves(&mut self, phone: usize) {
        let is_udp = self.transports[phone] == Transport::Udp;
        self.transports[phone] = if is_udp { Transport::Tcp } else { Transport::Udp };
    }

    /// A message of a phone, spoilt if the score says so.
    fn speaks(&mut self, phone: usize, text: String) {
        let mut bytes = text.into_bytes();
        for _ in 0..self.below(8).saturating_sub(5) {
            self.spoil(&mut bytes);
        }
        self.arrives(phone, &bytes);
        self.sent.push((phone, bytes));
        let old = self.sent.len().saturating_sub(PAST_MAX);
        self.sent.drain(..old);
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let way = self.below(8);
        let (a, b) = (self.below(256), self.below(256));
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|&c| c == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len().max(1);
        let other = self.got.iter().rev().nth(b % 8).map(|(_, _, bytes)| bytes.clone()).unwrap_or_default();
        match way {
            _ if lines.is_empty() => return,
            0 => drop(lines.remove(a % count)),
            1 => lines.insert(a % count, lines[b % count].clone()),
            2 => lines.swap(a % count, b % count),
            // A line of another message in the place of its own: branches, tags, Routes, numbers.
            3 | 4 => {
                let name: Vec<u8> = lines[a % count].iter().copied().take_while(|&c| c != b':').collect();
                let theirs = other.split_inclusive(|&c| c == b'\n').find(|line| line.starts_with(&name));
                if let Some(theirs) = theirs.filter(|_| name.len() > 1) {
                    lines[a % count] = theirs.to_vec();
                }
            }
            5 => lines.truncate(1 + a % count),
            6 => {
                let line = &mut lines[a % count];
                let at = b % line.len().max(1);
                if let Some(byte) = line.get_mut(at) {
                    *byte = byte.wrapping_add(1 + (a as u8 % 7));
                }
            }
            _ => {
                let line = &mut lines[a % count];
                line.truncate(b % line.len().max(1));
                line.extend_from_slice(b"\r\n");
            }
        }
        *bytes = lines.concat();
    }

    fn arrives(&mut self, phone: usize, bytes: &[u8]) {
        let (from, shard) = (self.flow(phone), phone % SHARDS);
        self.step(shard, |shard, now_ms, out| shard.receive(now_ms, &from, bytes, out));
    }

    fn pass(&mut self, wait_ms: u64) {
        let until_ms = self.now_ms + wait_ms;
        for number in 0..SHARDS {
            while let Some(due_ms) = self.shards[number].deadline_ms().filter(|due_ms| *due_ms <= until_ms) {
                // No sweep of bindings has to be awaited one by one.
                self.now_ms = self.now_ms.max(due_ms).max(until_ms.min(self.now_ms + wait_ms / 64));
                self.step(number, |shard, now_ms, out| shard.tick(now_ms, out));
            }
        }
        self.now_ms = self.now_ms.max(until_ms);
    }

    /// One thing that happens to a shard, and to others what it hands over to them.
    fn step(&mut self, number: usize, act: impl FnOnce(&mut Shard, u64, &mut Outbox)) {
        let mut out = Outbox::new();
        act(&mut self.shards[number], self.now_ms, &mut out);
        let mut mails = self.flush(number, &mut out);
        let mut hops = 0;
        while let Some((shard, from, bytes, error)) = mails.pop() {
            hops += 1;
            assert!(hops < 8, "handed over in a circle");
            let mut out = Outbox::new();
            match error {
                Some(error) => self.shards[shard].icmp_error(self.now_ms, &from, error, &bytes, &mut out),
                None => self.shards[shard].receive(self.now_ms, &from, &bytes, &mut out),
            }
            mails.extend(self.flush(shard, &mut out));
        }
    }

    /// The end of a batch: what was sent is heard by the phones; what other shards get is given back.
    fn flush(&mut self, number: usize, out: &mut Outbox) -> Vec<Mail> {
        self.shards[number].commit(self.now_ms, out);
        for one in out.outgoing() {
            let bytes = out.bytes(one.bytes.clone());
            let text = String::from_utf8_lossy(bytes);
            assert!(Message::parse(bytes).is_ok(), "what was sent is no message: {text:?}");
            let phone = (0..PHONES).find(|phone| address(*phone).ip() == one.flow.remote.ip());
            let Some(phone) = phone.filter(|_| one.flow.remote.port() != 0) else { continue };
            self.got.push((phone, one.flow, bytes.to_vec()));
            if one.ticket != 0 {
                self.tickets.push((number, one.ticket));
            }
        }
        let (old_got, old_tickets) =
            (self.got.len().saturating_sub(PAST_MAX), self.tickets.len().saturating_sub(PAST_MAX));
        self.got.drain(..old_got);
        self.tickets.drain(..old_tickets);
        let mails = out.handed_over().iter().filter(|mail| usize::from(mail.shard) < SHARDS);
        mails
            .map(|mail| {
                let bytes = out.bytes(mail.bytes.clone()).to_vec();
                (usize::from(mail.shard), mail.from, bytes, mail.error)
            })
            .collect()
    }

    fn ends(mut self) {
        for _ in 0..16 {
            self.pass(QUIET_MS / 16);
        }
        for (shard, counters) in self.shards.iter().zip(&self.counters) {
            assert_eq!(counters.of(EventKind::PanicCaught), 0, "a panic was caught");
            assert!(shard.is_empty(), "something is left after all timers");
            assert_eq!(shard.held(), Held::default(), "something is left after all timers");
        }
        assert_eq!(self.drain.at_work(), 0, "requests are counted that are over");
    }
}

fn address(phone: usize) -> SocketAddr {
    ([192, 0, 2, 10 + phone as u8], 5060).into()
}
