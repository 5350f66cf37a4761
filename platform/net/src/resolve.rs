//! From the addresses that an operator writes to those that sockets have.

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};

use offhook_sip::Transport;
use socket2::{Domain, Socket};

use crate::bind::kind_of_socket;
use crate::sys::{Interface, interfaces};
use crate::{Listener, NetError};

/// Most addresses of one server. Each costs a descriptor per shard; a machine with more addresses should name those
/// that it means.
pub const LISTENERS_MAX: usize = 1_024;

/// An address to listen on, and what peers are told instead.
pub type Ask = (Transport, SocketAddr, Option<String>);

/// Spreads 0.0.0.0 and [::] to one listener per address of the interfaces that are up (IPv6 link-local ones excepted:
/// without their interface's name nobody could answer to them), and port 0 to one that the kernel chooses. An address
/// that is both written and found by spreading counts once, as written.
pub fn resolve(asked: &[Ask]) -> Result<Vec<Listener>, NetError> {
    let interfaces = interfaces()?;
    let written: HashSet<_> = asked.iter().map(|(transport, local, _)| (*transport, *local)).collect();
    let mut listeners: Vec<Listener> = Vec::new();
    // Until all are chosen, or the kernel could choose one of them twice.
    let mut held = Vec::new();
    for (transport, local, advertise) in asked {
        let local_port = match local.port() {
            0 => {
                let chosen = choose_port(*transport, *local)?;
                let port = chosen.local_addr().ok().and_then(|at| at.as_socket()).map_or(0, |at| at.port());
                held.push(chosen);
                port
            }
            written => written,
        };
        let spread = local.ip().is_unspecified();
        for (ip, prefix_bits) in addresses(local.ip(), &interfaces) {
            // Scope and flow label stay as they were written.
            let mut exact = *local;
            exact.set_ip(ip);
            exact.set_port(local_port);
            let elsewhere = spread && written.contains(&(*transport, exact));
            if !elsewhere && !listeners.iter().any(|l| l.transport == *transport && l.local == exact) {
                let advertise = advertise.clone();
                listeners.push(Listener { transport: *transport, local: exact, prefix_bits, advertise });
            }
        }
    }
    match listeners.len() {
        0 => Err(NetError::NoListener),
        1..=LISTENERS_MAX => Ok(listeners),
        many => Err(NetError::TooManyListeners(many)),
    }
}

/// The addresses that this machine has, whether somebody listens there or not.
///
/// # Errors
/// The kernel does not say.
pub fn own_addresses() -> Result<Vec<IpAddr>, NetError> {
    Ok(interfaces()?.iter().map(|interface| interface.address).collect())
}

/// The addresses that `ip` means, with the lengths of their networks' prefixes.
fn addresses(ip: IpAddr, interfaces: &[Interface]) -> Vec<(IpAddr, u8)> {
    if !ip.is_unspecified() {
        return vec![(ip, prefix_bits(ip, interfaces))];
    }
    let same_family = interfaces.iter().filter(|i| i.address.is_ipv4() == ip.is_ipv4());
    same_family.filter(|i| !is_link_local_v6(i.address)).map(|i| (i.address, i.prefix_bits)).collect()
}

/// That of the interface which has the address, else of the narrowest network around it (every 127.x.y.z is ours),
/// else the address alone.
fn prefix_bits(ip: IpAddr, interfaces: &[Interface]) -> u8 {
    if let Some(own) = interfaces.iter().find(|i| i.address == ip) {
        return own.prefix_bits;
    }
    let around = interfaces.iter().filter(|i| shared_bits(i.address, ip) >= u32::from(i.prefix_bits));
    around.map(|i| i.prefix_bits).max().unwrap_or(if ip.is_ipv4() { 32 } else { 128 })
}

/// How many leading bits two addresses share.
fn shared_bits(a: IpAddr, b: IpAddr) -> u32 {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u32::from(a) ^ u32::from(b)).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a) ^ u128::from(b)).leading_zeros(),
        _ => 0,
    }
}

fn is_link_local_v6(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// A socket at a port that is free. Of a wildcard address it is free on every address at once, so that all of them get the
/// same.
fn choose_port(transport: Transport, local: SocketAddr) -> Result<Socket, NetError> {
    let try_bind = || -> io::Result<Socket> {
        let (kind, protocol) = kind_of_socket(transport);
        let socket = Socket::new(Domain::for_address(local), kind, protocol)?;
        if local.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&local.into())?;
        Ok(socket)
    };
    try_bind().map_err(|e| NetError::listening(transport, local, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(address: &str, prefix_bits: u8) -> Interface {
        Interface { address: address.parse().unwrap(), prefix_bits }
    }

    fn machine() -> Vec<Interface> {
        vec![
            interface("127.0.0.1", 8),
            interface("::1", 128),
            interface("192.0.2.2", 24),
            interface("192.0.0.1", 16),
            interface("2001:db8::2", 64),
            interface("fe80::1", 64),
        ]
    }

    #[track_caller]
    fn check(ip: &str, expected: &[(&str, u8)]) {
        let expected: Vec<(IpAddr, u8)> = expected.iter().map(|(ip, p)| (ip.parse().unwrap(), *p)).collect();
        assert_eq!(addresses(ip.parse().unwrap(), &machine()), expected);
    }

    #[test]
    fn no_port_is_chosen_twice() {
        let asked = [Transport::Tcp, Transport::Tls, Transport::Ws, Transport::Wss].repeat(50);
        let asked: Vec<_> = asked.into_iter().map(|t| (t, "127.0.0.1:0".parse().unwrap(), None)).collect();
        for _ in 0..10 {
            let ports: HashSet<_> = resolve(&asked).unwrap().iter().map(|l| l.local.port()).collect();
            assert_eq!(ports.len(), asked.len());
        }
    }

    #[test]
    fn a_wildcard_means_every_address_of_its_family() {
        check("0.0.0.0", &[("127.0.0.1", 8), ("192.0.2.2", 24), ("192.0.0.1", 16)]);
    }

    #[test]
    fn link_local_addresses_are_left_out() {
        check("::", &[("::1", 128), ("2001:db8::2", 64)]);
    }

    #[test]
    fn an_address_gets_the_prefix_of_its_network() {
        check("192.0.2.2", &[("192.0.2.2", 24)]);
        check("127.0.0.9", &[("127.0.0.9", 8)]);
        check("192.0.2.77", &[("192.0.2.77", 24)]);
        check("203.0.113.5", &[("203.0.113.5", 32)]);
        check("2001:db9::1", &[("2001:db9::1", 128)]);
    }

    /// RFC 4168: where the kernel has no SCTP, whoever asks for it is told so.
    #[test]
    fn sctp_is_there_or_is_said_not_to_be() {
        let asked = [(Transport::Sctp, "127.0.0.1:0".parse().unwrap(), None)];
        match resolve(&asked) {
            Ok(listeners) => assert!(listeners[0].local.port() > 0),
            Err(error) => assert!(error.to_string().contains("modprobe sctp"), "{error}"),
        }
    }

    #[test]
    fn nothing_asked_is_nothing_to_listen_on() {
        assert!(matches!(resolve(&[]), Err(NetError::NoListener)));
    }
}
