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

use arrayvec::ArrayVec;
use offhook_seal::Seals;
use siphasher::sip::{SipHasher13, SipHasher24};

use crate::flow_code::PhoneMark;

const STATEFUL: &[u8] = b"z9hG4bKoh";
const STATELESS: &[u8] = b"z9hG4bKos";
/// In a stateless branch: answers leave by any shard, as datagrams do.
pub const ANY_SHARD: u8 = u8::MAX;
/// What is proved: shard, transaction, loop mark.
const PROVED_LEN: usize = 2 + 16 + 8;
const PROOF_DIGITS: usize = 12;
const STATEFUL_LEN: usize = STATEFUL.len() + PROVED_LEN + PROOF_DIGITS;

/// What is hashed in one piece: Request-URI, route, Call-ID and tag of most requests together.
const HASHED_BYTES: usize = 512;

/// `oh` and a hash.
const TAG_LEN: usize = 2 + 16;

/// Separates the uses of one key, so that a hash made for one purpose says nothing for another.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Use {
    Branch = 1,
    Stateless,
    Loop,
    Tag,
    Phone,
    Names,
    Key,
}

/// The keys of all cookies of a server. They live in the store, so cookies outlive a restart.
#[derive(Clone)]
pub struct CookieKey {
    hasher: SipHasher24,
    /// For what proves nothing by itself: half the rounds.
    marker: SipHasher13,
    /// For networks.
    network: [u64; 2],
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
        let hasher = SipHasher24::new_with_key(&key);
        let derived = |number: u8| hasher.hash(&[Use::Key as u8, number]);
        let marker = SipHasher13::new_with_keys(derived(0), derived(1));
        Self { hasher, marker, network: [derived(2), derived(3)], process: 0, seals }
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

    fn hash(&self, purpose: Use, parts: &[&[u8]]) -> u64 {
        hash_of(self.hasher, |hasher, text| hasher.hash(text), purpose, parts)
    }

    fn mark(&self, purpose: Use, parts: &[&[u8]]) -> u64 {
        hash_of(self.marker, |hasher, text| hasher.hash(text), purpose, parts)
    }

    /// The loop mark of a request: RFC 3261 §16.6 step 8 and RFC 5393 §4.2.1. Equal for two requests that we would
    /// route alike: same Request-URI, Route value, Call-ID, From tag and CSeq number.
    pub fn loop_mark(&self, parts: &[&[u8]]) -> u32 {
        self.mark(Use::Loop, parts) as u32
    }

