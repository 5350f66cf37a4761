//! A record as a line of a file: JSON, or CSV (RFC 4180).

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::call::EndedBy;
use crate::record::Record;

/// The columns of a CSV file, and the keys of a JSON object, in their order.
pub const COLUMNS: [&str; 23] = [
    "id",
    "start",
    "ring",
    "answer",
    "end",
    "duration_ms",
    "outcome",
    "ended_by",
    "status",
    "reason",
    "from",
    "to",
    "request_uri",
    "user",
    "caller_contact",
    "caller_agent",
    "caller_source",
    "callee_contact",
    "callee_agent",
    "callee_target",
    "route",
    "trunk",
    "call_id",
];

/// A time as RFC 3339 says, in UTC, with milliseconds: `2026-11-21T08:15:03.123Z`.
pub fn utc(ms: u64) -> String {
    let at = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl Record {
    /// The value of each column.
    pub fn values(&self) -> [Value; 23] {
        let time = |ms: Option<u64>| ms.map_or(Value::Null, |ms| utc(ms).into());
        [
            self.id.into(),
            time(Some(self.start_ms)),
            time(self.ring_ms),
            time(self.answer_ms),
            time(self.end_ms),
            json!(self.duration_ms()),
            self.outcome.name().into(),
            json!(self.ended_by.map(EndedBy::name)),
            Some(self.status).filter(|status| *status > 0).map_or(Value::Null, Value::from),
            (*self.reason).into(),
            (*self.from).into(),
            (*self.to).into(),
            (*self.request_uri).into(),
            (*self.user).into(),
            (*self.caller_contact).into(),
            (*self.caller_agent).into(),
            (*self.caller_source).into(),
            (*self.callee_contact).into(),
            (*self.callee_agent).into(),
            (*self.callee_target).into(),
            (*self.route).into(),
            (*self.trunk).into(),
            (*self.call_id).into(),
        ]
    }

    /// The record as a JSON object.
    pub fn object(&self) -> Value {
        COLUMNS
            .iter()
            .map(|column| (*column).to_owned())
            .zip(self.values())
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    pub(crate) fn csv(&self) -> String {
        let cells = self.values().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => quoted(&text),
            other => other.to_string(),
        });
        cells.join(",")
    }
}

/// RFC 4180 §2.5 to §2.7. Line breaks do not come from headers, but nothing rests on that.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
