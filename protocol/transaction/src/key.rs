//! What makes two requests the same transaction: RFC 3261 §17.2.3, and §9.2 for CANCEL.

/// What identifies a server transaction: slices of the received request. They are compared whole, not by a digest.
///
/// What "equal" means here:
/// - *branch*, *tags*, *Call-ID*, *Request-URI* and *Via*: byte for byte. §7.3.1 would let tokens differ in case, but a
///   branch is an opaque number, often in an alphabet of both cases: `…aB` and `…Ab` are two transactions. Joining
///   them would lose a call; no client is known that changes the case of its own branch between repetitions.
/// - *sent-by*: in any case of letters, port as written (`host` and `host:5060` differ; a repetition is a copy).
/// - *method*: exact (§7.1), an ACK counts as INVITE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerKey<'a> {
    /// The topmost branch begins with the magic cookie: [`has_magic_cookie`].
    Rfc3261 {
        /// The branch parameter of the topmost Via.
        branch: &'a [u8],
        /// The sent-by of the topmost Via, `host` or `host:port`.
        sent_by: &'a [u8],
        /// The method of the request.
        method: &'a [u8],
    },
    /// It does not: a client of RFC 2543.
    Rfc2543 {
        /// The Request-URI.
        request_uri: &'a [u8],
        /// The To tag, empty where there is none.
        to_tag: &'a [u8],
        /// The From tag, empty where there is none.
        from_tag: &'a [u8],
        /// The Call-ID.
        call_id: &'a [u8],
        /// The number in CSeq.
        cseq: u32,
        /// The topmost Via.
        via: &'a [u8],
        /// The method of the request.
        method: &'a [u8],
    },
}

/// Whether a branch promises to be unique: RFC 3261 §8.1.1.7.
pub fn has_magic_cookie(branch: &[u8]) -> bool {
    branch.get(..MAGIC_COOKIE.len()).is_some_and(|head| head.eq_ignore_ascii_case(MAGIC_COOKIE))
}

/// The longest key kept. A branch, sent-by, URI and tags of honest clients have together a few hundred bytes; a request
/// with a longer key is refused, so that nobody fills the table's memory with his Via.
pub const KEY_BYTES_MAX: usize = 2_048;

/// A key as it is stored: one string of bytes, equal for equal keys, different for different ones.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct EncodedKey {
    bytes: Vec<u8>,
    /// The To tag of RFC 2543 stands behind this: an ACK has another than its INVITE.
    matched: usize,
}

impl EncodedKey {
    pub(crate) fn set(&mut self, key: &ServerKey<'_>) {
        let (ServerKey::Rfc3261 { method, .. } | ServerKey::Rfc2543 { method, .. }) = key;
        self.set_for_method(key, if *method == b"ACK" { b"INVITE" } else { method });
    }

    pub(crate) fn set_for_method(&mut self, key: &ServerKey<'_>, method: &[u8]) {
        self.bytes.clear();
        match *key {
            ServerKey::Rfc3261 { branch, sent_by, .. } => {
                // The cookie is left out: it would stand in every record.
                let number = branch.strip_prefix(MAGIC_COOKIE);
                self.form(if number.is_some() { FORM_3261 } else { FORM_3261_ODD }, method);
                self.field(number.unwrap_or(branch));
                let host = self.bytes.len();
                self.bytes.extend(sent_by);
                self.bytes.iter_mut().skip(host).for_each(|byte| byte.make_ascii_lowercase());
                self.matched = self.bytes.len();
            }
            ServerKey::Rfc2543 { request_uri, to_tag, from_tag, call_id, cseq, via, .. } => {
                self.form(FORM_2543, method);
                [request_uri, from_tag, call_id, via].into_iter().for_each(|field| self.field(field));
                self.bytes.extend(cseq.to_le_bytes());
                self.matched = self.bytes.len();
                self.bytes.extend(to_tag);
            }
        }
    }

    /// The whole key.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key without a To tag: what is hashed.
    pub(crate) fn without_to_tag(&self) -> &[u8] {
        self.bytes.get(..self.matched).unwrap_or_default()
    }

    /// One byte for the form and the method, followed by the method's name where the byte does not say it.
    fn form(&mut self, form: u8, method: &[u8]) {
        match METHODS.iter().position(|known| *known == method) {
            Some(number) => self.bytes.push(form | number as u8),
            None => {
                self.bytes.push(form | METHOD_BY_NAME);
                self.field(method);
            }
        }
    }

    /// A field behind its length, so that `ab`+`c` is not `a`+`bc`. Longer than any key, a field is cut: it is refused.
    fn field(&mut self, field: &[u8]) {
        let field = field.get(..KEY_BYTES_MAX).unwrap_or(field);
        self.bytes.extend((field.len() as u16).to_le_bytes());
        self.bytes.extend(field);
    }
}

