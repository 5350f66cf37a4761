//! The problems found so far and where each key stands, so that a check across keys can point at a line.

use std::collections::BTreeMap;

use crate::error::{Cause, Position, Problem, Problems};
use crate::place::Place;

/// Problems listed of one file: more than a screen of them helps nobody, the others are only counted.
const PROBLEMS_MAX: usize = 50;

/// Collects problems of one text.
pub(crate) struct Report<'t> {
    text: &'t str,
    found: Vec<(usize, Cause)>,
    written: BTreeMap<Place, usize>,
    unread: Vec<Place>,
}

impl<'t> Report<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new(), written: BTreeMap::new(), unread: Vec::new() }
    }

    /// Adds a problem at a byte offset of the text.
    pub(crate) fn refuse(&mut self, offset: usize, cause: Cause) {
        self.found.push((offset, cause));
    }

    /// Adds a problem between keys; it is shown at the first of `places` that the file writes. Where one of them
    /// could not be read there is nothing to compare, and its own problem stands in the report already.
    pub(crate) fn refuse_at(&mut self, places: &[Place], cause: Cause) {
        if places.iter().any(|place| self.unread.iter().any(|unread| place.is_within(unread))) {
            return;
        }
        let offset = places.iter().find_map(|place| self.written.get(place)).copied().unwrap_or(0);
        self.refuse(offset, cause);
    }

    /// Notes that a key stands at this byte offset.
    pub(crate) fn remember(&mut self, place: &Place, offset: usize) {
        self.written.insert(place.clone(), offset);
    }

    /// Notes that the value of a key was refused and its default stands in.
    pub(crate) fn forget(&mut self, place: Place) {
        self.unread.push(place);
    }

    /// Whether something that stands there could not be read: then nobody knows what it should say.
    pub(crate) fn has_unread(&self, place: &Place) -> bool {
        self.unread.iter().any(|unread| unread.is_within(place))
    }

    /// The line of a key, counted from 1; `None` where the file does not write it.
    pub(crate) fn line(&self, place: &Place) -> Option<usize> {
        self.written.get(place).map(|offset| position(self.text, *offset).line)
    }

    /// Whether nothing was found yet.
    pub(crate) fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// All that was found, in the order of the file.
    pub(crate) fn into_problems(mut self, name: &str) -> Problems {
        self.found.sort_by_key(|(offset, _)| *offset);
        let more = self.found.len().saturating_sub(PROBLEMS_MAX);
        let shown = self.found.into_iter().take(PROBLEMS_MAX);
        let list = shown.map(|(offset, cause)| Problem { position: position(self.text, offset), cause });
        Problems { name: name.to_owned(), list: list.collect(), more }
    }
}

/// Line and column of a byte offset, both counted from 1, the column in characters.
fn position(text: &str, offset: usize) -> Position {
    let end = (0..=offset.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    let before = text.get(..end).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let column =
        before.get(line_start..).unwrap_or_default().chars().filter(|c| *c != '\u{feff}').count() + 1;
    Position { line: before.matches('\n').count() + 1, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_from_one_and_in_characters() {
        let text = "a = 1\nø = \"é\" # x\n";
        assert_eq!(position(text, 0), Position { line: 1, column: 1 });
        assert_eq!(position(text, 6), Position { line: 2, column: 1 });
        assert_eq!(position(text, 11), Position { line: 2, column: 5 });
        assert_eq!(position(text, text.len() + 9), Position { line: 3, column: 1 });
    }
}
