//! Request-Disposition: RFC 3841 §9.1 and §10, what a caller asks of every proxy on the way.

use crate::message::Message;
use crate::name::Name;

/// The directives of a request. What was not said is `None`; of two of one kind, which is illegal, the first counts.
/// Unknown words are passed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Disposition {
    /// `redirect` or `proxy`: whether the caller wants to be told where to go.
    pub redirect: Option<bool>,
    /// `cancel` or `no-cancel`: whether the other phones stop ringing when one has answered.
    pub cancel: Option<bool>,
    /// `fork` or `no-fork`: whether more than one may be called.
    pub fork: Option<bool>,
    /// `recurse` or `no-recurse`: whether a redirection is followed for the caller.
    pub recurse: Option<bool>,
    /// `parallel` or `sequential`: all at once, or one after the other.
    pub parallel: Option<bool>,
    /// `queue` or `no-queue`: for the called phone to heed (RFC 3841 §6).
    pub queue: Option<bool>,
}

impl Disposition {
    /// What the request says.
    pub fn of(message: &Message<'_>) -> Self {
        let mut said = Self::default();
        for word in message.values(Name::RequestDisposition) {
            said.note(word);
        }
        said
    }

    fn note(&mut self, word: &[u8]) {
        let Self { redirect, cancel, fork, recurse, parallel, queue } = self;
        let kinds: [(&[u8], &[u8], &mut Option<bool>); 6] = [
            (b"redirect", b"proxy", redirect),
            (b"cancel", b"no-cancel", cancel),
            (b"fork", b"no-fork", fork),
            (b"recurse", b"no-recurse", recurse),
            (b"parallel", b"sequential", parallel),
            (b"queue", b"no-queue", queue),
        ];
        for (yes, no, slot) in kinds {
            let said = [yes, no].iter().position(|own| own.eq_ignore_ascii_case(word));
            *slot = slot.or(said.map(|place| place == 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(headers: &str) -> Disposition {
        let text = format!("INVITE sip:a@b SIP/2.0\r\n{headers}\r\n");
        Disposition::of(&Message::parse(text.as_bytes()).expect("a message"))
    }

    /// RFC 3841 §9.1, §10: its example; the compact form; every word.
    #[test]
    fn directives() {
        let none = Disposition::default();
        assert_eq!(said(""), none);
        assert_eq!(
            said("Request-Disposition: proxy, recurse, parallel\r\n"),
            Disposition { redirect: Some(false), recurse: Some(true), parallel: Some(true), ..none }
        );
        assert_eq!(
            said("d: NO-CANCEL\r\nd: no-fork,sequential, no-queue\r\n"),
            Disposition {
                cancel: Some(false),
                fork: Some(false),
                parallel: Some(false),
                queue: Some(false),
                ..none
            }
        );
    }

    #[test]
    fn the_first_of_a_kind_counts_and_unknown_words_do_not() {
        let none = Disposition::default();
        assert_eq!(
            said("d: frobnicate, redirect, proxy, ,no-recurse\r\n"),
            Disposition { redirect: Some(true), recurse: Some(false), ..none }
        );
    }
}
