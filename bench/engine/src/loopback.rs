//! Calls over real sockets in full batches, to count the system calls of a saturated server.
//!
//! Everything happens in one thread, so that it is the same each time: a batch of messages is put into the server's
//! socket, its loop goes round once (it finds the batch and the order to stop), and what it sent is read. Only what stands
//! between [`BEGIN`] and [`END`] in a trace is the server's.

use std::io::Write;
use std::net::{SocketAddr, UdpSocket};

use offhook_cdr::Spool;
use offhook_net::{Limits, Loop, Stopper, bind, resolve};
use offhook_node::Shard;
use offhook_sip::{Message, Name, Transport};

use crate::caller::{SDP, response_text};
use crate::exchange::{DOMAIN, shard_of};

/// Written to standard error before the loop runs, and after it.
const BEGIN: &[u8] = b"loop begins\n";
const END: &[u8] = b"loop ends\n";

/// Calls that are at the same point: what one system call of the server receives.
const TOGETHER: usize = 32;

/// Plays so many calls (rounded up to whole batches) through a static route.
pub(crate) fn run(calls: u32) -> anyhow::Result<()> {
    let mut scene = Scene::new()?;
    for batch in 0..calls.div_ceil(TOGETHER as u32) {
        scene.calls(batch as usize * TOGETHER)?;
    }
    Ok(())
}

struct Scene {
    server: SocketAddr,
    shard: Loop<Shard>,
    caller: UdpSocket,
    callee: UdpSocket,
}

impl Scene {
    fn new() -> anyhow::Result<Self> {
        let [caller, callee] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
        let listeners = resolve(&[(Transport::Udp, "127.0.0.1:0".parse()?, None)])?;
        let server = listeners[0].local;
        let configuration = format!(
            "domains = [\"home.{DOMAIN}\"]\n[[listen]]\ntransport = \"udp\"\naddress = \"{server}\"\n\
             [access]\nauthenticate_register = false\nauthenticate_calls = false\n\
             [[route]]\nmatch = {{ domain = \"{DOMAIN}\" }}\nto = \"sip:{}\"\n",
            callee.local_addr()?
        );
        let shard = shard_of(&configuration, &listeners, Spool::off())?;
        let shard = Loop::new(bind(&listeners, 1)?.remove(0), shard, Limits::default())?;
        Ok(Self { server, shard, caller, callee })
    }

    fn calls(&mut self, first: usize) -> anyhow::Result<()> {
        let port = self.callee.local_addr()?.port();
        let numbers = first..first + TOGETHER;
        let respond = |requests: &[Vec<u8>], status, body| -> Vec<String> {
            requests.iter().map(|request| response_text(request, status, port, body)).collect()
        };
        let invites = self.caller_sends(numbers.map(invite).collect())?;
        self.callee_sends(respond(&invites, "180 Ringing", ""))?;
        let answers = self.callee_sends(respond(&invites, "200 OK", SDP))?;
        self.caller_sends(answers.iter().map(|answer| in_dialog("ACK", 1, answer)).collect())?;
        let byes = self.caller_sends(answers.iter().map(|answer| in_dialog("BYE", 2, answer)).collect())?;
        self.callee_sends(respond(&byes, "200 OK", ""))?;
        Ok(())
    }

    fn caller_sends(&mut self, texts: Vec<String>) -> anyhow::Result<Vec<Vec<u8>>> {
        texts.iter().try_for_each(|text| self.caller.send_to(text.as_bytes(), self.server).map(drop))?;
        self.turn()?;
        hear(&self.callee)
    }

    fn callee_sends(&mut self, texts: Vec<String>) -> anyhow::Result<Vec<Vec<u8>>> {
        texts.iter().try_for_each(|text| self.callee.send_to(text.as_bytes(), self.server).map(drop))?;
        self.turn()?;
        hear(&self.caller)
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let stopper = Stopper::new()?;
        stopper.stop();
        let mut trace = std::io::stderr();
        trace.write_all(BEGIN)?;
        self.shard.run(&stopper)?;
        trace.write_all(END)?;
        Ok(())
    }
}

/// As many as a batch has: loopback has delivered them before the server's call returned.
fn hear(socket: &UdpSocket) -> anyhow::Result<Vec<Vec<u8>>> {
    socket.set_nonblocking(true)?;
    let mut buffer = [0; 4_096];
    let mut one = || -> anyhow::Result<Vec<u8>> {
        let length = socket.recv(&mut buffer)?;
        Ok(buffer[..length].to_vec())
    };
    (0..TOGETHER).map(|_| one()).collect()
}

fn invite(number: usize) -> String {
    format!(
        "INVITE sip:u1@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP alice.invalid;branch=z9hG4bKi{number:06};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@{DOMAIN}>;tag=f{number:06}\r\nTo: <sip:u1@{DOMAIN}>\r\n\
         Call-ID: {number:06}@bench\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@alice.invalid>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    )
}

fn in_dialog(method: &str, cseq: u32, answer: &[u8]) -> String {
    let answer = Message::parse(answer).expect("an answer");
    let text = |name| String::from_utf8_lossy(answer.value(name).unwrap_or_default()).into_owned();
    let call_id = text(Name::CallId);
    format!(
        "{method} sip:u1@{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/UDP alice.invalid;branch=z9hG4bK{cseq}{method}{};rport\r\n\
         Route: {}\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
         Content-Length: 0\r\n\r\n",
        call_id.split('@').next().unwrap_or_default(),
        text(Name::RecordRoute),
        text(Name::From),
        text(Name::To),
    )
}
