//! Patterns of asserted values: `*` stands for anything.

/// Whether the whole of `text` fits `pattern`. Case counts; runs of blanks are one blank.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (one_blank(pattern), one_blank(text));
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = pieces.next_back() else { return rest.is_empty() };
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

fn one_blank(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars() {
        for (pattern, text) in [
            ("abc", "abc"),
            ("a*", "abc"),
            ("*c", "abc"),
            ("a*c", "abc"),
            ("*", ""),
            ("a*b*c", "a..b..b..c"),
            ("*;received=*;x", "SIP;received=1;x"),
            ("a  b", " a b "),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("abc", "ab"), ("a*", "ba"), ("*c", "cb"), ("a*b*c", "acb"), ("ab*bc", "abc"), ("", "x")]
        {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
