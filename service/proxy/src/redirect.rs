//! Redirections that are followed for the caller: RFC 3261 §16.7 step 4. Which contacts of a 3xx there are, what is left of
//! it for the caller, and the request as it was before a copy was made of it.
//!
//! ```text
//!   request ──► copy ──► phone A ──302: B, C──► the request again ──► B, C       followed: no word of it to the caller
//!                                        └────► 302: C ──► context               not all of them followed
//! ```
//! Not here: who may be reached that way. That is decided as for a call of the caller's own ([`crate::access`]).

use arrayvec::ArrayVec;
use offhook_sip::{Malformed, Message, Name, NameAddr, Scheme, Scratch, Splice, Uri, header};

/// Most contacts of one 3xx that are looked at; more are left to the caller.
pub const CHOICES_MAX: usize = 10;

/// Most redirections that one request follows: a call forwarded this often goes in a circle.
pub const REDIRECTIONS_MAX: u8 = 5;

/// A contact of a 3xx.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// It, as it was written.
    pub contact: NameAddr<'a>,
    /// Its URI.
    pub uri: Uri<'a>,
    /// Its preference, thousandths.
    pub q_milli: u16,
}

/// Whether a status names other addresses of whom the caller wants (§21.3). 305 names a proxy and is for the caller to
/// obey (§21.3.4); 380 is about other services (§21.3.5).
pub const fn can_be_followed(status: u16) -> bool {
    matches!(status, 300..=302)
}

/// The contacts, the preferred ones first (§8.1.3.4).
pub fn choices<'a>(response: &Message<'a>) -> ArrayVec<Choice<'a>, CHOICES_MAX> {
    let mut choices: ArrayVec<_, CHOICES_MAX> =
        response.values(Name::Contact).filter_map(choice).take(CHOICES_MAX).collect();
    choices.sort_by_key(|choice| std::cmp::Reverse(choice.q_milli));
    choices
}

fn choice<'a>(value: &'a [u8]) -> Option<Choice<'a>> {
    let contact = NameAddr::parse(value)?;
    let uri = contact.parsed_uri().ok().filter(|uri| uri.scheme != Scheme::Other)?;
    let q_milli = contact.params().value(b"q").and_then(header::q_milli).unwrap_or(1000);
    Some(Choice { contact, uri, q_milli })
}

/// The contacts that are not followed.
pub fn left<'a>(
    response: &Message<'a>,
    is_followed: impl Fn(&[u8]) -> bool,
) -> impl Iterator<Item = &'a [u8]> {
    let is_left =
        move |value: &&[u8]| !NameAddr::parse(value).is_some_and(|contact| is_followed(contact.uri));
    response.values(Name::Contact).filter(is_left)
}

/// The response without the contacts that are followed: step 4 of §16.7.
pub fn write_left(
    response: &Message<'_>,
    is_followed: impl Fn(&[u8]) -> bool,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) {
    let mut splice = Splice::new(response, scratch);
    splice.remove_all(Name::Contact);
    for value in left(response, is_followed) {
        splice.insert(response.headers_end(), |out| {
            out.extend_from_slice(b"Contact: ");
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        });
    }
    splice.write_to(out);
}

/// What a copy has on top that the request had not, beside our Via.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Additions {
    /// Values of Record-Route.
    pub record_routes: u8,
    /// Values of Route: the Path of the contact (RFC 3327).
    pub routes: u8,
    /// Whether it goes to a phone that a user of ours has registered. Others send nobody to where calls cost something.
    pub to_registered: bool,
}

impl Additions {
    /// How many values there are in a Path.
    pub fn routes_of(path: &[u8]) -> u8 {
        let mut rest = Some(path).filter(|path| !path.is_empty());
        let mut count = 0u8;
        while let Some(text) = rest {
            count = count.saturating_add(1);
            rest = header::split(text).1;
        }
        count
    }
}

