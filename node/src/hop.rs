//! From a URI to a flow: which address, and from which of our addresses it is reached. Names are
//! looked up elsewhere ([`crate::servers`]).

use std::net::{IpAddr, SocketAddr};

use offhook_net::{ConnectionId, Flow, Listener};
use offhook_sip::{Hint, Refusal, Scheme, Transport, Uri};

use crate::off_limits::place_of;

/// Why a URI leads nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoHop {
    /// Its host is a name.
    Name,
    /// No listener of ours has this transport and address family.
    NoListener,
    /// Not a SIP URI.
    Scheme,
    /// A group: RFC 3261 §18.1.1 would send there with a TTL of its own.
    Multicast,
    /// The request is for a `sips` URI, and this way is not secure.
    Insecure,
    /// The way is for `sips` alone, and the request is for a `sip` URI.
    SecureOnly,
}

/// RFC 5630 §6.3: what the warning of a refused `sips` is.
const SIPS_NOT_ALLOWED: &str = "380 offhook \"SIPS Not Allowed\"";
const SIPS_REQUIRED: &str = "381 offhook \"SIPS Required\"";

impl NoHop {
    /// The answer to the request that wanted to go there.
    pub(crate) fn refusal(self) -> Refusal<'static> {
        match self {
            Self::Name => Refusal::new(502).because("That name cannot be looked up"),
            Self::NoListener => Refusal::new(502).because("No way to that transport or address family"),
            Self::Scheme => Refusal::new(416),
            Self::Multicast => Refusal::new(502).because("Nothing is sent to multicast groups"),
            // RFC 5630 §5.3.
            Self::Insecure => Refusal::new(480).with(Hint::Warning(SIPS_NOT_ALLOWED)),
            Self::SecureOnly => Refusal::new(480).with(Hint::Warning(SIPS_REQUIRED)),
        }
    }
}

/// The way to a URI: its address (RFC 3263 §4.1 and §4.2 for numeric hosts) from the listener that fits best.
pub(crate) fn to_uri(uri: &Uri<'_>, listeners: &[Listener], arrived_on: u16) -> Result<Flow, NoHop> {
    if !uri.is_sip() {
        return Err(NoHop::Scheme);
    }
    // RFC 3263 §4: `maddr` takes the place of the host.
    let at = place_of(uri).ok_or(NoHop::Scheme)?;
    let ip = at.host.ip().ok_or(NoHop::Name)?;
    if ip.is_multicast() {
        return Err(NoHop::Multicast);
    }
    let transport = uri.transport().unwrap_or(Transport::Udp);
    if uri.scheme == Scheme::Sips && !transport.is_secure() {
        return Err(NoHop::NoListener);
    }
    let port = at.port.unwrap_or(transport.default_port());
    to_address(transport, SocketAddr::new(ip, port), listeners, arrived_on).ok_or(NoHop::NoListener)
}

/// The way to an address from the listener that fits best.
pub(crate) fn to_address(
    transport: Transport,
    remote: SocketAddr,
    listeners: &[Listener],
    arrived_on: u16,
) -> Option<Flow> {
    // RFC 7118 §5: who is reached by WebSocket has opened the connection, and no other leads there.
    let fits = |l: &Listener| {
        l.transport == transport && !transport.is_websocket() && l.local.is_ipv4() == remote.is_ipv4()
    };
    let arrived_ip = listeners.get(usize::from(arrived_on)).map(|l| l.local.ip());
    let candidates = listeners.iter().enumerate().filter(|(_, l)| fits(l));
    let best = candidates.min_by_key(|(_, l)| distance(l, remote.ip(), arrived_ip))?;
    Some(Flow { transport, listener: best.0 as u16, connection: ConnectionId::NONE, remote })
}

/// Lower is nearer: an interface on the peer's own network, then the address where the request arrived, then any that
/// is not loopback.
fn distance(listener: &Listener, remote: IpAddr, arrived: Option<IpAddr>) -> u8 {
    let own = listener.local.ip();
    if own.is_loopback() != remote.is_loopback() {
        return 3;
    }
    match (same_network(own, remote, listener.prefix_bits), arrived == Some(own)) {
        (true, _) => 0,
        (false, true) => 1,
        (false, false) => 2,
    }
}

