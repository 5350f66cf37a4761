//! What a failed ladder shows: expected and real side by side, the message in question, the seed.

use offhook_simnet::{Entry, Event, Fate, World};

use crate::notation::Kind;
use crate::stage::Run;

/// Widest left column; longer lines are not cut, they push.
const LEFT_MAX_CHARS: usize = 64;

/// Draws the picture. `failed` is the index of the failed line, `culprit` the entry of the trace it is about.
pub(crate) fn picture(run: &Run, world: &World, failed: Option<usize>, culprit: Option<usize>) -> String {
    let rows = rows(run, world, failed, culprit);
    let width = rows.iter().map(|row| row.expected.chars().count()).max().unwrap_or(0).min(LEFT_MAX_CHARS);
    let mut text = format!("     {:width$} | really happened\n", "expected");
    for row in rows {
        let line = format!("{:<4} {:width$} | {}", row.mark, row.expected, row.real);
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if let Some(message) = culprit.and_then(|index| world.trace()[index].message()) {
        text.push_str("the message in question:\n");
        for line in String::from_utf8_lossy(message).trim_end().lines() {
            text.push_str(&format!("     {}\n", line.escape_debug()));
        }
    }
    text.push_str(&format!("seed {}\n", world.seed()));
    text
}

struct Row {
    mark: &'static str,
    expected: String,
    real: String,
}

fn rows(run: &Run, world: &World, failed: Option<usize>, culprit: Option<usize>) -> Vec<Row> {
    let mut left: Vec<usize> = (run.first_entry..world.trace().len())
        .filter(|index| !run.hidden.contains(index) && is_shown(&world.trace()[*index]))
        .collect();
    let indent = run.lines.iter().flat_map(|line| &line.source).map(|s| indent_of(s)).min().unwrap_or(0);
    let real = |index: usize| real_line(run, world, index);
    let mut rows = Vec::new();
    for (number, line) in run.lines.iter().enumerate() {
        let matched = run.matched.iter().find(|(_, line)| *line == number).map(|(entry, _)| *entry);
        let mark = if failed == Some(number) { ">>>" } else { "" };
        // What happened before the match and that no line has taken stands on rows of its own.
        let before = left.iter().copied().filter(|&index| {
            let taken = Some(index) == culprit || run.matched.iter().any(|(entry, _)| *entry == index);
            matched.is_some_and(|m| index < m) && !taken
        });
        for index in before.collect::<Vec<_>>() {
            rows.push(unwanted(real(index)));
            left.retain(|other| *other != index);
        }
        let here = matched.or_else(|| culprit.filter(|_| failed == Some(number)));
        left.retain(|other| Some(*other) != here);
        for (part, source) in line.source.iter().enumerate() {
            let real = if part == 0 { here.map(real).unwrap_or_default() } else { String::new() };
            rows.push(Row {
                mark: if part == 0 { mark } else { "" },
                expected: source[indent..].to_owned(),
                real,
            });
        }
    }
    let rest = left.into_iter().filter(|index| !run.matched.iter().any(|(entry, _)| entry == index));
    rows.extend(rest.map(|index| unwanted(real(index))));
    rows
}

fn unwanted(real: String) -> Row {
    Row { mark: "+", expected: String::new(), real }
}

fn is_shown(entry: &Entry) -> bool {
    entry.event != Event::Opened
}

/// In the words of a ladder, with the names on the sides where the ladder has them.
fn real_line(run: &Run, world: &World, index: usize) -> String {
    let entry = &world.trace()[index];
    let from = world.name(entry.from);
    let to = entry.to.map_or_else(|| entry.wire.1.to_string(), |node| world.name(node).to_owned());
    let (lost, note) = match entry.fate {
        Fate::Lost(why) => ("x", format!("  ({})", why.word())),
        Fate::Travelling => ("", "  (on its way)".to_owned()),
        Fate::Arrived { .. } => ("", String::new()),
    };
    let ends = if is_written_leftwards(run, from, &to) {
        format!("{to} <-{lost} {from}")
    } else {
        format!("{from} {lost}-> {to}")
    };
    let at_ms = entry.sent_ms.saturating_sub(run.origin_ms);
    format!("{:>4}.{:03} {ends:<22} {}{note}", at_ms / 1000, at_ms % 1000, entry.label())
}

/// Which of the two the ladder has on the left, wherever it first names both.
fn is_written_leftwards(run: &Run, from: &str, to: &str) -> bool {
    run.lines.iter().find_map(|line| match &line.kind {
        Kind::Step(step) if step.from == from && step.to == to => Some(step.leftwards),
        Kind::Step(step) if step.from == to && step.to == from => Some(!step.leftwards),
        _ => None,
    }) == Some(true)
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
