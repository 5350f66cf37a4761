//! Which web pages may reach us: RFC 6455 §4.2.2 item 4 and §10.2. Origins are written as RFC 6454 §6.2 has them.

use thiserror::Error;

/// A page's origin, or a pattern for several: `https://phone.example.com`, `https://*.example.com`, `null`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Lower case, with `://`; empty in `null`.
    scheme: String,
    /// Lower case, with the port unless it is the scheme's own. After a `*.` of the pattern: what follows the star.
    host: String,
    any_below: bool,
}

/// A text that is no origin.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("an origin looks like \"https://phone.example.com\", \"https://*.example.com\" or \"null\"")]
pub struct MalformedOrigin;

/// What an origin that cannot be named is sent as: pages from files, sandboxed frames.
const OPAQUE: &str = "null";

impl Origin {
    /// Reads an origin or a pattern.
    ///
    /// # Errors
    /// It has a path, no scheme, or letters that no host has.
    pub fn parse(text: &str) -> Result<Self, MalformedOrigin> {
        let text = text.to_ascii_lowercase();
        if text == OPAQUE {
            return Ok(Self { scheme: String::new(), host: text, any_below: false });
        }
        let (scheme, rest) = text.split_once("://").ok_or(MalformedOrigin)?;
        let (any_below, host) = match rest.strip_prefix('*') {
            Some(below) if below.starts_with('.') => (true, below),
            Some(_) => return Err(MalformedOrigin),
            None => (false, rest),
        };
        let host = without_own_port(scheme, host);
        let is_scheme = scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
        let is_host = host.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._:[]".contains(&c));
        let named = !scheme.is_empty() && host.bytes().any(|c| c.is_ascii_alphanumeric());
        if !(named && is_scheme && is_host) {
            return Err(MalformedOrigin);
        }
        Ok(Self { scheme: format!("{scheme}://"), host: host.to_owned(), any_below })
    }

    /// Whether an `Origin` header of this value is meant.
    pub fn admits(&self, value: &[u8]) -> bool {
        let Some(scheme) = value.get(..self.scheme.len()) else { return false };
        let host = &value[scheme.len()..];
        let wanted = self.host.as_bytes();
        let host = match host.len().checked_sub(wanted.len()) {
            Some(0) if !self.any_below => host,
            // The star stands for names, and at least for one: no port, no path, nobody's name and password (RFC 6454 §6.2).
            Some(more @ 1..) if self.any_below && host[..more].iter().all(is_of_name) => &host[more..],
            _ => return false,
        };
        scheme.eq_ignore_ascii_case(self.scheme.as_bytes()) && host.eq_ignore_ascii_case(wanted)
    }
}

fn is_of_name(c: &u8) -> bool {
    c.is_ascii_alphanumeric() || b"-._".contains(c)
}

/// Browsers leave out the port that the scheme has anyway (RFC 6454 §6.2).
fn without_own_port<'a>(scheme: &str, host: &'a str) -> &'a str {
    let own = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return host,
    };
    host.strip_suffix(own).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, origin: &str, want: bool) {
        assert_eq!(Origin::parse(pattern).unwrap().admits(origin.as_bytes()), want, "{pattern} {origin}");
    }

    /// RFC 6455 §10.2.
    #[test]
    fn an_origin_is_scheme_host_and_port() {
        check("https://phone.example.com", "https://phone.example.com", true);
        check("HTTPS://Phone.Example.com", "https://phone.example.com", true);
        check("https://phone.example.com:443", "https://phone.example.com", true);
        check("http://[::1]:8080", "http://[::1]:8080", true);
        check("https://phone.example.com", "http://phone.example.com", false);
        check("https://phone.example.com", "https://phone.example.com:8443", false);
        check("https://phone.example.com", "https://phone.example.com.evil.example", false);
        check("https://phone.example.com", "https://phone.example", false);
        check("https://phone.example.com", "", false);
    }

    #[test]
    fn a_star_stands_for_names_below() {
        check("https://*.example.com", "https://phone.example.com", true);
        check("https://*.example.com", "https://a.b.example.com", true);
        check("https://*.example.com", "https://example.com", false);
        check("https://*.example.com", "https://.example.com", false);
        check("https://*.example.com", "https://evilexample.com", false);
        check("https://*.example.com", "http://phone.example.com", false);
        for strange in ["evil.test/", "evil.test#", "x@a", "evil.test:1", "evil.test?", "evil.test\\", " a"] {
            check("https://*.example.com", &format!("https://{strange}.example.com"), false);
        }
    }

    #[test]
    fn pages_without_a_name_are_meant_only_by_name() {
        check("null", "null", true);
        check("https://example.com", "null", false);
        check("null", "https://null", false);
    }

    #[test]
    fn what_is_no_origin() {
        for text in [
            "",
            "*",
            "example.com",
            "https://",
            "https://*",
            "https://*.",
            "https://a/b",
            "://a",
            "https://*a.b",
        ] {
            assert_eq!(Origin::parse(text), Err(MalformedOrigin), "{text:?}");
        }
    }
}
