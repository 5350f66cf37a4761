//! Addresses as text.

use std::net::SocketAddr;

/// The digits of a byte, and how many there are.
static OCTETS: [([u8; 3], u8); 256] = octets();

const fn octets() -> [([u8; 3], u8); 256] {
    let mut all = [([0; 3], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let (hundreds, tens, ones) =
            (b'0' + (octet / 100) as u8, b'0' + (octet / 10 % 10) as u8, b'0' + (octet % 10) as u8);
        all[octet] = match octet {
            0..10 => ([ones, 0, 0], 1),
            10..100 => ([tens, ones, 0], 2),
            _ => ([hundreds, tens, ones], 3),
        };
        octet += 1;
    }
    all
}

/// The longest IPv4 address with its port, and what is written beyond the last octet.
const V4_BYTES_MAX: usize = 24;

/// As it is written everywhere. The formatting of the library takes many times as long for what nearly all of them are.
pub(crate) fn put_address(address: SocketAddr, out: &mut Vec<u8>) {
    let SocketAddr::V4(v4) = address else { return out.extend_from_slice(address.to_string().as_bytes()) };
    let (mut text, mut at) = ([0; V4_BYTES_MAX], 0);
    for (octet, after) in v4.ip().octets().into_iter().zip(*b"...:") {
        let ([a, b, c], length) = OCTETS[usize::from(octet)];
        text[at..at + 4].copy_from_slice(&[a, b, c, 0]);
        at += usize::from(length);
        text[at] = after;
        at += 1;
    }
    out.extend_from_slice(&text[..at]);
    out.extend_from_slice(itoa::Buffer::new().format(v4.port()).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_everywhere() {
        for address in
            ["192.0.2.1:5060", "0.0.0.0:0", "255.255.255.255:65535", "10.20.30.40:9", "[2001:db8::1]:5061"]
        {
            let mut text = Vec::new();
            put_address(address.parse().unwrap(), &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), address);
        }
    }
}
