//! Values out of the document: type, bounds and form are checked here, with the reason at the value's own place.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::DeValue;

use crate::error::{Cause, Fault};
use crate::place::Place;
use crate::report::Report;
use crate::table::Kind;

/// A value as the file writes it.
pub(crate) struct Written<'a> {
    pub(crate) place: Place,
    pub(crate) value: &'a Spanned<DeValue<'a>>,
    pub(crate) bounds: Option<RangeInclusive<u64>>,
}

impl Written<'_> {
    /// Reports that the value is of another type than `wanted`.
    pub(crate) fn refuse_type(&self, wanted: &'static str, report: &mut Report<'_>) {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(Cause::WrongType { key: self.place.to_string(), wanted, found }, report);
    }

    fn refuse(&self, cause: Cause, report: &mut Report<'_>) {
        report.refuse(self.value.span().start, cause);
    }
}

/// What a key can hold.
pub(crate) trait Value: Sized {
    /// Its description for the manual.
    const KIND: Kind;

    /// The value, or `None` after the reason was reported.
    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self>;

    /// The value as TOML; empty for "nothing".
    fn show(&self) -> String;
}

/// A value that the file writes as a string of a certain form.
pub(crate) trait FromText: Sized {
    /// Its description for the manual.
    const KIND: Kind;

    /// The value this string says.
    fn from_text(text: &str) -> Result<Self, Fault>;

    /// The string that says this value.
    fn text(&self) -> String;
}

impl<T: FromText> Value for T {
    const KIND: Kind = T::KIND;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let DeValue::String(text) = written.value.get_ref() else {
            written.refuse_type("a string", report);
            return None;
        };
        let refuse =
            |fault| Cause::Unusable { key: written.place.to_string(), value: text.to_string(), fault };
        T::from_text(text).map_err(|fault| written.refuse(refuse(fault), report)).ok()
    }

    fn show(&self) -> String {
        format!("{:?}", self.text())
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Boolean;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let value = written.value.get_ref().as_bool();
        if value.is_none() {
            written.refuse_type("true or false", report);
        }
        value
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A whole number within its bounds, which never exceed those of `type_max`.
fn read_integer(written: &Written<'_>, type_max: u64, report: &mut Report<'_>) -> Option<u64> {
    let DeValue::Integer(integer) = written.value.get_ref() else {
        written.refuse_type("a whole number", report);
        return None;
    };
    let bounds = written.bounds.clone().unwrap_or(0..=type_max);
    let value = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
    let accepted = value.filter(|value| bounds.contains(value) && *value <= type_max);
    if accepted.is_none() {
        let (key, value) = (written.place.to_string(), integer.to_string());
        written.refuse(Cause::OutOfBounds { key, value, min: *bounds.start(), max: *bounds.end() }, report);
    }
    accepted
}

macro_rules! integers {
    ($($integer:ty),+) => { $(
        impl Value for $integer {
            const KIND: Kind = Kind::Integer;

            fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
                read_integer(written, <$integer>::MAX as u64, report)?.try_into().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )+ };
}

integers!(u32, u64, usize);

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        T::read(written, report).map(Some)
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

impl<T: Value> Value for Vec<T> {
    const KIND: Kind = Kind::List(&T::KIND);

    /// Reads every entry, so that all their problems are reported, not only the first's.
    fn read(written: &Written<'_>, report: &mut Report<'_>) -> Option<Self> {
        let DeValue::Array(entries) = written.value.get_ref() else {
            let tables = matches!(T::KIND, Kind::Table(_));
            let wanted = if tables { "a list of tables (two brackets around its name)" } else { "a list" };
            written.refuse_type(wanted, report);
            return None;
        };
        let mut values = Vec::new();
        for (index, value) in entries.iter().enumerate() {
            let place = written.place.entry(index);
            report.remember(&place, value.span().start);
            values.push(T::read(&Written { place, value, bounds: written.bounds.clone() }, report));
        }
        values.into_iter().collect()
    }

    fn show(&self) -> String {
        format!("[{}]", self.iter().map(T::show).collect::<Vec<_>>().join(", "))
    }
}

impl FromText for PathBuf {
    const KIND: Kind = Kind::Text("a path");

    fn from_text(text: &str) -> Result<Self, Fault> {
        match text {
            "" => Err(Fault::Malformed("a path is wanted; for the working directory write \".\"")),
            _ if text.contains('\0') => Err(Fault::Malformed("a path cannot hold a NUL")),
            _ => Ok(text.into()),
        }
    }

    fn text(&self) -> String {
        self.display().to_string()
    }
}

impl FromText for SocketAddr {
    const KIND: Kind = Kind::Text("an IP address with its port");

    fn from_text(text: &str) -> Result<Self, Fault> {
        const FORM: &str =
            "an IP address and a port are wanted, such as 192.0.2.1:5060 or [2001:db8::1]:5060";
        const MAPPED: &str = "write an IPv4 address as such, without ::ffff:";
        let address: Self = text.parse().map_err(|_| Fault::Malformed(FORM))?;
        match address {
            Self::V6(v6) if v6.ip().to_ipv4_mapped().is_some() => Err(Fault::Malformed(MAPPED)),
            _ => Ok(address),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}
