//! Who keeps messages and says whose turn it is. One for a server; it owns the counts, the store owns the messages.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use offhook_journal::{Event, Journal};
use offhook_store::{Store, StoreError};

use crate::desk::{Ask, NotKept, Office, Outcome, Parcel, Told};
use crate::line::{Line, State};
use crate::message::NewMessage;
use crate::table::{self, Counted};

/// Deliveries under way at a time: after a restart all recipients may be there at once, and calls have the right of way.
const DELIVERIES_MAX: usize = 64;

/// How often expired messages are looked for.
const EXPIRE_EVERY_MS: u64 = 30_000;

/// How often it is asked whether somebody else has removed messages.
const LOOK_EVERY_MS: u64 = 1_000;

/// After a start recipients get this long to open their connections before they are tried.
const SETTLE_MS: u64 = 2_000;

/// How much is kept, and how long a recipient is left alone after a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Messages of one recipient.
    pub per_recipient_max: usize,
    /// Bytes of one recipient.
    pub per_recipient_bytes_max: u64,
    /// Messages that one sender has left, whoever they are for.
    pub per_sender_max: usize,
    /// Messages of all.
    pub messages_max: usize,
    /// Bytes of all.
    pub bytes_max: u64,
    /// From the first failure to the next try, ms.
    pub retry_after_ms: u64,
    /// A delivery that nobody has said anything about for so long has failed, ms: longer than its transaction lasts.
    pub under_way_max_ms: u64,
}

/// The keeper. Drive it with [`turn`](Self::turn).
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    office: Office,
    limits: Limits,
    lines: HashMap<Box<[u8]>, Line>,
    senders: HashMap<Box<[u8]>, u32>,
    messages: usize,
    bytes: u64,
    /// Lines whose first message may go, in the order in which they became ready.
    ready: BTreeMap<u64, Box<[u8]>>,
    turns: u64,
    /// When something is to be done with a line.
    due: BTreeSet<(u64, Box<[u8]>)>,
    under_way: usize,
    /// Delivered or refused, and still in the store.
    gone: Vec<u64>,
    expire_at_ms: u64,
    look_at_ms: u64,
    data_version: i64,
    removed: u64,
}

impl Keeper {
    /// Reads who has messages. Their devices may be reachable: all are tried soon.
    ///
    /// # Errors
    /// Those of the store.
    pub fn open(store: Store, office: Office, limits: Limits, now_ms: u64) -> Result<Self, StoreError> {
        let mut keeper = Self {
            store,
            office,
            limits,
            lines: HashMap::new(),
            senders: HashMap::new(),
            messages: 0,
            bytes: 0,
            ready: BTreeMap::new(),
            turns: 0,
            due: BTreeSet::new(),
            under_way: 0,
            gone: Vec::new(),
            expire_at_ms: now_ms,
            look_at_ms: now_ms + LOOK_EVERY_MS,
            data_version: 0,
            removed: 0,
        };
        keeper.recount(State::Later { at_ms: now_ms + SETTLE_MS })?;
        Ok(keeper)
    }

    /// Does what has been asked, and what time asks for. `tell` brings answers to their shards.
    pub fn turn(
        &mut self,
        now_ms: u64,
        asks: Vec<Ask>,
        journal: &mut Journal,
        tell: &mut dyn FnMut(u8, Told),
    ) {
        let keeps = self.heed(now_ms, asks, journal);
        self.write(now_ms, keeps, journal, tell);
        while let Some((_, aor)) = self.due.first().filter(|(at_ms, _)| *at_ms <= now_ms).cloned() {
            let retry_after_ms = self.limits.retry_after_ms;
            self.change(&aor, |line| line.due(now_ms, retry_after_ms));
        }
        self.expire(now_ms, journal);
        self.look(now_ms, journal);
        self.hand_out(now_ms, journal, tell);
    }

