//! Facts as bytes. What is looked at often stands at fixed places, texts stand behind one another with their lengths before
//! all of them: so they are checked by one sum, copied in one piece, and read where somebody wants them.
//!
//! ```text
//!   head:      at, ms (7) │ kind (1)
//!   Begun:     head │ leg (8) ║ CSeq (4) │ refused (2) │ flags (1) │ 12 lengths (2 each) │ texts │ source
//!   Answered:  head │ leg (8) ║ status (2) │ flags (1) │ 5 lengths │ texts │ target
//!   address:   IPv4 (4) │ port (2), or with its flag IPv6 (16) │ scope (4) │ port (2)
//! ```
//! What stands behind ║ goes into the store as it is. Numbers are little-endian.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::fact::{Answered, Begun, clip};

/// No fact is later than this, ms: what is kept of it fits the store (the year 287,396).
const TIME_MAX_MS: u64 = 1 << 53;

const HEAD_BYTES: usize = 8;
/// Head and leg.
const NAMED_BYTES: usize = HEAD_BYTES + 8;

const IN_PATH: u8 = 1;
const IS_V6: u8 = 2;

/// CSeq, refusal and flags before the texts of a [`Begun`], status and flags before those of an [`Answered`].
const BEGUN_FIXED_BYTES: usize = 7;
const ANSWERED_FIXED_BYTES: usize = 3;

const V4_BYTES: usize = 6;
const V6_BYTES: usize = 22;

/// Texts of a [`Begun`]: those that it is found by first, the trunk last.
const BEGUN_TEXTS: usize = 12;
const ANSWERED_TEXTS: usize = 5;

/// Appends the head of a fact.
pub(crate) fn put_head(kind: u8, at_ms: u64, out: &mut Vec<u8>) {
    let head = u64::from(kind) << 56 | at_ms.min(TIME_MAX_MS);
    out.extend_from_slice(&head.to_le_bytes());
}

/// Kind and time of a fact, and what follows.
pub(crate) fn head(payload: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (head, rest) = payload.split_first_chunk::<HEAD_BYTES>()?;
    let head = u64::from_le_bytes(*head);
    let at_ms = head & (u64::MAX >> 8);
    (at_ms <= TIME_MAX_MS).then_some(((head >> 56) as u8, at_ms, rest))
}

/// A number of eight bytes, and what follows.
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    Some((u64::from_le_bytes(*number), rest))
}

/// A number of two bytes, and what follows.
pub(crate) fn short(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_le_bytes(*number), rest))
}

/// Texts behind one another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Texts<'a, const N: usize> {
    lengths: &'a [[u8; 2]; N],
    bytes: &'a [u8],
}

impl<'a, const N: usize> Texts<'a, N> {
    /// Appends them, each as far as it is kept.
    pub(crate) fn put(texts: [&[u8]; N], out: &mut Vec<u8>) {
        let texts = texts.map(clip);
        let lengths = texts.map(|text| (text.len() as u16).to_le_bytes());
        out.extend_from_slice(lengths.as_flattened());
        texts.iter().for_each(|text| out.extend_from_slice(text));
    }

    /// Those that stand there, and what follows.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (lengths, rest) = bytes.split_at_checked(2 * N)?;
        let lengths: &[[u8; 2]; N] = lengths.as_chunks::<2>().0.try_into().ok()?;
        let (bytes, rest) = rest.split_at_checked(lengths.iter().map(length).sum())?;
        Some((Self { lengths, bytes }, rest))
    }

    /// Each of them.
    pub(crate) fn each(&self) -> [&'a [u8]; N] {
        let mut rest = self.bytes;
        self.lengths.map(|its| {
            let (text, after) = rest.split_at_checked(length(&its)).unwrap_or_default();
            rest = after;
            text
        })
    }

    /// All of them in one piece.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first two.
    fn first_two(&self) -> (&'a [u8], &'a [u8]) {
        let (first, rest) = self.bytes.split_at_checked(length(&self.lengths[0])).unwrap_or_default();
        (first, rest.get(..length(&self.lengths[1])).unwrap_or_default())
    }

    /// The first two of those that begin at `start`, as far as they are there.
    fn first_two_of(bytes: &'a [u8], start: usize) -> (&'a [u8], &'a [u8]) {
        let texts = || {
            let (lengths, texts) = bytes.get(start..)?.split_at_checked(2 * N)?;
            let [first, second, ..] = lengths.as_chunks::<2>().0 else { return None };
            let (first, rest) = texts.split_at_checked(length(first))?;
            Some((first, rest.get(..length(second))?))
        };
        texts().unwrap_or_default()
    }

    fn last(&self) -> &'a [u8] {
        let start = self.bytes.len().checked_sub(length(&self.lengths[N - 1]));
        start.and_then(|start| self.bytes.get(start..)).unwrap_or_default()
    }
}

