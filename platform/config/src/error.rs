//! Why a configuration is refused, in sentences an administrator can act on.
//!
//! ```text
//! offhook.toml:12:3: unknown key "transprot" in [[listen]]; did you mean "transport"?
//! offhook.toml:20:17: "expires_min_s" in [registrar] must be a whole number, not a string
//! ```

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::config::CONFIG_BYTES_MAX;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be opened or read.
    #[error("{}: {error}", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file is larger than [`CONFIG_BYTES_MAX`]: surely another file was meant.
    #[error("{}: larger than {CONFIG_BYTES_MAX} bytes, this is no configuration", path.display())]
    TooLarge {
        /// The file asked for.
        path: PathBuf,
    },
    /// The text was read and something in it is wrong.
    #[error("{0}")]
    Refused(Problems),
}

/// All problems of one file, in its order; displayed one per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file as the administrator named it.
    pub name: String,
    /// The first fifty problems.
    pub list: Vec<Problem>,
    /// How many more there are.
    pub more: usize,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub position: Position,
    /// What and why.
    pub cause: Cause,
}

/// A place in a text, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// What is wrong. `key` names a value with its table: `"expires_min_s" in [registrar]`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the sentence of each variant says what its fields are")]
pub enum Cause {
    /// The file is not TOML here.
    #[error("{0}")]
    Syntax(String),
    /// A bare word where a value is wanted.
    #[error("{word} is neither a number nor true or false; a string stands in quotes", word = Short(word))]
    NoQuotes { word: String },
    /// Nothing where a value is wanted.
    #[error("a value is missing")]
    NoValue,
    /// The file is not text here.
    #[error("not UTF-8 from here on")]
    NotText,
    /// A key no table knows; perhaps a slip of the finger.
    #[error("unknown key {key:?} in {table}{hint}", key = Short(key))]
    UnknownKey { key: String, table: String, hint: Hint },
    /// A key without a default is not written.
    #[error("{table} must say {key:?}")]
    MissingKey { key: &'static str, table: String },
    /// A value of another type.
    #[error("{key} must be {wanted}, not {found}")]
    WrongType { key: String, wanted: &'static str, found: &'static str },
    /// A whole number outside its bounds.
    #[error("{key} is {value}, but must be from {min} to {max}", value = Short(value))]
    OutOfBounds { key: String, value: String, min: u64, max: u64 },
    /// A string that does not say what it should.
    #[error("{key} is {value:?}: {fault}", value = Short(value))]
    Unusable { key: String, value: String, fault: Fault },
    /// A list that needs an entry.
    #[error("{key} must not be empty")]
    Empty { key: String },
    /// An entry of a list that stands there already.
    #[error("{key} lists {value:?} twice")]
    Twice { key: String, value: String },
    /// Two values whose order is wrong.
    #[error("{lower} ({lower_value}) must not be above {upper} ({upper_value})")]
    WrongOrder { lower: String, lower_value: u64, upper: String, upper_value: u64 },
    /// Two entries that cannot both be.
    #[error("{what} stands in line {line} already")]
    Repeated { what: String, line: usize },
    /// Two keys of which one means nothing without the other.
    #[error("{key} needs {other}")]
    Alone { key: String, other: String },
    /// A route that matches nothing or everything.
    #[error("match of [[route]] needs at least one condition")]
    NoCondition,
    /// A route that says no action, or more than one.
    #[error("{table} must say exactly one of to, trunk, users, redirect, refuse and enum; it says {said}")]
    NotOneAction { table: String, said: String },
    /// Keys that make no sense together.
    #[error("{key} means nothing with {other}: {because}")]
    Pointless { key: String, other: &'static str, because: &'static str },
    /// A name that nothing in the file has.
    #[error("{key} is {value:?}, but no {table} has this name{hint}", hint = DidYouMean(nearest.as_deref()))]
    NoSuchName { key: String, value: String, table: &'static str, nearest: Option<String> },
    /// Authentication is off where strangers can reach us.
    #[error("{key} is off, but {listener} is not a loopback address: anyone could use this server")]
    OpenServer { key: String, listener: String },
}

/// What is wrong with a string.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Not of the form wanted; says which form that is.
    #[error("{0}")]
    Malformed(&'static str),
    /// A file that it names cannot be used; says why.
    #[error("{0}")]
    File(String),
    /// Understood, but this version cannot do it; says what it can.
    #[error("not there yet, {0}")]
    NotThereYet(&'static str),
    /// Not one of the known names.
    #[error("known are {}{}", Listed(known), DidYouMean(*nearest))]
    NotKnown {
        /// All the names.
        known: &'static [&'static str],
        /// The name probably meant.
        nearest: Option<&'static str>,
    },
}

/// What to do about an unknown key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// A key of this table has nearly this name.
    DidYouMean(&'static str),
    /// Another table has this key.
    BelongsIn(String),
    /// Nothing is near: these are the keys of the table.
    Known(Vec<&'static str>),
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { position, cause }) in self.list.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:{}:{}: {cause}", self.name, position.line, position.column)?;
        }
        if self.more > 0 {
            write!(f, "\n{}: and {} more problems", self.name, self.more)?;
        }
        Ok(())
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DidYouMean(name) => DidYouMean(Some(name)).fmt(f),
            Self::BelongsIn(home) => write!(f, "; it belongs in {home}"),
            Self::Known(names) => write!(f, "; its keys are {}", Listed(names)),
        }
    }
}

/// The suggestion, if there is one.
struct DidYouMean<'a>(Option<&'a str>);

impl fmt::Display for DidYouMean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, "; did you mean {name:?}?"))
    }
}

/// Names in quotes with commas between.
struct Listed<'a>(&'a [&'static str]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|name| format!("{name:?}")).collect();
        f.write_str(&names.join(", "))
    }
}

/// Text of the file, cut where it would fill the screen; with `{:?}` also quoted and its control characters escaped.
struct Short<'a>(&'a str);

impl Short<'_> {
    const CHARS_MAX: usize = 80;

    fn text(&self) -> String {
        let mut text: String = self.0.chars().take(Self::CHARS_MAX).collect();
        if text.len() < self.0.len() {
            text.push('…');
        }
        text
    }
}

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}
