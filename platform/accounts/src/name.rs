//! Which names an account may have: RFC 3261 §25.1, `user` and `host`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::NameError;

/// Longest user part in bytes. Ten times what people call themselves; a name goes into each header of each message.
pub const USER_LEN_MAX: usize = 128;

/// Longest domain in bytes: RFC 1035 §3.1, as text.
pub const DOMAIN_LEN_MAX: usize = 253;

const LABEL_LEN_MAX: usize = 63;

/// A name that has been looked at: one spelling for each account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Name {
    pub(crate) user: String,
    pub(crate) domain: String,
}

impl Name {
    /// The domain is brought to lower case, an IPv6 address to `[…]` in its canonical form.
    pub(crate) fn new(user: &str, domain: &str) -> Result<Self, NameError> {
        check_user(user)?;
        Ok(Self { user: user.to_owned(), domain: canonical_domain(domain)? })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.domain)
    }
}

fn check_user(user: &str) -> Result<(), NameError> {
    if user.is_empty() {
        return Err(NameError::UserEmpty);
    }
    if user.len() > USER_LEN_MAX {
        return Err(NameError::UserTooLong);
    }
    let mut rest = user;
    while let Some(first) = rest.chars().next() {
        let escape = if first == '%' { Some(rest.get(1..3).ok_or(NameError::UserEscape)?) } else { None };
        match escape {
            Some(digits) if !needs_escape(digits) => return Err(NameError::UserEscape),
            None if !is_plain(first) => return Err(NameError::UserCharacter(first)),
            _ => {}
        }
        rest = rest.get(if escape.is_some() { 3 } else { 1 }..).unwrap_or_default();
    }
    Ok(())
}

/// Whether `%` and these digits are the one spelling of a character that cannot stand for itself. `%61lice` would be
/// a second spelling of `alice` (RFC 3261 §19.1.4), and two accounts must not be the same user.
fn needs_escape(digits: &str) -> bool {
    let canonical = digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    let byte = u8::from_str_radix(digits, 16).ok();
    canonical && byte.is_some_and(|byte| !byte.is_ascii_control() && !is_plain(char::from(byte)))
}

/// `unreserved` and `user-unreserved`.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-_.!~*'()&=+$,;?/".contains(character)
}

fn canonical_domain(domain: &str) -> Result<String, NameError> {
    let unbracketed = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(domain);
    if let Ok(address) = unbracketed.parse::<Ipv6Addr>() {
        return Ok(format!("[{address}]"));
    }
    if domain.is_empty() {
        return Err(NameError::DomainEmpty);
    }
    if domain.len() > DOMAIN_LEN_MAX {
        return Err(NameError::DomainTooLong);
    }
    let labels_are_right = domain.split('.').all(is_label);
    let top = domain.rsplit('.').next().unwrap_or_default();
    let is_host =
        top.starts_with(|first: char| first.is_ascii_alphabetic()) || domain.parse::<Ipv4Addr>().is_ok();
    if labels_are_right && is_host {
        Ok(domain.to_ascii_lowercase())
    } else {
        Err(NameError::Domain(domain.to_owned()))
    }
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_LEN_MAX).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_phones_have() {
        for user in ["alice", "1001", "+4930123456", "j.doe-2_x", "a;b?c/d", "%C3%A9mile", "a%20b"] {
            assert_eq!(Name::new(user, "example.com").map(|name| name.user), Ok(user.to_owned()));
        }
    }

    #[test]
    fn domains_get_one_spelling() {
        let domain = |text| Name::new("alice", text).map(|name| name.domain);
        assert_eq!(domain("PBX.Example.COM").as_deref(), Ok("pbx.example.com"));
        assert_eq!(domain("localhost").as_deref(), Ok("localhost"));
        assert_eq!(domain("192.0.2.1").as_deref(), Ok("192.0.2.1"));
        assert_eq!(domain("2001:DB8:0::1").as_deref(), Ok("[2001:db8::1]"));
        assert_eq!(domain("[2001:db8::1]").as_deref(), Ok("[2001:db8::1]"));
    }

    #[test]
    fn what_is_wrong_with_a_user_is_said() {
        let user = |text: &str| Name::new(text, "example.com").expect_err(text);
        assert_eq!(user(""), NameError::UserEmpty);
        assert_eq!(user(&"a".repeat(129)), NameError::UserTooLong);
        assert_eq!(user("alice@home"), NameError::UserCharacter('@'));
        assert_eq!(user("alice:x"), NameError::UserCharacter(':'));
        assert_eq!(user("émile"), NameError::UserCharacter('é'));
        assert_eq!(user("a\nb"), NameError::UserCharacter('\n'));
        for escape in ["%61lice", "%c3%a9", "%", "%4", "%00", "%+1", "%é", "%7F"] {
            assert_eq!(user(escape), NameError::UserEscape, "{escape}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_domain_is_said() {
        let domain = |text: &str| Name::new("alice", text).expect_err(text);
        assert_eq!(domain(""), NameError::DomainEmpty);
        assert_eq!(domain(&"a.".repeat(127)), NameError::DomainTooLong);
        for bad in [
            "example.com.",
            ".com",
            "a..b",
            "-a.com",
            "a-.com",
            "a b",
            "a_b.com",
            "10.0.0.300",
            "a:5060",
            "[a]",
        ] {
            assert_eq!(domain(bad), NameError::Domain(bad.to_owned()));
        }
    }

    #[test]
    fn a_control_character_is_not_printed_raw() {
        assert!(!NameError::UserCharacter('\u{1b}').to_string().contains('\u{1b}'));
        assert!(!NameError::Domain("a\u{1b}[2J".to_owned()).to_string().contains('\u{1b}'));
    }
}
