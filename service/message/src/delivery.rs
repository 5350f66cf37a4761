//! What is sent later, and what its answers mean: RFC 3428 §4, §7.

use offhook_undelivered::Outcome;

/// The request to one device.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'x> {
    /// What was kept: [`crate::write_content`].
    pub content: &'x [u8],
    /// The device's Contact.
    pub uri: &'x [u8],
    /// Route values: the Path of the device (RFC 3327 §5.2), or empty.
    pub path: &'x [u8],
    /// Our Via up to its branch: `SIP/2.0/UDP 192.0.2.1;rport;branch=`.
    pub via: &'x str,
}

impl Delivery<'_> {
    /// Writes the request; `branch` writes that of Via.
    pub fn write(&self, branch: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) {
        // RFC 3261 §19.1.1: headers have no place in a Request-URI.
        let uri = self.uri.split(|&c| c == b'?').next().unwrap_or(self.uri);
        out.extend_from_slice(b"MESSAGE ");
        out.extend_from_slice(uri);
        out.extend_from_slice(b" SIP/2.0\r\nVia: ");
        out.extend_from_slice(self.via.as_bytes());
        branch(out);
        out.extend_from_slice(b"\r\nMax-Forwards: 70\r\n");
        if !self.path.is_empty() {
            out.extend_from_slice(b"Route: ");
            out.extend_from_slice(self.path);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(self.content);
    }
}

/// What the final answer of one device means.
pub const fn judge(status: u16) -> Outcome {
    match status {
        // RFC 3261 §8.2.2.2: it has this very request already.
        200..=299 | 482 => Outcome::Delivered,
        // Not there, busy, or a device that takes no messages at all: another one may.
        405 | 408 | 430 | 480 | 486 | 500..=599 => Outcome::Failed,
        _ => Outcome::Refused(status),
    }
}

/// What several devices have said together: one that could not be reached yet may still want it.
pub const fn worse(before: Option<Outcome>, now: Outcome) -> Outcome {
    match (before, now) {
        (Some(Outcome::Failed), _) => Outcome::Failed,
        _ => now,
    }
}
