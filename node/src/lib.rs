//! One shard of a running exchange: transactions, registrar and proxy joined.
//!
//! ```text
//!   datagram ──► shard ──► admission ──► request ──► way ──► us: reply, register
//!                  │                        │         └────► admit ──► targets ──► relay ──► copies downstream
//!                  │                        └► cancel, ack
//!                  └─────► response ──► which branch ──► settle: which answer goes upstream
//!   time ──────────────► timers
//! ```
//! The services decide (`offhook-proxy`, `offhook-registrar`); this crate fetches facts for them and carries out what
//! they say. A [`Shard`] is an [`Engine`](offhook_net::Engine): no sockets, no clock. The socket loop drives it in the
//! server, the simulated world in tests.

#![forbid(unsafe_code)]

mod abuse;
mod access_of;
mod admission;
mod admit;
mod alias;
mod arrival;
mod astray;
mod beyond;
mod branches;
mod breadth;
mod cancel;
mod certified;
mod challenge;
mod checks;
mod closed;
mod context;
mod copies;
mod date_line;
mod deliver;
mod drain;
mod early;
mod edge;
mod enrol;
mod failover;
mod fate;
mod follow;
mod gruu;
mod health;
mod history;
mod hop;
mod icmp;
mod identify;
mod in_path;
mod maddr;
mod messages;
mod moved;
mod named;
mod names;
mod neighbours;
mod numbers;
mod off_limits;
mod overload;
mod pace;
mod parked;
mod preference;
mod probe;
mod proof;
mod rates;
mod records;
mod recurse;
mod refused;
mod register;
mod registrants;
mod rehearsal;
mod relay;
mod repeated;
mod reply;
mod request;
mod response;
mod restraint;
mod returned;
mod servers;
mod service_routes;
mod session_timer;
mod settings;
mod settle;
mod shard;
mod sieve;
mod standing;
mod stranded;
mod switchboard;
mod targets;
mod timers;
mod told;
mod trust;
mod unproved;
mod watch;
mod way;
mod whereabouts;

pub use abuse::{AbuseSettings, note_ban};
pub use drain::Drain;
pub use rehearsal::{RehearsalError, Rehearsed, Sent, Supposed, rehearse};
pub use settings::{DOMAIN_DEFAULT, DomainSettings, Settings};
pub use shard::{Held, Resources, Secrets, Shard};
pub use standing::{
    AddressStanding, Liveness, RegistrationStanding, Standings, TargetStanding, TrunkStanding,
};
pub use whereabouts::Whereabouts;
