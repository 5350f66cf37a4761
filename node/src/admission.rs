//! Which new requests are let in when there are more than we can carry. Decided before work is spent on them.
//!
//! ```text
//!   fill of the receive queue ──every 10 ms──► budget: how many new requests the next 10 ms may bring
//!                                                 │
//!   arrivals per source in the last 10 ms ────────┴──► limit: so many for each source, filled up like water
//! ```
//! Refusing costs too: the request is read, the 503 sent, its ACK read. So in each interval no more are refused than are
//! let in; beyond that new requests are dropped unread, and their senders try again by their timers.
//!
//! What belongs to a call that we have let in (responses, ACK, BYE, CANCEL, anything inside a dialog) always passes, or
//! the work already spent would be lost; so do emergency calls. Everything else competes, each source for the same
//! share: one flooding peer cannot starve the rest. The refused get a 503 with Retry-After, without a transaction.

use std::net::IpAddr;

use memchr::memmem;
use offhook_sip::{Essentials, LossFeedback, Message, Method, Name, Scheme, Uri};

use crate::restraint::Restraint;
use crate::sieve::Sieve;

/// How often the budget is set anew, ms. Shorter than the queue is deep, long enough to count in.
const INTERVAL_MS: u64 = 10;

/// Above this fill of the receive queue we take on less, in thousandths.
const FILL_HIGH_PERMILLE: u16 = 150;

/// Below this fill we take on more.
const FILL_LOW_PERMILLE: u16 = 30;

/// Sources are counted in so many buckets. Two that share one share its part too; the hash is keyed, so nobody can
/// choose whom to share with.
const BUCKETS: usize = 1_024;

/// A budget above what ever arrives: everything is let in.
const UNLIMITED: u32 = u32::MAX;

/// The smallest budget: something always gets in, or we would never learn that the storm is over.
const BUDGET_MIN: u32 = 4;

/// The gatekeeper of a shard.
pub(crate) struct Admission {
    /// New requests that an interval may bring in.
    budget: u32,
    /// New requests that one source may bring in this interval.
    limit: u32,
    /// When this interval ends.
    until_ms: u64,
    /// Counts the intervals.
    interval: u32,
    /// New requests that arrived, by source.
    arrived: Box<[Arrived; BUCKETS]>,
    /// What sources are asked to hold back, if they listen.
    restraints: Box<[Restraint; BUCKETS]>,
    /// Whose requests the kernel sifts.
    pub(crate) sieve: Sieve,
    /// New requests that were let in during this interval.
    let_in: u32,
    /// New requests that got a 503 in this interval.
    refused: u32,
    /// The fill of the receive queue, thousandths.
    fill_permille: u16,
    hash_key: u64,
}

/// The new requests of one source in one interval. Those of an earlier interval count as none, so that nothing has to be
/// wiped when an interval ends.
#[derive(Clone, Copy, Default)]
struct Arrived {
    interval: u32,
    count: u32,
}

impl Arrived {
    fn in_interval(self, interval: u32) -> u32 {
        if self.interval == interval { self.count } else { 0 }
    }
}

impl Admission {
    pub(crate) fn new(hash_key: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = hash_key;
        Self {
            budget: UNLIMITED,
            limit: UNLIMITED,
            until_ms: 0,
            interval: 1,
            arrived: Box::new([Arrived::default(); BUCKETS]),
            restraints: Box::new([Restraint::default(); BUCKETS]),
            sieve: Sieve::default(),
            let_in: 0,
            refused: 0,
            fill_permille: 0,
            hash_key: u64::from_le_bytes([a, b, c, d, e, f, g, h]) | 1,
        }
    }

    /// How full the receive queue is, as the loop has seen it.
    pub(crate) fn note_fill(&mut self, fill_permille: u16) {
        self.fill_permille = fill_permille;
    }

