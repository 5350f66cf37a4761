//! Bounds, each with its reason.

/// Longest head of an opening handshake, bytes. Browsers send every cookie of the site with it, and web servers in use
/// stop between 8 and 16 KiB. Longer ones are answered 431 (RFC 6585 §5).
pub const OPENING_BYTES_MAX: usize = 16 * 1024;

/// Most header lines of an opening handshake. Browsers send about 15, proxies in front of us add some. More is answered
/// 431.
pub const OPENING_LINES_MAX: usize = 64;

/// Longest payload of a control frame, bytes: RFC 6455 §5.5. Longer is a violation.
pub const CONTROL_BYTES_MAX: usize = 125;

/// Longest head of a frame that a client sends, bytes: two, eight of length, four of mask.
pub const CLIENT_HEAD_BYTES_MAX: usize = 14;
