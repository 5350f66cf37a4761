//! Neighbours that take calls: `[[trunk]]`.

use std::path::PathBuf;

use crate::destination::Destination;
use crate::host::Host;
use crate::names::Spread;
use crate::network::Network;
use crate::secret::Secret;
use crate::table::table;
use crate::words::{Label, Quoted, SipUri};

table! {
    /// A neighbour, or a group of them, that calls go to and come from: a provider, another exchange, a row of media
    /// servers. Routes name it (`trunk = "…"`).
    pub struct Trunk {
        /// What routes, the log and `offhook route` call it.
        name: Label, example "\"provider\"";
        /// Its targets: `to` is an address or a name as in `[[route]]`; `priority`: lower ones first, the higher are for when all
        /// lower ones are down; `weight`: the share of requests among those of one priority.
        targets: Vec<TrunkTarget>, example "[{ to = \"sip:192.0.2.9\" }]";
        /// By what requests are spread over the targets of one priority. What has the same key goes to the same
        /// target; when a target joins or leaves, only its own share moves.
        spread: Spread = Spread::CallId, because "all messages of one call belong together and calls do not";
        /// The host part of Request-URIs sent to it.
        domain: Option<Host> = None,
            because "the address of the target is what most providers accept", example "\"sip.provider.example\"";
        /// How often targets are asked whether they live, with OPTIONS, seconds; 0: only those that have failed. Any answer
        /// but 408 and 503 is a sign of life.
        health_check_s: u32 = 0, within 0..=3600,
            because "a target that is called shows by itself whether it lives", example "30";
        /// Whether its targets are asked how much they can take, as for `[[route]]` (RFC 7339).
        overload_control: bool = true,
            because "a next hop that knows nothing of it leaves the parameter alone, and one that does stays usable";
        /// The networks it sends from. Its requests to our users need no credentials.
        peers: Vec<Network> = Vec::new(),
            because "who may skip the proof of who he is must be written down", example "[\"192.0.2.8/29\"]";
        /// The user name that the trunk knows us by. With it and `password` its challenges (401, 407) are answered by the
        /// server, and callers never see them.
        user: Option<Quoted> = None, because "most neighbours know us by our address", example "\"4930123\"";
        /// The password that goes with `user`. It leaves the server only as a digest, only to addresses of this trunk, and
        /// only for its realm. Keep the file readable for the server alone.
        password: Option<Secret> = None, because "most neighbours know us by our address", example "\"correct horse\"";
        /// A file that holds the password in its first line, so that it need not stand here. A relative path starts from the
        /// folder of this configuration. Nobody but its owner may have any right to it (mode 0600 or 0400).
        password_file: Option<PathBuf> = None, because "a file that only the server may read can hold all",
            example "or \"provider.password\"";
        /// The realm that is answered (RFC 3261 §22.1). A challenge of any other goes to the caller.
        realm: Option<Quoted> = None,
            because "it is the trunk's `domain`, else the address of its first target",
            example "\"sip.provider.example\"";
        /// Whether the server registers there (RFC 3261 §10.2), as a provider wants it whose customers have no fixed
        /// address. It needs `user`.
        register: bool = false, because "a neighbour that knows our address needs no registration";
        /// What is registered.
        register_as: Option<SipUri> = None, because "it is `user` at `domain`",
            example "\"sip:4930123@sip.provider.example\"";
        /// How long a registration is asked for, seconds; the provider may say otherwise.
        register_expires_s: u32 = 3600, within 60..=86_400, because "RFC 3261 §10.2 proposes an hour";
        /// The domains that a peer may prove to be by its TLS client certificate (RFC 5922 §7.3). Its requests are then as
        /// good as those of `peers`.
        peer_domains: Vec<Host> = Vec::new(),
            because "who may skip the proof of who he is must be written down", example "[\"sip.provider.example\"]";
        /// Whether it belongs to the same trust domain (RFC 3325): what its peers assert about callers
        /// (P-Asserted-Identity) is believed, and its targets are told who calls, also where the caller shows himself to
        /// nobody else ([identity.md](identity.md)).
        trusted: bool = false,
            because "it may say that anybody calls, and must keep to itself what callers hide";
    }
}

table! {
    /// One target of a trunk.
    pub struct TrunkTarget {
        /// Its address, or its name (RFC 3263).
        to: Destination;
        /// By TLS: the domain that it must prove to be (RFC 5922 §7.3).
        proves: Option<Host> = None, because "its name, or the IP address itself, must stand in its certificate then";
        /// Its share among targets of the same priority.
        weight: u32 = 1, within 1..=65_535, because "equal ones carry equal shares";
        /// Lower ones come first.
        priority: u32 = 0, within 0..=65_535, because "all targets work unless some are kept in reserve";
    }
}
