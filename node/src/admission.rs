//! Which new requests are let in when there are more than we can carry. Decided before work is spent on them.
//!
//! ```text
//!   how long messages wait in the receive queue ──every 100 ms──► pace: so many new requests a second
//!                                                                  │
//!   arrivals per source in the last 100 ms ──► equal share ────────┴──► who asked for less is let in,
//!                                                                       the others as the pace allows
//! ```
//! Refusing costs too: the request is read, the 503 sent, its ACK read. So in each window no more are refused than are
//! let in; beyond that new requests are dropped unread, and their senders try again by their timers. Who sends more than
//! he gets by a quarter is sifted in the kernel, where it costs next to nothing.
//!
//! What belongs to a call that we have let in (responses, ACK, BYE, CANCEL, anything inside a dialog) always passes, or
//! the work already spent would be lost; so do emergency calls. Everything else competes, each source for the same
//! share: one flooding peer cannot starve the rest. The refused get a 503 with Retry-After, without a transaction.

use std::net::IpAddr;

use memchr::memmem;
use offhook_net::Flow;
use offhook_sip::{Essentials, LossFeedback, Message, Method, Name, Scheme, Transport, Uri};

use crate::pace::{Pace, WINDOW_MS, Window};
use crate::restraint::Restraint;
use crate::sieve::Sieve;

/// Sources are counted in so many buckets. Two that share one share its part too; the hash is keyed, so nobody can
/// choose whom to share with.
const BUCKETS: usize = 1_024;

/// A window ends with the first new request after its time; one that lasted longer because nobody asked says no more of how
/// much there is room for, ms.
const LASTED_MS_MAX: u64 = 2 * WINDOW_MS;

/// So many may be refused in each window however few are let in.
const REFUSED_MIN: u32 = 4;

/// Of what a source brings an average is kept, in sixteenths: a window's part in it is one in so many.
const AVERAGE_UNIT: u32 = 16;
const AVERAGE_WEIGHT: u32 = 4;

/// The gatekeeper of a shard.
pub(crate) struct Admission {
    pace: Pace,
    /// New requests that each source might have brought in the last window, had all been given the same; more than ever
    /// arrives while everything is let in.
    share: u32,
    /// The same, a second.
    share_per_s: u64,
    /// When this window began, and when it ends.
    since_ms: u64,
    until_ms: u64,
    /// Counts the windows.
    window: u32,
    /// New requests that arrived, by source.
    arrived: Box<[Arrived; BUCKETS]>,
    /// What sources are asked to hold back, if they listen.
    restraints: Box<[Restraint; BUCKETS]>,
    /// Whose requests the kernel sifts.
    pub(crate) sieve: Sieve,
    /// New requests that were let in during this window.
    let_in: u32,
    /// New requests that got a 503 in this window, and those that were dropped.
    refused: u32,
    shed: u32,
    /// How long messages waited when this was last told, ms; and the shortest time that was told in this window.
    waited_ms: u32,
    shortest_ms: u32,
    hash_key: u64,
}

/// The new requests of one source: in one window and in the one before. Those of earlier windows count as none, so that
/// nothing has to be wiped when a window ends.
#[derive(Clone, Copy, Default)]
struct Arrived {
    window: u32,
    count: u32,
    before: u32,
    /// In a window, on average over the last ones, sixteenths.
    average: u32,
}

impl Arrived {
    fn in_window(self, window: u32) -> u32 {
        if self.window == window { self.count } else { 0 }
    }

    /// Whether the next is one of so many, evenly spread over as many as there were in the window before.
    fn is_chosen(self, chosen: u32) -> bool {
        let (before, count) = (u64::from(self.before.max(1)), u64::from(self.count));
        let chosen = u64::from(chosen).min(before);
        (count + 1) * chosen / before > count * chosen / before
    }

    /// Whether its source floods: it brings more than its share by a quarter, clearly so in this window, or on average.
    fn is_too_much(self, share: u32) -> bool {
        let most = share.saturating_add(share / 4);
        self.count > most.saturating_add(REFUSED_MIN)
            || self.average > most.saturating_add(1).saturating_mul(AVERAGE_UNIT)
    }

    fn roll(&mut self, window: u32) {
        if self.window == window {
            return;
        }
        let is_next = self.window.wrapping_add(1) == window;
        let (before, average) = if is_next { (self.count, self.average) } else { (0, 0) };
        let average = average - average / AVERAGE_WEIGHT;
        let average = average.saturating_add(before.saturating_mul(AVERAGE_UNIT / AVERAGE_WEIGHT));
        *self = Self { window, count: 0, before, average };
    }
}

