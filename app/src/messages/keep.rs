//! The thread that keeps messages for those who cannot be reached. Shards ask it and go on; it answers when what it has
//! promised is on disk.

use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use offhook_config::Config;
use offhook_journal::{Event, Journal};
use offhook_net::{Bells, Clock};
use offhook_store::{Store, StoreError};
use offhook_undelivered::{Ask, Desk, Keeper, Limits, NotKept, Office, Told};

/// How long the thread sleeps when there is nothing to keep.
const IDLE: Duration = Duration::from_secs(3_600);

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
        journal: Journal,
        clock: Clock,
    ) -> anyhow::Result<Self> {
        let Some(office) = room.0.clone() else { return Ok(Self(None)) };
        let mut desk = KeeperAtWork {
            closing: Closing(office.clone()),
            keeper: None,
            data_dir: config.data_dir.clone(),
            limits: limits(config),
            bells,
            journal,
            clock,
        };
        if !offhook_undelivered::is_empty(store)? {
            desk.open()?;
        }
        let keep = move || while desk.turn() {};
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

/// What the thread works with. The keeper, with its connection to the store, is there from the first message on: most
/// servers never see one.
struct KeeperAtWork {
    closing: Closing,
    keeper: Option<Keeper>,
    data_dir: PathBuf,
    limits: Limits,
    bells: Bells,
    journal: Journal,
    clock: Clock,
}

impl KeeperAtWork {
    fn open(&mut self) -> Result<&mut Keeper, StoreError> {
        let store = Store::open(&self.data_dir)?;
        let keeper = Keeper::open(store, self.closing.0.clone(), self.limits, self.clock.now_ms())?;
        Ok(self.keeper.insert(keeper))
    }

    /// Waits for work and does it. `false`: there will be no more.
    fn turn(&mut self) -> bool {
        let idle_ms = IDLE.as_millis() as u64;
        let next_ms = self.keeper.as_ref().map(Keeper::next_ms);
        let wait_ms = |next_ms: u64| next_ms.saturating_sub(self.clock.now_ms()).min(idle_ms);
        let patience_ms = next_ms.map_or(idle_ms, wait_ms);
        let Some(asks) = self.closing.0.wait(Duration::from_millis(patience_ms)) else { return false };
        let now_ms = self.clock.now_ms();
        if self.keeper.is_none()
            && !asks.is_empty()
            && let Err(error) = self.open()
        {
            let error = error.to_string();
            self.journal.note(now_ms, &Event::StoreFailed { what: "keep messages", error: &error });
        }
        let (office, bells) = (&self.closing.0, &self.bells);
        let mut tell = |shard, told| {
            office.tell(shard, told);
            bells.ring(shard);
        };
        match &mut self.keeper {
            Some(keeper) => keeper.turn(now_ms, asks, &mut self.journal, &mut tell),
            None => asks.into_iter().for_each(|ask| {
                if let Ask::Keep { shard, ticket, .. } = ask {
                    tell(shard, Told::Kept { ticket, verdict: Err(NotKept::Broken) });
                }
            }),
        }
        self.journal.flush(now_ms);
        true
    }
}

/// However the thread ends, shards hear that nothing is kept any more.
struct Closing(Office);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the configuration says about how much is kept.
pub fn limits(config: &Config) -> Limits {
    let keys = &config.messages;
    Limits {
        per_recipient_max: keys.per_account_max,
        per_recipient_bytes_max: keys.per_account_bytes_max,
        per_sender_max: keys.per_sender_max,
        messages_max: keys.messages_max,
        bytes_max: keys.bytes_max,
        retry_after_ms: keys.retry_after_s * 1_000,
        // RFC 3261 §17.1.2.2: Timer F. What a shard says of its end needs a moment to get here.
        under_way_max_ms: 64 * config.timers.t1_ms + 8_000,
    }
}
