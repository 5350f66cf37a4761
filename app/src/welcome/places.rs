//! Where the server listens, as a person looks for it: one line for each address, the most useful one first.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

use offhook_proxy::Local;
use offhook_sip::Transport;

/// Lines that are shown. A machine full of containers has hundreds of addresses; the log names all.
const LINES_MAX: usize = 8;

/// Far away: addresses of the documentation networks (RFC 5737, RFC 3849), to which nothing is sent.
const ELSEWHERE: [&str; 2] = ["198.51.100.1:5060", "[2001:db8::1]:5060"];

/// One address with the transports that it takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The address and port.
    pub address: SocketAddr,
    /// What a phone is told: the advertised name, or the address without the port that every phone assumes.
    pub sent_by: String,
    /// Whether `sent_by` is not just the address.
    advertised: bool,
    transports: Vec<Transport>,
}

impl Place {
    /// Whether a phone reaches it by what it tries first.
    pub fn has_udp(&self) -> bool {
        self.transports.contains(&Transport::Udp)
    }

    /// Whether only this machine can reach it.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().is_loopback()
    }
}

/// The address of ours that leads out of this machine, if any does.
pub fn outward_ip() -> Option<IpAddr> {
    ELSEWHERE.iter().find_map(|elsewhere| offhook_net::local_ip_toward(elsewhere.parse().ok()?).ok())
}

/// The listeners by address: those that others can reach first, the one that leads outward before all.
pub fn places(locals: &[Local], outward: Option<IpAddr>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for local in locals {
        let same = |place: &&mut Place| place.address == local.address && place.sent_by == local.sent_by;
        match places.iter_mut().find(same) {
            Some(place) => place.transports.push(local.transport),
            None => {
                let plain = Local::new(local.transport, local.address, None);
                places.push(Place {
                    address: local.address,
                    sent_by: local.sent_by.clone(),
                    advertised: plain.sent_by != local.sent_by,
                    transports: vec![local.transport],
                });
            }
        }
    }
    // Stable: beyond this the order of the interfaces stays.
    places.sort_by_key(|place| {
        let ip = place.address.ip();
        (ip.is_loopback(), outward != Some(ip), ip.is_ipv6(), !place.has_udp())
    });
    places
}

/// Writes one line for each.
pub fn write(places: &[Place], text: &mut String) {
    let shown = &places[..places.len().min(LINES_MAX)];
    let width = shown.iter().map(|place| place.address.to_string().len()).max().unwrap_or(0);
    for place in shown {
        let transports: Vec<&str> = place.transports.iter().map(|transport| transport.name()).collect();
        let note = match (place.advertised, place.is_loopback()) {
            (true, _) => format!("  known as {}", place.sent_by),
            (false, true) => "  this machine alone".to_owned(),
            (false, false) => String::new(),
        };
        let address = place.address.to_string();
        let line = format!("  {address:<width$}  {:<8}{note}", transports.join(" "));
        // A String takes everything.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if places.len() > shown.len() {
        let _ = writeln!(text, "  and {} more addresses, which the log names", places.len() - shown.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(transport: Transport, address: &str) -> Local {
        Local::new(transport, address.parse().unwrap(), None)
    }

    fn lines(locals: &[Local], outward: &str) -> Vec<String> {
        let mut text = String::new();
        write(&places(locals, outward.parse().ok()), &mut text);
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_most_useful_address_comes_first() {
        let addresses =
            ["127.0.0.1:5060", "[2001:db8::2]:5060", "172.17.0.1:5060", "192.0.2.2:5060", "[::1]:5060"];
        let both = |address: &&str| [local(Transport::Udp, address), local(Transport::Tcp, address)];
        let locals: Vec<Local> = addresses.iter().flat_map(both).collect();
        let expected = [
            "  192.0.2.2:5060      udp tcp",
            "  172.17.0.1:5060     udp tcp",
            "  [2001:db8::2]:5060  udp tcp",
            "  127.0.0.1:5060      udp tcp   this machine alone",
            "  [::1]:5060          udp tcp   this machine alone",
        ];
        assert_eq!(lines(&locals, "192.0.2.2"), expected);
    }

    #[test]
    fn many_addresses_are_counted() {
        let locals: Vec<Local> =
            (1..=20).map(|host| local(Transport::Tcp, &format!("192.0.2.{host}:5060"))).collect();
        let lines = lines(&locals, "192.0.2.20");
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert_eq!(lines[0], "  192.0.2.20:5060  tcp");
        assert_eq!(lines[LINES_MAX], "  and 12 more addresses, which the log names");
    }

    #[test]
    fn an_advertised_name_is_what_phones_are_told() {
        let address = "192.0.2.2:5060".parse().unwrap();
        let locals = [Local::new(Transport::Udp, address, Some("sip.example.org"))];
        assert_eq!(places(&locals, None)[0].sent_by, "sip.example.org");
        assert_eq!(lines(&locals, ""), ["  192.0.2.2:5060  udp       known as sip.example.org"]);
    }
}
