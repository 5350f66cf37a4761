//! Where in the file a value stands, in the administrator's words.

use std::fmt;

/// The path of a key or a table: `registrar.expires_min_s`, `listen[1].address`, empty for the top level.
///
/// Displayed as a value's name: `"expires_min_s" in [registrar]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(String);

impl Place {
    /// The top level of the file.
    pub(crate) fn top() -> Self {
        Self(String::new())
    }

    /// The place of this path.
    pub(crate) fn at(path: impl Into<String>) -> Self {
        Self(path.into())
    }

    /// A key of this table.
    pub(crate) fn key(&self, key: &str) -> Self {
        if self.0.is_empty() { Self(key.to_owned()) } else { Self(format!("{}.{key}", self.0)) }
    }

    /// An entry of this list, counted from 0.
    pub(crate) fn entry(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// Whether this is the other place or a part of it.
    pub(crate) fn is_within(&self, outer: &Self) -> bool {
        self.0.strip_prefix(&outer.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }

    /// The heading of this table as the file writes it: `[registrar]`, `[[listen]]`, `match of [[route]]`.
    pub(crate) fn title(&self) -> String {
        match self.0.rsplit_once('.') {
            Some((outer, key)) => format!("{key} of {}", Self::at(outer).title()),
            None if self.0.is_empty() => "the top level".to_owned(),
            None => match self.0.split_once('[') {
                Some((list, _)) => format!("[[{list}]]"),
                None => format!("[{}]", self.0),
            },
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |part: &str| part.split('[').next().unwrap_or_default().to_owned();
        match self.0.rsplit_once('.') {
            Some((outer, key)) => write!(f, "{:?} in {}", name(key), Self::at(outer).title()),
            None => write!(f, "{:?}", name(&self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_as_the_file_writes_them() {
        let entry = Place::top().key("route").entry(2);
        assert_eq!(entry.title(), "[[route]]");
        assert_eq!(entry.key("match").title(), "match of [[route]]");
        assert_eq!(entry.key("match").key("domain").to_string(), r#""domain" in match of [[route]]"#);
        assert_eq!(Place::top().key("timers").key("t1_ms").to_string(), r#""t1_ms" in [timers]"#);
        assert_eq!(Place::top().key("domains").entry(1).to_string(), r#""domains""#);
        assert_eq!(Place::top().title(), "the top level");
    }

    #[test]
    fn a_list_holds_the_keys_of_its_entries() {
        let list = Place::at("listen");
        assert!(list.entry(0).key("address").is_within(&list));
        assert!(list.is_within(&list));
        assert!(!Place::at("listening").is_within(&list));
    }
}
