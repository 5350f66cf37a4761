//! A server on loopback whose engine is a closure, and what that engine was told.

// Each test file uses its part.
#![allow(dead_code, unreachable_pub)]

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use offhook_net::{
    CloseReason, ConnectionId, Engine, Flow, IcmpError, Limits, Listener, Loop, NetCounters, Outbox, Stopper,
    Ticket, TlsConfigs, TlsFailure, WebSocketFailure, WebSocketOptions, bind, resolve,
};
use offhook_sip::Transport;

/// Longer than anything here takes, on a machine that is busy with something else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a test may leave unheard.
const TOLD_MAX: usize = 100_000;

/// What begins so and goes on with a digit was sent by that shard, and an ICMP error about it goes there.
pub const SENT_BY: &[u8] = b"sent by shard ";

/// What an engine was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    Received(Flow, Vec<u8>),
    Unframeable(usize),
    Failed(Ticket),
    Icmp(Flow, IcmpError, Vec<u8>),
    Closed(ConnectionId),
    Tick(u64),
    Certified(ConnectionId, Vec<u8>),
    Insecure(Flow, TlsFailure),
    Unopened(Flow, WebSocketFailure),
    NoRoom(&'static str, usize),
}

pub type Receive = Box<dyn FnMut(&Flow, &[u8], &mut Outbox) + Send>;

pub struct Script {
    shard: usize,
    receive: Receive,
    told: SyncSender<(usize, Told)>,
    pub deadline_ms: Option<u64>,
    barred: Barred,
}

/// Who gets no connection, shared by the test and the engine: the address, and whether that is news.
pub type Barred = Arc<Mutex<(Option<IpAddr>, bool)>>;

impl Script {
    fn tell(&self, told: Told) {
        // The test may have ended, or listens to nothing of it.
        let _ = self.told.try_send((self.shard, told));
    }
}

impl Engine for Script {
    fn receive(&mut self, _: u64, from: &Flow, message: &[u8], out: &mut Outbox) {
        self.tell(Told::Received(*from, message.to_vec()));
        (self.receive)(from, message, out);
    }

    fn unframeable(&mut self, _: u64, from: &Flow, head: &[u8], out: &mut Outbox) {
        self.tell(Told::Unframeable(head.len()));
        out.push(b"bad request", *from, 0);
    }

    fn send_failed(&mut self, _: u64, ticket: Ticket, _: &mut Outbox) {
        self.tell(Told::Failed(ticket));
    }

    fn icmp_error(&mut self, _: u64, to: &Flow, error: IcmpError, quoted: &[u8], out: &mut Outbox) {
        let owner = quoted.strip_prefix(SENT_BY).and_then(|rest| rest.first());
        match owner.map(|digit| digit - b'0').filter(|owner| usize::from(*owner) != self.shard) {
            Some(owner) => out.hand_over_error(owner, *to, error, quoted),
            None => self.tell(Told::Icmp(*to, error, quoted.to_vec())),
        }
    }

    fn connection_closed(&mut self, _: u64, connection: ConnectionId, _: &mut Outbox) {
        self.tell(Told::Closed(connection));
    }

    fn peer_certified(&mut self, _: u64, from: &Flow, certificate: &[u8]) {
        self.tell(Told::Certified(from.connection, certificate.to_vec()));
    }

    fn insecure(&mut self, _: u64, from: &Flow, why: TlsFailure) {
        self.tell(Told::Insecure(*from, why));
    }

    fn websocket_failed(&mut self, _: u64, from: &Flow, why: WebSocketFailure) {
        self.tell(Told::Unopened(*from, why));
    }

    fn limit_reached(&mut self, _: u64, _: &Flow, which: &'static str, limit: usize) {
        self.tell(Told::NoRoom(which, limit));
    }

    fn tick(&mut self, now_ms: u64, _: &mut Outbox) {
        self.deadline_ms = None;
        self.tell(Told::Tick(now_ms));
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        self.deadline_ms
    }

    fn admits(&mut self, _: u64, from: IpAddr) -> bool {
        self.barred.lock().unwrap().0 != Some(from)
    }

    fn bars_more(&mut self) -> bool {
        std::mem::take(&mut self.barred.lock().unwrap().1)
    }

    fn commit(&mut self, _: u64, _: &mut Outbox) {}
}

/// Sends back what comes, by the way it came.
pub fn echo() -> Receive {
    Box::new(|from, message, out| out.push(message, *from, 0))
}

pub struct Server {
    pub listeners: Vec<Listener>,
    pub counters: Vec<Arc<NetCounters>>,
    pub told: Receiver<(usize, Told)>,
    pub stopper: Stopper,
    pub barred: Barred,
    threads: Vec<JoinHandle<Loop<Script>>>,
}

impl Server {
    /// One shard on loopback that listens by each of these transports and addresses.
    pub fn start(listen: &[(Transport, &str)], limits: Limits, receive: Receive) -> Self {
        let mut receive = Some(receive);
        Self::start_shards(1, listen, limits, |_| receive.take().unwrap())
    }

