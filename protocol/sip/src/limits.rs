//! The bounds of a message, each with its reason.

/// Longest message we take, bytes. A datagram cannot be longer (RFC 768), offsets fit 16 bits, and no SIP message that
/// a phone can handle comes near. Longer ones on a stream are answered 513 (RFC 3261 §21.5.7).
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Most header lines of one message. Real ones have 8 to 40, RFC 4475's longest has 43; one that was sent on 70 times
/// (Max-Forwards, RFC 3261 §8.1.1.6) could have 140 lines of Via and Record-Route. More is answered 400.
pub const HEADER_LINES_MAX: usize = 200;

/// Changes to one message that a scratch has room for from the start: far above what RFC 3261 §16.6 asks of a proxy
/// (about 8). Only taking away many lines of one header makes more, at most [`HEADER_LINES_MAX`]; then the room grows.
pub const CUTS_MAX: usize = 32;

/// New text of one message that a scratch has room for from the start, bytes: our Via, Record-Route and Path with their tokens,
/// and the Via that was mended. Only a long History-Info or many routes need more; then the room grows.
pub const FRESH_BYTES: usize = 2_048;

/// Largest CSeq number: RFC 3261 §8.1.1.5, "MUST be less than 2**31".
pub const CSEQ_MAX: u32 = 0x7fff_ffff;
