//! Staying in the path of a dialog: RFC 3261 §16.6 step 4, and the sealed value that comes back in Route.
//!
//! ```text
//!   <sip:192.0.2.1;lr;oh=SEAL>                    both sides can be reached where their Contact says
//!   <sip:CALLER.CALLEE@192.0.2.1;lr;oh=SEAL>      one or both sit behind a NAT or on a connection
//! ```
//! The seal covers the Call-ID, the caller's tag and the flows, so a stranger can neither use us as a relay by writing
//! a Route of his own nor point a flow elsewhere. Contacts stay as the phones wrote them: where a Contact cannot be
//! reached, the flow of that side is used instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use offhook_net::{ConnectionId, Flow};
use offhook_sip::{Transport, Uri};

use crate::cookie::{CookieKey, read_hex, write_hex};
use crate::identity::Local;

/// The flows to the two ends of a dialog, where their Contact is not enough to reach them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sides {
    /// To the caller: who sent the request that made the dialog.
    pub caller: Option<Flow>,
    /// To the callee.
    pub callee: Option<Flow>,
}

/// A request inside a dialog that we record-routed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InDialog {
    /// The flow to the side the request goes to, if one was noted. Without its connection if that belonged to an
    /// earlier process: then it says only where the phone was.
    pub toward: Option<Flow>,
}

/// Writes the Record-Route value for a request on its way out of `local`. `secure`: the request is for a `sips` URI, so
/// this value is one too (§16.6 step 4).
pub fn write(
    key: &CookieKey,
    local: &Local,
    (call_id, caller_tag): (&[u8], &[u8]),
    sides: Sides,
    secure: bool,
    out: &mut Vec<u8>,
) {
    let sips = secure && local.transport.is_secure();
    out.extend_from_slice(if sips { b"<sips:" } else { b"<sip:" });
    let carried = out.len();
    if sides != Sides::default() {
        write_flow(sides.caller, key.process(), out);
        out.push(b'.');
        write_flow(sides.callee, key.process(), out);
    }
    let seal = key.route_seal(call_id, caller_tag, &out[carried..]);
    if out.len() > carried {
        out.push(b'@');
    }
    out.extend_from_slice(local.sent_by.as_bytes());
    if local.transport == Transport::Wss && !local.names_port() {
        // `transport=ws` alone means port 80: RFC 7118 §5.5.
        out.extend_from_slice(b":443");
    }
    // RFC 3261 §26.2.2: sips says TLS by itself.
    let says_all = sips && local.transport == Transport::Tls;
    if !says_all && local.transport != Transport::Udp {
        out.extend_from_slice(b";transport=");
        out.extend_from_slice(local.transport.uri_name().as_bytes());
    }
    out.extend_from_slice(b";lr;oh=");
    write_hex(seal, 16, out);
    out.push(b'>');
}

/// Reads a Route value of ours back. `None`: the seal is missing or does not fit this dialog.
pub fn read(
    key: &CookieKey,
    route: &Uri<'_>,
    call_id: &[u8],
    from_tag: &[u8],
    to_tag: &[u8],
) -> Option<InDialog> {
    let seal = read_hex(route.params().value(b"oh")?)?;
    let carried = route.user.unwrap_or_default();
    let sides = read_sides(carried, key.process())?;
    if seal == key.route_seal(call_id, from_tag, carried) {
        Some(InDialog { toward: sides.callee })
    } else if seal == key.route_seal(call_id, to_tag, carried) {
        Some(InDialog { toward: sides.caller })
    } else {
        None
    }
}

fn read_sides(carried: &[u8], process: u32) -> Option<Sides> {
    if carried.is_empty() {
        return Some(Sides::default());
    }
    let dot = carried.iter().position(|&c| c == b'.')?;
    let caller = read_flow(&carried[..dot], process)?;
    Some(Sides { caller, callee: read_flow(&carried[dot + 1..], process)? })
}

/// Transport, listener, process, connection, port, address; each in a fixed number of digits.
fn write_flow(flow: Option<Flow>, process: u32, out: &mut Vec<u8>) {
    let Some(flow) = flow else { return };
    let transport = Transport::ALL.iter().position(|t| *t == flow.transport).unwrap_or(0);
    write_hex(transport as u64, 1, out);
    write_hex(u64::from(flow.listener), 4, out);
    write_hex(u64::from(process), 8, out);
    write_hex(u64::from(flow.connection.index), 8, out);
    write_hex(u64::from(flow.connection.generation), 8, out);
    write_hex(u64::from(flow.remote.port()), 4, out);
    match flow.remote.ip() {
        IpAddr::V4(ip) => write_hex(u64::from(ip.to_bits()), 8, out),
        IpAddr::V6(ip) => {
            write_hex((ip.to_bits() >> 64) as u64, 16, out);
            write_hex(ip.to_bits() as u64, 16, out);
        }
    }
}

