//! Tables of Markdown.

/// A table that grows by rows.
#[derive(Clone, Debug)]
pub(super) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

/// Which side the cells of a column lean to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Align {
    Left,
    Right,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self {
            columns: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Adds a column on the right.
    pub(super) fn column(mut self, name: &str, align: Align) -> Self {
        self.columns.push((cell(name), align));
        self
    }

    /// Adds a row at the bottom; columns that it has no cell for stay empty.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<_> = cells.into_iter().map(|text| cell(&text)).collect();
        row.resize(self.columns.len(), String::new());
        self.rows.push(row);
    }

    /// The table as text.
    pub(super) fn render(&self) -> String {
        let names = self.columns.iter().map(|(name, _)| name.as_str());
        let rules = self.columns.iter().map(|(_, align)| match align {
            Align::Left => "---",
            Align::Right => "---:",
        });
        let mut text = line(names) + &line(rules);
        for row in &self.rows {
            text += &line(row.iter().map(String::as_str));
        }
        text
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<_> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

/// What would end the cell or the row does not.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// Words for a place in a file's name.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for letter in text.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_head_its_rule_and_its_rows() {
        let mut table = (Table::new().column("load", Align::Left)).column("a|b", Align::Right);
        table.row(["one\ntwo".to_owned(), "3".to_owned()]);
        table.row(["short".to_owned()]);
        let expected = "| load | a\\|b |\n| --- | ---: |\n| one two | 3 |\n| short |  |\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn a_slug_is_fit_for_a_file() {
        assert_eq!(slug("host to host"), "host-to-host");
        assert_eq!(slug("../Child -> LAN (µs)"), "child-lan-s");
        assert_eq!(slug("--"), "");
    }
}
