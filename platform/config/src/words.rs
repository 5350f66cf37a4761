//! Short texts of a certain form: names, methods, user parts, URIs, time zones.

use jiff::tz::TimeZone;

use offhook_sip::Uri;

use crate::error::Fault;
use crate::table::Kind;
use crate::value::FromText;

/// Longest name of a route or trunk, bytes: it stands in log lines and records.
const LABEL_BYTES_MAX: usize = 48;
/// Longest user part a rule may name, bytes.
const USER_BYTES_MAX: usize = 64;
/// Longest user name or realm of credentials, bytes.
const QUOTED_BYTES_MAX: usize = 128;
/// Longest method a rule may name, bytes.
const METHOD_BYTES_MAX: usize = 32;
/// Longest beginning of a User-Agent, bytes.
const AGENT_BYTES_MAX: usize = 64;

macro_rules! words {
    ($( $(#[doc = $about:literal])+ pub struct $word:ident = $form:literal, $check:path; )+) => { $(
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub struct $word(String);

        impl $word {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $word {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromText for $word {
            const KIND: Kind = Kind::Text($form);

            fn from_text(text: &str) -> Result<Self, Fault> {
                $check(text).map_err(Fault::Malformed)?;
                Ok(Self(text.to_owned()))
            }

            fn text(&self) -> String {
                self.0.clone()
            }
        }
    )+ };
}

words! {
    /// The name of a route or a trunk.
    pub struct Label = "a short name", check_label;
    /// A SIP method, RFC 3261 §7.1: in capitals, for its case counts.
    pub struct MethodName = "a SIP method", check_method;
    /// The user part of a SIP URI, or the beginning of one, as it stands in the URI.
    pub struct UserPart = "the user part of a URI", check_user;
    /// A `sip:` or `sips:` URI.
    pub struct SipUri = "a sip URI", check_uri;
    /// What stands in quotes in a header: the user name or the realm of credentials.
    pub struct Quoted = "a text", check_quoted;
    /// The beginning of a User-Agent (RFC 3261 §20.41).
    pub struct AgentName = "the beginning of a User-Agent", check_agent;
    /// The name of a time zone in the IANA database.
    pub struct ZoneName = "the name of a time zone", check_zone;
}

fn check_label(text: &str) -> Result<(), &'static str> {
    let good = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b' ');
    let fits = text.trim() == text && (1..=LABEL_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(good) {
        Ok(())
    } else {
        Err("1 to 48 letters, digits, spaces, \"-\", \"_\" or \".\" are wanted")
    }
}

fn check_method(text: &str) -> Result<(), &'static str> {
    let good = |c: u8| c.is_ascii_uppercase() || matches!(c, b'-' | b'_' | b'.');
    let fits = (1..=METHOD_BYTES_MAX).contains(&text.len());
    match text {
        "ACK" | "CANCEL" => Err("ACK and CANCEL go where their INVITE went; name INVITE"),
        _ if fits && text.bytes().all(good) => Ok(()),
        _ => Err("a method in capital letters is wanted, such as INVITE"),
    }
}

fn check_user(text: &str) -> Result<(), &'static str> {
    const FORM: &str =
        "1 to 64 characters as they stand in a URI before the @ are wanted, such as +49 or alice";
    let alone = (1..=USER_BYTES_MAX).contains(&text.len()) && !text.contains([':', ';']);
    let uri = format!("sip:{text}@a.example");
    let same = Uri::parse(uri.as_bytes()).is_ok_and(|uri| uri.user == Some(text.as_bytes()));
    if alone && same { Ok(()) } else { Err(FORM) }
}

fn check_uri(text: &str) -> Result<(), &'static str> {
    const FORM: &str = "a sip URI is wanted, such as sip:sip.example.net";
    let read = Uri::parse(text.as_bytes()).map_err(|_| FORM)?;
    if read.is_sip() && read.headers().is_empty() { Ok(()) } else { Err(FORM) }
}

fn check_quoted(text: &str) -> Result<(), &'static str> {
    let fits = (1..=QUOTED_BYTES_MAX).contains(&text.len());
    if fits && !text.contains(char::is_control) { Ok(()) } else { Err("1 to 128 characters are wanted") }
}

fn check_agent(text: &str) -> Result<(), &'static str> {
    let fits = text.trim() == text && (3..=AGENT_BYTES_MAX).contains(&text.len());
    if fits && text.bytes().all(|c| c.is_ascii_graphic() || c == b' ') {
        Ok(())
    } else {
        Err("3 to 64 printable characters are wanted, such as friendly-scanner")
    }
}

fn check_zone(text: &str) -> Result<(), &'static str> {
    const UNKNOWN: &str = "no such time zone; names are those of the IANA database, such as Europe/Berlin";
    TimeZone::get(text).map(drop).map_err(|_| UNKNOWN)
}

impl ZoneName {
    /// The zone itself.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: FromText>(text: &str) -> String {
        T::from_text(text).map_or_else(|fault| fault.to_string(), |_| "good".to_owned())
    }

    #[test]
    fn words_are_what_they_should_be() {
        assert_eq!(said::<Label>("provider-2.east coast"), "good");
        assert!(said::<Label>(" two words").contains("1 to 48"));
        assert_eq!(said::<MethodName>("INVITE"), "good");
        assert!(said::<MethodName>("invite").contains("capital"));
        assert!(said::<MethodName>("CANCEL").contains("name INVITE"));
        assert_eq!(
            [said::<UserPart>("+49"), said::<UserPart>("alice"), said::<UserPart>("*21")],
            ["good"; 3]
        );
        for wrong in ["", "a b", "a@b", "a:b", "a;b", "ü"] {
            assert!(said::<UserPart>(wrong).contains("1 to 64"), "{wrong}");
        }
        assert_eq!(said::<SipUri>("sip:sip.example.net;transport=tcp"), "good");
        assert!(said::<SipUri>("tel:+1").contains("a sip URI"));
        assert_eq!(said::<AgentName>("friendly-scanner"), "good");
        for wrong in ["", "ab", " abc", "abc\r\n", "ü ü"] {
            assert!(said::<AgentName>(wrong).contains("3 to 64"), "{wrong}");
        }
        assert_eq!(said::<ZoneName>("Europe/Berlin"), "good");
        assert!(said::<ZoneName>("Middle/Earth").contains("no such time zone"));
    }
}