/// Writes the request that a copy was made of, with the Request-URI of the copy: that will change again. `undo` takes back
/// what else the copy has that the request had not.
///
/// # Errors
/// The copy cannot be read. We wrote it ourselves.
pub fn write_original(
    copy: &Message<'_>,
    added: Additions,
    undo: impl FnOnce(&mut Splice<'_, '_>),
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let hops_left = copy.max_forwards()?.unwrap_or_default();
    let mut splice = Splice::new(copy, scratch);
    splice.pop_values(Name::Via, 1);
    splice.pop_values(Name::RecordRoute, added.record_routes.into());
    splice.pop_values(Name::Route, added.routes.into());
    splice.set(Name::MaxForwards, |out| {
        out.extend_from_slice(itoa::Buffer::new().format(hops_left.saturating_add(1)).as_bytes());
    });
    undo(&mut splice);
    splice.write_to(out);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(contacts: &str) -> String {
        format!(
            "SIP/2.0 302 Moved\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n{contacts}Content-Length: 0\r\n\r\n"
        )
    }

    /// RFC 3261 §16.7 step 4, §8.1.3.4: by q; what we cannot read is left to the caller.
    #[test]
    fn contacts_come_by_preference() {
        let text = response(
            "Contact: <sip:a@x>;q=0.2, \"B\" <sip:b@x>\r\nm: <mailto:c@x>, *, <tel:+1>;q=0.5, sip:d@x;q=0.5\r\n",
        );
        let message = Message::parse(text.as_bytes()).expect("a response");
        let found = choices(&message);
        let found: Vec<_> =
            found.iter().map(|c| (std::str::from_utf8(c.uri.text).expect("ASCII"), c.q_milli)).collect();
        assert_eq!(found, [("sip:b@x", 1000), ("tel:+1", 500), ("sip:d@x", 500), ("sip:a@x", 200)]);
        let many = response(&"Contact: <sip:a@x>\r\n".repeat(50));
        assert_eq!(choices(&Message::parse(many.as_bytes()).expect("a response")).len(), CHOICES_MAX);
    }

    /// RFC 3261 §16.7 step 4: "it MUST remove them from the response".
    #[test]
    fn followed_contacts_are_taken_out() {
        let text = response("Contact: <sip:a@x>;q=0.2, <sip:b@x>\r\nContact: <sip:c@x>\r\n");
        let message = Message::parse(text.as_bytes()).expect("a response");
        let mut out = Vec::new();
        write_left(&message, |uri| uri == b"sip:b@x", &mut Scratch::default(), &mut out);
        let left = Message::parse(&out).expect("a response");
        let values: Vec<&[u8]> = left.values(Name::Contact).collect();
        assert_eq!(values, [&b"<sip:a@x>;q=0.2"[..], b"<sip:c@x>"]);
    }

    #[test]
    fn the_request_before_it_was_copied() {
        let copy = "INVITE sip:b@y SIP/2.0\r\nVia: SIP/2.0/UDP us;branch=z9hG4bKo\r\nRoute: <sip:edge;lr>, <sip:e2;lr>\r\n\
                    Record-Route: <sip:us;lr>\r\nRecord-Route: <sip:us;transport=tcp;lr>\r\nRecord-Route: <sip:before;lr>\r\n\
                    Via: SIP/2.0/TCP a;branch=z9hG4bKa\r\nMax-Forwards: 69\r\nX: y\r\n\r\n";
        let message = Message::parse(copy.as_bytes()).expect("a request");
        let added = Additions {
            record_routes: 2,
            routes: Additions::routes_of(b"<sip:edge;lr>, <sip:e2;lr>"),
            to_registered: true,
        };
        let mut out = Vec::new();
        write_original(&message, added, |_| {}, &mut Scratch::default(), &mut out).expect("sound");
        assert_eq!(
            String::from_utf8(out).expect("ASCII"),
            "INVITE sip:b@y SIP/2.0\r\nRecord-Route: <sip:before;lr>\r\nVia: SIP/2.0/TCP a;branch=z9hG4bKa\r\n\
             Max-Forwards: 70\r\nX: y\r\n\r\n"
        );
        assert_eq!(Additions::routes_of(b""), 0);
    }
}
