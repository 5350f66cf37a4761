//! Networks as people write them: `192.0.2.0/24`, `2001:db8::/32`, or one address.

use std::fmt;
use std::net::IpAddr;

use crate::error::Fault;
use crate::table::Kind;
use crate::value::FromText;

/// A range of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    first: IpAddr,
    bits: u8,
}

impl Network {
    /// Whether `ip` is in it. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`) counts as what it is.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.first, ip.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(ip)) => {
                let away = first.to_bits() ^ ip.to_bits();
                away.checked_shr(32 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            (IpAddr::V6(first), IpAddr::V6(ip)) => {
                let away = first.to_bits() ^ ip.to_bits();
                away.checked_shr(128 - u32::from(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = if self.first.is_ipv4() { 32 } else { 128 };
        if self.bits == whole { self.first.fmt(f) } else { write!(f, "{}/{}", self.first, self.bits) }
    }
}

impl FromText for Network {
    const KIND: Kind = Kind::Text("an IP address or a network (`192.0.2.0/24`)");

    fn from_text(text: &str) -> Result<Self, Fault> {
        const FORM: &str =
            "an address or a network is wanted, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32";
        const REST: &str = "bits behind the network's length are set; write the first address of the network";
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| Fault::Malformed(FORM))?;
        let whole = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(whole), |bits| bits.parse().map_err(|_| Fault::Malformed(FORM)))?;
        if bits > whole {
            return Err(Fault::Malformed(FORM));
        }
        let rest = match first {
            IpAddr::V4(ip) => u128::from(ip.to_bits().checked_shl(u32::from(bits)).unwrap_or(0)),
            IpAddr::V6(ip) => ip.to_bits().checked_shl(u32::from(bits)).unwrap_or(0),
        };
        if rest != 0 { Err(Fault::Malformed(REST)) } else { Ok(Self { first, bits }) }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_what_they_should() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("10.0.0.0/8", "::ffff:10.9.9.9", "2001:db8::1"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
        ] {
            let read = Network::from_text(network).expect(network);
            assert!(read.contains(inside.parse().expect(inside)), "{network} {inside}");
            assert!(!read.contains(outside.parse().expect(outside)), "{network} {outside}");
            assert_eq!(read.text(), network);
        }
    }

    #[test]
    fn a_wrong_network_says_why() {
        for (text, why) in [
            ("192.0.2.1/24", "bits behind"),
            ("192.0.2.0/33", "is wanted"),
            ("2001:db8::1/64", "bits behind"),
            ("example.org", "is wanted"),
            ("192.0.2.0/", "is wanted"),
            ("", "is wanted"),
        ] {
            let said = Network::from_text(text).map_err(|fault| fault.to_string());
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{text}: {said:?}");
        }
    }
}
