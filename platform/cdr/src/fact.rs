//! What a shard sees of a call, as small facts. A shard keeps no state of dialogs; the joiner makes calls of these.
//!
//! ```text
//!   payload:  kind (1) │ at, ms (varint) │ the fields in their order (varints, strings with their length before them)
//! ```
//! Facts about a transaction name it by its leg: the number of the INVITE's server transaction, which no other has had in
//! this run of the server. Facts about a dialog carry Call-ID, From and To as they stood in the message: what is in them
//! is looked for by the joiner, off the fast path.

use std::net::SocketAddr;

use offhook_frames::encoding::{Cursor, put_address, put_string, put_varint};

/// Of a longer text only so much is kept, the same part everywhere, so that what belongs together still meets. Real ones
/// are far shorter; a fact with all its texts stays below a frame.
pub const TEXT_BYTES_MAX: usize = 1_024;

const BEGUN: u8 = 1;
const RANG: u8 = 2;
const CANCELLED: u8 = 3;
const ANSWERED: u8 = 4;
const REFUSED: u8 = 5;
const RENEWED: u8 = 6;
const ENDED: u8 = 7;
const LOST: u8 = 8;
const HEARD: u8 = 9;

/// No fact is later than this, ms: what is kept of it fits the store (the year 287,396).
const TIME_MAX_MS: u64 = 1 << 53;

/// An INVITE outside a dialog went on its way, or was refused by us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begun<'a> {
    /// Its transaction; 0 where it was refused without one.
    pub leg: u64,
    /// The refusal that was our own answer; 0: it was forwarded.
    pub refused: u16,
    /// Whether we stay in the path (Record-Route), and so will see the end.
    pub in_path: bool,
    /// The number in CSeq: a repeated attempt has a higher one.
    pub cseq: u32,
    /// By which transport it came.
    pub transport: &'a [u8],
    /// From where.
    pub source: SocketAddr,
    /// Call-ID.
    pub call_id: &'a [u8],
    /// The tag in From.
    pub from_tag: &'a [u8],
    /// The URI in From.
    pub from: &'a [u8],
    /// The URI in To.
    pub to: &'a [u8],
    /// The Request-URI as received.
    pub request_uri: &'a [u8],
    /// The account that proved itself, empty where nobody was asked.
    pub user: &'a [u8],
    /// Contact as it stood.
    pub contact: &'a [u8],
    /// User-Agent as it stood.
    pub agent: &'a [u8],
    /// How the way was found: the name of a route, or what stood for one.
    pub route: &'a [u8],
    /// The trunk it goes out by, empty for none.
    pub trunk: &'a [u8],
}

/// A 2xx to that INVITE went to the caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered<'a> {
    /// The transaction of the INVITE.
    pub leg: u64,
    /// The status.
    pub status: u16,
    /// Where the branch that answered was sent.
    pub target: SocketAddr,
    /// To as it stood.
    pub to: &'a [u8],
    /// Contact as it stood.
    pub contact: &'a [u8],
    /// Server or User-Agent as it stood.
    pub agent: &'a [u8],
    /// Session-Expires as it stood, empty where there is none.
    pub session_expires: &'a [u8],
}

/// Which dialog a fact is about, as its headers stood.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InDialog<'a> {
    /// Call-ID.
    pub call_id: &'a [u8],
    /// From: whoever sent the request.
    pub from: &'a [u8],
    /// To: the other side.
    pub to: &'a [u8],
}

