//! URIs: SIP and SIPS as RFC 3261 §19.1 says, `tel` (RFC 3966) and others as text.

mod equality;
mod escape;

use crate::chars::{are_uri, find, is_user, same_in_any_case, token_len, uri_mark, user_len};
use crate::host::{Host, HostPort};
use crate::params::{Param, Params};
use crate::{Malformed, Transport};

use escape::{Canonical, escapes_are_whole, same_text};

/// The scheme of a URI.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// RFC 3261 §19.1.
    Sip,
    /// RFC 3261 §19.1, RFC 5630.
    Sips,
    /// RFC 3966.
    Tel,
    /// Any other: a request to it is answered 416 (RFC 3261 §16.3 step 2).
    Other,
}

/// A URI over its text.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'a> {
    /// The whole text.
    pub text: &'a [u8],
    /// Its scheme.
    pub scheme: Scheme,
    /// The user part as written, escapes included; for `tel` the number.
    pub user: Option<&'a [u8]>,
    /// Host and port; `None` for schemes other than sip and sips.
    pub address: Option<HostPort<'a>>,
    /// Behind the colon of the user part. Nobody should write one (RFC 3261 §19.1.1), but two URIs that differ in it
    /// are two.
    password: Option<&'a [u8]>,
    /// From the first semicolon behind the host to the question mark.
    params: &'a [u8],
    /// Behind the question mark.
    headers: &'a [u8],
}

