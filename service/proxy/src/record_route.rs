//! Staying in the path of a dialog: RFC 3261 §16.6 step 4, and the sealed value that comes back in Route.
//!
//! ```text
//!   <sip:192.0.2.1;lr;oh=TOKEN.ENDS>   TOKEN: the flows to caller and callee, and whether transactions are kept, sealed for
//!                                      this dialog; ENDS: how near they are and who, see [`Ends`]
//! ```
//! The token is bound to the Call-ID and the caller's tag (see [`offhook_seal`]), so a stranger can neither use us as a
//! relay by writing a Route of his own, nor point a flow elsewhere, nor learn what private addresses stand behind a NAT,
//! nor carry the value to another dialog. It says of a request with a To tag that it belongs to what was let in, and how near
//! its other side is: so far that side's Contact may lead, and no farther. Contacts stay as the phones wrote them: where a Contact cannot be reached, the
//! flow of that side is used instead.

mod ends;

use std::num::NonZeroU32;

use offhook_net::Flow;
use offhook_seal::Purpose;
use offhook_sip::{Transport, Uri};

use crate::cookie::CookieKey;
use crate::flow_code::{self, FlowBytes, PhoneMark, Read, TRUNK_BYTES};
use crate::identity::Local;

pub use ends::{Ends, NamesMark, Nearness, NetworkMark, TrunkMark};

/// What is remembered of a dialog: the flows to its two ends, where their Contact is not enough to reach them, and how it
/// was forwarded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sides {
    /// To the caller: who sent the request that made the dialog.
    pub caller: Option<Flow>,
    /// To the callee.
    pub callee: Option<Flow>,
    /// The phone at the far end of the caller's flow, where it is known: it may come back by another.
    pub caller_phone: Option<PhoneMark>,
    /// The same of the callee's.
    pub callee_phone: Option<PhoneMark>,
    /// Trunks that ask for credentials.
    pub trunks: Trunks,
    /// How near they are, and who.
    pub ends: Ends,
    /// It began on a route without transactions (§16.11); its other requests take none either.
    pub stateless: bool,
}

/// The trunks at the ends of a dialog whose requests are renumbered ([`crate::renumber`]), by their marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trunks {
    /// The caller is one.
    pub caller: Option<NonZeroU32>,
    /// The callee is one.
    pub callee: Option<NonZeroU32>,
    /// The INVITE that made the dialog.
    pub first: First,
}

/// The number of the INVITE that made a dialog, and how often it was repeated with credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct First {
    /// Its number as the caller wrote it.
    pub number: u32,
    /// How often we have repeated it.
    pub tries: u8,
}

/// A request goes to a trunk that asks for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beyond {
    /// The mark of the trunk.
    pub mark: NonZeroU32,
    /// The INVITE that made the dialog, if it went the same way.
    pub first: Option<First>,
}

/// Stands in front of the flows; none of them begins with it.
const STATELESS: u8 = 0xfe;

/// A request inside a dialog that we record-routed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct InDialog {
    /// The flow to the side the request goes to, if one was noted. Without its connection if that belonged to an
    /// earlier process: then it says only where the phone was.
    pub toward: Option<Flow>,
    /// The phone at its far end, where it is known.
    pub toward_phone: Option<PhoneMark>,
    /// The trunk on that side, if its requests are renumbered.
    pub beyond: Option<Beyond>,
    /// Whether it comes from a trunk that knows requests of the other side by other numbers.
    pub from_beyond: bool,
    /// Whether it is forwarded without a transaction (§16.11), as the one that made the dialog was.
    pub stateless: bool,
    /// How near that side is.
    pub toward_near: Nearness,
    /// The names of both ends.
    pub names: NamesMark,
    /// Whether it comes from who sent the request that made the dialog.
    pub from_caller: bool,
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
    let mut state = FlowBytes::new();
    if sides.stateless {
        let _ = state.try_push(STATELESS);
    }
    if (sides.caller, sides.callee, sides.trunks) != (None, None, Trunks::default()) {
        let marked = |flow: Option<Flow>, phone| flow.map(|flow| (flow, phone));
        flow_code::write(marked(sides.caller, sides.caller_phone), key.process(), &mut state);
        flow_code::write(marked(sides.callee, sides.callee_phone), key.process(), &mut state);
        write_trunks(sides.trunks, &mut state);
    }
    out.extend_from_slice(if sips { b"<sips:" } else { b"<sip:" });
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
    // Two flows fit into a token, see `FlowBytes`. Without one the value would give no rights, which is safe.
    let _ = seal(key, (call_id, caller_tag), &sides.ends.text(), &state, out);
    out.push(b'>');
}

