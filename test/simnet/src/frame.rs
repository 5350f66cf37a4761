//! The bytes of one direction of a stream until they are whole messages; cut by the same rule as in the server.

use offhook_sip::stream::{Frame, frame};

/// One thing taken from the front of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Message(Vec<u8>),
    /// CRLF CRLF: RFC 5626 §3.5.1.
    Ping,
    /// CRLF.
    Pong,
    /// Nothing that could ever become a message; the stream is useless from here on.
    Unframeable(Vec<u8>),
}

impl Taken {
    /// The bytes as they came.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Message(bytes) | Self::Unframeable(bytes) => bytes,
            Self::Ping => b"\r\n\r\n".to_vec(),
            Self::Pong => b"\r\n".to_vec(),
        }
    }
}

/// What has come and is not yet whole.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buffer: Vec<u8>,
}

impl Framer {
    /// Appends what arrived.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next thing, if it is whole.
    pub(crate) fn take(&mut self) -> Option<Taken> {
        let (len, taken): (usize, fn(Vec<u8>) -> Taken) = match frame(&self.buffer) {
            Frame::Incomplete => return None,
            Frame::Ping(len) => (len, |_| Taken::Ping),
            Frame::Pong(len) => (len, |_| Taken::Pong),
            Frame::Message(len) => (len, Taken::Message),
            Frame::Unframeable(_) => (self.buffer.len(), Taken::Unframeable),
        };
        Some(taken(self.buffer.drain(..len).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_keep_alives_in_pieces() {
        let first = b"BYE sip:a SIP/2.0\r\nContent-Length: 3\r\n\r\nabc".to_vec();
        let second = b"BYE sip:b SIP/2.0\r\nl:0\r\n\r\n".to_vec();
        let (mut framer, mut taken) = (Framer::default(), Vec::new());
        for piece in [&first[..], b"\r\n\r\n", &second[..]].concat().chunks(4) {
            framer.push(piece);
            taken.extend(std::iter::from_fn(|| framer.take()));
        }
        assert_eq!(taken.len(), 3, "{taken:?}");
        assert_eq!(taken[0], Taken::Message(first));
        assert_eq!(taken[2], Taken::Message(second));
    }

    #[test]
    fn garbage_is_taken_whole() {
        let mut framer = Framer::default();
        framer.push(b"\x16\x03\x01 hello");
        assert_eq!(framer.take().map(Taken::into_bytes).as_deref(), Some(b"\x16\x03\x01 hello".as_slice()));
        assert_eq!(framer.take(), None);
    }
}
