//! Everything that travelled, with times: what tests assert on, and what a failure shows.

use std::net::SocketAddr;

use offhook_net::Flow;
use offhook_sip::Transport;

use crate::NodeId;

/// What an entry of the trace is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A datagram, or what one send put into a stream.
    Message(Vec<u8>),
    /// A stream was opened.
    Opened,
    /// A stream was ended by one side, in order.
    Closed,
    /// A stream broke.
    Reset,
}

/// Why something did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// The link's dice.
    Dice,
    /// The link is cut.
    Cut,
    /// The test said so.
    Scripted,
    /// No node has that address.
    NoRoute,
    /// There is a node, but nobody at that port.
    NobodyListens,
    /// A translator did not let it in, or has forgotten the stream.
    Nat,
    /// The node was down, or died before it came.
    Down,
    /// Longer than a UDP datagram can be.
    TooBig,
}

impl Loss {
    /// A word for a ladder's margin.
    pub fn word(self) -> &'static str {
        match self {
            Self::Dice => "lost",
            Self::Cut => "cut",
            Self::Scripted => "lost on purpose",
            Self::NoRoute => "no such address",
            Self::NobodyListens => "nobody listens",
            Self::Nat => "stopped by NAT",
            Self::Down => "node is down",
            Self::TooBig => "too big for UDP",
        }
    }
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// On its way, or held by a reader that does not read.
    Travelling,
    /// Arrived at this time (ms since the world began), by this flow of the receiver.
    Arrived {
        /// Milliseconds since the world began.
        at_ms: u64,
        /// As the receiver was told.
        by: Flow,
    },
    /// Did not and will not arrive.
    Lost(Loss),
}

/// One thing that travelled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Milliseconds since the world began.
    pub sent_ms: u64,
    /// The sender.
    pub from: NodeId,
    /// Whose address it was meant for, if anybody's.
    pub to: Option<NodeId>,
    /// Source and destination as seen between the translators.
    pub wire: (SocketAddr, SocketAddr),
    /// How it travelled.
    pub transport: Transport,
    /// What it was.
    pub event: Event,
    /// What became of it.
    pub fate: Fate,
}

impl Entry {
    /// The bytes, if it is a message.
    pub fn message(&self) -> Option<&[u8]> {
        match &self.event {
            Event::Message(bytes) => Some(bytes),
            Event::Opened | Event::Closed | Event::Reset => None,
        }
    }

    /// The first line; for what has none, a description.
    pub fn first_line(&self) -> String {
        let bytes = match &self.event {
            Event::Message(bytes) => bytes,
            Event::Opened => return "(opens)".to_owned(),
            Event::Closed => return "(closes)".to_owned(),
            Event::Reset => return "(resets)".to_owned(),
        };
        let line = bytes.split(|&b| b == b'\r' || b == b'\n').next().unwrap_or_default();
        if line.is_empty() && bytes.iter().all(|b| b"\r\n".contains(b)) {
            return format!("(keep-alive, {} bytes)", bytes.len());
        }
        String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { '.' } else { c }).collect()
    }

    /// The first line made short: `INVITE sip:bob@example.com`, `486 INVITE`.
    pub fn label(&self) -> String {
        let first = self.first_line();
        let mut words = first.split(' ');
        match (words.next(), words.next()) {
            (Some("SIP/2.0"), Some(status)) => match self.cseq_method() {
                Some(method) => format!("{status} {method}"),
                None => status.to_owned(),
            },
            (Some(method), Some(uri)) if first.ends_with(" SIP/2.0") => format!("{method} {uri}"),
            _ => first,
        }
    }

    fn cseq_method(&self) -> Option<String> {
        let text = String::from_utf8_lossy(self.message()?);
        text.lines().take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let method = value.split_whitespace().nth(1)?;
            name.trim().eq_ignore_ascii_case("CSeq").then(|| method.to_owned())
        })
    }
}

/// The entries in the order of sending, and the order in which they arrived.
#[derive(Default, Debug)]
pub(crate) struct Trace {
    pub(crate) entries: Vec<Entry>,
    pub(crate) arrivals: Vec<usize>,
}

impl Trace {
    pub(crate) fn add(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    pub(crate) fn arrived(&mut self, index: usize, at_ms: u64, by: Flow) {
        self.entries[index].fate = Fate::Arrived { at_ms, by };
        self.arrivals.push(index);
    }

    pub(crate) fn lost(&mut self, index: usize, why: Loss) {
        self.entries[index].fate = Fate::Lost(why);
    }

    /// FNV-1a over times, ends, fates and bytes: equal traces, equal hashes, on every machine.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = Fnv(0xCBF2_9CE4_8422_2325);
        for entry in &self.entries {
            hash.add(&entry.sent_ms.to_be_bytes());
            let ends = format!("{:?} {:?} {:?} {:?}", entry.from, entry.to, entry.wire, entry.fate);
            hash.add(ends.as_bytes());
            hash.add(entry.first_line().as_bytes());
            hash.add(entry.message().unwrap_or_default());
        }
        for arrival in &self.arrivals {
            hash.add(&(*arrival as u64).to_be_bytes());
        }
        hash.0
    }
}

struct Fnv(u64);

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}
