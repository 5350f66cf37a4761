//! A trunk: neighbours that take calls, and which of them takes this one.

use std::net::IpAddr;

use offhook_config::{Network, NextHop, Spread};

use crate::spread::{SpreadKey, distance};

/// A neighbour or a group of them.
#[derive(Clone, Debug)]
pub struct Trunk {
    /// Its name.
    pub name: String,
    /// Its targets, in the order of the file.
    pub targets: Vec<Target>,
    /// By what calls are spread.
    pub spread: Spread,
    /// The host part of Request-URIs sent to it; the target's own address where it has none.
    pub domain: Option<String>,
    pub(crate) overload_control: bool,
    peers: Vec<Network>,
}

/// One target of a trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Its address.
    pub hop: NextHop,
    /// Its share among targets of one priority.
    pub weight: u32,
    /// Its address as the host part of a URI, without the port that goes without saying.
    pub host: String,
    /// Lower ones come first.
    pub priority: u32,
    /// By TLS: the domain that it must prove to be, in lower case (RFC 5922 §7.3); else its address.
    pub proves: Option<String>,
}

impl Trunk {
    pub(crate) fn new(written: &offhook_config::Trunk) -> Self {
        let target = |t: &offhook_config::TrunkTarget| Target {
            hop: t.to,
            host: t.to.host_text(),
            weight: t.weight,
            priority: t.priority,
            proves: t.proves.as_ref().map(|domain| domain.as_str().to_ascii_lowercase()),
        };
        Self {
            name: written.name.to_string(),
            targets: written.targets.iter().map(target).collect(),
            spread: written.spread,
            domain: written.domain.as_ref().map(ToString::to_string),
            overload_control: written.overload_control,
            peers: written.peers.clone(),
        }
    }

    /// Whether it sends from this address.
    pub fn has_peer(&self, source: IpAddr) -> bool {
        self.peers.iter().any(|network| network.contains(source))
    }

    /// The order in which to try the targets for what the pieces of `value` name together (a Call-ID, a user, an address):
    /// those that are up first, by priority, then by weighted rendezvous. `out` receives their indices and is emptied
    /// before.
    ///
    /// Each target draws a number from the value and its own address, and the lowest wins; so a target that joins takes
    /// its share from all others evenly, and one that leaves gives only its own away.
    pub fn order(
        &self,
        key: &SpreadKey,
        value: &[&[u8]],
        is_up: impl Fn(usize) -> bool,
        out: &mut Vec<usize>,
    ) {
        out.clear();
        out.extend(0..self.targets.len());
        if out.len() < 2 {
            return;
        }
        let rank = |index: &usize| {
            let target = self.targets.get(*index)?;
            Some((!is_up(*index), target.priority, distance(key, value, target)))
        };
        // They are few: to draw again is cheaper than to remember.
        out.sort_unstable_by_key(rank);
    }
}
