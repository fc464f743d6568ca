//! Lists: tables, IDs alone, or what a template makes of each line.
//!
//! In a template a line's fields are text, as with Docker; a list says them once, with their headers, and whether the
//! table that is shown without a template has them.

use crate::{
    args::list::List,
    print::{Print, line},
    table::{aligned, printable},
    template::Format,
};
use anyhow::anyhow;
use serde::Serialize;
use std::collections::BTreeMap;

/// A field of the lines of a list.
#[derive(Debug)]
pub(crate) struct Column<T> {
    /// Its name in templates.
    pub(crate) field: &'static str,
    /// Its header.
    pub(crate) header: &'static str,
    /// Whether it is in the table without a template.
    pub(crate) shown: bool,
    /// Its text; the flag is whether IDs are shown whole.
    pub(crate) text: fn(&T, bool) -> String,
}

/// Prints a list as it was asked for.
pub(crate) fn show<T: Serialize>(
    print: Print,
    wish: &List,
    columns: &[Column<T>],
    objects: &[T],
) -> anyhow::Result<()> {
    if print.json {
        if wish.format.is_some() || wish.quiet {
            return Err(anyhow!(
                "--json is a format already: leave out --format and --quiet"
            ));
        }
        return print.show(objects, |_| String::new());
    }
    line(&text(wish, columns, objects)?)
}

fn text<T>(wish: &List, columns: &[Column<T>], objects: &[T]) -> anyhow::Result<String> {
    let cell = |column: &Column<T>, object: &T| printable(&(column.text)(object, wish.no_trunc));
    let fields = |object: &T| -> BTreeMap<&str, String> {
        (columns.iter())
            .map(|column| (column.field, cell(column, object)))
            .collect()
    };
    let format = match wish.format.as_deref() {
        _ if wish.quiet => "{{.ID}}",
        None | Some("" | "table") => {
            let shown = || columns.iter().filter(|column| column.shown);
            let header = shown().map(|column| column.header.to_owned()).collect();
            let mut rows: Vec<Vec<String>> = vec![header];
            rows.extend((objects.iter()).map(|object| shown().map(|c| cell(c, object)).collect()));
            return Ok(aligned(&rows));
        }
        Some("json") => "{{json .}}",
        Some(format) => format,
    };
    let Some(format) = format.strip_prefix("table ") else {
        let format = checked(format, columns)?;
        let lines: Result<Vec<_>, _> = objects.iter().map(|o| format.apply(&fields(o))).collect();
        return Ok(lines?.join("\n"));
    };
    let format = checked(format.trim_start(), columns)?;
    let header: BTreeMap<&str, &str> = columns.iter().map(|c| (c.field, c.header)).collect();
    let mut lines = vec![format.apply(&header)?];
    for object in objects {
        lines.push(format.apply(&fields(object))?);
    }
    let rows: Vec<Vec<String>> = (lines.iter())
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect();
    Ok(aligned(&rows))
}

/// A template whose fields are there, be the list empty.
fn checked<T>(format: &str, columns: &[Column<T>]) -> anyhow::Result<Format> {
    let format = Format::parse(format)?;
    let header: BTreeMap<&str, &str> = columns.iter().map(|c| (c.field, c.header)).collect();
    format.apply(&header).map(|_| format)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column<(&str, &str)>] = &[
        Column {
            field: "ID",
            header: "NETWORK ID",
            shown: true,
            text: |(id, _), whole| id.chars().take(if whole { 64 } else { 2 }).collect(),
        },
        Column {
            field: "Name",
            header: "NAME",
            shown: true,
            text: |(_, name), _| (*name).to_owned(),
        },
        Column {
            field: "Internal",
            header: "INTERNAL",
            shown: false,
            text: |_, _| "false".to_owned(),
        },
    ];

    fn shown(format: Option<&str>, quiet: bool, no_trunc: bool) -> String {
        let wish = List {
            quiet,
            no_trunc,
            format: format.map(str::to_owned),
        };
        text(&wish, COLUMNS, &[("0123", "lan"), ("4567", "a\x1bb")]).expect("well formed")
    }

    #[test]
    fn a_list_is_a_table_ids_or_what_a_template_says() {
        let table = "NETWORK ID   NAME\n01           lan\n45           a?b";
        assert_eq!(shown(None, false, false), table);
        assert_eq!(shown(Some("table"), false, false), table);
        assert_eq!(shown(None, true, false), "01\n45");
        assert_eq!(shown(None, true, true), "0123\n4567");
        assert_eq!(
            shown(Some("{{.Name}}={{.Internal}}"), false, false),
            "lan=false\na?b=false"
        );
        assert_eq!(
            shown(Some("table {{.Name}}\\t{{.ID}}"), false, true),
            "NAME   NETWORK ID\nlan    0123\na?b    4567"
        );
        let json = r#"{"ID":"01","Internal":"false","Name":"lan"}"#;
        assert_eq!(shown(Some("json"), false, false).lines().next(), Some(json));
    }

    #[test]
    fn a_field_that_is_not_there_is_named_even_for_no_lines() {
        let wish = List {
            format: Some("{{.Nam}}".to_owned()),
            ..List::default()
        };
        let error = text(&wish, COLUMNS, &[])
            .expect_err("no such field")
            .to_string();
        assert!(
            error.contains("Nam") && error.contains("ID, Internal, Name"),
            "{error}"
        );
    }
}