    /// One shard that can speak TLS.
    pub fn start_secure(
        listen: &[(Transport, &str)],
        limits: Limits,
        tls: Arc<TlsConfigs>,
        receive: Receive,
    ) -> Self {
        let mut receive = Some(receive);
        let framing = (Some(tls), WebSocketOptions::default());
        Self::open(1, listen, limits, framing, |_| receive.take().unwrap())
    }

    /// One shard that takes WebSockets in this way.
    pub fn start_websocket(
        listen: &[(Transport, &str)],
        limits: Limits,
        framing: (Option<Arc<TlsConfigs>>, WebSocketOptions),
        receive: Receive,
    ) -> Self {
        let mut receive = Some(receive);
        Self::open(1, listen, limits, framing, |_| receive.take().unwrap())
    }

    pub fn start_shards(
        shards: usize,
        listen: &[(Transport, &str)],
        limits: Limits,
        receive: impl FnMut(usize) -> Receive,
    ) -> Self {
        Self::open(shards, listen, limits, (None, WebSocketOptions::default()), receive)
    }

    fn open(
        shards: usize,
        listen: &[(Transport, &str)],
        limits: Limits,
        (tls, websocket): (Option<Arc<TlsConfigs>>, WebSocketOptions),
        mut receive: impl FnMut(usize) -> Receive,
    ) -> Self {
        let asked: Vec<_> = listen.iter().map(|(t, a)| (*t, a.parse().unwrap(), None)).collect();
        let listeners = resolve(&asked).unwrap();
        let (tell, told) = sync_channel(TOLD_MAX);
        let barred = Barred::default();
        let script = |shard| Script {
            shard,
            receive: receive(shard),
            told: tell.clone(),
            deadline_ms: None,
            barred: barred.clone(),
        };
        let sockets = bind(&listeners, shards).unwrap();
        let scripts: Vec<_> = (0..shards).map(script).collect();
        let open =
            |(s, e)| Loop::with_tls(s, e, limits, tls.clone()).unwrap().with_websocket(websocket.clone());
        let loops: Vec<_> = sockets.into_iter().zip(scripts).map(open).collect();
        let counters = loops.iter().map(Loop::counters).collect();
        let stopper = Stopper::new().unwrap();
        let mut server = Self { listeners, counters, told, stopper, barred, threads: vec![] };
        server.run(loops);
        server
    }

    fn run(&mut self, loops: Vec<Loop<Script>>) {
        let run = |mut shard: Loop<Script>| {
            let stopper = self.stopper.clone();
            std::thread::spawn(move || {
                shard.run(&stopper).unwrap();
                shard
            })
        };
        self.threads = loops.into_iter().map(run).collect();
    }

    /// Stops it and gives back what it ran.
    pub fn stop(&mut self) -> Vec<Loop<Script>> {
        self.stopper.stop();
        self.threads.drain(..).map(|t| t.join().unwrap()).collect()
    }

    /// Runs again what was stopped.
    pub fn run_again(&mut self, loops: Vec<Loop<Script>>) {
        self.stopper = Stopper::new().unwrap();
        self.run(loops);
    }

    pub fn address(&self, listener: usize) -> SocketAddr {
        self.listeners[listener].local
    }

    /// A client that is connected to a listener.
    pub fn dial(&self, listener: usize) -> TcpStream {
        let stream = TcpStream::connect(self.address(listener)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// Waits for the next thing told that `wanted` recognises, passing over others.
    #[track_caller]
    pub fn wait_told<T>(&self, mut wanted: impl FnMut(usize, &Told) -> Option<T>) -> T {
        loop {
            let (shard, told) = self.told.recv_timeout(PATIENCE).expect("the engine is told");
            if let Some(found) = wanted(shard, &told) {
                return found;
            }
        }
    }

    #[track_caller]
    pub fn wait_closed(&self, reason: CloseReason, count: u64) {
        eventually(reason.name(), || self.counters[0].closed(reason) >= count);
        assert_eq!(self.counters[0].closed(reason), count, "{}", reason.name());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopper.stop();
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(std::thread::panicking() || ended.is_ok(), "a loop panicked");
        }
    }
}

/// Asks until it is so.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

pub fn phone(ip: &str) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// The next datagram.
#[track_caller]
pub fn hear(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 65_536];
    let length = socket.recv(&mut buffer).expect("a datagram");
    buffer.truncate(length);
    buffer
}

/// A message that a stream can carry.
pub fn message(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!("MESSAGE sip:bob SIP/2.0\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    bytes
}

#[track_caller]
pub fn read_exactly(mut stream: &TcpStream, expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).expect("bytes from the server");
    assert!(bytes == expected, "{:?} is not {:?}", Text(&bytes), Text(expected));
}

/// Reads until the server closes, and says what came before.
#[track_caller]
pub fn read_to_close(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(e) if e.kind() != ErrorKind::ConnectionReset => panic!("not closed: {e}"),
        _ => bytes,
    }
}

pub fn say(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap();
}

struct Text<'a>(&'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let start = &self.0[..self.0.len().min(200)];
        write!(f, "{:?} ({} bytes)", String::from_utf8_lossy(start), self.0.len())
    }
}