    /// What tells a phone from all others, by what is known of it: the same in every shard and after a restart.
    pub fn phone_mark(&self, parts: &[&[u8]]) -> Option<PhoneMark> {
        PhoneMark::new(self.hash(Use::Phone, parts))
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

    /// A hash of the names of caller and callee.
    pub(crate) fn names_hash(&self, caller: &[u8], callee: &[u8]) -> u64 {
        self.mark(Use::Names, &[caller, callee])
    }

    /// A hash of the leading bits of an address: each message in a dialog wants one, so it is a product and no more. Who guesses
    /// the keys learns which private networks are alike.
    pub(crate) fn network_hash(&self, prefix: u64) -> u16 {
        let [mask, factor] = self.network;
        let product = u128::from(prefix ^ mask) * u128::from(factor | 1);
        let folded = (product >> 64) as u64 ^ product as u64;
        let folded = folded ^ folded >> 32;
        (folded ^ folded >> 16) as u16
    }

    /// Whether a tag is the one of answers to these.
    pub fn is_tag(&self, tag: &[u8], call_id: &[u8], from_tag: &[u8]) -> bool {
        // Most are other people's, and nothing is hashed.
        tag.len() == TAG_LEN && tag.starts_with(b"oh") && *tag == self.tag(call_id, from_tag)
    }

    /// The tag of answers that leave no state behind: an ACK with it is recognised and goes no further.
    pub fn tag(&self, call_id: &[u8], from_tag: &[u8]) -> [u8; TAG_LEN] {
        let mut tag = *b"oh0000000000000000";
        if let Some(digits) = tag.last_chunk_mut() {
            *digits = hex(self.hash(Use::Tag, &[call_id, from_tag]));
        }
        tag
    }
}

/// A hash over parts that cannot run into each other. In one piece where they are as short as most are: what is hashed bit by
/// bit costs twice as much.
#[inline(always)]
fn hash_of<H: Hasher>(
    hasher: H,
    in_one_piece: impl FnOnce(&H, &[u8]) -> u64,
    purpose: Use,
    parts: &[&[u8]],
) -> u64 {
    let mut text = ArrayVec::<u8, HASHED_BYTES>::new();
    text.push(purpose as u8);
    let fits = parts.iter().all(|part| {
        let len = (part.len() as u32).to_le_bytes();
        text.try_extend_from_slice(&len).is_ok() && text.try_extend_from_slice(part).is_ok()
    });
    if fits { in_one_piece(&hasher, &text) } else { in_pieces(hasher, purpose, parts) }
}

/// The same of long ones.
#[cold]
fn in_pieces(mut hasher: impl Hasher, purpose: Use, parts: &[&[u8]]) -> u64 {
    hasher.write(&[purpose as u8]);
    for part in parts {
        hasher.write(&(part.len() as u32).to_le_bytes());
        hasher.write(part);
    }
    hasher.finish()
}

/// All hexadecimal digits.
pub(crate) fn hex(value: u64) -> [u8; 16] {
    let [high, low] = [value >> 32, value & 0xffff_ffff].map(hex_of_half);
    (u128::from(high) << 64 | u128::from(low)).to_be_bytes()
}

/// The eight digits of a number of 32 bits, the highest in the highest byte.
fn hex_of_half(value: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let value = (value | value << 16) & 0x0000_ffff_0000_ffff;
    let value = (value | value << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (value | value << 4) & (ONES * 0x0f);
    // 10 and above are 16 and above with 6 added.
    let letters = (digits + ONES * 6) >> 4 & ONES;
    digits + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

/// Writes the lowest `digits` hexadecimal digits, at most 16.
pub(crate) fn write_hex(value: u64, digits: usize, out: &mut Vec<u8>) {
    let all = hex(value);
    out.extend_from_slice(all.get(all.len() - digits..).unwrap_or_default());
}

/// The value of each lower-case hexadecimal digit; of what is none, more than any has.
static DIGITS: [u8; 256] = {
    let mut digits = [u8::MAX; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// Reads at most 16 lower-case hexadecimal digits.
pub(crate) fn read_hex(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 16 {
        return None;
    }
    let (value, all) = text.iter().fold((0, 0), |(value, all), &c| {
        let digit = DIGITS[usize::from(c)];
        (value << 4 | u64::from(digit), all | digit)
    });
    (all < 16).then_some(value)
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
    fn hexadecimal_digits_are_written_and_read() {
        for value in [0, 9, 10, 0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210, u64::MAX] {
            let mut out = Vec::new();
            write_hex(value, 16, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), format!("{value:016x}"));
            assert_eq!(read_hex(&out), Some(value));
        }
        for bad in [&b""[..], b"g", b"A", b"00 0", b"00000000000000000", b"\xff"] {
            assert_eq!(read_hex(bad), None, "{}", bad.escape_ascii());
        }
    }

    /// Whatever is hashed in one piece has the same hash as bit by bit.
    #[test]
    fn a_long_text_is_hashed_alike() {
        let (call_id, text) = (b"call".as_slice(), [b'x'; 600]);
        for len in [0, 1, 3, 90, 498, 499, 500, 600] {
            let parts = [call_id, &text[..len]];
            assert_eq!(key().hash(Use::Tag, &parts), in_pieces(key().hasher, Use::Tag, &parts), "{len}");
        }
    }

    #[test]
    fn tags_differ_by_call() {
        assert_eq!(key().tag(b"a", b"b"), key().tag(b"a", b"b"));
        assert_ne!(key().tag(b"a", b"b"), key().tag(b"ab", b""));
        assert!(key().tag(b"a", b"b").starts_with(b"oh"));
    }
}