/// The outer `None` is text that is no flow. A connection of an earlier process is gone, whatever number it had.
fn read_flow(text: &[u8], process: u32) -> Option<Option<Flow>> {
    if text.is_empty() {
        return Some(None);
    }
    let part = |from: usize, to: usize| text.get(from..to).and_then(read_hex);
    let ip = match text.len() {
        41 => IpAddr::V4(Ipv4Addr::from_bits(part(33, 41)? as u32)),
        65 => IpAddr::V6(Ipv6Addr::from_bits(u128::from(part(33, 49)?) << 64 | u128::from(part(49, 65)?))),
        _ => return None,
    };
    let connection = ConnectionId { index: part(13, 21)? as u32, generation: part(21, 29)? as u32 };
    let is_gone = part(5, 13)? as u32 != process;
    let connection = if is_gone { ConnectionId::NONE } else { connection };
    Some(Some(Flow {
        transport: *Transport::ALL.get(part(0, 1)? as usize)?,
        listener: part(1, 5)? as u16,
        connection,
        remote: SocketAddr::new(ip, part(29, 33)? as u16),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(remote: &str, generation: u32) -> Flow {
        Flow {
            transport: Transport::Tcp,
            listener: 2,
            connection: ConnectionId { index: 9, generation },
            remote: remote.parse().expect("an address"),
        }
    }

    fn value(sides: Sides) -> String {
        let local = Local::new(Transport::Tcp, "192.0.2.1:5060".parse().expect("an address"), None);
        let mut out = Vec::new();
        write(&CookieKey::new([1; 16]), &local, (b"call", b"tagA"), sides, false, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn read_back(value: &str, call_id: &str, from: &str, to: &str) -> Option<InDialog> {
        let uri = value.trim_start_matches('<').trim_end_matches('>');
        let uri = Uri::parse(uri.as_bytes()).expect("a URI");
        read(&CookieKey::new([1; 16]), &uri, call_id.as_bytes(), from.as_bytes(), to.as_bytes())
    }

    /// RFC 3261 §16.6 step 4: the value has `lr`, and names us so that the dialog's requests come back.
    #[test]
    fn both_directions_find_the_other_side() {
        let caller = flow("10.0.0.1:4000", 3);
        let callee = flow("[2001:db8::7]:5060", 4);
        let text = value(Sides { caller: Some(caller), callee: Some(callee) });
        assert!(text.contains("@192.0.2.1;transport=tcp;lr;oh="), "{text}");
        assert_eq!(read_back(&text, "call", "tagA", "tagB"), Some(InDialog { toward: Some(callee) }));
        assert_eq!(read_back(&text, "call", "tagB", "tagA"), Some(InDialog { toward: Some(caller) }));
        let plain = value(Sides::default());
        assert_eq!(read_back(&plain, "call", "tagB", "tagA"), Some(InDialog { toward: None }));
    }

    /// RFC 7118 §5.2, §5.5, §8.2: `transport=ws` for both kinds of WebSocket, and the port where it is not 80.
    #[test]
    fn a_route_over_websocket() {
        let value = |transport, address: &str, advertise| {
            let local = Local::new(transport, address.parse().expect("an address"), advertise);
            let mut out = Vec::new();
            write(&CookieKey::new([1; 16]), &local, (b"call", b"tagA"), Sides::default(), false, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        for (transport, address, advertise, want) in [
            (Transport::Wss, "192.0.2.1:443", None, "<sip:192.0.2.1:443;transport=ws;lr;oh="),
            (Transport::Wss, "192.0.2.1:8443", None, "<sip:192.0.2.1:8443;transport=ws;lr;oh="),
            (Transport::Wss, "[2001:db8::1]:443", None, "<sip:[2001:db8::1]:443;transport=ws;lr;oh="),
            (Transport::Wss, "192.0.2.1:8443", Some("a.example"), "<sip:a.example:443;transport=ws;lr;oh="),
            (Transport::Ws, "192.0.2.1:80", None, "<sip:192.0.2.1;transport=ws;lr;oh="),
            (Transport::Ws, "192.0.2.1:8080", None, "<sip:192.0.2.1:8080;transport=ws;lr;oh="),
        ] {
            let text = value(transport, address, advertise);
            assert!(text.starts_with(want), "{text}");
        }
    }

    #[test]
    fn a_route_of_another_dialog_or_of_a_stranger_is_refused() {
        let text = value(Sides { caller: Some(flow("10.0.0.1:4000", 3)), callee: None });
        assert_eq!(read_back(&text, "other", "tagA", "tagB"), None);
        assert_eq!(read_back(&text, "call", "x", "y"), None);
        assert_eq!(read_back(&text.replacen("a000001", "a000002", 1), "call", "tagA", "tagB"), None);
        assert_eq!(read_back("<sip:192.0.2.1;lr>", "call", "tagA", "tagB"), None);
        assert_eq!(read_back("<sip:zz.@192.0.2.1;lr;oh=0>", "call", "tagA", "tagB"), None);
    }
}
