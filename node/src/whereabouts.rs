//! Which shard has a request's transaction, for requests that arrive at another one.
//!
//! A peer keeps its shard as long as it sends from one port. A CANCEL, an ACK or a repetition that comes from another
//! port (a NAT has changed its mind, the proxy before us sends from several sockets, the connection is a new one) comes
//! to a shard that knows nothing of the INVITE: RFC 3261 §17.2.3 matches them by branch, wherever they came from. So each
//! shard notes here what it has opened, and looks here for what it does not know.
//!
//! ```text
//!   opened  ──► bucket of hash(branch): 8 entries, one cache line; the oldest gives way
//!   unknown ──► the same bucket: another shard's number? hand the message over
//! ```
//! An entry is a hint: one that is stale or somebody else's costs a hand-over, and one that gave way costs what it would
//! cost without this table. Any shard may work on any request, and a message is handed to a shard only because that
//! shard has opened the transaction, so nothing is sent in circles. Entries are plain loads and stores without locks.

use std::hash::Hasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use offhook_transaction::ServerKey;
use siphasher::sip::SipHasher13;

use crate::alias::Aliases;
use crate::closed::ClosedAnywhere;
use crate::moved::Moved;
use crate::registrants::Registrants;

/// Entries that share a bucket, which is one cache line.
const WAYS: usize = 8;

/// Buckets for each shard: half a megabyte for the last 65,536 transactions that it has opened.
const BUCKETS_PER_SHARD: usize = 8_192;

/// What the shards of a server share, so that what belongs to another is known to do so; next to nothing in a server of one.
#[derive(Clone, Debug)]
pub struct Whereabouts {
    opened: Option<Arc<Opened>>,
    closed: ClosedAnywhere,
    aliases: Aliases,
    registrants: Registrants,
    moved: Moved,
}

#[derive(Debug)]
struct Opened {
    /// Whether there is any: who keeps no transactions need not look for them.
    any: AtomicBool,
    buckets: Box<[Bucket]>,
}

#[derive(Default, Debug)]
#[repr(align(64))]
struct Bucket([AtomicU64; WAYS]);

/// What is hashed, and by which key: two of 40 bits and more must not be brought together by choice.
pub(crate) struct Lookup {
    place: usize,
    tag: u64,
}

impl Whereabouts {
    /// For so many shards.
    pub fn new(shards: usize) -> Self {
        let buckets = shards.next_power_of_two() * BUCKETS_PER_SHARD;
        let opened = (shards > 1).then(|| {
            let buckets = (0..buckets).map(|_| Bucket::default()).collect();
            Arc::new(Opened { any: AtomicBool::new(false), buckets })
        });
        let (aliases, registrants, moved) = (Aliases::default(), Registrants::default(), Moved::default());
        Self { opened, closed: ClosedAnywhere::new(shards), aliases, registrants, moved }
    }

    /// Which connections of any shard are gone.
    pub(crate) fn closed(&self) -> ClosedAnywhere {
        self.closed.clone()
    }

    /// Which connections of any shard may be used in the other direction.
    pub(crate) fn aliases(&self) -> Aliases {
        self.aliases.clone()
    }

    /// Which phones have registered elsewhere, by which connections of any shard.
    pub(crate) fn registrants(&self) -> Registrants {
        self.registrants.clone()
    }

    /// Which phones have changed their way.
    pub(crate) fn moved(&self) -> Moved {
        self.moved.clone()
    }

    /// Where a transaction stands or will stand; `None` in a server of one shard, which need not ask.
    pub(crate) fn lookup(&self, hash_key: &[u8; 16], key: &ServerKey<'_>) -> Option<Lookup> {
        let opened = self.opened.as_ref()?;
        let mut hasher = SipHasher13::new_with_key(hash_key);
        // What a CANCEL and an ACK have in common with their INVITE.
        match key {
            ServerKey::Rfc3261 { branch, .. } => hasher.write(branch),
            ServerKey::Rfc2543 { call_id, cseq, .. } => {
                hasher.write(call_id);
                hasher.write_u32(*cseq);
            }
        }
        let hash = hasher.finish();
        Some(Lookup { place: hash as usize & (opened.buckets.len() - 1), tag: hash >> 24 })
    }

