//! The keys that seal what travels in messages: read from the store at the start, and made anew when their time comes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_config::Config;
use offhook_journal::{Event, Journal};
use offhook_seal::{Keeper, Ring};
use offhook_store::Store;

/// The name in the store of the key of temporary GRUUs.
pub(crate) const GRUUS_SECRET: &str = "gruus";

/// The keys, and who looks after them.
pub(crate) struct Seals {
    keeper: Keeper,
    ring: Arc<ArcSwap<Ring>>,
}

impl Seals {
    /// Reads the keys, or makes the first.
    pub(crate) fn open(store: &Store, config: &Config, now_ms: u64) -> anyhow::Result<Self> {
        let keeper = Keeper::new(store.connect()?, config.security.seal_rotation_s * 1000);
        let seals = Self { keeper, ring: Arc::default() };
        seals.look(now_ms)?;
        Ok(seals)
    }

    /// What the shards look at.
    pub(crate) fn ring(&self) -> Arc<ArcSwap<Ring>> {
        Arc::clone(&self.ring)
    }

    /// Once a second: a new key is made when its time comes. Without the store the old one goes on.
    pub(crate) fn refresh(&self, now_ms: u64, journal: &mut Journal) {
        if let Err(error) = self.look(now_ms) {
            let event = Event::StoreFailed { what: "make a new key for seals", error: &error.to_string() };
            journal.note(now_ms, &event);
        }
    }

    fn look(&self, now_ms: u64) -> anyhow::Result<()> {
        if let Some(ring) = self.keeper.refresh(now_ms, entropy)? {
            self.ring.store(Arc::new(ring));
        }
        Ok(())
    }
}

/// 32 bytes that nobody can guess.
pub(crate) fn entropy() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the system has no entropy: {error}"))?;
    Ok(bytes)
}
