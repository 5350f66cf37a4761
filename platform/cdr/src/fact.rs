//! What a shard sees of a call, as small facts. A shard keeps no state of dialogs; the joiner makes calls of these.
//!
//! Facts about a transaction name it by its leg: the number of the INVITE's server transaction, which no other has had in
//! this run of the server. Facts about a dialog carry Call-ID and both tags. How they lie in a spool says
//! [`layout`](crate::layout).

use std::net::SocketAddr;

use crate::layout::{self, Opening, Reply, Texts, put_head};

/// Of a longer text only so much is kept, the same part everywhere, so that what belongs together still meets. Real ones
/// are far shorter; a fact with all its texts stays below a frame.
pub const TEXT_BYTES_MAX: usize = 1_024;

pub(crate) const BEGUN: u8 = 1;
const RANG: u8 = 2;
const CANCELLED: u8 = 3;
pub(crate) const ANSWERED: u8 = 4;
const REFUSED: u8 = 5;
const RENEWED: u8 = 6;
const ENDED: u8 = 7;
const LOST: u8 = 8;
const HEARD: u8 = 9;
const BY_TRUNK: u8 = 10;

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
    /// And its domain.
    pub domain: &'a [u8],
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
    /// By which transport the branch that answered was sent.
    pub transport: &'a [u8],
    /// And where to.
    pub target: SocketAddr,
    /// The tag in To.
    pub to_tag: &'a [u8],
    /// Contact as it stood.
    pub contact: &'a [u8],
    /// Server or User-Agent as it stood.
    pub agent: &'a [u8],
    /// Session-Expires as it stood, empty where there is none.
    pub session_expires: &'a [u8],
}

/// Which dialog a fact is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InDialog<'a> {
    /// Call-ID.
    pub call_id: &'a [u8],
    /// The tag in From: of whoever sent the request.
    pub from_tag: &'a [u8],
    /// The tag in To: of the other side.
    pub to_tag: &'a [u8],
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
    /// It goes out by another trunk than was said when it began, or by none after all: who answers it was redirected to.
    ByTrunk {
        /// The transaction of the INVITE.
        leg: u64,
        /// The name of the trunk, empty for none.
        trunk: &'a [u8],
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
        match self {
            Self::Begun(begun) => {
                put_head(BEGUN, at_ms, out);
                layout::put_begun(begun, out);
            }
            Self::Rang { leg } => put_named(RANG, at_ms, *leg, out),
            Self::Cancelled { leg, reason } => {
                put_named(CANCELLED, at_ms, *leg, out);
                Texts::put([reason], out);
            }
            Self::Answered(answered) => {
                put_head(ANSWERED, at_ms, out);
                layout::put_answered(answered, out);
            }
            Self::Refused { leg, status, reason } => {
                put_named(REFUSED, at_ms, *leg, out);
                out.extend_from_slice(&status.to_le_bytes());
                Texts::put([reason], out);
            }
            Self::Heard { leg } => put_named(HEARD, at_ms, *leg, out),
            Self::ByTrunk { leg, trunk } => {
                put_named(BY_TRUNK, at_ms, *leg, out);
                Texts::put([trunk], out);
            }
            Self::Renewed { dialog, session_expires } => {
                put_head(RENEWED, at_ms, out);
                Texts::put([dialog.call_id, dialog.from_tag, dialog.to_tag, session_expires], out);
            }
            Self::Ended { dialog, status, unheard } => {
                put_head(ENDED, at_ms, out);
                let [s0, s1] = status.to_le_bytes();
                out.extend_from_slice(&[s0, s1, (*unheard).into()]);
                Texts::put([dialog.call_id, dialog.from_tag, dialog.to_tag], out);
            }
            Self::Lost { facts } => put_named(LOST, at_ms, *facts, out),
        }
    }

    /// Whether a call has its record without it, in its time: all that is missing then is when it rang.
    pub(crate) const fn may_wait(&self) -> bool {
        matches!(self, Self::Rang { .. })
    }

    /// The fact in a payload, and when it was. `None`: nothing that we have written.
    pub fn read(payload: &'a [u8]) -> Option<(u64, Self)> {
        let (kind, at_ms, bytes) = layout::head(payload)?;
        let alone = || layout::number(bytes).filter(|(_, rest)| rest.is_empty()).map(|(number, _)| number);
        let fact = match kind {
            BEGUN => {
                let (leg, opening) = Opening::of_fact(payload)?;
                Self::Begun(opening.begun(leg))
            }
            ANSWERED => {
                let (leg, reply) = Reply::of_fact(payload)?;
                Self::Answered(reply.answered(leg))
            }
            RANG => Self::Rang { leg: alone()? },
            HEARD => Self::Heard { leg: alone()? },
            LOST => Self::Lost { facts: alone()? },
            CANCELLED => {
                let (leg, rest) = layout::number(bytes)?;
                let [reason] = whole(rest)?;
                Self::Cancelled { leg, reason }
            }
            REFUSED => {
                let (leg, rest) = layout::number(bytes)?;
                let (status, rest) = layout::short(rest)?;
                let [reason] = whole(rest)?;
                Self::Refused { leg, status, reason }
            }
            BY_TRUNK => {
                let (leg, rest) = layout::number(bytes)?;
                let [trunk] = whole(rest)?;
                Self::ByTrunk { leg, trunk }
            }
            RENEWED => {
                let [call_id, from_tag, to_tag, session_expires] = whole(bytes)?;
                Self::Renewed { dialog: InDialog { call_id, from_tag, to_tag }, session_expires }
            }
            ENDED => {
                let (status, rest) = layout::short(bytes)?;
                let (unheard, rest) = rest.split_first()?;
                let [call_id, from_tag, to_tag] = whole(rest)?;
                let dialog = InDialog { call_id, from_tag, to_tag };
                Self::Ended { dialog, status, unheard: *unheard != 0 }
            }
            _ => return None,
        };
        Some((at_ms, fact))
    }
}

