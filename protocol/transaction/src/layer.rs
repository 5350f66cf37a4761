//! All transactions of a shard, their timers and their memory.

use crate::client::ClientRecord;
use crate::deadlines::{Deadlines, Kind, LINGER_GRAIN_MS, Owner};
use crate::key::EncodedKey;
use crate::server::ServerRecord;
use crate::table::ServerTable;
use crate::timers::{Delay, Fate, TimerQueue};
use crate::{Actions, Buffers, ClientId, ServerId, Set, Slab, SlotId, Timing, TransactionId};

/// The transaction layer: RFC 3261 §17, RFC 6026. `S` and `C` are the transaction user's own words about a server and
/// a client transaction: where to send, which response context. They count fully in every record, so keep them small.
///
/// Nothing here sends or reads a clock. Calls say what to send; [`Self::next_due`] says what the passage of time asks
/// for. Time never steps back; should it, the timers stand still. A transaction ends only in `next_due`, never while
/// a message is handled: a [`ServerId`] or [`ClientId`] is good until its `…Ended`, and after that names nothing.
pub struct Transactions<S, C> {
    pub(crate) timing: Timing,
    pub(crate) limits: Limits,
    pub(crate) timers: TimerQueue,
    pub(crate) buffers: Buffers,
    pub(crate) servers: Slab<ServerRecord<S>>,
    pub(crate) clients: Slab<ClientRecord<C>>,
    pub(crate) table: ServerTable,
    /// The key of the request at hand, encoded: kept for its allocation.
    pub(crate) key: EncodedKey,
    /// The one that was looked for before it. What opens a transaction was looked for, mostly.
    pub(crate) key_before: EncodedKey,
    /// The hash of the key.
    pub(crate) hash: u32,
}

/// What a layer is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// T1, T2, T4.
    pub timing: Timing,
    /// How much it may hold.
    pub limits: Limits,
    /// A secret of 16 random bytes: with it, nobody can choose keys that collide.
    pub hash_key: [u8; 16],
    /// Delays that the user will often set its own timers to, such as 200 ms for a 100 Trying or Timer C: each gets a
    /// lane. Six fit beside the ten of RFC 3261; the others work as well, a little slower.
    pub user_delays_ms: Vec<u32>,
}

/// Bounds. At each of them `open_…` refuses; the user answers 503 (RFC 3261 §21.5.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Server transactions, live and lingering. At 32 s each, 500,000 are 15,000 requests a second.
    pub servers_max: u32,
    /// Client transactions, live and lingering.
    pub clients_max: u32,
    /// Bytes of messages kept. Checked when a transaction opens; what the open ones still store may exceed it.
    pub message_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { servers_max: 500_000, clients_max: 500_000, message_bytes_max: 512 * 1024 * 1024 }
    }
}

/// Why a transaction was not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OpenError {
    /// Answer 503.
    #[error("as many server transactions are open as servers_max allows")]
    ServersFull,
    /// Answer 503.
    #[error("as many client transactions are open as clients_max allows")]
    ClientsFull,
    /// Answer 503.
    #[error("as many bytes of messages are kept as message_bytes_max allows")]
    BytesFull,
    /// Answer 400 without a transaction.
    #[error("branch, sent-by or tags are longer together than KEY_BYTES_MAX")]
    KeyTooLong,
    /// There is a transaction of this key: the request is a repetition of its.
    #[error("the transaction is open already")]
    AlreadyOpen(ServerId),
    /// A CANCEL goes only to an INVITE that has a provisional and no final response: RFC 3261 §9.1.
    #[error("the INVITE cannot be cancelled in its state, or has been already")]
    NotCancellable,
}

/// What the passage of time asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due<S, C> {
    /// Timers A, E: send [`ClientRecord::request`] again.
    ResendRequest(ClientId),
    /// Timer G: send [`ServerRecord::response`] again.
    ResendResponse(ServerId),
    /// Timers B, F: no (final) response came. For an INVITE behave as at a 408 (RFC 3261 §16.8); for others send
    /// nothing upstream (RFC 4320 §4.2). `ClientEnded` follows.
    ClientTimedOut(ClientId),
    /// Timer H: the ACK to a non-2xx response never came. `ServerEnded` follows.
    ServerTimedOut(ServerId),
    /// A timer set by [`Transactions::set_user_timer`].
    UserTimer(TransactionId),
    /// The transaction is destroyed: its name and the user's data.
    ClientEnded(ClientId, C),
    /// The transaction is destroyed: its name and the user's data.
    ServerEnded(ServerId, S),
}

impl<S, C> Transactions<S, C> {
    /// An empty layer.
    pub fn new(config: &Config) -> Self {
        Self {
            timing: config.timing,
            limits: config.limits,
            timers: TimerQueue::new(lanes(&config.timing, &config.user_delays_ms)),
            buffers: Buffers::default(),
            servers: Slab::new(config.limits.servers_max),
            clients: Slab::new(config.limits.clients_max),
            table: ServerTable::new(&config.hash_key),
            key: EncodedKey::default(),
            key_before: EncodedKey::default(),
            hash: 0,
        }
    }

