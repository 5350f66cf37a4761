//! The trust domain of RFC 3325 §3: the neighbours whose word about callers counts, and who may hear what a caller shows
//! to few.

use std::net::IpAddr;

use offhook_config::{Config, Network};

/// The addresses of trusted trunks.
#[derive(Clone, Default, Debug)]
pub struct TrustDomain {
    peers: Vec<Network>,
    targets: Vec<IpAddr>,
    has_names: bool,
}

impl TrustDomain {
    /// From the trunks that are marked as trusted.
    pub fn new(config: &Config) -> Self {
        let trusted = || config.trunk.iter().filter(|trunk| trunk.trusted);
        let targets = || trusted().flat_map(|trunk| trunk.targets.iter().map(|target| target.to.address()));
        Self {
            peers: trusted().flat_map(|trunk| trunk.peers.iter().copied()).collect(),
            targets: targets().flatten().map(|hop| hop.address.ip()).collect(),
            has_names: targets().any(|address| address.is_none()),
        }
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.targets.is_empty() && !self.has_names
    }

    /// Whether what comes from this address is believed: only where the administrator has written it down as a peer's,
    /// for a target's address may be anybody's who can forge one.
    pub fn believes(&self, source: IpAddr) -> bool {
        self.peers.iter().any(|network| network.contains(source))
    }

    /// Whether who is there may know what others may not.
    pub fn confides_in(&self, hop: IpAddr) -> bool {
        let hop = hop.to_canonical();
        self.targets.contains(&hop) || self.believes(hop)
    }
}
