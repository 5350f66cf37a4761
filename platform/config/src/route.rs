//! Rules for where requests go: `[[route]]`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use offhook_sip::Transport;

use crate::destination::Destination;
use crate::error::Fault;
use crate::host::{Host, HostPort};
use crate::hours::Hours;
use crate::names::RouteMode;
use crate::network::Network;
use crate::table::{Kind, table};
use crate::value::{FromText, Value};
use crate::words::{Label, MethodName, SipUri, UserPart};

table! {
    /// A rule for requests that do not belong to a dialog yet (RFC 3261 §16.5): which it takes, and where they go.
    ///
    /// The first route whose every condition holds takes the request, before users are looked up. It says exactly one
    /// of `to`, `trunk`, `users`, `redirect` and `refuse`.
    pub struct Route {
        /// A name for the log, call detail records and `offhook route`.
        name: Option<Label> = None, because "a route without one is called by its place in the file", example "\"mobiles\"";
        /// What the route takes; at least one condition.
        when as "match": Match, example "{ prefix = \"+49\" }";
        /// Send it there: a `sip:` URI with an IP address or a name (RFC 3263), perhaps a port and `;transport=`. The
        /// Request-URI stays as it is. `sips:` is TLS.
        to: Option<Destination> = None, example "\"sip:192.0.2.9:5061;transport=tls\"";
        /// By TLS: the domain that the next hop must prove to be (RFC 5922 §7.3).
        proves: Option<Host> = None, because "the name in `to`, or the IP address itself, must stand in its certificate then",
            example "\"trunk.example.com\"";
        /// Send it to a target of this `[[trunk]]`.
        trunk: Option<Label> = None, example "or \"provider\"";
        /// Look the number up below this domain first (ENUM, RFC 6116), after `user`, `strip` and `prepend` have made it a
        /// global one (`+49…`): `e164.arpa`, or a tree of your own. If it has a SIP address, that is where the request
        /// goes; else what else the route says becomes of it.
        enumerate as "enum": Option<Host> = None, example "or \"e164.arpa\"";
        /// Look for a user of ours, after `user`, `strip` and `prepend` have changed the user part.
        users: bool = false, because "most routes lead out of the house";
        /// Tell the caller to try this URI instead (302, RFC 3261 §8.3). A Request-URI without user part gets the user
        /// part of the request.
        redirect: Option<SipUri> = None, example "or \"sip:sip.example.net\"";
        /// Refuse it with this status, 400 to 699 (RFC 3261 §21).
        refuse: Option<u32> = None, within 400..=699, example "or 403";
        /// Another user part for the Request-URI: a numeric alias or an abbreviated number.
        user: Option<UserPart> = None, because "what was dialled stays", example "\"alice\"";
        /// How many characters to take from the front of the user part.
        strip: usize = 0, within 0..=64, because "what was dialled stays";
        /// What to put in front of the user part, after `strip`.
        prepend: Option<UserPart> = None, because "what was dialled stays", example "\"+49\"";
        /// With `users`: how long the user's phones of one preference ring before those of the next, in seconds.
        ring_s: Option<u32> = None, within 1..=600, because "`ring_s` of `[proxy]` counts", example "or 15";
        /// Whether strangers, who have no credentials here, may use the route.
        open: bool = false, because "a trunk that strangers can use is paid for by you";
        /// Whether the proxy keeps a transaction for what it forwards (RFC 3261 §16.2) or forwards each message by
        /// itself (§16.11).
        mode: RouteMode = RouteMode::Stateful,
            because "only with a transaction a failure of the next hop is answered";
        /// Whether the next hop is asked how much it can take, with `oc` in our Via (RFC 7339 §4.1), and is sent less
        /// when it says so.
        overload_control: bool = true,
            because "a next hop that knows nothing of it leaves the parameter alone, and one that does stays usable";
    }
}

