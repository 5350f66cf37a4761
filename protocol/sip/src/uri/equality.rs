//! When two URIs are the same: RFC 3261 §19.1.4, RFC 3966 §5.

use super::escape::{same_text, same_text_and_case};
use super::{Scheme, Uri, position};
use crate::params::{Param, Params};

pub(super) fn same_uri(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    match (a.scheme, b.scheme) {
        _ if a.text == b.text => true,
        (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => same_sip(a, b),
        (Scheme::Tel, Scheme::Tel) => same_tel(a, b),
        (Scheme::Other, Scheme::Other) => same_but_for_the_case_of_the_scheme(a.text, b.text),
        _ => false,
    }
}

fn same_sip(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    let (Some(at_a), Some(at_b)) = (a.address, b.address) else { return false };
    at_a.host.same(at_b.host)
        && at_a.port == at_b.port
        && same_part(a.user, b.user)
        && same_part(a.password, b.password)
        && both_ways(a.params(), b.params(), |p, other| match find(other, p) {
            Some(q) => same_value(p, q),
            None => !is_decisive(p),
        })
        && same_headers(a.headers, b.headers)
}

/// Users and passwords: the only parts where the case of letters counts.
fn same_part(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => same_text_and_case(a, b),
        _ => false,
    }
}

/// A rule for a parameter of one URI and all of the other must hold from either side.
fn both_ways(mut a: Params<'_>, mut b: Params<'_>, rule: impl Fn(Param<'_>, Params<'_>) -> bool) -> bool {
    let (all_a, all_b) = (a, b);
    a.all(|p| rule(p, all_b)) && b.all(|p| rule(p, all_a))
}

fn find<'b>(mut params: Params<'b>, like: Param<'_>) -> Option<Param<'b>> {
    Iterator::find(&mut params, |p| same_text(p.name, like.name))
}

fn same_value(a: Param<'_>, b: Param<'_>) -> bool {
    match (a.value, b.value) {
        (Some(a), Some(b)) => same_text(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// Parameters that make URIs different if only one of them has it; all others are then ignored.
fn is_decisive(param: Param<'_>) -> bool {
    [&b"user"[..], b"ttl", b"method", b"maddr", b"transport"].iter().any(|name| same_text(param.name, name))
}

/// Header components are never ignored; their order does not matter.
fn same_headers(a: &[u8], b: &[u8]) -> bool {
    let parts = |text| <[u8]>::split(text, |&c| c == b'&').filter(|part| !part.is_empty());
    let is_in = |part: &[u8], text| parts(text).any(|other| same_text(part, other));
    parts(a).count() == parts(b).count() && parts(a).all(|p| is_in(p, b)) && parts(b).all(|p| is_in(p, a))
}

/// RFC 3966 §5: visual separators mean nothing, and no parameter is ignored.
fn same_tel(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    same_digits(a.user.unwrap_or_default(), b.user.unwrap_or_default())
        && both_ways(a.params(), b.params(), |p, other| {
            find(other, p)
                .is_some_and(|q| same_digits(p.value.unwrap_or_default(), q.value.unwrap_or_default()))
        })
}

fn same_digits(a: &[u8], b: &[u8]) -> bool {
    let plain = |text: &[u8]| -> Vec<u8> {
        text.iter().copied().filter(|c| !matches!(c, b'-' | b'.' | b'(' | b')')).collect()
    };
    same_text(&plain(a), &plain(b))
}

fn same_but_for_the_case_of_the_scheme(a: &[u8], b: &[u8]) -> bool {
    let (scheme_a, rest_a) = a.split_at(position(a, b':'));
    let (scheme_b, rest_b) = b.split_at(position(b, b':'));
    scheme_a.eq_ignore_ascii_case(scheme_b) && rest_a == rest_b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(a: &str, b: &str) -> bool {
        let parse = |text| Uri::parse(str::as_bytes(text)).unwrap_or_else(|e| panic!("{text}: {e}"));
        let (a, b) = (parse(a), parse(b));
        assert_eq!(a.matches(&b), b.matches(&a), "{a:?} and {b:?}: from both sides");
        assert!(a.matches(&a) && b.matches(&b));
        a.matches(&b)
    }

    /// RFC 3261 §19.1.4: every pair the section calls equivalent.
    #[test]
    fn equivalent_pairs_of_the_rfc() {
        for (a, b) in [
            ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
            ("sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on"),
            (
                "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
                "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
            ),
            (
                "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
                "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
            ),
            ("sip:carol@chicago.com", "sip:carol@chicago.com;security=off"),
        ] {
            assert!(matches(a, b), "{a} and {b}");
        }
    }

    /// RFC 3261 §19.1.4: every pair the section calls different.
    #[test]
    fn different_pairs_of_the_rfc() {
        for (a, b) in [
            ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
            ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
            ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
            ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
            ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ] {
            assert!(!matches(a, b), "{a} and {b}");
        }
    }

    /// RFC 3261 §19.1.4: the rules of its list, where it gives no example.
    #[test]
    fn rules_without_example() {
        for (a, b, same) in [
            ("sip:a@b", "sips:a@b", false),
            ("sip:a@b", "sip:b", false),
            ("sip:a:x@b", "sip:a:%78@b", true),
            ("sip:a:x@b", "sip:a:X@b", false),
            ("sip:a:x@b", "sip:a@b", false),
            ("sip:a%3b@b", "sip:a%3B@b", true),
            ("sip:a%3b@b", "sip:a;@b", false),
            ("sip:a@b;maddr=192.0.2.1", "sip:a@b", false),
            ("sip:a@b;ttl=1", "sip:a@b", false),
            ("sip:a@b;user=phone", "sip:a@b", false),
            ("sip:a@b;n%61me=v%61lue%25%34%31", "sip:a@b;name=value%2541", true),
            ("sip:a@b;name=value%2541", "sip:a@b;name=valueA", false),
            ("sip:a@b;x", "sip:a@b;x=1", false),
            ("sip:a@b;x=1;x=2", "sip:a@b;x=1;x=2", true),
            ("sip:a@b?x=1&x=1", "sip:a@b?x=1", false),
            ("sip:a@b?X=%31", "sip:a@b?x=1", true),
            ("sip:%00@b", "sip:%00%00@b", false),
        ] {
            assert_eq!(matches(a, b), same, "{a} and {b}");
        }
    }

    /// RFC 3966 §5.
    #[test]
    fn telephone_numbers() {
        for (a, b, same) in [
            ("tel:+1-201-555-0123", "TEL:+1(201)5550123", true),
            ("tel:7042;phone-context=example.com", "tel:7042;Phone-Context=EXAMPLE.COM", true),
            ("tel:7042;phone-context=example.com", "tel:7042", false),
            ("tel:+1;ext=1;isub=2", "tel:+1;isub=2;ext=1", true),
            ("tel:+1", "tel:1", false),
            ("tel:+1", "sip:+1@b", false),
            ("mailto:A@b", "MAILTO:A@b", true),
            ("mailto:A@b", "mailto:a@b", false),
        ] {
            assert_eq!(matches(a, b), same, "{a} and {b}");
        }
    }
}
