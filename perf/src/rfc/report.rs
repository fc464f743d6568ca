//! A series as a person reads it (Markdown tables, which are also plain text), as a spreadsheet does (CSV), and whole
//! (JSON, with every trial).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::finding::{Figure, Finding, Measure};
use super::series::{Failure, Results, Test};
use super::throughput::Settings;
use crate::candidate::{Kind, Programs};
use crate::compare::facts;
use crate::report::{Absence, Machine};

/// All of a series.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    standard: &'static str,
    #[serde(skip)]
    explanations: Vec<(&'static str, &'static str)>,
    conditions: Conditions,
    findings: Vec<Finding>,
    /// Tests that failed.
    failures: Vec<Failure>,
    /// Candidates that could not be had.
    absent: Vec<Absence>,
}

/// How it was measured.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Conditions {
    pub(crate) machine: String,
    /// When the run began, in UTC.
    pub(crate) date: String,
    /// Programs and their versions.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) ports: usize,
    pub(crate) seconds_of_a_trial: f64,
    pub(crate) tolerated_loss_percent: f64,
    pub(crate) resolution_percent: f64,
    pub(crate) repetitions: u32,
    pub(crate) command: String,
}

impl Conditions {
    pub(crate) fn new(
        settings: &Settings,
        ports: u8,
        programs: &Programs,
        candidates: &[Kind],
    ) -> Result<Self> {
        let Machine {
            date,
            kernel,
            processor,
            cores,
            versions,
            ..
        } = facts::machine(programs, candidates)?;
        Ok(Self {
            machine: format!("{processor}, {cores} cores, Linux {kernel}"),
            date,
            versions,
            ports: ports.into(),
            seconds_of_a_trial: settings.time.as_secs_f64(),
            tolerated_loss_percent: settings.tolerance * 100.0,
            resolution_percent: settings.resolution * 100.0,
            repetitions: settings.repeats,
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        })
    }
}

impl Report {
    pub(crate) fn new<T: Test>(
        tests: &[T],
        conditions: Conditions,
        results: Results,
        absent: Vec<Absence>,
    ) -> Self {
        let explain = |test: &T| (test.title(), test.explanation());
        Self {
            standard: T::STANDARD,
            explanations: tests.iter().map(explain).collect(),
            conditions,
            findings: results.findings,
            failures: results.failures,
            absent,
        }
    }

    /// The name of its files, without ending.
    fn stem(&self) -> String {
        self.standard.to_lowercase().replace(' ', "")
    }

    /// The tables.
    pub(crate) fn markdown(&self) -> String {
        let Conditions {
            machine,
            ports,
            seconds_of_a_trial: seconds,
            tolerated_loss_percent: tolerance,
            resolution_percent: resolution,
            repetitions,
            command,
            date,
            versions: _,
        } = &self.conditions;
        let mut text = format!(
            "# {}\n\n{machine}; {date}\n\n`vswitch-perf {command}`\n\n\
             {ports} ports. Trials of {seconds} s, {tolerance} % of the frames may be lost, rates to \
             {resolution} % of the maximum, {repetitions} repetitions of bursts. Frame sizes in bytes, with \
             frame check sequence. `>=`: the generator, or the test, could go no further.\n",
            self.standard
        );
        for Absence { name, why, .. } in &self.absent {
            text.push_str(&format!("\n{name} is left out: {why}\n"));
        }
        for failure in &self.failures {
            let Failure {
                candidate,
                test,
                frame_size,
                why,
            } = failure;
            text.push_str(&format!(
                "\n{test}, {frame_size} bytes, {candidate} failed: {why}\n"
            ));
        }
        for (title, explanation) in &self.explanations {
            let of_test: Vec<_> = self
                .findings
                .iter()
                .filter(|one| one.test == *title)
                .collect();
            if !of_test.is_empty() {
                text.push_str(&format!("\n## {title}\n\n{explanation}\n\n"));
                text.push_str(&table(&of_test));
            }
        }
        text
    }

    /// One line a figure.
    pub(crate) fn csv(&self) -> String {
        let mut text = "test,frame_size,candidate,measure,unit,value,bound\n".to_owned();
        for finding in &self.findings {
            for Measure { name, unit, figure } in &finding.measures {
                let (value, bound) = match figure {
                    Figure::Exactly(value) => (value.to_string(), ""),
                    Figure::AtLeast(value) => (value.to_string(), "at least"),
                    Figure::Answer(answer) => (u8::from(*answer).to_string(), ""),
                    Figure::Unmeasured(_) => (String::new(), "unmeasured"),
                };
                let Finding {
                    test,
                    frame_size,
                    candidate,
                    ..
                } = finding;
                let row = format!(
                    "\"{test}\",{frame_size},\"{candidate}\",\"{name}\",{unit},{value},{bound}\n"
                );
                text.push_str(&row);
            }
        }
        text
    }

    /// Writes JSON to a file, and all three forms into a directory, which is made.
    pub(crate) fn write(&self, json: Option<&Path>, out: Option<&Path>) -> Result<()> {
        if let Some(path) = json {
            write_file(path, &self.json()?)?;
        }
        if let Some(directory) = out {
            std::fs::create_dir_all(directory)
                .with_context(|| format!("cannot make the directory {}", directory.display()))?;
            let path = |ending| directory.join(self.stem()).with_extension(ending);
            write_file(&path("json"), &self.json()?)?;
            write_file(&path("csv"), &self.csv())?;
            write_file(&path("md"), &self.markdown())?;
        }
        Ok(())
    }

