//! Via: RFC 3261 §20.42, with `rport` of RFC 3581.

use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;

use crate::chars::{find, is_lws, offset, token_len, trim, trim_start};
use crate::header::loss_feedback::is_overload;
use crate::host::HostPort;
use crate::params::{Param, Params};
use crate::{Malformed, Transport};

/// The prefix of branches made by RFC 3261 (§8.1.1.7).
pub const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

/// One Via value.
#[derive(Clone, Copy, Debug)]
pub struct Via<'a> {
    /// The value as written, without the comma behind it.
    pub text: &'a [u8],
    /// The transport as written; see [`Via::transport`].
    pub transport_text: &'a [u8],
    /// Host and port of the sender.
    pub sent_by: HostPort<'a>,
    /// Host and port as written: part of what identifies a transaction (RFC 3261 §17.2.3).
    pub sent_by_text: &'a [u8],
    params: &'a [u8],
    // Read while the parameters were checked: everyone asks for them.
    branch: Option<&'a [u8]>,
    rport: Option<&'a [u8]>,
    received: Option<&'a [u8]>,
    overload: Overload,
    replaced: Replaced<'a>,
}

/// The parameters that whoever passes the value on writes anew, or not at all.
#[derive(Clone, Copy, Debug)]
enum Replaced<'a> {
    /// There are none.
    Nothing,
    /// This one, mostly a bare `rport`.
    One(&'a [u8]),
    /// There are more.
    Several,
}

/// What is said about overload control (RFC 7339 §4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Overload {
    Nothing,
    /// `oc` without a value: who wrote this Via would hold back.
    Offer,
    /// With one: who answers asks for it.
    Wish,
}

impl<'a> Via<'a> {
    /// Parses one value. Whitespace may stand around the slashes and the colon of the port. The version may be any:
    /// who speaks another one must be told so (505), and the answer needs the Via.
    ///
    /// # Errors
    /// `Malformed Via`.
    pub fn parse(text: &'a [u8]) -> Result<Self, Malformed> {
        Self::read(text).ok_or(Malformed::Header("Via"))
    }

    fn read(text: &'a [u8]) -> Option<Self> {
        let text = trim(text);
        let (transport_text, rest) = token(behind_version(text)?)?;
        if !rest.first().copied().is_some_and(is_lws) {
            return None;
        }
        let rest = trim_start(rest);
        let (sent_by, params) = rest.split_at(find(rest, b';').unwrap_or(rest.len()));
        let sent_by_text = trim(sent_by);
        let sent_by = sent_by_of(sent_by_text)?;
        let mut via = Self {
            text,
            transport_text,
            sent_by,
            sent_by_text,
            params,
            branch: None,
            rport: None,
            received: None,
            overload: Overload::Nothing,
            replaced: Replaced::Nothing,
        };
        Params::new(params).each_if_legal(|param| via.note(param)).then_some(via)
    }

    fn note(&mut self, param: Param<'a>) {
        match param.name.len() {
            6 if param.is(b"branch") => {
                self.branch.get_or_insert(value(param));
            }
            5 if param.is(b"rport") => {
                self.rport.get_or_insert(value(param));
                self.replaced = self.replaced.and(param);
            }
            8 if param.is(b"received") => {
                self.received.get_or_insert(value(param));
                self.replaced = self.replaced.and(param);
            }
            2 if param.is(b"oc") && self.overload == Overload::Nothing => {
                self.overload = if param.value.is_some() { Overload::Wish } else { Overload::Offer };
            }
            _ => {}
        }
    }

    /// The transport, if we know it.
    pub fn transport(&self) -> Option<Transport> {
        Transport::from_name(self.transport_text)
    }

    /// All parameters.
    pub fn params(&self) -> Params<'a> {
        Params::new(self.params)
    }

    /// The branch, empty if there is none (RFC 2543).
    pub fn branch(&self) -> &'a [u8] {
        self.branch.unwrap_or_default()
    }

    /// Whether the sender asks for `rport`: to be answered at the port it sent from (RFC 3581 §3).
    pub fn asks_rport(&self) -> bool {
        self.rport.is_some()
    }

    /// The `rport` of a response: where its request came from (RFC 3581 §4). Empty as a client writes it.
    pub fn rport(&self) -> Option<&'a [u8]> {
        self.rport
    }

    /// The `received` of a response: where its request came from (RFC 3261 §18.2.1). In a request it is not the sender's
    /// to write.
    pub fn received(&self) -> Option<&'a [u8]> {
        self.received
    }

    /// Whether there is an `oc`, in a request an offer, in a response a wish (RFC 7339 §4.1).
    pub fn mentions_overload(&self) -> bool {
        self.overload != Overload::Nothing
    }

    /// Whether there is an `oc` with a value, as only who answers writes it.
    pub fn wishes_overload(&self) -> bool {
        self.overload == Overload::Wish
    }

    /// Writes the value without these parameters, and all else as it came.
    pub(super) fn write_without(&self, out: &mut Vec<u8>, is_left_out: impl Fn(&Param<'a>) -> bool) {
        // Up to where it is written, and up to where what is to be written has been seen.
        let (mut written, mut seen) = (0, self.text.len() - self.params.len());
        for param in self.params() {
            let end = offset(self.text, param.whole) + param.whole.len();
            if is_left_out(&param) {
                out.extend_from_slice(trim(&self.text[written..seen]));
                written = end;
            }
            seen = end;
        }
        out.extend_from_slice(trim(&self.text[written..seen]));
    }

    /// Whether the branch is one of RFC 3261, thus unique in space and time.
    pub fn has_magic_cookie(&self) -> bool {
        let branch = self.branch();
        branch.len() > MAGIC_COOKIE.len() && branch[..MAGIC_COOKIE.len()].eq_ignore_ascii_case(MAGIC_COOKIE)
    }

    /// The port that stands for the sender, with the default of its transport.
    pub fn port(&self) -> u16 {
        self.sent_by.port.unwrap_or_else(|| self.transport().unwrap_or(Transport::Udp).default_port())
    }
}

