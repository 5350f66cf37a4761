//! Whom a penalty meets: one IPv4 address, or the /64 of an IPv6 address, for that is what one subscriber has.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A place that requests come from.
///
/// One number that is never 0: the upper half of an IPv6 address. IPv4 addresses are kept where IPv6 has nobody
/// (0:1::/32), and so is `::/64`, which would be 0; the rest of 0000::/8 to 02ff::/8 is nobody's either (RFC 4291 §2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Source(u64);

const IPV4: u64 = 1 << 32;
const LOWEST_64: u64 = 2 << 32;

/// Keys of sources of datagrams: nobody's addresses (RFC 4291 §2.4).
const BY_DATAGRAM: u64 = 1 << 63;

impl Source {
    /// The source that an address belongs to. An IPv4 address in IPv6 clothes counts as what it is.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(IPV4 | u64::from(ip.to_bits())),
            IpAddr::V6(ip) => match (ip.to_bits() >> 64) as u64 {
                0 => Self(LOWEST_64),
                prefix => Self(prefix),
            },
        }
    }

    /// The address, or the first one of the /64.
    pub fn first_address(self) -> IpAddr {
        match self.0 {
            key if key >> 32 == 1 => Ipv4Addr::from_bits(key as u32).into(),
            LOWEST_64 => Ipv6Addr::UNSPECIFIED.into(),
            prefix => Ipv6Addr::from_bits(u128::from(prefix) << 64).into(),
        }
    }

    /// The number, as tables keep it.
    pub(crate) fn key(self) -> u64 {
        self.0
    }

    /// The number of who is known to be there (a connection says so), or of who may be anybody: a datagram may carry any
    /// address, and shall change nothing for who is really there.
    pub(crate) fn key_by(self, is_there: bool) -> u64 {
        let key = if is_there { self.0 } else { self.0 ^ BY_DATAGRAM };
        key.clamp(1, u64::MAX - 1)
    }

    pub(crate) fn of_key(key: u64) -> Self {
        Self(key)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            key if key >> 32 == 1 => Ipv4Addr::from_bits(key as u32).fmt(f),
            LOWEST_64 => f.write_str("::/64"),
            prefix => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(prefix) << 64)),
        }
    }
}

/// Why a text is no source.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is neither an IP address nor the /64 of one, such as 192.0.2.7 or 2001:db8:0:1::/64")]
pub struct NoSource;

impl FromStr for Source {
    type Err = NoSource;

    fn from_str(text: &str) -> Result<Self, NoSource> {
        let address = text.strip_suffix("/64");
        let ip: IpAddr = address.unwrap_or(text).parse().map_err(|_| NoSource)?;
        if address.is_some() && ip.is_ipv4() { Err(NoSource) } else { Ok(Self::of(ip)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_source_and_a_64_is_one_source() {
        for (ip, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("0.0.0.0", "0.0.0.0"),
            ("2001:db8:0:1:2:3:4:5", "2001:db8:0:1::/64"),
            ("2001:db8:0:1::", "2001:db8:0:1::/64"),
            ("fe80::1", "fe80::/64"),
            ("::1", "::/64"),
        ] {
            let source = Source::of(ip.parse().unwrap());
            assert_eq!(source.to_string(), shown);
            assert_eq!(ip.parse(), Ok(source));
            assert_eq!(shown.parse(), Ok(source));
            assert_ne!(source.key(), 0);
            assert_eq!(Source::of(source.first_address()), source);
        }
    }

    #[test]
    fn other_texts_are_no_sources() {
        for text in ["", "example.org", "192.0.2.7/64", "192.0.2.0/24", "2001:db8::/32", "192.0.2.7:5060"] {
            assert_eq!(text.parse::<Source>(), Err(NoSource), "{text}");
        }
    }
}
