//! What a field may be, and how it is shown so that nobody's text breaks a line, steers a terminal or plays another
//! field.
//!
//! - Control characters (CR, LF, ESC, C1), characters that turn or hide the text after them, and what is not UTF-8
//!   are shown byte by byte as `\xNN`, a backslash as `\\`.
//! - In a sentence, text of the network (`&[u8]`) that is empty or holds a space or a quote stands in quotes.
//! - A field ends at [`FIELD_BYTES_MAX`] with `…`.

use std::fmt::{self, Display, Formatter, Write};
use std::net::SocketAddr;

use crate::event::AuthFailure;

/// Most bytes of a field in a line, as shown: an AOR, a contact or a Call-ID fits, a message that someone put into one
/// does not.
pub const FIELD_BYTES_MAX: usize = 256;

/// What an event may carry. The list is closed: nothing that holds a secret is in it.
pub(crate) trait Field {
    /// Writes the value as it stands in a sentence.
    fn show(&self, out: &mut Formatter<'_>) -> fmt::Result;

    /// Appends the value as JSON.
    fn write_json(&self, line: &mut String);
}

/// A field in a sentence.
pub(crate) struct Shown<'f, F: Field>(pub(crate) &'f F);

impl<F: Field> Display for Shown<'_, F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

/// Appends `,"name":value`.
pub(crate) fn write_json_field(line: &mut String, name: &str, field: &impl Field) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":");
    field.write_json(line);
}

/// Appends a value as a JSON string. It must not hold control characters, and no shown value does.
pub(crate) fn write_json_string(line: &mut String, value: impl Display) {
    struct Escaping<'l>(&'l mut String);
    impl Write for Escaping<'_> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                if matches!(c, '"' | '\\') {
                    self.0.push('\\');
                }
                self.0.push(c);
            }
            Ok(())
        }
    }
    line.push('"');
    let _ = write!(Escaping(line), "{value}"); // a String takes everything
    line.push('"');
}

impl Field for &[u8] {
    fn show(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let must_quote = |byte: &u8| matches!(byte, b' ' | b'"');
        if self.is_empty() || self.iter().any(must_quote) {
            write!(out, "\"{}\"", Escaped { bytes: self, quoted: true })
        } else {
            Escaped { bytes: self, quoted: false }.fmt(out)
        }
    }

    fn write_json(&self, line: &mut String) {
        write_json_string(line, Escaped { bytes: self, quoted: false });
    }
}

impl Field for &str {
    fn show(&self, out: &mut Formatter<'_>) -> fmt::Result {
        Escaped { bytes: self.as_bytes(), quoted: false }.fmt(out)
    }

    fn write_json(&self, line: &mut String) {
        self.as_bytes().write_json(line);
    }
}

macro_rules! numbers {
    ($($number:ty),+) => { $(
        impl Field for $number {
            fn show(&self, out: &mut Formatter<'_>) -> fmt::Result {
                self.fmt(out)
            }

            fn write_json(&self, line: &mut String) {
                let _ = write!(line, "{self}"); // a String takes everything
            }
        }
    )+ };
}

numbers!(u16, u32, u64);

macro_rules! words {
    ($($word:ty),+) => { $(
        impl Field for $word {
            fn show(&self, out: &mut Formatter<'_>) -> fmt::Result {
                self.fmt(out)
            }

            fn write_json(&self, line: &mut String) {
                write_json_string(line, self);
            }
        }
    )+ };
}

words!(SocketAddr, AuthFailure);

impl<F: Field> Field for Option<F> {
    fn show(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Some(field) => field.show(out),
            None => out.write_str("none"),
        }
    }

    fn write_json(&self, line: &mut String) {
        match self {
            Some(field) => field.write_json(line),
            None => line.push_str("null"),
        }
    }
}

/// Bytes as harmless text, cut at [`FIELD_BYTES_MAX`].
struct Escaped<'a> {
    bytes: &'a [u8],
    /// Whether a quote must be escaped because quotes stand around.
    quoted: bool,
}

