//! Histories in messages: in the copies of a request (RFC 7044 §9.2) and in its answers (§9.4).

use offhook_sip::{Message, Name, NameAddr, Scratch, Splice};

use super::{ADDED_BYTES_MAX, History, Step, Veil, entry};
use crate::privacy::{self, Privacy};

/// What is to be said of one copy.
#[derive(Clone, Copy, Debug)]
pub struct Story<'x> {
    /// The new entries, as [`History::entries_with`] writes them; none: nothing can be added.
    pub entries: &'x [u8],
    /// Our domains, if it leaves them: there they are not seen where privacy is wished (§10.1.2).
    pub leaves: Option<&'x [String]>,
}

/// What a copy that leaves our domains shows, or does not, of its way.
pub fn veil_of(request: &Message<'_>, leaves: bool) -> Veil {
    match (leaves, leaves && Privacy::of(request).hides_history()) {
        (false, _) => Veil::None,
        (true, false) => Veil::Asked,
        (true, true) => Veil::All,
    }
}

impl Story<'_> {
    /// Writes it into the copy.
    pub fn edit(&self, splice: &mut Splice<'_, '_>, message: &Message<'_>) {
        let hides = veil_of(message, self.leaves.is_some()) == Veil::All;
        if let Some(domains) = self.leaves {
            hide_received(splice, message, domains, hides);
        }
        if hides {
            privacy::grant_history(splice, message);
        }
        if self.entries.is_empty() {
            return;
        }
        let at =
            message.lines_of(Name::HistoryInfo).last().map_or(message.headers_end(), |line| line.whole().end);
        splice.insert(at, |out| write_line(self.entries, out));
    }
}

impl<B: Copy + PartialEq> History<B> {
    /// The entries of a copy: what was heard of others, and the steps to it.
    pub fn entries_with(&self, steps: &[Step<B>], veil: Veil) -> Vec<u8> {
        let mut out = self.entries(veil);
        for step in steps {
            step.write(&self.base, veil, &mut out);
        }
        out
    }

    /// What is known by now.
    fn entries(&self, veil: Veil) -> Vec<u8> {
        let mut out = Vec::new();
        for step in self.steps.iter().filter(|step| step.is_cached()) {
            if step.is_within || out.len() < ADDED_BYTES_MAX {
                step.write(&self.base, veil, &mut out);
            }
        }
        out
    }

    /// Writes a response as its sender is to have it, with all that is known by now. `veil`: what he may see, should he and the
    /// callee have wished for nothing. `false`: it stays as it is.
    pub fn tell(&self, response: &Message<'_>, veil: Veil, scratch: &mut Scratch, out: &mut Vec<u8>) -> bool {
        if !self.is_wanted {
            return false;
        }
        let leaves = veil != Veil::None;
        let wishes = leaves && (self.is_private || Privacy::of(response).hides_history());
        let veil = if wishes { Veil::All } else { veil };
        let mut splice = Splice::new(response, scratch);
        splice.remove_all(Name::HistoryInfo);
        if leaves {
            privacy::grant_history(&mut splice, response);
        }
        splice.insert(response.headers_end(), |out| {
            out.extend_from_slice(&self.came);
            let entries = self.entries(veil);
            if !entries.is_empty() {
                write_line(&entries, out);
            }
        });
        splice.write_to(out);
        true
    }
}

fn write_line(entries: &[u8], out: &mut Vec<u8>) {
    for part in [&b"History-Info: "[..], entries, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// §10.1.2: entries of our domains that were there before say no more who it was, all of them or those that ask for it.
fn hide_received(splice: &mut Splice<'_, '_>, message: &Message<'_>, domains: &[String], all: bool) {
    for value in message.values(Name::HistoryInfo) {
        let Some(said) = NameAddr::parse(value) else { continue };
        if (all || entry::asks(said.uri)) && is_of(said.uri, domains) {
            splice.replace(message.range_of(said.uri), |out| entry::write_hidden(said.uri, out));
        }
    }
}

/// Whether a URI names one of these domains.
pub fn is_of(uri: &[u8], domains: &[String]) -> bool {
    let parsed = offhook_sip::Uri::parse(uri).ok().and_then(|uri| uri.address);
    parsed.is_some_and(|at| domains.iter().any(|domain| domain.as_bytes().eq_ignore_ascii_case(at.host_text)))
}
