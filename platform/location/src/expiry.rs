//! Forgetting what has ended. Nobody sees it either way; but the log must say so before a crash, or the next start would
//! believe it for a while (see `reprieve`).

use std::sync::atomic::Ordering::Relaxed;

use crate::binding::Binding;
use crate::error::LocationError;
use crate::record::Record;
use crate::writer::{Writer, put_change};

impl Writer {
    /// Forgets the expired bindings in the next `stripes` stripes, showing each to `gone`, and returns how many they were.
    /// A timer calls this every now and then; [`stripes`](crate::Location::stripes) makes a whole round. Records that are
    /// being changed are left for the next time. What else waits for the log is written, too.
    ///
    /// # Errors
    /// When the log cannot be written: then they are forgotten the next time.
    pub fn expire(
        &mut self,
        now_ms: u64,
        stripes: usize,
        mut gone: impl FnMut(&[u8], Binding<'_>),
    ) -> Result<usize, LocationError> {
        let mut forgotten = 0;
        self.catch_up()?;
        for _ in 0..stripes {
            let stripe = self.shared.sweep_next.fetch_add(1, Relaxed) % self.shared.table.stripes();
            forgotten += self.expire_stripe(stripe, now_ms, &mut gone);
            self.catch_up()?;
        }
        Ok(forgotten)
    }

    /// What finds no room among the pending changes is left for the next round.
    fn expire_stripe(
        &mut self,
        stripe: usize,
        now_ms: u64,
        gone: &mut impl FnMut(&[u8], Binding<'_>),
    ) -> usize {
        let Self { shared, shard, replacement, .. } = self;
        let mut pending = shared.slots()[usize::from(*shard)].lock();
        let mut records = shared.table.write(stripe);
        let is_due =
            |record: &&Record| record.payload().has_expired(now_ms) && shared.is_settled(record.mark());
        let due: Vec<Vec<u8>> =
            records.iter().filter(is_due).map(|record| record.payload().aor().to_vec()).collect();
        let mut forgotten = 0;
        for aor in due {
            let hash = shared.table.hash(&aor);
            let Some(payload) = records.find(hash, &aor).map(Record::payload) else { continue };
            replacement.clear(usize::MAX);
            payload.bindings(now_ms).for_each(|binding| replacement.push(&binding));
            let ended = payload.bindings(0).filter(|binding| binding.expires_at_ms <= now_ms);
            let before = forgotten;
            ended.for_each(|binding| {
                gone(&aor, binding);
                forgotten += 1;
            });
            let is_due = |_| Ok(true);
            let put =
                put_change(shared, *shard, &mut pending, &mut records, (hash, &aor), replacement, is_due);
            if put.is_err() {
                return before;
            }
        }
        forgotten
    }
}
