//! Which addresses a name may lead to. Whoever owns a name decides what stands behind it: also an address inside our own
//! network, which he could not reach by himself.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that are taken from answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// Only what the whole Internet can reach.
    #[default]
    Public,
    /// Those of private networks and of this machine too.
    Private,
}

impl Reach {
    /// The address in its plain form, if something may be sent there.
    pub fn take(self, ip: IpAddr) -> Option<IpAddr> {
        // ::ffff:127.0.0.1 is 127.0.0.1, whatever it is written as.
        let ip = ip.to_canonical();
        let leads_nowhere = match ip {
            IpAddr::V4(v4) => v4.octets()[0] == 0 || v4.octets()[0] >= 224,
            IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
        };
        (!leads_nowhere && (self == Self::Private || !is_private(ip))).then_some(ip)
    }
}

/// Loopback, link-local, private and shared networks: RFC 1918, 3927, 6598, 4193, 4291; and those that carry an IPv4
/// address inside (RFC 3056, 6052).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => is_private_v6(v6),
    }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    v4.is_loopback() || v4.is_private() || v4.is_link_local() || a == 100 && (64..128).contains(&b)
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    let inside =
        |high: u16, low: u16| is_private_v4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    v6.is_loopback()
        || s[0] & 0xfe00 == 0xfc00
        || s[0] & 0xffc0 == 0xfe80
        || s[..6] == [0; 6]
        || s[0] == 0x2002 && inside(s[1], s[2])
        || s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] && inside(s[6], s[7])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(reach: Reach, text: &str) -> bool {
        reach.take(text.parse().expect("an address")).is_some()
    }

    #[test]
    fn a_name_from_outside_does_not_lead_inside() {
        let inside = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "2002:7f00:1::1",
            "64:ff9b::a00:1",
        ];
        for text in inside {
            assert!(!taken(Reach::Public, text), "{text}");
            assert!(taken(Reach::Private, text), "{text}");
        }
        for text in
            ["192.0.2.1", "100.128.0.1", "172.32.0.1", "2001:db8::1", "2002:c000:201::1", "64:ff9b::c000:201"]
        {
            assert!(taken(Reach::Public, text), "{text}");
        }
    }

    #[test]
    fn some_addresses_lead_nowhere_at_all() {
        for text in ["0.0.0.0", "0.1.2.3", "224.0.1.75", "255.255.255.255", "240.0.0.1", "::", "ff02::1"] {
            assert!(!taken(Reach::Private, text), "{text}");
        }
    }
}