    /// Whether any shard has ever opened one that another may be asked for.
    pub(crate) fn has_any(&self) -> bool {
        self.opened.as_ref().is_some_and(|opened| opened.any.load(Relaxed))
    }

    /// The shard that has opened it, as far as is known.
    pub(crate) fn shard_of(&self, lookup: &Lookup) -> Option<u8> {
        let bucket = self.opened.as_ref()?.buckets.get(lookup.place)?;
        bucket
            .0
            .iter()
            .map(|entry| Entry(entry.load(Relaxed)))
            .find(|e| e.tag() == lookup.tag)
            .map(Entry::shard)
    }

    /// Notes that `shard` has opened it.
    pub(crate) fn note(&self, now_ms: u64, lookup: &Lookup, shard: u8) {
        let Some(opened) = &self.opened else { return };
        let Some(bucket) = opened.buckets.get(lookup.place) else { return };
        if !opened.any.load(Relaxed) {
            opened.any.store(true, Relaxed);
        }
        let now_s = (now_ms / 1000) as u16;
        let yields = |entry: &&AtomicU64| match Entry(entry.load(Relaxed)) {
            same if same.tag() == lookup.tag => u32::MAX,
            Entry(0) => u32::MAX - 1,
            other => u32::from(now_s.wrapping_sub(other.second())),
        };
        if let Some(entry) = bucket.0.iter().max_by_key(yields) {
            entry.store(Entry::new(lookup.tag, now_s, shard).0, Relaxed);
        }
    }
}

/// Hash (40 bits), second (16), shard (8). Zero is none.
#[derive(Clone, Copy)]
struct Entry(u64);

impl Entry {
    fn new(tag: u64, second: u16, shard: u8) -> Self {
        Self(tag << 24 | u64::from(second) << 8 | u64::from(shard))
    }

    fn tag(self) -> u64 {
        self.0 >> 24
    }

    fn second(self) -> u16 {
        (self.0 >> 8) as u16
    }

    fn shard(self) -> u8 {
        self.0 as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [7; 16];

    fn key<'a>(branch: &'a [u8], method: &'a [u8]) -> ServerKey<'a> {
        ServerKey::Rfc3261 { branch, sent_by: b"192.0.2.1", method }
    }

    fn lookup(table: &Whereabouts, branch: &str) -> Lookup {
        table.lookup(&KEY, &key(branch.as_bytes(), b"INVITE")).unwrap()
    }

    #[test]
    fn a_server_of_one_shard_need_not_ask() {
        assert!(Whereabouts::new(1).lookup(&KEY, &key(b"z9hG4bK1", b"INVITE")).is_none());
    }

    /// RFC 3261 §9.2, §17.2.3
    #[test]
    fn a_cancel_finds_the_shard_of_its_invite() {
        let table = Whereabouts::new(2);
        table.note(5_000, &lookup(&table, "z9hG4bK1"), 1);
        for method in [&b"CANCEL"[..], b"ACK", b"INVITE"] {
            let found = table.lookup(&KEY, &key(b"z9hG4bK1", method)).unwrap();
            assert_eq!(table.shard_of(&found), Some(1));
        }
        assert_eq!(table.shard_of(&lookup(&table, "z9hG4bK2")), None);
    }

    #[test]
    fn a_full_bucket_lets_its_oldest_go() {
        let table = Whereabouts::new(32);
        let at = |tag: u64| Lookup { place: 9, tag };
        // Across the wrap of the seconds.
        let started_ms = 65_533_000;
        for n in 0..WAYS as u64 {
            table.note(started_ms + n * 1000, &at(100 + n), n as u8);
        }
        assert!((0..WAYS as u64).all(|n| table.shard_of(&at(100 + n)) == Some(n as u8)));
        table.note(started_ms + 20_000, &at(200), 31);
        assert_eq!(table.shard_of(&at(100)), None);
        assert_eq!(table.shard_of(&at(101)), Some(1));
        assert_eq!(table.shard_of(&at(200)), Some(31));
    }

    #[test]
    fn the_newest_word_counts() {
        let table = Whereabouts::new(2);
        let at = lookup(&table, "z9hG4bK1");
        table.note(1_000, &at, 0);
        table.note(2_000, &at, 1);
        assert_eq!(table.shard_of(&at), Some(1));
    }
}