impl Admission {
    pub(crate) fn new(hash_key: [u8; 16]) -> Self {
        let [a, b, c, d, e, f, g, h, ..] = hash_key;
        Self {
            pace: Pace::default(),
            share: u32::MAX,
            share_per_s: u64::from(u32::MAX),
            since_ms: 0,
            until_ms: 0,
            window: 1,
            arrived: Box::new([Arrived::default(); BUCKETS]),
            restraints: Box::new([Restraint::default(); BUCKETS]),
            sieve: Sieve::default(),
            let_in: 0,
            refused: 0,
            shed: 0,
            waited_ms: 0,
            shortest_ms: u32::MAX,
            hash_key: u64::from_le_bytes([a, b, c, d, e, f, g, h]) | 1,
        }
    }

    /// How long messages wait in the receive queue, as the loop has seen it.
    pub(crate) fn note_wait(&mut self, waited_ms: u32) {
        self.waited_ms = waited_ms;
        self.shortest_ms = self.shortest_ms.min(waited_ms);
    }

    /// Whether a new request from `source` is let in. `siftable`: the kernel might have dropped it.
    pub(crate) fn admits(&mut self, now_ms: u64, source: IpAddr, siftable: bool) -> bool {
        if now_ms >= self.until_ms {
            self.next_window(now_ms);
        }
        let bucket = self.bucket(source);
        let admits = self.has_room(now_ms, bucket);
        self.note_arrived(now_ms, (source, siftable), bucket, admits);
        if admits {
            self.let_in += 1;
            self.pace.note_let_in();
        }
        admits
    }

    /// Who asks for no more than his share need not wait until the pace allows. Of who asks for more, as many may try as make
    /// his share and an eighth, spread over all that come: whoever comes first would else take what is there.
    fn has_room(&mut self, now_ms: u64, bucket: usize) -> bool {
        let (window, share) = (self.window, self.share);
        let Some(arrived) = self.arrived.get_mut(bucket) else { return true };
        arrived.roll(window);
        let modest = arrived.before <= share && arrived.count < share;
        (modest || arrived.is_chosen(share.saturating_add(share / 8))) && self.pace.allows(now_ms, modest)
    }

    /// Notes a request of work in progress from `source`: those who hold back count them too.
    #[inline]
    pub(crate) fn note_in_progress(&mut self, now_ms: u64, source: IpAddr) {
        if self.pace.is_free() {
            return;
        }
        let bucket = self.bucket(source);
        if let Some(restraint) = self.restraints.get_mut(bucket) {
            restraint.note_in_progress(now_ms);
        }
    }

    /// How much less `source` should send (RFC 7339 §5.3).
    pub(crate) fn feedback(&mut self, now_ms: u64, source: IpAddr) -> LossFeedback {
        let (bucket, calm) = (self.bucket(source), self.pace.is_free());
        match self.restraints.get_mut(bucket) {
            Some(restraint) => restraint.feedback(now_ms, calm),
            None => LossFeedback::at(now_ms, 0, 0),
        }
    }

    /// Sets anew what the kernel sifts.
    pub(crate) fn turn_sieve(&mut self, now_ms: u64) {
        self.sieve.turn(now_ms, self.share_per_s);
    }

    fn note_arrived(&mut self, now_ms: u64, (source, siftable): (IpAddr, bool), bucket: usize, let_in: bool) {
        let Some(arrived) = self.arrived.get_mut(bucket) else { return };
        arrived.count = arrived.count.saturating_add(1);
        let Some(restraint) = self.restraints.get_mut(bucket) else { return };
        let is_free = self.pace.is_free();
        if siftable && (!is_free || !self.sieve.is_empty()) {
            let floods = !let_in && arrived.is_too_much(self.share) && !restraint.may_yet_obey(now_ms);
            self.sieve.note(now_ms, source, floods);
        }
        if !is_free {
            restraint.note_new(now_ms, let_in);
        }
    }

    /// Notes that a request got its 503.
    pub(crate) fn note_refused(&mut self) {
        self.refused += 1;
    }