fn put_named(kind: u8, at_ms: u64, number: u64, out: &mut Vec<u8>) {
    put_head(kind, at_ms, out);
    out.extend_from_slice(&number.to_le_bytes());
}

/// Texts, and nothing behind them.
fn whole<const N: usize>(bytes: &[u8]) -> Option<[&[u8]; N]> {
    let (texts, rest) = Texts::read(bytes)?;
    rest.is_empty().then(|| texts.each())
}

/// The part of a text that is kept.
pub(crate) fn clip(text: &[u8]) -> &[u8] {
    text.get(..TEXT_BYTES_MAX).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joiner::{Joiner, Policy};

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
            domain: b"a.example",
            contact: b"<sip:alice@192.0.2.1>",
            agent: b"phone",
            route: b"user",
            trunk: b"",
        }
    }

    fn all() -> Vec<Fact<'static>> {
        let dialog = InDialog { call_id: b"c", from_tag: b"1", to_tag: b"2" };
        vec![
            Fact::Begun(begun()),
            Fact::Rang { leg: 3 },
            Fact::Cancelled { leg: 3, reason: b"SIP;cause=200" },
            Fact::Answered(Answered {
                leg: 3,
                status: 200,
                transport: b"tls",
                target: "[2001:db8::1]:5060".parse().unwrap(),
                to_tag: b"2",
                contact: b"<sip:b@192.0.2.2>",
                agent: b"",
                session_expires: b"1800;refresher=uac",
            }),
            Fact::Refused { leg: 3, status: 486, reason: b"Busy Here" },
            Fact::Renewed { dialog, session_expires: b"90" },
            Fact::Ended { dialog, status: 408, unheard: true },
            Fact::Heard { leg: 3 },
            Fact::ByTrunk { leg: 3, trunk: b"t" },
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
        for in_path in [true, false] {
            let mut bytes = Vec::new();
            Fact::Begun(Begun { in_path, trunk: b"t", ..begun() }).write(77, &mut bytes);
            let (leg, opening) = Opening::of_fact(&bytes).unwrap();
            assert_eq!((leg, opening.cseq, opening.is_in_path()), (1 << 40, 7, in_path));
            assert_eq!((opening.identity(), opening.trunk()), ((&b"c"[..], &b"f"[..]), &b"t"[..]));
        }
    }

    #[test]
    fn times_beyond_all_years_are_none() {
        let mut bytes = Vec::new();
        Fact::Rang { leg: 3 }.write(u64::MAX, &mut bytes);
        assert_eq!(Fact::read(&bytes), Some((1 << 53, Fact::Rang { leg: 3 })));
        bytes[0] = 1;
        assert_eq!(Fact::read(&bytes), None);
    }

    proptest::proptest! {
        /// A spool may be damaged and check all the same: whatever is read of it is a fact that could be written.
        #[test]
        fn any_bytes_are_a_fact_or_none(
            kind in 0u8..11,
            mut bytes in proptest::collection::vec(0u8..4, 16..120),
            length in 0usize..120,
        ) {
            (bytes[6], bytes[7]) = (0, kind);
            bytes.truncate(length.max(8));
            if let Some((at_ms, fact)) = Fact::read(&bytes) {
                let mut again = Vec::new();
                fact.write(at_ms, &mut again);
                proptest::prop_assert_eq!(Fact::read(&again), Some((at_ms, fact)));
            }
            Joiner::new(Policy { call_max_ms: 1, calls_max: 1 }).take(1, 0, &bytes);
        }
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
