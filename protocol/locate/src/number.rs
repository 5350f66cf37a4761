//! Telephone numbers as domain names: RFC 6116 §3.2.

use crate::domain::Domain;

/// Most digits of a global number, ITU-T E.164 §6.
const DIGITS_MAX: usize = 15;

/// Fewest that can mean anything in the global plan: a country code alone is none.
const DIGITS_MIN: usize = 3;

/// A global telephone number: `+` and digits, the Application Unique String of RFC 6116 §3.1.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Number(Box<str>);

impl Number {
    /// Reads a global number, with the visual separators of RFC 3966 §5.1.1. `None` for local ones and for anything else.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let mut number = String::with_capacity(DIGITS_MAX + 1);
        for &c in text.strip_prefix(b"+")? {
            match c {
                b'0'..=b'9' if number.len() < DIGITS_MAX => number.push(char::from(c)),
                b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
        }
        let good = number.len() >= DIGITS_MIN && !number.starts_with('0');
        number.insert(0, '+');
        good.then(|| Self(number.into()))
    }

    /// The number, `+` first.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name to ask: the digits in reverse, with dots, below `suffix` (`e164.arpa`). `None` if that is too long.
    pub fn domain(&self, suffix: &Domain) -> Option<Domain> {
        let mut name = String::new();
        for digit in self.0.chars().rev().filter(char::is_ascii_digit) {
            name.push(digit);
            name.push('.');
        }
        Domain::parse((name + suffix.as_str()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6116 §3.2, its example.
    #[test]
    fn a_number_becomes_a_name() {
        let number = Number::parse(b"+44-207-946-0148").expect("a number");
        assert_eq!(number.as_str(), "+442079460148");
        let suffix = Domain::parse(b"e164.arpa").expect("a name");
        let name = number.domain(&suffix).map(|name| name.to_string());
        assert_eq!(name.as_deref(), Some("8.4.1.0.6.4.9.7.0.2.4.4.e164.arpa"));
    }

    #[test]
    fn what_is_no_global_number_is_refused() {
        for text in
            ["", "+", "+1", "0044", "123", "+0123", "+1234567890123456", "+49a", "+49 30", "++49", "alice"]
        {
            assert_eq!(Number::parse(text.as_bytes()), None, "{text}");
        }
    }
}