    /// Whether a new request from `source` is let in.
    pub(crate) fn admits(&mut self, now_ms: u64, source: IpAddr) -> bool {
        if now_ms >= self.until_ms {
            self.next_interval(now_ms);
        }
        let bucket = self.bucket(source);
        let Some(arrived) = self.arrived.get_mut(bucket) else { return true };
        let count = arrived.in_interval(self.interval).saturating_add(1);
        *arrived = Arrived { interval: self.interval, count };
        let admits = count <= self.limit && self.let_in < self.budget;
        self.let_in += u32::from(admits);
        self.note_new(now_ms, source, bucket, admits);
        admits
    }

    /// Notes a request of work in progress from `source`: those who hold back count them too.
    #[inline]
    pub(crate) fn note_in_progress(&mut self, now_ms: u64, source: IpAddr) {
        if self.budget == UNLIMITED {
            return;
        }
        let bucket = self.bucket(source);
        if let Some(restraint) = self.restraints.get_mut(bucket) {
            restraint.note_in_progress(now_ms);
        }
    }

    /// How much less `source` should send (RFC 7339 §5.3).
    pub(crate) fn feedback(&mut self, now_ms: u64, source: IpAddr) -> LossFeedback {
        let (bucket, calm) = (self.bucket(source), self.budget == UNLIMITED);
        match self.restraints.get_mut(bucket) {
            Some(restraint) => restraint.feedback(now_ms, calm),
            None => LossFeedback::at(now_ms, 0, 0),
        }
    }

    /// Sets anew what the kernel sifts.
    pub(crate) fn turn_sieve(&mut self, now_ms: u64) {
        self.sieve.turn(now_ms, self.budget == UNLIMITED);
    }

    fn note_new(&mut self, now_ms: u64, source: IpAddr, bucket: usize, let_in: bool) {
        if self.budget != UNLIMITED || !self.sieve.is_empty() {
            let asked = self.arrived.get(bucket).map_or(0, |arrived| arrived.in_interval(self.interval));
            // Twice its share, and the refusals that it gets besides.
            let floods = !let_in && asked > self.limit.saturating_mul(2).saturating_add(BUDGET_MIN);
            self.sieve.note(now_ms, source, let_in, floods);
        }
        if let (true, Some(restraint)) = (self.budget != UNLIMITED, self.restraints.get_mut(bucket)) {
            restraint.note_new(now_ms, let_in);
        }
    }

    /// Notes that a request got its 503.
    pub(crate) fn note_refused(&mut self) {
        self.refused += 1;
    }

    /// Whether a datagram is not even worth reading: a new request when enough have been refused already, or the ACK to
    /// such a refusal.
    pub(crate) fn sheds(&mut self, now_ms: u64, source: IpAddr, datagram: &[u8]) -> bool {
        if self.budget == UNLIMITED {
            return false;
        }
        if datagram.starts_with(b"ACK ") {
            return memmem::find(datagram, STATELESS_TAG).is_some();
        }
        if now_ms >= self.until_ms || self.refused < self.let_in.max(BUDGET_MIN) || !opens_work(datagram) {
            return false;
        }
        let bucket = self.bucket(source);
        let Some(arrived) = self.arrived.get_mut(bucket) else { return false };
        let count = arrived.in_interval(self.interval);
        if self.let_in < self.budget && count < self.limit {
            return false;
        }
        *arrived = Arrived { interval: self.interval, count: count.saturating_add(1) };
        self.note_new(now_ms, source, bucket, false);
        true
    }

    fn next_interval(&mut self, now_ms: u64) {
        self.until_ms = now_ms + INTERVAL_MS;
        let carried = self.let_in.max(BUDGET_MIN);
        self.budget = match (self.fill_permille, self.budget) {
            // Too much: a quarter less than what was carried just now.
            (FILL_HIGH_PERMILLE.., _) => (carried - carried / 4).max(BUDGET_MIN),
            // Enough room, and nobody was turned away: no limit is needed.
            (..FILL_LOW_PERMILLE, budget) if carried < budget => UNLIMITED,
            // Room, and more would come: a little more each time.
            (..FILL_LOW_PERMILLE, budget) => budget.saturating_add((budget / 16).max(1)),
            (_, budget) => budget,
        };
        let asked = |a: &Arrived| a.in_interval(self.interval);
        self.limit = match self.budget {
            UNLIMITED => UNLIMITED,
            budget => water_level(self.arrived.iter().map(asked), budget),
        };
        self.interval = self.interval.wrapping_add(1);
        (self.let_in, self.refused) = (0, 0);
    }