    fn json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Figures of one test: a row for each size and measure, a column for each candidate.
fn table(findings: &[&Finding]) -> String {
    let mut names: Vec<&str> = Vec::new();
    let mut rows: Vec<(String, &Measure)> = Vec::new();
    for finding in findings {
        if !names.contains(&finding.candidate.as_str()) {
            names.push(&finding.candidate);
        }
        for measure in &finding.measures {
            let size = finding.frame_size.to_string();
            let same =
                |(other, one): &(String, &Measure)| *other == size && one.name == measure.name;
            if !rows.iter().any(same) {
                rows.push((size, measure));
            }
        }
    }
    let mut cells = vec![vec![
        "bytes".to_owned(),
        "measure".to_owned(),
        "unit".to_owned(),
    ]];
    cells[0].extend(names.iter().map(|name| (*name).to_owned()));
    let mut reasons: Vec<&str> = Vec::new();
    for (size, row) in &rows {
        let mut line = vec![size.clone(), row.name.clone(), row.unit.to_string()];
        for name in &names {
            let of =
                |one: &&&Finding| one.candidate == *name && one.frame_size.to_string() == *size;
            let measure = (findings.iter().find(of))
                .and_then(|one| one.measures.iter().find(|one| one.name == row.name));
            line.push(measure.map_or_else(String::new, |one| one.figure.to_string()));
            if let Some(Figure::Unmeasured(reason)) = measure.map(|one| one.figure)
                && !reasons.contains(&reason)
            {
                reasons.push(reason);
            }
        }
        cells.push(line);
    }
    let mut text = aligned(&cells);
    for reason in reasons {
        text.push_str(&format!("\n`-`: {reason}\n"));
    }
    text
}

/// A Markdown table; the first row is its head. Text to the left, figures to the right.
fn aligned(cells: &[Vec<String>]) -> String {
    const TEXT: [usize; 2] = [1, 2];
    let columns = cells.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let lengths = cells.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or(0).max(3)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (place, row) in cells.iter().enumerate() {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let cell = if TEXT.contains(&column) {
                format!("| {cell:<width$} ")
            } else {
                format!("| {cell:>width$} ")
            };
            text.push_str(&cell);
        }
        text.push_str("|\n");
        if place == 0 {
            for (column, width) in widths.iter().enumerate() {
                let line = "-".repeat(width + 1);
                let end = if TEXT.contains(&column) { '-' } else { ':' };
                text.push_str(&format!("|{line}{end}"));
            }
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::finding::Unit;
    use super::super::rfc2544::{Kind, Rfc2544};
    use super::*;
    use crate::generate::FrameSize;

    fn report() -> Report {
        let test = Rfc2544 {
            kind: Kind::Throughput,
            both_ways: false,
        };
        let finding = |candidate: &str, figure| Finding {
            candidate: candidate.to_owned(),
            test: test.title(),
            frame_size: FrameSize::SMALLEST,
            measures: vec![
                Measure::new("throughput", Unit::FramesPerSecond, figure),
                Measure::new("other", Unit::Percent, Figure::Unmeasured("no reason")),
            ],
            trials: Vec::new(),
        };
        let findings = vec![
            finding("kernel bridge", Figure::AtLeast(512_345.0)),
            finding("vswitch", Figure::Exactly(98_765.4)),
        ];
        let conditions = Conditions {
            machine: "a machine".to_owned(),
            date: "2026-11-30T12:00:00Z".to_owned(),
            versions: BTreeMap::new(),
            ports: 2,
            seconds_of_a_trial: 2.0,
            tolerated_loss_percent: 0.0,
            resolution_percent: 1.0,
            repetitions: 5,
            command: "rfc2544".to_owned(),
        };
        let results = Results {
            findings,
            failures: Vec::new(),
        };
        let absent = vec![Absence {
            name: "vde".to_owned(),
            mtu: None,
            why: "not here".to_owned(),
        }];
        Report::new(&[test], conditions, results, absent)
    }

    #[test]
    fn tables_have_a_column_for_each_candidate() {
        let text = report().markdown();
        assert!(text.starts_with("# RFC 2544\n\na machine; 2026-11-30T12:00:00Z\n"));
        let table = "\
| bytes | measure    | unit     | kernel bridge | vswitch |
|------:|------------|----------|--------------:|--------:|
|    64 | throughput | frames/s |    >= 512 345 |  98 765 |
|    64 | other      | %        |             - |       - |

`-`: no reason
";
        assert!(text.ends_with(table), "{text}");
        assert!(text.contains("\nvde is left out: not here\n"), "{text}");
    }

    #[test]
    fn csv_has_a_line_for_each_figure() {
        let csv = report().csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines.len(), 5);
        let line =
            "\"26.1 Throughput\",64,\"kernel bridge\",\"throughput\",frames/s,512345,at least";
        assert_eq!(lines[1], line);
        assert!(lines[2].ends_with("%,,unmeasured"));
    }

    #[test]
    fn a_directory_gets_all_three_forms() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("new");
        report()
            .write(Some(&out.with_extension("x")), Some(&out))
            .unwrap();
        let json = std::fs::read_to_string(out.join("rfc2544.json")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["standard"], "RFC 2544");
        assert_eq!(json["findings"][1]["measures"][0]["value"], 98_765.4);
        for name in ["rfc2544.csv", "rfc2544.md"] {
            assert!(out.join(name).exists(), "{name}");
        }
        assert!(out.with_extension("x").exists());
        assert!(
            report().write(Some(&out), None).is_err(),
            "a directory is no file"
        );
    }
}
