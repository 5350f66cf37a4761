//! Socket addresses as the kernel writes them: `struct sockaddr_in` and `struct sockaddr_in6` of Linux.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// The longer of the two, `sockaddr_in6`, bytes. (`sockaddr_storage` has 128: four times the memory to touch.)
pub(super) const RAW_ADDRESS_BYTES: usize = size_of::<libc::sockaddr_in6>();

/// Bytes that hold either address. Family and scope are in the machine's order, port and address in the network's.
#[derive(Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct RawAddress([u8; RAW_ADDRESS_BYTES]);

impl RawAddress {
    pub(super) const EMPTY: Self = Self([0; RAW_ADDRESS_BYTES]);

    /// The address and how many of the bytes count.
    pub(super) fn encode(address: &SocketAddr) -> (Self, u32) {
        let mut raw = [0; RAW_ADDRESS_BYTES];
        raw[2..4].copy_from_slice(&address.port().to_be_bytes());
        let length = match address {
            SocketAddr::V4(v4) => {
                raw[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                raw[4..8].copy_from_slice(&v4.ip().octets());
                size_of::<libc::sockaddr_in>()
            }
            SocketAddr::V6(v6) => {
                raw[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                raw[8..24].copy_from_slice(&v6.ip().octets());
                raw[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                size_of::<libc::sockaddr_in6>()
            }
        };
        (Self(raw), length as u32)
    }

    /// `None` for a family that is neither, or too few bytes. The flow label of IPv6 is dropped: it names no peer.
    pub(super) fn decode(&self, length: u32) -> Option<SocketAddr> {
        let raw = &self.0;
        let family = i32::from(u16::from_ne_bytes([raw[0], raw[1]]));
        let port = u16::from_be_bytes([raw[2], raw[3]]);
        let length = length as usize;
        if family == libc::AF_INET && length >= size_of::<libc::sockaddr_in>() {
            let octets: [u8; 4] = raw[4..8].try_into().ok()?;
            return Some(SocketAddrV4::new(Ipv4Addr::from(octets), port).into());
        }
        if family == libc::AF_INET6 && length >= size_of::<libc::sockaddr_in6>() {
            let octets: [u8; 16] = raw[8..24].try_into().ok()?;
            let scope = u32::from_ne_bytes(raw[24..28].try_into().ok()?);
            return Some(SocketAddrV6::new(Ipv6Addr::from(octets), port, 0, scope).into());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    #[test]
    fn both_families_survive_the_way_there_and_back() {
        for text in
            ["192.0.2.7:5060", "0.0.0.0:0", "255.255.255.255:65535", "[2001:db8::1]:5060", "[fe80::1%7]:5061"]
        {
            let address: SocketAddr = text.parse().unwrap();
            let (raw, length) = RawAddress::encode(&address);
            assert_eq!(raw.decode(length), Some(address), "{text}");
        }
    }

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(offset_of!(libc::sockaddr_in, sin_family), 0);
        assert_eq!(offset_of!(libc::sockaddr_in, sin_port), 2);
        assert_eq!(offset_of!(libc::sockaddr_in, sin_addr), 4);
        assert_eq!(offset_of!(libc::sockaddr_in6, sin6_family), 0);
        assert_eq!(offset_of!(libc::sockaddr_in6, sin6_port), 2);
        assert_eq!(offset_of!(libc::sockaddr_in6, sin6_addr), 8);
        assert_eq!(offset_of!(libc::sockaddr_in6, sin6_scope_id), 24);
    }

    #[test]
    fn what_is_no_internet_address_is_none() {
        let (raw, length) = RawAddress::encode(&"[::1]:1".parse().unwrap());
        assert_eq!(raw.decode(length - 1), None);
        assert_eq!(RawAddress::EMPTY.decode(28), None);
    }
}