const MAGIC_COOKIE: &[u8] = b"z9hG4bK";

const FORM_3261: u8 = 0x00;
const FORM_3261_ODD: u8 = 0x40;
const FORM_2543: u8 = 0x80;

/// The methods of IANA's register, each a number below [`METHOD_BY_NAME`]. Kept in memory only: the order is free.
const METHODS: [&[u8]; 14] = [
    b"INVITE",
    b"ACK",
    b"BYE",
    b"CANCEL",
    b"REGISTER",
    b"OPTIONS",
    b"PRACK",
    b"SUBSCRIBE",
    b"NOTIFY",
    b"PUBLISH",
    b"INFO",
    b"REFER",
    b"MESSAGE",
    b"UPDATE",
];

const METHOD_BY_NAME: u8 = 0x3f;

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(key: ServerKey<'_>) -> Vec<u8> {
        let mut encoded = EncodedKey::default();
        encoded.set(&key);
        encoded.bytes
    }

    fn new<'a>(branch: &'a [u8], sent_by: &'a [u8], method: &'a [u8]) -> ServerKey<'a> {
        ServerKey::Rfc3261 { branch, sent_by, method }
    }

    fn old<'a>(to_tag: &'a [u8], from_tag: &'a [u8], method: &'a [u8]) -> ServerKey<'a> {
        let (request_uri, call_id, via) =
            (b"sip:bob@b".as_slice(), b"1@a".as_slice(), b"SIP/2.0/UDP a".as_slice());
        ServerKey::Rfc2543 { request_uri, to_tag, from_tag, call_id, cseq: 7, via, method }
    }

    /// RFC 3261 §17.2.3, rules 1 to 3.
    #[test]
    fn branch_sent_by_and_method_tell_transactions_apart() {
        let invite = encoded(new(b"z9hG4bKa", b"host:5060", b"INVITE"));
        assert_eq!(invite, encoded(new(b"z9hG4bKa", b"HOST:5060", b"INVITE")));
        assert_eq!(invite, encoded(new(b"z9hG4bKa", b"host:5060", b"ACK")));
        for other in [
            new(b"z9hG4bKb", b"host:5060", b"INVITE"),
            new(b"z9hG4bKA", b"host:5060", b"INVITE"),
            new(b"Z9HG4BKa", b"host:5060", b"INVITE"),
            new(b"a", b"host:5060", b"INVITE"),
            new(b"z9hG4bKah", b"ost:5060", b"INVITE"),
            new(b"z9hG4bKa", b"host", b"INVITE"),
            new(b"z9hG4bKa", b"host:5060", b"CANCEL"),
            new(b"z9hG4bKa", b"host:5060", b"invite"),
            new(b"z9hG4bKa", b"host:5060", b"X"),
        ] {
            assert_ne!(invite, encoded(other), "{other:?}");
        }
        assert_ne!(encoded(new(b"z9hG4bKa", b"h", b"X")), encoded(new(b"z9hG4bKa", b"h", b"Y")));
    }

    /// §17.2.3: the ACK of a 2543 client has the To tag of the response, not of the INVITE.
    #[test]
    fn the_to_tag_of_an_old_client_stands_apart() {
        let (mut invite, mut ack) = (EncodedKey::default(), EncodedKey::default());
        invite.set(&old(b"", b"f", b"INVITE"));
        ack.set(&old(b"t", b"f", b"ACK"));
        assert_eq!(invite.without_to_tag(), ack.without_to_tag());
        assert_ne!(invite.bytes(), ack.bytes());
        ack.set(&old(b"t", b"g", b"ACK"));
        assert_ne!(invite.without_to_tag(), ack.without_to_tag());
    }

    #[test]
    fn the_usual_key_is_short() {
        let key =
            encoded(new(b"z9hG4bKPj0123456789abcdef0123456789abcdef", b"192.168.100.100:5060", b"INVITE"));
        assert!(key.len() <= 60, "{}", key.len());
    }

    #[test]
    fn the_magic_cookie_is_a_token_and_thus_of_any_case() {
        assert!(has_magic_cookie(b"z9hG4bK") && has_magic_cookie(b"Z9hg4bkXyz"));
        assert!(!has_magic_cookie(b"z9hG4b") && !has_magic_cookie(b"") && !has_magic_cookie(b"1"));
    }

    #[test]
    fn endless_fields_are_cut_beyond_what_is_accepted() {
        let long = vec![b'x'; 70_000];
        assert!(encoded(new(&long, b"h", b"INVITE")).len() > KEY_BYTES_MAX);
        assert!(encoded(new(b"z9hG4bKa", &long, b"INVITE")).len() > KEY_BYTES_MAX);
    }
}
