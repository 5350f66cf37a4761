//! One binding: a contact that an address-of-record leads to (RFC 3261 §10.1), as views into its record.

use std::net::{Ipv4Addr, SocketAddr};

use offhook_sip::Transport;

use offhook_frames::encoding::{Cursor, put_address, put_signed, put_string, put_varint};

/// A contact where an address-of-record can be reached, borrowed from its record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding<'a> {
    /// The Contact URI as received.
    pub contact: &'a [u8],
    /// The other parameters of the Contact header as received, without `expires` and `q`: what callee capabilities
    /// (RFC 3840) and caller preferences need.
    pub params: &'a [u8],
    /// The values of Path (RFC 3327), joined by commas; may be empty.
    pub path: &'a [u8],
    /// The `+sip.instance` (RFC 5626 §4.1); may be empty.
    pub instance: &'a [u8],
    /// The `reg-id` (RFC 5626 §4.2), 0 for none.
    pub reg_id: u32,
    /// The Call-ID of the REGISTER that made or last refreshed it: RFC 3261 §10.3 step 7.
    pub call_id: &'a [u8],
    /// The CSeq number of that REGISTER.
    pub cseq: u32,
    /// The preference in thousandths, 0 to 1000.
    pub q_milli: u16,
    /// When it ends, in milliseconds of the Unix epoch. From that millisecond on it is not shown any more.
    pub expires_at_ms: u64,
    /// When it was made or last refreshed, in milliseconds of the Unix epoch.
    pub registered_at_ms: u64,
    /// Since when its device, which has an `instance`, goes on under the Call-ID it has, in milliseconds of the Unix epoch: the
    /// temporary names it was given before count no more (RFC 5627 §5.1). 0 for none, and in files of before there was this.
    pub began_at_ms: u64,
    /// The way the REGISTER came, to be used for requests to the contact.
    pub flow: StoredFlow,
    /// The User-Agent of the REGISTER; may be empty.
    pub user_agent: &'a [u8],
}

/// The flow that a REGISTER came by (RFC 5626 §3.1), as numbers that mean something to the transport layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoredFlow {
    /// How the bytes travel.
    pub transport: Transport,
    /// Index of the listener. It comes back as it was stored: after a restart with other listeners the caller checks
    /// that it still fits.
    pub listener: u16,
    /// Index of the connection, for streams. No connection outlives its process: after a restart index and generation
    /// are 0, so an old number cannot name a stranger's connection.
    pub connection_index: u32,
    /// Generation of that index; 0 for no connection.
    pub connection_generation: u32,
    /// Where the REGISTER came from.
    pub remote: SocketAddr,
    /// Requests go to `remote` rather than to the address in the contact, which a NAT made useless.
    pub nat: bool,
}

impl Default for StoredFlow {
    fn default() -> Self {
        Self {
            transport: Transport::Udp,
            listener: 0,
            connection_index: 0,
            connection_generation: 0,
            remote: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            nat: false,
        }
    }
}

impl Default for Binding<'_> {
    fn default() -> Self {
        Self {
            contact: b"",
            params: b"",
            path: b"",
            instance: b"",
            reg_id: 0,
            call_id: b"",
            cseq: 0,
            q_milli: 1000,
            expires_at_ms: 0,
            registered_at_ms: 0,
            began_at_ms: 0,
            flow: StoredFlow::default(),
            user_agent: b"",
        }
    }
}

/// The unexpired bindings of one address-of-record, in stored order. Decodes while it goes; allocates nothing.
#[derive(Clone)]
pub struct Bindings<'a> {
    encoded: Cursor<'a>,
    left: usize,
    now_ms: u64,
}

impl<'a> Bindings<'a> {
    pub(crate) fn new(encoded: Cursor<'a>, count: usize, now_ms: u64) -> Self {
        Self { encoded, left: count, now_ms }
    }

    pub(crate) fn none() -> Self {
        Self::new(Cursor::new(&[]), 0, 0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.clone().next().is_none()
    }
}

impl<'a> Iterator for Bindings<'a> {
    type Item = Binding<'a>;

    fn next(&mut self) -> Option<Binding<'a>> {
        while self.left > 0 {
            self.left -= 1;
            let body = self.encoded.string()?;
            if expires_at_ms(body)? > self.now_ms {
                return Binding::decode(body);
            }
        }
        None
    }
}

/// When an encoded binding ends.
pub(crate) fn expires_at_ms(body: &[u8]) -> Option<u64> {
    Cursor::new(body).varint()
}

// The flag byte: the transport's code in the low bits, then these.
const TRANSPORT_BITS: u8 = 0x0f;
const NAT: u8 = 0x10;
const IPV6: u8 = 0x20;

