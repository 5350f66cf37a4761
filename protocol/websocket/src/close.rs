//! Why a connection ends: RFC 6455 §7.4, and what a client can do wrong.

use thiserror::Error;

/// The status codes that we send in a Close frame: RFC 6455 §7.4.1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum CloseCode {
    /// Its purpose is fulfilled: the answer to a client's Close.
    Normal = 1000,
    /// The server stops, or the connection has lived its time.
    GoingAway = 1001,
    /// The client broke the rules of framing.
    ProtocolError = 1002,
    /// Text that is not UTF-8.
    NotUtf8 = 1007,
    /// What came is against our rules: no SIP, for example.
    Policy = 1008,
    /// A message longer than we take.
    TooBig = 1009,
}

/// A rule that the client broke. The connection is failed (RFC 6455 §7.1.7): a Close frame with [`Violation::code`], then
/// the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Violation {
    /// RFC 6455 §5.1: a server must close when a frame is not masked.
    #[error("frame without mask")]
    Unmasked,
    /// RFC 6455 §5.2: reserved bits are zero where no extension was agreed to.
    #[error("reserved bit set")]
    ReservedBit,
    /// RFC 6455 §5.2: opcodes 3 to 7 and 11 to 15.
    #[error("unknown opcode")]
    ReservedOpcode,
    /// RFC 6455 §5.5: control frames come in one piece.
    #[error("control frame in pieces")]
    ControlFragmented,
    /// RFC 6455 §5.5: and have at most 125 bytes.
    #[error("control frame too long")]
    ControlTooLong,
    /// RFC 6455 §5.2: a length takes the fewest bytes it can, and is below 2^63.
    #[error("malformed length")]
    Length,
    /// RFC 6455 §5.4: a continuation continues something.
    #[error("continuation of nothing")]
    NothingToContinue,
    /// RFC 6455 §5.4: fragments of two messages do not mix.
    #[error("message within a message")]
    Interleaved,
    /// RFC 6455 §7.4: a Close frame is empty, or begins with a code that may be sent.
    #[error("malformed close")]
    Close,
    /// RFC 6455 §8.1: text, and the reason in a Close frame, are UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// More bytes than a message may have.
    #[error("message too long")]
    TooLong,
}

impl Violation {
    /// What the Close frame says.
    pub const fn code(self) -> CloseCode {
        match self {
            Self::NotUtf8 => CloseCode::NotUtf8,
            Self::TooLong => CloseCode::TooBig,
            _ => CloseCode::ProtocolError,
        }
    }
}

/// Whether a client may send this code: RFC 6455 §7.4.1 and §7.4.2, with 1012 to 1014 from IANA's registry.
pub(crate) fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §7.4.1: 1005, 1006 and 1015 never stand in a frame.
    #[test]
    fn reserved_codes_are_not_sent() {
        let sent: Vec<u16> = (0..=u16::MAX).filter(|&code| may_be_sent(code)).collect();
        assert_eq!(sent[..4], [1000, 1001, 1002, 1003]);
        assert!([0, 999, 1004, 1005, 1006, 1015, 2999, 5000].iter().all(|code| !sent.contains(code)));
        assert_eq!(sent.len(), 4 + 8 + 2000);
    }
}
