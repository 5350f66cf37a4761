//! The bounds of a message, each with its reason.

/// Longest message we take, bytes. A datagram cannot be longer (RFC 768), offsets fit 16 bits, and no SIP message that
/// a phone can handle comes near. Longer ones on a stream are answered 513 (RFC 3261 §21.5.7).
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Most header lines of one message. Real ones have 8 to 40; RFC 4475's longest has 60. More is answered 400.
pub const HEADER_LINES_MAX: usize = 200;

/// Most changes to one message on its way through a proxy: far above what RFC 3261 §16.6 asks for (about 8).
pub const CUTS_MAX: usize = 32;

/// Largest CSeq number: RFC 3261 §8.1.1.5, "MUST be less than 2**31".
pub const CSEQ_MAX: u32 = 0x7fff_ffff;
