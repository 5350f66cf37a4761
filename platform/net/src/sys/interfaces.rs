//! The addresses of this machine: `getifaddrs`.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

/// One address of an interface that is up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interface {
    pub(crate) address: IpAddr,
    /// Length of the network's prefix.
    pub(crate) prefix_bits: u8,
}

/// Every IPv4 and IPv6 address, in the kernel's order.
pub(crate) fn interfaces() -> io::Result<Vec<Interface>> {
    let mut list: *mut libc::ifaddrs = ptr::null_mut();
    // SAFETY: the call writes one pointer.
    if unsafe { libc::getifaddrs(&mut list) } < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut found = Vec::new();
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: entries are valid until the list is freed below; each leads to the next or to null.
        let current = unsafe { &*entry };
        if current.ifa_flags & libc::IFF_UP as u32 != 0 {
            // SAFETY: addresses of an entry are null or as long as their family says.
            let (address, mask) = unsafe { (read_ip(current.ifa_addr), read_ip(current.ifa_netmask)) };
            if let (Some(address), Some(mask)) = (address, mask) {
                found.push(Interface { address, prefix_bits: prefix_bits(mask) });
            }
        }
        entry = current.ifa_next;
    }
    // SAFETY: made by getifaddrs, freed once, not looked at afterwards.
    unsafe { libc::freeifaddrs(list) };
    Ok(found)
}

/// # Safety
/// The pointer is null or leads to an address as long as its family says.
unsafe fn read_ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null; every family begins with its number.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: this family is this struct.
            let v4 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
            Some(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).into())
        }
        libc::AF_INET6 => {
            // SAFETY: this family is this struct.
            let v6 = unsafe { ptr::read_unaligned(address.cast::<libc::sockaddr_in6>()) };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

fn prefix_bits(mask: IpAddr) -> u8 {
    let bits = match mask {
        IpAddr::V4(v4) => u32::from(v4).leading_ones(),
        IpAddr::V6(v6) => u128::from(v6).leading_ones(),
    };
    bits as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_there_with_its_prefix() {
        let loopback = Interface { address: Ipv4Addr::LOCALHOST.into(), prefix_bits: 8 };
        assert!(interfaces().unwrap().contains(&loopback));
    }

    #[test]
    fn masks_become_lengths() {
        let bits = |mask: &str| prefix_bits(mask.parse().unwrap());
        assert_eq!([bits("255.255.255.0"), bits("0.0.0.0"), bits("255.255.255.255")], [24, 0, 32]);
        assert_eq!([bits("ffff:ffff:ffff:ffff::"), bits("ffff::")], [64, 16]);
    }
}
