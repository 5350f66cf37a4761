//! Which of our addresses leads to a peer: asked of the kernel, and nothing is sent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The address that the kernel would send from to reach `remote`: that of the interface its routes name.
///
/// # Errors
/// No route leads there, or the machine lacks that address family.
pub fn local_ip_toward(remote: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr =
        if remote.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    // Connecting a datagram socket looks up the route and remembers it; no packet leaves.
    socket.connect(remote)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_leads_to_loopback() {
        let remote = "127.0.0.9:5060".parse().unwrap();
        assert_eq!(local_ip_toward(remote).unwrap(), IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
