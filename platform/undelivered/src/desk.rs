//! How shards and the keeper speak: two queues with a lock that nobody holds for longer than it takes to push.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::message::NewMessage;
use crate::signs::Signs;

/// Messages that wait for the keeper. A disk takes some thousand transactions a second, and the keeper takes all there are
/// as one; beyond it the store is not working, and senders are told so.
const KEEPS_MAX: usize = 1_024;

/// All questions that wait for the keeper. Registrations beyond it are not noted: their phones register again.
const ASKS_MAX: usize = 16_384;

/// What a shard wants of the keeper.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Keep this; [`Told::Kept`] with this ticket answers.
    Keep {
        /// Who asks.
        shard: u8,
        /// What it shall be told with the answer.
        ticket: u64,
        /// What to keep.
        message: Box<NewMessage>,
    },
    /// A device of this address-of-record has registered, here.
    Registered {
        /// By which shard it is best reached.
        shard: u8,
        /// Whose it is.
        aor: Box<[u8]>,
    },
    /// What has become of a [`Told::Deliver`].
    Done {
        /// Its number.
        id: u64,
        /// Its recipient.
        aor: Box<[u8]>,
        /// What has become of it.
        outcome: Outcome,
    },
}

/// What a shard is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// What has become of an [`Ask::Keep`].
    Kept {
        /// Its ticket.
        ticket: u64,
        /// Whether it is durable.
        verdict: Result<(), NotKept>,
    },
    /// Deliver this, and say what has become of it.
    Deliver(Box<Parcel>),
}

/// A message on its way to its recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parcel {
    /// Its number.
    pub id: u64,
    /// Its recipient.
    pub aor: Box<[u8]>,
    /// Whether it may travel only by secure transports.
    pub secure: bool,
    /// What is delivered.
    pub content: Box<[u8]>,
}

/// What has become of a delivery.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A device has it.
    Delivered,
    /// Its devices do not want it: it is gone.
    Refused(u16),
    /// It did not arrive, and may do so later.
    Failed,
    /// There is no device. The next registration brings it up again.
    Absent,
}

/// Why a message was not kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotKept {
    /// Its recipient has too many, or too much.
    RecipientFull,
    /// Its sender has left too many.
    SenderFull,
    /// There are too many of all.
    Full,
    /// The store does not work.
    Broken,
}

/// A shard's side. Off: nothing is kept, and asking says so.
#[derive(Clone, Debug)]
pub struct Desk {
    shard: u8,
    shared: Option<Arc<Shared>>,
}

/// The keeper's side.
#[derive(Clone, Debug)]
pub struct Office(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    asks: Mutex<Asks>,
    come: Condvar,
    boxes: Box<[Inbox]>,
    signs: Signs,
}

#[derive(Default, Debug)]
struct Asks {
    waiting: Vec<Ask>,
    keeps: usize,
    closed: bool,
}

#[derive(Default, Debug)]
struct Inbox {
    filled: AtomicBool,
    told: Mutex<VecDeque<Told>>,
}

impl Desk {
    /// One that keeps nothing.
    pub fn off() -> Self {
        Self { shard: 0, shared: None }
    }

    /// Whether anything is kept at all.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.shared.is_some()
    }

    /// Whether messages may be waiting for this address-of-record.
    #[inline]
    pub fn has_for(&self, aor: &[u8]) -> bool {
        self.shared.as_ref().is_some_and(|shared| shared.signs.has(aor))
    }

    /// Wants a message kept. `false`: too many wait to be, and no answer will come.
    pub fn keep(&self, ticket: u64, message: NewMessage) -> bool {
        let Some(shared) = &self.shared else { return false };
        let mut asks = shared.lock();
        if asks.keeps >= KEEPS_MAX || asks.closed {
            return false;
        }
        asks.keeps += 1;
        asks.waiting.push(Ask::Keep { shard: self.shard, ticket, message: Box::new(message) });
        drop(asks);
        shared.come.notify_one();
        true
    }

    /// Says that a device of this address-of-record has registered.
    pub fn registered(&self, aor: &[u8]) {
        let Some(shared) = &self.shared else { return };
        let mut asks = shared.lock();
        if asks.waiting.len() < ASKS_MAX {
            asks.waiting.push(Ask::Registered { shard: self.shard, aor: aor.into() });
            drop(asks);
            shared.come.notify_one();
        }
    }

    /// Says what has become of a delivery. There are never more than the keeper has handed out.
    pub fn done(&self, id: u64, aor: Box<[u8]>, outcome: Outcome) {
        let Some(shared) = &self.shared else { return };
        shared.lock().waiting.push(Ask::Done { id, aor, outcome });
        shared.come.notify_one();
    }

    /// Whether [`Self::take`] would give anything.
    #[inline]
    pub fn is_told(&self) -> bool {
        self.inbox().is_some_and(|inbox| inbox.filled.load(Acquire))
    }

    /// What the keeper has told this shard.
    pub fn take(&self) -> VecDeque<Told> {
        let Some(inbox) = self.inbox().filter(|inbox| inbox.filled.swap(false, AcqRel)) else {
            return VecDeque::new();
        };
        std::mem::take(&mut *inbox.told.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn inbox(&self) -> Option<&Inbox> {
        self.shared.as_ref().and_then(|shared| shared.boxes.get(usize::from(self.shard)))
    }
}

impl Office {
    /// For so many shards.
    pub fn new(shards: usize) -> Self {
        Self(Arc::new(Shared {
            asks: Mutex::default(),
            come: Condvar::new(),
            boxes: (0..shards).map(|_| Inbox::default()).collect(),
            signs: Signs::new(),
        }))
    }

    /// The side of a shard.
    pub fn desk(&self, shard: u8) -> Desk {
        Desk { shard, shared: Some(Arc::clone(&self.0)) }
    }

    /// Takes all that shards have asked.
    pub fn take(&self) -> Vec<Ask> {
        let mut asks = self.0.lock();
        asks.keeps = 0;
        std::mem::take(&mut asks.waiting)
    }

    /// The same, waiting until there is something, or so long. `None`: the office is closed and nothing is left.
    pub fn wait(&self, patience: Duration) -> Option<Vec<Ask>> {
        let asks = self.0.lock();
        let idle = |asks: &mut Asks| asks.waiting.is_empty() && !asks.closed;
        let waited = self.0.come.wait_timeout_while(asks, patience, idle);
        let mut asks = waited.unwrap_or_else(PoisonError::into_inner).0;
        if asks.closed && asks.waiting.is_empty() {
            return None;
        }
        asks.keeps = 0;
        Some(std::mem::take(&mut asks.waiting))
    }

    /// No more messages are taken; who waits is woken.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.come.notify_all();
    }

    /// Tells a shard something. It has to be woken to notice.
    pub fn tell(&self, shard: u8, told: Told) {
        let Some(inbox) = self.0.boxes.get(usize::from(shard)) else { return };
        inbox.told.lock().unwrap_or_else(PoisonError::into_inner).push_back(told);
        inbox.filled.store(true, Release);
    }

    pub(crate) fn signs(&self) -> &Signs {
        &self.0.signs
    }
}

impl Shared {
    /// Whoever panicked here has left whole entries.
    fn lock(&self) -> MutexGuard<'_, Asks> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
