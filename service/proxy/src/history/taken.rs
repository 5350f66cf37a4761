//! Entries that come back in responses: RFC 7044 §9.3 step 3. Whoever is behind a branch may have sent the request on, and says
//! so below our entry for it. What stands elsewhere in the tree is none of his.

use std::cmp::Ordering;

use offhook_sip::{Message, Name, NameAddr};

use super::entry::{self, sound_index};
use super::{Step, Veil};

/// What is remembered of one branch, bytes. What does not fit is left out.
const TAKEN_BYTES_MAX: usize = 1_000;

/// An entry of somebody behind a branch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Taken {
    value: Box<[u8]>,
    index: Box<[u8]>,
    /// Whether it names one of our domains.
    is_ours: bool,
}

impl<B> Step<B> {
    /// What a response says of this branch.
    pub(super) fn take(&mut self, response: &Message<'_>, is_ours: impl Fn(&[u8]) -> bool) {
        if self.status >= 300 {
            self.reasons = entry::reasons(response).into();
        }
        for value in response.values(Name::HistoryInfo) {
            let Some(said) = NameAddr::parse(value) else { continue };
            let Some(index) = said.params().value(b"index").and_then(sound_index) else { continue };
            if *index == *self.index {
                self.is_private |= entry::asks(said.uri);
            } else if is_below(index, &self.index) {
                let is_ours = is_ours(said.uri);
                self.keep(Taken { value: value.into(), index: index.into(), is_ours });
            }
        }
    }

    /// In their order. Of two of one index the later one knows more.
    fn keep(&mut self, taken: Taken) {
        self.below.retain(|known| known.index != taken.index);
        let bytes: usize = self.below.iter().map(|known| known.value.len()).sum();
        if bytes + taken.value.len() <= TAKEN_BYTES_MAX {
            let place = self.below.partition_point(|known| order(&known.index, &taken.index).is_lt());
            self.below.insert(place, taken);
        }
    }
}

impl Taken {
    pub(super) fn write(&self, veil: Veil, out: &mut Vec<u8>) {
        let is_hidden = |uri| match veil {
            Veil::None => false,
            Veil::Asked => entry::asks(uri),
            Veil::Targets | Veil::All => true,
        };
        let hidden = NameAddr::parse(&self.value).filter(|said| self.is_ours && is_hidden(said.uri));
        let Some(said) = hidden else { return out.extend_from_slice(&self.value) };
        out.push(b'<');
        entry::write_hidden(said.uri, out);
        out.push(b'>');
        out.extend_from_slice(said.params_text());
    }
}

fn is_below(index: &[u8], of: &[u8]) -> bool {
    index.strip_prefix(of).is_some_and(|rest| rest.first() == Some(&b'.'))
}

/// The order of the tree: number by number (§9.2).
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let numbers = |index: &[u8]| -> Vec<(usize, Vec<u8>)> {
        let number = |text: &[u8]| text.iter().copied().skip_while(|&c| c == b'0').collect::<Vec<u8>>();
        index.split(|&c| c == b'.').map(number).map(|text| (text.len(), text)).collect()
    };
    numbers(a).cmp(&numbers(b))
}
