//! How keys come and go.
//!
//! ```text
//!   key 1  ├─ seals ────────────┤─ opens only ───────┤ gone
//!   key 2          ├ prepared ──┤─ seals ────────────┤─ opens only ───────┤ gone
//!   key 3                               ├ prepared ──┤─ seals …
//!                               └── one period ──────┘
//! ```
//! A token lives at least one period, at most two: the dialogs, flows and routes that carry it break no earlier. A key is
//! prepared before it seals, so that everyone who looks at the store once in a while has it in time.

use std::sync::{Mutex, PoisonError};

use offhook_store::{Store, StoreError, sql};

use crate::ring::Ring;

/// How long before it seals a key is made: whoever shares the store looks more often than this.
const PREPARED_MS: u64 = 60_000;

/// Names of the keys in the store: the number follows, ten digits.
const NAME: &str = "seal-key-";

/// Eight bytes for the time, 32 for the key.
const STORED_BYTES: usize = 8 + 32;

/// Keeps the keys in the store.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    period_ms: u64,
    /// Before this time nothing is to be done.
    due_ms: Mutex<u64>,
}

/// A key as it stands in the store.
struct Stored {
    number: u64,
    seals_from_ms: u64,
    key: [u8; 32],
}

impl Keeper {
    /// Over a store; each key seals for `period_ms`.
    pub fn new(store: Store, period_ms: u64) -> Self {
        Self { store, period_ms, due_ms: Mutex::new(0) }
    }

    /// The keys, when there is a reason to look: at the first call, and when one has to be made or let go. `None`: those
    /// handed out before are still right. `entropy` is asked for 32 bytes when a key may have to be made. Cheap when
    /// nothing is due, so it may be called every second.
    ///
    /// # Errors
    /// Those of the store and of `entropy`; the keys handed out before go on being good.
    pub fn refresh<E: From<StoreError>>(
        &self,
        now_ms: u64,
        entropy: impl Fn() -> Result<[u8; 32], E>,
    ) -> Result<Option<Ring>, E> {
        let mut due_ms = self.due_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms < *due_ms {
            return Ok(None);
        }
        let fresh = entropy()?;
        let keys = self.store.write(|sql| -> Result<Vec<Stored>, StoreError> {
            let mut keys = read(sql)?;
            self.make_what_is_due(sql, &mut keys, now_ms, fresh)?;
            self.drop_what_is_old(sql, &mut keys, now_ms)?;
            Ok(keys)
        })?;
        *due_ms = self.due_ms(&keys, now_ms);
        let mut ring = Ring::default();
        for key in &keys {
            ring.push(key.number as u8, key.seals_from_ms, &key.key);
        }
        Ok(Some(ring))
    }

    /// When the next key is to be made or the oldest let go, whichever comes first.
    fn due_ms(&self, keys: &[Stored], now_ms: u64) -> u64 {
        let newest_ms = keys.last().map_or(now_ms, |key| key.seals_from_ms);
        let make_ms = newest_ms + self.period_ms.saturating_sub(PREPARED_MS);
        let drop_ms = keys.get(1).map_or(u64::MAX, |successor| successor.seals_from_ms + self.period_ms);
        make_ms.min(drop_ms).max(now_ms + 1)
    }

    /// The first key seals at once; the next one from when the newest has done so for a period, but never before everyone
    /// has it.
    fn make_what_is_due(
        &self,
        sql: &sql::Transaction<'_>,
        keys: &mut Vec<Stored>,
        now_ms: u64,
        fresh: [u8; 32],
    ) -> sql::Result<()> {
        let (number, seals_from_ms) = match keys.last() {
            None => (1, now_ms),
            Some(newest) => {
                let until_ms = newest.seals_from_ms + self.period_ms;
                if now_ms + PREPARED_MS < until_ms {
                    return Ok(());
                }
                (newest.number + 1, until_ms.max(now_ms + PREPARED_MS))
            }
        };
        let made = Stored { number, seals_from_ms, key: fresh };
        let mut value = made.seals_from_ms.to_le_bytes().to_vec();
        value.extend_from_slice(&made.key);
        let insert = "INSERT INTO meta (name, value) VALUES (?1, ?2)";
        sql.execute(insert, sql::params![format!("{NAME}{number:010}"), value])?;
        keys.push(made);
        Ok(())
    }

    /// A key is let go when its successor has sealed for a period: its youngest token is that old.
    fn drop_what_is_old(
        &self,
        sql: &sql::Transaction<'_>,
        keys: &mut Vec<Stored>,
        now_ms: u64,
    ) -> sql::Result<()> {
        while let [oldest, successor, ..] = &keys[..] {
            if now_ms < successor.seals_from_ms + self.period_ms {
                break;
            }
            sql.execute("DELETE FROM meta WHERE name = ?1", [format!("{NAME}{:010}", oldest.number)])?;
            keys.remove(0);
        }
        Ok(())
    }
}

/// All keys, by number. What is not one of ours in form is passed over.
fn read(sql: &sql::Transaction<'_>) -> sql::Result<Vec<Stored>> {
    let mut statement = sql.prepare("SELECT name, value FROM meta WHERE name GLOB ?1 ORDER BY name")?;
    let mut rows = statement.query([format!("{NAME}*")])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let (name, value): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
        let number = name.strip_prefix(NAME).and_then(|digits| digits.parse().ok());
        let value: Option<[u8; STORED_BYTES]> = value.try_into().ok();
        if let (Some(number), Some(value)) = (number, value) {
            let (mut time, mut key) = ([0; 8], [0; 32]);
            time.copy_from_slice(&value[..8]);
            key.copy_from_slice(&value[8..]);
            keys.push(Stored { number, seals_from_ms: u64::from_le_bytes(time), key });
        }
    }
    Ok(keys)
}
