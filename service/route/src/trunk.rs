//! A trunk: neighbours that take calls, and which of them takes this one.

use std::net::IpAddr;
use std::num::NonZeroU32;

use offhook_config::{Network, Secret, Spread};

use crate::spread::{SpreadKey, distance};
use crate::toward::Toward;

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
    /// What it knows us by, if it asks.
    pub login: Option<Login>,
    /// What we register there, if we do.
    pub registers: Option<Registers>,
    /// Names it in what travels in messages: a hash of its name, so that the order of the file does not matter.
    pub mark: NonZeroU32,
    /// How often its targets are asked whether they live, seconds; 0: never.
    pub health_check_s: u32,
    /// Whether it belongs to our trust domain (RFC 3325).
    pub trusted: bool,
    pub(crate) overload_control: bool,
    peers: Vec<Network>,
    peer_domains: Vec<String>,
}

/// A registration of ours: RFC 3261 §10.2.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registers {
    /// The address-of-record.
    pub aor: String,
    /// Its user part: that of our Contact too.
    pub user: String,
    /// The Request-URI.
    pub registrar: String,
    /// How long it is asked for, seconds.
    pub expires_s: u32,
}

/// Credentials for a trunk, good for one realm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Login {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: Secret,
    /// The realm they are good for.
    pub realm: String,
}

/// One target of a trunk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where it is.
    pub toward: Toward,
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
        let target = |t: &offhook_config::TrunkTarget| {
            Some(Target {
                toward: Toward::new(&t.to)?,
                host: t.to.host_text(),
                weight: t.weight,
                priority: t.priority,
                proves: t.proves.as_ref().map(|domain| domain.as_str().to_ascii_lowercase()),
            })
        };
        Self {
            name: written.name.to_string(),
            targets: written.targets.iter().filter_map(target).collect(),
            spread: written.spread,
            domain: written.domain.as_ref().map(ToString::to_string),
            login: login(written),
            registers: registers(written),
            mark: mark(written.name.as_str()),
            health_check_s: written.health_check_s,
            trusted: written.trusted,
            overload_control: written.overload_control,
            peers: written.peers.clone(),
            peer_domains: written
                .peer_domains
                .iter()
                .map(|domain| domain.as_str().to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether it sends from this address.
    pub fn has_peer(&self, source: IpAddr) -> bool {
        self.peers.iter().any(|network| network.contains(source))
    }

    /// Whether a peer that has proved to be one of these domains may speak for it.
    pub fn is_proved_by(&self, domains: &[String]) -> bool {
        let is_ours =
            |domain: &String| self.peer_domains.iter().any(|ours| ours.eq_ignore_ascii_case(domain));
        domains.iter().any(is_ours)
    }

    /// Whether its peers may prove who they are by certificate.
    pub(crate) fn has_peer_domains(&self) -> bool {
        !self.peer_domains.is_empty()
    }

    /// Whether it is known to be at this address: a target of it, or a place it sends from. Targets by name are not known
    /// here.
    pub fn is_at(&self, address: IpAddr) -> bool {
        let mut hops = self.targets.iter().filter_map(|target| target.toward.address());
        hops.any(|hop| hop.address.ip() == address) || self.has_peer(address)
    }

    /// Whether any of its targets is a name.
    pub fn has_names(&self) -> bool {
        self.targets.iter().any(|target| target.toward.name().is_some())
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

fn login(written: &offhook_config::Trunk) -> Option<Login> {
    let realm = written.realm.as_ref().map(ToString::to_string);
    let domain = || written.domain.as_ref().map(ToString::to_string);
    let address = || {
        let first = written.targets.first()?;
        Some(first.to.address().map_or_else(|| first.to.host_text(), |hop| hop.address.ip().to_string()))
    };
    Some(Login {
        user: written.user.as_ref()?.to_string(),
        password: written.password.clone()?,
        realm: realm.or_else(domain).or_else(address)?,
    })
}

fn registers(written: &offhook_config::Trunk) -> Option<Registers> {
    let user = written.user.as_ref().filter(|_| written.register)?.to_string();
    let host = written.domain.as_ref().map(ToString::to_string);
    let host = host.or_else(|| written.targets.first().map(|target| target.to.host_text()))?;
    let aor = match &written.register_as {
        Some(uri) => uri.to_string(),
        None if user.contains('@') => format!("sip:{user}"),
        None => format!("sip:{user}@{host}"),
    };
    let (name, domain) = aor.split_once(':').and_then(|(_, rest)| rest.split_once('@'))?;
    let registrar = format!("sip:{}", domain.split(';').next().unwrap_or(domain));
    Some(Registers { user: name.to_owned(), registrar, expires_s: written.register_expires_s, aor })
}

/// FNV-1a. A house has a handful of trunks; that two share a mark would take thousands.
fn mark(name: &str) -> NonZeroU32 {
    let mix = |hash: u32, c: u8| (hash ^ u32::from(c)).wrapping_mul(0x0100_0193);
    NonZeroU32::new(name.bytes().fold(0x811c_9dc5, mix)).unwrap_or(NonZeroU32::MIN)
}
