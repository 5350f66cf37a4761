//! Names: asks name servers on a thread of its own, and remembers what they said.
//!
//! ```text
//!   shard ──ask──► Names ──► search (offhook-locate) ──questions──► cache ──► servers
//!     ▲                                                               │         │
//!     └────────────── Finding, by the shard's mailbox ◄───────────────┴── stale answers, where servers are dead
//! ```
//! Nobody waits: a shard asks, goes on, and hears the finding later. What several shards look for at once is asked once.
//!
//! The cache is by question. An answer is believed for its TTL within bounds; that there is nothing, too (RFC 2308).
//! When no server answers, or not soon, what was said before is used on (RFC 8767).
//!
//! Not here: the selection (RFC 3263, `offhook-locate`), and each shard's memory of findings (`offhook-node`).

mod anchors;
mod answer;
mod asker;
mod cache;
mod checked;
mod evidence;
mod explain;
mod guard;
mod made_up;
mod options;
mod search;
mod servers;
mod wildcard;

pub use anchors::Anchors;
pub use asker::Names;
pub use explain::{Exchange, explain};
pub use made_up::{MadeUp, made_up};
pub use options::{NamesError, Options};
