//! The substitution of a NAPTR record: RFC 3402 §3.2, used by RFC 6116.
//!
//! `!^\+44(.*)$!sip:\1@example.org!`: a delimiter, a POSIX extended expression, its replacement with back references, and
//! perhaps the flag `i`. Zones are written by strangers, so the expression runs in an automaton that never goes back: its
//! time is its size times that of the number, and both are bounded.

use regex_lite::{Regex, RegexBuilder};

use crate::limits::{ENUM_URI_BYTES_MAX, REWRITE_BYTES_MAX, REWRITE_PROGRAM_BYTES_MAX};

/// Brackets within brackets.
const NESTING_MAX: u32 = 16;

/// Why a substitution cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadRewrite {
    /// Not three parts between equal delimiters, or a delimiter that means something else.
    #[error("not of the form !expression!replacement!")]
    Form,
    /// The expression is none, or costs too much.
    #[error("not an expression, or too costly")]
    Expression,
    /// The replacement refers to a group that is not there.
    #[error("refers to a group that is not there")]
    Reference,
}

/// A substitution that can be applied.
#[derive(Clone, Debug)]
pub struct Rewrite {
    expression: Regex,
    replacement: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

impl Rewrite {
    /// Reads a substitution.
    ///
    /// # Errors
    /// It is not of the form, or asks for more than it may.
    pub fn parse(text: &[u8]) -> Result<Self, BadRewrite> {
        let text = std::str::from_utf8(text).map_err(|_| BadRewrite::Form)?;
        let (expression, replacement, flags) = parts(text).ok_or(BadRewrite::Form)?;
        let expression = RegexBuilder::new(&expression)
            .case_insensitive(flags == "i")
            .size_limit(REWRITE_PROGRAM_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map_err(|_| BadRewrite::Expression)?;
        let replacement = pieces(replacement).ok_or(BadRewrite::Form)?;
        let groups = expression.captures_len();
        if replacement.iter().any(|piece| matches!(piece, Piece::Group(n) if *n >= groups)) {
            return Err(BadRewrite::Reference);
        }
        Ok(Self { expression, replacement })
    }

    /// What `number` becomes; `None` if the expression does not match it, or the outcome is too long.
    pub fn apply(&self, number: &str) -> Option<String> {
        let captures = self.expression.captures(number)?;
        let mut made = String::new();
        for piece in &self.replacement {
            match piece {
                Piece::Text(text) => made.push_str(text),
                Piece::Group(n) => made.push_str(captures.get(*n).map_or("", |group| group.as_str())),
            }
            if made.len() > ENUM_URI_BYTES_MAX {
                return None;
            }
        }
        Some(made)
    }
}

/// Cuts at the delimiters. One that is escaped belongs to the text, without its backslash.
fn parts(text: &str) -> Option<(String, String, &str)> {
    let delimiter = text.chars().next()?;
    // RFC 3402 §3.2: neither a digit nor a backslash nor the flag.
    let reserved = delimiter.is_ascii_digit() || delimiter == '\\' || delimiter.eq_ignore_ascii_case(&'i');
    if text.len() > REWRITE_BYTES_MAX || !delimiter.is_ascii() || reserved {
        return None;
    }
    let (expression, rest) = until(&text[1..], delimiter)?;
    let (replacement, flags) = until(rest, delimiter)?;
    matches!(flags, "" | "i").then_some((expression, replacement, flags))
}

fn until(text: &str, delimiter: char) -> Option<(String, &str)> {
    let mut part = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c == delimiter {
            return Some((part, &text[at + c.len_utf8()..]));
        }
        if c == '\\' {
            let (_, escaped) = chars.next()?;
            if escaped != delimiter {
                part.push('\\');
            }
            part.push(escaped);
        } else {
            part.push(c);
        }
    }
    None
}

/// `\1` to `\9` are groups; any other escaped character is itself.
fn pieces(text: String) -> Option<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                digit @ '1'..='9' => {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    pieces.push(Piece::Group(digit as usize - '0' as usize));
                }
                other => plain.push(other),
            },
            _ => plain.push(c),
        }
    }
    pieces.push(Piece::Text(plain));
    Some(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(rewrite: &str, number: &str) -> Result<Option<String>, BadRewrite> {
        Rewrite::parse(rewrite.as_bytes()).map(|rewrite| rewrite.apply(number))
    }

    /// RFC 3402 §3.2, RFC 6116 §3.4.3
    #[test]
    fn numbers_become_uris() {
        for (rewrite, made) in [
            ("!^.*$!sip:info@example.com!", Some("sip:info@example.com")),
            (r"!^\+44(.*)$!sip:\1@example.com!", Some("sip:2079460148@example.com")),
            (
                r"!^(\+44)20([0-9]{4})([0-9]{4})$!sip:\2-\3;phone-context=\1@x.example!",
                Some("sip:7946-0148;phone-context=+44@x.example"),
            ),
            (r"/^\+44([[:digit:]]+)$/sip:\1@example.com\/x/", Some("sip:2079460148@example.com/x")),
            ("!^SIP$!x!i", None),
            ("!^\\+1.*$!sip:a@example.com!", None),
        ] {
            assert_eq!(applied(rewrite, "+442079460148"), Ok(made.map(str::to_owned)), "{rewrite}");
        }
    }

    #[test]
    fn what_is_no_substitution_is_refused() {
        for (rewrite, why) in [
            ("", BadRewrite::Form),
            ("!^.*$!sip:a@b", BadRewrite::Form),
            ("!^.*$!sip:a@b!x", BadRewrite::Form),
            ("1^.*$1sip:a@b1", BadRewrite::Form),
            ("!^(.*$!sip:a@b!", BadRewrite::Expression),
            (r"!^.*$!sip:\1@b!", BadRewrite::Reference),
            (r"!^.*$!sip:a\", BadRewrite::Form),
            ("!((((a{99}){99}){99}){99}){99}!x!", BadRewrite::Expression),
        ] {
            assert_eq!(applied(rewrite, "+442079460148"), Err(why), "{rewrite}");
        }
    }

    /// Expressions that take a backtracking matcher longer than the universe is old.
    #[test]
    fn no_expression_takes_long() {
        for rewrite in
            ["!^(([0-9]+)+)+x$!sip:a@b!", "!^(.*)*(.*)*(.*)*(.*)*x$!sip:a@b!", "!(.?){15}[0-9]{16}!x!"]
        {
            assert_eq!(applied(rewrite, "+123456789012345"), Ok(None), "{rewrite}");
        }
    }
}
