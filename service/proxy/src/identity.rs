//! Who we are: the domains we are responsible for and the addresses we listen on (RFC 3261 §16.4, §16.5).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, SocketAddr};

use offhook_sip::{Host, HostPort, Transport, Uri, same_in_any_case};

/// One of our addresses, as peers write it.
#[derive(Clone, Debug)]
pub struct Local {
    /// Its transport.
    pub transport: Transport,
    /// The address.
    pub address: SocketAddr,
    /// What Via and Record-Route say: `192.0.2.1`, `192.0.2.1:5070`, `sip.example.org`.
    pub sent_by: String,
}

impl Local {
    /// An address that is advertised as itself, or as `advertise`.
    pub fn new(transport: Transport, address: SocketAddr, advertise: Option<&str>) -> Self {
        let sent_by = match advertise {
            Some(text) => text.to_owned(),
            None if address.port() == transport.default_port() => Host::Ip(address.ip()).to_string(),
            None => format!("{}:{}", Host::Ip(address.ip()), address.port()),
        };
        Self { transport, address, sent_by }
    }

    /// Whether `sent_by` has a port.
    pub(crate) fn names_port(&self) -> bool {
        HostPort::parse(self.sent_by.as_bytes()).is_some_and(|at| at.port.is_some())
    }

    fn is_named(&self, at: &HostPort<'_>) -> bool {
        let port = at.port.unwrap_or(self.transport.default_port());
        match at.host {
            Host::Ip(ip) if ip == self.address.ip() => port == self.address.port(),
            _ => HostPort::parse(self.sent_by.as_bytes()).is_some_and(|own| {
                own.host.same(at.host) && own.port.unwrap_or(self.transport.default_port()) == port
            }),
        }
    }
}

/// The longest name of a domain, bytes: RFC 1035 §2.3.4.
const NAME_BYTES_MAX: usize = 255;

/// Names in lower case, each with the place of the domain it means. Only the configuration puts names in, so nobody can choose
/// them to meet in one bucket.
type Places = HashMap<Box<[u8]>, usize, BuildHasherDefault<DefaultHasher>>;

/// The domains and addresses of this server.
#[derive(Clone, Debug)]
pub struct Identity {
    domains: Vec<String>,
    /// Where there is more than one.
    places: Places,
    /// Other names of domains.
    aliases: Places,
    /// Domains that are addresses.
    addresses: Vec<(IpAddr, usize)>,
    locals: Vec<Local>,
}

impl Identity {
    /// `domains` in lower case; the first is the one that requests to our bare addresses mean. There must be one.
    pub fn new(domains: Vec<String>, locals: Vec<Local>) -> Self {
        debug_assert!(!domains.is_empty(), "a server has at least one domain");
        let (mut places, mut addresses) = (Places::default(), Vec::new());
        for (place, domain) in domains.iter().enumerate() {
            places.insert(domain.as_bytes().into(), place);
            if let Some(Host::Ip(ip)) = Host::parse(domain.as_bytes()) {
                addresses.push((ip, place));
            }
        }
        Self { domains, places, aliases: Places::default(), addresses, locals }
    }

    /// The same with another name of a domain, in lower case. Nothing happens if there is no such domain.
    pub fn with_alias(mut self, alias: String, domain: &str) -> Self {
        if let Some(place) = place_in(&self.places, domain.as_bytes()) {
            self.aliases.insert(alias.into_bytes().into(), place);
        }
        self
    }

    /// The domain that requests to our bare addresses mean.
    pub fn first_domain(&self) -> Option<&str> {
        self.domains.first().map(String::as_str)
    }

    /// Our domains, in lower case.
    pub fn domains(&self) -> &[String] {
        &self.domains
    }

    /// Our addresses, in the order of the listeners.
    pub fn locals(&self) -> &[Local] {
        &self.locals
    }

    /// The address with this index.
    pub fn local(&self, listener: u16) -> Option<&Local> {
        self.locals.get(usize::from(listener))
    }

    /// Whether host and port are one of our addresses: then a Route or Via that says so is ours.
    pub fn is_us(&self, at: &HostPort<'_>) -> bool {
        self.locals.iter().any(|l| l.is_named(at))
    }

    /// Whether this is the name of one of our domains.
    pub fn is_domain(&self, name: &[u8]) -> bool {
        self.place_of(name).is_some()
    }

    /// The domain of ours with this name, as it is configured: a realm.
    pub fn domain_named(&self, name: &[u8]) -> Option<&str> {
        self.domains.get(self.place_of(name)?).map(String::as_str)
    }

