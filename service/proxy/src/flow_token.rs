//! The flow of a phone in Path, when we are the first proxy behind it: RFC 5626 §5.
//!
//! ```text
//!   REGISTER  phone ──► us ──► its registrar      Path: <sip:us;lr;ob;of=TOKEN>
//!   INVITE    phone ◄── us ◄── its registrar      Route: <sip:us;lr;ob;of=TOKEN>
//! ```
//! The token is bound to no dialog, for any request to the phone carries it; whoever has it can send requests to that one
//! phone and nowhere else.

use offhook_net::Flow;
use offhook_seal::Purpose;
use offhook_sip::{Param, Transport};

use crate::cookie::CookieKey;
use crate::flow_code::{self, FlowBytes, Read};
use crate::identity::Local;

/// What goes into Path for a phone that speaks to us directly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PathEntry {
    /// The flow to it.
    pub flow: Flow,
    /// Whether it registers flows, which it and its registrar must be told that we keep: `ob` (§5.1).
    pub outbound: bool,
}

/// What a flow token in Route says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowRoute {
    /// The way to the phone.
    To(Flow),
    /// Its connection ended with an earlier process: 430 (§5.3.1).
    Gone,
    /// Nobody here made it, or its key is retired: 403 (§5.3.1).
    Forged,
}

/// Writes the Path value for a REGISTER on its way out of `local`.
pub fn write(key: &CookieKey, local: &Local, entry: PathEntry, out: &mut Vec<u8>) {
    let mut state = FlowBytes::new();
    flow_code::write(Some((entry.flow, None)), key.process(), &mut state);
    out.extend_from_slice(b"<sip:");
    out.extend_from_slice(local.sent_by.as_bytes());
    if local.transport != Transport::Udp {
        out.extend_from_slice(b";transport=");
        out.extend_from_slice(local.transport.name().as_bytes());
    }
    out.extend_from_slice(if entry.outbound { b";lr;ob;of=" } else { b";lr;of=" });
    // One flow fits into a token, see `FlowBytes`; a value without one would be refused as forged.
    let _ = key.seals().seal(Purpose::Flow, &[], &state, out);
    out.push(b'>');
}

/// What the flow token (`of`) of a Route value of ours says.
pub fn read(key: &CookieKey, token: Param<'_>) -> FlowRoute {
    let token = token.value.unwrap_or_default();
    let Some(state) = key.seals().open(Purpose::Flow, &[], token) else { return FlowRoute::Forged };
    match flow_code::read(&mut state.as_bytes(), key.process()) {
        Some(Read::Flow((flow, _))) => FlowRoute::To(flow),
        Some(Read::Gone(_)) => FlowRoute::Gone,
        Some(Read::None) | None => FlowRoute::Forged,
    }
}

#[cfg(test)]
mod tests {
    use offhook_net::ConnectionId;
    use offhook_seal::Ring;
    use offhook_sip::Uri;

    use super::*;

    fn key() -> CookieKey {
        CookieKey::new([1; 16], Ring::of_one([2; 32]).seals(0)).of_process(7)
    }

    fn flow() -> Flow {
        let connection = ConnectionId { index: 3, generation: 9 };
        let remote = "203.0.113.7:40000".parse().expect("an address");
        Flow { transport: Transport::Tls, listener: 2, connection, remote }
    }

    fn value(outbound: bool) -> String {
        let local = Local::new(Transport::Udp, "192.0.2.1:5060".parse().expect("an address"), None);
        let mut out = Vec::new();
        write(&key(), &local, PathEntry { flow: flow(), outbound }, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn read_back(key: &CookieKey, value: &str) -> Option<FlowRoute> {
        let uri = value.trim_start_matches('<').trim_end_matches('>');
        let uri = Uri::parse(uri.as_bytes()).expect("a URI");
        uri.params().find(b"of").map(|token| read(key, token))
    }

    /// RFC 5626 §5.1 and §5.2: the token leads back to the flow, and cannot be made by others.
    #[test]
    fn a_token_leads_to_its_flow() {
        let path = value(true);
        assert!(path.starts_with("<sip:192.0.2.1;lr;ob;of="), "{path}");
        assert!(!value(false).contains(";ob"));
        assert_eq!(read_back(&key(), &path), Some(FlowRoute::To(flow())));
        assert_eq!(read_back(&key().of_process(8), &path), Some(FlowRoute::Gone));
        let stranger = CookieKey::new([1; 16], Ring::of_one([3; 32]).seals(0));
        assert_eq!(read_back(&stranger, &path), Some(FlowRoute::Forged));
        assert_eq!(read_back(&key(), "<sip:192.0.2.1;lr;of>"), Some(FlowRoute::Forged));
        assert_eq!(read_back(&key(), "<sip:192.0.2.1;lr>"), None);
    }
}