fn length(bytes: &[u8; 2]) -> usize {
    u16::from_le_bytes(*bytes).into()
}

/// A [`Begun`] where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Opening<'a> {
    whole: &'a [u8],
    pub(crate) cseq: u32,
    pub(crate) refused: u16,
    flags: u8,
    pub(crate) texts: Texts<'a, BEGUN_TEXTS>,
    source: &'a [u8],
}

impl<'a> Opening<'a> {
    /// Of a fact, and its leg.
    pub(crate) fn of_fact(payload: &'a [u8]) -> Option<(u64, Self)> {
        let (named, rest) = payload.split_first_chunk::<NAMED_BYTES>()?;
        Some((number(&named[HEAD_BYTES..])?.0, Self::stored(rest)?))
    }

    /// Of what the store has of it.
    pub(crate) fn stored(whole: &'a [u8]) -> Option<Self> {
        let (&[c0, c1, c2, c3, r0, r1, flags], rest) = whole.split_first_chunk()?;
        let (texts, source) = Texts::read(rest)?;
        let (cseq, refused) = (u32::from_le_bytes([c0, c1, c2, c3]), u16::from_le_bytes([r0, r1]));
        let opening = Self { whole, cseq, refused, flags, texts, source };
        (source.len() == address_bytes(flags)).then_some(opening)
    }

    /// Call-ID and the caller's tag of a fact that was read before: nothing else of it is looked at.
    pub(crate) fn identity_of(payload: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        Texts::<BEGUN_TEXTS>::first_two_of(payload, NAMED_BYTES + BEGUN_FIXED_BYTES)
    }

    /// As the store has it.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// Whether we stay in the path.
    pub(crate) fn is_in_path(&self) -> bool {
        self.flags & IN_PATH != 0
    }

    /// Call-ID and the caller's tag.
    pub(crate) fn identity(&self) -> (&'a [u8], &'a [u8]) {
        self.texts.first_two()
    }

    pub(crate) fn source(&self) -> SocketAddr {
        address(self.source)
    }

    pub(crate) fn trunk(&self) -> &'a [u8] {
        self.texts.last()
    }

    pub(crate) fn begun(&self, leg: u64) -> Begun<'a> {
        let [call_id, from_tag, from, to, request_uri, user, domain, contact, agent, transport, route, trunk] =
            self.texts.each();
        Begun {
            leg,
            refused: self.refused,
            in_path: self.is_in_path(),
            cseq: self.cseq,
            transport,
            source: self.source(),
            call_id,
            from_tag,
            from,
            to,
            request_uri,
            user,
            domain,
            contact,
            agent,
            route,
            trunk,
        }
    }
}

/// Appends everything behind the head.
pub(crate) fn put_begun(begun: &Begun<'_>, out: &mut Vec<u8>) {
    let mut fixed = [0; NAMED_BYTES - HEAD_BYTES + BEGUN_FIXED_BYTES];
    fixed[..8].copy_from_slice(&begun.leg.to_le_bytes());
    fixed[8..12].copy_from_slice(&begun.cseq.to_le_bytes());
    fixed[12..14].copy_from_slice(&begun.refused.to_le_bytes());
    fixed[14] = if begun.in_path { IN_PATH } else { 0 } | family(begun.source);
    out.extend_from_slice(&fixed);
    let Begun {
        call_id,
        from_tag,
        from,
        to,
        request_uri,
        user,
        domain,
        contact,
        agent,
        transport,
        route,
        trunk,
        ..
    } = *begun;
    Texts::put(
        [call_id, from_tag, from, to, request_uri, user, domain, contact, agent, transport, route, trunk],
        out,
    );
    put_address(begun.source, out);
}