    fn bucket(&self, source: IpAddr) -> usize {
        let bits = match source {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            // A /64 is one subscriber.
            IpAddr::V6(ip) => ip.to_bits() >> 64,
        };
        let mixed = (bits as u64 ^ (bits >> 64) as u64).wrapping_mul(self.hash_key);
        (mixed >> 54) as usize % BUCKETS
    }
}

/// The level that water of this volume reaches in vessels of these heights: everyone gets what he asks for up to the
/// level, and the sum is the budget.
fn water_level(asked: impl Iterator<Item = u32> + Clone, budget: u32) -> u32 {
    let (mut low, mut high) = (1u32, budget.max(1));
    while low < high {
        let level = low + (high - low).div_ceil(2);
        let used = asked.clone().fold(0u64, |sum, n| sum + u64::from(n.min(level)));
        if used <= u64::from(budget) { low = level } else { high = level - 1 }
    }
    low
}

/// What the tags of our stateless answers begin with, as an ACK repeats them: see [`offhook_proxy::CookieKey::tag`].
const STATELESS_TAG: &[u8] = b";tag=oh";

/// Whether a datagram begins with a method that opens new work, and not for an emergency.
fn opens_work(datagram: &[u8]) -> bool {
    const METHODS: [&[u8]; 6] = [b"INVITE", b"REGISTER", b"OPTIONS", b"MESSAGE", b"SUBSCRIBE", b"PUBLISH"];
    let mut words = datagram.splitn(3, |&c| c == b' ');
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    METHODS.contains(&method) && !is_emergency_uri(uri)
}

/// Whether a request belongs to work that is done already or on its way: refusing it would waste that.
pub(crate) fn is_in_progress(message: &Message<'_>, parts: &Essentials<'_>) -> bool {
    !parts.to_tag.is_empty()
        || matches!(message.method(), Some(Method::Ack | Method::Cancel | Method::Bye | Method::Prack))
}

/// Calls that must get through: `urn:service:sos`, `sip:sos@…`, `sip:112@…`, `sip:911@…` (RFC 5031, RFC 6881), and
/// whatever says `Priority: emergency` (RFC 3261 §20.26).
pub(crate) fn is_emergency(message: &Message<'_>) -> bool {
    if message.value(Name::Priority).is_some_and(|p| p.eq_ignore_ascii_case(b"emergency")) {
        return true;
    }
    is_emergency_uri(message.request_uri_text())
}

