//! What the proxy writes into messages to know them again: branches and tags of stateless answers. Each carries a keyed
//! hash, so nobody else can make one: a forged branch finds no transaction. What a dialog remembers is sealed instead, see
//! [`crate::record_route`].
//!
//! ```text
//!   branch   z9hG4bKoh SS TTTTTTTTTTTTTTTT LLLLLLLL MMMMMMMMMMMM   shard, transaction, loop mark, proof (hex)
//!            z9hG4bKos SS HHHHHHHHHHHHHHHH LLLLLLLL            stateless: shard, hash of the upstream branch, loop mark
//!   tag      oh HHHHHHHHHHHHHHHH
//! ```
//! A hash is enough for these: a shard's number and a transaction's name are no secrets, they mean something to this
//! process alone and for half a minute, and a branch is written into every message twice. The proof of 48 bits makes a
//! stranger's response to somebody else's transaction a matter of 2^47 tries within that time.

use std::hash::Hasher;

use offhook_seal::Seals;
use siphasher::sip::SipHasher24;

const STATEFUL: &[u8] = b"z9hG4bKoh";
const STATELESS: &[u8] = b"z9hG4bKos";
/// In a stateless branch: answers leave by any shard, as datagrams do.
pub const ANY_SHARD: u8 = u8::MAX;
/// What is proved: shard, transaction, loop mark.
const PROVED_LEN: usize = 2 + 16 + 8;
const PROOF_DIGITS: u32 = 12;
const STATEFUL_LEN: usize = STATEFUL.len() + PROVED_LEN + PROOF_DIGITS as usize;

/// Separates the uses of one key, so that a hash made for one purpose says nothing for another.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Use {
    Branch = 1,
    Stateless,
    Loop,
    Tag,
}

/// The keys of all cookies of a server. They live in the store, so cookies outlive a restart.
#[derive(Clone)]
pub struct CookieKey {
    hasher: SipHasher24,
    process: u32,
    seals: Seals,
}

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey")
    }
}

/// Where the client transaction of a branch lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The shard that owns it.
    pub shard: u8,
    /// Its name there, as a number.
    pub transaction: u64,
}

impl CookieKey {
    /// From 16 random bytes for the hashes, and the keys that seal at this time.
    pub fn new(key: [u8; 16], seals: Seals) -> Self {
        Self { hasher: SipHasher24::new_with_key(&key), process: 0, seals }
    }

    /// Time has passed: from now on these keys seal and open.
    pub fn renew(&mut self, seals: Seals) {
        self.seals = seals;
    }

    /// What seals the state that travels in messages.
    pub fn seals(&self) -> &Seals {
        &self.seals
    }

    /// The same key in the hands of this process: what it writes about connections and transactions means nothing to the
    /// next one.
    pub fn of_process(self, process: u32) -> Self {
        Self { process, ..self }
    }

    /// The number of this process.
    pub(crate) fn process(&self) -> u32 {
        self.process
    }

    /// A hash over parts that cannot run into each other.
    fn hash(&self, purpose: Use, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.hasher;
        hasher.write_u8(purpose as u8);
        for part in parts {
            hasher.write_u32(part.len() as u32);
            hasher.write(part);
        }
        hasher.finish()
    }

    /// The loop mark of a request: RFC 3261 §16.6 step 8 and RFC 5393 §4.2.1. Equal for two requests that we would
    /// route alike: same Request-URI, Route value, Call-ID, From tag and CSeq number.
    pub fn loop_mark(&self, parts: &[&[u8]]) -> u32 {
        self.hash(Use::Loop, parts) as u32
    }

    /// Writes the branch of a client transaction.
    pub fn write_branch(&self, place: Place, loop_mark: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(STATEFUL);
        let start = out.len();
        write_hex(u64::from(place.shard), 2, out);
        write_hex(place.transaction, 16, out);
        write_hex(u64::from(loop_mark), 8, out);
        let proof = self.branch_proof(out.get(start..).unwrap_or_default());
        write_hex(proof, PROOF_DIGITS, out);
    }

    /// The names of transactions begin anew with each process: without it, a late answer to a request of the process
    /// before would find a stranger's call.
    fn branch_proof(&self, text: &[u8]) -> u64 {
        self.hash(Use::Branch, &[text, &self.process.to_le_bytes()]) >> (64 - 4 * PROOF_DIGITS)
    }

    /// The place a branch names, if we made it.
    pub fn read_branch(&self, branch: &[u8]) -> Option<Place> {
        let text = branch.strip_prefix(STATEFUL).filter(|_| branch.len() == STATEFUL_LEN)?;
        let (text, proof) = text.split_at(PROVED_LEN);
        if read_hex(proof)? != self.branch_proof(text) {
            return None;
        }
        let shard = read_hex(&text[..2])? as u8;
        Some(Place { shard, transaction: read_hex(&text[2..18])? })
    }

