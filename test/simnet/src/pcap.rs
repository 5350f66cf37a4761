//! A trace as a capture file for Wireshark: pcap with raw IP packets (LINKTYPE_RAW).
//!
//! Packets are shown as they pass between the translators, at the time of sending; also those that are lost then.
//! A stream becomes TCP as it might have been: a handshake, segments with right numbers, FIN or RST.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use offhook_sip::Transport;

use crate::trace::{Entry, Event};
use crate::world::BEGIN_MS;

const LINKTYPE_RAW: u32 = 101;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
/// Payload of one TCP segment: what Ethernet leaves after the headers.
const SEGMENT_BYTES: usize = 1440;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;

type Wire = (SocketAddr, SocketAddr);

/// The whole file.
pub(crate) fn capture(entries: &[Entry]) -> Vec<u8> {
    let mut file = Capture { bytes: Vec::new(), next_sequence: BTreeMap::new(), micros: 0 };
    // Magic number of microsecond files, version 2.4, no offset, no accuracy, snap length, link type.
    for word in [0xA1B2_C3D4, 0x0002_0004, 0, 0, 0x0004_0000, LINKTYPE_RAW] {
        file.bytes.extend_from_slice(&u32::to_be_bytes(word));
    }
    for entry in entries {
        file.at((BEGIN_MS + entry.sent_ms) * 1000);
        match (&entry.event, entry.transport) {
            (Event::Message(bytes), Transport::Udp) => file.datagram(entry.wire, bytes),
            (Event::Message(bytes), _) => file.segments(entry.wire, bytes),
            (Event::Opened, _) => file.handshake(entry),
            (Event::Closed, _) => file.segment(entry.wire, FIN | ACK, &[]),
            (Event::Reset, _) => file.segment(entry.wire, RST | ACK, &[]),
        }
    }
    file.bytes
}

struct Capture {
    bytes: Vec<u8>,
    /// Of each direction of each stream.
    next_sequence: BTreeMap<Wire, u32>,
    /// Time of the last packet; packets of one instant are a microsecond apart, to keep their order.
    micros: u64,
}

impl Capture {
    fn at(&mut self, micros: u64) {
        self.micros = self.micros.max(micros);
    }

    fn datagram(&mut self, wire: Wire, payload: &[u8]) {
        let mut packet = Vec::with_capacity(8 + payload.len());
        packet.extend_from_slice(&wire.0.port().to_be_bytes());
        packet.extend_from_slice(&wire.1.port().to_be_bytes());
        // Too big for UDP, and so never sent: there is no packet to show.
        let Ok(len) = u16::try_from(8 + payload.len()) else { return };
        packet.extend_from_slice(&len.to_be_bytes());
        packet.extend_from_slice(&[0, 0]);
        packet.extend_from_slice(payload);
        self.packet(wire, PROTOCOL_UDP, packet, 6);
    }

    fn handshake(&mut self, entry: &Entry) {
        let (there, back) = (entry.wire, (entry.wire.1, entry.wire.0));
        self.next_sequence.insert(there, 1000);
        self.next_sequence.insert(back, 5000);
        self.segment(there, SYN, &[]);
        match entry.fate {
            crate::Fate::Arrived { .. } => {
                self.segment(back, SYN | ACK, &[]);
                self.segment(there, ACK, &[]);
            }
            crate::Fate::Lost(crate::Loss::NobodyListens) => self.segment(back, RST | ACK, &[]),
            _ => {}
        }
    }

    fn segments(&mut self, wire: Wire, payload: &[u8]) {
        for piece in payload.chunks(SEGMENT_BYTES) {
            self.segment(wire, PSH | ACK, piece);
        }
    }

    fn segment(&mut self, wire: Wire, flags: u8, payload: &[u8]) {
        let acknowledged = self.next_sequence.get(&(wire.1, wire.0)).copied().unwrap_or(0);
        let sequence = self.next_sequence.entry(wire).or_insert(1000);
        let mut packet = Vec::with_capacity(20 + payload.len());
        packet.extend_from_slice(&wire.0.port().to_be_bytes());
        packet.extend_from_slice(&wire.1.port().to_be_bytes());
        packet.extend_from_slice(&sequence.to_be_bytes());
        packet.extend_from_slice(&(if flags & ACK == 0 { 0 } else { acknowledged }).to_be_bytes());
        // Header of five words; the flags; a full window; checksum and urgent pointer.
        packet.extend_from_slice(&[5 << 4, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        packet.extend_from_slice(payload);
        // SYN and FIN count as one byte: RFC 9293 §3.4.
        let counted = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        *sequence = sequence.wrapping_add(counted);
        self.packet(wire, PROTOCOL_TCP, packet, 16);
    }

    /// Wraps a transport packet whose checksum belongs at `checksum_at`.
    fn packet(&mut self, wire: Wire, protocol: u8, mut inner: Vec<u8>, checksum_at: usize) {
        let checksum = match internet_checksum(&[&pseudo_header(wire, protocol, inner.len()), &inner]) {
            0 if protocol == PROTOCOL_UDP => 0xFFFF, // 0 means "none": RFC 768
            checksum => checksum,
        };
        inner[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_be_bytes());
        let header = ip_header(wire, protocol, inner.len());
        let len = (header.len() + inner.len()) as u32;
        let times = [(self.micros / 1_000_000) as u32, (self.micros % 1_000_000) as u32];
        for word in [times[0], times[1], len, len] {
            self.bytes.extend_from_slice(&word.to_be_bytes());
        }
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(&inner);
        self.micros += 1;
    }
}

fn ip_header(wire: Wire, protocol: u8, payload_len: usize) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (wire.0.ip(), wire.1.ip()) else {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend_from_slice(&(payload_len as u16).to_be_bytes());
        header.extend_from_slice(&[protocol, 64]);
        header.extend_from_slice(&as_v6(wire.0).octets());
        header.extend_from_slice(&as_v6(wire.1).octets());
        return header;
    };
    let mut header = vec![0x45, 0];
    header.extend_from_slice(&(20 + payload_len as u16).to_be_bytes());
    header.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend_from_slice(&source.octets());
    header.extend_from_slice(&destination.octets());
    let checksum = internet_checksum(&[&header]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// What the checksum of UDP and TCP covers besides the packet: RFC 768, RFC 8200 §8.1.
fn pseudo_header(wire: Wire, protocol: u8, len: usize) -> Vec<u8> {
    let mut header = Vec::new();
    match (wire.0.ip(), wire.1.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            header.extend_from_slice(&source.octets());
            header.extend_from_slice(&destination.octets());
        }
        _ => {
            header.extend_from_slice(&as_v6(wire.0).octets());
            header.extend_from_slice(&as_v6(wire.1).octets());
        }
    }
    header.extend_from_slice(&(len as u32).to_be_bytes());
    header.extend_from_slice(&u32::from(protocol).to_be_bytes());
    header
}

fn as_v6(address: SocketAddr) -> Ipv6Addr {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

/// RFC 1071. Each part but the last has an even length.
fn internet_checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum: u64 = words.map(|w| u64::from(u16::from_be_bytes([w[0], w.get(1).copied().unwrap_or(0)]))).sum();
    let mut folded = sum;
    while folded > 0xFFFF {
        folded = (folded & 0xFFFF) + (folded >> 16);
    }
    !(folded as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 §3: the sum of these words is DDF2 before it is complemented.
    #[test]
    fn checksum_of_rfc_1071() {
        let data = [0x00, 0x01, 0xF2, 0x03, 0xF4, 0xF5, 0xF6, 0xF7];
        assert_eq!(internet_checksum(&[&data]), !0xDDF2);
    }
}