fn is_emergency_uri(text: &[u8]) -> bool {
    if text.get(..15).is_some_and(|head| head.eq_ignore_ascii_case(b"urn:service:sos")) {
        return true;
    }
    match Uri::parse(text) {
        Ok(uri) if matches!(uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel) => {
            uri.user.is_some_and(|u| u.eq_ignore_ascii_case(b"sos") || u == b"112" || u == b"911")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = *b"0123456789abcdef";

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    /// Offers `counts[i]` requests from source i in each interval, and says how many of each the last one let in.
    fn storm(
        admission: &mut Admission,
        from_ms: u64,
        intervals: u64,
        fill: impl Fn(u32) -> u16,
        counts: &[u32],
    ) -> Vec<u32> {
        let mut let_in = vec![0; counts.len()];
        for interval in 0..intervals {
            let now_ms = from_ms + interval * INTERVAL_MS;
            let_in.fill(0);
            for (source, count) in counts.iter().enumerate() {
                let_in[source] =
                    (0..*count).filter(|_| admission.admits(now_ms, ip(source as u8))).count() as u32;
            }
            admission.note_fill(fill(let_in.iter().sum()));
        }
        let_in
    }

    /// The server carries 100 in an interval; beyond that its queue fills.
    fn carries_100(let_in: u32) -> u16 {
        if let_in > 100 {
            500
        } else if let_in > 90 {
            100
        } else {
            0
        }
    }

    #[test]
    fn everything_is_let_in_while_the_queue_is_short() {
        let mut admission = Admission::new(KEY);
        assert_eq!(storm(&mut admission, 0, 50, carries_100, &[40, 50]), [40, 50]);
        assert_eq!(admission.budget, UNLIMITED);
    }

    #[test]
    fn ten_times_too_much_is_cut_to_what_can_be_carried() {
        let mut admission = Admission::new(KEY);
        let let_in: u32 = storm(&mut admission, 0, 200, carries_100, &[500, 500]).iter().sum();
        assert!((70..=105).contains(&let_in), "{let_in}");
    }

    #[test]
    fn a_flooding_source_does_not_starve_the_others() {
        let mut admission = Admission::new(KEY);
        let let_in = storm(&mut admission, 0, 200, carries_100, &[5_000, 20, 20]);
        assert_eq!(&let_in[1..], [20, 20]);
        assert!(let_in[0] <= 65, "{let_in:?}");
    }

    #[test]
    fn the_gate_opens_again_when_the_storm_is_over() {
        let mut admission = Admission::new(KEY);
        storm(&mut admission, 0, 100, carries_100, &[5_000]);
        assert_ne!(admission.budget, UNLIMITED);
        storm(&mut admission, 1_000, 20, carries_100, &[10]);
        assert_eq!(admission.budget, UNLIMITED);
    }

    #[test]
    fn in_a_storm_most_new_requests_are_not_even_read() {
        let mut admission = Admission::new(KEY);
        let invite = b"INVITE sip:b@b SIP/2.0\r\n";
        assert!(!admission.sheds(0, ip(1), invite), "nothing is shed in quiet times");
        storm(&mut admission, 0, 100, carries_100, &[5_000]);
        let now_ms = 100 * INTERVAL_MS;
        while admission.admits(now_ms, ip(1)) {}
        (0..200).for_each(|_| admission.note_refused());
        assert!(admission.sheds(now_ms, ip(1), invite));
        assert!(admission.sheds(now_ms, ip(1), b"ACK sip:b@b SIP/2.0\r\nTo: <sip:b@b>;tag=oh0123\r\n"));
        for passes in [
            &b"BYE sip:b@b SIP/2.0"[..],
            b"SIP/2.0 200 OK",
            b"ACK sip:b@b SIP/2.0",
            b"INVITE sip:112@b SIP/2.0",
        ] {
            assert!(!admission.sheds(now_ms, ip(1), passes), "{}", String::from_utf8_lossy(passes));
        }
    }

    #[test]
    fn what_is_in_progress_and_emergencies_are_no_new_work() {
        let new_work = |line: &str, more: &str| {
            let method = line.split(' ').next().expect("a method");
            let text = format!(
                "{line} SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nCall-ID: c\r\nCSeq: 1 {method}\r\n{more}\r\n"
            );
            let message = Message::parse(text.as_bytes()).expect("a message");
            let parts = Essentials::of(&message).expect("essentials");
            !is_in_progress(&message, &parts) && !is_emergency(&message)
        };
        let outside = "To: <sip:b@b>\r\n";
        assert!(new_work("INVITE sip:b@b", outside));
        assert!(new_work("REGISTER sip:b", outside));
        assert!(!new_work("INVITE sip:b@b", "To: <sip:b@b>;tag=2\r\n"));
        assert!(!new_work("BYE sip:b@b", outside));
        assert!(!new_work("INVITE sip:112@b", outside));
        assert!(!new_work("INVITE urn:service:sos.police", outside));
        assert!(!new_work("INVITE sip:b@b", "To: <sip:b@b>\r\nPriority: emergency\r\n"));
    }
}