    /// Writes the branch of a request forwarded without state: RFC 3261 §16.11. It is the same for each retransmission
    /// because it is a hash of what identifies the transaction upstream. `shard` has the connection that the answer goes
    /// back by, or is [`ANY_SHARD`].
    pub fn write_stateless_branch(&self, shard: u8, upstream: &[&[u8]], loop_mark: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(STATELESS);
        write_hex(u64::from(shard), 2, out);
        write_hex(self.hash(Use::Stateless, upstream), 16, out);
        write_hex(u64::from(loop_mark), 8, out);
    }

    /// The shard in a stateless branch, if we wrote it for a request with that upstream identity: only then its response
    /// may be passed on, or we would carry anybody's bytes anywhere.
    pub fn read_stateless_branch(&self, branch: &[u8], upstream: &[&[u8]]) -> Option<u8> {
        let text = branch.strip_prefix(STATELESS)?;
        let hash = read_hex(text.get(2..18)?)?;
        let shard = read_hex(text.get(..2)?)? as u8;
        (hash == self.hash(Use::Stateless, upstream)).then_some(shard)
    }

    /// The loop mark in a branch of ours, whichever kind.
    pub fn mark_of(branch: &[u8]) -> Option<u32> {
        let text = branch.strip_prefix(STATEFUL).or_else(|| branch.strip_prefix(STATELESS))?;
        read_hex(text.get(18..26)?).map(|m| m as u32)
    }

    /// The tag of answers that leave no state behind: an ACK with it is recognised and goes no further.
    pub fn tag(&self, call_id: &[u8], from_tag: &[u8]) -> [u8; 18] {
        let mut tag = *b"oh0000000000000000";
        let hash = self.hash(Use::Tag, &[call_id, from_tag]);
        for (i, c) in tag.iter_mut().skip(2).enumerate() {
            *c = HEX[(hash >> (60 - 4 * i) & 15) as usize];
        }
        tag
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Writes the lowest `digits` hexadecimal digits.
pub(crate) fn write_hex(value: u64, digits: u32, out: &mut Vec<u8>) {
    for i in (0..digits).rev() {
        out.push(HEX[(value >> (4 * i) & 15) as usize]);
    }
}

/// Reads at most 16 lower-case hexadecimal digits.
pub(crate) fn read_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    text.iter().try_fold(0u64, |value, &c| {
        let digit = match c {
            b'0'..=b'9' => c - b'0',
            b'a'..=b'f' => c - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use offhook_seal::Ring;

    use super::*;

    fn key() -> CookieKey {
        CookieKey::new(*b"0123456789abcdef", Ring::of_one([1; 32]).seals(0))
    }

    /// RFC 3261 §16.6 step 8: the branch is globally unique and begins with the magic cookie.
    #[test]
    fn a_branch_names_its_place_and_cannot_be_forged() {
        let place = Place { shard: 3, transaction: 77 << 32 | 0xdead_beef };
        let mut branch = Vec::new();
        key().write_branch(place, 0x1234, &mut branch);
        assert_eq!(key().read_branch(&branch), Some(place));
        assert_eq!(CookieKey::mark_of(&branch), Some(0x1234));
        for i in STATEFUL.len()..branch.len() {
            let mut forged = branch.clone();
            forged[i] = if forged[i] == b'0' { b'1' } else { b'0' };
            assert_eq!(key().read_branch(&forged), None, "byte {i}");
        }
        assert_eq!(CookieKey::new([9; 16], Ring::of_one([1; 32]).seals(0)).read_branch(&branch), None);
        assert_eq!(key().of_process(2).read_branch(&branch), None, "a branch of the process before");
        assert_eq!(key().read_branch(b"z9hG4bKoh"), None);
    }

    /// RFC 3261 §16.11: retransmissions get the same branch.
    #[test]
    fn a_stateless_branch_is_the_same_each_time() {
        let write = |upstream: &[&[u8]]| {
            let mut out = Vec::new();
            key().write_stateless_branch(3, upstream, 7, &mut out);
            out
        };
        let branch = write(&[b"z9hG4bKup", b"host"]);
        assert_eq!(branch, write(&[b"z9hG4bKup", b"host"]));
        assert_ne!(branch, write(&[b"z9hG4bKu", b"phost"]));
        assert_eq!(key().read_stateless_branch(&branch, &[b"z9hG4bKup", b"host"]), Some(3));
        assert_eq!(key().read_stateless_branch(&branch, &[b"z9hG4bKother", b"host"]), None);
        assert_eq!(key().read_stateless_branch(b"z9hG4bKos0", &[b"z9hG4bKup", b"host"]), None);
        assert_eq!(CookieKey::mark_of(&branch), Some(7));
    }

    #[test]
    fn tags_differ_by_call() {
        assert_eq!(key().tag(b"a", b"b"), key().tag(b"a", b"b"));
        assert_ne!(key().tag(b"a", b"b"), key().tag(b"ab", b""));
        assert!(key().tag(b"a", b"b").starts_with(b"oh"));
    }
}