fn same_network(a: IpAddr, b: IpAddr, prefix_bits: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let rest = 32 - u32::from(prefix_bits.min(32));
            (a.to_bits() ^ b.to_bits()).checked_shr(rest).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let rest = 128 - u32::from(prefix_bits.min(128));
            (a.to_bits() ^ b.to_bits()).checked_shr(rest).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listeners() -> Vec<Listener> {
        let listener = |transport, local: &str, prefix_bits| Listener {
            transport,
            local: local.parse().expect("an address"),
            prefix_bits,
            advertise: None,
        };
        vec![
            listener(Transport::Udp, "127.0.0.1:5060", 8),
            listener(Transport::Udp, "192.0.2.1:5060", 24),
            listener(Transport::Udp, "10.0.0.1:5060", 8),
            listener(Transport::Tcp, "192.0.2.1:5060", 24),
            listener(Transport::Udp, "[2001:db8::1]:5060", 64),
            listener(Transport::Tls, "192.0.2.1:5061", 24),
            listener(Transport::Ws, "192.0.2.1:80", 24),
        ]
    }

    fn way(uri: &str, arrived_on: u16) -> Result<(u16, String), NoHop> {
        let uri = Uri::parse(uri.as_bytes()).expect("a URI");
        to_uri(&uri, &listeners(), arrived_on).map(|f| (f.listener, f.remote.to_string()))
    }

    /// RFC 3263 §4.1, §4.2: a numeric host needs no DNS; UDP and port 5060 where nothing is said.
    #[test]
    fn numeric_hosts() {
        assert_eq!(way("sip:a@192.0.2.9", 0), Ok((1, "192.0.2.9:5060".into())));
        assert_eq!(way("sip:a@10.9.9.9:5080", 1), Ok((2, "10.9.9.9:5080".into())));
        assert_eq!(way("sip:a@192.0.2.9;transport=TCP", 0), Ok((3, "192.0.2.9:5060".into())));
        assert_eq!(way("sip:a@127.0.0.7:6000", 1), Ok((0, "127.0.0.7:6000".into())));
        assert_eq!(way("sip:a@[2001:db8::9]", 1), Ok((4, "[2001:db8::9]:5060".into())));
        assert_eq!(way("sip:a@203.0.113.1", 2), Ok((2, "203.0.113.1:5060".into())));
        assert_eq!(way("sip:a@example.org:5070;maddr=192.0.2.9", 0), Ok((1, "192.0.2.9:5070".into())));
    }

    /// RFC 3261 §19.1.2, §26.2.2: sips means TLS and port 5061, whatever transport is written; RFC 5630 §5.3.
    #[test]
    fn secure_uris() {
        let tls = |port| Ok((5, format!("192.0.2.9:{port}")));
        assert_eq!(way("sips:a@192.0.2.9", 0), tls(5061));
        assert_eq!(way("sips:a@192.0.2.9;transport=tcp", 0), tls(5061));
        assert_eq!(way("sips:a@192.0.2.9;transport=udp", 0), tls(5061));
        assert_eq!(way("sips:a@192.0.2.9:5071", 0), tls(5071));
        assert_eq!(way("sip:a@192.0.2.9;transport=tls", 0), tls(5061));
        assert_eq!(way("sips:a@192.0.2.9;transport=sctp", 0), Err(NoHop::NoListener));
        assert_eq!(way("sips:a@[2001:db8::9]", 0), Err(NoHop::NoListener));
    }

    /// RFC 7118 §5: nobody is dialled by WebSocket, although we listen for it.
    #[test]
    fn what_leads_nowhere_says_why() {
        assert_eq!(way("sip:a@example.org", 0), Err(NoHop::Name));
        assert_eq!(way("sip:a@192.0.2.9;transport=ws", 0), Err(NoHop::NoListener));
        assert_eq!(way("tel:+1", 0), Err(NoHop::Scheme));
        assert_eq!(way("sip:224.0.1.75", 0), Err(NoHop::Multicast));
        assert_eq!(way("sip:a@192.0.2.9;maddr=224.0.1.75;ttl=15", 0), Err(NoHop::Multicast));
        assert_eq!(way("sip:a@192.0.2.9;maddr=b.example", 0), Err(NoHop::Name));
        assert_eq!(NoHop::Name.refusal().status(), 502);
    }
}
