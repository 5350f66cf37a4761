//! `offhook ban`: asks the running server who is banned, and lifts bans.

pub mod keep;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use jiff::Timestamp;
use offhook_control::{AskError, Question, ask};
use serde_json::Value;

use crate::check;
use crate::cli::{BanCommand, Common};
use crate::table::{self, Column};
use crate::visible::json_line;

const COLUMNS: [Column; 6] = [
    Column { title: "SOURCE", width_min: 15 },
    Column { title: "SINCE (UTC)", width_min: 20 },
    Column { title: "UNTIL (UTC)", width_min: 20 },
    Column { title: "OFFENCE", width_min: 14 },
    Column { title: "FAILURES", width_min: 8 },
    Column { title: "DROPPED", width_min: 7 },
];

/// Carries out one of the commands.
pub fn run(common: &Common, command: &BanCommand) -> anyhow::Result<()> {
    let data_dir = check::load(common)?.data_dir;
    match command {
        BanCommand::List { json } => list(&data_dir, *json),
        BanCommand::Add { source, lasts_s } => add(&data_dir, source, *lasts_s),
        BanCommand::Lift { source: Some(source), .. } => lift(&data_dir, source),
        BanCommand::Lift { source: None, .. } => {
            for ban in ask(&data_dir, &Question::new("ban.list"))? {
                match lift(&data_dir, &text(&ban, "source")) {
                    // It has ended by itself since it was listed.
                    Err(error) if matches!(error.downcast_ref(), Some(AskError::Absent(_))) => {}
                    lifted => lifted?,
                }
            }
            Ok(())
        }
    }
}

fn list(data_dir: &Path, json: bool) -> anyhow::Result<()> {
    let bans = ask(data_dir, &Question::new("ban.list"))?;
    let mut out = BufWriter::new(io::stdout().lock());
    if json {
        for ban in &bans {
            writeln!(out, "{}", json_line(ban))?;
        }
    } else if bans.is_empty() {
        writeln!(out, "Nobody is banned.")?;
    } else {
        table::write(&mut out, &COLUMNS, &bans.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(out.flush()?)
}

fn add(data_dir: &Path, source: &str, lasts_s: u32) -> anyhow::Result<()> {
    let question = Question::new("ban.add").with("source", source).with("for_s", lasts_s);
    for ban in ask(data_dir, &question)? {
        writeln!(io::stdout(), "{} is banned until {}.", text(&ban, "source"), time(&ban, "until_s"))?;
    }
    Ok(())
}

fn lift(data_dir: &Path, source: &str) -> anyhow::Result<()> {
    for ban in ask(data_dir, &Question::new("ban.lift").with("source", source))? {
        let (source, dropped) = (text(&ban, "source"), text(&ban, "dropped"));
        writeln!(io::stdout(), "The ban of {source} is lifted. Requests dropped: {dropped}.")?;
    }
    Ok(())
}

fn row(ban: &Value) -> [String; 6] {
    [
        text(ban, "source"),
        time(ban, "since_s"),
        time(ban, "until_s"),
        text(ban, "offence"),
        text(ban, "failures"),
        text(ban, "dropped"),
    ]
}

fn time(ban: &Value, field: &str) -> String {
    let second = ban.get(field).and_then(Value::as_i64).unwrap_or_default();
    Timestamp::from_second(second).map(|time| time.to_string()).unwrap_or_default()
}

/// A field as people read it.
fn text(ban: &Value, field: &str) -> String {
    match ban.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}
