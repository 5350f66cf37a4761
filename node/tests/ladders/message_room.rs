//! The keeper of messages beside a simulated exchange: the real one, its store in a folder of the test.

use std::sync::Mutex;

use offhook_config::Messages;
use offhook_journal::Journal;
use offhook_store::Store;
use offhook_undelivered::{Keeper, Limits, Office};
use tempfile::TempDir;

/// The keeper with its office.
pub(crate) struct MessageRoom {
    pub(crate) office: Office,
    keeper: Mutex<Keeper>,
    folder: TempDir,
    keys: Messages,
    shards: u8,
}

impl MessageRoom {
    pub(crate) fn open(keys: Messages, shards: u8, now_ms: u64) -> Self {
        Self::open_in(TempDir::new().expect("a temporary folder"), keys, shards, now_ms)
    }

    /// What is there after the exchange was killed.
    pub(crate) fn after_the_kill(self, now_ms: u64) -> Self {
        drop(self.keeper);
        Self::open_in(self.folder, self.keys, self.shards, now_ms)
    }

    fn open_in(folder: TempDir, keys: Messages, shards: u8, now_ms: u64) -> Self {
        let office = Office::new(usize::from(shards));
        let store = Store::open(folder.path()).expect("a store");
        let limits = Limits {
            per_recipient_max: keys.per_account_max,
            per_recipient_bytes_max: keys.per_account_bytes_max,
            per_sender_max: keys.per_sender_max,
            messages_max: keys.messages_max,
            bytes_max: keys.bytes_max,
            retry_after_ms: keys.retry_after_s * 1_000,
            under_way_max_ms: 40_000,
        };
        let keeper = Keeper::open(store, office.clone(), limits, now_ms).expect("a store that works");
        Self { office, keeper: Mutex::new(keeper), folder, keys, shards }
    }

    /// Lets the keeper work. Whether it has told anybody anything.
    pub(crate) fn turn(&self, now_ms: u64) -> bool {
        let mut keeper = self.keeper.lock().expect("no panic before");
        let asks = self.office.take();
        if asks.is_empty() && now_ms < keeper.next_ms() {
            return false;
        }
        let mut told_some = false;
        keeper.turn(now_ms, asks, &mut Journal::silent(), &mut |shard, told| {
            self.office.tell(shard, told);
            told_some = true;
        });
        told_some
    }

    pub(crate) fn next_ms(&self) -> u64 {
        self.keeper.lock().expect("no panic before").next_ms()
    }

    pub(crate) fn len(&self) -> usize {
        self.keeper.lock().expect("no panic before").len()
    }
}
