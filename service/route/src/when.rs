//! The conditions of a rule, and what they are held against.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use offhook_config::{Hours, Match, Network};
use offhook_sip::{Host, NameAddr, Scheme, Uri};

use crate::rules::Rules;

/// What is known about a request before it is routed.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Its method as written.
    pub method: &'f [u8],
    /// Where it wants to go.
    pub uri: Uri<'f>,
    /// Our domain that the host of that URI means, by whatever name; `None`: it is not ours.
    pub domain: Option<&'f str>,
    /// Whether it belongs to a dialog: then its URI is a Contact, to be reached and not to be understood.
    pub in_dialog: bool,
    /// Its From.
    pub from: NameAddr<'f>,
    /// Our domain that the sender is of: by his account, where he shows one, else by what From says; `None`: of none.
    pub home: Option<&'f str>,
    /// Where the packet came from.
    pub source: IpAddr,
    /// The trunk it comes from, where more than the source says so: a certificate, or what we have registered.
    pub trunk: Option<usize>,
    /// The time, milliseconds of the Unix epoch.
    pub now_ms: u64,
}

/// The first condition of a rule that a request did not meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// It belongs to a dialog, and the rule is more than a next hop for a domain.
    Dialog,
    /// `methods`, or a REGISTER for us at a rule that names no methods.
    Method,
    /// `domain`.
    Domain,
    /// `prefix` or `number` of a URI that is not ours, where the rule names no domain.
    NotOurs,
    /// `number`.
    Number,
    /// `prefix`.
    Prefix,
    /// `sources`.
    Source,
    /// `from_trunk`.
    Peer,
    /// `from_domain`.
    FromDomain,
    /// `hours`.
    Hours,
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialog => "it takes nothing that belongs to a dialog",
            Self::Method => "it does not take this method",
            Self::Domain => "the Request-URI has another domain",
            Self::NotOurs => "it takes numbers of our own domains only",
            Self::Number => "the Request-URI has another user part",
            Self::Prefix => "the user part begins otherwise",
            Self::Source => "the request comes from elsewhere",
            Self::Peer => "the request does not come from a peer of that trunk",
            Self::FromDomain => "the caller is of another domain",
            Self::Hours => "it is not the hour",
        })
    }
}

/// The conditions, compiled.
#[derive(Clone, Debug)]
pub(crate) struct When {
    domain: Option<String>,
    number: Option<Vec<u8>>,
    prefix: Option<Vec<u8>>,
    methods: Vec<Vec<u8>>,
    sources: Vec<Network>,
    from_trunk: Option<usize>,
    from_domain: Option<String>,
    hours: Option<Hours>,
}

impl When {
    pub(crate) fn new(
        written: &Match,
        from_trunk: Option<usize>,
        domain_of: impl Fn(&str) -> String,
    ) -> Self {
        let text = |part: &Option<offhook_config::UserPart>| part.as_ref().map(|p| canonical(p.as_str()));
        let host =
            |host: &Option<offhook_config::Host>| host.as_ref().map(|h| h.as_str().to_ascii_lowercase());
        Self {
            domain: host(&written.domain),
            number: text(&written.number),
            prefix: text(&written.prefix),
            methods: written.methods.iter().map(|m| m.as_str().as_bytes().to_vec()).collect(),
            sources: written.sources.clone(),
            from_trunk,
            from_domain: written.from_domain.as_ref().map(|name| domain_of(name.as_str())),
            hours: written.hours.clone(),
        }
    }

    /// The first condition that does not hold; `None`: the rule takes the request.
    pub(crate) fn unmet(&self, facts: &Facts<'_>, rules: &Rules) -> Option<Unmet> {
        // In order of cost: most rules fail at the first condition they have.
        let checks: [(Unmet, &dyn Fn() -> bool); 9] = [
            (Unmet::Domain, &|| self.domain.as_deref().is_none_or(|domain| is_at(facts, domain))),
            (Unmet::Method, &|| self.takes_method(facts)),
            (Unmet::NotOurs, &|| self.is_of_its_house(facts)),
            (Unmet::Number, &|| self.number.as_deref().is_none_or(|number| is_number(&facts.uri, number))),
            (Unmet::Prefix, &|| self.prefix.as_deref().is_none_or(|prefix| has_prefix(&facts.uri, prefix))),
            (Unmet::Source, &|| {
                self.sources.is_empty() || self.sources.iter().any(|n| n.contains(facts.source))
            }),
            (Unmet::Peer, &|| self.from_trunk.is_none_or(|trunk| rules.is_from(trunk, facts))),
            (Unmet::FromDomain, &|| self.has_from_domain(facts)),
            (Unmet::Hours, &|| self.hours.as_ref().is_none_or(|hours| is_now(hours, facts.now_ms, rules))),
        ];
        checks.into_iter().find(|(_, holds)| !holds()).map(|(unmet, _)| unmet)
    }

