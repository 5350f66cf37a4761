//! What the server asks of callers that listen, and how they obey (RFC 7339 §5.10): it is a part of all requests that they
//! would send, and those that begin a call are held back first.

use offhook_sip::LossFeedback;

/// How long requests are counted to know which part of them begin calls, ms.
const COUNTED_MS: u64 = 500;

/// The wish, and what a source would send.
#[derive(Default)]
pub(crate) struct Wish {
    asked: LossFeedback,
    until_ms: u64,
    /// Held back of a hundred, carried over from call to call.
    owed_percent: u32,
    /// Requests that would begin calls, and others, of this period and the one before.
    counts: [(u32, u32); 2],
    counted_until_ms: u64,
}

impl Wish {
    /// The server has said something.
    pub(crate) fn hear(&mut self, now_ms: u64, wish: LossFeedback) {
        if wish.sequence > self.asked.sequence {
            (self.asked, self.until_ms) = (wish, now_ms + u64::from(wish.validity_ms));
        }
    }

    /// A request inside a call is sent.
    pub(crate) fn note_in_call(&mut self, now_ms: u64) {
        self.roll(now_ms);
        self.counts[0].1 += 1;
    }

    /// Whether the next call is held back.
    pub(crate) fn holds_back(&mut self, now_ms: u64) -> bool {
        self.roll(now_ms);
        self.counts[0].0 += 1;
        if now_ms >= self.until_ms {
            return false;
        }
        let [(new, others), (new_before, others_before)] = self.counts;
        let (new, others) = (new + new_before, others + others_before);
        self.owed_percent += (u32::from(self.asked.percent) * (new + others) / new).min(100);
        let holds = self.owed_percent >= 100;
        self.owed_percent -= if holds { 100 } else { 0 };
        holds
    }

    fn roll(&mut self, now_ms: u64) {
        if now_ms >= self.counted_until_ms {
            self.counted_until_ms = now_ms + COUNTED_MS;
            self.counts = [(0, 0), self.counts[0]];
        }
    }
}
