//! The sections that are plain settings. Each field says what it means, its default and the default's reason.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::names::{CdrFiles, DigestAlgorithm, LogFormat, LogLevel, Recursion};
use crate::service_route::RouteUri;
use crate::table::section;

section! {
    /// How long phones stay registered and how many a user may have, RFC 3261 §10.3.
    pub struct Registrar {
        /// The shortest registration accepted, in seconds; a shorter wish is answered 423 with Min-Expires
        /// (RFC 3261 §10.3 step 7, which allows no minimum above an hour).
        expires_min_s: u32 = 60, within 1..=3_600,
            because "phones that refresh more often than each minute cost more than they gain";
        /// The registration of a phone that names no time, in seconds.
        expires_default_s: u32 = 3_600, within 1..=604_800,
            because "nearly every phone asks for an hour, and RFC 3261 §10.2 falls back to it";
        /// The longest registration granted, in seconds; a longer wish is shortened to it, as RFC 3261 §10.3
        /// step 7 allows.
        expires_max_s: u32 = 7_200, within 1..=604_800,
            because "a phone that was unplugged is called in vain no longer than this";
        /// Phones one address-of-record may have at a time; one more is refused.
        bindings_per_aor_max: usize = 10, within 1..=32,
            because "a desk phone, a mobile, a browser and some spare, yet no means to multiply one call by hundreds";
        /// Whether a REGISTER with a Path is refused (420) when its phone does not say that it supports it
        /// (RFC 3327 §5.3).
        path_must_be_supported: bool = true,
            because "RFC 3327 §5.3 recommends it: a phone that knows Path sees who has put himself between";
        /// How long a phone on a connection may send nothing, in seconds: Flow-Timer (RFC 5626 §4.4.1), told to phones
        /// that register flows; 0 tells none.
        flow_timer_s: u32 = 120, within 0..=3_600,
            because "RFC 5626 §4.4.1 falls back to it, and it is short enough for the NAT on the way";
        /// Whether a phone that registers is told what time it is: Date (RFC 3261 §10.3). What is told is the clock of this
        /// machine.
        date: bool = true,
            because "RFC 3261 §10.3 recommends it: desk phones that reach no time server show what their registrar says";
        /// The way that registered phones shall send their requests: Service-Route (RFC 3608), each value a URI with
        /// `lr`.
        service_route: Vec<RouteUri> = Vec::new(),
            because "where registrar and proxy are one, the phones' own setting is right",
            example "[\"sip:192.0.2.1;lr\"]";
    }
}

section! {
    /// How users prove who they are: digest authentication, RFC 3261 §22 and RFC 8760.
    pub struct Digest {
        /// How long a phone may use one challenge, in seconds; after that it is given a new one without asking
        /// its user (`stale=true`, RFC 7616 §3.3).
        nonce_lifetime_s: u64 = 300, within 10..=86_400,
            because "a nonce that was overheard is worthless after five minutes, and few requests come in pairs";
        /// The algorithms offered, the preferred one first; each makes one challenge (RFC 8760 §2.3). Where all phones
        /// know it, `["SHA-256", "MD5"]` is better: accounts hold the digests of all three algorithms.
        algorithms: Vec<DigestAlgorithm> = vec![DigestAlgorithm::Md5],
            because "every phone knows MD5, and many, such as baresip 1.0, give up when they see any other beside it";
    }
}

section! {
    /// Who may use the server. Off is refused unless every listener is a loopback address: there is no open
    /// server by accident.
    pub struct Access {
        /// Whether a phone must authenticate to register.
        authenticate_register: bool = true,
            because "whoever registers as a user receives that user's calls";
        /// Whether calls and other requests that claim to come from our users must authenticate.
        authenticate_calls: bool = true,
            because "otherwise anyone can call in the name, and at the expense, of a user";
        /// Whether requests from other domains may reach our users without credentials.
        strangers_may_call_users: bool = true,
            because "that is what a SIP address is for; strangers still reach nobody but our own users";
    }
}

