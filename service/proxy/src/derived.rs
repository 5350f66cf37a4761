//! Requests that follow from a forwarded INVITE: the CANCEL of a branch (RFC 3261 §9.1) and the ACK to its refusal
//! (§17.1.1.3). Both repeat the INVITE's top Via, and with it the branch.

use offhook_sip::{Message, Name};

/// Writes the CANCEL for a forwarded INVITE. `reason` is the value of the Reason header to pass on (RFC 3326), or
/// empty.
pub fn write_cancel(invite: &Message<'_>, reason: &[u8], out: &mut Vec<u8>) {
    write_head(invite, b"CANCEL", invite.value(Name::To).unwrap_or_default(), out);
    if !reason.is_empty() {
        out.extend_from_slice(b"Reason: ");
        out.extend_from_slice(reason);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

/// Writes the ACK for a final response other than 2xx; its To is that of the response.
pub fn write_ack(invite: &Message<'_>, response: &Message<'_>, out: &mut Vec<u8>) {
    write_head(invite, b"ACK", response.value(Name::To).unwrap_or_default(), out);
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
}

fn write_head(invite: &Message<'_>, method: &[u8], to: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(invite.request_uri_text());
    out.extend_from_slice(b" SIP/2.0\r\nVia: ");
    out.extend_from_slice(invite.values(Name::Via).next().unwrap_or_default());
    out.extend_from_slice(b"\r\n");
    for line in invite.lines_of(Name::Route) {
        out.extend_from_slice(&invite.bytes()[line.whole()]);
    }
    out.extend_from_slice(b"Max-Forwards: 70\r\n");
    for (name, value) in [
        (Name::From, invite.value(Name::From).unwrap_or_default()),
        (Name::To, to),
        (Name::CallId, invite.value(Name::CallId).unwrap_or_default()),
    ] {
        out.extend_from_slice(name.text().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"CSeq: ");
    let number = invite.cseq().map_or(0, |c| c.number);
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    out.push(b' ');
    out.extend_from_slice(method);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP proxy;branch=z9hG4bKp\r\n\
        Via: SIP/2.0/UDP pc33;branch=z9hG4bKa\r\nRoute: <sip:next;lr>\r\nMax-Forwards: 69\r\nTo: Bob <sip:bob@b>\r\n\
        From: Alice <sip:alice@a>;tag=1\r\nCall-ID: c1\r\nCSeq: 314159 INVITE\r\nContact: <sip:alice@pc33>\r\n\r\n";

    /// RFC 3261 §9.1: Request-URI, Call-ID, To, From and the number of CSeq are identical, one Via only, Route copied.
    #[test]
    fn a_cancel_repeats_the_invite() {
        let mut out = Vec::new();
        write_cancel(&Message::parse(INVITE).expect("an INVITE"), b"SIP;cause=200", &mut out);
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            "CANCEL sip:bob@192.0.2.4 SIP/2.0\r\nVia: SIP/2.0/UDP proxy;branch=z9hG4bKp\r\nRoute: <sip:next;lr>\r\n\
             Max-Forwards: 70\r\nFrom: Alice <sip:alice@a>;tag=1\r\nTo: Bob <sip:bob@b>\r\nCall-ID: c1\r\n\
             CSeq: 314159 CANCEL\r\nReason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n"
        );
    }

    /// RFC 3261 §17.1.1.3: To is that of the response.
    #[test]
    fn an_ack_has_the_tag_of_the_response() {
        let response = b"SIP/2.0 486 Busy Here\r\nTo: <sip:bob@b>;tag=77\r\n\r\n";
        let mut out = Vec::new();
        let invite = Message::parse(INVITE).expect("an INVITE");
        write_ack(&invite, &Message::parse(response).expect("a response"), &mut out);
        let text = String::from_utf8(out).expect("ASCII");
        assert!(
            text.contains("To: <sip:bob@b>;tag=77\r\n") && text.contains("CSeq: 314159 ACK\r\n"),
            "{text}"
        );
    }
}