    /// The next thing whose time has come; call until it says `None`.
    pub fn next_due(&mut self, now_ms: u64) -> Option<Due<S, C>> {
        while let Some(entry) = self.timers.pop_due(now_ms) {
            let Some(owner) = Owner::of(&entry) else { continue };
            let Some(deadlines) = deadlines(&mut self.servers, &mut self.clients, owner.id) else { continue };
            match deadlines.fate(owner.kind, entry.at_ms) {
                Fate::Stay => deadlines.fired(owner.kind),
                Fate::Drop => continue,
                Fate::Move(at_ms) => {
                    self.timers.push_odd(crate::Entry { at_ms, ..entry });
                    continue;
                }
            }
            let due = match (owner.id, owner.kind) {
                (id, Kind::User) => Some(Due::UserTimer(id)),
                (TransactionId::Client(id), kind) => self.client_timer(now_ms, id, kind),
                (TransactionId::Server(id), kind) => self.server_timer(now_ms, id, kind),
            };
            if due.is_some() {
                return due;
            }
        }
        None
    }

    /// When to call [`Self::next_due`] again, unless something is opened or answered before. Not later than the
    /// first timer; reminders that nobody waits for any more are cleared away here and wake nobody.
    pub fn next_deadline_ms(&mut self) -> Option<u64> {
        let Self { timers, servers, clients, .. } = self;
        timers.sweep(SWEEP_ENTRIES_MAX, |entry| {
            let owner = Owner::of(entry);
            let waiting = owner.and_then(|owner| Some((deadlines(servers, clients, owner.id)?, owner.kind)));
            waiting.map_or(Fate::Drop, |(deadlines, kind)| deadlines.fate(kind, entry.at_ms))
        });
        timers.next_deadline_ms()
    }

    /// Sets the user's timer of a transaction, instead of any set before: `Due::UserTimer` in `after_ms`, at most
    /// [`crate::DELAY_MAX_MS`]. For Timer C of an INVITE client transaction (RFC 3261 §16.6 step 11), the 100 after
    /// 200 ms of an INVITE server transaction (§17.2.1) or [`Timing::non_invite_trying_after_ms`] of another.
    pub fn set_user_timer(&mut self, now_ms: u64, id: impl Into<TransactionId>, after_ms: u32) {
        let owner = Owner { id: id.into(), kind: Kind::User };
        if let Some(deadlines) = deadlines(&mut self.servers, &mut self.clients, owner.id) {
            deadlines.set(&mut self.timers, now_ms, owner, Delay::exact(after_ms));
        }
    }

    /// Stops the user's timer of a transaction.
    pub fn stop_user_timer(&mut self, id: impl Into<TransactionId>) {
        if let Some(deadlines) = deadlines(&mut self.servers, &mut self.clients, id.into()) {
            deadlines.stop(Kind::User);
        }
    }

    /// The base times.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Server transactions, live and lingering.
    pub fn servers_len(&self) -> usize {
        debug_assert_eq!(self.servers.len(), self.table.len(), "each server transaction can be found");
        self.servers.len()
    }

    /// Client transactions, live and lingering.
    pub fn clients_len(&self) -> usize {
        self.clients.len()
    }

    /// Whether nothing is left: no transaction, and no block of memory that belongs to one.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
            && self.clients.is_empty()
            && self.table.len() == 0
            && self.buffers.live() == 0
    }

    /// The pool of the messages kept: how much is in use.
    pub fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Entries in the timer queue, stale ones included.
    pub fn timer_entries(&self) -> usize {
        self.timers.len()
    }
}

/// Carries out what a machine says about timers. A terminated transaction is ended by the next `next_due`.
pub(crate) fn apply(
    deadlines: &mut Deadlines,
    timers: &mut TimerQueue,
    now_ms: u64,
    id: TransactionId,
    actions: &Actions,
) {
    let end = if actions.terminated { Set::After(0) } else { actions.end };
    deadlines.apply(timers, now_ms, Owner { id, kind: Kind::Resend }, actions.resend);
    deadlines.apply(timers, now_ms, Owner { id, kind: Kind::End }, end);
}

fn deadlines<'a, S, C>(
    servers: &'a mut Slab<ServerRecord<S>>,
    clients: &'a mut Slab<ClientRecord<C>>,
    id: TransactionId,
) -> Option<&'a mut Deadlines> {
    match id {
        TransactionId::Server(ServerId(id)) => servers.get_mut(id).map(|record| &mut record.deadlines),
        TransactionId::Client(ClientId(id)) => clients.get_mut(id).map(|record| &mut record.deadlines),
    }
}

/// A lane for each delay of RFC 3261 and the user's. Should they run out, the later doublings of Timer A go to the wheel.
fn lanes(timing: &Timing, user_delays_ms: &[u32]) -> Vec<Delay> {
    let waits = [
        Set::After(0),
        Set::After(timing.timeout_ms()),
        Set::Linger(timing.timeout_ms()),
        Set::Linger(timing.timer_d_ms(false)),
        Set::Linger(timing.timer_i_ms(false)),
        Set::After(timing.timer_a_ms(0)),
        Set::After(timing.timer_e_proceeding_ms()),
    ];
    let users = user_delays_ms.iter().copied().map(Set::After);
    let doublings = (1..=6).map(|resent| Set::After(timing.timer_a_ms(resent)));
    waits.into_iter().chain(users).chain(doublings).filter_map(Set::delay).collect()
}

/// Stale reminders cleared away in one call: some ten microseconds. More wait for the next call, and may wake once.
const SWEEP_ENTRIES_MAX: usize = 256;

const _: () = assert!(LINGER_GRAIN_MS.is_power_of_two());

/// The slot behind a name, for the table.
pub(crate) fn slot_of(id: ServerId) -> u32 {
    let ServerId(SlotId { slot, .. }) = id;
    slot
}
