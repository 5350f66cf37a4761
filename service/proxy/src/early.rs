//! Early dialogs that end while the call goes on elsewhere: 199, RFC 6228 §6. Of several phones that ring one refuses; its
//! refusal waits for the others, and the caller is told meanwhile that this dialog is over.
//!
//! ```text
//!   caller ◄── 183 To: tag=a ◄── desk          caller ◄── 180 To: tag=b ◄── mobile
//!   caller ◄── 199 To: tag=a, Reason ◄── (kept) ◄── 486 ◄── desk
//! ```

use offhook_sip::{Message, Method, Name, Reply, reason_phrase};

/// Early dialogs of one request that are remembered: more phones than a request is sent to, and some of them behind
/// proxies that fork as well. The dialogs beyond end when the call does.
pub const EARLY_DIALOGS_MAX: usize = 32;

/// The early dialogs of a request whose caller wants to know when they end; `B` names a branch.
#[derive(Debug)]
pub struct EarlyDialogs<B> {
    /// Each with the tag of its callee. A branch that forks on its way has several.
    list: Vec<(B, Box<[u8]>)>,
}

impl<B: Copy + PartialEq> EarlyDialogs<B> {
    /// `None`: the caller does not want to know, or wants every provisional response sent reliably, which a proxy cannot.
    pub fn of(request: &Message<'_>) -> Option<Self> {
        let says = |name, tag| request.option_tags(name).has(tag);
        let is_first = request.to().is_ok_and(|to| to.tag().is_none());
        let wanted = request.method() == Some(Method::Invite) && is_first && says(Name::Supported, b"199");
        let reliably = || says(Name::Require, b"100rel") || says(Name::ProxyRequire, b"100rel");
        (wanted && !reliably()).then(|| Self { list: Vec::new() })
    }

    /// A provisional response above 100 has gone to the caller.
    pub fn heard(&mut self, branch: B, response: &Message<'_>) {
        let Some(tag) = response.to().ok().and_then(|to| to.tag()) else { return };
        let known = self.list.iter().position(|(of, known)| *of == branch && &**known == tag);
        match known {
            // §6: the callee has said so itself.
            Some(place) if response.status() == Some(199) => _ = self.list.swap_remove(place),
            None if response.status() != Some(199) && self.list.len() < EARLY_DIALOGS_MAX => {
                self.list.push((branch, tag.into()));
            }
            _ => {}
        }
    }

    /// Another branch stands in the place of one.
    pub fn hand_on(&mut self, old: B, new: B) {
        for (of, _) in self.list.iter_mut().filter(|(of, _)| *of == old) {
            *of = new;
        }
    }

    /// A branch has been refused: the tag of one of its dialogs, until there is none.
    pub fn take_ended(&mut self, branch: B) -> Option<Box<[u8]>> {
        let place = self.list.iter().position(|(of, _)| *of == branch)?;
        Some(self.list.remove(place).1)
    }
}

/// Writes the 199 for the dialog of this tag, which ended with `status`. `copy` is what a branch was sent, `cseq` the number
/// of the request where the copy has another.
pub fn write(copy: &Message<'_>, cseq: Option<u32>, (tag, status): (&[u8], u16), out: &mut Vec<u8>) {
    Reply::new(copy, 199).behind_our_via().cseq(cseq).to_tag(tag).write_head(out);
    out.extend_from_slice(b"Reason: SIP;cause=");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.extend_from_slice(b";text=\"");
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\"\r\n");
    Reply::write_end(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogs(headers: &str) -> Option<EarlyDialogs<u8>> {
        let text = format!("INVITE sip:b SIP/2.0\r\nTo: <sip:b>\r\n{headers}\r\n");
        EarlyDialogs::of(&Message::parse(text.as_bytes()).expect("a message"))
    }

    fn hear(dialogs: &mut EarlyDialogs<u8>, branch: u8, status: u16, tag: &str) {
        let text = format!("SIP/2.0 {status} x\r\nTo: <sip:b>{tag}\r\n\r\n");
        dialogs.heard(branch, &Message::parse(text.as_bytes()).expect("a message"));
    }

    /// RFC 6228 §6: only for who supports it and can take it unreliably.
    #[test]
    fn who_wants_to_know() {
        assert!(dialogs("Supported: 100rel, 199\r\n").is_some());
        for headers in ["", "Require: 199\r\n", "Supported: 199\r\nRequire: 100rel\r\n"] {
            assert!(dialogs(headers).is_none(), "{headers}");
        }
    }

    /// RFC 6228 §6: each dialog of a branch once, and none that the callee has ended with a 199 of its own.
    #[test]
    fn what_ends_with_a_branch() {
        let mut known = dialogs("k: 199\r\n").expect("wanted");
        for (branch, status, tag) in [
            (1, 180, ";tag=a"),
            (1, 183, ";tag=a"),
            (1, 183, ";tag=b"),
            (2, 183, ";tag=c"),
            (1, 180, ""),
            (1, 183, ";tag=d"),
            (1, 199, ";tag=d"),
            (1, 199, ";tag=e"),
        ] {
            hear(&mut known, branch, status, tag);
        }
        let mut ended = Vec::new();
        while let Some(tag) = known.take_ended(1) {
            ended.push(String::from_utf8(tag.into()).expect("ASCII"));
        }
        assert_eq!((ended.join(" "), known.list.len()), ("a b".to_owned(), 1));
    }

    #[test]
    fn there_is_a_bound() {
        let mut known = dialogs("k: 199\r\n").expect("wanted");
        (0..100).for_each(|n| hear(&mut known, 1, 180, &format!(";tag={n}")));
        assert_eq!(known.list.len(), EARLY_DIALOGS_MAX);
    }

    /// RFC 6228 §6: the tag, the reason, no Contact, no Record-Route.
    #[test]
    fn the_response() {
        let copy = b"INVITE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP us\r\nVia: SIP/2.0/UDP alice\r\nRecord-Route: <sip:us;lr>\r\n\
            From: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@x>\r\n\r\n";
        let mut out = Vec::new();
        write(&Message::parse(copy).expect("a message"), None, (b"t", 486), &mut out);
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            "SIP/2.0 199 Early Dialog Terminated\r\nVia: SIP/2.0/UDP alice\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>;tag=t\r\n\
             Call-ID: c\r\nCSeq: 1 INVITE\r\nReason: SIP;cause=486;text=\"Busy Here\"\r\nContent-Length: 0\r\n\r\n"
        );
    }
}
