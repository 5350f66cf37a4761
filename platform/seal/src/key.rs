//! One key: how a token is made and opened with it.

use std::hash::Hasher;

use arrayvec::ArrayVec;
use aws_lc_rs::aead::{AES_128_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip128::{Hash128, Hasher128, SipHasher24};

/// Most bytes of state in one token: two flows to IPv6 addresses take 66, a device and its user 60 or so. Longer tokens
/// would crowd out the message they travel in.
pub const STATE_BYTES_MAX: usize = 192;

/// What most tokens are bound to is hashed in one piece: bit by bit it costs twice as much.
const HASHED_BYTES: usize = 512;

const TAG_BYTES: usize = 16;
const SALT_BYTES: usize = 8;
const RAW_BYTES_MAX: usize = 1 + SALT_BYTES + STATE_BYTES_MAX + TAG_BYTES;
const TEXT_BYTES_MAX: usize = RAW_BYTES_MAX.div_ceil(3) * 4;

/// What a token is for. One that was made for another purpose does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Purpose {
    /// The flows of a dialog, in Record-Route; bound to the Call-ID and the caller's tag.
    Dialog = 1,
    /// The flow of a phone, in Path; bound to nothing, for any request to the phone carries it.
    Flow = 2,
    /// A device of a user, in a temporary GRUU; bound to the domain.
    Gruu = 3,
}

impl Purpose {
    /// What is bound to little needs a salt, or all its tokens would share one nonce.
    const fn is_salted(self) -> bool {
        !matches!(self, Self::Dialog)
    }
}

/// A key and its number in tokens.
pub(crate) struct Key {
    pub(crate) id: u8,
    cipher: LessSafeKey,
    hasher: SipHasher24,
}

impl Key {
    /// From 32 random bytes: half for the cipher, half for the nonces.
    pub(crate) fn new(id: u8, bytes: &[u8; 32]) -> Self {
        let (cipher, hash) = bytes.split_at(16);
        let cipher = UnboundKey::new(&AES_128_GCM_SIV, cipher).expect("16 bytes are a key of AES-128");
        let mut hash_key = [0; 16];
        hash_key.copy_from_slice(hash);
        Self { id, cipher: LessSafeKey::new(cipher), hasher: SipHasher24::new_with_key(&hash_key) }
    }

    fn nonce(&self, purpose: Purpose, bound_to: &[&[u8]], salt: &[u8]) -> Nonce {
        let mut text = ArrayVec::<u8, HASHED_BYTES>::new();
        let hash = match write_bound(purpose, bound_to, salt, |part| text.try_extend_from_slice(part).ok()) {
            Some(()) => self.hasher.hash(&text),
            None => self.hash_long(purpose, bound_to, salt),
        };
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&hash.as_bytes()[..12]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// The same hash, part by part.
    #[cold]
    fn hash_long(&self, purpose: Purpose, bound_to: &[&[u8]], salt: &[u8]) -> Hash128 {
        let mut hasher = self.hasher;
        write_bound(purpose, bound_to, salt, |part| {
            hasher.write(part);
            Some(())
        });
        hasher.finish128()
    }

    /// The same state has the same salt: a token says nothing about when it was made.
    fn salt(&self, purpose: Purpose, state: &[u8]) -> [u8; SALT_BYTES] {
        let mut hasher = self.hasher;
        hasher.write_u8(purpose as u8 | 0x80);
        hasher.write(state);
        hasher.finish128().h1.to_le_bytes()
    }

    /// Appends the token. Nothing is written if the state is too long or the cipher refuses.
    pub(crate) fn seal(
        &self,
        purpose: Purpose,
        bound_to: &[&[u8]],
        state: &[u8],
        out: &mut Vec<u8>,
    ) -> Option<()> {
        let mut raw = [0; RAW_BYTES_MAX];
        raw[0] = self.id;
        let mut salt_end = 1;
        if purpose.is_salted() {
            salt_end += SALT_BYTES;
            raw[1..salt_end].copy_from_slice(&self.salt(purpose, state));
        }
        let nonce = self.nonce(purpose, bound_to, &raw[1..salt_end]);
        let state_end = salt_end + state.len();
        let sealed = raw.get_mut(salt_end..state_end).filter(|room| room.len() <= STATE_BYTES_MAX)?;
        sealed.copy_from_slice(state);
        let tag = self.cipher.seal_in_place_separate_tag(nonce, Aad::empty(), sealed).ok()?;
        let end = state_end + TAG_BYTES;
        raw[state_end..end].copy_from_slice(tag.as_ref());
        let mut text = [0; TEXT_BYTES_MAX];
        let len = URL_SAFE_NO_PAD.encode_slice(&raw[..end], &mut text).ok()?;
        out.extend_from_slice(&text[..len]);
        Some(())
    }
}

/// What a nonce follows from, so that no two lists of parts run into each other. `None`: there was no room for it.
fn write_bound(
    purpose: Purpose,
    bound_to: &[&[u8]],
    salt: &[u8],
    mut write: impl FnMut(&[u8]) -> Option<()>,
) -> Option<()> {
    write(&[purpose as u8])?;
    for part in bound_to {
        write(&(part.len() as u32).to_le_bytes())?;
        write(part)?;
    }
    write(salt)
}

/// A token out of its text, not yet opened.
pub(crate) struct Raw {
    bytes: [u8; RAW_BYTES_MAX],
    len: usize,
}

impl Raw {
    pub(crate) fn read(token: &[u8]) -> Option<Self> {
        let mut bytes = [0; RAW_BYTES_MAX];
        if token.len() > TEXT_BYTES_MAX {
            return None;
        }
        let len = URL_SAFE_NO_PAD.decode_slice(token, &mut bytes).ok()?;
        (len > TAG_BYTES).then_some(Self { bytes, len })
    }

    /// The number of its key.
    pub(crate) fn key_id(&self) -> u8 {
        self.bytes[0]
    }

    /// The state, if the key made this token for that purpose and bound it to that.
    pub(crate) fn open(&self, key: &Key, purpose: Purpose, bound_to: &[&[u8]]) -> Option<State> {
        let salt_end = if purpose.is_salted() { 1 + SALT_BYTES } else { 1 };
        let mut state = State { bytes: [0; STATE_BYTES_MAX + TAG_BYTES], len: 0 };
        let sealed = self.bytes.get(salt_end..self.len)?;
        let room = state.bytes.get_mut(..sealed.len())?;
        room.copy_from_slice(sealed);
        let nonce = key.nonce(purpose, bound_to, &self.bytes[1..salt_end]);
        state.len = key.cipher.open_in_place(nonce, Aad::empty(), room).ok()?.len();
        Some(state)
    }
}

/// What a token held.
#[derive(Clone, Copy)]
pub struct State {
    bytes: [u8; STATE_BYTES_MAX + TAG_BYTES],
    len: usize,
}

impl State {
    /// The state as it was sealed.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "State({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_are_hashed_alike() {
        let key = Key::new(1, &[7; 32]);
        for len in [0, 1, 400, HASHED_BYTES - 12, HASHED_BYTES, 5_000] {
            let (part, salt) = (vec![b'x'; len], [9; SALT_BYTES]);
            let bound: [&[u8]; 2] = [b"a", &part];
            let long = key.hash_long(Purpose::Flow, &bound, &salt);
            let nonce = key.nonce(Purpose::Flow, &bound, &salt);
            assert_eq!(nonce.as_ref().as_slice(), &long.as_bytes()[..12], "{len}");
        }
    }
}
