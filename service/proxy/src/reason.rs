//! Why a branch is cancelled: the Reason header, RFC 3326. A phone that stopped ringing because another one was answered
//! shows no missed call.

use offhook_sip::{Message, Name};

/// Longest Reason of a caller's CANCEL that is kept while the CANCEL waits, bytes: far above what RFC 3326 §2 has
/// protocols for. A longer one is forgotten then.
pub const REASON_BYTES_MAX: usize = 512;

/// The value of Reason in the CANCEL to a branch that works in vain, because the request was answered with this status, or
/// because it has had its time, which counts as 408 (RFC 3261 §16.8); empty where there is nothing to say.
pub const fn of_cancel(status: u16) -> &'static [u8] {
    match status {
        200..=299 => b"SIP;cause=200;text=\"Call completed elsewhere\"",
        408 => b"SIP;cause=408;text=\"Request Timeout\"",
        600 => b"SIP;cause=600;text=\"Busy Everywhere\"",
        603 => b"SIP;cause=603;text=\"Decline\"",
        604 => b"SIP;cause=604;text=\"Does Not Exist Anywhere\"",
        606 => b"SIP;cause=606;text=\"Not Acceptable\"",
        _ => b"",
    }
}

/// The reasons that a message gives, as one value: there may be one for each protocol (§2).
pub fn write(message: &Message<'_>, out: &mut Vec<u8>) {
    for line in message.lines_of(Name::Reason) {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(message.line_value(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3326 §2: one value for each protocol, in one line or in several.
    #[test]
    fn several_reasons() {
        let text = b"CANCEL sip:b SIP/2.0\r\nReason: SIP;cause=487\r\nreason: Q.850;cause=16;text=\"Terminated\"\r\n\r\n";
        let mut out = Vec::new();
        write(&Message::parse(text).expect("a message"), &mut out);
        assert_eq!(out, b"SIP;cause=487, Q.850;cause=16;text=\"Terminated\"");
    }

    /// RFC 3326 §3: nothing is said of what is not known.
    #[test]
    fn reasons_of_our_own() {
        assert!(
            of_cancel(200).starts_with(b"SIP;cause=200;") && of_cancel(603).starts_with(b"SIP;cause=603;")
        );
        assert_eq!((of_cancel(0), of_cancel(487), of_cancel(699)), (&b""[..], &b""[..], &b""[..]));
    }
}
