//! Text from the network on a terminal. Whoever registers chooses what stands in a Contact or a User-Agent; it must
//! neither steer the terminal nor break a line.

use std::fmt::Write;

use serde_json::Value;

/// The text with everything that does not print shown as an escape: `\u{1b}`, `\xff`.
pub fn visible(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == ' ' || character.is_ascii_graphic() {
                shown.push(character);
            } else {
                shown.extend(character.escape_debug());
            }
        }
        for byte in chunk.invalid() {
            // A String takes everything.
            let _ = write!(shown, "\\x{byte:02x}");
        }
    }
    shown
}

/// One line of JSON. Terminals obey some control characters that JSON leaves as they are (U+009B begins a sequence);
/// here they are escaped, which means the same to programs.
pub fn json_line(value: &Value) -> String {
    let text = value.to_string();
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            let _ = write!(line, "\\u{:04x}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(visible(b"Phone\x1b[2J\r\n\x07"), "Phone\\u{1b}[2J\\r\\n\\u{7}");
        assert_eq!(visible("a\u{9b}31mb\u{202e}c".as_bytes()), "a\\u{9b}31mb\\u{202e}c");
        assert_eq!(visible(b"a\xff\xfeb"), "a\\xff\\xfeb");
    }

    #[test]
    fn letters_of_all_languages_stay() {
        assert_eq!(visible("Zoë's \"Phone\" \\ 電話".as_bytes()), "Zoë's \"Phone\" \\ 電話");
    }

    #[test]
    fn json_has_no_control_characters_and_means_the_same() {
        let value = serde_json::json!({"user_agent": "a\u{9b}b\u{1b}\u{7f}"});
        let line = json_line(&value);
        assert!(!line.chars().any(char::is_control), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
