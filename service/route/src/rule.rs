//! One rule: `[[route]]` of the configuration, compiled.

use offhook_config::{Route, RouteMode};
use offhook_locate::Domain;

use crate::change::Change;
use crate::rules::Rules;
use crate::toward::Toward;
use crate::when::{Facts, Unmet, When};

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name; `route N`, counted from 1, where it was given none.
    pub name: String,
    /// What becomes of the request.
    pub then: Then,
    /// How its Request-URI changes.
    pub change: Change,
    /// By TLS: the domain that the next hop must prove to be, in lower case (RFC 5922 §7.3); else its address.
    pub proves: Option<String>,
    /// Where numbers are looked up first: RFC 6116.
    pub suffix: Option<Domain>,
    /// How long phones of one preference ring before the next, seconds, if it says so.
    pub ring_s: Option<u32>,
    /// Whether strangers may use it.
    pub open: bool,
    /// Whether requests are forwarded without transactions (RFC 3261 §16.11).
    pub stateless: bool,
    pub(crate) overload_control: bool,
    pub(crate) when: When,
}

/// What becomes of a request that a rule takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Then {
    /// It goes there.
    To(Toward),
    /// It goes to a target of the trunk with this index.
    Trunk(usize),
    /// It is for a user of ours.
    Users,
    /// The caller is told another URI: 302, RFC 3261 §8.3.
    Redirect(String),
    /// It is refused with this status.
    Refuse(u16),
    /// It goes where its number was looked up, or nowhere.
    Number,
}

impl Rule {
    /// `trunk` finds the index of a trunk by its name, `domain_of` the domain that a name means.
    pub(crate) fn new(
        index: usize,
        route: &Route,
        trunk: impl Fn(&str) -> Option<usize>,
        domain_of: impl Fn(&str) -> String,
    ) -> Option<Self> {
        let index_of =
            |name: &Option<offhook_config::Label>| name.as_ref().and_then(|name| trunk(name.as_str()));
        Some(Self {
            name: route.name.as_ref().map_or_else(|| format!("route {}", index + 1), ToString::to_string),
            then: action(route, index_of(&route.trunk))?,
            change: Change::new(route),
            proves: route.proves.as_ref().map(|domain| domain.as_str().to_ascii_lowercase()),
            suffix: route.enumerate.as_ref().and_then(|host| Domain::parse(host.as_str().as_bytes())),
            ring_s: route.ring_s,
            open: route.open,
            stateless: route.mode == RouteMode::Stateless,
            overload_control: route.overload_control,
            when: When::new(&route.when, index_of(&route.when.from_trunk), domain_of),
        })
    }

    /// Whether the rule only says where a domain is: then it is as good for the Contact of a dialog.
    fn is_next_hop(&self) -> bool {
        self.when.names_domain() && matches!(self.then, Then::To(_)) && self.change.keeps_user()
    }

    /// The first thing that keeps the rule from taking a request; `None`: it takes it.
    pub(crate) fn unmet(&self, facts: &Facts<'_>, rules: &Rules) -> Option<Unmet> {
        if facts.in_dialog && !self.is_next_hop() {
            return Some(Unmet::Dialog);
        }
        self.when.unmet(facts, rules)
    }

    /// Whether the rule was written for requests of this trunk's peers.
    pub fn is_for_peer(&self, trunk: usize) -> bool {
        self.when.is_for_peer(trunk)
    }
}

/// The one action the route has; the configuration was checked for that.
fn action(route: &Route, trunk: Option<usize>) -> Option<Then> {
    let to = route.to.as_ref().and_then(Toward::new).map(Then::To);
    let users = route.users.then_some(Then::Users);
    let redirect = route.redirect.as_ref().map(|uri| Then::Redirect(uri.to_string()));
    let refuse = route.refuse.and_then(|status| u16::try_from(status).ok()).map(Then::Refuse);
    let number = route.enumerate.as_ref().map(|_| Then::Number);
    to.or(trunk.map(Then::Trunk)).or(users).or(redirect).or(refuse).or(number)
}