    /// Whether a datagram is not even worth reading: a new request when enough have been refused already, or the ACK to
    /// such a refusal.
    pub(crate) fn sheds(&mut self, now_ms: u64, from: &Flow, datagram: &[u8]) -> bool {
        if self.pace.is_free() {
            return false;
        }
        if datagram.starts_with(b"ACK ") {
            return memmem::find(datagram, STATELESS_TAG).is_some();
        }
        if now_ms >= self.until_ms || self.refused < self.let_in.max(REFUSED_MIN) || !opens_work(datagram) {
            return false;
        }
        let source = from.remote.ip();
        let bucket = self.bucket(source);
        if self.has_room(now_ms, bucket) {
            return false;
        }
        self.shed += 1;
        self.note_arrived(now_ms, (source, from.transport == Transport::Udp), bucket, false);
        true
    }

    fn next_window(&mut self, now_ms: u64) {
        let lasted_ms = now_ms.saturating_sub(self.since_ms);
        // Where nothing was told, it is as it was.
        let waited_ms = if self.shortest_ms == u32::MAX { self.waited_ms } else { self.shortest_ms };
        let turned_away = self.refused + self.shed > 0 || self.sieve.holds_back();
        self.pace.set(now_ms, &Window { lasted_ms, let_in: self.let_in, turned_away, waited_ms });
        let asked = |a: &Arrived| a.in_window(self.window);
        let counted_ms = lasted_ms.clamp(1, LASTED_MS_MAX);
        self.share = match self.pace.in_ms(counted_ms) {
            None => u32::MAX,
            Some(room) => water_level(self.arrived.iter().map(asked), room),
        };
        self.share_per_s = u64::from(self.share) * 1_000 / counted_ms;
        self.window = self.window.wrapping_add(1);
        (self.since_ms, self.until_ms) = (now_ms, now_ms + WINDOW_MS);
        (self.let_in, self.refused, self.shed) = (0, 0, 0);
        self.shortest_ms = u32::MAX;
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
/// level, and the sum is the volume.
fn water_level(asked: impl Iterator<Item = u32> + Clone, volume: u32) -> u32 {
    let (mut low, mut high) = (1u32, volume.max(1));
    while low < high {
        let level = low + (high - low).div_ceil(2);
        let used = asked.clone().fold(0u64, |sum, n| sum + u64::from(n.min(level)));
        if used <= u64::from(volume) { low = level } else { high = level - 1 }
    }
    low
}

/// What the tags of our stateless answers begin with, as an ACK repeats them: see [`offhook_proxy::CookieKey::tag`].
const STATELESS_TAG: &[u8] = b";tag=oh";

/// Whether a datagram begins with a method that opens new work, and not for an emergency.
fn opens_work(datagram: &[u8]) -> bool {
    let mut words = datagram.splitn(3, |&c| c == b' ');
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    is_siftable(method) && !is_emergency_uri(uri)
}

/// Whether a request of this method may be dropped unread, here or by the kernel, where its source floods.
pub(crate) fn is_siftable(method: &[u8]) -> bool {
    const METHODS: [&[u8]; 6] = [b"INVITE", b"REGISTER", b"OPTIONS", b"MESSAGE", b"SUBSCRIBE", b"PUBLISH"];
    METHODS.contains(&method)
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

    fn udp(n: u8) -> Flow {
        let remote = (ip(n), 5060).into();
        Flow { transport: Transport::Udp, listener: 0, connection: offhook_net::ConnectionId::NONE, remote }
    }

    fn ip(n: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, n])
    }

    /// Offers `counts[i]` requests from source i in each window to a server that carries a hundred in one, and says how many
    /// of each the last window let in.
    fn storm(admission: &mut Admission, from_ms: u64, windows: u64, counts: &[u32]) -> Vec<u32> {
        let mut let_in = vec![0; counts.len()];
        let mut waiting = 0;
        for window in 0..windows {
            let_in.fill(0);
            // Spread over the window, for it is the pace that lets in.
            for part in 0..10 {
                let now_ms = from_ms + window * WINDOW_MS + part * WINDOW_MS / 10;
                for (source, count) in counts.iter().enumerate() {
                    let in_part = count * (part as u32 + 1) / 10 - count * part as u32 / 10;
                    let admits = (0..in_part).filter(|_| admission.admits(now_ms, ip(source as u8), true));
                    let_in[source] += admits.count() as u32;
                }
            }
            // A hundred are carried in a window, one in each millisecond.
            waiting = (waiting + let_in.iter().sum::<u32>()).saturating_sub(100);
            admission.note_wait(waiting);
        }
        let_in
    }

