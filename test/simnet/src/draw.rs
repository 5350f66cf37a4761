//! A trace as a picture: one column per node, one line per message, time downwards.

use crate::trace::{Entry, Event, Fate};

/// Narrowest and widest distance of two columns; longer labels are cut.
const GAP_CHARS: (usize, usize) = (18, 38);
/// Width of the time in the left margin.
const MARGIN_CHARS: usize = 11;

/// Draws `entries`. `name` gives the name of a node by its index; only nodes that took part get a column.
pub(crate) fn ladder(entries: &[Entry], names: &[&str]) -> String {
    let shown: Vec<usize> = (0..names.len()).filter(|&node| took_part(entries, node)).collect();
    let canvas = Canvas::new(entries, &shown);
    let mut text = canvas.header(names);
    for entry in entries {
        text.push_str(&canvas.line(entry));
    }
    text
}

fn took_part(entries: &[Entry], node: usize) -> bool {
    entries.iter().any(|e| e.from.index() == node || e.to.is_some_and(|to| to.index() == node))
}

struct Canvas<'a> {
    shown: &'a [usize],
    gap: usize,
}

impl<'a> Canvas<'a> {
    fn new(entries: &[Entry], shown: &'a [usize]) -> Self {
        let arrows = entries.iter().filter(|e| e.to.is_some_and(|to| to != e.from));
        let longest = arrows.map(|e| label(e).chars().count()).max().unwrap_or(0);
        Self { shown, gap: (longest + 9).clamp(GAP_CHARS.0, GAP_CHARS.1) }
    }

    fn column(&self, node: usize) -> usize {
        let place = self.shown.iter().position(|&n| n == node).unwrap_or(self.shown.len());
        MARGIN_CHARS + 4 + place * self.gap
    }

    fn header(&self, names: &[&str]) -> String {
        let mut line = format!("{:>MARGIN_CHARS$}", "seconds");
        for &node in self.shown {
            // The name is centred above its bar.
            let start = self.column(node).saturating_sub(names[node].chars().count() / 2);
            while line.chars().count() < start {
                line.push(' ');
            }
            line.push_str(names[node]);
        }
        line + "\n"
    }

    fn line(&self, entry: &Entry) -> String {
        let end = self.column(self.shown.last().copied().unwrap_or(0)) + 1;
        let mut row: Vec<char> = vec![' '; end];
        for &node in self.shown {
            row[self.column(node)] = '|';
        }
        let from = self.column(entry.from.index());
        let to = entry.to.map_or(from, |node| self.column(node.index()));
        let mut notes = margin_notes(entry);
        if from == to {
            notes.insert(0, label(entry));
        } else {
            draw_arrow(&mut row, from, to, entry);
        }
        let row: String = row.into_iter().skip(MARGIN_CHARS).collect();
        let seconds = format!("{}.{:03}", entry.sent_ms / 1000, entry.sent_ms % 1000);
        format!("{seconds:>MARGIN_CHARS$}{row}  {}", notes.join(", ")).trim_end().to_owned() + "\n"
    }
}

fn draw_arrow(row: &mut [char], from: usize, to: usize, entry: &Entry) {
    let (left, right) = (from.min(to) + 1, from.max(to) - 1);
    row[left..=right].fill('-');
    let lost = matches!(entry.fate, Fate::Lost(_));
    let (head, sign) = if to > from { (right, '>') } else { (left, '<') };
    row[head] = if lost { 'x' } else { sign };
    let room = (right - left).saturating_sub(5);
    let text = format!(" {} ", shortened(&label(entry), room));
    let start = left + (right - left + 1 - text.chars().count()) / 2;
    for (place, letter) in row[start..].iter_mut().zip(text.chars()) {
        *place = letter;
    }
}

fn label(entry: &Entry) -> String {
    let mut label = entry.label();
    if entry.transport != offhook_sip::Transport::Udp {
        label = format!("{label} /{}", entry.transport.name());
    }
    label
}

fn shortened(label: &str, room: usize) -> String {
    if label.chars().count() <= room {
        return label.to_owned();
    }
    label.chars().take(room.saturating_sub(2)).chain("..".chars()).collect()
}

fn margin_notes(entry: &Entry) -> Vec<String> {
    let mut notes = Vec::new();
    if entry.to.is_none() {
        notes.push(format!("to {}", entry.wire.1));
    }
    match entry.fate {
        Fate::Lost(why) => notes.push(why.word().to_owned()),
        Fate::Travelling if matches!(entry.event, Event::Message(_)) => notes.push("on its way".to_owned()),
        Fate::Arrived { at_ms, .. } if at_ms > entry.sent_ms => {
            notes.push(format!("+{} ms", at_ms - entry.sent_ms));
        }
        Fate::Travelling | Fate::Arrived { .. } => {}
    }
    notes
}