/// One fact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fact<'a> {
    /// A call began.
    Begun(Begun<'a>),
    /// The first provisional response above 100 went to the caller.
    Rang {
        /// The transaction of the INVITE.
        leg: u64,
    },
    /// The caller gave up (CANCEL).
    Cancelled {
        /// The transaction of the INVITE.
        leg: u64,
        /// Reason as it stood.
        reason: &'a [u8],
    },
    /// Somebody answered.
    Answered(Answered<'a>),
    /// A final response other than 2xx went to the caller.
    Refused {
        /// The transaction of the INVITE.
        leg: u64,
        /// The status.
        status: u16,
        /// Reason, or the reason phrase where there is none.
        reason: &'a [u8],
    },
    /// The caller has acknowledged that refusal: no retransmission of the INVITE will come.
    Heard {
        /// The transaction of the INVITE.
        leg: u64,
    },
    /// A 2xx to a re-INVITE or an UPDATE: the session timer begins anew (RFC 4028 §8.2).
    Renewed {
        /// The dialog.
        dialog: InDialog<'a>,
        /// Session-Expires of the 2xx, empty where there is none.
        session_expires: &'a [u8],
    },
    /// A BYE had its final answer.
    Ended {
        /// The dialog, seen from whoever sent the BYE.
        dialog: InDialog<'a>,
        /// The final answer.
        status: u16,
        /// Whether it is our own, for nothing came.
        unheard: bool,
    },
    /// So many facts could not be kept before this one.
    Lost {
        /// How many.
        facts: u64,
    },
}

impl<'a> Fact<'a> {
    /// Appends the payload.
    pub fn write(&self, at_ms: u64, out: &mut Vec<u8>) {
        let head = |out: &mut Vec<u8>, kind: u8| {
            out.push(kind);
            put_varint(out, at_ms);
        };
        match self {
            Self::Begun(begun) => {
                head(out, BEGUN);
                begun.write(out);
            }
            Self::Rang { leg } => {
                head(out, RANG);
                put_varint(out, *leg);
            }
            Self::Cancelled { leg, reason } => {
                head(out, CANCELLED);
                put_varint(out, *leg);
                put_text(out, reason);
            }
            Self::Answered(answered) => {
                head(out, ANSWERED);
                answered.write(out);
            }
            Self::Refused { leg, status, reason } => {
                head(out, REFUSED);
                put_varint(out, *leg);
                put_varint(out, (*status).into());
                put_text(out, reason);
            }
            Self::Heard { leg } => {
                head(out, HEARD);
                put_varint(out, *leg);
            }
            Self::Renewed { dialog, session_expires } => {
                head(out, RENEWED);
                dialog.write(out);
                put_text(out, session_expires);
            }
            Self::Ended { dialog, status, unheard } => {
                head(out, ENDED);
                put_varint(out, (*status).into());
                out.push((*unheard).into());
                dialog.write(out);
            }
            Self::Lost { facts } => {
                head(out, LOST);
                put_varint(out, *facts);
            }
        }
    }

    /// Whether a call has its record without it, in its time: all that is missing then is when it rang.
    pub(crate) const fn may_wait(&self) -> bool {
        matches!(self, Self::Rang { .. })
    }

    /// The fact in a payload, and when it was. `None`: nothing that we have written.
    pub fn read(payload: &'a [u8]) -> Option<(u64, Self)> {
        let mut from = Cursor::new(payload);
        let (kind, at_ms) = (from.byte()?, from.varint()?);
        let fact = match kind {
            BEGUN => Self::Begun(Begun::read(&mut from)?),
            RANG => Self::Rang { leg: from.varint()? },
            CANCELLED => Self::Cancelled { leg: from.varint()?, reason: from.string()? },
            ANSWERED => Self::Answered(Answered::read(&mut from)?),
            REFUSED => Self::Refused { leg: from.varint()?, status: from.number()?, reason: from.string()? },
            RENEWED => Self::Renewed { dialog: InDialog::read(&mut from)?, session_expires: from.string()? },
            ENDED => {
                let (status, unheard) = (from.number()?, from.byte()? != 0);
                Self::Ended { dialog: InDialog::read(&mut from)?, status, unheard }
            }
            HEARD => Self::Heard { leg: from.varint()? },
            LOST => Self::Lost { facts: from.varint()? },
            _ => return None,
        };
        (from.rest().is_empty() && at_ms <= TIME_MAX_MS).then_some((at_ms, fact))
    }
}

impl<'a> Begun<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.leg);
        put_varint(out, self.refused.into());
        out.push(u8::from(self.in_path));
        put_varint(out, self.cseq.into());
        put_source(out, &self.source);
        for text in self.texts() {
            put_text(out, text);
        }
    }

    /// Whether we stay in the path of the call that such a fact is about.
    pub(crate) fn is_in_path(payload: &[u8]) -> bool {
        let mut from = Cursor::new(payload);
        let flag = (|| {
            let _before = (from.byte()?, from.varint()?, from.varint()?, from.varint()?);
            from.byte()
        })();
        flag != Some(0)
    }

    /// CSeq, Call-ID and the caller's tag of such a fact: whether another is about the same call is asked often, and the
    /// rest needs no reading for it.
    pub(crate) fn identity(payload: &'a [u8]) -> Option<(u32, &'a [u8], &'a [u8])> {
        let mut from = Cursor::new(payload);
        let (_kind, _at_ms, _leg, _refused, _in_path) =
            (from.byte()?, from.varint()?, from.varint()?, from.varint()?, from.byte()?);
        let cseq = from.number()?;
        let (_source, _transport) = (source(&mut from)?, from.string()?);
        Some((cseq, from.string()?, from.string()?))
    }

    fn texts(&self) -> [&'a [u8]; 11] {
        [
            self.transport,
            self.call_id,
            self.from_tag,
            self.from,
            self.to,
            self.request_uri,
            self.user,
            self.contact,
            self.agent,
            self.route,
            self.trunk,
        ]
    }

    fn read(from: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            leg: from.varint()?,
            refused: from.number()?,
            in_path: from.byte()? != 0,
            cseq: from.number()?,
            source: source(from)?,
            transport: from.string()?,
            call_id: from.string()?,
            from_tag: from.string()?,
            from: from.string()?,
            to: from.string()?,
            request_uri: from.string()?,
            user: from.string()?,
            contact: from.string()?,
            agent: from.string()?,
            route: from.string()?,
            trunk: from.string()?,
        })
    }
}