    #[test]
    fn everything_is_let_in_while_nothing_waits() {
        let mut admission = Admission::new(KEY);
        assert_eq!(storm(&mut admission, 0, 50, &[40, 50]), [40, 50]);
        assert!(admission.pace.is_free());
    }

    #[test]
    fn ten_times_too_much_is_cut_to_what_can_be_carried() {
        let mut admission = Admission::new(KEY);
        let let_in: u32 = storm(&mut admission, 0, 200, &[500, 500]).iter().sum();
        assert!((80..=135).contains(&let_in), "{let_in}");
    }

    #[test]
    fn a_flooding_source_does_not_starve_the_others() {
        let mut admission = Admission::new(KEY);
        let let_in = storm(&mut admission, 0, 200, &[5_000, 20, 20]);
        assert_eq!(&let_in[1..], [20, 20]);
        assert!(let_in[0] <= 95, "{let_in:?}");
    }

    /// Who asks for a little more than his share gets about that, whoever else asks for how much, and comes first.
    #[test]
    fn who_asks_for_a_little_more_is_not_starved_by_who_floods() {
        for (counts, least) in [(&[5_000, 60][..], 35), (&[5_000, 45], 35), (&[200, 60, 60], 20)] {
            let mut admission = Admission::new(KEY);
            storm(&mut admission, 0, 150, counts);
            let mut sums = vec![0; counts.len()];
            for window in 150..200 {
                let let_in = storm(&mut admission, window * WINDOW_MS, 1, counts);
                sums.iter_mut().zip(let_in).for_each(|(sum, let_in)| *sum += let_in);
            }
            let means: Vec<u32> = sums.iter().map(|sum| sum / 50).collect();
            assert!(means[1..].iter().all(|mean| *mean >= least), "{counts:?}: {means:?}");
        }
    }

    /// Many that flood a little each are sifted like one that floods.
    #[test]
    fn many_that_flood_are_sifted() {
        let mut admission = Admission::new(KEY);
        storm(&mut admission, 0, 10, &[6; 50]);
        admission.turn_sieve(10 * WINDOW_MS);
        assert_eq!(admission.sieve.changes().map(<[_]>::len), Some(50));
        let mut modest = Admission::new(KEY);
        storm(&mut modest, 0, 10, &[1; 64]);
        modest.turn_sieve(10 * WINDOW_MS);
        assert_eq!(modest.sieve.changes(), None);
    }

    /// As many modest sources as anybody may invent are held to the pace all the same.
    #[test]
    fn many_modest_sources_are_a_storm_too() {
        let mut admission = Admission::new(KEY);
        let let_in: u32 = storm(&mut admission, 0, 200, &[5; 200]).iter().sum();
        assert!((80..=135).contains(&let_in), "{let_in}");
    }

    #[test]
    fn the_gate_opens_again_when_the_storm_is_over() {
        let mut admission = Admission::new(KEY);
        storm(&mut admission, 0, 100, &[5_000]);
        assert!(!admission.pace.is_free());
        let mut now_ms = 100 * WINDOW_MS;
        for _ in 0..20 {
            storm(&mut admission, now_ms, 1, &[10]);
            now_ms += WINDOW_MS;
            admission.turn_sieve(now_ms);
        }
        assert!(admission.pace.is_free());
    }

    #[test]
    fn in_a_storm_most_new_requests_are_not_even_read() {
        let mut admission = Admission::new(KEY);
        let invite = b"INVITE sip:b@b SIP/2.0\r\n";
        assert!(!admission.sheds(0, &udp(1), invite), "nothing is shed in quiet times");
        storm(&mut admission, 0, 100, &[5_000]);
        let now_ms = 100 * WINDOW_MS;
        assert!(!admission.pace.is_free());
        while admission.admits(now_ms, ip(1), true) {}
        (0..200).for_each(|_| admission.note_refused());
        assert!(admission.sheds(now_ms, &udp(1), invite));
        assert!(admission.sheds(now_ms, &udp(1), b"ACK sip:b@b SIP/2.0\r\nTo: <sip:b@b>;tag=oh0123\r\n"));
        for passes in [
            &b"BYE sip:b@b SIP/2.0"[..],
            b"SIP/2.0 200 OK",
            b"ACK sip:b@b SIP/2.0",
            b"INVITE sip:112@b SIP/2.0",
        ] {
            assert!(!admission.sheds(now_ms, &udp(1), passes), "{}", String::from_utf8_lossy(passes));
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
