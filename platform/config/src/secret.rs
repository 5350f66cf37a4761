//! Passwords in the file. They are never shown again: not in messages, not in the log.

use std::fmt;

use toml::de::DeValue;

use crate::error::{Cause, Fault};
use crate::report::Report;
use crate::table::Kind;
use crate::value::{Value, Written};

/// Longest password, bytes: no provider gives out longer ones.
const SECRET_BYTES_MAX: usize = 256;

/// A password that is needed as it is, for we prove to others that we know it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// A text that can be one. `None`: too long, empty, or with control characters.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let good = (1..=SECRET_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control);
        good.then(|| Self(text.to_owned()))
    }

    /// The password.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Value for Secret {
    const KIND: Kind = Kind::Text("a password");

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let DeValue::String(text) = written.value.get_ref() else {
            written.refuse_type("a string", report);
            return None;
        };
        let secret = Self::of(text);
        if secret.is_none() {
            let fault = Fault::Malformed("1 to 256 characters are wanted");
            let cause = Cause::Unusable { key: written.place.to_string(), value: "…".to_owned(), fault };
            report.refuse(written.value.span().start, cause);
        }
        secret
    }

    fn show(&self) -> String {
        "\"…\"".to_owned()
    }
}