section! {
    /// How requests are forwarded, RFC 3261 §16.
    pub struct Proxy {
        /// How long a call may ring without a word from the called side, in seconds: Timer C. RFC 3261 §16.6
        /// step 11 wants more than three minutes; less is for tests.
        timer_c_s: u64 = 181, within 1..=3_600,
            because "the shortest time RFC 3261 §16.6 step 11 allows";
        /// Targets one request may be sent to, RFC 3261 §16.6; those of least preference are left out.
        fork_targets_max: usize = 20, within 1..=100,
            because "all phones of a user and as many again; each target multiplies what a caller can cause";
        /// How long the phones of one preference ring before those of the next have their turn, in seconds (RFC 3261 §16.6).
        /// The last ones ring for `timer_c_s`, and all do where that is shorter.
        ring_s: u64 = 25, within 1..=600,
            because "whoever wants to answer has done so, and a caller who waits for several turns is still there";
        /// Which redirections (300, 301, 302) are followed for the caller instead of being passed on (RFC 3261 §16.7 step 4):
        /// `off`, `own` for those to our own domains and to telephone numbers, `all`. None leads where the caller could
        /// not have called by himself.
        follow_redirects: Recursion = Recursion::Own,
            because "forwarding that is set on a phone then works for every caller, and costs nobody more than he may spend";
        /// Whether callers may choose among the phones of a user, and how they are called: Accept-Contact, Reject-Contact
        /// and Request-Disposition (RFC 3841); [who-rings.md](who-rings.md).
        caller_preferences: bool = true,
            because "it chooses only among phones that would ring anyway, and keeps messages from phones that know none";
        /// How long an address may say nothing at all before the next one of the same name is tried, in milliseconds
        /// (RFC 3263 §4.3, which waits for half a minute).
        failover_after_ms: usize = 4_000, within 500..=32_000,
            because "a caller holds on for some seconds, and four retransmissions are lost seldom";
        /// Requests that leave with more bytes go by TCP to next hops found by name that do not say UDP, and
        /// by UDP only if TCP fails (RFC 3261 §18.1.1). Registered phones are called as they registered. 0: never.
        tcp_above_bytes: usize = 1_300, within 0..=65_535,
            because "RFC 3261 §18.1.1, where the path's size is not known";
        /// Whether calls keep passing through this server after they are answered (Record-Route, RFC 3261 §16.6
        /// step 4).
        record_route: bool = true,
            because "behind NAT and between transports only we can reach both sides when they hang up";
        /// Whether requests say which way they have gone: who was called first, and why the next one is
        /// (History-Info, RFC 7044; [history-info.md](history-info.md)). What is there already passes in any case.
        history_info: bool = false,
            because "it makes requests longer, tells phones about each other, and few of them show it";
        /// Whether a REGISTER for another server that passes through must come from a phone that supports Path; one
        /// that does not is answered 421 (RFC 3327 §5.2).
        require_path: bool = false,
            because "a phone that does not know Path can often be reached without";
    }
}

section! {
    /// Finding next hops by name, RFC 3263.
    pub struct Dns {
        /// The name servers, each with its port.
        servers: Vec<SocketAddr> = Vec::new(),
            because "the system's own configuration (/etc/resolv.conf) names them", example "[\"192.0.2.53:53\"]";
        /// Whether answers must fit their signatures (DNSSEC, RFC 4035). Domains that are not signed are believed
        /// as before; what is signed wrongly leads nowhere.
        dnssec: bool = false,
            because "the resolver at hand does it already in many networks, and some routers in the way break it";
        /// With `dnssec`: a file of the keys that signatures are checked with in the end, instead of those of the root
        /// zone: DNSKEY records, one a line, of the root or of any zone below. A relative path starts from the working
        /// directory.
        trust_anchors: Option<PathBuf> = None,
            because "the keys of the root are built in; only a network with a root or a zone of its own has others",
            example "\"anchors\"";
        /// How long one server may take for one answer, in milliseconds; it is asked twice.
        timeout_ms: u64 = 1_500, within 50..=10_000,
            because "an answer from the other side of the world takes a tenth of it";
        /// How long a request waits for the name of its next hop, in milliseconds, before it is answered 504.
        patience_ms: u64 = 6_000, within 100..=30_000,
            because "the caller hears nothing meanwhile, and two servers have had two turns each";
        /// The shortest time an answer is believed, in seconds, however short its own.
        ttl_min_s: u32 = 5, within 0..=3_600,
            because "a domain whose answers are worth nothing would be asked about for every call";
        /// The longest, however long its own.
        ttl_max_s: u32 = 86_400, within 1..=604_800, because "a wrong answer is gone the next day";
        /// How long an answer may be used after its time, in seconds, while no name server answers (RFC 8767). 0: not
        /// at all.
        stale_max_s: u32 = 86_400, within 0..=604_800,
            because "calls go on while the name servers are down for a night";
        /// Answers that are remembered.
        cache_max: usize = 10_000, within 16..=1_000_000, because "the domains of a large provider, in a few megabytes";
        /// Whether names in requests may lead to loopback, private and link-local addresses. Routes of this file may
        /// always.
        private_addresses: bool = false,
            because "whoever owns a domain could send our requests to machines inside our network";
    }
}

section! {
    /// The clocks of transactions, RFC 3261 §17. Tests shrink them; peers expect the values of the RFC.
    pub struct Timers {
        /// T1, the estimate of a round trip, in milliseconds: first retransmission after it, giving up after 64
        /// of it.
        t1_ms: u64 = 500, within 1..=10_000, because "RFC 3261 §17.1.1.1";
        /// T2, the longest time between retransmissions, in milliseconds.
        t2_ms: u64 = 4_000, within 1..=60_000, because "RFC 3261 §17.1.2.2";
        /// T4, the longest a message stays in the network, in milliseconds.
        t4_ms: u64 = 5_000, within 1..=60_000, because "RFC 3261 §17.1.2.2";
    }
}