/// Appends a token, and what it is bound to.
fn seal(
    key: &CookieKey,
    (call_id, caller_tag): (&[u8], &[u8]),
    ends: &[u8],
    state: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    key.seals().seal(Purpose::Dialog, &[call_id, caller_tag, ends], state, out)?;
    if !ends.is_empty() {
        out.push(b'.');
        out.extend_from_slice(ends);
    }
    Some(())
}

/// Reads the token (`oh`) of a Route value of ours back. `None`: it is not ours, too old, or not for this dialog.
pub fn read(
    key: &CookieKey,
    token: &[u8],
    call_id: &[u8],
    from_tag: &[u8],
    to_tag: &[u8],
) -> Option<InDialog> {
    // Who sends now is the caller of the first request, or the callee.
    let (token, text) = Ends::split(token);
    let either: [&[&[u8]]; 2] = [&[call_id, from_tag, text], &[call_id, to_tag, text]];
    let (sender, state) = key.seals().open_either(Purpose::Dialog, either, token)?;
    let (sides, _) = read_sides(state.as_bytes(), key.process())?;
    let ends = Ends::read(text)?;
    let beyond = |mark: Option<NonZeroU32>, first| mark.map(|mark| Beyond { mark, first });
    let Trunks { caller, callee, first } = sides.trunks;
    let (stateless, names) = (sides.stateless, ends.names);
    Some(match sender {
        0 => InDialog {
            toward: sides.callee,
            toward_phone: sides.callee_phone,
            beyond: beyond(callee, Some(first)),
            from_beyond: caller.is_some(),
            stateless,
            toward_near: ends.callee,
            names,
            from_caller: true,
        },
        _ => InDialog {
            toward: sides.caller,
            toward_phone: sides.caller_phone,
            beyond: beyond(caller, None),
            from_beyond: callee.is_some(),
            stateless,
            toward_near: ends.caller,
            names,
            from_caller: false,
        },
    })
}

/// The token of a Record-Route value of ours in an INVITE that is sent once more. `None`: it is none of ours, or no trunk's.
pub fn token_of_retry(
    key: &CookieKey,
    value: &Uri<'_>,
    (call_id, caller_tag): (&[u8], &[u8]),
    tries: u8,
) -> Option<Vec<u8>> {
    let (token, ends) = Ends::split(value.params().value(b"oh")?);
    let bound: &[&[u8]] = &[call_id, caller_tag, ends];
    let state = key.seals().open(Purpose::Dialog, bound, token)?;
    let mut state = FlowBytes::try_from(state.as_bytes()).ok()?;
    // Behind the flows, last of all: see `write_trunks`.
    let (_, flows_len) =
        read_sides(&state, key.process()).filter(|(sides, _)| sides.trunks.callee.is_some())?;
    *state.get_mut(flows_len + TRUNK_BYTES - 1)? = tries;
    let mut token = Vec::new();
    seal(key, (call_id, caller_tag), ends, &state, &mut token)?;
    Some(token)
}

fn write_trunks(trunks: Trunks, state: &mut FlowBytes) {
    if trunks == Trunks::default() {
        return;
    }
    let number = |mark: Option<NonZeroU32>| mark.map_or(0, NonZeroU32::get).to_le_bytes();
    for part in [number(trunks.caller), number(trunks.callee), trunks.first.number.to_le_bytes()] {
        let _ = state.try_extend_from_slice(&part);
    }
    let _ = state.try_push(trunks.first.tries);
}