/// The transport's code in files. A code never changes its meaning.
const fn code(transport: Transport) -> u8 {
    match transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Sctp => 3,
        Transport::Ws => 4,
        Transport::Wss => 5,
    }
}

impl<'a> Binding<'a> {
    /// What is left of it in another process: the connection is not.
    pub(crate) fn without_connection(self) -> Self {
        let flow = StoredFlow { connection_index: 0, connection_generation: 0, ..self.flow };
        Self { flow, ..self }
    }

    /// Appends the binding without its length. The end comes first, so that an expired one is passed over quickly.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.expires_at_ms);
        put_signed(out, self.expires_at_ms.wrapping_sub(self.registered_at_ms) as i64);
        self.flow.encode(out);
        put_varint(out, self.reg_id.into());
        put_varint(out, self.cseq.into());
        put_varint(out, self.q_milli.into());
        for string in [self.contact, self.params, self.path, self.instance, self.call_id, self.user_agent] {
            put_string(out, string);
        }
        if self.began_at_ms != 0 {
            put_varint(out, self.began_at_ms);
        }
    }

    pub(crate) fn decode(body: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        let expires_at_ms = cursor.varint()?;
        let registered_at_ms = expires_at_ms.wrapping_sub(cursor.signed()? as u64);
        Some(Self {
            expires_at_ms,
            registered_at_ms,
            flow: StoredFlow::decode(&mut cursor)?,
            reg_id: cursor.number()?,
            cseq: cursor.number()?,
            q_milli: cursor.number()?,
            contact: cursor.string()?,
            params: cursor.string()?,
            path: cursor.string()?,
            instance: cursor.string()?,
            call_id: cursor.string()?,
            user_agent: cursor.string()?,
            began_at_ms: if cursor.rest().is_empty() { 0 } else { cursor.varint()? },
        })
    }
}

impl StoredFlow {
    fn encode(&self, out: &mut Vec<u8>) {
        let nat = if self.nat { NAT } else { 0 };
        let family = if self.remote.is_ipv6() { IPV6 } else { 0 };
        out.push(code(self.transport) | nat | family);
        put_varint(out, self.listener.into());
        put_varint(out, self.connection_index.into());
        put_varint(out, self.connection_generation.into());
        put_address(out, &self.remote);
    }

    fn decode(cursor: &mut Cursor<'_>) -> Option<Self> {
        let flags = cursor.byte()?;
        Some(Self {
            transport: Transport::ALL.into_iter().find(|t| code(*t) == flags & TRANSPORT_BITS)?,
            nat: flags & NAT != 0,
            listener: cursor.number()?,
            connection_index: cursor.number()?,
            connection_generation: cursor.number()?,
            remote: cursor.address(flags & IPV6 != 0)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Binding<'static> {
        Binding {
            contact: b"sip:alice@192.0.2.7:5060;transport=tls",
            params: b";audio;video;methods=\"INVITE,BYE\"",
            path: b"<sip:edge1.example.org;lr>,<sip:edge2.example.org;lr>",
            instance: b"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>",
            reg_id: 2,
            call_id: b"a84b4c76e66710@pc33",
            cseq: u32::MAX,
            q_milli: 700,
            expires_at_ms: 1_800_000_000_000,
            registered_at_ms: 1_799_996_400_000,
            began_at_ms: 0,
            flow: StoredFlow {
                transport: Transport::Wss,
                listener: 3,
                connection_index: 70_000,
                connection_generation: u32::MAX,
                remote: "[2001:db8::7]:40000".parse().unwrap(),
                nat: true,
            },
            user_agent: b"Desk Phone/1.2",
        }
    }

    #[test]
    fn every_field_comes_back() {
        let began = Binding { began_at_ms: 1_799_000_000_000, ..full() };
        for binding in [full(), began, Binding::default()] {
            let mut bytes = Vec::new();
            binding.encode(&mut bytes);
            assert_eq!(Binding::decode(&bytes), Some(binding));
        }
    }

    #[test]
    fn a_code_means_its_transport() {
        for transport in Transport::ALL {
            let flow = StoredFlow { transport, ..StoredFlow::default() };
            let mut bytes = Vec::new();
            flow.encode(&mut bytes);
            assert_eq!(StoredFlow::decode(&mut Cursor::new(&bytes)), Some(flow));
        }
    }

    #[test]
    fn a_cut_binding_is_no_binding() {
        let mut bytes = Vec::new();
        full().encode(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(Binding::decode(&bytes[..end]), None, "cut at {end}");
        }
    }
}
