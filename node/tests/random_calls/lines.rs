//! How people are connected: where an exchange listens for each transport, and what is written about that in URIs and Vias
//! (RFC 3261 §18, §19.1.2; RFC 7118 §5).

use std::net::{IpAddr, SocketAddr};

use offhook_sip::Transport::{self, Sctp, Tcp, Tls, Udp, Ws, Wss};

/// What every exchange has.
pub(crate) const PLAIN: [Transport; 2] = [Udp, Tcp];
/// What it has besides in evenings with secure links and browsers.
pub(crate) const MORE: [Transport; 3] = [Tls, Ws, Wss];

/// Where the exchange with this number listens.
pub(crate) fn door(exchange: usize, transport: Transport) -> SocketAddr {
    let port = match transport {
        Ws => 8080,
        _ => usual_port(transport),
    };
    format!("198.51.100.{}:{port}", exchange + 1).parse().expect("an address")
}

/// The port that is meant where none is written.
pub(crate) fn usual_port(transport: Transport) -> u16 {
    match transport {
        Udp | Tcp | Sctp => 5060,
        Tls => 5061,
        Ws => 80,
        Wss => 443,
    }
}

/// Its name in a Via.
pub(crate) fn token(transport: Transport) -> &'static str {
    match transport {
        Udp => "UDP",
        Tcp => "TCP",
        Tls => "TLS",
        Sctp => "SCTP",
        Ws => "WS",
        Wss => "WSS",
    }
}

/// Its name in a URI: RFC 7118 §5.2.1 has one for both kinds of WebSocket.
fn uri_name(transport: Transport) -> &'static str {
    match transport {
        Udp => "udp",
        Tcp => "tcp",
        Tls => "tls",
        Sctp => "sctp",
        Ws | Wss => "ws",
    }
}

/// What a Contact says of it.
pub(crate) fn uri_param(transport: Transport) -> String {
    if transport == Udp { String::new() } else { format!(";transport={}", uri_name(transport)) }
}

/// The place that a URI of an exchange names, where it is one that everybody has.
pub(crate) fn place_of(uri: &str) -> Option<(Transport, SocketAddr)> {
    let host = uri.strip_prefix("sip:")?.split(';').next()?.rsplit('@').next()?;
    let local = host.parse().ok().or_else(|| Some(SocketAddr::new(host.parse().ok()?, 5060)))?;
    PLAIN.into_iter().map(|transport| (transport, local)).find(|place| is_at(uri, *place))
}

/// Whether a URI asks for TLS on every hop (RFC 3261 §26.2.2).
pub(crate) fn is_sips(uri: &str) -> bool {
    uri.starts_with("sips:")
}

/// A URI without its scheme: whom it names, by whatever hops.
pub(crate) fn bare(uri: &str) -> &str {
    uri.strip_prefix("sips:").or_else(|| uri.strip_prefix("sip:")).unwrap_or(uri)
}

/// Whether what travels by this is safe from others.
pub(crate) fn is_safe(transport: Transport) -> bool {
    matches!(transport, Tls | Wss)
}

/// Whether a URI names this place.
pub(crate) fn is_at(uri: &str, (transport, local): (Transport, SocketAddr)) -> bool {
    if is_sips(uri) && !is_safe(transport) {
        return false;
    }
    let usual = if is_sips(uri) { "tls" } else { "udp" };
    let mut parts = bare(uri).split(';');
    let host = parts.next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let named = parts.find_map(|part| part.strip_prefix("transport=")).unwrap_or(usual);
    let alone = || Some(SocketAddr::new(host.parse::<IpAddr>().ok()?, usual_port(transport)));
    named == uri_name(transport) && host.parse().ok().or_else(alone) == Some(local)
}
