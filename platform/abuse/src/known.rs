//! Where registered phones are. An office has one address for all its phones; one of them with a wrong password must not
//! cut off the others, and neither must a stranger who was lent that address for a day.
//!
//! A word for each address: a keyed hash and the minute of the last sound registration. Two addresses that share a place
//! displace each other; who is displaced is known again with his next registration.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::slots::hash;
use crate::source::Source;

/// Addresses that are remembered: 256 KiB. An office, a mobile network's exit or a household each take one.
const PLACES: usize = 32_768;

const MINUTE_BITS: u32 = 24;
const MINUTE_MASK: u64 = (1 << MINUTE_BITS) - 1;

pub(crate) struct Known {
    places: OnceLock<Box<[AtomicU64]>>,
    hash_key: [u8; 16],
}

impl Known {
    pub(crate) fn new(hash_key: [u8; 16]) -> Self {
        Self { places: OnceLock::new(), hash_key }
    }

    /// A phone has registered from here.
    #[inline]
    pub(crate) fn note(&self, now_ms: u64, source: Source) {
        let places = self.places.get_or_init(|| (0..PLACES).map(|_| AtomicU64::new(0)).collect());
        let (place, tag) = self.place(source);
        let word = tag | minute(now_ms);
        // A store would take the line from the other shards' caches; an unchanged word needs none.
        if let Some(place) = places.get(place).filter(|place| place.load(Relaxed) != word) {
            place.store(word, Relaxed);
        }
    }

    /// Whether a phone has registered from here within `known_s` seconds.
    pub(crate) fn has(&self, now_ms: u64, source: Source, known_s: u32) -> bool {
        let (place, tag) = self.place(source);
        let places = self.places.get();
        let word = places.and_then(|places| places.get(place)).map_or(0, |place| place.load(Relaxed));
        let age_minutes = minute(now_ms).wrapping_sub(word) & MINUTE_MASK;
        word & !MINUTE_MASK == tag && word != 0 && age_minutes <= u64::from(known_s.div_ceil(60))
    }

    fn place(&self, source: Source) -> (usize, u64) {
        let hash = hash(&self.hash_key, source.key());
        (hash as usize % PLACES, hash & !MINUTE_MASK)
    }
}

fn minute(now_ms: u64) -> u64 {
    (now_ms / 60_000) & MINUTE_MASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_as_long_as_it_was_said() {
        let (known, now_ms) = (Known::new([7; 16]), 1_795_248_903_123);
        let [office, other] = ["192.0.2.7", "192.0.2.8"].map(|ip| ip.parse().unwrap());
        assert!(!known.has(now_ms, office, 7_200));
        known.note(now_ms, office);
        assert!(known.has(now_ms, office, 7_200));
        assert!(known.has(now_ms + 7_200_000, office, 7_200));
        assert!(!known.has(now_ms + 7_320_000, office, 7_200));
        assert!(!known.has(now_ms, other, 7_200));
        known.note(now_ms + 7_320_000, office);
        assert!(known.has(now_ms + 7_320_000, office, 7_200));
    }
}
