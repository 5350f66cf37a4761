//! The running server's side: what it answers to `status.list`.

use std::sync::Arc;

use offhook_net::{Clock, CloseReason, NetCounters, TlsFailure};
use serde_json::{Map, Value, json};

/// What it is asked.
pub const QUESTION: &str = "status.list";

/// Knows what the shards count.
pub struct Status {
    shards: Vec<Arc<NetCounters>>,
    since_ms: u64,
}

impl Status {
    /// Of these shards, by their number, in a server that runs since then.
    pub fn new(shards: Vec<Arc<NetCounters>>, since_ms: u64) -> Self {
        Self { shards, since_ms }
    }

    /// An object for each shard.
    pub fn list(&self, clock: Clock) -> Vec<Value> {
        let uptime_s = clock.now_ms().saturating_sub(self.since_ms) / 1_000;
        self.shards.iter().enumerate().map(|(shard, counters)| object(shard, counters, uptime_s)).collect()
    }
}

fn object(shard: usize, counters: &NetCounters, uptime_s: u64) -> Value {
    let closed = CloseReason::ALL.map(|reason| (reason.name(), counters.closed(reason)));
    let tls_failed = TlsFailure::ALL.map(|reason| (reason.name(), counters.tls_failed(reason)));
    json!({
        "shard": shard,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_s": uptime_s,
        "turns": counters.turns.get(),
        "datagrams_in": counters.datagrams_in.get(),
        "batches_in": counters.batches_in.get(),
        "datagrams_out": counters.datagrams_out.get(),
        "batches_out": counters.batches_out.get(),
        "datagrams_lost": counters.datagrams_lost.get(),
        "datagrams_malformed": counters.datagrams_malformed.get(),
        "icmp_errors": counters.icmp_errors.get(),
        "icmp_pauses": counters.icmp_pauses.get(),
        "stream_messages_in": counters.stream_messages_in.get(),
        "stream_messages_out": counters.stream_messages_out.get(),
        "pings": counters.pings.get(),
        "sends_failed": counters.sends_failed.get(),
        "connections": counters.connections.get(),
        "accepted": counters.accepted.get(),
        "connected": counters.connected.get(),
        "accept_pauses": counters.accept_pauses.get(),
        "held_bytes": counters.held_bytes.get(),
        "handed_over": counters.handed_over.get(),
        "hand_over_lost": counters.hand_over_lost.get(),
        "secured": counters.secured.get(),
        "websockets": counters.websockets.get(),
        "closed": happened(&closed),
        "tls_failed": happened(&tls_failed),
    })
}

/// Those that did.
fn happened(reasons: &[(&str, u64)]) -> Map<String, Value> {
    let some = reasons.iter().filter(|(_, count)| *count > 0);
    some.map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect()
}
