//! Typed views of header values. Each borrows from the message and is parsed when asked for.

mod contact;
mod cseq;
mod date;
mod disposition;
mod features;
mod loss_feedback;
mod name_addr;
mod option_tags;
mod values;
mod via;

pub use contact::{Contact, EXPIRES_MALFORMED_S};
pub use cseq::CSeq;
pub use date::Date;
pub use disposition::Disposition;
pub use features::{Alternative, Feature, FeatureSet, FeatureValue, Likeness};
pub use loss_feedback::LossFeedback;
pub use name_addr::NameAddr;
pub use option_tags::OptionTags;
pub use values::{Values, split};
pub use via::{MAGIC_COOKIE, Via};

use crate::chars::trim;

/// `delta-seconds` (RFC 3261 §25.1); more than fits is the largest. Text behind the digits that is no comment or
/// parameter makes it malformed.
pub fn seconds(value: &[u8]) -> Option<u32> {
    let digits = value.iter().take_while(|c| c.is_ascii_digit()).count();
    let rest = trim(&value[digits..]);
    if digits == 0 || !(rest.is_empty() || rest.starts_with(b";") || rest.starts_with(b"(")) {
        return None;
    }
    let sum =
        value[..digits].iter().fold(0u64, |n, c| n.saturating_mul(10).saturating_add(u64::from(c - b'0')));
    Some(u32::try_from(sum).unwrap_or(u32::MAX))
}

/// The `q` of a Contact in thousandths: RFC 3261 §25.1 `qvalue`, 0 to 1 with at most three decimals.
pub fn q_milli(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value.iter().position(|&c| c == b'.') {
        Some(dot) => (&value[..dot], &value[dot + 1..]),
        None => (value, &b""[..]),
    };
    if decimals.len() > 3 || !matches!(whole, b"0" | b"1" | b"") || value.is_empty() || value == b"." {
        return None;
    }
    let mut milli = if whole == b"1" { 1000 } else { 0 };
    for (scale, c) in [100, 10, 1].into_iter().zip(decimals) {
        milli += scale * u16::from(c.is_ascii_digit().then(|| c - b'0')?);
    }
    (milli <= 1000).then_some(milli)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §25.1 `qvalue`.
    #[test]
    fn q_values() {
        for (text, want) in [
            ("1", Some(1000)),
            ("0.5", Some(500)),
            ("0.125", Some(125)),
            ("1.000", Some(1000)),
            (".7", Some(700)),
        ] {
            assert_eq!(q_milli(text.as_bytes()), want, "{text}");
        }
        for text in ["", ".", "2", "1.1", "0.1234", "-1", "a", "0.x"] {
            assert_eq!(q_milli(text.as_bytes()), None, "{text}");
        }
    }

    /// RFC 3261 §20.19, and the overlarge value of RFC 4475 §3.1.2.4.
    #[test]
    fn seconds_never_wrap() {
        assert_eq!(seconds(b"3600"), Some(3600));
        assert_eq!(seconds(b"10000000000000000000000"), Some(u32::MAX));
        assert_eq!(seconds(b"5 (soon)"), Some(5));
        assert_eq!(seconds(b"-1"), None);
        assert_eq!(seconds(b"12h"), None);
        assert_eq!(seconds(b""), None);
    }
}
