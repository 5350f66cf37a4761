//! STUN as far as SIP's keep-alive needs it: a Binding request on the SIP port is answered with the address it came from
//! (RFC 5626 §3.5.2 and §8, RFC 5389).
//!
//! ```text
//!   0                   2                  4                8                 20
//!   │ type (00 + method) │ length, mod 4    │ 0x2112A442     │ transaction id  │ attributes: type, length, value …
//! ```
//! A server in one function: [`answer`]. What is not a sound Binding request gets no answer, so it cannot be used to
//! send bytes at strangers; an answer is at most [`ANSWER_BYTES_MAX`] long.

#![forbid(unsafe_code)]

use std::net::{IpAddr, SocketAddr};

const HEADER_BYTES: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;
const BINDING_ERROR: u16 = 0x0111;

const ERROR_CODE: u16 = 0x0009;
const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const FINGERPRINT: u16 = 0x8028;

/// Attributes below this must be understood (RFC 5389 §15).
const OPTIONAL_FROM: u16 = 0x8000;

/// Attributes that mean nothing here but belong to other uses of STUN, and so do no harm: MAPPED-ADDRESS, USERNAME,
/// MESSAGE-INTEGRITY, REALM, NONCE (RFC 5389 §15), PRIORITY, USE-CANDIDATE (RFC 8445 §16.1).
const HARMLESS: [u16; 7] = [0x0001, 0x0006, 0x0008, 0x0014, 0x0015, 0x0024, 0x0025];

/// So many unknown attributes are named in a refusal.
const UNKNOWN_MAX: usize = 4;

/// What RFC 5389 §15.5 XORs a checksum with.
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// The longest answer: a mapped IPv6 address.
pub const ANSWER_BYTES_MAX: usize = HEADER_BYTES + 4 + 20;

/// Whether a datagram on a SIP port is STUN: no SIP message begins with such a byte (RFC 5626 §8).
pub fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(0 | 1))
}

/// Appends the answer to a Binding request from `source`. `false`: there is none to give, and nothing was appended.
pub fn answer(datagram: &[u8], source: SocketAddr, out: &mut Vec<u8>) -> bool {
    let Some(request) = Request::read(datagram) else { return false };
    match request.unknown() {
        [] => request.write_success(source, out),
        unknown => request.write_refusal(unknown, out),
    }
    true
}

/// A sound Binding request.
struct Request<'a> {
    /// Cookie and transaction id.
    name: &'a [u8],
    unknown: [u16; UNKNOWN_MAX],
    unknown_len: usize,
}

impl<'a> Request<'a> {
    fn read(datagram: &'a [u8]) -> Option<Self> {
        let (header, mut attributes) = datagram.split_at_checked(HEADER_BYTES)?;
        let (kind, length) = (u16_at(header, 0)?, usize::from(u16_at(header, 2)?));
        let name = header.get(4..)?;
        let sound = kind == BINDING_REQUEST && name.starts_with(&MAGIC) && length.is_multiple_of(4);
        if !sound || length != attributes.len() {
            return None;
        }
        let mut request = Self { name, unknown: [0; UNKNOWN_MAX], unknown_len: 0 };
        while !attributes.is_empty() {
            let before = datagram.len() - attributes.len();
            let (kind, length) = (u16_at(attributes, 0)?, usize::from(u16_at(attributes, 2)?));
            let value = attributes.get(4..4 + length)?;
            attributes = attributes.get(4 + length.next_multiple_of(4)..)?;
            match kind {
                // §15.5: the last attribute, over everything before it.
                FINGERPRINT if attributes.is_empty() && is_fingerprint(value, datagram.get(..before)?) => {}
                FINGERPRINT => return None,
                OPTIONAL_FROM.. => {}
                _ if HARMLESS.contains(&kind) => {}
                _ => request.note_unknown(kind),
            }
        }
        Some(request)
    }

    fn note_unknown(&mut self, kind: u16) {
        if let Some(place) = self.unknown.get_mut(self.unknown_len) {
            *place = kind;
            self.unknown_len += 1;
        }
    }

    fn unknown(&self) -> &[u16] {
        self.unknown.get(..self.unknown_len).unwrap_or_default()
    }

    /// RFC 5389 §15.2: the address XORed with the cookie, and with the transaction id where it is longer.
    fn write_success(&self, source: SocketAddr, out: &mut Vec<u8>) {
        let (v4, v6);
        let (family, octets): (u16, &[u8]) = match source.ip().to_canonical() {
            IpAddr::V4(ip) => {
                v4 = ip.octets();
                (1, &v4)
            }
            IpAddr::V6(ip) => {
                v6 = ip.octets();
                (2, &v6)
            }
        };
        self.write_header(BINDING_SUCCESS, 8 + octets.len(), out);
        put(XOR_MAPPED_ADDRESS, out);
        put(4 + octets.len() as u16, out);
        put(family, out);
        put(source.port() ^ u16::from_be_bytes([MAGIC[0], MAGIC[1]]), out);
        out.extend(octets.iter().zip(self.name).map(|(octet, key)| octet ^ key));
    }

    /// RFC 5389 §7.3.1: 420 with the names of what is not understood. Two bytes for each that took at least four.
    fn write_refusal(&self, unknown: &[u16], out: &mut Vec<u8>) {
        let names_len = 2 * unknown.len();
        self.write_header(BINDING_ERROR, 8 + 4 + names_len.next_multiple_of(4), out);
        put(ERROR_CODE, out);
        put(4, out);
        out.extend_from_slice(&[0, 0, 4, 20]);
        put(UNKNOWN_ATTRIBUTES, out);
        put(names_len as u16, out);
        unknown.iter().for_each(|kind| put(*kind, out));
        if !names_len.is_multiple_of(4) {
            put(0, out);
        }
    }

