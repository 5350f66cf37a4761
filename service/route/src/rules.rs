//! All rules and trunks of a configuration.

use std::net::IpAddr;
use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use offhook_config::{Config, NextHop};
use offhook_locate::Wanted;

use crate::rule::{Rule, Then};
use crate::toward::Toward;
use crate::trunk::{Login, Trunk};
use crate::when::{Facts, Unmet};

/// The rules in the order of the file, and the trunks they lead to.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    trunks: Vec<Trunk>,
    zone: TimeZone,
    has_peers: bool,
    has_logins: bool,
    /// Peers may be known by more than their address.
    has_proofs: bool,
    asks_home: bool,
}

impl Rules {
    /// Compiles what the administrator wrote.
    pub fn new(config: &Config) -> Self {
        let index_of = |name: &str| config.trunk.iter().position(|trunk| trunk.name.as_str() == name);
        let rules = config.route.iter().enumerate();
        let domain_of = |name: &str| domain_of(config, name);
        let zone = config.timezone.as_ref().map_or_else(TimeZone::system, |name| name.zone());
        Self {
            rules: rules.filter_map(|(index, route)| Rule::new(index, route, index_of, domain_of)).collect(),
            trunks: config.trunk.iter().map(Trunk::new).collect(),
            zone,
            has_proofs: config.trunk.iter().any(|trunk| trunk.register || !trunk.peer_domains.is_empty()),
            has_logins: config.trunk.iter().any(|trunk| trunk.user.is_some()),
            has_peers: config.trunk.iter().any(|trunk| !trunk.peers.is_empty()),
            asks_home: config.route.iter().any(|route| route.when.from_domain.is_some()),
        }
    }

    /// The rule that takes a request: the first whose conditions all hold.
    pub fn first(&self, facts: &Facts<'_>) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.unmet(facts, self).is_none())
    }

    /// The rule that refuses a request which goes by a way of its own: what the rules before it would have made of the
    /// request, nobody makes of it.
    pub fn refusal(&self, facts: &Facts<'_>) -> Option<&Rule> {
        let refuses = |rule: &&Rule| matches!(rule.then, Then::Refuse(_));
        self.rules.iter().filter(refuses).find(|rule| rule.unmet(facts, self).is_none())
    }

    /// Every rule with what kept it from taking the request; `None`: nothing did.
    pub fn explain<'r>(&'r self, facts: &'r Facts<'r>) -> impl Iterator<Item = (&'r Rule, Option<Unmet>)> {
        self.rules.iter().map(|rule| (rule, rule.unmet(facts, self)))
    }

    /// The rule with this index.
    pub fn rule(&self, index: usize) -> Option<&Rule> {
        self.rules.get(index)
    }

    /// Whether any rule asks where the sender is at home.
    pub fn asks_home(&self) -> bool {
        self.asks_home
    }

    /// Whether there is no rule.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The trunk with this index.
    pub fn trunk(&self, index: usize) -> Option<&Trunk> {
        self.trunks.get(index)
    }

    /// Every trunk.
    pub fn trunks(&self) -> &[Trunk] {
        &self.trunks
    }

    /// The trunk that sends from this address.
    pub fn peer(&self, source: IpAddr) -> Option<usize> {
        if !self.has_peers {
            return None;
        }
        self.trunks.iter().position(|trunk| trunk.has_peer(source))
    }

    /// Whether any trunk is at this address: a target of it, or a place it sends from.
    pub fn has_trunk_at(&self, address: IpAddr) -> bool {
        self.trunks.iter().any(|trunk| trunk.is_at(address))
    }

    /// The trunk with this mark that we have credentials for.
    pub fn login_of_mark(&self, mark: NonZeroU32) -> Option<usize> {
        self.trunks.iter().position(|trunk| trunk.mark == mark && trunk.login.is_some())
    }

    /// Whether targets of any trunk are asked whether they live.
    pub fn has_checks(&self) -> bool {
        self.trunks.iter().any(|trunk| trunk.health_check_s > 0)
    }

    /// Whether we register anywhere.
    pub fn has_registrations(&self) -> bool {
        self.trunks.iter().any(|trunk| trunk.registers.is_some())
    }

    /// Whether peers may be known by more than their address: by a certificate, or by what we have registered.
    pub fn has_proofs(&self) -> bool {
        self.has_proofs
    }

    /// The trunk that a peer speaks for who has proved to be these domains (RFC 5922 §7.3).
    pub fn proved_by(&self, domains: &[String]) -> Option<usize> {
        self.trunks.iter().position(|trunk| trunk.has_peer_domains() && trunk.is_proved_by(domains))
    }

    /// The credentials for where a rule leads.
    pub fn login_of(&self, rule: &Rule) -> Option<&Login> {
        let Then::Trunk(index) = rule.then else { return None };
        self.trunk(index)?.login.as_ref()
    }

    /// Whether any trunk may ask us for credentials.
    pub fn has_logins(&self) -> bool {
        self.has_logins
    }

    /// The next hops that are to be asked how much they can take (RFC 7339 §4.1).
    pub fn overload_controlled(&self) -> impl Iterator<Item = NextHop> {
        let trunks = self.trunks.iter().filter(|trunk| trunk.overload_control);
        let hops =
            self.rules.iter().filter(|rule| rule.overload_control).filter_map(|rule| match rule.then {
                Then::To(ref toward) => toward.address(),
                _ => None,
            });
        hops.chain(trunks.flat_map(|trunk| trunk.targets.iter().filter_map(|target| target.toward.address())))
    }

    /// Where rules send to without a trunk, and what is to be proved there.
    pub fn next_hops(&self) -> impl Iterator<Item = (&Toward, Option<&str>)> {
        self.rules.iter().filter_map(|rule| match &rule.then {
            Then::To(toward) => Some((toward, rule.proves.as_deref())),
            _ => None,
        })
    }

    /// The names that rules and trunks lead to.
    pub fn names(&self) -> impl Iterator<Item = &Wanted> {
        let of_rules = self.rules.iter().filter_map(|rule| match &rule.then {
            Then::To(toward) => toward.name(),
            _ => None,
        });
        let targets = self.trunks.iter().flat_map(|trunk| &trunk.targets);
        of_rules.chain(targets.filter_map(|target| target.toward.name()))
    }

    pub(crate) fn is_from(&self, trunk: usize, facts: &Facts<'_>) -> bool {
        // Two accounts at one provider come from one address.
        let by_source = || self.trunk(trunk).is_some_and(|trunk| trunk.has_peer(facts.source));
        facts.trunk.map_or_else(by_source, |known| known == trunk)
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }
}

/// The domain that a name means, in lower case: who is of a domain is so under every name of it.
fn domain_of(config: &Config, name: &str) -> String {
    let is_it = |alias: &offhook_config::Host| alias.as_str().eq_ignore_ascii_case(name);
    let own = config.domain.iter().find(|domain| domain.aliases.iter().any(is_it));
    own.map_or(name, |domain| domain.name.as_str()).to_ascii_lowercase()
}