    /// Whether the rule is about hosts.
    pub(crate) fn names_domain(&self) -> bool {
        self.domain.is_some()
    }

    /// Whether the rule asks that requests come from this trunk: then its peers need no other right.
    pub(crate) fn is_for_peer(&self, trunk: usize) -> bool {
        self.from_trunk == Some(trunk)
    }

    fn takes_method(&self, facts: &Facts<'_>) -> bool {
        match self.methods.is_empty() {
            true => !(facts.domain.is_some() && facts.method == b"REGISTER"),
            false => self.methods.iter().any(|method| method == facts.method),
        }
    }

    /// A number means something only where it was dialled: at a domain of ours, or as a bare telephone number.
    fn is_of_its_house(&self, facts: &Facts<'_>) -> bool {
        let asks = self.domain.is_none() && (self.number.is_some() || self.prefix.is_some());
        !asks || facts.domain.is_some() || facts.uri.scheme == Scheme::Tel
    }

    fn has_from_domain(&self, facts: &Facts<'_>) -> bool {
        let Some(domain) = &self.from_domain else { return true };
        // Anybody may write anything into From: it counts for those alone who are not ours.
        match facts.home {
            Some(own) => own.eq_ignore_ascii_case(domain),
            None => facts.from.parsed_uri().is_ok_and(|uri| has_domain(&uri, domain)),
        }
    }
}

/// Whether the request is for this domain, under this name or, if it is one of ours, another. An address is itself only.
fn is_at(facts: &Facts<'_>, domain: &str) -> bool {
    let has_name = || facts.uri.address.is_some_and(|at| matches!(at.host, Host::Name(_)));
    has_domain(&facts.uri, domain)
        || facts.domain.is_some_and(|own| own.eq_ignore_ascii_case(domain)) && has_name()
}

fn has_domain(uri: &Uri<'_>, domain: &str) -> bool {
    let Some(at) = uri.address else { return false };
    Host::parse(domain.as_bytes()).is_some_and(|host| host.same(at.host))
}

/// What the configuration says of a user part, as user parts are looked at.
fn canonical(part: &str) -> Vec<u8> {
    let uri = format!("sip:{part}@a");
    let Ok(uri) = Uri::parse(uri.as_bytes()) else { return part.into() };
    // Separators alone are no number.
    let plain: Vec<u8> = digits(&uri).collect();
    if plain.is_empty() { uri.canonical_user().collect() } else { plain }
}

/// The user part as whoever is called there reads it: an escaped character is the character (RFC 3261 §19.1.4), and
/// parameters of a telephone number, which stand in the user part of a SIP URI (§19.1.6), are none of it.
fn dialled<'a>(uri: &Uri<'a>) -> impl Iterator<Item = u8> + Clone + use<'a> {
    uri.canonical_user().take_while(|&c| c != b';')
}

/// The same without the visual separators that a telephone number may have (RFC 3966 §5.1.1).
pub(crate) fn digits<'a>(uri: &Uri<'a>) -> impl Iterator<Item = u8> + Clone + use<'a> {
    let is_number = is_telephone_number(uri);
    dialled(uri).filter(move |&c| !(is_number && is_separator(c)))
}

/// Whether it says so itself, or is made of nothing else: a switch behind a trunk takes it for one.
fn is_telephone_number(uri: &Uri<'_>) -> bool {
    let says_so =
        || uri.param(b"user").and_then(|p| p.value).is_some_and(|user| user.eq_ignore_ascii_case(b"phone"));
    let is_dialled = |c: u8| c.is_ascii_digit() || matches!(c, b'+' | b'*' | b'#') || is_separator(c);
    uri.scheme == Scheme::Tel || dialled(uri).all(is_dialled) || says_so()
}

fn is_separator(c: u8) -> bool {
    matches!(c, b'-' | b'.' | b'(' | b')')
}

/// With its separators or without them: a name may be written with them.
fn is_number(uri: &Uri<'_>, number: &[u8]) -> bool {
    let number = || number.iter().copied();
    uri.user.is_some() && (digits(uri).eq(number()) || dialled(uri).eq(number()))
}

fn has_prefix(uri: &Uri<'_>, prefix: &[u8]) -> bool {
    let (length, prefix) = (prefix.len(), || prefix.iter().copied());
    uri.user.is_some() && (digits(uri).take(length).eq(prefix()) || dialled(uri).take(length).eq(prefix()))
}

fn is_now(hours: &Hours, now_ms: u64, rules: &Rules) -> bool {
    let Ok(now) = Timestamp::from_millisecond(now_ms.cast_signed()) else { return false };
    let local = rules.zone().to_datetime(now);
    let minute = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
    hours.contains(local.weekday().to_monday_zero_offset().unsigned_abs(), minute)
}
