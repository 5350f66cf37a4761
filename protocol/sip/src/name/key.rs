//! Finding a header name among all that we know: it is asked for every line of every message, so names are compared as
//! three words, not letter by letter.
//!
//! ```text
//!   Max-Forwards: 70␍␊          24 bytes, three words; the colon ends the name
//!   Max-Forwards············    the bytes behind it masked away
//!   max-forwards············    letters in small: what the register has, found by a hash of the words
//! ```

use super::{Name, REGISTER};
use crate::block::{BLOCK_BYTES, Block, padded};

/// Longest name that can be in the register, bytes.
const NAME_BYTES_MAX: usize = 24;

type Words = [u64; NAME_BYTES_MAX / 8];

/// A name of the register, in a cache line of its own.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Key {
    /// Its bytes with letters in small; zero behind them.
    small: Words,
    /// The bit that makes a capital letter small, where it has a letter.
    letters: Words,
    /// How long it is: a name with zeros behind it is another one.
    len: u8,
    name: Name,
}

impl Key {
    const fn new(token: &[u8], name: Name) -> Self {
        let mut key = Self { small: [0; 3], letters: [0; 3], len: token.len() as u8, name };
        let mut i = 0;
        while i < token.len() {
            let shift = i % 8 * 8;
            key.small[i / 8] |= (token[i].to_ascii_lowercase() as u64) << shift;
            key.letters[i / 8] |= ((token[i].is_ascii_alphabetic() as u64) << 5) << shift;
            i += 1;
        }
        key
    }

    /// No name: a free slot of the table, or a header without short form.
    const fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn is(&self, token: &Words, len: usize) -> bool {
        self.len as usize == len && (0..3).all(|i| token[i] | self.letters[i] == self.small[i])
    }
}

/// The name of a whole token.
pub(super) fn find(token: &[u8]) -> Option<Name> {
    if token.len() > NAME_BYTES_MAX {
        return None;
    }
    look_up(&words(token), token.len())
}

/// The name at the front of a header line and how long it is, if a colon follows it at once and we know it. Other
/// lines need a closer look.
#[inline(always)]
pub(crate) fn known_name(line: &[u8]) -> Option<(Name, usize)> {
    let mut words = words(line);
    let len = colon(&words)?;
    for (word, mask) in words.iter_mut().zip(MASKS[len]) {
        *word &= mask;
    }
    Some((look_up(&words, len)?, len))
}

/// What a text begins with.
#[inline(always)]
fn words(text: &[u8]) -> Words {
    if let [first, second, third, ..] = text.as_chunks().0 {
        return [u64::from_le_bytes(*first), u64::from_le_bytes(*second), u64::from_le_bytes(*third)];
    }
    let (first, second) = padded(text);
    [first, second, padded(text.get(BLOCK_BYTES..).unwrap_or_default()).0]
}

/// Where the first colon stands.
#[inline(always)]
fn colon(&[low, high, behind]: &Words) -> Option<usize> {
    let is_colon = |low, high| Block::of_words(low, high).is(b':').bits();
    let bits = match is_colon(low, high) {
        0 => is_colon(behind, 0) << BLOCK_BYTES,
        bits => bits,
    };
    (bits != 0).then_some(bits.trailing_zeros() as usize)
}

#[inline(always)]
fn look_up(token: &Words, len: usize) -> Option<Name> {
    let mut slot = slot_of(token);
    loop {
        let key = &TABLE[slot];
        if key.is_empty() {
            return None;
        }
        if key.is(token, len) {
            return Some(key.name);
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// `MASKS[n]` keeps the first n bytes.
static MASKS: [Words; NAME_BYTES_MAX] = {
    let mut masks = [[0; 3]; NAME_BYTES_MAX];
    let mut len = 1;
    while len < NAME_BYTES_MAX {
        masks[len] = masks[len - 1];
        masks[len][(len - 1) / 8] |= 0xff << ((len - 1) % 8 * 8);
        len += 1;
    }
    masks
};

/// Slots of the table, more than twice the names, so that most look-ups meet one candidate.
const SLOTS: usize = 256;

/// Long and short names, each in the first free slot from its own.
static TABLE: [Key; SLOTS] = {
    let mut table = [Key::new(b"", Name::Other); SLOTS];
    let mut i = 0;
    while i < REGISTER.len() {
        let (long, short, name, _) = REGISTER[i];
        insert(&mut table, Key::new(long.as_bytes(), name));
        insert(&mut table, Key::new(short.as_bytes(), name));
        i += 1;
    }
    table
};

const fn insert(table: &mut [Key; SLOTS], key: Key) {
    let mut slot = slot_of(&key.small);
    while !table[slot].is_empty() {
        slot = (slot + 1) % SLOTS;
    }
    if !key.is_empty() {
        table[slot] = key;
    }
}

/// A hash that is the same for capital and small letters: they differ in one bit of their byte, the words are turned
/// by whole bytes only, and that bit is set in the end.
const fn slot_of(words: &Words) -> usize {
    const SMALL: u64 = u64::from_le_bytes([0x20; 8]);
    /// An odd number with its bits well spread: 2⁶⁴ divided by the golden ratio.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (words[0] ^ words[1].rotate_left(24) ^ words[2].rotate_left(48)) | SMALL;
    (mixed.wrapping_mul(SPREAD) >> 56) as usize % SLOTS
}
