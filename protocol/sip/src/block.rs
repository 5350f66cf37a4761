//! Sixteen characters at a time: which of them are of a class that is looked for.
//!
//! ```text
//!   ;branch=z9hG4bK1;rport            text
//!   10000000000000001.....            is(b';'): a bit for each character, the first of them lowest
//! ```
//! Header values are too short for the call of a library to pay, and too long to be looked at one by one.

use std::ops::{BitAnd, BitOr};

use wide::u8x16;

/// Characters in a block.
pub(crate) const BLOCK_BYTES: usize = 16;

/// Sixteen characters.
#[derive(Clone, Copy)]
pub(crate) struct Block(u8x16);

/// For each character of a block whether it is of a class.
#[derive(Clone, Copy)]
pub(crate) struct Marks(u8x16);

impl Block {
    /// These characters.
    #[inline(always)]
    pub(crate) fn of(bytes: &[u8; BLOCK_BYTES]) -> Self {
        Self(u8x16::new(*bytes))
    }

    /// The characters of two words, the lowest first.
    #[inline(always)]
    pub(crate) fn of_words(low: u64, high: u64) -> Self {
        let both = u128::from(low) | u128::from(high) << u64::BITS;
        Self(u8x16::new(both.to_le_bytes()))
    }

    /// Fewer, with zeros behind them: what goes beyond a block is left out.
    #[inline(always)]
    pub(crate) fn of_part(bytes: &[u8]) -> Self {
        let (low, high) = padded(bytes);
        Self::of_words(low, high)
    }

    /// Where this character stands.
    #[inline(always)]
    pub(crate) fn is(self, c: u8) -> Marks {
        Marks(self.0.simd_eq(u8x16::splat(c)))
    }

    /// Where a character stands that is no greater.
    #[inline(always)]
    pub(crate) fn at_most(self, c: u8) -> Marks {
        Marks(self.0.min(u8x16::splat(c)).simd_eq(self.0))
    }

    /// Where a character stands that is no less.
    #[inline(always)]
    pub(crate) fn at_least(self, c: u8) -> Marks {
        Marks(self.0.max(u8x16::splat(c)).simd_eq(self.0))
    }
}

impl Marks {
    /// A bit for each character.
    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        self.0.to_bitmask()
    }
}

impl BitOr for Marks {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Marks {
    type Output = Self;

    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// Where the first character of a class stands.
#[inline(always)]
pub(crate) fn first(text: &[u8], class: impl Fn(Block) -> Marks) -> Option<usize> {
    let mark = |at: usize, bits: u32| (bits != 0).then(|| at + bits.trailing_zeros() as usize);
    let Some(last) = text.last_chunk() else {
        return mark(0, class(Block::of_part(text)).bits() & ((1 << text.len()) - 1));
    };
    for (i, block) in text.as_chunks().0.iter().enumerate() {
        let bits = class(Block::of(block)).bits();
        if bits != 0 {
            return mark(i * BLOCK_BYTES, bits);
        }
    }
    // What of the last ones was looked at before is known to be of no class.
    mark(text.len() - BLOCK_BYTES, class(Block::of(last)).bits())
}

/// Up to sixteen characters as two words, the first of them lowest, with zeros behind them.
#[inline(always)]
pub(crate) fn padded(bytes: &[u8]) -> (u64, u64) {
    let len = bytes.len();
    if let Some(both) = bytes.first_chunk() {
        return halves(both);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The two overlap: what they share leaves the second by its low end; without a second nothing is left of it.
        let behind = u64::from_le_bytes(*last).checked_shr(8 * (2 * WORD_BYTES - len) as u32);
        return (u64::from_le_bytes(*first), behind.unwrap_or(0));
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
        return (u64::from(first) | u64::from(last) << (8 * (len - 4)), 0);
    }
    let at = |i: usize| bytes.get(i).map_or(0, |&c| u64::from(c) << (8 * i));
    (at(0) | at(1) | at(2), 0)
}

const WORD_BYTES: usize = 8;

#[inline(always)]
fn halves(bytes: &[u8; BLOCK_BYTES]) -> (u64, u64) {
    let whole = u128::from_le_bytes(*bytes);
    (whole as u64, (whole >> u64::BITS) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte, at every place of texts of every length around the blocks.
    #[test]
    fn the_first_of_a_class_is_found_as_one_by_one() {
        for len in 0..50 {
            for at in 0..len {
                for c in 0..=255 {
                    let mut text = vec![b'a'; len];
                    text[at] = c;
                    let found = |class: fn(Block) -> Marks, is: fn(u8) -> bool| {
                        assert_eq!(
                            first(&text, class),
                            text.iter().position(|&c| is(c)),
                            "{c} at {at} of {len}"
                        );
                    };
                    found(|b| b.is(b';'), |c| c == b';');
                    found(|b| b.at_most(b' ') | b.at_least(0x7f), |c| c <= b' ' || c >= 0x7f);
                }
            }
        }
    }

    #[test]
    fn short_texts_are_padded_with_zeros() {
        let text: [u8; 17] = std::array::from_fn(|i| i as u8 + 1);
        for len in 0..=16 {
            let mut whole = [0; 16];
            whole[..len].copy_from_slice(&text[..len]);
            let (low, high) = padded(&text[..len]);
            assert_eq!(u128::from(low) | u128::from(high) << 64, u128::from_le_bytes(whole), "{len}");
        }
    }
}