impl<'a> Replaced<'a> {
    fn and(self, param: Param<'a>) -> Self {
        match self {
            Self::Nothing => Self::One(param.whole),
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

fn value(param: Param<'_>) -> &[u8] {
    param.text().unwrap_or_default()
}

fn token(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = token_len(text);
    (end > 0).then(|| text.split_at(end))
}

/// What stands behind the version and its slash.
fn behind_version(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"SIP/2.0/") {
        return Some(trim_start(rest));
    }
    let (name, rest) = token(text)?;
    let (_version, rest) = token(slash(rest)?)?;
    if name.eq_ignore_ascii_case(b"SIP") { slash(rest) } else { None }
}

/// Skips a slash and the whitespace around it.
fn slash(text: &[u8]) -> Option<&[u8]> {
    let text = trim_start(text).strip_prefix(b"/")?;
    Some(trim_start(text))
}

fn sent_by_of(text: &[u8]) -> Option<HostPort<'_>> {
    if let Some(plain) = HostPort::parse(text) {
        return Some(plain);
    }
    // "host : port": legal (RFC 3261 §25.1, COLON), and in RFC 4475 §3.1.1.1.
    let host_end = if text.starts_with(b"[") { text.iter().position(|&c| c == b']')? } else { 0 };
    let colon = host_end + text[host_end..].iter().position(|&c| c == b':')?;
    let mut parsed = HostPort::parse(trim(&text[..colon]))?;
    parsed.port = Some(u16::try_from(crate::chars::number(trim(&text[colon + 1..]), 65_535)?).ok()?);
    Some(parsed)
}

/// What the receiver adds to the top Via of a request: RFC 3261 §18.2.1, RFC 3581 §4.
impl Via<'_> {
    /// Whether the value must change: the sender's address is another than it wrote, it asked for `rport`, or it wrote
    /// a `received` that is not its to write.
    pub fn needs_mending(&self, source: SocketAddr) -> bool {
        self.sent_by.host.ip().map(|ip| ip.to_canonical()) != Some(source.ip().to_canonical())
            || self.rport.is_some()
            || self.received.is_some()
            || self.mentions_overload()
    }

    /// Writes the value with `received`, and with `rport` if the sender asked for it; without what it says about
    /// overload control, which is for us alone (RFC 7339 §5.6).
    pub fn write_mended(&self, source: SocketAddr, out: &mut Vec<u8>) {
        match self.replaced {
            Replaced::Nothing if !self.mentions_overload() => out.extend_from_slice(self.text),
            Replaced::One(param) if !self.mentions_overload() => {
                let start = offset(self.text, param);
                let before = trim(&self.text[..start]);
                out.extend_from_slice(trim(before.strip_suffix(b";").unwrap_or(before)));
                out.extend_from_slice(&self.text[start + param.len()..]);
            }
            _ => self.write_without(out, |param| {
                param.is(b"rport") || param.is(b"received") || self.mentions_overload() && is_overload(param)
            }),
        }
        // RFC 3581 §4: with rport, received is added even where it repeats the host.
        out.extend_from_slice(b";received=");
        write_ip(source.ip(), out);
        if self.asks_rport() {
            out.extend_from_slice(b";rport=");
            out.extend_from_slice(itoa::Buffer::new().format(source.port()).as_bytes());
        }
    }

    /// Where responses to a request with this Via go, when it came in a datagram from `source`: RFC 3261 §18.2.2 and
    /// RFC 3581 §4. `maddr` is not followed, nor does anything go to a group with a `ttl`: it would let anyone point our
    /// answers at a third party.
    pub fn reply_address(&self, source: SocketAddr) -> SocketAddr {
        if self.asks_rport() { source } else { SocketAddr::new(source.ip(), self.port()) }
    }
}

