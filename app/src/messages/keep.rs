//! The thread that keeps messages for those who cannot be reached. Shards ask it and go on; it answers when what it has
//! promised is on disk.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use offhook_config::Config;
use offhook_journal::Journal;
use offhook_net::{Bells, Clock};
use offhook_store::Store;
use offhook_undelivered::{Desk, Keeper, Limits, Office};

/// Where shards ask, if messages are kept.
pub struct Room(Option<Office>);

impl Room {
    /// For so many shards.
    pub fn open(config: &Config, shards: usize) -> Self {
        Self(config.messages.keep.then(|| Office::new(shards)))
    }

    /// The side of a shard.
    pub fn desk(&self, shard: u8) -> Desk {
        self.0.as_ref().map_or_else(Desk::off, |office| office.desk(shard))
    }
}

/// The thread while the server runs.
pub struct Keeping(Option<(Office, JoinHandle<()>)>);

impl Keeping {
    /// Starts it. `bells` wake the shards that are told something.
    pub fn start(
        room: &Room,
        store: &Store,
        config: &Config,
        bells: Bells,
        mut journal: Journal,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let Some(office) = room.0.clone() else { return Ok(Self(None)) };
        let mut keeper = Keeper::open(store.connect()?, office.clone(), limits(config), clock.now_ms())?;
        let closing = Closing(office.clone());
        let keep = move || {
            let office = &closing.0;
            loop {
                let patience_ms = keeper.next_ms().saturating_sub(clock.now_ms());
                let Some(asks) = office.wait(Duration::from_millis(patience_ms)) else { return };
                let now_ms = clock.now_ms();
                keeper.turn(now_ms, asks, &mut journal, &mut |shard, told| {
                    office.tell(shard, told);
                    bells.ring(shard);
                });
                journal.flush(now_ms);
            }
        };
        let thread =
            thread::Builder::new().name("messages".into()).spawn(keep).context("cannot start a thread")?;
        Ok(Self(Some((office, thread))))
    }

    /// Has it note what was delivered last, when no shard is left, and waits for it.
    pub fn finish(self) -> anyhow::Result<()> {
        let Some((office, thread)) = self.0 else { return Ok(()) };
        office.close();
        thread.join().map_err(|_| anyhow::anyhow!("the thread that keeps messages has panicked"))
    }
}

/// However the thread ends, shards hear that nothing is kept any more.
struct Closing(Office);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn limits(config: &Config) -> Limits {
    let keys = &config.messages;
    Limits {
        per_recipient_max: keys.per_account_max,
        per_recipient_bytes_max: keys.per_account_bytes_max,
        per_sender_max: keys.per_sender_max,
        messages_max: keys.messages_max,
        bytes_max: keys.bytes_max,
        retry_after_ms: keys.retry_after_s * 1_000,
    }
}
