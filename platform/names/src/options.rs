//! What the asker is told.

use std::io;
use std::net::SocketAddr;

use offhook_locate::Abilities;

use crate::anchors::Anchors;

/// How names are asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name servers; those of the system where there are none.
    pub servers: Vec<SocketAddr>,
    /// Whether answers must fit their signatures (RFC 4035). Zones without signatures are believed.
    pub dnssec: bool,
    /// The keys that signatures are checked with in the end.
    pub anchors: Anchors,
    /// How long one server may take for one answer, ms.
    pub timeout_ms: u64,
    /// The shortest time that an answer is believed, seconds, however short its TTL.
    pub ttl_min_s: u32,
    /// The longest, however long its TTL.
    pub ttl_max_s: u32,
    /// How long an answer may still be used after its time, seconds, when no server answers (RFC 8767). 0: not at all.
    pub stale_max_s: u32,
    /// Most answers that are remembered.
    pub answers_max: usize,
    /// What we could use.
    pub abilities: Abilities,
}

/// The asker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// No thread, or no runtime on it.
    #[error("cannot start the thread that asks name servers: {0}")]
    Thread(#[from] io::Error),
    /// The configuration of the system names no server that can be used.
    #[error("cannot use the name servers: {0}")]
    Servers(String),
    /// The trusted keys cannot be used.
    #[error("{0}")]
    Anchors(String),
}
