//! Flows as bytes, short, for sealing: a flow travels in every message of its dialog.
//!
//! ```text
//!   1 byte   transport (low bits), IPv6, connection, mark    0xff: no flow
//!   2        listener
//!   2 + 4/16 port and address of the peer
//!   12       process, index and generation of the connection, where there is one
//!   8        the mark of the phone at its far end, where it is known
//! ```
//! Any transport is written alike, so a new one needs nothing here.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU64;

use arrayvec::ArrayVec;
use offhook_net::{ConnectionId, Flow};
use offhook_sip::Transport;

/// Bytes of the longest flow.
const FLOW_BYTES_MAX: usize = 1 + 2 + 2 + 16 + 12 + 8;

/// Bytes of what is said about trunks: two marks, a number, how often that was repeated.
pub(crate) const TRUNK_BYTES: usize = 4 + 4 + 4 + 1;

/// Room for a mark, two flows, and for trunks.
pub(crate) type FlowBytes = ArrayVec<u8, { 1 + 2 * FLOW_BYTES_MAX + TRUNK_BYTES }>;

const NO_FLOW: u8 = 0xff;
const IPV6: u8 = 0x20;
const CONNECTION: u8 = 0x10;
const MARK: u8 = 0x40;
const TRANSPORT_BITS: u8 = 0x0f;

/// What tells a phone from all others: equal for its registrations by one connection and the next.
pub type PhoneMark = NonZeroU64;

/// A flow, and the phone at its far end, where that is known by its registration.
pub(crate) type Marked = (Flow, Option<PhoneMark>);

/// A flow as it was read back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// None was written.
    None,
    /// It may still be there.
    Flow(Marked),
    /// Its connection belonged to an earlier process, so it is gone, whatever number it had. What is left says only
    /// where the peer was, and who.
    Gone(Marked),
}

/// Appends the flow. What does not fit is not written; [`FlowBytes`] holds two.
pub(crate) fn write(flow: Option<Marked>, process: u32, out: &mut FlowBytes) {
    let mut put = |bytes: &[u8]| {
        let _ = out.try_extend_from_slice(bytes);
    };
    let Some((flow, mark)) = flow else { return put(&[NO_FLOW]) };
    let transport = Transport::ALL.iter().position(|t| *t == flow.transport).unwrap_or(0) as u8;
    let connection = if flow.connection.is_some() { CONNECTION } else { 0 };
    let family = if flow.remote.is_ipv6() { IPV6 } else { 0 };
    let marked = if mark.is_some() { MARK } else { 0 };
    put(&[transport | connection | family | marked]);
    put(&flow.listener.to_le_bytes());
    put(&flow.remote.port().to_le_bytes());
    match flow.remote.ip() {
        IpAddr::V4(ip) => put(&ip.octets()),
        IpAddr::V6(ip) => put(&ip.octets()),
    }
    if connection != 0 {
        put(&process.to_le_bytes());
        put(&flow.connection.index.to_le_bytes());
        put(&flow.connection.generation.to_le_bytes());
    }
    if let Some(mark) = mark {
        put(&mark.get().to_le_bytes());
    }
}

/// Reads a flow from the front of `bytes`, and goes past it. `None`: these bytes are none.
pub(crate) fn read(bytes: &mut &[u8], process: u32) -> Option<Read> {
    let flags = array::<1>(bytes)?[0];
    if flags == NO_FLOW {
        return Some(Read::None);
    }
    let transport = *Transport::ALL.get(usize::from(flags & TRANSPORT_BITS))?;
    let listener = u16::from_le_bytes(array(bytes)?);
    let port = u16::from_le_bytes(array(bytes)?);
    let ip = if flags & IPV6 != 0 {
        IpAddr::V6(Ipv6Addr::from(array::<16>(bytes)?))
    } else {
        IpAddr::V4(Ipv4Addr::from(array::<4>(bytes)?))
    };
    let remote = SocketAddr::new(ip, port);
    let (mut connection, mut owner) = (ConnectionId::NONE, process);
    if flags & CONNECTION != 0 {
        owner = u32::from_le_bytes(array(bytes)?);
        let index = u32::from_le_bytes(array(bytes)?);
        connection = ConnectionId { index, generation: u32::from_le_bytes(array(bytes)?) };
    }
    let mark = match flags & MARK {
        0 => None,
        _ => PhoneMark::new(u64::from_le_bytes(array(bytes)?)),
    };
    let flow = |connection| (Flow { transport, listener, connection, remote }, mark);
    Some(match owner == process {
        true => Read::Flow(flow(connection)),
        false => Read::Gone(flow(ConnectionId::NONE)),
    })
}

fn array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (front, rest) = bytes.split_at_checked(N)?;
    *bytes = rest;
    front.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_come_back() {
        for transport in Transport::ALL {
            for remote in ["10.0.0.1:4000", "[2001:db8::7]:65535"] {
                for connection in [ConnectionId::NONE, ConnectionId { index: 70_000, generation: u32::MAX }] {
                    let remote = remote.parse().expect("an address");
                    let flow = Flow { transport, listener: 700, connection, remote };
                    for mark in [None, PhoneMark::new(u64::MAX)] {
                        comes_back((flow, mark));
                    }
                }
            }
        }
    }

    fn comes_back((flow, mark): Marked) {
        let mut bytes = FlowBytes::new();
        write(Some((flow, mark)), 5, &mut bytes);
        write(Some((flow, mark)), 5, &mut bytes);
        let mut text = &bytes[..];
        assert_eq!(read(&mut text, 5), Some(Read::Flow((flow, mark))));
        let other = read(&mut text, 6);
        let gone = match flow.connection.is_some() {
            true => Read::Gone((Flow { connection: ConnectionId::NONE, ..flow }, mark)),
            false => Read::Flow((flow, mark)),
        };
        assert_eq!((other, text), (Some(gone), &b""[..]), "in the next process");
        for end in 0..bytes.len() / 2 {
            assert_eq!(read(&mut &bytes[..end], 5), None, "cut at {end}");
        }
    }

    #[test]
    fn no_flow_is_one_byte() {
        let mut bytes = FlowBytes::new();
        write(None, 5, &mut bytes);
        assert_eq!((bytes.len(), read(&mut &bytes[..], 5)), (1, Some(Read::None)));
    }
}
