//! `offhook status`: asks the running server what its shards have done.

pub mod clerk;

use std::io::{self, BufWriter, Write};

use offhook_control::{Question, ask};
use serde_json::Value;

use crate::check;
use crate::cli::{Common, StatusArguments};
use crate::table::{self, Column};
use crate::visible::json_line;

const COLUMNS: [Column; 8] = [
    Column { title: "SHARD", width_min: 5 },
    Column { title: "DATAGRAMS IN", width_min: 12 },
    Column { title: "OUT", width_min: 6 },
    Column { title: "BY STREAMS IN", width_min: 13 },
    Column { title: "OUT", width_min: 6 },
    Column { title: "CONNECTIONS", width_min: 11 },
    Column { title: "HANDED OVER", width_min: 11 },
    Column { title: "LOST", width_min: 4 },
];

/// Asks and shows.
pub fn run(common: &Common, arguments: &StatusArguments) -> anyhow::Result<()> {
    let shards = ask(&check::load(common)?.data_dir, &Question::new(clerk::QUESTION))?;
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        for shard in &shards {
            writeln!(out, "{}", json_line(shard))?;
        }
        return Ok(out.flush()?);
    }
    if let Some(first) = shards.first() {
        let (version, uptime_s) = (first["version"].as_str().unwrap_or_default(), number(first, "uptime_s"));
        writeln!(out, "Offhook {version}, up for {}", duration(uptime_s))?;
        writeln!(out)?;
    }
    table::write(&mut out, &COLUMNS, &shards.iter().map(row).collect::<Vec<_>>())?;
    Ok(out.flush()?)
}

fn row(shard: &Value) -> [String; 8] {
    let lost = ["datagrams_lost", "sends_failed", "hand_over_lost"].iter().map(|name| number(shard, name));
    [
        number(shard, "shard"),
        number(shard, "datagrams_in"),
        number(shard, "datagrams_out"),
        number(shard, "stream_messages_in"),
        number(shard, "stream_messages_out"),
        number(shard, "connections"),
        number(shard, "handed_over"),
        lost.sum(),
    ]
    .map(|number| number.to_string())
}

/// A field that a server of another version may not have.
fn number(shard: &Value, name: &str) -> u64 {
    shard[name].as_u64().unwrap_or(0)
}

/// As people say it: the two largest parts.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_as_people_say_them() {
        let said = [0, 59, 60, 3_599, 3_600, 86_399, 86_400, 1_000_000].map(duration);
        assert_eq!(
            said,
            ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "23 h 59 min", "1 d 0 h", "11 d 13 h"]
        );
    }
}