    fn write_header(&self, kind: u16, length: usize, out: &mut Vec<u8>) {
        put(kind, out);
        put(length as u16, out);
        out.extend_from_slice(self.name);
    }
}

fn is_fingerprint(value: &[u8], before: &[u8]) -> bool {
    value == (crc32fast::hash(before) ^ FINGERPRINT_XOR).to_be_bytes()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn put(value: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut out = vec![0, 1, 0, attributes.len() as u8];
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(b"abcdefghijkl");
        out.extend_from_slice(attributes);
        out
    }

    fn answer_to(request: &[u8], source: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        answer(request, source.parse().expect("an address"), &mut out).then_some(out)
    }

    /// RFC 5626 §3.5.2 and §8, RFC 5389 §15.2; the mapped addresses are those of RFC 5769 §2.2 and §2.3.
    #[test]
    fn a_binding_request_hears_where_it_comes_from() {
        let mut bare = vec![0, 1, 0, 0];
        bare.extend_from_slice(&MAGIC);
        bare.extend_from_slice(&[0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        let v4 = answer_to(&bare, "192.0.2.1:32853").expect("an answer");
        assert_eq!(v4[..4], [1, 1, 0, 12]);
        assert_eq!(v4[4..20], bare[4..20]);
        assert_eq!(v4[20..], [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let v6 = answer_to(&bare, "[2001:db8:1234:5678:11:2233:4455:6677]:32853").expect("an answer");
        assert_eq!(v6[20..28], [0, 0x20, 0, 0x14, 0, 2, 0xa1, 0x47]);
        assert_eq!(
            v6[28..],
            [1, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe, 0xd2, 0xb9, 0xd9]
        );
        assert_eq!(v6.len(), ANSWER_BYTES_MAX);
    }

    /// What a request has more makes no answer longer: docs/abuse.md says 32 and 44 bytes. RFC 5389 §15.2.
    #[test]
    fn an_answer_has_the_address_and_nothing_else() {
        let software = [0x80, 0x22, 0, 4, b'p', b'h', b'1', b'0'];
        for asked in [request(&[]), request(&software)] {
            for (source, bytes) in
                [("192.0.2.1:1", 32), ("[::ffff:192.0.2.1]:1", 32), ("[2001:db8::1]:1", 44)]
            {
                assert_eq!(answer_to(&asked, source).map(|answer| answer.len()), Some(bytes), "{source}");
            }
        }
    }

    /// RFC 5389 §7.3.1: what must be understood and is not, is named; what need not be, is passed over.
    #[test]
    fn attributes() {
        let refusal = answer_to(&request(&[0x7f, 0xff, 0, 1, 9, 0, 0, 0]), "192.0.2.1:1").expect("a 420");
        assert_eq!(refusal[..4], [1, 0x11, 0, 16]);
        assert_eq!(refusal[20..], [0, 9, 0, 4, 0, 0, 4, 20, 0, 0xa, 0, 2, 0x7f, 0xff, 0, 0]);
        let software = request(&[0x80, 0x22, 0, 3, b'p', b'h', b'1', 0]);
        assert_eq!(answer_to(&software, "192.0.2.1:1").map(|a| a[1]), Some(1));
    }

    /// RFC 5389 §15.5.
    #[test]
    fn a_fingerprint_must_be_right() {
        let mut good = request(&[0x80, 0x28, 0, 4, 0, 0, 0, 0]);
        let sum = (crc32fast::hash(&good[..20]) ^ FINGERPRINT_XOR).to_be_bytes();
        good[24..].copy_from_slice(&sum);
        assert!(answer_to(&good, "192.0.2.1:1").is_some());
        good[27] ^= 1;
        assert!(answer_to(&good, "192.0.2.1:1").is_none());
    }

    /// RFC 5389 §6, §7.3: what is no sound Binding request meets silence.
    #[test]
    fn noise_is_not_answered() {
        let good = request(&[0x80, 0x22, 0, 4, 1, 2, 3, 4]);
        for end in 0..good.len() {
            assert!(answer_to(&good[..end], "192.0.2.1:1").is_none(), "cut at {end}");
        }
        for (at, byte) in [(0, 1), (1, 0x11), (1, 3), (4, 0), (7, 0), (3, 12), (3, 7), (23, 5)] {
            let mut bad = good.clone();
            bad[at] = byte;
            assert!(answer_to(&bad, "192.0.2.1:1").is_none(), "byte {at}");
        }
    }

    proptest! {
        /// RFC 5626 §8: any datagram at all; the answer to an IPv4 source is never more than twice as long, and that to
        /// an IPv6 source is not either when the headers of IP and UDP are counted, as on the wire.
        #[test]
        fn no_amplifier(tail in proptest::collection::vec(any::<u8>(), 0..64), whole in any::<bool>()) {
            let datagram = if whole { tail } else { request(&tail[..tail.len() / 4 * 4]) };
            if let Some(answer) = answer_to(&datagram, "192.0.2.1:1") {
                prop_assert!(answer.len() <= 2 * datagram.len());
            }
            if let Some(answer) = answer_to(&datagram, "[2001:db8::1]:1") {
                prop_assert!(answer.len() + 48 <= 2 * (datagram.len() + 48));
            }
        }
    }
}