table! {
    /// The conditions of a route; all that are written must hold.
    pub struct Match {
        /// The host part of the Request-URI is this domain, in any case of letters.
        domain: Option<Host> = None;
        /// The user part of the Request-URI begins so. Without `domain` its host must be one of our own, or the
        /// URI a `tel:` one, whose visual separators do not count (RFC 3966 §5.1.1).
        prefix: Option<UserPart> = None;
        /// The user part of the Request-URI is this.
        number: Option<UserPart> = None;
        /// The method is one of these. A route that names none takes all but REGISTER to our own domains.
        methods: Vec<MethodName> = Vec::new(), because "what is true of a number is true of calls and messages alike";
        /// The caller is of this domain: a domain of ours, by any name of it, if that is where the account is that has
        /// proved who calls; another if the caller has no account here and From says so.
        from_domain: Option<Host> = None;
        /// The packet came from one of these networks.
        sources: Vec<Network> = Vec::new(), because "where it goes depends seldom on where it comes from";
        /// It came from a peer of this `[[trunk]]`.
        from_trunk: Option<Label> = None;
        /// It is one of these hours of the week, in the time zone of the server (`timezone`).
        hours: Option<Hours> = None;
    }
}

impl Route {
    /// The keys that say what becomes of a request, with whether they are written.
    pub(crate) fn actions(&self) -> [(&'static str, bool); 6] {
        let others = self.to.is_some() || self.trunk.is_some() || self.users;
        [
            ("to", self.to.is_some()),
            ("trunk", self.trunk.is_some()),
            ("users", self.users),
            ("redirect", self.redirect.is_some()),
            ("refuse", self.refuse.is_some()),
            // Beside one of these it only comes first.
            ("enum", self.enumerate.is_some() && !others),
        ]
    }
}

/// As one line: what it takes, and what becomes of that.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}: ")?;
        }
        write!(f, "{} ", self.when.show())?;
        match (&self.to, &self.trunk, &self.redirect, self.refuse) {
            (Some(to), ..) => write!(f, "goes to {to}"),
            (_, Some(trunk), ..) => write!(f, "goes to the trunk {trunk}"),
            (_, _, Some(uri), _) => write!(f, "is redirected to {uri}"),
            (.., Some(status)) => write!(f, "is refused with {status}"),
            _ if !self.users && self.enumerate.is_some() => write!(f, "is looked up"),
            _ => write!(f, "goes to a user of ours"),
        }
    }
}

impl Match {
    /// Whether no condition is written.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { domain, prefix, number, methods, from_domain, sources, from_trunk, hours } = self;
        let texts = [prefix, number].iter().all(|text| text.is_none());
        let domains = [domain, from_domain].iter().all(|domain| domain.is_none());
        texts
            && domains
            && methods.is_empty()
            && sources.is_empty()
            && from_trunk.is_none()
            && hours.is_none()
    }
}

/// Where a route sends to. Displayed as a SIP URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The transport; UDP where the URI names none (RFC 3263 §4.1, for an IP address).
    pub transport: Transport,
    /// IP address and port; 5060, by TLS 5061, where the URI names none (RFC 3261 §19.1.2).
    pub address: SocketAddr,
}

impl NextHop {
    /// The address as the host part of a URI, without the port that goes without saying.
    pub fn host_text(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        match self.address.port() {
            port if port == self.transport.default_port() => ip,
            port => format!("{ip}:{port}"),
        }
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sip:{};transport={}", self.address, self.transport.name())
    }
}

impl FromText for NextHop {
    const KIND: Kind = Kind::Text("a sip URI with an IP address");