impl Display for Escaped<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut room = FIELD_BYTES_MAX;
        for chunk in self.bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                let mut buffer = [0; 4];
                let bytes = c.encode_utf8(&mut buffer).as_bytes();
                let shown = match c {
                    '\\' => "\\\\",
                    '"' if self.quoted => "\\\"",
                    c if is_harmful(c) => "",
                    _ => std::str::from_utf8(bytes).unwrap_or_default(),
                };
                if !write_within(out, &mut room, shown, bytes)? {
                    return out.write_char('…');
                }
            }
            if !write_within(out, &mut room, "", chunk.invalid())? {
                return out.write_char('…');
            }
        }
        Ok(())
    }
}

/// Writes `shown`, or where that is empty `bytes` as `\xNN`, if there is room for it.
fn write_within(
    out: &mut Formatter<'_>,
    room: &mut usize,
    shown: &str,
    bytes: &[u8],
) -> Result<bool, fmt::Error> {
    let length = if shown.is_empty() { 4 * bytes.len() } else { shown.len() };
    let Some(left) = room.checked_sub(length) else { return Ok(false) };
    *room = left;
    out.write_str(shown)?;
    if shown.is_empty() {
        bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02X}"))?;
    }
    Ok(true)
}

/// Whether a character controls the terminal, breaks the line, or turns or hides text (Unicode categories Cc, Zl, Zp
/// and those of Cf that have an effect of their own).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], sentence: &str, json: &str) {
        assert_eq!(Shown(&bytes).to_string(), sentence);
        let mut line = String::new();
        bytes.write_json(&mut line);
        assert_eq!(line, json);
    }

    #[test]
    fn harmless_text_stays_as_it_is() {
        check(b"sip:alice@example.org", "sip:alice@example.org", r#""sip:alice@example.org""#);
        check("Bücherei-日本".as_bytes(), "Bücherei-日本", r#""Bücherei-日本""#);
    }

    #[test]
    fn terminals_and_lines_are_left_in_peace() {
        check(b"a\r\nb", r"a\x0D\x0Ab", r#""a\\x0D\\x0Ab""#);
        check(b"\x1b[2J\x07\x7f\0", r"\x1B[2J\x07\x7F\x00", r#""\\x1B[2J\\x07\\x7F\\x00""#);
        check("\u{9b}31m".as_bytes(), r"\xC2\x9B31m", r#""\\xC2\\x9B31m""#);
        check(
            "gro.\u{202e}example".as_bytes(),
            r"gro.\xE2\x80\xAEexample",
            r#""gro.\\xE2\\x80\\xAEexample""#,
        );
        check(b"\xff\xc3(", r"\xFF\xC3(", r#""\\xFF\\xC3(""#);
    }

    #[test]
    fn nobody_writes_what_looks_like_our_escapes_or_another_field() {
        check(br"\x0A", r"\\x0A", r#""\\\\x0A""#);
        check(
            b"eve (from 192.0.2.1:5060)",
            "\"eve (from 192.0.2.1:5060)\"",
            r#""eve (from 192.0.2.1:5060)""#,
        );
        check(br#"a"b"#, r#""a\"b""#, r#""a\"b""#);
        check(b"", "\"\"", "\"\"");
    }

    #[test]
    fn long_text_is_cut_at_a_whole_character() {
        let shown = |text: &[u8]| Shown(&text).to_string();
        assert_eq!(shown(&[b'a'; FIELD_BYTES_MAX]), "a".repeat(FIELD_BYTES_MAX));
        assert_eq!(shown(&[b'a'; FIELD_BYTES_MAX + 1]), format!("{}…", "a".repeat(FIELD_BYTES_MAX)));
        assert_eq!(shown(&[1; 70_000]), format!("{}…", r"\x01".repeat(FIELD_BYTES_MAX / 4)));
        assert_eq!(
            shown("é".repeat(FIELD_BYTES_MAX).as_bytes()),
            format!("{}…", "é".repeat(FIELD_BYTES_MAX / 2))
        );
    }

    #[test]
    fn nothing_is_none_or_null() {
        let mut line = String::new();
        write_json_field(&mut line, "status", &None::<u16>);
        write_json_field(&mut line, "status", &Some(400_u16));
        assert_eq!(line, r#","status":null,"status":400"#);
        assert_eq!(Shown(&None::<SocketAddr>).to_string(), "none");
    }
}