fn read_trunks(bytes: &[u8]) -> Option<Trunks> {
    let number = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let first = First { number: number(8)?, tries: *bytes.get(12)? };
    Some(Trunks { caller: NonZeroU32::new(number(0)?), callee: NonZeroU32::new(number(4)?), first })
}

/// The sides but for how near they are, and how many bytes of the state are flows.
fn read_sides(whole: &[u8], process: u32) -> Option<(Sides, usize)> {
    let stateless = whole.first() == Some(&STATELESS);
    let mut state = if stateless { whole.get(1..)? } else { whole };
    if state.is_empty() {
        return Some((Sides { stateless, ..Sides::default() }, whole.len()));
    }
    let mut side = || match flow_code::read(&mut state, process)? {
        Read::Flow((flow, phone)) | Read::Gone((flow, phone)) => Some((Some(flow), phone)),
        Read::None => Some((None, None)),
    };
    let ((caller, caller_phone), (callee, callee_phone)) = (side()?, side()?);
    let trunks = if state.is_empty() { Trunks::default() } else { read_trunks(state)? };
    let sides = Sides { caller, callee, caller_phone, callee_phone, trunks, stateless, ..Sides::default() };
    Some((sides, whole.len() - state.len()))
}

#[cfg(test)]
mod tests {
    use offhook_net::ConnectionId;
    use offhook_seal::Ring;

    use super::*;

