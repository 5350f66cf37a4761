//! What a sender wants kept private: the Privacy header, RFC 3323 §4.2 and RFC 3325 §9.3, and what a proxy can do for him.
//!
//! | wish | what becomes of it |
//! |---|---|
//! | `none` | nothing is hidden |
//! | `id` | the asserted identity is shown to trusted neighbours alone ([`crate::asserted`]) |
//! | `header`, `session`, `user` | takes a back-to-back user agent: the wish goes on, for whoever can grant it |
//! | `critical` | with one of these: refused, RFC 3323 §5 |

use offhook_sip::{Message, Name, Refusal, Splice};

/// The wishes of a request or response.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Privacy {
    none: bool,
    critical: bool,
    id: bool,
    /// `history` of RFC 7044 §10.1: entries of History-Info.
    history: bool,
    /// `header`, `session`, `user`, and whatever else nobody here knows.
    beyond_us: bool,
}

impl Privacy {
    /// What a message says. Lists with commas are taken as well as RFC 3323's with semicolons.
    pub fn of(message: &Message<'_>) -> Self {
        let mut privacy = Self::default();
        if !message.has(Name::Privacy) {
            return privacy;
        }
        for line in message.lines_of(Name::Privacy) {
            for wish in message.line_value(line).split(|c| matches!(c, b';' | b',')) {
                privacy.note(offhook_sip::trim(wish));
            }
        }
        privacy
    }

    fn note(&mut self, wish: &[u8]) {
        let known = [
            (&b"none"[..], &mut self.none),
            (b"critical", &mut self.critical),
            (b"id", &mut self.id),
            (b"history", &mut self.history),
        ];
        match known.into_iter().find(|(name, _)| wish.eq_ignore_ascii_case(name)) {
            Some((_, said)) => *said = true,
            None => self.beyond_us |= !wish.is_empty(),
        }
    }

    /// Whether who it is stays among those who are trusted. RFC 3325 §7 says so of `id`; whoever wants more hidden does
    /// not want this shown.
    pub const fn hides_identity(self) -> bool {
        !self.none && (self.id || self.beyond_us)
    }

    /// Whether nothing may be hidden, whatever is usual.
    pub const fn hides_nothing(self) -> bool {
        self.none
    }

    /// Whether the way of the request stays among those who are trusted (RFC 7044 §10.1).
    pub const fn hides_history(self) -> bool {
        !self.none && (self.history || self.beyond_us)
    }

    /// Whether all that is wished can be granted here.
    pub const fn is_granted(self) -> bool {
        self.none || !self.beyond_us
    }

    /// RFC 3323 §5: a service that cannot grant what is critical fails the request, and says in words why.
    ///
    /// # Errors
    /// 500.
    pub const fn check(self) -> Result<(), Refusal<'static>> {
        if self.critical && !self.is_granted() {
            return Err(Refusal::new(500).because("Privacy failure: only id and history can be granted"));
        }
        Ok(())
    }
}

/// RFC 7044 §10.1.2: what was granted is wished no more. `critical` alone wishes nothing.
pub(crate) fn grant_history(splice: &mut Splice<'_, '_>, message: &Message<'_>) {
    for line in message.lines_of(Name::Privacy) {
        let wishes = message.line_value(line).split(|c| matches!(c, b';' | b',')).map(offhook_sip::trim);
        let left: Vec<_> = wishes.filter(|wish| !wish.eq_ignore_ascii_case(b"history")).collect();
        if left.iter().all(|wish| wish.is_empty() || wish.eq_ignore_ascii_case(b"critical")) {
            splice.remove(line.whole());
        } else {
            splice.replace(line.value(), |out| out.extend_from_slice(&left.join(&b';')));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn privacy(headers: &str) -> Privacy {
        let text = format!("INVITE sip:a SIP/2.0\r\n{headers}\r\n");
        Privacy::of(&Message::parse(text.as_bytes()).expect("a message"))
    }

    /// RFC 3323 §4.2, RFC 3325 §9.3: values in any case, behind semicolons; some phones write commas or two lines.
    #[test]
    fn wishes_are_read() {
        let id = Privacy { id: true, ..Privacy::default() };
        let more = Privacy { beyond_us: true, critical: true, ..id };
        for (headers, expected) in [
            ("", Privacy::default()),
            ("Privacy: id\r\n", id),
            ("privacy: ID ; \r\n", id),
            ("Privacy: id;header; critical\r\n", more),
            ("Privacy: id, session\r\nPrivacy: critical\r\n", more),
            ("Privacy: id;critical;novel\r\n", more),
            ("Privacy: none\r\n", Privacy { none: true, ..Privacy::default() }),
            ("Privacy: history\r\n", Privacy { history: true, ..Privacy::default() }),
        ] {
            assert_eq!(privacy(headers), expected, "{headers}");
        }
    }

    /// RFC 3325 §7: `none` hides nothing, whatever stands beside it; RFC 3323 §4.2 forbids that anything does.
    #[test]
    fn what_is_hidden() {
        for (wishes, identity, history) in [
            ("id", true, false),
            ("header", true, true),
            ("user;critical", true, true),
            ("history", false, true),
            ("none", false, false),
            ("none;id", false, false),
            ("critical", false, false),
        ] {
            let privacy = privacy(&format!("Privacy: {wishes}\r\n"));
            assert_eq!((privacy.hides_identity(), privacy.hides_history()), (identity, history), "{wishes}");
        }
    }

    /// RFC 3323 §5: `critical` is understood, and fails what cannot be granted.
    #[test]
    fn critical_wishes() {
        for (wishes, granted) in [
            ("id;critical", true),
            ("id;history;critical", true),
            ("critical", true),
            ("header;critical", false),
            ("session;critical", false),
            ("novel;critical", false),
            ("header;session;user", true),
        ] {
            let privacy = privacy(&format!("Privacy: {wishes}\r\n"));
            assert_eq!(
                privacy.check().map_err(|refusal| refusal.status()),
                if granted { Ok(()) } else { Err(500) }
            );
        }
    }
}
