//! Which ways a request has gone: History-Info, RFC 7044. The phone that gets a call sees who was called first, and why it
//! came here.
//!
//! ```text
//!   <sip:100@house>;index=1                                   what was dialled, on behalf of who did not write it (§9.1)
//!   <sip:bob@house>;index=1.1;mp=1                            the rule made another user of it
//!   <sip:bob@192.0.2.12?Reason=SIP%3Bcause%3D486>;index=1.2;rc=1.1     this phone of his was busy
//!   <sip:bob@192.0.2.13>;index=1.3;rc=1.1                     so it comes here
//! ```
//! What stands in the request already stays where it is; the new entries are one line below it.

use offhook_sip::{Message, Name, NameAddr, Splice};

use crate::privacy::{self, Privacy};

/// Most entries of a request that gets more from us; twice what Max-Forwards allows servers that retarget, and one that
/// brings more goes on as it is.
pub const ENTRIES_MAX: usize = 50;

/// What we may add to one request, bytes: our own entry and some of the branches that failed before. What does not fit is
/// left out, gaps are allowed (§9.3).
pub const ADDED_BYTES_MAX: usize = 1_500;

/// Longest index that is continued, bytes: fifteen hops of two digits.
const INDEX_BYTES_MAX: usize = 48;

/// How the Request-URI of a copy came about: §10.4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It is the received one: `np`.
    Unchanged,
    /// The same user, elsewhere: `rc`.
    SameUser,
    /// Another user: `mp`.
    OtherUser,
    /// Somebody else has said so, and not how.
    Unsaid,
}

/// A copy that went before, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// Its Request-URI.
    pub uri: Box<[u8]>,
    /// How that came about.
    pub how: How,
    /// What it was answered, 408 for silence; 0: nothing yet.
    pub status: u16,
}

/// A user that a rule made of the one who was called, whose phones are looked for then.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// His URI.
    pub uri: Vec<u8>,
    /// Whether he is the same.
    pub how: How,
}

/// What is to be said of one copy.
#[derive(Clone, Copy, Debug)]
pub struct Story<'x> {
    /// The Request-URI as it was received.
    pub received: &'x [u8],
    /// The user that a rule made of it.
    pub mapped: Option<&'x Mapped>,
    /// The Request-URI of the copy.
    pub uri: &'x [u8],
    /// How that came about.
    pub how: How,
    /// The copies before it.
    pub past: &'x [Past],
    /// Our domains, if it leaves them: there they are not seen where privacy is wished (§10.1.2).
    pub leaves: Option<&'x [String]>,
}

/// Whether who sent this wants History-Info in responses: §9.4.
pub fn is_wanted(request: &Message<'_>) -> bool {
    request.has(Name::HistoryInfo) || request.option_tags(Name::Supported).has(b"histinfo")
}