/// An [`Answered`] where it lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reply<'a> {
    whole: &'a [u8],
    pub(crate) status: u16,
    pub(crate) texts: Texts<'a, ANSWERED_TEXTS>,
    target: &'a [u8],
}

impl<'a> Reply<'a> {
    /// Of a fact, and its leg.
    pub(crate) fn of_fact(payload: &'a [u8]) -> Option<(u64, Self)> {
        let (named, rest) = payload.split_first_chunk::<NAMED_BYTES>()?;
        Some((number(&named[HEAD_BYTES..])?.0, Self::stored(rest)?))
    }

    /// Of what the store has of it.
    pub(crate) fn stored(whole: &'a [u8]) -> Option<Self> {
        let (&[s0, s1, flags], rest) = whole.split_first_chunk()?;
        let (texts, target) = Texts::read(rest)?;
        let reply = Self { whole, status: u16::from_le_bytes([s0, s1]), texts, target };
        (target.len() == address_bytes(flags)).then_some(reply)
    }

    /// The callee's tag in a fact that was read before.
    pub(crate) fn tag_of(payload: &'a [u8]) -> &'a [u8] {
        Texts::<ANSWERED_TEXTS>::first_two_of(payload, NAMED_BYTES + ANSWERED_FIXED_BYTES).0
    }

    /// As the store has it.
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.whole
    }

    /// The callee's tag.
    pub(crate) fn tag(&self) -> &'a [u8] {
        self.texts.first_two().0
    }

    pub(crate) fn target(&self) -> SocketAddr {
        address(self.target)
    }

    /// Session-Expires as it stood.
    pub(crate) fn session_expires(&self) -> &'a [u8] {
        self.texts.last()
    }

    pub(crate) fn answered(&self, leg: u64) -> Answered<'a> {
        let [to_tag, contact, agent, transport, session_expires] = self.texts.each();
        let (status, target) = (self.status, self.target());
        Answered { leg, status, transport, target, to_tag, contact, agent, session_expires }
    }
}

/// Appends everything behind the head.
pub(crate) fn put_answered(answered: &Answered<'_>, out: &mut Vec<u8>) {
    let mut fixed = [0; NAMED_BYTES - HEAD_BYTES + ANSWERED_FIXED_BYTES];
    fixed[..8].copy_from_slice(&answered.leg.to_le_bytes());
    fixed[8..10].copy_from_slice(&answered.status.to_le_bytes());
    fixed[10] = family(answered.target);
    out.extend_from_slice(&fixed);
    let Answered { to_tag, contact, agent, transport, session_expires, .. } = *answered;
    Texts::put([to_tag, contact, agent, transport, session_expires], out);
    put_address(answered.target, out);
}

const fn family(address: SocketAddr) -> u8 {
    if address.is_ipv6() { IS_V6 } else { 0 }
}

const fn address_bytes(flags: u8) -> usize {
    if flags & IS_V6 != 0 { V6_BYTES } else { V4_BYTES }
}

fn put_address(address: SocketAddr, out: &mut Vec<u8>) {
    match address {
        SocketAddr::V4(v4) => out.extend_from_slice(&v4.ip().octets()),
        SocketAddr::V6(v6) => {
            out.extend_from_slice(&v6.ip().octets());
            out.extend_from_slice(&v6.scope_id().to_le_bytes());
        }
    }
    out.extend_from_slice(&address.port().to_le_bytes());
}

/// The address in bytes whose length was checked.
fn address(bytes: &[u8]) -> SocketAddr {
    if let Ok([a, b, c, d, p0, p1]) = <[u8; V4_BYTES]>::try_from(bytes) {
        return SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_le_bytes([p0, p1]));
    }
    let mut whole = [0; V6_BYTES];
    if bytes.len() == V6_BYTES {
        whole.copy_from_slice(bytes);
    }
    let (ip, rest) = whole.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
    let [s0, s1, s2, s3, p0, p1] = <[u8; 6]>::try_from(rest).unwrap_or_default();
    let (ip, port) = (Ipv6Addr::from(*ip), u16::from_le_bytes([p0, p1]));
    SocketAddr::V6(SocketAddrV6::new(ip, port, 0, u32::from_le_bytes([s0, s1, s2, s3])))
}
