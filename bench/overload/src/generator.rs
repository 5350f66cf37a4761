//! Both sides on one loop of sockets, driven by the clock.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;

use offhook_net::{ConnectionId, Engine, Flow, Outbox, Ticket};
use offhook_sip::{Message, StartLine};

use crate::callee::Callee;
use crate::caller::{Call, Progress};
use crate::tally::Tally;
use crate::wish::Wish;

/// Before the first call, ms: sockets settle.
const START_AFTER_MS: u64 = 200;

/// A rate and how long it lasts.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) per_s: f64,
    pub(crate) lasts_ms: u64,
}

/// The callers and the callees.
pub(crate) struct Generator {
    server: SocketAddr,
    sources: u8,
    listens: bool,
    /// Loads to come; the first one runs since `since_ms`.
    loads: VecDeque<Load>,
    began_ms: u64,
    since_ms: u64,
    /// Calls of this load that have begun.
    begun: u64,
    calls: Vec<Call>,
    repetitions: BinaryHeap<Reverse<(u64, usize)>>,
    callee: Callee,
    tally: Tally,
    /// What was asked of those who listen.
    wish: Wish,
    next_tick_ms: u64,
}

impl Generator {
    pub(crate) fn new(server: SocketAddr, sources: u8, listens: bool, loads: Vec<Load>, now_ms: u64) -> Self {
        let began_ms = now_ms + START_AFTER_MS;
        Self {
            server,
            sources,
            listens,
            loads: loads.into(),
            began_ms,
            since_ms: began_ms,
            begun: 0,
            calls: Vec::new(),
            repetitions: BinaryHeap::new(),
            callee: Callee::default(),
            tally: Tally::default(),
            wish: Wish::default(),
            next_tick_ms: 0,
        }
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Begins the calls that are due.
    fn begin_calls(&mut self, now_ms: u64, out: &mut Outbox) {
        while let Some(load) = self.loads.front().copied() {
            let until_ms = (self.since_ms + load.lasts_ms).min(now_ms);
            let due = (load.per_s * until_ms.saturating_sub(self.since_ms) as f64 / 1000.0) as u64;
            while self.begun < due {
                self.begun += 1;
                self.begin_call(now_ms, out);
            }
            if now_ms < self.since_ms + load.lasts_ms {
                return;
            }
            self.since_ms += load.lasts_ms;
            self.begun = 0;
            self.loads.pop_front();
            self.give_up();
        }
    }

    fn begin_call(&mut self, now_ms: u64, out: &mut Outbox) {
        let number = self.calls.len() as u64;
        self.tally.offered(now_ms - self.began_ms);
        let source = (number % u64::from(self.sources)) as u16;
        if self.listens && self.wish.holds_back(now_ms) {
            return self.tally.refused(now_ms - self.began_ms);
        }
        let call = Call::begin(number, now_ms, (source, self.server), self.listens, out);
        self.repetitions.push(Reverse((call.next_ms, self.calls.len())));
        self.calls.push(call);
    }

    /// Callers who have heard nothing hang up.
    fn give_up(&mut self) {
        let silent = self.calls.iter_mut().filter(|call| call.progress == Progress::Calling);
        silent.for_each(|call| call.progress = Progress::Over);
    }

    fn repeat(&mut self, now_ms: u64, out: &mut Outbox) {
        while let Some(Reverse((due_ms, index))) = self.repetitions.peek().copied() {
            if due_ms > now_ms {
                return;
            }
            self.repetitions.pop();
            let call = &mut self.calls[index];
            if matches!(call.progress, Progress::Over | Progress::Proceeding) {
                continue;
            }
            if call.next_ms <= now_ms {
                call.repeat(now_ms, out);
            }
            self.repetitions.push(Reverse((call.next_ms, index)));
        }
    }

    fn response(
        &mut self,
        now_ms: u64,
        (status, number): (u16, u64),
        message: &Message<'_>,
        out: &mut Outbox,
    ) {
        if self.listens {
            self.listen(now_ms, message);
        }
        let since_ms = now_ms - self.began_ms;
        let method = message.cseq().map(|cseq| cseq.method).unwrap_or_default();
        let Some(call) = self.calls.get_mut(number as usize) else { return };
        match (method, status, call.progress) {
            (b"INVITE", 100..=199, Progress::Calling) => call.progress = Progress::Proceeding,
            (b"INVITE", 200..=299, progress) => {
                call.answered(now_ms, message, out);
                if progress != Progress::Ending && progress != Progress::Over {
                    self.tally.answered(call.began_ms - self.began_ms, since_ms);
                    self.wish.note_in_call(now_ms);
                    self.repetitions.push(Reverse((call.next_ms, number as usize)));
                }
            }
            (b"INVITE", 300.., progress) => {
                call.refused(message, out);
                if progress != Progress::Over {
                    self.tally.refused(since_ms);
                }
            }
            (b"BYE", 200.., Progress::Ending) => {
                call.progress = Progress::Over;
                self.tally.completed(since_ms);
            }
            _ => {}
        }
    }

    fn listen(&mut self, now_ms: u64, message: &Message<'_>) {
        if let Some(wish) = message.top_via().ok().and_then(|via| via.loss_feedback()) {
            self.wish.hear(now_ms, wish);
        }
    }
}

impl Engine for Generator {
    fn receive(&mut self, now_ms: u64, from: &Flow, bytes: &[u8], out: &mut Outbox) {
        let Ok(message) = Message::parse(bytes) else { return };
        let Some(number) = call_number(&message) else { return };
        match message.start_line() {
            StartLine::Request { .. } => self.callee.request(now_ms, from, number, &message, out),
            StartLine::Response { .. } => {
                let status = message.status().unwrap_or_default();
                self.response(now_ms, (status, number), &message, out);
            }
        }
    }

    fn unframeable(&mut self, _now_ms: u64, _from: &Flow, _head: &[u8], _out: &mut Outbox) {}

    fn send_failed(&mut self, _now_ms: u64, _ticket: Ticket, _out: &mut Outbox) {}

    fn connection_closed(&mut self, _now_ms: u64, _connection: ConnectionId, _out: &mut Outbox) {}

    fn tick(&mut self, now_ms: u64, out: &mut Outbox) {
        // Calls begin each millisecond; what is to be repeated waits that long too.
        self.next_tick_ms = (now_ms + 1).max(self.began_ms);
        self.begin_calls(now_ms, out);
        self.repeat(now_ms, out);
        self.callee.tick(now_ms, out);
    }

    fn deadline_ms(&mut self) -> Option<u64> {
        Some(self.next_tick_ms)
    }

    fn commit(&mut self, _now_ms: u64, _out: &mut Outbox) {}
}

/// The number in `Call-ID: 17@4711`: of this run, whose process is 4711.
fn call_number(message: &Message<'_>) -> Option<u64> {
    let id = message.call_id().ok()?;
    let digits = id.split(|&c| c == b'@').next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