    fn from_text(text: &str) -> Result<Self, Fault> {
        let (secure, host, written) = read_uri(text)?;
        let transport = default_transport(secure, written)?;
        Ok(Self { address: read_address(host, transport)?, transport })
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// Whether a `sip` or `sips` URI without user part is secure, its host and port, and the transport it names.
pub(crate) fn read_uri(text: &str) -> Result<(bool, &str, Option<Transport>), Fault> {
    const SCHEME: &str = "a sip URI is wanted, such as sip:192.0.2.9:5060;transport=udp";
    const USER: &str = "a next hop has no user part; the Request-URI keeps its own";
    let (scheme, rest) = text.split_once(':').ok_or(Fault::Malformed(SCHEME))?;
    let secure = scheme.eq_ignore_ascii_case("sips");
    if !secure && !scheme.eq_ignore_ascii_case("sip") {
        return Err(Fault::Malformed(SCHEME));
    }
    if rest.contains('@') {
        return Err(Fault::Malformed(USER));
    }
    let (host, parameters) = rest.split_once(';').map_or((rest, None), |(host, after)| (host, Some(after)));
    let written = parameters.map(read_transport).transpose()?;
    if written.is_some_and(Transport::is_websocket) {
        return Err(Fault::Malformed("nobody is dialled by WebSocket: browsers connect to us"));
    }
    Ok((secure, host, written))
}

/// The transport of a URI that names this one, or none.
pub(crate) fn default_transport(secure: bool, written: Option<Transport>) -> Result<Transport, Fault> {
    match (secure, written) {
        (true, None | Some(Transport::Tcp | Transport::Tls)) => Ok(Transport::Tls),
        (true, Some(_)) => Err(Fault::Malformed("sips travels by TLS alone")),
        (false, written) => Ok(written.unwrap_or(Transport::Udp)),
    }
}

/// `192.0.2.9`, `192.0.2.9:5080`, `[2001:db8::1]`, `[2001:db8::1]:5080`.
fn read_address(text: &str, transport: Transport) -> Result<SocketAddr, Fault> {
    const NAME: &str = "an IP address is wanted";
    let HostPort { host, port } = HostPort::from_text(text)?;
    let ip: IpAddr = host.as_str().trim_matches(['[', ']']).parse().map_err(|_| Fault::Malformed(NAME))?;
    Ok((ip, port.unwrap_or(transport.default_port())).into())
}

/// The one URI parameter that means something for a next hop.
fn read_transport(parameters: &str) -> Result<Transport, Fault> {
    const ONLY: &str = "a next hop has no parameter but ;transport=";
    match parameters.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("transport") && !value.contains(';') => {
            Transport::from_text(value)
        }
        _ => Err(Fault::Malformed(ONLY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_are_read() {
        for (text, same) in [
            ("sip:192.0.2.9", "sip:192.0.2.9:5060;transport=udp"),
            ("SIP:192.0.2.9:5080;Transport=TCP", "sip:192.0.2.9:5080;transport=tcp"),
            ("sips:192.0.2.9", "sip:192.0.2.9:5061;transport=tls"),
            ("sip:192.0.2.9:5071;transport=tls", "sip:192.0.2.9:5071;transport=tls"),
            ("sip:192.0.2.9;transport=sctp", "sip:192.0.2.9:5060;transport=sctp"),
            ("sip:[2001:db8::1]", "sip:[2001:db8::1]:5060;transport=udp"),
            ("sip:[2001:db8::1]:5070;transport=udp", "sip:[2001:db8::1]:5070;transport=udp"),
        ] {
            assert_eq!(NextHop::from_text(text).map(|hop| hop.to_string()), Ok(same.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_wrong_next_hop_says_why() {
        for (text, why) in [
            ("192.0.2.9", "a sip URI is wanted"),
            ("tel:+15551234", "a sip URI is wanted"),
            ("sips:192.0.2.9;transport=udp", "sips travels by TLS alone"),
            ("sip:trunk.example.org", "an IP address is wanted"),
            ("sip:2001:db8::1", "brackets"),
            ("sip:192.0.2.9:0", "the port must be"),
            ("sip:192.0.2.9:70000", "the port must be"),
            ("sip:alice@192.0.2.9", "no user part"),
            ("sip:192.0.2.9;lr", "no parameter but"),
            ("sip:192.0.2.9;transport=ws", "nobody is dialled by WebSocket"),
            ("sip:192.0.2.9;transport=upd", "did you mean \"udp\"?"),
            ("sip:192.0.2.9;transport=udp;lr", "no parameter but"),
            ("", "a sip URI is wanted"),
            ("sip:", "an IP address is wanted"),
        ] {
            let said = NextHop::from_text(text).map_err(|fault| fault.to_string());
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{text}: {said:?}");
        }
    }
}
