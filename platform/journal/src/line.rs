//! A line of the log, for people or for programs.
//!
//! ```text
//! 2026-11-21T08:15:03.123Z info  register.accepted  alice@example.org is at sip:alice@192.0.2.7, for 3600 s (from …)
//! {"ts":"2026-11-21T08:15:03.123Z","level":"info","event":"register.accepted","msg":"alice@… is at …","aor":"alice@…",…}
//! ```

use std::fmt::Write;

use jiff::Timestamp;

use crate::event::{Event, EventKind};
use crate::field::write_json_string;

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Time, level, name and the sentence.
    Text,
    /// One JSON object: `ts`, `level`, `event`, `msg` (the sentence), and the fields of the event by their names.
    Json,
}

impl Format {
    /// Appends the line of this event, with its line end.
    pub(crate) fn write(self, line: &mut String, now_ms: u64, event: &Event<'_>) {
        let time =
            Timestamp::from_millisecond(i64::try_from(now_ms).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
        let (name, level) = (event.kind().name(), event.kind().level());
        let written = match self {
            Self::Text => write!(line, "{time:.3} {level:<5} {name:<NAME_WIDTH$}  {event}"),
            Self::Json => {
                write!(line, "{{\"ts\":\"{time:.3}\",\"level\":\"{level}\",\"event\":\"{name}\",\"msg\":")
            }
        };
        debug_assert!(written.is_ok(), "a String takes everything");
        if self == Self::Json {
            write_json_string(line, event);
            event.write_json_fields(line);
            line.push('}');
        }
        line.push('\n');
    }
}

/// Columns of the longest name, so that the sentences stand below each other.
const NAME_WIDTH: usize = {
    let (mut widest, mut place) = (0, 0);
    while place < EventKind::ALL.len() {
        let width = EventKind::ALL[place].name().len();
        widest = if width > widest { width } else { widest };
        place += 1;
    }
    widest
};