impl<'a> Uri<'a> {
    /// Parses a whole URI, without angle brackets.
    ///
    /// # Errors
    /// [`Malformed::Uri`].
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        if are_uri(text) { Self::of_legal(text) } else { Err(Malformed::Uri) }
    }

    /// The same, of characters that may stand in a URI.
    pub(crate) fn of_legal(text: &'a [u8]) -> Result<Self, Malformed> {
        let (scheme, rest) = scheme_of(text).ok_or(Malformed::Uri)?;
        if rest.is_empty() || !scheme.first().is_some_and(u8::is_ascii_alphabetic) {
            return Err(Malformed::Uri);
        }
        let scheme = match scheme.len() {
            3 if same_in_any_case(scheme, b"sip") => Scheme::Sip,
            4 if same_in_any_case(scheme, b"sips") => Scheme::Sips,
            3 if same_in_any_case(scheme, b"tel") => Scheme::Tel,
            _ => Scheme::Other,
        };
        let opaque =
            Self { text, scheme, user: None, address: None, password: None, params: b"", headers: b"" };
        match scheme {
            Scheme::Sip | Scheme::Sips => opaque.with_sip_parts(rest).ok_or(Malformed::Uri),
            Scheme::Tel => {
                let (user, params) = rest.split_at(position(rest, b';'));
                Ok(Self { user: Some(user), params, ..opaque })
            }
            Scheme::Other => Ok(opaque),
        }
    }

    /// Whether a text begins with a scheme. The rest is found when it is used.
    pub(crate) fn has_scheme(text: &[u8]) -> bool {
        scheme_of(text).is_some()
    }

    fn with_sip_parts(mut self, rest: &'a [u8]) -> Option<Self> {
        if !escapes_are_whole(rest) {
            return None;
        }
        // '@' stands nowhere else unescaped, so the first one ends the user part even where ';' and '?' stand in it.
        let rest = match find(rest, b'@') {
            Some(at) => {
                let (user, password) = user_and_password(&rest[..at])?;
                (self.user, self.password) = (Some(user), password);
                &rest[at + 1..]
            }
            None => rest,
        };
        let (host, rest) = rest.split_at(uri_mark(rest).unwrap_or(rest.len()));
        self.address = Some(HostPort::parse(host)?);
        let (params, headers) = rest.split_at(position(rest, b'?'));
        self.params = params;
        self.headers = headers.strip_prefix(b"?").unwrap_or_default();
        Some(self)
    }

    /// The URI parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// The `?name=value&…` part, without the question mark.
    pub fn headers(&self) -> &'a [u8] {
        self.headers
    }

    /// Whether this is sip or sips.
    pub fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The URI parameter of this name, in any case of letters and with escapes undone (RFC 3261 §19.1.4).
    pub fn param(&self, name: &[u8]) -> Option<Param<'a>> {
        Iterator::find(&mut self.params(), |p| same_text(p.name, name))
    }

    /// The `transport` parameter, if it names one we know.
    pub fn transport(&self) -> Option<Transport> {
        let text = self.param(b"transport").and_then(|p| p.value);
        let named =
            text.and_then(|text| Transport::ALL.into_iter().find(|t| same_text(text, t.name().as_bytes())));
        match (self.scheme, named) {
            // RFC 3261 §26.2.2 and RFC 7118 §9.2: sips asks for TLS on every hop whatever the parameter says.
            (Scheme::Sips, None | Some(Transport::Tcp | Transport::Udp)) => Some(Transport::Tls),
            (Scheme::Sips, Some(Transport::Ws)) => Some(Transport::Wss),
            (_, named) => named,
        }
    }

    /// Whether the `lr` parameter makes this a loose route (RFC 3261 §16.12.1.1).
    pub fn is_loose(&self) -> bool {
        self.param(b"lr").is_some()
    }

    /// Equality by RFC 3261 §19.1.4, and by RFC 3966 §5 for `tel`. It is not transitive.
    pub fn matches(&self, other: &Uri<'_>) -> bool {
        equality::same_uri(self, other)
    }

    /// The user part in one canonical form: every character that may stand unescaped does, every other is `%` and two
    /// upper-case digits. So two users have the same text exactly if they are the same with all escapes undone, and no
    /// control character gets in (RFC 4475 §3.1.1.4).
    pub fn canonical_user(&self) -> impl Iterator<Item = u8> + Clone + use<'a> {
        Canonical::new(self.user.unwrap_or_default(), |c| is_user(c) && c != b'%')
    }

    /// Whether its user part has an escaped control character (`%00`, `%0d`): legal (RFC 4475 §3.1.1.4), but nobody dials
    /// one, and who does not expect it may take it for the end of a text or of a line.
    pub fn has_control_character(&self) -> bool {
        let is_control = |code: &[u8]| matches!(code, [b'0' | b'1', _] | [b'7', b'f' | b'F']);
        let mut escapes = self.user.unwrap_or_default().split(|c| *c == b'%').skip(1);
        escapes.any(|after| after.get(..2).is_some_and(is_control))
    }

    /// Writes the address-of-record of this URI: RFC 3261 §10.3 step 5. The user part in its canonical form, `@`, and
    /// the host in lower case; no password, port or parameters. `None` when there is no user.
    pub fn write_aor(&self, host: Host<'_>, out: &mut Vec<u8>) -> Option<()> {
        self.user.filter(|u| !u.is_empty())?;
        out.extend(self.canonical_user());
        out.push(b'@');
        write_host(host, out);
        Some(())
    }
}

/// Writes a host in its canonical form: names in lower case without the final dot, IPv6 in brackets.
pub fn write_host(host: Host<'_>, out: &mut Vec<u8>) {
    match host {
        Host::Name(name) => {
            out.extend(name.strip_suffix(b".").unwrap_or(name).iter().map(u8::to_ascii_lowercase));
        }
        Host::Ip(_) => out.extend_from_slice(host.to_string().as_bytes()),
    }
}

fn position(text: &[u8], c: u8) -> usize {
    find(text, c).unwrap_or(text.len())
}

/// The scheme, and what stands behind its colon.
fn scheme_of(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let [scheme @ .., b':'] = text.first_chunk::<4>().map_or(&b""[..], |front| front)
        && same_in_any_case(scheme, b"sip")
    {
        return Some((scheme, &text[4..]));
    }
    let (scheme, rest) = text.split_at(token_len(text));
    Some((scheme, rest.strip_prefix(b":")?)).filter(|_| !scheme.is_empty())
}

