//! What an ICMP error says about a datagram of ours: RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3. RFC 3261 §18.4 says which of
//! them matter: "Host, network, port or protocol unreachable errors, or parameter problem errors SHOULD cause the transport
//! layer to inform the transport user of a failure in sending. Source quench and TTL exceeded ICMP errors SHOULD be ignored."

/// Why a datagram did not arrive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum IcmpError {
    /// No way to its network is known there.
    Network,
    /// Its network does not find the host: it is off, or unplugged.
    Host,
    /// The host is there, and speaks no UDP.
    Protocol,
    /// The host is there, and nobody listens at that port.
    Port,
    /// A firewall or a policy on the way refuses it.
    Prohibited,
    /// A router or the host does not understand its header.
    Parameter,
}

/// RFC 792: "Destination Unreachable" and "Parameter Problem".
const V4_UNREACHABLE: u8 = 3;
const V4_PARAMETER: u8 = 12;

/// RFC 4443 §3.1 and §3.4, the same of IPv6.
const V6_UNREACHABLE: u8 = 1;
const V6_PARAMETER: u8 = 4;
/// RFC 4443 §3.4: "unrecognized Next Header type encountered", which is how a host says that it speaks no UDP.
const V6_NEXT_HEADER: u8 = 1;

impl IcmpError {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Network, Self::Host, Self::Protocol, Self::Port, Self::Prohibited, Self::Parameter];

    /// From the type and code of IPv4. `None`: not an error that matters here.
    pub(crate) fn of_v4(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (V4_PARAMETER, _) => Some(Self::Parameter),
            // 4 is "fragmentation needed": the kernel learns from it, and sends smaller pieces.
            (V4_UNREACHABLE, 0 | 5 | 6 | 11) => Some(Self::Network),
            (V4_UNREACHABLE, 1 | 7 | 8 | 12) => Some(Self::Host),
            (V4_UNREACHABLE, 2) => Some(Self::Protocol),
            (V4_UNREACHABLE, 3) => Some(Self::Port),
            (V4_UNREACHABLE, 9 | 10 | 13..=15) => Some(Self::Prohibited),
            _ => None,
        }
    }

    /// From the type and code of IPv6.
    pub(crate) fn of_v6(kind: u8, code: u8) -> Option<Self> {
        match (kind, code) {
            (V6_PARAMETER, V6_NEXT_HEADER) => Some(Self::Protocol),
            (V6_PARAMETER, _) => Some(Self::Parameter),
            (V6_UNREACHABLE, 0 | 2) => Some(Self::Network),
            (V6_UNREACHABLE, 3) => Some(Self::Host),
            (V6_UNREACHABLE, 4) => Some(Self::Port),
            (V6_UNREACHABLE, 1 | 5 | 6) => Some(Self::Prohibited),
            _ => None,
        }
    }

    /// Whether it may be over in a moment: a router says the same while it looks for another way (RFC 1122 §4.2.3.9 calls these
    /// soft).
    pub fn is_soft(self) -> bool {
        matches!(self, Self::Network | Self::Host)
    }

    /// In words, for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Network => "network unreachable",
            Self::Host => "host unreachable",
            Self::Protocol => "protocol unreachable",
            Self::Port => "port unreachable",
            Self::Prohibited => "administratively prohibited",
            Self::Parameter => "parameter problem",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §18.4: unreachable errors and parameter problems count.
    #[test]
    fn what_counts() {
        use IcmpError::{Host, Network, Parameter, Port, Prohibited, Protocol};
        let v4: Vec<_> = (0..=15).filter_map(|code| IcmpError::of_v4(3, code)).collect();
        let [n, h] = [Network, Host];
        assert_eq!(
            v4,
            [
                n, h, Protocol, Port, n, n, h, h, Prohibited, Prohibited, n, h, Prohibited, Prohibited,
                Prohibited
            ]
        );
        let v6: Vec<_> = (0..=6).filter_map(|code| IcmpError::of_v6(1, code)).collect();
        assert_eq!(v6, [n, Prohibited, n, h, Port, Prohibited, Prohibited]);
        assert_eq!((IcmpError::of_v4(12, 0), IcmpError::of_v6(4, 0)), (Some(Parameter), Some(Parameter)));
        assert_eq!(IcmpError::of_v6(4, 1), Some(Protocol));
    }

    /// RFC 3261 §18.4: "Source quench and TTL exceeded ICMP errors SHOULD be ignored"; what is too long for the way, and what
    /// nobody knows, too.
    #[test]
    fn what_does_not() {
        for (kind, code) in [(4, 0), (11, 0), (11, 1), (5, 1), (3, 4), (3, 16), (0, 3), (255, 255)] {
            assert_eq!(IcmpError::of_v4(kind, code), None, "{kind} {code}");
        }
        for (kind, code) in [(2, 0), (3, 0), (3, 1), (1, 7), (137, 0), (0, 4), (255, 255)] {
            assert_eq!(IcmpError::of_v6(kind, code), None, "{kind} {code}");
        }
    }

    #[test]
    fn soft_ones_are_what_routers_say() {
        use IcmpError::{Host, Network, Parameter, Port, Prohibited, Protocol};
        assert!([Network, Host].into_iter().all(IcmpError::is_soft));
        assert!(![Protocol, Port, Prohibited, Parameter].into_iter().any(IcmpError::is_soft));
    }
}
