//! Who the caller is, said by those who know: RFC 3325, RFC 5876. Between neighbours that trust each other an identity that
//! one of them has proved travels in P-Asserted-Identity; nobody else may say it, and not everybody may hear it.
//!
//! ```text
//!                    to a trusted neighbour             to anybody else, phones too
//!   from a trusted   as it came                         as it came; nothing if privacy is wished
//!   who proved it    <sip:account@domain>               nothing, or the same where everybody is told
//!   from anybody     nothing                            nothing
//! ```
//! Remote-Party-ID, the older header for the same, is believed of nobody but trusted neighbours either: phones show it.

use offhook_sip::{Line, Message, Name, NameAddr, Scheme, Splice, Uri};

use crate::privacy::Privacy;

/// An account whose secret the sender knows: user part and domain.
pub type Account<'x> = (&'x [u8], &'x [u8]);

/// What must be known of a message and its way to decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trust {
    /// Whether it came from a trusted neighbour.
    pub from: bool,
    /// Whether it goes to one.
    pub to: bool,
}

/// What becomes of the headers that say who the sender is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Statement<'x> {
    /// Whether what others have asserted goes on.
    keep: bool,
    /// Whether it goes to who may hear all.
    to_trusted: bool,
    /// What we assert.
    own: Option<Account<'x>>,
}

impl<'x> Statement<'x> {
    /// What the copy of a request says. `account` is looked at only where it is told.
    pub fn of_request(
        message: &Message<'_>,
        trust: Trust,
        tells_everybody: bool,
        account: impl FnOnce() -> Option<Account<'x>>,
    ) -> Self {
        let shown = trust.to || !Privacy::of(message).hides_identity();
        let tells = !trust.from && (trust.to || tells_everybody && shown);
        let own = if tells { account() } else { None };
        Self { keep: trust.from && shown, to_trusted: trust.to, own }
    }

    /// What a response says: nobody can be asked to prove who sends it (RFC 5876 §5), so nothing is added.
    pub fn of_response(message: &Message<'_>, trust: Trust) -> Self {
        let shown = trust.to || !Privacy::of(message).hides_identity();
        Self { keep: trust.from && shown, to_trusted: trust.to, own: None }
    }

    /// Whether there is anything to write into a message that says nothing about identities.
    pub const fn says_something(&self) -> bool {
        self.own.is_some()
    }

    /// Writes it into the copy.
    pub fn edit(&self, splice: &mut Splice<'_, '_>, message: &Message<'_>) {
        splice.remove_all(Name::PPreferredIdentity);
        if !self.keep {
            splice.remove_all(Name::PAssertedIdentity);
            splice.remove_all(Name::RemotePartyId);
        } else {
            self.keep_what_may_go_on(splice, message);
        }
        if let Some((user, domain)) = self.own {
            splice.push_back(Name::PAssertedIdentity, |out| {
                for part in [&b"<sip:"[..], user, b"@", domain, b">"] {
                    out.extend_from_slice(part);
                }
            });
        }
    }

    fn keep_what_may_go_on(&self, splice: &mut Splice<'_, '_>, message: &Message<'_>) {
        if !is_sound(message) {
            keep_sound(splice, message);
        }
        let private = message.lines_of(Name::RemotePartyId).filter(|line| wants_privacy(message, line));
        if !self.to_trusted {
            private.for_each(|line| splice.remove(line.whole()));
        }
    }
}

/// Remote-Party-ID says itself whether it is private: `privacy=full`, `name`, `uri`, `off`.
fn wants_privacy(message: &Message<'_>, line: &Line) -> bool {
    let Some(party) = NameAddr::parse(message.line_value(line)) else { return true };
    party.params().value(b"privacy").is_some_and(|level| !level.eq_ignore_ascii_case(b"off"))
}

/// Whether a message says anything about identities: what most do not.
#[inline]
pub fn is_mentioned(message: &Message<'_>) -> bool {
    message.has(Name::PAssertedIdentity)
        || message.has(Name::PPreferredIdentity)
        || message.has(Name::RemotePartyId)
}

/// RFC 5876 §4.5: one URI of sip or sips, one of tel.
fn is_sound(message: &Message<'_>) -> bool {
    sound_values(message).count() == message.values(Name::PAssertedIdentity).count()
}

/// RFC 5876 §4.5: "A proxy MUST NOT forward a URI" that is one too many or of another scheme.
fn keep_sound(splice: &mut Splice<'_, '_>, message: &Message<'_>) {
    splice.remove_all(Name::PAssertedIdentity);
    for value in sound_values(message) {
        splice.push_back(Name::PAssertedIdentity, |out| out.extend_from_slice(value));
    }
}

fn sound_values<'m, 'a>(message: &'m Message<'a>) -> impl Iterator<Item = &'a [u8]> + use<'m, 'a> {
    let (mut has_sip, mut has_tel) = (false, false);
    message.values(Name::PAssertedIdentity).filter(move |value| {
        let said = match scheme(value) {
            Some(Scheme::Sip | Scheme::Sips) => &mut has_sip,
            Some(Scheme::Tel) => &mut has_tel,
            _ => return false,
        };
        !std::mem::replace(said, true)
    })
}

