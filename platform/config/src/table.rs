//! What the file may say: tables of keys, each written once together with the struct that holds the values.
//!
//! ```text
//! section! {
//!     /// What the section is about.                  → heading of the manual, doc of the struct
//!     pub struct Timers {
//!         /// What the key means, with its unit.      → manual, doc of the field
//!         t1_ms: u64 = 500, within 1..=10_000,         → type, default, what is refused
//!             because "RFC 3261 §17.1.1.1 says so";    → manual: why this default
//!     }
//! }
//! ```
//!
//! `section!` is for tables whose every key has a default; `table!` also takes keys that must be given (no
//! `= default`), as in `[[listen]]`.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::Config;
use crate::error::Cause;
use crate::place::Place;
use crate::report::Report;
use crate::suggest::hint_for_key;
use crate::value::{Value, Written};

/// One table of the file: `[registrar]`, an entry of `[[listen]]`, or the top level.
#[derive(Debug)]
pub(crate) struct Section {
    /// The doc comment, line by line.
    pub(crate) about: &'static [&'static str],
    /// Its keys in the order of the manual.
    pub(crate) keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// The doc comment, line by line.
    pub(crate) docs: &'static [&'static str],
    pub(crate) kind: Kind,
    /// Smallest and largest whole number accepted.
    pub(crate) bounds: Option<RangeInclusive<u64>>,
    /// The default as TOML, empty for "nothing"; `None`: the key must be given.
    pub(crate) default: fn() -> Option<String>,
    /// Why this default.
    pub(crate) why: &'static str,
    /// A value for the sample file, as TOML, where the default says nothing; with `or ` in front if another key of the
    /// table stands there in its place.
    pub(crate) example: &'static str,
}

/// What a key's value looks like.
#[derive(Debug)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    /// A string, described in a few words.
    Text(&'static str),
    /// A string out of a fixed set.
    OneOf(&'static [&'static str]),
    List(&'static Kind),
    Table(&'static Section),
}

impl Section {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// A table of the file while its keys are read.
pub(crate) struct Reader<'a> {
    table: &'a DeTable<'a>,
    place: &'a Place,
    offset: usize,
}

impl<'a> Reader<'a> {
    /// The table that was written, after all its unknown keys were reported.
    pub(crate) fn open(written: &'a Written<'a>, section: &Section, report: &mut Report<'_>) -> Option<Self> {
        let DeValue::Table(table) = written.value.get_ref() else {
            written.refuse_type("a table", report);
            return None;
        };
        for key in table.keys().filter(|key| section.key(key.get_ref()).is_none()) {
            let hint = hint_for_key(key.get_ref(), section, &Config::SECTION);
            let cause =
                Cause::UnknownKey { key: key.get_ref().to_string(), table: written.place.title(), hint };
            report.refuse(key.span().start, cause);
            report.forget(written.place.key(key.get_ref()));
        }
        Some(Self { table, place: &written.place, offset: written.value.span().start })
    }

    /// The value of `key`, or its default where it is not written. A value that was refused is replaced by the
    /// default too, so that the rest of the file can still be checked. `None`: reported, and there is no default.
    pub(crate) fn value<T: Value>(
        &self,
        key: &'static str,
        bounds: Option<RangeInclusive<u64>>,
        default: Option<T>,
        report: &mut Report<'_>,
    ) -> Option<T> {
        let Some((name, value)) = self.table.get_key_value(key) else {
            if default.is_none() {
                report.refuse(self.offset, Cause::MissingKey { key, table: self.place.title() });
            }
            return default;
        };
        let place = self.place.key(key);
        report.remember(&place, name.span().start);
        let written = Written { place, value, bounds };
        T::read(&written, report).or_else(|| {
            report.forget(written.place);
            default
        })
    }
}

/// The whole document as the value of the unnamed top-level table.
pub(crate) fn root(document: Spanned<DeTable<'_>>) -> Spanned<DeValue<'_>> {
    Spanned::new(document.span(), DeValue::Table(document.into_inner()))
}

macro_rules! table {
    ($(#[doc = $about:literal])+ pub struct $name:ident { $(
        $(#[doc = $doc:literal])+
        $field:ident $(as $key:literal)? : $type:ty
            $(= $default:expr $(, within $bounds:expr)? $(, because $why:literal)?)?
            $(, example $example:literal)? ;
    )+ }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $(
            $(#[doc = $doc])+
            $( #[doc = ""] #[doc = concat!("Default: `", stringify!($default), "`", $(": ", $why,)? ".")] )?
            pub $field: $type,
        )+ }

        impl $name {
            pub(crate) const SECTION: $crate::table::Section = $crate::table::Section {
                about: &[$($about),+],
                keys: &[$( $crate::table::Key {
                    name: $crate::table::table!(@name $field $($key)?),
                    docs: &[$($doc),+],
                    kind: <$type as $crate::value::Value>::KIND,
                    bounds: $crate::table::table!(@option $($($bounds)?)?),
                    default: || {
                        let default: Option<$type> = $crate::table::table!(@option $($default)?);
                        default.map(|value| $crate::value::Value::show(&value))
                    },
                    why: concat!($($($why)?)?),
                    example: concat!($($example)?),
                } ),+],
            };
        }

        impl $crate::value::Value for $name {
            const KIND: $crate::table::Kind = $crate::table::Kind::Table(&$name::SECTION);

            fn read(written: &$crate::value::Written<'_>, report: &mut $crate::report::Report<'_>) -> Option<Self> {
                let table = $crate::table::Reader::open(written, &Self::SECTION, report)?;
                $( let $field: Option<$type> = table.value(
                    $crate::table::table!(@name $field $($key)?),
                    $crate::table::table!(@option $($($bounds)?)?),
                    $crate::table::table!(@option $($default)?),
                    report,
                ); )+
                Some(Self { $($field: $field?),+ })
            }

            fn show(&self) -> String {
                let keys = [$( ($crate::table::table!(@name $field $($key)?), $crate::value::Value::show(&self.$field)) ),+];
                let given = keys.iter().filter(|(_, value)| !value.is_empty() && value != "[]");
                format!("{{ {} }}", given.map(|(key, value)| format!("{key} = {value}")).collect::<Vec<_>>().join(", "))
            }
        }
    };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident $key:literal) => { $key };
    (@option) => { None };
    (@option $value:expr) => { Some($value) };
}

macro_rules! section {
    ($(#[doc = $about:literal])+ pub struct $name:ident { $(
        $(#[doc = $doc:literal])+
        $field:ident : $type:ty = $default:expr $(, within $bounds:expr)? $(, because $why:literal)?
            $(, example $example:literal)? ;
    )+ }) => {
        $crate::table::table! { $(#[doc = $about])+ pub struct $name { $(
            $(#[doc = $doc])+
            $field: $type = $default $(, within $bounds)? $(, because $why)? $(, example $example)? ;
        )+ } }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default),+ }
            }
        }
    };
}

pub(crate) use {section, table};

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual owes a reason for every default that is something.
    fn check_reasons(section: &Section) {
        for key in section.keys {
            match &key.kind {
                Kind::Table(inner) | Kind::List(Kind::Table(inner)) => check_reasons(inner),
                _ => {
                    let default = (key.default)().unwrap_or_default();
                    assert!(default.is_empty() || !key.why.is_empty(), "why is {} = {default}?", key.name);
                }
            }
        }
    }

    #[test]
    fn every_default_has_its_reason() {
        check_reasons(&Config::SECTION);
    }
}
