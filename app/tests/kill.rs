//! What a server promised with a 200 is true after `kill -9` at any moment: a binding that was acknowledged is there,
//! and one whose removal was acknowledged does not come back.
//!
//! Five rounds as a rule; `OFFHOOK_KILL_ROUNDS=200 cargo test -p offhook --test kill` kills more often, and
//! `OFFHOOK_KILL_SEED` begins somewhere else.

#![allow(clippy::print_stderr, reason = "who kills for long wants to know how much was tried")]

mod phone;
mod server;

use std::collections::{BTreeSet, HashMap};
use std::io::ErrorKind;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use offhook_sip::Message;
use phone::Phone;
use server::{PATIENCE, Place, Server};

const OPEN: &str = "[access]\nauthenticate_register = false\n";

const USERS: usize = 40;
const PHONES_PER_USER: usize = 3;

/// Requests that wait for their answers: the server always has something in its hands when it dies.
const WINDOW: usize = 24;

/// Answers after which it dies, as many as a round has at most.
const ANSWERS_MAX: u64 = 800;

/// From the last request to the kill: some or all of the window may have been served.
const MOMENT_MAX_US: u64 = 8_000;

/// From one life of the server to the next its shards may be more or fewer.
const SHARDS_MAX: u64 = 3;

type Binding = (String, String);

/// Everything that is registered, as the program lists it.
fn listed(place: &Place) -> BTreeSet<Binding> {
    let list = place.print(&["bindings", "--json"]);
    let binding = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        (line["aor"].as_str().unwrap().to_owned(), line["contact"].as_str().unwrap().to_owned())
    };
    list.lines().map(binding).collect()
}

#[test]
fn bindings_survive_kill_and_restart() {
    let place = Place::with(OPEN);
    let mut server = Server::start(&place);
    let mut phones: Vec<Phone> = ["alice", "bob"].map(|user| Phone::new(server.udp, user, "")).into();
    phones.iter_mut().for_each(|phone| assert_eq!(phone.register(3_600), 200));
    let before = listed(&place);
    assert_eq!(before.len(), 2);
    server.kill();
    assert_eq!(listed(&place), before, "without a server");
    let _restarted = Server::start(&place);
    assert_eq!(listed(&place), before, "after the restart");
}

/// Small and repeatable: SplitMix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What we know of one contact of one user.
#[derive(Clone, Copy, Default)]
struct Known {
    /// What the last answer acknowledged: registered or not.
    acknowledged: bool,
    /// What was asked for and not answered.
    asked: Option<bool>,
}

/// Many phones, and what each was promised. Those of one user have different sockets, so different shards serve them
/// where there are several.
struct Crowd {
    sockets: Vec<UdpSocket>,
    known: Vec<Known>,
    /// The phone that each CSeq was of.
    waiting: HashMap<u32, usize>,
    cseq: u32,
}

