//! What the oracle remembers of each transaction: RFC 3261 §17 and RFC 6026, told once more in the simplest way.

use offhook_net::{Flow, Ticket};
use offhook_sip::Transport;

use super::health::Question;
use super::moved::Moved;
use super::packet::Packet;
use super::ways::{Hop, Place};

pub(crate) const T1_MS: u64 = 500;
pub(crate) const T2_MS: u64 = 4_000;
pub(crate) const T4_MS: u64 = 5_000;
/// Timers B, F, H, J, L, M, and D.
pub(crate) const TIMEOUT_MS: u64 = 64 * T1_MS;
/// RFC 3261 §17.2.1.
pub(crate) const TRYING_MS: u64 = 200;
/// RFC 4320 §4.1: when Timer E has grown to T2.
pub(crate) const TRYING_OF_OTHERS_MS: u64 = 3_500;
/// RFC 3261 §16.6 step 11: more than three minutes.
pub(crate) const TIMER_C_MS: u64 = 181_000;

/// Where a server transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Serving {
    /// Came, and nothing was done with it yet.
    Fresh,
    /// Answered without state: it leaves nothing behind.
    Refused,
    /// Forwarded without state: §16.11.
    Passed,
    /// Forwarded, no final response yet.
    Proceeding,
    /// A refusal of an INVITE, or any answer to something else.
    Completed,
    Confirmed,
    /// A 2xx to an INVITE.
    Accepted,
}

/// A request that came.
#[derive(Debug)]
pub(crate) struct Server<'a> {
    pub(crate) request: Packet<'a>,
    pub(crate) from: Flow,
    pub(crate) shard: u8,
    pub(crate) began_ms: u64,
    pub(crate) state: Serving,
    pub(crate) last: Option<&'a [u8]>,
    pub(crate) last_status: u16,
    pub(crate) trying_ms: Option<u64>,
    pub(crate) resend: Option<Resend>,
    /// Nothing more will come upstream by itself: cancelled, declined, or too late.
    pub(crate) over: bool,
    pub(crate) cancelled: bool,
    pub(crate) branches: Vec<usize>,
    /// Final answers of branches: status, and the message if there is one.
    pub(crate) finals: Vec<(u16, Option<Packet<'a>>)>,
    /// Where it was sent on to.
    pub(super) moved: Moved<'a>,
    /// So long it waits for a name.
    pub(crate) waits_until_ms: Option<u64>,
    /// Preference of the targets that ring now.
    pub(crate) q_milli: u32,
    /// When it ends; `None`: not before something else happens.
    pub(crate) ends_ms: Option<u64>,
}

/// Where a client transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Asking {
    /// Calling of an INVITE, Trying of others.
    Calling,
    Proceeding,
    Completed,
    Accepted,
}

/// A request that the exchange sent and waits for.
#[derive(Debug)]
pub(crate) struct Client<'a> {
    pub(crate) request: Packet<'a>,
    pub(crate) flow: Flow,
    pub(crate) ticket: Ticket,
    pub(crate) shard: u8,
    pub(crate) state: Asking,
    /// `None` for a CANCEL.
    pub(crate) server: Option<usize>,
    pub(crate) resend: Option<Resend>,
    /// Timers B and F; then D, M, K.
    pub(crate) ends_ms: Option<u64>,
    /// Timer C, or 64·T1 after a CANCEL (§9.1).
    pub(crate) patience_ms: Option<u64>,
    pub(crate) finished: bool,
    /// Places that its request may go to yet.
    pub(crate) places: Vec<Place>,
    /// The index of its entry in the way that it tells.
    pub(super) entry: Option<Vec<u32>>,
    /// What it was told.
    pub(super) heard: Vec<u16>,
    /// It asks whether somebody lives.
    pub(crate) question: Option<Question>,
    /// Its numbers are not the caller's: it goes to who may ask us for credentials, and so often it was repeated with them.
    pub(crate) tries: Option<u32>,
    /// It was left, and has woken up.
    pub(crate) is_back: bool,
    /// It was left for another place: what it says yet is answered, and no more (RFC 3263 §4.3).
    pub(crate) is_left: bool,
    /// When its turn ends, if others wait for theirs.
    pub(crate) turn_ms: Option<u64>,
    /// Or then, if it had no other place to go to when it rang.
    pub(crate) turn_perhaps_ms: Option<u64>,
    /// It has said nothing when its turn was over, and that may have been noticed then.
    pub(crate) is_perhaps_silent: bool,
    /// When it was cancelled.
    pub(crate) cancelled_ms: Option<u64>,
    /// It was cancelled, and others have their turn without its last word; but it may yet take the call.
    pub(crate) gave_way: bool,
    pub(crate) cancel: Cancelling,
    pub(crate) dialled_again: bool,
    pub(crate) ack: Option<&'a [u8]>,
}

/// How far the cancelling of a branch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cancelling {
    No,
    /// §9.1: not before it has said something.
    Wanted,
    Sent(usize),
}

/// A message that is repeated by a timer: A, E or G.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Resend {
    pub(crate) next_ms: u64,
    interval_ms: u64,
    cap_ms: u64,
}

impl Resend {
    /// Doubles from T1 up to `cap_ms`.
    pub(crate) fn new(now_ms: u64, cap_ms: u64) -> Self {
        Self { next_ms: now_ms + T1_MS, interval_ms: T1_MS, cap_ms }
    }

    /// It was sent again in time.
    pub(crate) fn again(&mut self) {
        self.interval_ms = (2 * self.interval_ms).min(self.cap_ms);
        self.next_ms += self.interval_ms;
    }

    /// §17.1.2.2: in Proceeding, Timer E goes on with T2.
    pub(crate) fn in_proceeding(&mut self) {
        self.interval_ms = T2_MS;
    }
}

impl Server<'_> {
    pub(crate) fn is_udp(&self) -> bool {
        self.from.transport == Transport::Udp
    }

    pub(crate) fn is_invite(&self) -> bool {
        self.request.is_invite()
    }

    /// It has a transaction from now on. An INVITE waits for its answer; anything else has no more time than its client: RFC
    /// 4320 §4.2.
    pub(crate) fn opens(&mut self, now_ms: u64) {
        let after_ms = if self.is_invite() { TRYING_MS } else { TRYING_OF_OTHERS_MS };
        self.state = Serving::Proceeding;
        self.trying_ms = Some(now_ms + after_ms);
        self.ends_ms = (!self.is_invite()).then_some(now_ms + TIMEOUT_MS);
    }

    /// Whether the exchange must keep something of it.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(self.state, Serving::Fresh | Serving::Refused | Serving::Passed)
    }

    /// A refusal went upstream.
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self.state, Serving::Completed | Serving::Confirmed)
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.state, Serving::Completed | Serving::Confirmed | Serving::Accepted)
    }

    pub(crate) fn lives_at(&self, now_ms: u64) -> bool {
        self.ends_ms.is_none_or(|ends_ms| ends_ms > now_ms)
    }
}

impl Client<'_> {
    /// Where it was sent.
    pub(crate) fn hop(&self) -> Hop {
        (self.flow.transport, self.flow.remote)
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.flow.transport == Transport::Udp
    }

    pub(crate) fn waits(&self) -> bool {
        matches!(self.state, Asking::Calling | Asking::Proceeding)
    }

    pub(crate) fn lives_at(&self, now_ms: u64) -> bool {
        self.ends_ms.is_none_or(|ends_ms| ends_ms > now_ms)
    }
}
