//! "Did you mean …?": the nearest known name, or the table an unknown key belongs to.

use crate::error::Hint;
use crate::table::{Kind, Section};

/// Longest name compared: no key of ours is half as long, and the comparison takes time by length squared.
const NAME_CHARS_MAX: usize = 48;

/// What to say about an unknown key of `section`; `top` is the whole file's table.
pub(crate) fn hint_for_key(key: &str, section: &Section, top: &Section) -> Hint {
    let names = || section.keys.iter().map(|key| key.name);
    if let Some(home) = home_of(key, top) {
        return Hint::BelongsIn(home);
    }
    match nearest(key, names()) {
        Some(name) => Hint::DidYouMean(name),
        None => Hint::Known(names().collect()),
    }
}

/// The known name that is one slip of the finger away, or a few in a long name.
pub(crate) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let letters: Vec<char> = name.to_lowercase().chars().take(NAME_CHARS_MAX + 1).collect();
    if letters.len() > NAME_CHARS_MAX {
        return None;
    }
    let slips_max = 1 + letters.len() / 4;
    let near = known.map(|known| (slips(&letters, &known.to_lowercase().chars().collect::<Vec<_>>()), known));
    near.filter(|(slips, _)| *slips <= slips_max).min_by_key(|(slips, _)| *slips).map(|(_, known)| known)
}

/// The heading of the table that knows this very key.
fn home_of(name: &str, top: &Section) -> Option<String> {
    if top.key(name).is_some() {
        return Some("the top level, above the first table".to_owned());
    }
    top.keys.iter().find_map(|key| match key.kind {
        Kind::Table(section) if section.key(name).is_some() => Some(format!("[{}]", key.name)),
        Kind::List(Kind::Table(section)) if section.key(name).is_some() => Some(format!("[[{}]]", key.name)),
        _ => None,
    })
}

/// Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment).
fn slips(from: &[char], to: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let mut best = (last[j] + usize::from(a != b)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == to[j - 1] && from[i - 1] == *b {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distance(from: &str, to: &str) -> usize {
        slips(&from.chars().collect::<Vec<_>>(), &to.chars().collect::<Vec<_>>())
    }

    #[test]
    fn slips_are_counted() {
        assert_eq!(distance("transport", "transport"), 0);
        assert_eq!(distance("transprot", "transport"), 1, "two neighbours changed places");
        assert_eq!(distance("adress", "address"), 1, "one letter is missing");
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = || ["transport", "address", "advertise"].into_iter();
        assert_eq!(nearest("Transprot", known()), Some("transport"));
        assert_eq!(nearest("adress", known()), Some("address"));
        assert_eq!(nearest("certificate", known()), None);
        assert_eq!(nearest(&"a".repeat(10_000), known()), None);
    }
}
