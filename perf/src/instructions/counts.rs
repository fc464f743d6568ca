//! Counts and what they depend on, as a file; and whether a frame costs more than was agreed.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use vswitch_micro::Build;

use crate::report;

/// What differs, in words; nothing when counts can be compared.
fn differences(agreed: &Build, now: &Build) -> Vec<String> {
    [
        ("compiler", &agreed.compiler, &now.compiler),
        ("target", &agreed.target, &now.target),
        ("features", &agreed.features, &now.features),
        ("optimisation", &agreed.level, &now.level),
        ("processor", &agreed.processor, &now.processor),
    ]
    .into_iter()
    .filter(|(_, agreed, now)| agreed != now)
    .map(|(what, agreed, now)| format!("{what} {agreed} then, {now} now"))
    .collect()
}

/// The counts of one build, as they stand in the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// What they depend on.
    #[serde(flatten)]
    pub(super) build: Build,
    /// Instructions per frame, by case.
    pub(super) per_frame: BTreeMap<String, f64>,
}

impl Record {
    /// # Errors
    /// When there is no such file, or something else in it.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| {
            format!(
                "cannot read the agreed counts in {}: run from the project's directory, name them with --file, or \
                 make them with --record",
                path.display()
            )
        })?;
        serde_json::from_str(&text)
            .with_context(|| format!("{} is no record of counts", path.display()))
    }

    /// Writes the counts to a tenth of an instruction.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut rounded = self.clone();
        for count in rounded.per_frame.values_mut() {
            *count = (*count * 10.0).round() / 10.0;
        }
        report::write(path, &rounded)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:28} {:>16}", "CASE", "INSTRUCTIONS")?;
        for (case, count) in &self.per_frame {
            writeln!(f, "{case:28} {count:>16.1}")?;
        }
        Ok(())
    }
}

/// A case, then and now.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    case: String,
    agreed: Option<f64>,
    now: f64,
}

impl Line {
    /// In per cent of what was agreed.
    fn growth(&self) -> Option<f64> {
        Some((self.now / self.agreed? - 1.0) * 100.0)
    }
}

/// The agreed counts beside those of now.
#[derive(Clone, Debug)]
pub(super) struct Comparison {
    differences: Vec<String>,
    lines: Vec<Line>,
    tolerance: f64,
}

impl Comparison {
    /// `tolerance` is in per cent. A case that is not counted any more is passed over.
    pub(super) fn of(agreed: &Record, now: &Record, tolerance: f64) -> Self {
        let line = |(case, count): (&String, &f64)| Line {
            case: case.clone(),
            agreed: agreed.per_frame.get(case).copied(),
            now: *count,
        };
        Self {
            differences: differences(&agreed.build, &now.build),
            lines: now.per_frame.iter().map(line).collect(),
            tolerance,
        }
    }

    /// What is wrong, in one line; nothing when all is well.
    pub(super) fn complaint(&self) -> Option<String> {
        let wrong: Vec<_> = (self.lines.iter())
            .filter_map(|line| self.wrong(line))
            .collect();
        if wrong.is_empty() {
            return None;
        }
        let excuse = if self.differences.is_empty() {
            String::new()
        } else {
            format!("; that may be due to: {}", self.differences.join("; "))
        };
        Some(format!(
            "instructions per frame: {}; mend it, or agree to it with --record{excuse}",
            wrong.join(", ")
        ))
    }

    fn wrong(&self, line: &Line) -> Option<String> {
        match line.growth() {
            None => Some(format!("{} was never recorded", line.case)),
            Some(growth) if growth > self.tolerance => Some(format!(
                "{} grew by {growth:.1} %, more than {} %",
                line.case, self.tolerance
            )),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for difference in &self.differences {
            writeln!(f, "not as it was recorded: {difference}")?;
        }
        writeln!(
            f,
            "{:28} {:>10} {:>10} {:>9}",
            "CASE", "AGREED", "NOW", "CHANGE"
        )?;
        for line in &self.lines {
            let Line { case, agreed, now } = line;
            let (agreed, change) = match (agreed, line.growth()) {
                (Some(agreed), Some(growth)) => (format!("{agreed:.1}"), format!("{growth:+.1} %")),
                _ => ("-".to_owned(), "-".to_owned()),
            };
            writeln!(f, "{case:28} {agreed:>10} {now:>10.1} {change:>9}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(compiler: &str, counts: &[(&str, f64)]) -> Record {
        let counts = counts
            .iter()
            .map(|(case, count)| ((*case).to_owned(), *count));
        Record {
            build: Build {
                compiler: compiler.to_owned(),
                target: "x86_64".to_owned(),
                features: "sse2".to_owned(),
                level: "3".to_owned(),
                processor: "one".to_owned(),
            },
            per_frame: counts.collect(),
        }
    }

    fn compare(agreed: &Record, now: &Record) -> Comparison {
        Comparison::of(agreed, now, 2.0)
    }

    #[test]
    fn a_little_more_and_any_less_is_no_complaint() {
        let agreed = record("1.95", &[("a", 100.0), ("b", 50.0), ("gone", 1.0)]);
        let now = record("1.95", &[("a", 101.9), ("b", 10.0)]);
        let comparison = compare(&agreed, &now);
        assert_eq!(comparison.complaint(), None);
        let text = comparison.to_string();
        assert!(
            text.contains("+1.9 %") && text.contains("-80.0 %"),
            "{text}"
        );
        assert!(!text.contains("not as it was"), "{text}");
    }

    #[test]
    fn what_grew_is_named_in_one_line() {
        let agreed = record("1.95", &[("a", 100.0), ("b", 50.0)]);
        let now = record("1.95", &[("a", 113.0), ("b", 50.0), ("new", 1.0)]);
        let complaint = compare(&agreed, &now).complaint().unwrap();
        assert!(
            complaint.contains("a grew by 13.0 %, more than 2 %"),
            "{complaint}"
        );
        assert!(complaint.contains("new was never recorded"), "{complaint}");
        assert!(!complaint.contains("b grew") && complaint.lines().count() == 1);
    }

    #[test]
    fn another_compiler_is_said_whether_or_not_anything_grew() {
        let agreed = record("1.95", &[("a", 100.0)]);
        let same = compare(&agreed, &record("1.96", &[("a", 100.0)]));
        assert!(same.to_string().contains("compiler 1.95 then, 1.96 now"));
        assert_eq!(same.complaint(), None);
        let grown = compare(&agreed, &record("1.96", &[("a", 200.0)]));
        let complaint = grown.complaint().unwrap();
        assert!(complaint.contains("due to: compiler 1.95"), "{complaint}");
    }

    #[test]
    fn what_is_written_is_read_again_to_a_tenth() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("counts.json");
        record("1.95", &[("a", 100.26), ("b", 7.0)])
            .write(&path)
            .unwrap();
        assert_eq!(
            Record::read(&path).unwrap(),
            record("1.95", &[("a", 100.3), ("b", 7.0)])
        );
        let missing = Record::read(&directory.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("--record"), "{missing}");
    }
}
