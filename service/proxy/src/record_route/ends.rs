//! What a dialog's Record-Route says of its two ends openly: how near they are, and who they were at first.
//!
//! ```text
//!   oh=TOKEN.2f6a09c1       the token is bound to what stands behind it, so nobody can change that:
//!                           3 bits each: this machine, inside, a trunk;  24 bits: a mark of both names
//!   oh=TOKEN.2f6a09c1…      and, where one is inside, marks of both networks, 16 bits each; where one is a trunk's, before
//!                           them the same of both trunks
//! ```
//! It is no secret, and a state of a few bytes would cost a block of the cipher with each message. The names are the URIs in From
//! and To, as they are written: they stay the same in a dialog (RFC 3261 §12.2.1.1), whoever picks up.

use std::net::IpAddr;
use std::num::NonZeroU16;

use arrayvec::ArrayVec;
use offhook_sip::Essentials;

use crate::cookie::{CookieKey, hex, read_hex};

/// What a place that somebody writes into a URI is to us: places that are not open to everybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nearness {
    /// It is this machine.
    pub is_own: bool,
    /// It is in this private network.
    pub network: Option<NetworkMark>,
    /// It is this trunk's.
    pub trunk: Option<TrunkMark>,
}

/// What tells a trunk from others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrunkMark(NonZeroU16);

/// What tells a private network from others: those of our users are nobody's business, so it is hashed under our key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkMark(NonZeroU16);

impl NetworkMark {
    /// Of the network of an address: what one room, one floor or one rack has, 256 addresses or in IPv6 64 bits.
    pub fn of(ip: IpAddr, key: &CookieKey) -> Self {
        let prefix = match ip {
            IpAddr::V4(v4) => u64::from(v4.to_bits() >> 8),
            IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64,
        };
        Self(NonZeroU16::new(key.network_hash(prefix)).unwrap_or(NonZeroU16::MAX))
    }
}

impl TrunkMark {
    /// Of the mark that its requests are renumbered by ([`crate::renumber`]).
    pub fn of(mark: u32) -> Self {
        Self(NonZeroU16::new((mark ^ mark >> 16) as u16).unwrap_or(NonZeroU16::MAX))
    }
}

impl Nearness {
    /// What either is.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            is_own: self.is_own || other.is_own,
            network: self.network.or(other.network),
            trunk: self.trunk.or(other.trunk),
        }
    }

    fn bits(self) -> u64 {
        u64::from(self.is_own) | u64::from(self.network.is_some()) << 1 | u64::from(self.trunk.is_some()) << 2
    }

    /// The marks of this end, where it has some, at their places of those of a caller.
    fn marks(self) -> u64 {
        let number = |mark: Option<NonZeroU16>| mark.map_or(0, |mark| u64::from(mark.get()));
        number(self.network.map(|mark| mark.0)) | number(self.trunk.map(|mark| mark.0)) << TRUNKS_AT
    }

    fn of(bits: u64, marks: u64) -> Self {
        let mark = |bit: u64, at: u32| NonZeroU16::new((marks >> at) as u16).filter(|_| bits & bit != 0);
        Self {
            is_own: bits & 1 != 0,
            network: mark(2, 0).map(NetworkMark),
            trunk: mark(4, TRUNKS_AT).map(TrunkMark),
        }
    }
}

/// The names of both ends, hashed under our key: its digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NamesMark([u8; NAMES_DIGITS]);

impl Default for NamesMark {
    fn default() -> Self {
        Self([b'0'; NAMES_DIGITS])
    }
}

impl NamesMark {
    /// Of the request that makes a dialog.
    pub fn of(parts: &Essentials<'_>, key: &CookieKey) -> Self {
        Self::of_names(parts.from.uri, parts.to.uri, key)
    }

    /// Of names as caller and callee have them.
    pub(crate) fn of_names(caller: &[u8], callee: &[u8], key: &CookieKey) -> Self {
        Self(hex(key.names_hash(caller, callee)).last_chunk().copied().unwrap_or_default())
    }
}

/// The ends of a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ends {
    /// How near the caller is: who sent the request that made the dialog.
    pub caller: Nearness,
    /// How near the callee is.
    pub callee: Nearness,
    /// Who they are.
    pub names: NamesMark,
}

/// Three bits for each end.
const NEAR_BITS: u32 = 3;
const NEAR_DIGITS: usize = 2;
const NAMES_DIGITS: usize = 6;
const MARKS_DIGITS: usize = 8;

/// Marks of caller and callee: first of their networks, then of their trunks.
const MARK_BITS: u32 = 16;
const TRUNKS_AT: u32 = 2 * MARK_BITS;

/// What is written: without marks, with networks, with trunks too.
const LEN: usize = NEAR_DIGITS + NAMES_DIGITS;
const LENS: [usize; 3] = [LEN, LEN + MARKS_DIGITS, LEN_MAX];
const LEN_MAX: usize = LEN + 2 * MARKS_DIGITS;

impl Ends {
    /// As they stand behind a token; nothing if nothing is known.
    pub(crate) fn text(&self) -> ArrayVec<u8, LEN_MAX> {
        let mut text = ArrayVec::new();
        if *self == Self::default() {
            return text;
        }
        push_digits::<NEAR_DIGITS>(self.caller.bits() | self.callee.bits() << NEAR_BITS, &mut text);
        let _ = text.try_extend_from_slice(&self.names.0);
        let marks = self.caller.marks() | self.callee.marks() << MARK_BITS;
        if marks >> TRUNKS_AT != 0 {
            push_digits::<{ 2 * MARKS_DIGITS }>(marks, &mut text);
        } else if marks != 0 {
            push_digits::<MARKS_DIGITS>(marks, &mut text);
        }
        text
    }

    /// What was written.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let (near, rest) = text.split_first_chunk::<NEAR_DIGITS>()?;
        let (names, marks) = rest.split_first_chunk::<NAMES_DIGITS>()?;
        let near = read_hex(near)?;
        let marks = if marks.is_empty() { 0 } else { read_hex(marks)? };
        Some(Self {
            caller: Nearness::of(near, marks),
            callee: Nearness::of(near >> NEAR_BITS, marks >> MARK_BITS),
            names: NamesMark(*names),
        })
    }

    /// A token and what stands behind it.
    pub(crate) fn split(value: &[u8]) -> (&[u8], &[u8]) {
        let behind = LENS.into_iter().find_map(|len| {
            match value.split_at_checked(value.len().checked_sub(len + 1)?)? {
                (token, [b'.', ends @ ..]) => Some((token, ends)),
                _ => None,
            }
        });
        behind.unwrap_or((value, b""))
    }
}

fn push_digits<const N: usize>(number: u64, text: &mut ArrayVec<u8, LEN_MAX>) {
    let _ = hex(number).last_chunk::<N>().map(|digits| text.try_extend_from_slice(digits));
}
