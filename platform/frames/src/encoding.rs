//! Bytes of a record: varints (seven bits per byte, lowest first) and strings with their length before them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Appends `value` in one to ten bytes.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends the length of `string`, then its bytes.
pub fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    put_varint(out, string.len() as u64);
    out.extend_from_slice(string);
}

/// Appends a difference so that small ones of either sign stay short (zigzag).
pub fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Appends the address without its family, which the caller notes elsewhere.
pub fn put_address(out: &mut Vec<u8>, address: &SocketAddr) {
    match address {
        SocketAddr::V4(v4) => out.extend_from_slice(&v4.ip().octets()),
        SocketAddr::V6(v6) => {
            out.extend_from_slice(&v6.ip().octets());
            put_varint(out, v6.scope_id().into());
        }
    }
    out.extend_from_slice(&address.port().to_le_bytes());
}

/// Reads what the functions above wrote. Every step is checked: `None` where the bytes end or make no sense.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Reads from the first byte on.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// So many bytes.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    /// A varint.
    pub fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    /// A varint that must fit the type.
    pub fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.varint()?).ok()
    }

    /// A difference of either sign.
    pub fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A string with its length before it.
    pub fn string(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    /// So many bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// An address of the family that was noted elsewhere.
    pub fn address(&mut self, is_v6: bool) -> Option<SocketAddr> {
        if !is_v6 {
            let ip = IpAddr::V4(Ipv4Addr::from(self.array::<4>()?));
            return Some(SocketAddr::new(ip, u16::from_le_bytes(self.array()?)));
        }
        let ip = Ipv6Addr::from(self.array::<16>()?);
        let scope_id = self.number()?;
        Some(SocketAddr::V6(SocketAddrV6::new(ip, u16::from_le_bytes(self.array()?), 0, scope_id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!((cursor.varint(), cursor.rest()), (Some(value), &[][..]));
        }
    }

    #[test]
    fn a_varint_beyond_64_bits_is_refused() {
        assert_eq!(Cursor::new(&[0xff; 11]).varint(), None);
        assert_eq!(Cursor::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]).varint(), None);
    }

    #[test]
    fn signed_numbers_come_back() {
        for value in [0, 1, -1, 3_600_000, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).signed(), Some(value));
        }
    }

    #[test]
    fn a_string_longer_than_the_bytes_is_refused() {
        assert_eq!(Cursor::new(&[5, b'a', b'b']).string(), None);
    }

    #[test]
    fn addresses_come_back() {
        let link_local: SocketAddr = SocketAddrV6::new("fe80::1".parse().unwrap(), 5060, 0, 3).into();
        for address in ["192.0.2.1:5060".parse().unwrap(), "[2001:db8::1]:5061".parse().unwrap(), link_local]
        {
            let mut bytes = Vec::new();
            put_address(&mut bytes, &address);
            assert_eq!(Cursor::new(&bytes).address(address.is_ipv6()), Some(address));
        }
    }
}
