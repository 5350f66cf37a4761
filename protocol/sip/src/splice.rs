//! Changing a message without touching what need not change: RFC 3261 §16.6 asks a proxy for a handful of edits, and
//! every other byte, known or unknown, leaves as it came.
//!
//! A splice is a list of cuts over the received bytes. The new text of all cuts stands in one scratch buffer that is
//! used again for the next message, so a steady load allocates nothing.

use std::ops::Range;

use crate::header::split;
use crate::limits::{CUTS_MAX, FRESH_BYTES};
use crate::message::Message;
use crate::name::Name;

/// The memory of a [`Splice`], kept by its owner from message to message.
#[derive(Default, Debug)]
pub struct Scratch {
    fresh: Vec<u8>,
    cuts: Vec<Cut>,
}

/// At `at`, `skip` bytes of the message give way to a range of the fresh text.
#[derive(Clone, Debug)]
struct Cut {
    at: usize,
    skip: usize,
    fresh: Range<usize>,
}

/// Edits to one message.
pub struct Splice<'m, 'a> {
    message: &'m Message<'a>,
    scratch: &'m mut Scratch,
}

impl<'m, 'a> Splice<'m, 'a> {
    /// No edits yet. What `scratch` held is forgotten.
    pub fn new(message: &'m Message<'a>, scratch: &'m mut Scratch) -> Self {
        scratch.fresh.clear();
        scratch.cuts.clear();
        scratch.cuts.reserve(CUTS_MAX);
        scratch.fresh.reserve(FRESH_BYTES);
        Self { message, scratch }
    }

    /// Puts new text in the place of a range of the message. Edits must not overlap; edits at one place stay in the
    /// order they were made.
    pub fn replace(&mut self, range: Range<usize>, write: impl FnOnce(&mut Vec<u8>)) {
        let from = self.scratch.fresh.len();
        write(&mut self.scratch.fresh);
        let cut = Cut { at: range.start, skip: range.len(), fresh: from..self.scratch.fresh.len() };
        let cuts = &mut self.scratch.cuts;
        let place = cuts.iter().rposition(|c| c.at <= cut.at).map_or(0, |p| p + 1);
        cuts.insert(place, cut);
    }

    /// Puts new text before the byte at `at`.
    pub fn insert(&mut self, at: usize, write: impl FnOnce(&mut Vec<u8>)) {
        self.replace(at..at, write);
    }

    /// Takes a range out.
    pub fn remove(&mut self, range: Range<usize>) {
        self.replace(range, |_| {});
    }

    /// Adds a header line above the first line of the same header, or above all headers if there is none: what
    /// Via, Route and Record-Route need (RFC 3261 §16.6 steps 4, 6, 8).
    pub fn push_front(&mut self, name: Name, write: impl FnOnce(&mut Vec<u8>)) {
        let first = self.message.line(name).or(self.message.lines().first());
        let at = first.map_or(self.message.headers_end(), |l| l.whole().start);
        self.insert(at, |out| {
            out.extend_from_slice(name.text().as_bytes());
            out.extend_from_slice(b": ");
            write(out);
            out.extend_from_slice(b"\r\n");
        });
    }

    /// Adds a header line below all others.
    pub fn push_back(&mut self, name: Name, write: impl FnOnce(&mut Vec<u8>)) {
        self.insert(self.message.headers_end(), |out| {
            out.extend_from_slice(name.text().as_bytes());
            out.extend_from_slice(b": ");
            write(out);
            out.extend_from_slice(b"\r\n");
        });
    }

    /// Gives the first line of a header another value, or adds the header.
    pub fn set(&mut self, name: Name, write: impl FnOnce(&mut Vec<u8>)) {
        match self.message.line(name) {
            Some(line) => self.replace(line.value(), write),
            None => self.push_back(name, write),
        }
    }

    /// Takes the first `count` values of a header away, with their lines where nothing is left of them.
    pub fn pop_values(&mut self, name: Name, mut count: usize) {
        let message = self.message;
        for line in message.lines_of(name) {
            let mut rest = Some(message.line_value(line));
            while let Some(text) = rest
                && count > 0
            {
                rest = split(text).1;
                count -= 1;
            }
            match rest {
                None => self.remove(line.whole()),
                Some(rest) => {
                    let kept = message.range_of(crate::trim(rest)).start;
                    if kept > line.value().start {
                        self.remove(line.value().start..kept);
                    }
                    return;
                }
            }
            if count == 0 {
                return;
            }
        }
    }