    fn key() -> CookieKey {
        CookieKey::new([1; 16], Ring::of_one([2; 32]).seals(0))
    }

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
        write(&key(), &local, (b"call", b"tagA"), sides, false, &mut out);
        String::from_utf8(out).expect("ASCII")
    }

    fn read_back(value: &str, call_id: &str, from: &str, to: &str) -> Option<InDialog> {
        let uri = value.trim_start_matches('<').trim_end_matches('>');
        let uri = Uri::parse(uri.as_bytes()).expect("a URI");
        let token = uri.params().value(b"oh")?;
        read(&key(), token, call_id.as_bytes(), from.as_bytes(), to.as_bytes())
    }

    /// RFC 3261 §16.6 step 4: the value has `lr`, and names us so that the dialog's requests come back.
    #[test]
    fn both_directions_find_the_other_side() {
        let caller = flow("10.0.0.1:4000", 3);
        let callee = flow("[2001:db8::7]:5060", 4);
        let text =
            value(Sides { caller: Some(caller), callee: Some(callee), stateless: true, ..Sides::default() });
        assert!(text.starts_with("<sip:192.0.2.1;transport=tcp;lr;oh="), "{text}");
        assert_eq!(
            read_back(&text, "call", "tagA", "tagB"),
            Some(InDialog {
                toward: Some(callee),
                stateless: true,
                from_caller: true,
                ..InDialog::default()
            })
        );
        assert_eq!(
            read_back(&text, "call", "tagB", "tagA"),
            Some(InDialog { toward: Some(caller), stateless: true, ..InDialog::default() })
        );
        let phones = (PhoneMark::new(5), PhoneMark::new(6));
        let marked = Sides { caller: Some(caller), callee: Some(callee), ..Sides::default() };
        let marked = value(Sides { caller_phone: phones.0, callee_phone: phones.1, ..marked });
        let toward = |from, to| read_back(&marked, "call", from, to).map(|d| (d.toward, d.toward_phone));
        assert_eq!(toward("tagA", "tagB"), Some((Some(callee), phones.1)));
        assert_eq!(toward("tagB", "tagA"), Some((Some(caller), phones.0)));
        let plain = value(Sides::default());
        assert_eq!(read_back(&plain, "call", "tagB", "tagA"), Some(InDialog::default()));
        let stateless = value(Sides { stateless: true, ..Sides::default() });
        assert_eq!(
            read_back(&stateless, "call", "tagB", "tagA"),
            Some(InDialog { toward: None, stateless: true, ..InDialog::default() })
        );
    }

    /// The other side is as near as it was, and both have the names that they had, with flows beside that or without.
    #[test]
    fn each_direction_knows_both_ends() {
        let trunk = Nearness { trunk: Some(TrunkMark::of(0x1234_5678)), ..Nearness::default() };
        let network = Some(NetworkMark::of("10.1.2.3".parse().expect("an address"), &key()));
        let inside = Nearness { network, is_own: true, ..Nearness::default() };
        let names = NamesMark::of_names(b"sip:alice@a.example", b"sip:bob@a.example", &key());
        assert_ne!(names, NamesMark::of_names(b"sip:bob@a.example", b"sip:alice@a.example", &key()));
        for (caller, stateless) in [(None, false), (Some(flow("10.0.0.1:4000", 3)), false), (None, true)] {
            for callee in [trunk, inside] {
                let ends = Ends { caller: inside, callee, names };
                let text = value(Sides { caller, stateless, ends, ..Sides::default() });
                let known = |from, to| {
                    let dialog = read_back(&text, "call", from, to)?;
                    Some((dialog.toward_near, dialog.names, dialog.from_caller))
                };
                assert_eq!(known("tagA", "tagB"), Some((callee, names, true)));
                assert_eq!(known("tagB", "tagA"), Some((inside, names, false)));
            }
        }
    }

    /// RFC 7118 §5.2, §5.5, §8.2: `transport=ws` for both kinds of WebSocket, and the port where it is not 80.
    #[test]
    fn a_route_over_websocket() {
        let value = |transport, address: &str, advertise| {
            let local = Local::new(transport, address.parse().expect("an address"), advertise);
            let mut out = Vec::new();
            write(&key(), &local, (b"call", b"tagA"), Sides::default(), false, &mut out);
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
    fn nobody_makes_himself_nearer() {
        let ends = Ends { caller: Nearness { is_own: true, ..Nearness::default() }, ..Ends::default() };
        let text = value(Sides { ends, ..Sides::default() });
        let (token, written) = text.rsplit_once('.').expect("a token and its ends");
        assert!(written.starts_with("01") && written.len() == 9, "{text}");
        let names = &written[2..8];
        for nearer in ["07", "0", "", "001", "0x", "01.01"] {
            for marks in ["", "0001000100010001"] {
                let bent = format!("{token}.{nearer}{names}{marks}>");
                assert_eq!(read_back(&bent, "call", "tagB", "tagA"), None, "{bent}");
            }
        }
        for bent in
            [format!("{token}>"), format!("{token}.01000001>"), format!("{token}.01{names}0001000100010001>")]
        {
            assert_eq!(read_back(&bent, "call", "tagB", "tagA"), None, "{bent}");
        }
    }

    #[test]
    fn a_route_of_another_dialog_or_of_a_stranger_is_refused() {
        let text = value(Sides { caller: Some(flow("10.0.0.1:4000", 3)), ..Sides::default() });
        assert_eq!(read_back(&text, "other", "tagA", "tagB"), None);
        assert_eq!(read_back(&text, "call", "x", "y"), None);
        assert_eq!(read_back("<sip:192.0.2.1;lr>", "call", "tagA", "tagB"), None);
        assert_eq!(read_back("<sip:192.0.2.1;lr;oh=0>", "call", "tagA", "tagB"), None);
    }

    /// The address behind a NAT is nobody's business: equal flows in two dialogs have nothing in common.
    #[test]
    fn what_is_remembered_cannot_be_read() {
        let sides = Sides { caller: Some(flow("10.0.0.1:4000", 3)), ..Sides::default() };
        let local = Local::new(Transport::Tcp, "192.0.2.1:5060".parse().expect("an address"), None);
        let token = |call_id: &[u8]| {
            let mut out = Vec::new();
            write(&key(), &local, (call_id, b"t"), sides, false, &mut out);
            out[out.len() - 32..].to_vec()
        };
        assert_eq!(
            token(b"a"),
            token(b"a"),
            "a retransmission that is forwarded without state must not differ"
        );
        let alike = token(b"a").iter().zip(token(b"b")).filter(|(a, b)| **a == *b).count();
        assert!(alike < 10, "{alike} of 32 characters");
    }
}
