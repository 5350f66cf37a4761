//! Nonces that prove themselves, so that a challenge costs the server no memory: RFC 7616 §3.3 and §5.4.
//!
//! ```text
//!   byte  0      6           14                    30
//!         │ time │  counter  │ seal                │      as 40 characters of base64url
//!                              = first 16 bytes of HMAC-SHA256(key, time counter source realm)
//! ```
//!
//! Bound to the source address, so that what was overheard is of no use from elsewhere; not to the port, which NATs
//! change. Two runs of SHA-256's compression function make or check one, while the realm has at most 25 bytes.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Length of a nonce in characters.
pub const NONCE_LEN: usize = 40;

const TIME_LEN: usize = 6;
const COUNTER_LEN: usize = 8;
/// 128 bits: guessing one is out of reach even over the lifetime of the key.
const SEAL_LEN: usize = 16;
const SEALED_LEN: usize = TIME_LEN + COUNTER_LEN;
const RAW_LEN: usize = SEALED_LEN + SEAL_LEN;
/// What six bytes hold: the year 10889.
const TIME_MS_MAX: u64 = (1 << (8 * TIME_LEN)) - 1;

/// The key that seals nonces. Servers that share it accept each other's.
#[derive(Clone)]
pub struct NonceKey {
    /// Already keyed: a clone spares the two compressions of keying.
    keyed: Hmac<Sha256>,
}

/// A nonce as it goes into a challenge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonce([u8; NONCE_LEN]);

/// What [`NonceKey::check`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NonceVerdict {
    /// Ours, and fresh.
    Valid(Issue),
    /// Ours, but too old, or from a future that our clock has not reached: challenge again with `stale=TRUE`.
    Stale,
    /// Not ours, or not for this source and realm: challenge as if there had been no credentials.
    Forged,
}

/// How one of our nonces came into the world.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Issue {
    /// The counter it was issued with.
    pub counter: u64,
    /// When, ms.
    pub at_ms: u64,
}

impl NonceKey {
    /// A key from 32 bytes of entropy.
    pub fn new(key: [u8; 32]) -> Self {
        Self { keyed: Hmac::new_from_slice(&key).expect("HMAC takes keys of any length") }
    }

    /// Seals a nonce for one source. A `counter` that differs each time makes nonces of the same millisecond differ.
    pub fn issue(&self, now_ms: u64, counter: u64, source: IpAddr, realm: &[u8]) -> Nonce {
        let mut raw = [0; RAW_LEN];
        let (sealed, seal) = raw.split_at_mut(SEALED_LEN);
        let (time, count) = sealed.split_at_mut(TIME_LEN);
        time.copy_from_slice(&now_ms.min(TIME_MS_MAX).to_be_bytes()[8 - TIME_LEN..]);
        count.copy_from_slice(&counter.to_be_bytes());
        seal.copy_from_slice(&self.seal(sealed, source, realm));

        let mut text = [0; NONCE_LEN];
        URL_SAFE_NO_PAD.encode_slice(raw, &mut text).expect("30 bytes are 40 characters of base64");
        Nonce(text)
    }

    /// Judges a nonce that came back. It is valid for `lifetime_ms` from the time it was issued.
    pub fn check(
        &self,
        nonce: &[u8],
        now_ms: u64,
        source: IpAddr,
        realm: &[u8],
        lifetime_ms: u64,
    ) -> NonceVerdict {
        let mut raw = [0; RAW_LEN];
        if nonce.len() != NONCE_LEN || URL_SAFE_NO_PAD.decode_slice(nonce, &mut raw) != Ok(RAW_LEN) {
            return NonceVerdict::Forged;
        }
        let (sealed, seal) = raw.split_at(SEALED_LEN);
        if !bool::from(self.seal(sealed, source, realm).ct_eq(seal)) {
            return NonceVerdict::Forged;
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (time, count) = sealed.split_at(TIME_LEN);
        let issue = Issue { counter: number(count), at_ms: number(time) };
        match now_ms.checked_sub(issue.at_ms) {
            Some(age_ms) if age_ms < lifetime_ms => NonceVerdict::Valid(issue),
            _ => NonceVerdict::Stale,
        }
    }

    /// All parts but the last have a fixed length, so no two different inputs run together.
    fn seal(&self, sealed: &[u8], source: IpAddr, realm: &[u8]) -> [u8; SEAL_LEN] {
        let source = match source {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut mac = self.keyed.clone();
        mac.update(sealed);
        mac.update(&source.octets());
        mac.update(realm);
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        let mut seal = [0; SEAL_LEN];
        seal.copy_from_slice(&tag[..SEAL_LEN]);
        seal
    }
}

impl Nonce {
    /// The characters, all of which may stand in a quoted string.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey(…)")
    }
}
