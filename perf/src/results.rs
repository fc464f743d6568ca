//! `vswitch-perf results`: a document of measured results, kept up to date by the program and commented by people.
//!
//! Reports of runs (`--json`) and the timings of the benches go in; out come Markdown sections with tables and
//! pictures. With `--into` they are put into a document: each section has marks around it, what is between the marks
//! is the program's, and everything else (why something is slow, what was tried) stays as it was written.
//!
//! - [`document`]: the marks.
//! - [`comparison`], [`series`] and [`micro`]: the kinds of sections; [`markdown`]: the tables in them.
//! - [`criterion`]: reading what the benches left behind.
//!
//! All but the reading and writing of files is pure.

mod comparison;
mod criterion;
mod document;
mod markdown;
mod micro;
mod series;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use serde_json::Value;

use crate::report::Report;
use series::Series;

/// What of the results is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Reports (JSON), directories with some, or criterion's directory (`target/criterion`)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Put the sections into this document, and the pictures into `plots` beside it [default: print]
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

/// A part of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    /// The name in its marks, the same from run to run.
    name: String,
    /// What is between them.
    markdown: String,
    /// Pictures that it shows.
    plots: Vec<Plot>,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Plot {
    /// Name of the file.
    file: String,
    /// What it shows, for those who do not see it.
    what: String,
    /// The picture.
    svg: String,
}

/// Names of this switch, however it is set up, begin so.
const OWN: &str = "vswitch";

/// The directory of pictures, beside the document.
const PLOTS: &str = "plots";

impl Plot {
    /// The paragraph that shows it.
    fn shown(&self) -> String {
        format!("![{}]({PLOTS}/{})\n\n", self.what, self.file)
    }
}

/// How to run a command of this program again, as a block of Markdown.
fn reproduce(command: &str) -> String {
    // Wherever the program was, here it is where cargo puts it.
    let mut words = command.split(' ');
    let own = |word: &str| Path::new(word).file_name() == Some("vswitch-perf".as_ref());
    let arguments = match words.next() {
        Some(first) if own(first) => words.collect::<Vec<_>>().join(" "),
        Some(_) | None => command.to_owned(),
    };
    format!(
        "```sh\ncargo build --release --workspace\ntarget/release/vswitch-perf {arguments}\n```\n"
    )
}

/// The programs of a run, by what they say of themselves, or a bare number behind their name.
fn programs(versions: &BTreeMap<String, String>) -> String {
    let each = versions.iter().map(|(name, version)| {
        if version.contains(' ') {
            version.clone()
        } else {
            format!("{name} {version}")
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Reads, and prints or writes.
///
/// # Errors
/// When something is no report, two are of the same, or files cannot be read or written.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut sections: Vec<Section> = Vec::new();
    for path in &args.paths {
        for section in read(path)? {
            ensure!(
                sections.iter().all(|other| other.name != section.name),
                "{} has results of {:?}, as another one of those given has: give one of them",
                path.display(),
                section.name
            );
            sections.push(section);
        }
    }
    match &args.into {
        Some(document) => write(document, &sections),
        None => {
            for section in &sections {
                print!("{}", section.markdown);
            }
            Ok(())
        }
    }
}

/// The sections of what is at `path`.
fn read(path: &Path) -> Result<Vec<Section>> {
    if !path.is_dir() {
        return Ok(vec![read_report(path)?]);
    }
    if criterion::is_here(path) {
        let (origin, timings) = criterion::read(path)?;
        return Ok(vec![micro::section(&origin, &timings)]);
    }
    let mut reports: Vec<_> = fs::read_dir(path)
        .and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path()));
            paths.collect::<std::io::Result<_>>()
        })
        .with_context(|| format!("cannot read {}", path.display()))?;
    reports.retain(|path: &PathBuf| path.extension().is_some_and(|end| end == "json"));
    reports.sort();
    if reports.is_empty() {
        bail!(
            "{} has neither reports (*.json) nor criterion's results: make some with `vswitch-perf compare --json` or \
             `cargo bench -p vswitch-perf`",
            path.display()
        );
    }
    reports.iter().map(|path| read_report(path)).collect()
}

fn read_report(path: &Path) -> Result<Section> {
    let text =
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let none = || {
        format!(
            "{} is no report of `vswitch-perf` (compare, rfc2544, rfc2889) as --json writes it",
            path.display()
        )
    };
    let json: Value = serde_json::from_str(&text).with_context(none)?;
    if json.get("standard").is_some() {
        let series: Series = serde_json::from_value(json).with_context(none)?;
        return Ok(series::section(&series));
    }
    let report: Report = serde_json::from_value(json).with_context(none)?;
    Ok(comparison::section(&report))
}

fn write(path: &Path, sections: &[Section]) -> Result<()> {
    let mut document = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Results\n".to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    for section in sections {
        document = document::put(&document, &section.name, &section.markdown)
            .with_context(|| path.display().to_string())?;
    }
    let plots = path.parent().unwrap_or_else(|| Path::new(".")).join(PLOTS);
    fs::create_dir_all(&plots).with_context(|| format!("cannot make {}", plots.display()))?;
    for plot in sections.iter().flat_map(|section| &section.plots) {
        let path = plots.join(&plot.file);
        fs::write(&path, &plot.svg).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // Last: a document never shows a picture that could not be written.
    fs::write(path, document).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_repeated_from_where_cargo_puts_the_program() {
        for command in [
            "./there/vswitch-perf compare bridge",
            "vswitch-perf compare bridge",
            "compare bridge",
        ] {
            let said = reproduce(command);
            assert!(
                said.contains("\ntarget/release/vswitch-perf compare bridge\n"),
                "{said}"
            );
        }
    }

    #[test]
    fn programs_are_called_once() {
        let versions = [("iperf3", "iperf 3.12"), ("vswitch", "0.1.0")];
        let versions = versions.map(|(name, version)| (name.to_owned(), version.to_owned()));
        assert_eq!(programs(&versions.into()), "iperf 3.12, vswitch 0.1.0");
    }

    fn section(markdown: &str) -> Section {
        Section {
            name: "bridge".to_owned(),
            markdown: markdown.to_owned(),
            plots: vec![Plot {
                file: "bridge.svg".to_owned(),
                what: "a bridge".to_owned(),
                svg: "<svg/>".to_owned(),
            }],
        }
    }

    #[test]
    fn a_document_is_made_and_later_changed_only_between_the_marks() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("RESULTS.md");
        write(&path, &[section("one\n")]).unwrap();
        let mut text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("one\n"), "{text}");
        text += "\nwritten by hand\n";
        fs::write(&path, text).unwrap();
        write(&path, &[section("two\n")]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("two\n") && !text.contains("one\n"), "{text}");
        assert!(text.ends_with("\nwritten by hand\n"), "{text}");
        let plot = fs::read_to_string(directory.path().join("plots/bridge.svg"));
        assert_eq!(plot.unwrap(), "<svg/>");
    }

    #[test]
    fn what_is_no_report_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let none = read(directory.path()).unwrap_err();
        assert!(none.to_string().contains("neither reports"), "{none}");
        let path = directory.path().join("other.json");
        for text in ["", "{\"machine\": 1}", "{\"standard\": 1}"] {
            fs::write(&path, text).unwrap();
            let other = read(directory.path()).unwrap_err().to_string();
            assert!(other.contains("other.json is no report"), "{other}");
        }
    }
}