fn scheme(value: &[u8]) -> Option<Scheme> {
    let address = NameAddr::parse(value)?;
    Uri::parse(address.uri).ok().map(|uri| uri.scheme)
}

#[cfg(test)]
mod tests {
    use offhook_sip::Scratch;

    use super::*;

    const TRUSTED: Trust = Trust { from: true, to: true };
    const FROM_TRUSTED: Trust = Trust { from: true, to: false };
    const TO_TRUSTED: Trust = Trust { from: false, to: true };
    const NOBODY: Trust = Trust { from: false, to: false };

    fn identities(headers: &str, edit: impl Fn(&Message<'_>) -> Statement<'static>) -> String {
        let text = format!("INVITE sip:bob@b SIP/2.0\r\n{headers}\r\n");
        let message = Message::parse(text.as_bytes()).expect("a message");
        let mut scratch = Scratch::default();
        let mut splice = Splice::new(&message, &mut scratch);
        edit(&message).edit(&mut splice, &message);
        let mut out = Vec::new();
        splice.write_to(&mut out);
        let text = String::from_utf8(out).expect("ASCII");
        text.lines().filter(|l| l.starts_with('P') || l.starts_with('R')).collect::<Vec<_>>().join("|")
    }

    fn request(headers: &str, trust: Trust, everybody: bool) -> String {
        identities(headers, |m| Statement::of_request(m, trust, everybody, || Some((b"alice", b"a"))))
    }

    /// RFC 3325 §5: the table of this module.
    #[test]
    fn who_is_told_what() {
        let came = "P-Asserted-Identity: <sip:x@y>\r\n";
        for (trust, everybody, goes) in [
            (TRUSTED, false, "P-Asserted-Identity: <sip:x@y>"),
            (FROM_TRUSTED, false, "P-Asserted-Identity: <sip:x@y>"),
            (FROM_TRUSTED, true, "P-Asserted-Identity: <sip:x@y>"),
            (TO_TRUSTED, false, "P-Asserted-Identity: <sip:alice@a>"),
            (NOBODY, false, ""),
            (NOBODY, true, "P-Asserted-Identity: <sip:alice@a>"),
        ] {
            assert_eq!(request(came, trust, everybody), goes, "{trust:?} {everybody}");
        }
        assert_eq!(request("P-Preferred-Identity: <sip:x@y>\r\n", TRUSTED, false), "");
    }

    /// RFC 3325 §7: `id` keeps it among the trusted.
    #[test]
    fn privacy() {
        let came = "P-Asserted-Identity: <sip:x@y>\r\nPrivacy: id\r\n";
        for (trust, everybody, goes) in [
            (TRUSTED, false, "P-Asserted-Identity: <sip:x@y>|Privacy: id"),
            (FROM_TRUSTED, false, "Privacy: id"),
            (TO_TRUSTED, false, "Privacy: id|P-Asserted-Identity: <sip:alice@a>"),
            (NOBODY, true, "Privacy: id"),
        ] {
            assert_eq!(request(came, trust, everybody), goes, "{trust:?} {everybody}");
        }
    }

    /// RFC 5876 §4.5: what is one too many, or neither sip nor tel, is not forwarded.
    #[test]
    fn values_too_many() {
        for (came, goes) in [
            ("<sip:a@b>, <tel:+1>", "P-Asserted-Identity: <sip:a@b>, <tel:+1>"),
            ("<tel:+1>, \"A\" <sips:a@b>", "P-Asserted-Identity: <tel:+1>, \"A\" <sips:a@b>"),
            ("<sip:a@b>, <sips:c@d>", "P-Asserted-Identity: <sip:a@b>"),
            ("<tel:+1>, <tel:+2>", "P-Asserted-Identity: <tel:+1>"),
            ("<mailto:a@b>, <sip:a@b>", "P-Asserted-Identity: <sip:a@b>"),
            ("nobody", ""),
        ] {
            let came = format!("P-Asserted-Identity: {came}\r\n");
            assert_eq!(request(&came, TRUSTED, false), goes, "{came}");
        }
    }

    #[test]
    fn remote_party_id() {
        let came = "Remote-Party-ID: <sip:a@b>;privacy=full\r\nRemote-Party-ID: <sip:c@d>;privacy=off\r\n";
        let [first, second] =
            ["<sip:a@b>;privacy=full", "<sip:c@d>;privacy=off"].map(|v| format!("Remote-Party-ID: {v}"));
        assert_eq!(request(came, TRUSTED, false), format!("{first}|{second}"));
        assert_eq!(request(came, FROM_TRUSTED, false), second);
        assert_eq!(request(came, NOBODY, false), "");
    }

    /// RFC 5876 §5: a response proves nothing, so nothing is added to it.
    #[test]
    fn responses() {
        let response = |trust, headers| identities(headers, |m| Statement::of_response(m, trust));
        let came = "P-Asserted-Identity: <sip:x@y>\r\n";
        assert_eq!(response(FROM_TRUSTED, came), "P-Asserted-Identity: <sip:x@y>");
        assert_eq!(
            response(FROM_TRUSTED, "P-Asserted-Identity: <sip:x@y>\r\nPrivacy: id\r\n"),
            "Privacy: id"
        );
        assert_eq!(response(TO_TRUSTED, came), "");
        assert_eq!(response(TO_TRUSTED, ""), "");
    }
}