impl Story<'_> {
    /// Writes it into the copy.
    pub fn edit(&self, splice: &mut Splice<'_, '_>, message: &Message<'_>) {
        let hides = self.leaves.is_some() && Privacy::of(message).hides_history();
        if let Some(domains) = self.leaves {
            hide_received(splice, message, domains, hides);
        }
        if hides {
            privacy::grant_history(splice, message);
        }
        let mut added = Vec::new();
        if self.write(message, hides, &mut added).is_none() {
            return;
        }
        let at =
            message.lines_of(Name::HistoryInfo).last().map_or(message.headers_end(), |line| line.whole().end);
        splice.insert(at, |out| {
            for part in [&b"History-Info: "[..], &added, b"\r\n"] {
                out.extend_from_slice(part);
            }
        });
    }

    /// The new entries. `None`: nothing can be added to what is there.
    fn write(&self, message: &Message<'_>, hides: bool, out: &mut Vec<u8>) -> Option<()> {
        if message.values(Name::HistoryInfo).take(ENTRIES_MAX + 1).count() > ENTRIES_MAX {
            return None;
        }
        let mut base = Vec::new();
        match message.values(Name::HistoryInfo).last() {
            None => base.push(b'1'),
            Some(last) => {
                let entry = NameAddr::parse(last)?;
                base.extend_from_slice(sound_index(entry.params().value(b"index")?)?);
                if without_headers(entry.uri) != self.received {
                    // §10.3 rule 6: somebody on the way has said nothing.
                    base.extend_from_slice(b".0");
                }
            }
        }
        let is_new = !message.has(Name::HistoryInfo) || base.ends_with(b".0");
        if is_new {
            Entry { uri: self.received, status: 0, index: (&base, 0), from: None }.write(hides, out);
        }
        let mut from = (&base[..], 0);
        let mut number = 1;
        if let Some(mapped) = self.mapped {
            let from_received = Some((mapped.how, from));
            Entry { uri: &mapped.uri, status: 0, index: (&base, 1), from: from_received }.write(hides, out);
            from = (&base, 1);
            number = 2;
        }
        for past in self.past {
            if past.status >= 300 && out.len() < ADDED_BYTES_MAX {
                let from = Some((past.how, from));
                Entry { uri: &past.uri, status: past.status, index: (&base, number), from }.write(hides, out);
            }
            number += 1;
        }
        let from = Some((self.how, from));
        Entry { uri: self.uri, status: 0, index: (&base, number), from }.write(hides, out);
        Some(())
    }
}

/// A place in the tree: an index, and the number of a branch below it, 0 for itself.
type Index<'x> = (&'x [u8], usize);

/// One entry to write.
struct Entry<'x> {
    uri: &'x [u8],
    status: u16,
    index: Index<'x>,
    from: Option<(How, Index<'x>)>,
}

impl Entry<'_> {
    fn write(&self, hides: bool, out: &mut Vec<u8>) {
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.push(b'<');
        out.extend_from_slice(if hides { ANONYMOUS } else { without_headers(self.uri) });
        // §10.2: a telephone number has no place for it.
        if self.status != 0 && (hides || !is_tel(self.uri)) {
            out.extend_from_slice(b"?Reason=SIP%3Bcause%3D");
            write_number(usize::from(self.status), out);
        }
        out.extend_from_slice(b">;index=");
        write_index(self.index, out);
        let Some((how, from)) = self.from else { return };
        out.extend_from_slice(match how {
            How::Unchanged => b";np=",
            How::SameUser => b";rc=",
            How::OtherUser => b";mp=",
            How::Unsaid => return,
        });
        write_index(from, out);
    }
}

/// RFC 3323 §4.1.1.3.
const ANONYMOUS: &[u8] = b"sip:anonymous@anonymous.invalid";

/// §10.1.2: entries of our domains that were there before say no more who it was, all of them or those that ask for it.
fn hide_received(splice: &mut Splice<'_, '_>, message: &Message<'_>, domains: &[String], all: bool) {
    for value in message.values(Name::HistoryInfo) {
        let Some(entry) = NameAddr::parse(value) else { continue };
        let host = entry.parsed_uri().ok().and_then(|uri| uri.address).map(|at| at.host_text);
        let is_ours = |host: &[u8]| domains.iter().any(|domain| domain.as_bytes().eq_ignore_ascii_case(host));
        let headers = entry.uri.get(without_headers(entry.uri).len() + 1..).unwrap_or_default();
        let is_private = |header: &&[u8]| header.eq_ignore_ascii_case(b"Privacy=history");
        let asks = headers.split(|&c| c == b'&').any(|header| is_private(&header));
        if !(all || asks) || !host.is_some_and(is_ours) {
            continue;
        }
        splice.replace(message.range_of(entry.uri), |out| {
            out.extend_from_slice(ANONYMOUS);
            let rest = headers.split(|&c| c == b'&').filter(|h| !h.is_empty() && !is_private(h));
            for (n, header) in rest.enumerate() {
                out.push(if n == 0 { b'?' } else { b'&' });
                out.extend_from_slice(header);
            }
        });
    }
}