/// Writes an address as it stands in Via parameters: IPv6 without brackets (RFC 5118 §4.5).
fn write_ip(ip: IpAddr, out: &mut Vec<u8>) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let mut text = ArrayVec::<u8, { "255.255.255.255.".len() }>::new();
            for octet in v4.octets() {
                let digit = |n: u8| b'0' + n % 10;
                if octet >= 100 {
                    text.push(digit(octet / 100));
                }
                if octet >= 10 {
                    text.push(digit(octet / 10));
                }
                text.push(digit(octet));
                text.push(b'.');
            }
            text.pop();
            out.extend_from_slice(&text);
        }
        IpAddr::V6(v6) => out.extend_from_slice(v6.to_string().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(text: &str) -> Via<'_> {
        Via::parse(text.as_bytes()).expect(text)
    }

    /// RFC 3261 §20.42, RFC 4475 §3.1.1.1 (whitespace), RFC 5118 §4.5 (IPv6).
    #[test]
    fn forms_of_via() {
        let a = via("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1;rport");
        assert_eq!((a.transport(), a.port(), a.branch()), (Some(Transport::Udp), 5070, &b"z9hG4bK1"[..]));
        assert!(a.has_magic_cookie());
        let b = via("SIP  / 2.0\r\n /TCP     spindle.example.com ; branch  =   z9hG4bK9ikj8  ");
        assert_eq!((b.transport(), b.port(), b.branch()), (Some(Transport::Tcp), 5060, &b"z9hG4bK9ikj8"[..]));
        let c = via("SIP/2.0/TLS [2001:db8::9:255]:5062;branch=z9hG4bKas3-111");
        assert_eq!((c.sent_by.host_text, c.port()), (&b"[2001:db8::9:255]"[..], 5062));
        let d = via("SIP/2.0/UDP host.example : 5061;branch=z9hG4bK");
        assert_eq!((d.port(), d.has_magic_cookie()), (5061, false));
        assert_eq!(via("SIP/2.0/ \tTCP h").transport(), Some(Transport::Tcp));
        assert_eq!(via("SIP/2.0/FOO h").transport(), None);
        assert_eq!(via("SIP/2.0/UDP h;branch=z9hG4bK1;branch=z9hG4bK2").branch(), b"z9hG4bK1");
        assert_eq!(via(" SIP/7.0/UDP h;branch=z9hG4bKx ").branch(), b"z9hG4bKx");
    }

    #[test]
    fn what_is_no_via() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 h",
            "SIP/2.0/UDP h;;branch=1",
            "SIP/2.0/UDP h;branch=1;",
            "SIP/2.0/UDP a b",
            "SIP/2.0/UDP [::1",
            "SIP/2.0//UDP h",
            "HTTP/2.0/UDP h",
            "SIP/2.0/UDP h:70000",
            "SIP/2.0/UDP ;x",
        ] {
            assert!(Via::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    /// RFC 3261 §20.42: `received` is an address as everybody writes it.
    #[test]
    fn every_octet_of_an_address() {
        for octet in 0..=u8::MAX {
            let mut out = Vec::new();
            write_ip([octet, 0, octet, 255].into(), &mut out);
            assert_eq!(String::from_utf8(out).expect("ASCII"), format!("{octet}.0.{octet}.255"));
        }
    }

    /// RFC 3581 §4 and RFC 3261 §18.2.1; a `received` written by the sender is not believed.
    #[test]
    fn received_and_rport() {
        let source: SocketAddr = "192.0.2.9:4444".parse().expect("an address");
        let mended = |text: &str| {
            let mut out = Vec::new();
            via(text).write_mended(source, &mut out);
            String::from_utf8(out).expect("ASCII")
        };
        assert!(!via("SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1").needs_mending(source));
        assert_eq!(
            mended("SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1"),
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.9;rport=4444"
        );
        assert_eq!(
            mended("SIP/2.0/UDP pc ; branch=z9hG4bK1;received=8.8.8.8"),
            "SIP/2.0/UDP pc ; branch=z9hG4bK1;received=192.0.2.9"
        );
        for (text, want) in [
            ("h;rport", "h;received=192.0.2.9;rport=4444"),
            ("h ; rport ; branch=1", "h ; branch=1;received=192.0.2.9;rport=4444"),
            ("h;a=1 ;\r\n rport", "h;a=1;received=192.0.2.9;rport=4444"),
            ("h;rport;branch=1;rport=7", "h;branch=1;received=192.0.2.9;rport=4444"),
            ("h;received=8.8.8.8;a; RPORT = 9;b", "h;a;b;received=192.0.2.9;rport=4444"),
            ("h;rport;oc;a", "h;a;received=192.0.2.9;rport=4444"),
        ] {
            assert_eq!(mended(&format!("SIP/2.0/UDP {text}")), format!("SIP/2.0/UDP {want}"), "{text}");
        }
        assert_eq!(via("SIP/2.0/UDP 10.0.0.1:99;rport").reply_address(source), source);
        assert_eq!(via("SIP/2.0/UDP 10.0.0.1:99").reply_address(source).port(), 99);
    }
}
