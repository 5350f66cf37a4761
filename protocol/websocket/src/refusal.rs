//! Why a connection is not opened, and the HTTP answer that says so: RFC 6455 §4.2.2. The body is for the person who
//! looks at what the browser shows; the same text goes into the log.

use std::fmt;

/// What is wrong with an opening handshake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not the head of an HTTP/1.1 request.
    NotHttp,
    /// More than [`crate::limits::OPENING_BYTES_MAX`] or [`crate::limits::OPENING_LINES_MAX`].
    HeadTooLong,
    /// Another method than GET.
    Method,
    /// A path where nothing is.
    Path,
    /// An ordinary page was asked for.
    NotWebSocket,
    /// A header that must be there once is missing, repeated or malformed.
    Header(&'static str),
    /// [`crate::Policy::origins`] does not admit the page.
    Origin,
    /// Another version of WebSocket than 13.
    Version,
    /// `sip` is not among the sub-protocols offered: RFC 7118 §4.1.
    NotSip,
}

impl Refusal {
    /// Status code and reason phrase.
    pub const fn status(self) -> (u16, &'static str) {
        match self {
            Self::NotHttp | Self::Header(_) | Self::NotSip => (400, "Bad Request"),
            Self::Origin => (403, "Forbidden"),
            Self::Path => (404, "Not Found"),
            Self::Method => (405, "Method Not Allowed"),
            Self::NotWebSocket | Self::Version => (426, "Upgrade Required"),
            Self::HeadTooLong => (431, "Request Header Fields Too Large"),
        }
    }

    /// Appends the whole answer. The connection is closed after it.
    pub fn write(self, out: &mut Vec<u8>) {
        let (code, phrase) = self.status();
        let body = format!("{self}\r\n");
        let extra = match self {
            Self::Method => "Allow: GET\r\n",
            // RFC 9110 §15.5.22; RFC 6455 §4.4.
            Self::NotWebSocket | Self::Version => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            _ => "",
        };
        let connection = if extra.starts_with("Upgrade") { "Upgrade, close" } else { "close" };
        let head = format!(
            "HTTP/1.1 {code} {phrase}\r\n\
             {extra}Connection: {connection}\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(body.as_bytes());
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp => f.write_str(
                "This port takes SIP over WebSocket (RFC 7118). What came is no HTTP/1.1 request: a phone that \
                 speaks SIP over TCP or TLS needs another port.",
            ),
            Self::HeadTooLong => f.write_str("The head of the request is too long. Too many cookies?"),
            Self::Method => f.write_str("Only GET opens a WebSocket."),
            Self::Path => {
                f.write_str("There is nothing at this path. Check the path in the phone's WebSocket address.")
            }
            Self::NotWebSocket => f.write_str(
                "This is no web page: browser phones connect here, with SIP over WebSocket (RFC 7118).",
            ),
            Self::Header(name) => write!(f, "The header {name} is missing, repeated or malformed."),
            Self::Origin => f.write_str("Pages from this origin may not connect here."),
            Self::Version => f.write_str("Only version 13 of WebSocket is spoken here (RFC 6455)."),
            Self::NotSip => f.write_str(
                "Sec-WebSocket-Protocol does not offer \"sip\": only SIP over WebSocket (RFC 7118) is spoken here.",
            ),
        }
    }
}
