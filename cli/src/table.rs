//! Tables for people: a header in upper case, columns aligned on the left, three spaces between
//! them, as `docker ... ls` prints them. Nothing is cut: a line may be longer than the terminal.

use std::fmt;

/// Between two columns.
const GAP: usize = 3;

/// A table of `N` columns.
#[derive(Debug)]
pub(crate) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with this header and no rows.
    pub(crate) fn new(header: [&str; N]) -> Self {
        Self {
            rows: vec![header.map(str::to_owned)],
        }
    }

    /// Adds a row. Control characters become `?`, so that a name cannot repaint the terminal.
    pub(crate) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| printable(&cell)));
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&aligned(&self.rows))
    }
}

/// Rows of cells, a line each, with the columns aligned.
pub(crate) fn aligned(rows: &[impl AsRef<[String]>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        let row = row.as_ref();
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String]| {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            line.push_str(cell);
            let padding = width - cell.chars().count() + GAP;
            line.extend(std::iter::repeat_n(' ', padding));
        }
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = rows.iter().map(|row| line(row.as_ref())).collect();
    lines.join("\n")
}

/// `text` without anything that a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ID", "NAME", "X"]);
        table.row(["1".into(), "a".into(), "y".into()]);
        table.row(["1000".into(), String::new(), String::new()]);
        assert_eq!(table.to_string(), "ID     NAME   X\n1      a      y\n1000");
    }

    #[test]
    fn a_header_alone_is_a_table() {
        assert_eq!(
            Table::new(["NETWORK ID", "NAME"]).to_string(),
            "NETWORK ID   NAME"
        );
    }

    #[test]
    fn width_counts_characters_and_control_characters_are_defused() {
        let mut table = Table::new(["A", "B"]);
        table.row(["é\u{1b}[2J".into(), "b".into()]);
        assert_eq!(table.to_string(), "A       B\né?[2J   b");
    }
}