/// The parts of `user[:password]`.
fn user_and_password(info: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (user, rest) = info.split_at(user_len(info));
    let password = rest.strip_prefix(b":");
    let is_legal = password.map_or(rest.is_empty(), |password| user_len(password) == password.len());
    (!user.is_empty() && is_legal).then_some((user, password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn aor(text: &str) -> Option<String> {
        let uri = uri(text);
        let mut out = Vec::new();
        uri.write_aor(uri.address?.host, &mut out)?;
        String::from_utf8(out).ok()
    }

    /// RFC 3261 §19.1.1 and §19.1.3, RFC 4475 §3.1.1.2, §3.1.1.9.
    #[test]
    fn parts_of_a_uri() {
        let u = uri(
            "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com:6000;a;b=c?x=y&z=",
        );
        assert_eq!(u.user, Some(&b"1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"[..]));
        assert_eq!(u.address.and_then(|a| a.port), Some(6000));
        assert_eq!((u.param(b"B").and_then(|p| p.value), u.headers()), (Some(&b"c"[..]), &b"x=y&z="[..]));
        assert_eq!(
            uri("sip:user;par=u%40example.net@example.com").user,
            Some(&b"user;par=u%40example.net"[..])
        );
        assert_eq!(uri("sip:example.com").user, None);
        assert_eq!(
            (uri("TEL:+1-201;ext=5").scheme, uri("tel:+1-201;ext=5").user),
            (Scheme::Tel, Some(&b"+1-201"[..]))
        );
        assert_eq!(uri("soap.beep://192.0.2.103:3002").scheme, Scheme::Other);
    }

    #[test]
    fn what_is_no_uri() {
        for text in [
            "",
            ":",
            "sip:",
            "sip:@b",
            "sip:a@",
            "sip:a@b@c",
            "sip:a b@c",
            "sip:a@b:x",
            "sip:a[b@c",
            "sip:a#b@c",
            "sip:a:b:c@d",
            "sip:a:b[c@d",
            "sip:a%4@b",
            "sip:a%zz@b",
            "sip:a@b;x=%",
            "1sip:a@b",
            "alice",
            "sip:a@b;x=\"y\"",
            "sip:2001:db8::10",
            "<sip:a@b>",
            "sip:\u{e9}@b",
        ] {
            assert_eq!(Uri::parse(text.as_bytes()).err(), Some(Malformed::Uri), "{text}");
        }
    }

    /// RFC 3261 §10.3 step 5 and RFC 4475 §3.1.1.3 to §3.1.1.5.
    #[test]
    fn addresses_of_record() {
        for (text, want) in [
            ("sip:alice@AtLanTa.CoM.;transport=tcp?x=y", "alice@atlanta.com"),
            ("sips:%61lice:secret@atlanta.com:5061", "alice@atlanta.com"),
            ("sip:Alice@atlanta.com", "Alice@atlanta.com"),
            ("sip:+1%2D201@[2001:DB8::1]", "+1-201@[2001:db8::1]"),
            ("sip:%2b1@b", "+1@b"),
            ("sip:null-%00-null@b", "null-%00-null@b"),
            ("sip:sips%3auser%40example.com@example.net", "sips%3Auser%40example.com@example.net"),
            ("sip:a%2541@b", "a%2541@b"),
        ] {
            assert_eq!(aor(text).as_deref(), Some(want), "{text}");
        }
        assert_eq!(aor("sip:example.com"), None);
    }

    /// RFC 3261 §26.2.2 and RFC 7118 §9.2; RFC 4475 §3.1.1.3 (escaped names of parameters).
    #[test]
    fn transports_and_loose_routes() {
        for (text, want) in [
            ("sip:a", None),
            ("sip:a;Transport=TCP", Some(Transport::Tcp)),
            ("sip:a;%74ransport=%74cp", Some(Transport::Tcp)),
            ("sip:a;transport=carrier-pigeon", None),
            ("sips:a", Some(Transport::Tls)),
            ("sips:a;transport=udp", Some(Transport::Tls)),
            ("sips:a;transport=ws", Some(Transport::Wss)),
        ] {
            assert_eq!(uri(text).transport(), want, "{text}");
        }
        for (text, want) in
            [("sip:a;lr", true), ("sip:a;LR=on", true), ("sip:a;%6C%72", true), ("sip:lr", false)]
        {
            assert_eq!(uri(text).is_loose(), want, "{text}");
        }
    }
}
