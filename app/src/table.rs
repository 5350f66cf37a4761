//! Rows below each other. In a terminal they are no wider than it: what is too long is cut with `…`. In a pipe or a file there
//! is no width, and whoever searches there wants the whole.

use std::io::{self, IsTerminal, Write};

/// Columns of a terminal that everybody can open.
const WIDTH_MAX: usize = 100;

/// What stands between two columns.
const GAP: &str = "  ";

/// A column: its title, and how narrow it may become when the line is too long.
pub struct Column {
    /// The first line.
    pub title: &'static str,
    /// In characters.
    pub width_min: usize,
}

/// Writes the titles and the rows to `out`, which is standard output.
pub fn write<const N: usize>(
    out: &mut impl Write,
    columns: &[Column; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let width_max = if io::stdout().is_terminal() { WIDTH_MAX } else { usize::MAX };
    write_within(width_max, out, columns, rows)
}

fn write_within<const N: usize>(
    width_max: usize,
    out: &mut impl Write,
    columns: &[Column; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let widths = widths(width_max, columns, rows);
    let titles = columns.each_ref().map(|column| column.title.to_owned());
    for row in std::iter::once(&titles).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{:<width$}", cut(cell, width)));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join(GAP).trim_end())?;
    }
    Ok(())
}

/// What each column needs; where that is too much together, the widest one gives way until it fits.
fn widths<const N: usize>(width_max: usize, columns: &[Column; N], rows: &[[String; N]]) -> [usize; N] {
    let mut widths: [usize; N] = std::array::from_fn(|index| {
        let cells = rows.iter().map(|row| row[index].chars().count());
        cells.chain([columns[index].title.len()]).max().unwrap_or(0)
    });
    let room = width_max - GAP.len() * N.saturating_sub(1);
    while widths.iter().sum::<usize>() > room {
        let wide = (0..N).filter(|index| widths[*index] > columns[*index].width_min);
        let Some(widest) = wide.max_by_key(|index| widths[*index] - columns[*index].width_min) else { break };
        widths[widest] -= 1;
    }
    widths
}

fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    let mut kept: String = cell.chars().take(width.saturating_sub(1)).collect();
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 2] =
        [Column { title: "WHO", width_min: 10 }, Column { title: "WHERE", width_min: 40 }];

    fn lines(width_max: usize, rows: &[[&str; 2]]) -> Vec<String> {
        let rows: Vec<[String; 2]> = rows.iter().map(|row| row.map(str::to_owned)).collect();
        let mut out = Vec::new();
        write_within(width_max, &mut out, &COLUMNS, &rows).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn columns_stand_below_each_other() {
        assert_eq!(
            lines(WIDTH_MAX, &[["alice", "here"], ["bo", "there"]]),
            ["WHO    WHERE", "alice  here", "bo     there"]
        );
    }

    #[test]
    fn a_long_line_is_cut_and_no_column_vanishes() {
        let (who, place) = ("w".repeat(300), "p".repeat(300));
        let lines = lines(WIDTH_MAX, &[[&who, &place], ["short", &place]]);
        assert!(lines.iter().all(|line| line.chars().count() <= WIDTH_MAX), "{lines:?}");
        assert!(lines[1].matches('…').count() == 2, "{}", lines[1]);
        assert!(lines[2].starts_with("short "), "{}", lines[2]);
    }

    #[test]
    fn nothing_is_cut_where_there_is_no_terminal() {
        let (who, place) = ("w".repeat(300), "p".repeat(300));
        let lines = lines(usize::MAX, &[[&who, &place], ["short", &place]]);
        assert_eq!(lines[1], format!("{who}  {place}"));
        assert!(lines[2].ends_with(&format!("  {place}")), "{}", lines[2]);
    }
}