fn sound_index(index: &[u8]) -> Option<&[u8]> {
    let numbers =
        |index: &[u8]| index.split(|&c| c == b'.').all(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    (index.len() <= INDEX_BYTES_MAX && numbers(index)).then_some(index)
}

fn without_headers(uri: &[u8]) -> &[u8] {
    uri.split(|&c| c == b'?').next().unwrap_or(uri)
}

fn is_tel(uri: &[u8]) -> bool {
    uri.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"tel:"))
}

fn write_index((index, branch): Index<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(index);
    if branch > 0 {
        out.push(b'.');
        write_number(branch, out);
    }
}

fn write_number(n: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

#[cfg(test)]
mod tests {
    use offhook_sip::Scratch;

    use super::*;

    const RECEIVED: &[u8] = b"sip:bob@house.example";

    fn story<'x>(uri: &'x [u8], how: How) -> Story<'x> {
        Story { received: RECEIVED, mapped: None, uri, how, past: &[], leaves: None }
    }

    /// The lines of History-Info and Privacy in the copy.
    fn told(headers: &str, story: &Story<'_>) -> String {
        let text = format!("INVITE sip:bob@house.example SIP/2.0\r\n{headers}\r\n");
        let message = Message::parse(text.as_bytes()).expect("a message");
        let mut scratch = Scratch::default();
        let mut splice = Splice::new(&message, &mut scratch);
        story.edit(&mut splice, &message);
        let mut out = Vec::new();
        splice.write_to(&mut out);
        let text = String::from_utf8(out).expect("ASCII");
        text.lines().skip(1).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("|")
    }

    fn past(uri: &str, status: u16) -> Past {
        Past { uri: uri.as_bytes().into(), how: How::SameUser, status }
    }

    /// RFC 7044 §9.1, RFC 7044 §9.2, RFC 7044 §10.3 rule 1: what was dialled, then where it goes.
    #[test]
    fn a_first_entry() {
        for (how, from) in [
            (How::Unchanged, ";np=1"),
            (How::SameUser, ";rc=1"),
            (How::OtherUser, ";mp=1"),
            (How::Unsaid, ""),
        ] {
            assert_eq!(
                told("", &story(b"sip:bob@192.0.2.4", how)),
                format!("History-Info: <sip:bob@house.example>;index=1, <sip:bob@192.0.2.4>;index=1.1{from}")
            );
        }
    }

    /// RFC 7044 §10.3 rules 1 and 6: an entry that is there is continued, one that is missing is counted as 0.
    #[test]
    fn further_entries() {
        for (came, goes) in [
            ("<sip:bob@house.example>;index=1.2", "<sip:b@c>;index=1.2.1;rc=1.2"),
            (
                "<sip:x@y>;index=1, <sip:bob@house.example?Reason=SIP>;index=1.1;rc=1",
                "<sip:b@c>;index=1.1.1;rc=1.1",
            ),
            ("<sip:x@y>;index=1", "<sip:bob@house.example>;index=1.0, <sip:b@c>;index=1.0.1;rc=1.0"),
        ] {
            let came = format!("History-Info: {came}");
            let told = told(&format!("{came}\r\nSubject: last\r\n"), &story(b"sip:b@c", How::SameUser));
            assert_eq!(told, format!("{came}|History-Info: {goes}|Subject: last"));
        }
    }

    /// RFC 7044 §10.3 rule 5, RFC 7044 §10.2: branches are counted; those that were refused say so.
    #[test]
    fn branches_before() {
        let past = [past("sip:1@c", 486), past("sip:2@c", 0), past("tel:+3", 408)];
        assert_eq!(
            told("", &Story { past: &past, ..story(b"sip:4@c", How::SameUser) }),
            "History-Info: <sip:bob@house.example>;index=1, <sip:1@c?Reason=SIP%3Bcause%3D486>;index=1.1;rc=1, \
             <tel:+3>;index=1.3;rc=1, <sip:4@c>;index=1.4;rc=1"
        );
    }

    /// RFC 7044 §7, RFC 7044 §10.3 rules 2 and 3: a user that a rule made of the number has an entry of his own.
    #[test]
    fn a_user_in_between() {
        let mapped = Mapped { uri: b"sip:desk@house.example".to_vec(), how: How::OtherUser };
        let past = [past("sip:1@c", 480)];
        assert_eq!(
            told("", &Story { mapped: Some(&mapped), past: &past, ..story(b"sip:2@c", How::SameUser) }),
            "History-Info: <sip:bob@house.example>;index=1, <sip:desk@house.example>;index=1.1;mp=1, \
             <sip:1@c?Reason=SIP%3Bcause%3D480>;index=1.2;rc=1.1, <sip:2@c>;index=1.3;rc=1.1"
        );
    }

    /// RFC 7044 §10.1.2: what leaves our domains is anonymous where that is wished, for all or for one.
    #[test]
    fn privacy_at_the_border() {
        let domains = ["house.example".to_owned()];
        let leaves = Story { leaves: Some(&domains), ..story(b"sip:+1@provider.example", How::OtherUser) };
        let came = "History-Info: <sip:a@other.example>;index=1, <sip:bob@HOUSE.example>;index=1.1\r\n";
        let anonymous = "<sip:anonymous@anonymous.invalid>";
        assert_eq!(
            told(&format!("{came}Privacy: history\r\n"), &leaves),
            format!(
                "History-Info: <sip:a@other.example>;index=1, {anonymous};index=1.1|\
                 History-Info: {anonymous};index=1.1.0, {anonymous};index=1.1.0.1;mp=1.1.0"
            )
        );
        assert_eq!(
            told("Privacy: id;history;critical\r\n", &leaves).split('|').next(),
            Some("Privacy: id;critical")
        );
        let one = "History-Info: <sip:x@house.example?Privacy=history&Reason=SIP%3Bcause%3D302>;index=1\r\n";
        let told_one = told(one, &leaves);
        let hidden = "History-Info: <sip:anonymous@anonymous.invalid?Reason=SIP%3Bcause%3D302>;index=1|";
        assert!(
            told_one.starts_with(hidden) && told_one.contains("<sip:bob@house.example>;index=1.0"),
            "{told_one}"
        );
        let inside = Story { leaves: None, ..leaves };
        assert!(told(one, &inside).starts_with("History-Info: <sip:x@house.example?Privacy=history"));
    }

    /// What is too long, too much or no entry goes on as it came.
    #[test]
    fn what_is_not_continued() {
        let story = story(b"sip:b@c", How::SameUser);
        for came in [
            vec!["<sip:a@b>;index=1"; ENTRIES_MAX + 1].join(", "),
            "<sip:a@b>".to_owned(),
            "<sip:a@b>;index=1..2".to_owned(),
            format!("<sip:a@b>;index={}", "1.".repeat(30) + "1"),
            "?".to_owned(),
        ] {
            let came = format!("History-Info: {came}");
            assert_eq!(told(&format!("{came}\r\n"), &story), came);
        }
        let many = vec![past(&format!("sip:{}@c", "1".repeat(200)), 486); 100];
        assert!(told("", &Story { past: &many, ..story }).len() < ADDED_BYTES_MAX + 500);
    }

    /// RFC 7044 §9.4.
    #[test]
    fn who_wants_it_back() {
        for (headers, wanted) in
            [("", false), ("Supported: histinfo\r\n", true), ("History-Info: <sip:a@b>;index=1\r\n", true)]
        {
            let text = format!("INVITE sip:b SIP/2.0\r\n{headers}\r\n");
            assert_eq!(is_wanted(&Message::parse(text.as_bytes()).expect("a message")), wanted, "{headers}");
        }
    }
}