    /// When the next [`turn`](Self::turn) has something to do.
    pub fn next_ms(&self) -> u64 {
        // While there are no messages, none expires and nobody removes any.
        if self.messages == 0 {
            return u64::MAX;
        }
        let due = self.due.first().map_or(u64::MAX, |(at_ms, _)| *at_ms);
        due.min(self.expire_at_ms).min(self.look_at_ms)
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.messages
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Takes note of everything but what is to be kept, which is given back.
    fn heed(
        &mut self,
        now_ms: u64,
        asks: Vec<Ask>,
        journal: &mut Journal,
    ) -> Vec<(u8, u64, Box<NewMessage>)> {
        let mut keeps = Vec::new();
        for ask in asks {
            match ask {
                Ask::Keep { shard, ticket, message } => keeps.push((shard, ticket, message)),
                Ask::Registered { shard, aor } => {
                    self.change(&aor, |line| line.registered(now_ms, shard));
                }
                Ask::Done { id, aor, outcome } => self.ended(now_ms, id, &aor, outcome, journal),
            }
        }
        keeps
    }

    fn ended(&mut self, now_ms: u64, id: u64, aor: &[u8], outcome: Outcome, journal: &mut Journal) {
        match outcome {
            Outcome::Delivered => journal.note(now_ms, &Event::MessageDelivered { aor, id }),
            Outcome::Refused(status) => journal.note(now_ms, &Event::MessageRefused { aor, id, status }),
            Outcome::Failed | Outcome::Absent => {}
        }
        if matches!(outcome, Outcome::Delivered | Outcome::Refused(_)) {
            self.gone.push(id);
        }
        let retry_after_ms = self.limits.retry_after_ms;
        let is_this = |line: &Line| matches!(line.state(), State::UnderWay { id: own, .. } if own == id);
        if self.lines.get(aor).is_some_and(is_this) {
            self.change(aor, |line| line.ended(now_ms, outcome, retry_after_ms));
        }
    }

    /// One transaction for all that came together. What is told afterwards is durable.
    fn write(
        &mut self,
        now_ms: u64,
        keeps: Vec<(u8, u64, Box<NewMessage>)>,
        journal: &mut Journal,
        tell: &mut dyn FnMut(u8, Told),
    ) {
        if keeps.is_empty() && self.gone.is_empty() {
            return;
        }
        let rooms: Vec<Option<NotKept>> =
            keeps.iter().map(|(shard, _, m)| self.make_room(*shard, m)).collect();
        let written = self.store.write(|sql| {
            let mut new = Vec::new();
            for ((_, _, message), refused) in keeps.iter().zip(&rooms) {
                new.push(refused.is_none() && table::insert(sql, message).map_err(StoreError::from)?);
            }
            let mut gone = Vec::new();
            for id in &self.gone {
                gone.extend(table::delete(sql, *id).map_err(StoreError::from)?);
            }
            Ok::<_, StoreError>((new, gone))
        });
        let (new, gone) = match written {
            Ok((new, gone)) => (Some(new), gone),
            Err(error) => {
                let error = error.to_string();
                journal.note(now_ms, &Event::StoreFailed { what: "keep messages", error: &error });
                (None, Vec::new())
            }
        };
        if new.is_some() {
            self.gone.clear();
        }
        gone.iter().for_each(|counted| self.uncount(&counted.aor, &counted.sender, counted.bytes));
        for (index, ((shard, ticket, message), refused)) in keeps.iter().zip(rooms).enumerate() {
            let is_new = new.as_ref().and_then(|new| new.get(index)).copied().unwrap_or(false);
            if refused.is_none() && !is_new {
                self.uncount(&message.aor, &message.sender, message.len());
            }
            let broken = new.is_none().then_some(NotKept::Broken);
            let verdict = refused.or(broken).map_or(Ok(()), Err);
            self.note_kept(now_ms, message, verdict, journal);
            tell(*shard, Told::Kept { ticket: *ticket, verdict });
        }
    }

    fn note_kept(
        &self,
        now_ms: u64,
        message: &NewMessage,
        verdict: Result<(), NotKept>,
        journal: &mut Journal,
    ) {
        let limits = &self.limits;
        let (which, limit) = match verdict {
            Ok(()) => {
                let NewMessage { aor, sender, .. } = message;
                return journal.note(now_ms, &Event::MessageKept { aor, sender });
            }
            // It was told with its reason.
            Err(NotKept::Broken) => return,
            Err(NotKept::RecipientFull) => ("messages.per_account_max", limits.per_recipient_max),
            Err(NotKept::SenderFull) => ("messages.per_sender_max", limits.per_sender_max),
            Err(NotKept::Full) => ("messages.messages_max", limits.messages_max),
        };
        journal.note(now_ms, &Event::LimitReached { which, limit: limit as u64, source: None });
    }

    /// Why a message would not be kept now; `None`: it would.
    pub fn refuses(&self, message: &NewMessage) -> Option<NotKept> {
        let limits = &self.limits;
        let (messages, bytes) =
            self.lines.get(&message.aor).map_or((0, 0), |line| (line.messages, line.bytes));
        if messages as usize >= limits.per_recipient_max
            || bytes + message.len() > limits.per_recipient_bytes_max
        {
            return Some(NotKept::RecipientFull);
        }
        if self.senders.get(&message.sender).copied().unwrap_or(0) as usize >= limits.per_sender_max {
            return Some(NotKept::SenderFull);
        }
        if self.messages >= limits.messages_max || self.bytes + message.len() > limits.bytes_max {
            return Some(NotKept::Full);
        }
        None
    }

    /// Counts a message, or says why it may not be kept.
    fn make_room(&mut self, shard: u8, message: &NewMessage) -> Option<NotKept> {
        if let Some(why) = self.refuses(message) {
            return Some(why);
        }
        // A device may have registered since it was looked for: the line is tried once.
        let state = match message.failed_at_ms.map(|at_ms| at_ms + self.limits.retry_after_ms) {
            Some(at_ms) => {
                self.change(&message.aor, |line| line.wake(at_ms));
                State::Later { at_ms }
            }
            None => State::Ready,
        };
        self.count(shard, state, &message.aor, &message.sender, message.len());
        None
    }

    /// Removes what nobody wants any more.
    fn expire(&mut self, now_ms: u64, journal: &mut Journal) {
        if now_ms < self.expire_at_ms {
            return;
        }
        self.expire_at_ms = now_ms + EXPIRE_EVERY_MS;
        if self.messages == 0 {
            return;
        }
        let expired = self.store.write(|sql| table::delete_expired(sql, now_ms).map_err(StoreError::from));
        match expired {
            Ok(expired) if expired.is_empty() => {}
            Ok(expired) => {
                let messages = expired.len() as u64;
                journal.note(now_ms, &Event::MessageExpired { messages });
                expired.iter().for_each(|counted| self.uncount(&counted.aor, &counted.sender, counted.bytes));
            }
            Err(error) => {
                let error = error.to_string();
                journal.note(now_ms, &Event::StoreFailed { what: "remove expired messages", error: &error });
            }
        }
    }

    /// Whether somebody else has removed messages: then they are counted anew.
    fn look(&mut self, now_ms: u64, journal: &mut Journal) {
        if now_ms < self.look_at_ms {
            return;
        }
        self.look_at_ms = now_ms + LOOK_EVERY_MS;
        if let Err(error) = self.look_at_store() {
            let error = error.to_string();
            journal.note(now_ms, &Event::StoreFailed { what: "count messages", error: &error });
        }
    }

    fn look_at_store(&mut self) -> Result<(), StoreError> {
        let data_version = self.store.data_version()?;
        if data_version == self.data_version {
            return Ok(());
        }
        if self.store.read(table::removed)? != self.removed {
            self.recount(State::Asleep)?;
        }
        self.data_version = data_version;
        Ok(())
    }

    fn recount(&mut self, state: State) -> Result<(), StoreError> {
        let mut all = Vec::new();
        self.removed = self.store.read(|sql| {
            table::count(sql, |counted| all.push(counted))?;
            table::removed(sql)
        })?;
        let signs = self.office.signs();
        for (aor, line) in &mut self.lines {
            signs.take(aor, line.messages);
            (line.messages, line.bytes) = (0, 0);
        }
        self.senders.clear();
        (self.messages, self.bytes) = (0, 0);
        for Counted { aor, sender, bytes } in all {
            self.count(0, state, &aor, &sender, bytes);
        }
        let empty: Vec<_> =
            self.lines.iter().filter(|(_, line)| line.messages == 0).map(|(aor, _)| aor.clone()).collect();
        empty.iter().for_each(|aor| self.forget(aor));
        Ok(())
    }

    /// Sends the first message of each line that is ready on its way, as many as may be.
    fn hand_out(&mut self, now_ms: u64, journal: &mut Journal, tell: &mut dyn FnMut(u8, Told)) {
        // While the store takes no removal, what was delivered would go out again.
        while self.under_way < DELIVERIES_MAX
            && self.gone.is_empty()
            && let Some((_, aor)) = self.ready.pop_first()
        {
            let Some(line) = self.lines.get(&aor) else { continue };
            let (shard, plain_only) = (line.shard, line.is_plain_only());
            match table::first(&self.store, &aor, now_ms, plain_only) {
                Ok(Some(first)) => {
                    let until_ms = now_ms + self.limits.under_way_max_ms;
                    self.change(&aor, |line| line.sent(until_ms, first.id, first.secure));
                    let table::First { id, secure, content, .. } = first;
                    tell(shard, Told::Deliver(Box::new(Parcel { id, aor, secure, content })));
                }
                Ok(None) if plain_only => self.change(&aor, Line::rest),
                // What is left of it has expired, or somebody else has removed it: it is counted anew soon.
                Ok(None) => self.change(&aor, |line| line.put_off(now_ms)),
                Err(error) => {
                    let error = error.to_string();
                    journal.note(now_ms, &Event::StoreFailed { what: "read messages", error: &error });
                    self.change(&aor, |line| line.put_off(now_ms));
                }
            }
        }
    }

    /// Changes a line, and keeps the queues right.
    fn change(&mut self, aor: &[u8], act: impl FnOnce(&mut Line)) {
        let Some(line) = self.lines.get_mut(aor) else { return };
        let (before, due_before) = (line.state(), line.due_ms());
        act(line);
        let (after, due_after) = (line.state(), line.due_ms());
        if due_before != due_after {
            self.set_due(aor, due_before, due_after);
        }
        self.under_way -= usize::from(is_under_way(before));
        self.under_way += usize::from(is_under_way(after));
        if (before == State::Ready) != (after == State::Ready) {
            self.set_ready(aor, after == State::Ready);
        }
    }

    fn set_ready(&mut self, aor: &[u8], is_ready: bool) {
        let Some(line) = self.lines.get_mut(aor) else { return };
        if is_ready {
            self.turns += 1;
            line.turn = self.turns;
            self.ready.insert(line.turn, aor.into());
        } else {
            self.ready.remove(&line.turn);
        }
    }

    fn set_due(&mut self, aor: &[u8], before_ms: Option<u64>, after_ms: Option<u64>) {
        if let Some(before_ms) = before_ms {
            self.due.remove(&(before_ms, aor.into()));
        }
        if let Some(after_ms) = after_ms {
            self.due.insert((after_ms, aor.into()));
        }
    }

    /// `state` is that of a line which begins with this message.
    fn count(&mut self, shard: u8, state: State, aor: &[u8], sender: &[u8], bytes: u64) {
        if !self.lines.contains_key(aor) {
            self.lines.insert(aor.into(), Line::new(shard, state));
            match state {
                State::Ready => self.set_ready(aor, true),
                State::Later { at_ms } => self.set_due(aor, None, Some(at_ms)),
                State::Asleep | State::UnderWay { .. } => {}
            }
        }
        if let Some(line) = self.lines.get_mut(aor) {
            line.messages += 1;
            line.bytes += bytes;
        }
        *self.senders.entry(sender.into()).or_default() += 1;
        self.messages += 1;
        self.bytes += bytes;
        self.office.signs().add(aor);
    }

    fn uncount(&mut self, aor: &[u8], sender: &[u8], bytes: u64) {
        let Some(line) = self.lines.get_mut(aor).filter(|line| line.messages > 0) else { return };
        line.messages -= 1;
        line.bytes = line.bytes.saturating_sub(bytes);
        let is_over = line.messages == 0;
        if let Some(left) = self.senders.get_mut(sender) {
            *left -= 1;
            if *left == 0 {
                self.senders.remove(sender);
            }
        }
        self.messages -= 1;
        self.bytes = self.bytes.saturating_sub(bytes);
        self.office.signs().take(aor, 1);
        if is_over {
            self.forget(aor);
        }
    }

    fn forget(&mut self, aor: &[u8]) {
        self.set_ready(aor, false);
        let Some(line) = self.lines.remove(aor) else { return };
        self.set_due(aor, line.due_ms(), None);
        self.under_way -= usize::from(is_under_way(line.state()));
    }
}

const fn is_under_way(state: State) -> bool {
    matches!(state, State::UnderWay { .. })
}
