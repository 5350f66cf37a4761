//! The moving parts of a shard: transactions, the writer of bindings, keys, and buffers that are used again for each
//! message. What requests may read but not change stands in [`crate::Settings`].

use std::sync::Arc;

use arc_swap::ArcSwap;
use offhook_abuse::Guard;
use offhook_accounts::{Credential, Directory};
use offhook_cdr::Spool;
use offhook_digest::NonceKey;
use offhook_journal::Journal;
use offhook_location::{Location, Writer};
use offhook_proxy::CookieKey;
use offhook_route::{SpreadKey, TrustDomain};
use offhook_seal::Seals;
use offhook_sip::Scratch;
use offhook_transaction::Transactions;
use offhook_undelivered::Desk;

use crate::admission::Admission;
use crate::alias::Aliases;
use crate::certified::Certified;
use crate::checks::Checks;
use crate::closed::ClosedConnections;
use crate::context::{Downstream, Upstream};
use crate::date_line::DateLine;
use crate::deliver::Deliveries;
use crate::drain::Drain;
use crate::enrol::Enrolments;
use crate::health::Health;
use crate::moved::Moved;
use crate::names::Names;
use crate::neighbours::Neighbours;
use crate::parked::Parked;
use crate::registrants::Registrants;
use crate::repeated::Repeated;
use crate::stranded::Stranded;
use crate::targets::Targets;
use crate::whereabouts::Whereabouts;

/// The state of one shard.
pub(crate) struct Switchboard {
    /// Which shard this is.
    pub shard: u8,
    /// Every transaction with its response context.
    pub transactions: Transactions<Upstream, Downstream>,
    /// The bindings, to read.
    pub location: Location,
    /// The bindings, to change.
    pub bindings: Writer,
    /// The accounts, as of the last refresh.
    pub directory: Arc<ArcSwap<Directory>>,
    /// Seals branches, tags and routes.
    pub cookies: CookieKey,
    /// Seals temporary GRUUs.
    pub gruus: Seals,
    /// Spreads calls over the targets of a trunk, the same way in every shard and after a restart.
    pub spread_key: SpreadKey,
    /// Seals nonces.
    pub nonces: NonceKey,
    /// Makes nonces of the same millisecond differ.
    pub nonce_counter: u64,
    /// What is verified when there is no such user.
    pub decoy: Credential,
    /// Where facts for call detail records go.
    pub spool: Spool,
    /// Where messages are kept for those who cannot be reached.
    pub undelivered: Desk,
    /// Those that are on their way.
    pub deliveries: Deliveries,
    /// Where events go.
    pub journal: Journal,
    /// Connections that are gone.
    pub closed: ClosedConnections,
    /// Connections that peers let us use.
    pub aliases: Aliases,
    /// Phones that have registered elsewhere through us.
    pub registrants: Registrants,
    /// Phones that have changed their way.
    pub moved: Moved,
    /// What peers have proved by certificates.
    pub certified: Certified,
    /// What is let in when there is too much.
    pub admission: Admission,
    /// Who has failed too often, shared by all shards.
    pub guard: Guard,
    /// What is known about names.
    pub names: Names,
    /// What waits for names.
    pub parked: Parked,
    /// When targets are asked whether they live.
    pub checks: Checks,
    /// Our registrations at trunks.
    pub enrolments: Enrolments,
    /// INVITEs in dialogs that were repeated with credentials.
    pub repeated: Repeated,
    /// Responses whose connection is gone.
    pub stranded: Stranded,
    /// Next hops that do not answer.
    pub health: Health,
    /// Next hops that say how much they can take.
    pub neighbours: Neighbours,
    /// Who is believed about callers.
    pub trust: TrustDomain,
    /// How the server stops.
    pub drain: Arc<Drain>,
    /// Which shard works on what.
    pub whereabouts: Whereabouts,
    /// Keeps strangers from choosing places in it.
    pub hash_key: [u8; 16],
    /// Requests forwarded that wait for their final response.
    pub at_work: u64,
    /// What time we tell.
    pub date_line: DateLine,
    /// The 200s to REGISTER in the outbox that wait for the disk, by index.
    pub unsettled: Vec<usize>,
    /// The address-of-record at hand.
    pub aor: Vec<u8>,
    /// The order of a trunk's targets at hand.
    pub order: Vec<usize>,
    /// The target set at hand.
    pub targets: Targets,
    /// The edits at hand.
    pub scratch: Scratch,
    /// A message under construction outside the outbox.
    pub draft: Vec<u8>,
}
