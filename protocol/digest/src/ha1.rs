//! HA1, the digest of user, realm and password: RFC 7616 §3.4.2.
//!
//! It is all that a server needs, and within its realm it is worth as much as the password.

use std::fmt;

use md5::{Digest, Md5};
use sha2::{Sha256, Sha512_256};
use subtle::{Choice, ConstantTimeEq};

use crate::{Algorithm, Hash};

/// Length of the longest digest in bytes.
pub const DIGEST_LEN_MAX: usize = 32;

/// H(user ":" realm ":" password) for one hash function. [`fmt::Debug`] shows the hash function only; comparing takes
/// the same time wherever the difference is.
#[derive(Clone, Copy)]
pub struct Ha1 {
    hash: Hash,
    hex: Hex,
}

impl Ha1 {
    /// Computes it. A `-sess` algorithm has the same HA1 as its plain sibling.
    pub fn from_password(algorithm: Algorithm, user: &[u8], realm: &[u8], password: &[u8]) -> Self {
        let parts = [user, realm, password];
        let hex = match algorithm.hash() {
            Hash::Md5 => Hex::of::<Md5>(&parts),
            Hash::Sha256 => Hex::of::<Sha256>(&parts),
            Hash::Sha512Trunc256 => Hex::of::<Sha512_256>(&parts),
        };
        Self { hash: algorithm.hash(), hex }
    }

    /// Takes over one that was computed elsewhere: 32 hex digits for MD5, else 64, in any case of letters.
    pub fn from_hex(algorithm: Algorithm, hex: &[u8]) -> Option<Self> {
        let mut room = [0; DIGEST_LEN_MAX];
        let digest = decode_hex(hex, &mut room)?;
        Self::from_digest(algorithm, digest)
    }

    /// Takes back what [`Ha1::digest`] gave: 16 bytes for MD5, else 32.
    pub fn from_digest(algorithm: Algorithm, digest: &[u8]) -> Option<Self> {
        let hash = algorithm.hash();
        (digest.len() == hash.digest_len()).then(|| Self { hash, hex: Hex::encode(digest) })
    }

    /// The bytes behind the hex digits, half as long, for storing.
    pub fn digest<'r>(&self, room: &'r mut [u8; DIGEST_LEN_MAX]) -> &'r [u8] {
        decode_hex(self.as_bytes(), room).unwrap_or_default()
    }

    /// The hash function it was made with.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The lower-case hex digits that go into further digests.
    pub fn as_bytes(&self) -> &[u8] {
        self.hex.as_bytes()
    }
}

impl ConstantTimeEq for Ha1 {
    fn ct_eq(&self, other: &Self) -> Choice {
        Choice::from(u8::from(self.hash == other.hash)) & self.as_bytes().ct_eq(other.as_bytes())
    }
}

impl PartialEq for Ha1 {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for Ha1 {}

impl fmt::Debug for Ha1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ha1({:?}, …)", self.hash)
    }
}

/// A digest as lower-case hex, on the stack.
#[derive(Clone, Copy)]
pub(crate) struct Hex {
    chars: [u8; 2 * DIGEST_LEN_MAX],
    len: usize,
}

impl Hex {
    /// H(part ":" part ":" …)
    pub(crate) fn of<H: Digest>(parts: &[&[u8]]) -> Self {
        let mut hash = H::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                hash.update(b":");
            }
            hash.update(part);
        }
        Self::encode(&hash.finalize())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.chars.get(..self.len).unwrap_or_default()
    }

    /// A digest longer than [`DIGEST_LEN_MAX`] would be cut; none is.
    fn encode(digest: &[u8]) -> Self {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut hex = Self { chars: [0; 2 * DIGEST_LEN_MAX], len: 2 * digest.len().min(DIGEST_LEN_MAX) };
        for (pair, byte) in hex.chars.chunks_exact_mut(2).zip(digest) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        hex
    }
}

/// The bytes that hex digits stand for; `None` if they are no pairs of hex digits or too many.
pub(crate) fn decode_hex<'r>(hex: &[u8], room: &'r mut [u8; DIGEST_LEN_MAX]) -> Option<&'r [u8]> {
    let (pairs, []) = hex.as_chunks::<2>() else { return None };
    let bytes = room.get_mut(..pairs.len())?;
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? << 4 | low?).ok()?;
    }
    Some(bytes)
}
