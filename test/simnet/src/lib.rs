//! A small world with its own clock: nodes, links, one seed.
//!
//! ```text
//!   Engine (a server shard) ─┐                                     ┌─ Endpoint (a phone of the test)
//!   Engine ──────────────────┤   links: delay, loss, duplicates,   ├─ Endpoint behind a NAT box
//!                            └── order, cuts, tampering ───────────┘
//!        time jumps to the next arrival or deadline; the seed decides all that chance decides
//! ```
//!
//! The same seed gives the same trace, byte for byte; a failure prints its seed and the ladder of what happened.
//! `OFFHOOK_PCAP=path` also writes a capture for Wireshark (a folder: one file per test and seed).
//!
//! Not here: bandwidth, fragmentation, ICMP; encryption (TLS and secure WebSocket travel as their plain text).

mod draw;
mod fault;
mod frame;
mod link;
pub mod mutation;
mod names;
mod nat;
mod node;
mod pcap;
mod report;
mod rng;
mod route;
mod segment;
mod send;
mod stream;
mod trace;
mod world;
mod zone;

pub use link::Link;
pub use names::NameServer;
pub use nat::{Nat, NatKind, Realm};
pub use node::{Endpoint, Node, NodeId};
pub use rng::Rng;
pub use trace::{Entry, Event, Fate, Loss};
pub use world::World;
pub use zone::{Trouble, Zone};

/// The examples of the README hold.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
