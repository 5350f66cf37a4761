//! Numbers however they are spelled: `+49-30-123` is `+4930123`, RFC 3966 §5.1.1.

use std::borrow::Cow;

/// A name without visual separators, where it is a number; any other as it is.
pub(crate) fn plain(name: &[u8]) -> Cow<'_, [u8]> {
    let is_number = |c: &u8| c.is_ascii_digit() || matches!(c, b'+' | b'*' | b'#') || is_separator(c);
    let has_digit = || name.iter().any(u8::is_ascii_digit);
    if !name.iter().any(is_separator) || !name.iter().all(is_number) || !has_digit() {
        return Cow::Borrowed(name);
    }
    name.iter().copied().filter(|c| !is_separator(c)).collect::<Vec<u8>>().into()
}

fn is_separator(c: &u8) -> bool {
    matches!(c, b'-' | b'.' | b'(' | b')')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_lose_their_marks() {
        for (name, same) in [
            ("+49-30.(12)3", "+493012 3"),
            ("0900", "0900"),
            ("*7-2#", "*72#"),
            ("mary-ann", "mary-ann"),
            ("j.r-1", "j.r-1"),
            ("-.-", "-.-"),
            ("", ""),
        ] {
            assert_eq!(*plain(name.as_bytes()), *same.replace(' ', "").as_bytes(), "{name}");
        }
    }
}
