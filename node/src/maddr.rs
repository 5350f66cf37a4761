//! `maddr` of a Request-URI: RFC 3261 §16.4 and §16.5. In a Via it is not followed: see [`offhook_sip::Via::reply_address`].

use offhook_proxy::Identity;
use offhook_sip::{Host, HostPort, Uri};

/// Whether `maddr` names somebody else: then the request goes there, whatever its host is.
#[inline]
pub(crate) fn leads_away(uri: &Uri<'_>, identity: &Identity) -> bool {
    is_ours(uri, identity) == Some(false)
}

/// The URI as if nobody had written our address into it: without `maddr`, and without port and transport, which were those of
/// our address (§16.4). `None`: it has no `maddr` of ours.
pub(crate) fn without_ours(uri: &Uri<'_>, identity: &Identity) -> Option<Vec<u8>> {
    is_ours(uri, identity).filter(|ours| *ours)?;
    let at = uri.address?;
    let scheme = uri.text.iter().position(|&c| c == b':')?;
    let mut text = uri.text.get(..=scheme)?.to_vec();
    if let Some(user) = uri.user {
        text.extend_from_slice(user);
        text.push(b'@');
    }
    text.extend_from_slice(at.host_text);
    let goes = |name: &[u8]| [&b"maddr"[..], b"transport"].iter().any(|own| own.eq_ignore_ascii_case(name));
    for param in uri.params().filter(|param| !goes(param.name)) {
        text.push(b';');
        text.extend_from_slice(param.whole);
    }
    Some(text)
}

/// `None`: there is no `maddr`.
#[inline]
fn is_ours(uri: &Uri<'_>, identity: &Identity) -> Option<bool> {
    // Most have no parameter at all.
    let params = uri.params();
    if params.text().is_empty() {
        return None;
    }
    let text = params.value(b"maddr")?;
    let port = uri.address.and_then(|at| at.port);
    let at = |host| HostPort { host, host_text: text, port };
    Some(Host::parse(text).is_some_and(|host| identity.is_us(&at(host)) || identity.is_domain(text)))
}

#[cfg(test)]
mod tests {
    use offhook_proxy::Local;
    use offhook_sip::Transport;

    use super::*;

    fn identity() -> Identity {
        let local = Local::new(Transport::Udp, "192.0.2.1:5060".parse().expect("an address"), None);
        Identity::new(vec!["example.org".into()], vec![local])
    }

    /// RFC 3261 §16.4: "the proxy MUST strip the maddr and any non-default port or transport parameter".
    #[test]
    fn our_own_address_is_taken_out() {
        for (uri, plain) in [
            ("sip:bob@far.example;maddr=192.0.2.1", Some("sip:bob@far.example")),
            (
                "SIP:bob@far.example:5060;transport=udp;MADDR=192.0.2.1;user=phone",
                Some("SIP:bob@far.example;user=phone"),
            ),
            ("sip:far.example;maddr=EXAMPLE.org", Some("sip:far.example")),
            ("sip:bob@far.example:5070;maddr=192.0.2.1", None),
            ("sip:bob@far.example;maddr=192.0.2.9", None),
            ("sip:bob@far.example;maddr=", None),
            ("sip:bob@far.example", None),
        ] {
            let parsed = Uri::parse(uri.as_bytes()).expect(uri);
            let text = without_ours(&parsed, &identity()).map(|text| String::from_utf8(text).expect("ASCII"));
            assert_eq!(text.as_deref(), plain, "{uri}");
        }
    }

    /// RFC 3261 §16.5.
    #[test]
    fn another_address_leads_away() {
        let leads = |uri: &str| leads_away(&Uri::parse(uri.as_bytes()).expect(uri), &identity());
        assert!(leads("sip:bob@example.org;maddr=192.0.2.9"));
        assert!(!leads("sip:bob@example.org;maddr=192.0.2.1"));
        assert!(!leads("sip:bob@example.org"));
    }
}
