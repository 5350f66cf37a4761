//! Contact: RFC 3261 §20.10, with the parameters that registration reads: `q` and `expires` (RFC 3261 §10.2.1),
//! `+sip.instance` and `reg-id` (RFC 5626 §10).

use crate::chars::number;
use crate::header::{NameAddr, q_milli, seconds};
use crate::{Malformed, trim};

/// What a malformed `expires` counts as, seconds: RFC 3261 §10.2 and §20.10.
pub const EXPIRES_MALFORMED_S: u32 = 3600;

/// One Contact value.
#[derive(Clone, Copy, Debug)]
pub enum Contact<'a> {
    /// `*`: every binding of the AOR, legal only alone and with `Expires: 0` (RFC 3261 §10.2.2).
    Star,
    /// An address.
    Address {
        /// Display name, URI and all parameters.
        name_addr: NameAddr<'a>,
        /// The preference in thousandths, 0 to 1000, if given.
        q_milli: Option<u16>,
        /// How long it should live, seconds, if given here; a malformed number is [`EXPIRES_MALFORMED_S`].
        expires_s: Option<u32>,
        /// The instance ID as it stands between its quotes, mostly `<urn:uuid:…>`; empty where there is none. It is only
        /// compared, so a phone that forgets the brackets has one too.
        instance: &'a [u8],
        /// The flow number, 1 to 2³¹ − 1; 0 where there is none, or one that is out of bounds.
        reg_id: u32,
    },
}

impl<'a> Contact<'a> {
    /// Parses one value. Of the parameters only a `q` that is none is refused: where a phone asks for an order that nobody can
    /// tell, another order would be a wrong one.
    ///
    /// # Errors
    /// `Malformed Contact`: no address, or `q` against its grammar.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        if trim(value) == b"*" {
            return Ok(Self::Star);
        }
        Self::address(value).ok_or(Malformed::Header("Contact"))
    }

    #[inline]
    fn address(value: &'a [u8]) -> Option<Self> {
        let name_addr = NameAddr::parse(value)?;
        let [q, expires, instance, reg_id] = name_addr
            .params()
            .pick([b"q", b"expires", b"+sip.instance", b"reg-id"])
            .map(|param| param?.text());
        let q_milli = match q {
            Some(text) => Some(q_milli(text)?),
            None => None,
        };
        Some(Self::Address {
            name_addr,
            q_milli,
            expires_s: expires.map(|text| seconds(text).unwrap_or(EXPIRES_MALFORMED_S)),
            instance: instance.unwrap_or_default(),
            reg_id: reg_id.and_then(|text| number(text, REG_ID_MAX)).unwrap_or(0),
        })
    }
}

/// RFC 5626 §4.2: 1 to 2^31 - 1.
const REG_ID_MAX: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests {
    use super::*;

    /// q, expires, instance, reg-id.
    type Parts<'a> = (Option<u16>, Option<u32>, &'a str, u32);

    fn parts(value: &str) -> Result<Parts<'_>, Malformed> {
        match Contact::parse(value.as_bytes())? {
            Contact::Star => panic!("a star"),
            Contact::Address { q_milli, expires_s, instance, reg_id, .. } => {
                Ok((q_milli, expires_s, std::str::from_utf8(instance).expect("ASCII"), reg_id))
            }
        }
    }

    /// RFC 3261 §20.10 and RFC 5626 §4.1.
    #[test]
    fn registration_parameters() {
        for (value, want) in [
            ("<sip:a@b>", (None, None, "", 0)),
            ("sip:a@b;q=0.7;expires=60", (Some(700), Some(60), "", 0)),
            ("<sip:a@b;q=0.1>;Q = 1 ; EXPIRES=0", (Some(1000), Some(0), "", 0)),
            ("<sip:a@b>;q=0.1;q=0.2;expires=1;expires=2", (Some(100), Some(1), "", 0)),
            (
                "<sip:c@192.0.2.2;transport=tcp>;reg-id=1;+sip.instance=\"<urn:uuid:0C67446E-F1A1>\"",
                (None, None, "<urn:uuid:0C67446E-F1A1>", 1),
            ),
        ] {
            assert_eq!(parts(value), Ok(want), "{value}");
        }
    }

    /// RFC 3261 §10.2: larger values are the largest, malformed ones are an hour. RFC 4475 §3.1.2.4.
    #[test]
    fn expires_never_refuses_a_contact() {
        for (text, want) in [
            ("280297596632815", u32::MAX),
            ("\"Thu, 01 Dec 2005 16:00:00 GMT\"", EXPIRES_MALFORMED_S),
            ("-1", EXPIRES_MALFORMED_S),
            ("soon", EXPIRES_MALFORMED_S),
        ] {
            assert_eq!(parts(&format!("<sip:a@b>;expires={text}")), Ok((None, Some(want), "", 0)), "{text}");
        }
    }

    /// RFC 5626 §6: what is no flow is a Contact all the same, and so is one whose parameters have no values.
    #[test]
    fn what_is_no_flow() {
        for (params, want) in [
            ("reg-id=0", ("", 0)),
            ("reg-id=2147483647", ("", 2_147_483_647)),
            ("reg-id=2147483648", ("", 0)),
            ("reg-id=-1", ("", 0)),
            ("reg-id=one", ("", 0)),
            ("q;expires;reg-id;+sip.instance", ("", 0)),
            ("+sip.instance=\"urn:uuid:1\";reg-id=2", ("urn:uuid:1", 2)),
            ("+sip.instance=\"<>\"", ("<>", 0)),
            ("+sip.instance=\"\"", ("", 0)),
        ] {
            let (instance, reg_id) = want;
            assert_eq!(parts(&format!("<sip:a@b>;{params}")), Ok((None, None, instance, reg_id)), "{params}");
        }
    }

    /// RFC 3261 §10.2.2.
    #[test]
    fn a_star_stands_for_all_bindings() {
        assert!(matches!(Contact::parse(b" * "), Ok(Contact::Star)));
    }

    /// RFC 4475 §3.1.2.1 (separators without parameters) and §3.1.2.13 (a header outside brackets).
    #[test]
    fn what_is_no_contact() {
        for value in [
            "",
            "**",
            "\"Joe\" <sip:joe@example.org>;;;;",
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "<sip:a@b>;q=2",
            "<sip:a@b>;q=high",
        ] {
            assert_eq!(parts(value), Err(Malformed::Header("Contact")), "{value}");
        }
    }
}