    fn place_of(&self, name: &[u8]) -> Option<usize> {
        match &self.domains[..] {
            [only] => same_in_any_case(only.as_bytes(), name).then_some(0),
            _ => place_in(&self.places, name),
        }
    }

    /// Whether this is an address that only we answer on.
    pub fn listens_on(&self, ip: IpAddr, port: u16) -> bool {
        self.locals.iter().any(|l| l.address.ip() == ip && l.address.port() == port)
    }

    /// The domain of ours that a URI belongs to, if it is ours: a configured domain at any port, or one of our
    /// addresses, which stands for the first domain.
    pub fn domain_of(&self, uri: &Uri<'_>) -> Option<&str> {
        let at = uri.address?;
        let place = match at.host {
            Host::Name(name) => {
                let name = name.strip_suffix(b".").unwrap_or(name);
                self.place_of(name).or_else(|| place_in(&self.aliases, name))
            }
            Host::Ip(ip) => {
                let own = self.addresses.iter().find(|(own, _)| *own == ip).map(|(_, place)| *place);
                own.filter(|_| self.is_us(&at))
            }
        };
        if let Some(own) = place.and_then(|place| self.domains.get(place)) {
            return Some(own);
        }
        self.is_us(&at).then(|| self.domains.first().map(String::as_str)).flatten()
    }
}

/// The place of a name, in either case.
fn place_in(places: &Places, name: &[u8]) -> Option<usize> {
    if places.is_empty() {
        return None;
    }
    let mut lower = [0; NAME_BYTES_MAX];
    let lower = lower.get_mut(..name.len())?;
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    places.get(&*lower).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        let local = Local::new(Transport::Udp, "192.0.2.1:5070".parse().expect("address"), None);
        let named =
            Local::new(Transport::Tcp, "192.0.2.1:5060".parse().expect("address"), Some("sip.example.net"));
        Identity::new(vec!["example.org".into(), "example.com".into()], vec![local, named])
    }

    /// RFC 3261 §16.5: a proxy must know the domains it is responsible for.
    #[test]
    fn domains_and_addresses() {
        let id = identity();
        let of = |text: &str| id.domain_of(&Uri::parse(text.as_bytes()).expect(text)).map(str::to_owned);
        assert_eq!(of("sip:a@EXAMPLE.com:5099").as_deref(), Some("example.com"));
        assert_eq!(of("sip:a@example.org.").as_deref(), Some("example.org"));
        assert_eq!(of("sip:a@192.0.2.1:5070").as_deref(), Some("example.org"));
        assert_eq!(
            of("sip:a@192.0.2.1").as_deref(),
            Some("example.org"),
            "the TCP address has the default port"
        );
        assert_eq!(of("sip:a@sip.example.net").as_deref(), Some("example.org"));
        assert_eq!(of("sip:a@192.0.2.1:9"), None);
        let aliased = identity().with_alias("old.example".into(), "example.com");
        let of_alias = Uri::parse(b"sip:a@OLD.example:5099").expect("a URI");
        assert_eq!(aliased.domain_of(&of_alias), Some("example.com"));
        assert!(!aliased.is_domain(b"old.example"), "it is no realm");
        assert_eq!(of("sip:a@example.net"), None);
        assert_eq!(of("tel:+1"), None);
    }

    /// RFC 3261 §16.5: however many there are, and in whatever letters.
    #[test]
    fn a_thousand_domains() {
        let names = (0..1_000).map(|n| format!("d{n}.example")).chain(["192.0.2.9".into()]).collect();
        let local = Local::new(Transport::Udp, "192.0.2.9:5060".parse().expect("address"), None);
        let id = Identity::new(names, vec![local]).with_alias("old.example".into(), "D7.example");
        let of = |text: &str| id.domain_of(&Uri::parse(text.as_bytes()).expect(text)).map(str::to_owned);
        assert_eq!(of("sip:a@D999.Example").as_deref(), Some("d999.example"));
        assert_eq!(of("sip:a@OLD.example").as_deref(), Some("d7.example"));
        assert_eq!(
            of("sip:a@192.0.2.9").as_deref(),
            Some("192.0.2.9"),
            "an address of ours that is a domain"
        );
        assert_eq!(of("sip:a@192.0.2.9:9"), None);
        assert_eq!(of("sip:a@d1000.example"), None);
        assert!(id.is_domain(b"D0.example") && !id.is_domain(b"old.example") && !id.is_domain(&[b'x'; 300]));
    }
}