section! {
    /// What strangers can make grow, and where it ends.
    pub struct Limits {
        /// Transactions of the whole server, shared evenly between shards; beyond it new requests are answered 503. The last
        /// quarter is not for callers who prove nothing.
        transactions_max: usize = 1_000_000, within 1..=100_000_000,
            because "a finished one lingers 32 s with some 600 bytes: half a gigabyte carries 8,000 calls a second";
        /// Bytes of one request; a larger one is answered 513 (RFC 3261 §21.5.7). Of a stream that goes on with more than 65,535
        /// bytes nothing more is read: it is closed.
        message_bytes_max: usize = 65_535, within 1_500..=65_535,
            because "RFC 3261 §18.1.1: whatever fits in a datagram must be taken";
        /// Open connections of the whole server, shared evenly between shards; beyond it new ones are closed at once.
        connections_max: usize = 10_000, within 1..=1_000_000,
            because "an idle one costs some 2 KiB, and each takes a file descriptor";
        /// Open connections from one source address; beyond it new ones are closed at once.
        connections_per_source_max: usize = 500, within 1..=1_000_000,
            because "the phones of a whole office share the address of its NAT";
        /// How long a connection may stay silent before it is closed, in seconds. One that has carried no message at all is
        /// closed after ten seconds, keep-alives or not: whoever opens connections and says nothing takes them from others. The
        /// opening handshake of a WebSocket counts as a message.
        connection_idle_s: u64 = 3_900, within 1..=86_400,
            because "a phone that sends nothing between two hourly registrations is reached by no other way";
        /// How long a message may take to arrive once its first byte is here, in seconds; then its connection is
        /// closed.
        message_arrival_s: u64 = 30, within 1..=3_600,
            because "no sound network needs longer, and senders of a byte a second must not gather";
    }
}

section! {
    /// What happens when there is more to do than can be done; `docs/overload.md` says how it is met.
    pub struct Overload {
        /// Whether neighbours that offer to hold back (`oc` in their Via, RFC 7339) are told how much.
        feedback: bool = true, because "a request that is never sent costs us nothing";
    }
}

section! {
    /// How the machine is used.
    pub struct Engine {
        /// Threads that carry the signalling, each with its own share of sockets and transactions; 0 chooses.
        shards: usize = 0, within 0..=64,
            because "the number that suits the machine's cores is known only when it starts";
    }
}

section! {
    /// Call detail records: one for each call, in the store (`offhook cdr list`) and in files; [cdr.md](cdr.md).
    pub struct Cdr {
        /// Whether calls are recorded.
        enabled: bool = true,
            because "what was not recorded cannot be looked up; [performance.md](performance.md) says what it costs";
        /// Files beside the store, in the directory `cdr` of the data directory: JSON lines, CSV (RFC 4180), or none.
        files: CdrFiles = CdrFiles::JsonLines,
            because "who bills or searches reads files, and JSON needs no word about its columns";
        /// A file that has grown to this many bytes is closed and the next one begun; so is one at the end of a day
        /// (UTC).
        file_bytes_max: u64 = 67_108_864, within 4_096..=1_099_511_627_776,
            because "a hundred thousand calls, and still opened by an editor";
        /// Records and files are removed after this many days.
        keep_days: u64 = 90, within 1..=36_500,
            because "a bill is disputed within a quarter, and who called whom should not be known for ever";
        /// An answered call of which nothing more is heard, and which has no session timer (RFC 4028), ends after this
        /// many seconds. Its record says `unknown`.
        call_max_s: u64 = 43_200, within 60..=2_592_000,
            because "calls of half a day are rare, and phones that lose power send no BYE";
        /// Calls that are followed at a time. When there is one more, the oldest is recorded as it is.
        open_calls_max: usize = 200_000, within 1..=10_000_000,
            because "each takes about a kilobyte";
        /// What may wait on disk while the store takes nothing, in bytes. Beyond it facts are lost and counted; calls
        /// go on.
        spool_bytes_max: u64 = 1_073_741_824, within 16_777_216..=1_099_511_627_776,
            because "a million calls, and the disk is not filled by what nobody reads";
    }
}

section! {
    /// What is written to standard error, one line per event; `docs/journal.md` lists the events.
    pub struct Log {
        /// The least grave events written.
        level: LogLevel = LogLevel::Info,
            because "it tells who registered and which calls failed, and not each request";
        /// Lines for people or JSON for programs.
        format: LogFormat = LogFormat::Text,
            because "the first reader is a person at a terminal";
    }
}
