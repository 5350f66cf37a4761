//! Methods: RFC 3261 §7.1 and the extensions that name more.

/// A request method. Names are case-sensitive (RFC 3261 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Method {
    /// RFC 3261 §13.
    Invite,
    /// RFC 3261 §17.1.1.3 and §13.2.2.4.
    Ack,
    /// RFC 3261 §15.
    Bye,
    /// RFC 3261 §9.
    Cancel,
    /// RFC 3261 §10.
    Register,
    /// RFC 3261 §11.
    Options,
    /// RFC 6086.
    Info,
    /// RFC 3262.
    Prack,
    /// RFC 3311.
    Update,
    /// RFC 6665.
    Subscribe,
    /// RFC 6665.
    Notify,
    /// RFC 3515.
    Refer,
    /// RFC 3428.
    Message,
    /// RFC 3903.
    Publish,
    /// One we have no name for; its text stands in the message.
    Other,
}

impl Method {
    const NAMED: [(&'static str, Self); 14] = [
        ("INVITE", Self::Invite),
        ("ACK", Self::Ack),
        ("BYE", Self::Bye),
        ("CANCEL", Self::Cancel),
        ("REGISTER", Self::Register),
        ("OPTIONS", Self::Options),
        ("INFO", Self::Info),
        ("PRACK", Self::Prack),
        ("UPDATE", Self::Update),
        ("SUBSCRIBE", Self::Subscribe),
        ("NOTIFY", Self::Notify),
        ("REFER", Self::Refer),
        ("MESSAGE", Self::Message),
        ("PUBLISH", Self::Publish),
    ];

    /// The method of this text.
    pub fn from_token(token: &[u8]) -> Self {
        // The names differ in length and first letter but for a few; a match on both spares most comparisons.
        let candidate = match (token.len(), token.first()) {
            (6, Some(b'I')) => Self::Invite,
            (3, Some(b'A')) => Self::Ack,
            (3, Some(b'B')) => Self::Bye,
            (6, Some(b'C')) => Self::Cancel,
            (8, Some(b'R')) => Self::Register,
            (7, Some(b'O')) => Self::Options,
            (4, Some(b'I')) => Self::Info,
            (5, Some(b'P')) => Self::Prack,
            (6, Some(b'U')) => Self::Update,
            (9, Some(b'S')) => Self::Subscribe,
            (6, Some(b'N')) => Self::Notify,
            (5, Some(b'R')) => Self::Refer,
            (7, Some(b'M')) => Self::Message,
            (7, Some(b'P')) => Self::Publish,
            _ => Self::Other,
        };
        if token == candidate.name().as_bytes() { candidate } else { Self::Other }
    }

    /// The text, empty for [`Method::Other`].
    pub fn name(self) -> &'static str {
        Self::NAMED.iter().find(|(_, m)| *m == self).map_or("", |(name, _)| name)
    }

    /// Whether a request of this method may begin a dialog or carries a target refresh, so that a proxy that wants to
    /// stay in the path has to add Record-Route (RFC 3261 §16.6 step 4, RFC 6665, RFC 3515).
    pub const fn makes_dialog(self) -> bool {
        matches!(self, Self::Invite | Self::Subscribe | Self::Refer | Self::Notify)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3261 §7.1: names are case-sensitive.
    #[test]
    fn every_name_is_found_and_only_in_upper_case() {
        for (name, method) in Method::NAMED {
            assert_eq!(Method::from_token(name.as_bytes()), method);
            assert_eq!(Method::from_token(name.to_lowercase().as_bytes()), Method::Other);
            assert_eq!(method.name(), name);
        }
        assert_eq!(Method::from_token(b""), Method::Other);
        assert_eq!(Method::from_token(b"INVITED"), Method::Other);
    }
}