impl Crowd {
    fn new() -> Self {
        let sockets = (0..PHONES_PER_USER).map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        });
        let known = vec![Known::default(); USERS * PHONES_PER_USER];
        Self { sockets: sockets.collect(), known, waiting: HashMap::new(), cseq: 0 }
    }

    fn binding(&self, phone: usize) -> Binding {
        let (user, own) = (phone / PHONES_PER_USER, self.socket(phone).local_addr().unwrap());
        (format!("user{user}@offhook.internal"), format!("sip:user{user}@{own};phone={phone}"))
    }

    fn socket(&self, phone: usize) -> &UdpSocket {
        &self.sockets[phone % PHONES_PER_USER]
    }

    /// Asks for random changes and takes answers until so many have come; then the server has its hands full.
    fn besiege(&mut self, server: &Server, dice: &mut Dice, answers: u64) {
        let (mut heard, mut heard_at) = (0, Instant::now());
        loop {
            while self.waiting.len() < WINDOW {
                let phone = dice.below(self.known.len() as u64) as usize;
                if self.known[phone].asked.is_none() {
                    self.ask(server, phone, dice.below(10) < 6);
                }
            }
            if heard >= answers {
                return;
            }
            match self.hear() {
                0 => std::thread::yield_now(),
                more => (heard, heard_at) = (heard + more, Instant::now()),
            }
            assert!(heard_at.elapsed() < PATIENCE, "the server is silent");
        }
    }

    fn ask(&mut self, server: &Server, phone: usize, register: bool) {
        self.cseq += 1;
        let (cseq, own, expires_s) =
            (self.cseq, self.socket(phone).local_addr().unwrap(), u32::from(register) * 3_600);
        let (aor, contact) = self.binding(phone);
        let request = format!(
            "REGISTER sip:offhook.internal SIP/2.0\r\n\
             Via: SIP/2.0/UDP {own};branch=z9hG4bK{cseq}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{aor}>;tag={phone}\r\n\
             To: <sip:{aor}>\r\n\
             Call-ID: {phone}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <{contact}>;expires={expires_s}\r\n\
             Content-Length: 0\r\n\r\n"
        );
        self.socket(phone).send_to(request.as_bytes(), server.udp).unwrap();
        self.known[phone].asked = Some(register);
        self.waiting.insert(cseq, phone);
    }

    /// Takes the answers that are there, and says how many.
    fn hear(&mut self) -> u64 {
        let mut heard = 0;
        let mut bytes = [0; 65_536];
        for socket in &self.sockets {
            loop {
                let length = match socket.recv(&mut bytes) {
                    Ok(length) => length,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                };
                let answer = Message::parse(&bytes[..length]).unwrap();
                assert_eq!(answer.status(), Some(200));
                let phone = self.waiting.remove(&answer.cseq().unwrap().number).unwrap();
                let known = &mut self.known[phone];
                known.acknowledged = known.asked.take().unwrap();
                heard += 1;
            }
        }
        heard
    }

    /// Compares promises with what is there; what was not answered may have happened or not.
    #[track_caller]
    fn check(&mut self, listed: &BTreeSet<Binding>, round: &str) {
        let mut expected = 0;
        for phone in 0..self.known.len() {
            let (binding, known) = (self.binding(phone), self.known[phone]);
            let there = listed.contains(&binding);
            let possible = there == known.acknowledged || Some(there) == known.asked;
            assert!(possible, "{round}: {binding:?} is there: {there}, acknowledged: {}", known.acknowledged);
            self.known[phone] = Known { acknowledged: there, asked: None };
            expected += usize::from(there);
        }
        assert_eq!(listed.len(), expected, "{round}: somebody is listed who never registered");
        self.waiting.clear();
    }
}

/// The number that the environment gives, if any.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

#[test]
fn a_kill_at_a_random_moment_breaks_no_promise() {
    let rounds = number("OFFHOOK_KILL_ROUNDS").unwrap_or(5);
    let seed = number("OFFHOOK_KILL_SEED").unwrap_or(0);
    let place = Place::with(OPEN);
    let mut crowd = Crowd::new();
    let mut server = Server::start(&place);
    let (mut answers, mut unanswered) = (0, 0);
    for round in 0..rounds {
        let mut dice = Dice(seed ^ round.wrapping_mul(0x5851_f42d_4c95_7f2d));
        let wanted = 100 + dice.below(ANSWERS_MAX - 100);
        crowd.besiege(&server, &mut dice, wanted);
        let moment = Instant::now() + Duration::from_micros(dice.below(MOMENT_MAX_US));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        server.kill();
        // The answers that had left the dead server are promises like the others.
        crowd.hear();
        (answers, unanswered) = (answers + wanted, unanswered + crowd.waiting.len());
        place.configure(&format!("{OPEN}[engine]\nshards = {}\n", 1 + dice.below(SHARDS_MAX)));
        server = Server::start(&place);
        crowd.check(&listed(&place), &format!("round {round} of seed {seed}"));
    }
    eprintln!("{rounds} kills, {answers} answers, {unanswered} requests without one");
}
