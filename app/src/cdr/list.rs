//! `offhook cdr list`.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use offhook_cdr::{EndedBy, Filter, List, Record, utc};
use offhook_store::Store;

use crate::cli::CdrListArguments;
use crate::table::{self, Column};
use crate::visible::{json_line, visible};

const COLUMNS: [Column; 6] = [
    Column { title: "START (UTC)", width_min: 24 },
    Column { title: "FROM", width_min: 12 },
    Column { title: "TO", width_min: 12 },
    Column { title: "DURATION", width_min: 9 },
    Column { title: "OUTCOME", width_min: 15 },
    Column { title: "ENDED BY", width_min: 8 },
];

/// Lists the latest records that fit, the oldest of them first.
pub fn run(store: &Store, folder: &Path, arguments: &CdrListArguments) -> anyhow::Result<()> {
    let filter = Filter {
        since_ms: arguments.since,
        until_ms: arguments.until,
        from: arguments.from.clone(),
        to: arguments.to.clone(),
        status: arguments.status,
        trunk: arguments.trunk.clone(),
        limit: arguments.limit as usize,
    };
    let List { records, unreadable } = offhook_cdr::list(store, folder, &filter)?;
    let mut out = BufWriter::new(io::stdout().lock());
    if arguments.json {
        for record in &records {
            writeln!(out, "{}", json_line(&record.object()))?;
        }
    } else if records.is_empty() {
        writeln!(out, "There are no such records.")?;
    } else {
        table::write(&mut out, &COLUMNS, &records.iter().map(row).collect::<Vec<_>>())?;
    }
    out.flush()?;
    tell_losses(store, unreadable)
}

/// Who bills by these records must know where they may be wrong.
fn tell_losses(store: &Store, unreadable: u64) -> anyhow::Result<()> {
    let (lost, cut_short) = offhook_cdr::losses(store)?;
    let mut words = io::stderr().lock();
    if lost > 0 {
        writeln!(
            words,
            "{lost} facts about calls were lost for want of room: records may be missing or incomplete."
        )?;
    }
    if unreadable > 0 {
        writeln!(
            words,
            "{unreadable} records cannot be read: their files in the directory cdr are missing, cut or damaged."
        )?;
    }
    if cut_short > 0 {
        writeln!(words, "{cut_short} calls were recorded before their end: cdr.open_calls_max is too low.")?;
    }
    Ok(())
}

fn row(record: &Record) -> [String; 6] {
    let status = if record.status > 0 { format!(" {}", record.status) } else { String::new() };
    [
        utc(record.start_ms),
        visible(record.from.as_bytes()),
        visible(record.to.as_bytes()),
        record.duration_ms().map_or_else(String::new, |ms| format!("{}.{:03} s", ms / 1_000, ms % 1_000)),
        format!("{}{status}", record.outcome.name()),
        record.ended_by.map_or("", EndedBy::name).to_owned(),
    ]
}
