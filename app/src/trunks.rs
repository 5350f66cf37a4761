//! `offhook trunks`: asks the running server how its trunks stand.

pub mod clerk;

use std::io::{self, BufWriter, Write};

use jiff::Timestamp;
use offhook_control::{Question, ask};
use serde_json::Value;

use crate::check;
use crate::cli::{Common, TrunksArguments};
use crate::table::{self, Column};
use crate::visible::json_line;

const TRUNKS: [Column; 5] = [
    Column { title: "TRUNK", width_min: 10 },
    Column { title: "CALLS NOW", width_min: 9 },
    Column { title: "CALLS", width_min: 5 },
    Column { title: "REGISTERED UNTIL", width_min: 20 },
    Column { title: "LAST ERROR", width_min: 20 },
];

const ADDRESSES: [Column; 8] = [
    Column { title: "TRUNK", width_min: 8 },
    Column { title: "TARGET", width_min: 8 },
    Column { title: "ADDRESS", width_min: 20 },
    Column { title: "WEIGHT", width_min: 6 },
    Column { title: "HEALTH", width_min: 7 },
    Column { title: "SINCE (UTC)", width_min: 20 },
    Column { title: "LAST ANSWER", width_min: 11 },
    Column { title: "CALLS", width_min: 5 },
];

/// What stands where there is nothing to say.
const NOTHING: &str = "-";

/// Asks and shows.
pub fn run(common: &Common, arguments: &TrunksArguments) -> anyhow::Result<()> {
    let trunks = ask(&check::load(common)?.data_dir, &Question::new("trunk.list"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        for trunk in &trunks {
            writeln!(out, "{}", json_line(trunk))?;
        }
    } else if trunks.is_empty() {
        writeln!(out, "The server has no trunks.")?;
    } else {
        table::write(&mut out, &TRUNKS, &trunks.iter().map(trunk_row).collect::<Vec<_>>())?;
        writeln!(out)?;
        table::write(&mut out, &ADDRESSES, &trunks.iter().flat_map(address_rows).collect::<Vec<_>>())?;
    }
    Ok(out.flush()?)
}

fn trunk_row(trunk: &Value) -> [String; 5] {
    let registration = &trunk["registration"];
    let until = match registration {
        Value::Null => NOTHING.to_owned(),
        one if one["until_s"].is_null() => "not registered".to_owned(),
        one => time(&one["until_s"]),
    };
    let error = match &registration["error"] {
        Value::String(error) => format!("{error}, {}", time(&registration["error_s"])),
        _ => NOTHING.to_owned(),
    };
    [text(&trunk["trunk"]), text(&trunk["calls_now"]), text(&trunk["calls"]), until, error]
}

/// A row for each address; a target whose name leads nowhere yet has one all the same.
fn address_rows(trunk: &Value) -> Vec<[String; 8]> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut rows = Vec::new();
    for target in list(&trunk["targets"]) {
        let mut addresses = list(&target["addresses"]);
        if addresses.is_empty() {
            addresses.push(Value::Null);
        }
        for address in addresses {
            let place = match address["address"].as_str() {
                Some(place) => format!("{} {place}", text(&address["transport"])),
                None => "not found yet".to_owned(),
            };
            let health = if address.is_null() { "unknown".to_owned() } else { text(&address["health"]) };
            let answer = match &address["why"] {
                Value::String(why) => why.clone(),
                _ => text(&address["answer"]),
            };
            rows.push([
                text(&trunk["trunk"]),
                text(&target["to"]),
                place,
                text(&target["weight"]),
                health,
                time(&address["since_s"]),
                answer,
                text(&address["calls"]),
            ]);
        }
    }
    rows
}

fn time(seconds: &Value) -> String {
    let time = seconds.as_i64().and_then(|second| Timestamp::from_second(second).ok());
    time.map_or_else(|| NOTHING.to_owned(), |time| time.to_string())
}

/// A field as people read it.
fn text(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
