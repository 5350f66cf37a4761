//! What can be wrong with a message. Each fault knows the text its sender gets in the reason phrase of a 400
//! (RFC 3261 §21.4.1 asks for one that names the problem).

use std::fmt;

/// Bytes that are no SIP message at all: nothing can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotSip {
    /// Nothing, or only line ends: a keep-alive (RFC 5626 §3.5.1).
    Empty,
    /// No start line with `SIP/2.0` in it.
    NoStartLine,
    /// Longer than [`crate::limits::MESSAGE_BYTES_MAX`].
    TooLong,
}

/// A message with a fault. If it is a request with enough left to answer, the answer is 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// The request or status line breaks its grammar (RFC 3261 §7.1, §7.2).
    StartLine,
    /// The line says SIP, but not version 2.0: answered 505.
    Version,
    /// The header section does not end with an empty line.
    HeadersUnfinished,
    /// A line that does not end with CRLF, or a bare CR: neighbours would read different messages.
    LineEnd,
    /// A header line without name or colon.
    HeaderLine,
    /// More than [`crate::limits::HEADER_LINES_MAX`] lines.
    TooManyHeaders,
    /// A mandatory header is not there (RFC 3261 §8.1.1).
    Missing(&'static str),
    /// A header that may stand once stands twice, or has several values.
    Repeated(&'static str),
    /// A header with more values than anybody needs.
    TooMany(&'static str),
    /// A header whose value breaks its grammar.
    Header(&'static str),
    /// A URI that breaks its grammar.
    Uri,
    /// Content-Length says more than there is (RFC 3261 §18.3), or is no number.
    ContentLength,
    /// It is longer than a message may be: answered 513.
    TooLong,
    /// The method of CSeq is not that of the request (RFC 3261 §8.1.1.5).
    CSeqMethod,
}

impl Malformed {
    /// The status code of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::TooLong => 513,
            _ => 400,
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartLine => f.write_str("Malformed start line"),
            Self::Version => f.write_str("SIP version not supported"),
            Self::HeadersUnfinished => f.write_str("Header section without end"),
            Self::LineEnd => f.write_str("Line without CRLF"),
            Self::HeaderLine => f.write_str("Malformed header line"),
            Self::TooManyHeaders => f.write_str("Too many headers"),
            Self::Missing(name) => write!(f, "Missing {name}"),
            Self::Repeated(name) => write!(f, "More than one {name}"),
            Self::TooMany(name) => write!(f, "Too many values of {name}"),
            Self::Header(name) => write!(f, "Malformed {name}"),
            Self::Uri => f.write_str("Malformed URI"),
            Self::ContentLength => f.write_str("Wrong Content-Length"),
            Self::TooLong => f.write_str("Message Too Large"),
            Self::CSeqMethod => f.write_str("CSeq names another method"),
        }
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for NotSip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "no message",
            Self::NoStartLine => "no SIP start line",
            Self::TooLong => "longer than a message may be",
        })
    }
}

impl std::error::Error for NotSip {}
