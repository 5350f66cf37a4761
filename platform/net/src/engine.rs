//! The border between sockets and SIP: what the loop tells an engine, and what the simulated world tells it in tests.

use std::net::IpAddr;

use offhook_locate::Finding;

use crate::{ConnectionId, Flow, IcmpError, Outbox, Ticket, TlsFailure, WebSocketFailure};

/// One shard of a server, without sockets and without a clock. Time is `now_ms`: milliseconds of the Unix epoch that
/// never step back while the process lives.
///
/// The loop calls, for each batch: [`Engine::receive`] for every message, [`Engine::tick`] when the deadline has come,
/// then [`Engine::commit`] once, and only then sends what is in the outbox.
pub trait Engine {
    /// One whole message, or a datagram of anything. Streams have been framed already.
    fn receive(&mut self, now_ms: u64, from: &Flow, message: &[u8], out: &mut Outbox);

    /// A stream sent bytes that cannot be framed (`head` is what there is of them). An answer may go out; the
    /// connection is closed afterwards.
    fn unframeable(&mut self, now_ms: u64, from: &Flow, head: &[u8], out: &mut Outbox);

    /// A message with this ticket could not be sent: no connection, refused, reset before it left, queue full.
    fn send_failed(&mut self, now_ms: u64, ticket: Ticket, out: &mut Outbox);

    /// Somebody on the way says that a datagram of ours did not arrive (RFC 3261 §18.4): where it was to go, why not, and the
    /// beginning of what it was, which may be nothing. Whoever can send us a packet can claim this: believe what the quoted
    /// bytes prove. The error may come to another shard than the one that sent: [`Outbox::hand_over_error`].
    fn icmp_error(&mut self, _now_ms: u64, _to: &Flow, _error: IcmpError, _quoted: &[u8], _out: &mut Outbox) {
    }

    /// A connection is gone; its name will not be used again.
    fn connection_closed(&mut self, now_ms: u64, connection: ConnectionId, out: &mut Outbox);

    /// A connection was secured and its peer has proved to own this certificate (DER; its chain ends at an authority that
    /// we trust). Told before the first message of the connection, and only of peers that show a certificate; the name
    /// of the connection ends with [`Engine::connection_closed`].
    fn peer_certified(&mut self, _now_ms: u64, _from: &Flow, _certificate: &[u8]) {}

    /// A connection could not be secured, or did not stay so. It is closed; what waited for it has failed.
    fn insecure(&mut self, _now_ms: u64, _from: &Flow, _why: TlsFailure) {}

    /// A WebSocket was not opened, or broke the rules of framing. It was told so and is closed.
    fn websocket_failed(&mut self, _now_ms: u64, _from: &Flow, _why: WebSocketFailure) {}

    /// A connection was not taken in, or was closed, for a bound of [`crate::Limits`]: which, and how much it allows.
    fn limit_reached(&mut self, _now_ms: u64, _from: &Flow, _which: &'static str, _limit: usize) {}

    /// What became of a name that was asked for with [`Outbox::ask`].
    fn located(&mut self, _now_ms: u64, _finding: &Finding, _out: &mut Outbox) {}

    /// Another thread has something for the engine and has rung: [`crate::Bells`].
    fn rung(&mut self, _now_ms: u64, _out: &mut Outbox) {}

    /// Timers that are due.
    fn tick(&mut self, now_ms: u64, out: &mut Outbox);

    /// When [`Engine::tick`] wants to be called next. A time in the past means now.
    fn deadline_ms(&mut self) -> Option<u64>;

    /// How long the oldest message in a receive queue had waited that had a whole batch behind it, milliseconds; 0 as soon
    /// as there is none. An engine that has too much to do learns it here.
    fn note_wait(&mut self, _waited_ms: u32) {}

    /// How far the machine's clock is ahead of `now_ms` by now, ms, or behind it where that is negative: somebody has set it
    /// since the process began. Told about once a second, by a loop that is awake.
    fn note_clock(&mut self, _ahead_ms: i64) {}

    /// Sources whose new requests the kernel shall sift, and how many thousandths of these it lets through; at most
    /// [`crate::SIEVED_MAX`], none for an end of it. `None`: nothing has changed since this was last asked, once in each
    /// turn.
    fn sieve(&mut self) -> Option<&[(IpAddr, u16)]> {
        None
    }

    /// Whether anybody at this address may have a connection at all. Asked before one is taken in, and for every one that
    /// there is when [`Engine::bars_more`] says so.
    fn admits(&mut self, _now_ms: u64, _from: IpAddr) -> bool {
        true
    }

    /// Whether somebody who had been admitted is so no more. Asked once in each turn; `true` once for each change.
    fn bars_more(&mut self) -> bool {
        false
    }

    /// The end of a batch: what the outbox promises is made durable here, or the promise is taken back.
    fn commit(&mut self, now_ms: u64, out: &mut Outbox);
}