impl<'a> Answered<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.leg);
        put_varint(out, self.status.into());
        put_source(out, &self.target);
        for text in [self.to, self.contact, self.agent, self.session_expires] {
            put_text(out, text);
        }
    }

    fn read(from: &mut Cursor<'a>) -> Option<Self> {
        Some(Self {
            leg: from.varint()?,
            status: from.number()?,
            target: source(from)?,
            to: from.string()?,
            contact: from.string()?,
            agent: from.string()?,
            session_expires: from.string()?,
        })
    }
}

impl<'a> InDialog<'a> {
    fn write(&self, out: &mut Vec<u8>) {
        for text in [self.call_id, self.from, self.to] {
            put_text(out, text);
        }
    }

    fn read(from: &mut Cursor<'a>) -> Option<Self> {
        Some(Self { call_id: from.string()?, from: from.string()?, to: from.string()? })
    }
}

fn put_source(out: &mut Vec<u8>, address: &SocketAddr) {
    out.push(address.is_ipv6().into());
    put_address(out, address);
}

fn source(from: &mut Cursor<'_>) -> Option<SocketAddr> {
    let is_v6 = from.byte()? != 0;
    from.address(is_v6)
}

fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_string(out, clip(text));
}

/// The part of a text that is kept.
pub(crate) fn clip(text: &[u8]) -> &[u8] {
    text.get(..TEXT_BYTES_MAX).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> Begun<'static> {
        Begun {
            leg: 1 << 40,
            refused: 0,
            in_path: true,
            cseq: 7,
            transport: b"udp",
            source: "192.0.2.1:5060".parse().unwrap(),
            call_id: b"c",
            from_tag: b"f",
            from: b"sip:alice@a.example",
            to: b"sip:bob@a.example",
            request_uri: b"sip:bob@a.example",
            user: b"alice",
            contact: b"<sip:alice@192.0.2.1>",
            agent: b"phone",
            route: b"user",
            trunk: b"",
        }
    }

    fn all() -> Vec<Fact<'static>> {
        let dialog = InDialog { call_id: b"c", from: b"<sip:a@b>;tag=1", to: b"<sip:b@b>;tag=2" };
        vec![
            Fact::Begun(begun()),
            Fact::Rang { leg: 3 },
            Fact::Cancelled { leg: 3, reason: b"SIP;cause=200" },
            Fact::Answered(Answered {
                leg: 3,
                status: 200,
                target: "[2001:db8::1]:5060".parse().unwrap(),
                to: b"<sip:b@b>;tag=2",
                contact: b"<sip:b@192.0.2.2>",
                agent: b"",
                session_expires: b"1800;refresher=uac",
            }),
            Fact::Refused { leg: 3, status: 486, reason: b"Busy Here" },
            Fact::Renewed { dialog, session_expires: b"90" },
            Fact::Ended { dialog, status: 408, unheard: true },
            Fact::Heard { leg: 3 },
            Fact::Lost { facts: 9 },
        ]
    }

    #[test]
    fn facts_come_back() {
        for fact in all() {
            let mut bytes = Vec::new();
            fact.write(1_795_248_903_123, &mut bytes);
            assert_eq!(Fact::read(&bytes), Some((1_795_248_903_123, fact)));
            for end in 0..bytes.len() {
                assert_eq!(Fact::read(&bytes[..end]), None, "{fact:?} cut at {end}");
            }
            bytes.push(0);
            assert_eq!(Fact::read(&bytes), None, "{fact:?} with more behind it");
        }
    }

    #[test]
    fn a_call_is_known_without_reading_all_of_its_fact() {
        let mut bytes = Vec::new();
        Fact::Begun(begun()).write(77, &mut bytes);
        assert_eq!(Begun::identity(&bytes), Some((7, &b"c"[..], &b"f"[..])));
        assert!(Begun::is_in_path(&bytes));
        bytes.clear();
        Fact::Begun(Begun { in_path: false, ..begun() }).write(77, &mut bytes);
        assert!(!Begun::is_in_path(&bytes));
    }

    #[test]
    fn the_longest_fact_fits_a_frame() {
        let long = vec![b'x'; 60_000];
        let mut fact = begun();
        for text in [&mut fact.call_id, &mut fact.from, &mut fact.to, &mut fact.contact, &mut fact.agent] {
            *text = &long;
        }
        let mut bytes = Vec::new();
        Fact::Begun(fact).write(0, &mut bytes);
        assert!(bytes.len() < offhook_frames::PAYLOAD_BYTES_MAX);
        let Some((_, Fact::Begun(read))) = Fact::read(&bytes) else { panic!("it is read again") };
        assert_eq!(read.call_id.len(), TEXT_BYTES_MAX);
    }
}
