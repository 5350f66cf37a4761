//! How a rule changes the Request-URI: aliases, abbreviated numbers, prefixes, and `tel:` that becomes `sip:`.

use offhook_config::Route;
use offhook_sip::{HostPort, Param, Scheme, Uri};

use crate::when::digits;

/// The changes of one rule.
#[derive(Clone, Default, Debug)]
pub struct Change {
    user: Option<Vec<u8>>,
    strip: usize,
    prepend: Vec<u8>,
}

impl Change {
    pub(crate) fn new(route: &Route) -> Self {
        let text =
            |part: &Option<offhook_config::UserPart>| part.as_ref().map(|p| p.as_str().as_bytes().to_vec());
        Self {
            user: text(&route.user),
            strip: route.strip,
            prepend: text(&route.prepend).unwrap_or_default(),
        }
    }

    /// Whether the user part stays as it is.
    pub fn keeps_user(&self) -> bool {
        self.user.is_none() && self.strip == 0 && self.prepend.is_empty()
    }

    /// Whether another user part is written, whatever was dialled.
    pub fn names_user(&self) -> bool {
        self.user.is_some()
    }

    /// The user part that the rule makes of that of `uri`. Characters that are not there cannot be stripped.
    pub fn write_user(&self, uri: &Uri<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prepend);
        match &self.user {
            Some(user) => out.extend_from_slice(user),
            None => out.extend(digits(uri).skip(self.strip)),
        }
    }

    /// The whole Request-URI to send: `host` (with its port, perhaps) in place of the one that was dialled, where one
    /// is given. `false`: the received one is right, nothing was written. A `tel:` URI becomes a `sip:` one as RFC 3261
    /// §19.1.6 says; without a host it stays what it is.
    pub fn write_uri(&self, uri: &Uri<'_>, host: Option<&str>, out: &mut Vec<u8>) -> bool {
        if host.is_none() && (self.keeps_user() || uri.address.is_none()) {
            return false;
        }
        out.extend_from_slice(if uri.scheme == Scheme::Sips { b"sips:" } else { b"sip:" });
        let start = out.len();
        self.write_user(uri, out);
        if uri.scheme == Scheme::Tel {
            write_number_params(uri, out);
        }
        if out.len() > start {
            out.push(b'@');
        }
        match (host, uri.address) {
            (Some(host), _) => out.extend_from_slice(host.as_bytes()),
            (None, Some(at)) => write_address(&at, out),
            (None, None) => {}
        }
        if uri.scheme == Scheme::Tel {
            out.extend_from_slice(b";user=phone");
        } else if host.is_none() {
            out.extend_from_slice(uri.params().text());
        } else {
            // `transport`, `maddr` and `lr` were about the host that was dialled.
            write_param(uri, b"user", out);
        }
        true
    }
}

/// The parameters of a telephone number, but for a context that is the beginning of a number (RFC 3966 §5.1.5): who joins the
/// two calls one that no rule has looked at.
fn write_number_params(uri: &Uri<'_>, out: &mut Vec<u8>) {
    let begins_number = |param: &Param<'_>| {
        param.name.eq_ignore_ascii_case(b"phone-context")
            && param.value.is_none_or(|value| value.starts_with(b"+") || value.starts_with(b"%"))
    };
    for param in uri.params().filter(|param| !begins_number(param)) {
        out.push(b';');
        out.extend_from_slice(param.whole);
    }
}

fn write_param(uri: &Uri<'_>, name: &[u8], out: &mut Vec<u8>) {
    if let Some(value) = uri.param(name).and_then(|param| param.value) {
        out.push(b';');
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn write_address(at: &HostPort<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(at.host_text);
    if let Some(port) = at.port {
        out.push(b':');
        out.extend_from_slice(port.to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(user: Option<&str>, strip: usize, prepend: &str) -> Change {
        Change { user: user.map(|u| u.as_bytes().to_vec()), strip, prepend: prepend.as_bytes().to_vec() }
    }

    fn uri(change: &Change, dialled: &str, host: Option<&str>) -> String {
        let dialled = Uri::parse(dialled.as_bytes()).expect(dialled);
        let mut out = Vec::new();
        let written = change.write_uri(&dialled, host, &mut out);
        if written { String::from_utf8(out).expect("text") } else { "as it is".to_owned() }
    }

    #[test]
    fn what_need_not_change_is_not_written() {
        assert_eq!(uri(&change(None, 0, ""), "sip:+49301@a.example", None), "as it is");
        assert_eq!(uri(&change(None, 0, ""), "tel:+49301", None), "as it is");
    }

    #[test]
    fn numbers_are_stripped_and_prefixed() {
        let abroad = change(None, 2, "+");
        assert_eq!(
            uri(&abroad, "sip:0049301@a.example:5070;transport=tcp", None),
            "sip:+49301@a.example:5070;transport=tcp"
        );
        assert_eq!(uri(&abroad, "sips:0049301@a.example", Some("192.0.2.9")), "sips:+49301@192.0.2.9");
        assert_eq!(uri(&change(None, 9, ""), "sip:110@a.example", Some("b.example")), "sip:b.example");
        assert_eq!(uri(&change(Some("alice"), 0, ""), "sip:100@a.example", None), "sip:alice@a.example");
    }

    #[test]
    fn parameters_of_the_dialled_host_do_not_reach_another() {
        let same = change(None, 0, "");
        let dialled = "sip:+1555@a.example;transport=tcp;user=phone;maddr=192.0.2.1";
        assert_eq!(uri(&same, dialled, Some("192.0.2.9:5080")), "sip:+1555@192.0.2.9:5080;user=phone");
    }

    /// RFC 3261 §19.1.4: what is stripped are the characters that escapes stand for, and they leave as themselves.
    #[test]
    fn escapes_are_undone() {
        let abroad = change(None, 2, "+");
        assert_eq!(uri(&abroad, "sip:%30%3049301@a.example", Some("b.example")), "sip:+49301@b.example");
        let same = change(None, 0, "");
        assert_eq!(uri(&same, "sip:0-%3900@a.example", Some("b.example")), "sip:0900@b.example");
        assert_eq!(uri(&same, "sip:0%0d%0a%40x@a.example", Some("b.example")), "sip:0%0D%0A%40x@b.example");
    }

    /// RFC 3261 §19.1.6: a telephone number becomes the user part of a SIP URI; its visual separators mean nothing.
    #[test]
    fn telephone_numbers_become_sip_uris() {
        let same = change(None, 0, "");
        assert_eq!(uri(&same, "tel:+1-555-(123).4", Some("b.example")), "sip:+15551234@b.example;user=phone");
        let local = "tel:7042;phone-context=a.example";
        assert_eq!(
            uri(&same, local, Some("b.example")),
            "sip:7042;phone-context=a.example@b.example;user=phone"
        );
        for prefix in ["+49900", "%2b49900", "+1;phone-context=+2"] {
            let joined = format!("tel:0123;isub=1;Phone-Context={prefix}");
            assert_eq!(uri(&same, &joined, Some("b.example")), "sip:0123;isub=1@b.example;user=phone");
        }
    }
}