    /// Takes every line of a header away.
    pub fn remove_all(&mut self, name: Name) {
        let message = self.message;
        for line in message.lines_of(name) {
            self.remove(line.whole());
        }
    }

    /// Appends the changed message to `out`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        let bytes = self.message.whole();
        out.reserve(bytes.len() + self.scratch.fresh.len());
        let mut at = 0;
        for cut in &self.scratch.cuts {
            out.extend_from_slice(bytes.get(at..cut.at.min(bytes.len())).unwrap_or_default());
            out.extend_from_slice(&self.scratch.fresh[cut.fresh.clone()]);
            at = at.max(cut.at + cut.skip);
        }
        out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:bob@b SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1 , SIP/2.0/UDP b\r\n\
        X-Odd :  keep  \r\nRoute: <sip:p1;lr>, <sip:p2;lr>\r\nroute: <sip:p3;lr>\r\n\r\nbody";

    fn edited(edit: impl FnOnce(&mut Splice<'_, '_>)) -> String {
        let message = Message::parse(INVITE).expect("a message");
        let mut scratch = Scratch::default();
        let mut splice = Splice::new(&message, &mut scratch);
        edit(&mut splice);
        let mut out = Vec::new();
        splice.write_to(&mut out);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn no_edit_changes_no_byte() {
        assert_eq!(edited(|_| {}).as_bytes(), INVITE);
    }

    /// RFC 3261 §16.6 steps 4 and 8.
    #[test]
    fn lines_are_pushed_above_their_kin() {
        let text = edited(|s| {
            s.push_front(Name::RecordRoute, |o| o.extend_from_slice(b"<sip:p;lr>"));
            s.push_front(Name::Via, |o| o.extend_from_slice(b"SIP/2.0/UDP p"));
        });
        assert!(text.starts_with(
            "INVITE sip:bob@b SIP/2.0\r\nRecord-Route: <sip:p;lr>\r\nVia: SIP/2.0/UDP p\r\nv: SIP/2.0/UDP a;"
        ));
    }

    /// RFC 3261 §16.4: our own Route values are taken away, whatever lines they stand in.
    #[test]
    fn values_are_popped_across_lines() {
        let routes = |count| {
            let text = edited(|s| s.pop_values(Name::Route, count));
            text.lines().filter(|l| l.to_lowercase().starts_with("route")).collect::<Vec<_>>().join("|")
        };
        assert_eq!(routes(0), "Route: <sip:p1;lr>, <sip:p2;lr>|route: <sip:p3;lr>");
        assert_eq!(routes(1), "Route: <sip:p2;lr>|route: <sip:p3;lr>");
        assert_eq!(routes(2), "route: <sip:p3;lr>");
        assert_eq!(routes(3), "");
        assert_eq!(routes(9), "");
    }

    #[test]
    fn values_are_set_or_added() {
        let text = edited(|s| {
            s.set(Name::MaxForwards, |o| o.extend_from_slice(b"69"));
            s.remove_all(Name::Route);
        });
        assert!(text.ends_with("X-Odd :  keep  \r\nMax-Forwards: 69\r\n\r\nbody"), "{text}");
    }
    /// RFC 3261 §7.3.1: an empty value stands behind its colon, and so does what replaces it.
    #[test]
    fn an_empty_value_is_replaced_in_its_line() {
        let message =
            Message::parse(b"OPTIONS sip:a SIP/2.0\r\nSubject:\r\nPriority: \r\n\r\n").expect("a message");
        let mut scratch = Scratch::default();
        let mut splice = Splice::new(&message, &mut scratch);
        splice.set(Name::Subject, |o| o.extend_from_slice(b"lunch"));
        splice.set(Name::Priority, |o| o.extend_from_slice(b"urgent"));
        let mut out = Vec::new();
        splice.write_to(&mut out);
        assert_eq!(out, b"OPTIONS sip:a SIP/2.0\r\nSubject:lunch\r\nPriority:urgent \r\n\r\n");
    }
}
