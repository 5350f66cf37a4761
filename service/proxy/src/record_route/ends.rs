//! What a dialog's Record-Route says of its two ends openly: how near they are, and who they were at first.
//!
//! ```text
//!   oh=TOKEN.2f6a09c1           the token is bound to what stands behind it, so nobody can change that:
//!                               3 bits each: this machine, inside, a trunk;  24 bits: a mark of both names
//!   oh=TOKEN.2f6a09c1d4310000   and, if one is a trunk's, their marks, 16 bits each
//! ```
//! It is no secret, and a state of a few bytes would cost a block of the cipher with each message. The names are the URIs in From
//! and To, as they are written: they stay the same in a dialog (RFC 3261 §12.2.1.1), whoever picks up.

use std::num::NonZeroU16;

use arrayvec::ArrayVec;
use offhook_sip::Essentials;

use crate::cookie::{CookieKey, hex, read_hex};

/// What a place that somebody writes into a URI is to us: places that are not open to everybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nearness {
    /// It is this machine.
    pub is_own: bool,
    /// It is in a private network.
    pub is_inside: bool,
    /// It is this trunk's.
    pub trunk: Option<TrunkMark>,
}

/// What tells a trunk from others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TrunkMark(NonZeroU16);

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
            is_inside: self.is_inside || other.is_inside,
            trunk: self.trunk.or(other.trunk),
        }
    }

    fn bits(self) -> u64 {
        u64::from(self.is_own) | u64::from(self.is_inside) << 1 | u64::from(self.trunk.is_some()) << 2
    }

    fn of_bits(bits: u64, trunk: u64) -> Self {
        let trunk = NonZeroU16::new(trunk as u16).filter(|_| bits & 4 != 0).map(TrunkMark);
        Self { is_own: bits & 1 != 0, is_inside: bits & 2 != 0, trunk }
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
const TRUNKS_DIGITS: usize = 8;

/// What is written: with trunks or without.
const LEN: usize = NEAR_DIGITS + NAMES_DIGITS;
const LEN_MAX: usize = LEN + TRUNKS_DIGITS;

impl Ends {
    /// As they stand behind a token.
    pub(crate) fn text(&self) -> ArrayVec<u8, LEN_MAX> {
        let mut text = ArrayVec::new();
        push_digits::<NEAR_DIGITS>(self.caller.bits() | self.callee.bits() << NEAR_BITS, &mut text);
        let _ = text.try_extend_from_slice(&self.names.0);
        let trunks = [self.caller.trunk, self.callee.trunk];
        if trunks != [None, None] {
            let [caller, callee] = trunks.map(|trunk| trunk.map_or(0, |mark| u64::from(mark.0.get())));
            push_digits::<TRUNKS_DIGITS>(caller << 16 | callee, &mut text);
        }
        text
    }

    /// What was written.
    pub(crate) fn read(text: &[u8]) -> Option<Self> {
        let (near, rest) = text.split_first_chunk::<NEAR_DIGITS>()?;
        let (names, trunks) = rest.split_first_chunk::<NAMES_DIGITS>()?;
        let near = read_hex(near)?;
        let trunks = if trunks.is_empty() { 0 } else { read_hex(trunks)? };
        Some(Self {
            caller: Nearness::of_bits(near, trunks >> 16),
            callee: Nearness::of_bits(near >> NEAR_BITS, trunks),
            names: NamesMark(*names),
        })
    }

    /// A token and what stands behind it.
    pub(crate) fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
        [LEN, LEN_MAX].into_iter().find_map(|len| {
            match value.split_at_checked(value.len().checked_sub(len + 1)?)? {
                (token, [b'.', ends @ ..]) => Some((token, ends)),
                _ => None,
            }
        })
    }
}

fn push_digits<const N: usize>(number: u64, text: &mut ArrayVec<u8, LEN_MAX>) {
    let _ = hex(number).last_chunk::<N>().map(|digits| text.try_extend_from_slice(digits));
}
