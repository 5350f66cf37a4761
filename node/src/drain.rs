//! A polite stop: new requests are turned away while those at work are finished. Calls that ring for longer than there is time are
//! ended, so that nobody waits for a server that is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use offhook_net::Outbox;
use offhook_sip::Message;

use crate::switchboard::Switchboard;

/// Shared by the shards and by whoever stops the server. Each shard writes only its own number.
#[derive(Debug)]
pub struct Drain {
    asked: AtomicBool,
    over: AtomicBool,
    at_work: Box<[AtomicU64]>,
}

impl Drain {
    /// For this many shards.
    pub fn new(shards: usize) -> Self {
        let at_work = (0..shards).map(|_| AtomicU64::new(0)).collect();
        Self { asked: AtomicBool::new(false), over: AtomicBool::new(false), at_work }
    }

    /// From now on requests that begin something new are answered 503.
    pub fn ask(&self) {
        self.asked.store(true, Relaxed);
    }

    /// Whether that is so.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Relaxed)
    }

    /// There is no more time: within a second calls that still ring are ended.
    pub fn end(&self) {
        self.over.store(true, Relaxed);
    }

    /// How many requests wait for their final response.
    pub fn at_work(&self) -> u64 {
        self.at_work.iter().map(|n| n.load(Relaxed)).sum()
    }

    pub(crate) fn tell(&self, shard: u8, at_work: u64) {
        if let Some(mine) = self.at_work.get(usize::from(shard)) {
            mine.store(at_work, Relaxed);
        }
    }
}

impl Switchboard {
    /// When the time of a polite stop is over, who still waits for an answer to his call is told 503, and its phones stop ringing
    /// (RFC 3261 §16.10: a proxy may cancel at any time).
    pub(crate) fn end_setups(&mut self, now_ms: u64, out: &mut Outbox) {
        if !self.drain.over.load(Relaxed) || self.at_work == 0 {
            return;
        }
        for id in self.transactions.unanswered_invites() {
            let has_copy = self.transactions.server(id).is_some_and(|record| record.user.branches.is_some());
            let (copy, leg) = self.any_copy(id);
            let copy = copy.to_vec();
            let Some(copy) = Message::parse(&copy).ok().filter(|_| has_copy) else { continue };
            self.with_upstream(id, |upstream| upstream.fork.cancel());
            self.cancel_branches(now_ms, id, b"", out);
            let start = out.begin();
            self.write_own((&copy, leg), 503, out.arena());
            self.respond(now_ms, id, 503, start, out);
            self.note_final(now_ms, id, (503, true), &copy);
            self.note_failed(now_ms, &copy, 503);
        }
    }
}
