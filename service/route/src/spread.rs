//! Rendezvous hashing with weights: which of several targets is nearest to a call.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::toward::Toward;
use crate::trunk::Target;

/// Keeps strangers, who choose Call-IDs, from choosing their target.
pub type SpreadKey = [u8; 16];

/// How far a target is from a value. Each draws an exponential variate whose rate is its weight; the least one wins, with
/// a probability proportional to the weight. As the order of bits of a positive float is the order of its value, the
/// bits serve as the rank.
pub(crate) fn distance(key: &SpreadKey, value: &[&[u8]], target: &Target) -> u64 {
    let mut hasher = SipHasher13::new_with_key(key);
    value.iter().for_each(|piece| hasher.write(piece));
    match &target.toward {
        Toward::Address(hop) => {
            hasher.write(hop.transport.name().as_bytes());
            match hop.address.ip() {
                std::net::IpAddr::V4(ip) => hasher.write(&ip.octets()),
                std::net::IpAddr::V6(ip) => hasher.write(&ip.octets()),
            }
            hasher.write_u16(hop.address.port());
        }
        Toward::Name(wanted) => {
            hasher.write(wanted.transport.map_or("", |transport| transport.name()).as_bytes());
            hasher.write(wanted.host.as_str().as_bytes());
            hasher.write_u16(wanted.port.unwrap_or(0));
        }
    }
    // 53 bits are what a float holds; never 0, whose logarithm is none.
    let drawn = ((hasher.finish() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
    (-drawn.ln() / f64::from(target.weight.max(1))).to_bits()
}
