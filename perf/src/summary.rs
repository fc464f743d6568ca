//! Figures, their medians and spread, and the ratio to the first candidate, round by round.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use serde::Serialize;

use crate::candidate::Candidate;
use crate::load::Load;
use crate::scenario::{Path, Scenario};

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    scenario: Scenario,
    names: Vec<&'static str>,
    /// By path, load (its place in [`Load::ALL`]) and candidate: a figure a round.
    figures: BTreeMap<(Path, usize, &'static str), Vec<f64>>,
}

#[derive(Debug, Default, Serialize)]
struct Machine {
    kernel: String,
    processor: String,
    cores: usize,
    seconds: u64,
    command: String,
}

#[derive(Debug, Serialize)]
struct Row {
    path: String,
    load: String,
    unit: &'static str,
    candidate: &'static str,
    median: f64,
    min: f64,
    max: f64,
    /// Median of the ratios to the first candidate within each round.
    ratio: f64,
    goal: Option<f64>,
    /// Whether smaller is better.
    time: bool,
    figures: Vec<f64>,
}

impl Machine {
    fn this(seconds: u64) -> Result<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or_default();
        Ok(Self {
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            seconds,
            command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        })
    }
}

impl Report {
    pub(crate) fn new(scenario: Scenario, names: Vec<&'static str>, seconds: u64) -> Result<Self> {
        let machine = Machine::this(seconds)?;
        Ok(Self {
            machine,
            scenario,
            names,
            figures: BTreeMap::new(),
        })
    }

    /// Shows on a terminal what is being measured.
    pub(crate) fn progress(&self, round: &str, what: &str) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            // Progress that cannot be shown is no reason to stop.
            drop(write!(err, "\r\x1b[Kround {round}: {what}"));
        }
    }

    pub(crate) fn add(&mut self, path: Path, load: Load, name: &'static str, figure: f64) {
        let key = (path, place_of(load), name);
        self.figures.entry(key).or_default().push(figure);
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for path in self.scenario.paths() {
            for load in Load::ALL {
                let of = |name| self.figures.get(&(*path, place_of(load), name));
                let Some(base) = of(self.names[0]) else {
                    continue;
                };
                for name in &self.names {
                    if let Some(figures) = of(name) {
                        rows.push(self.row(*path, load, name, figures, base));
                    }
                }
            }
        }
        rows
    }

    fn row(
        &self,
        path: Path,
        load: Load,
        candidate: &'static str,
        figures: &[f64],
        base: &[f64],
    ) -> Row {
        let ratios: Vec<f64> = (figures.iter().zip(base))
            .map(|(one, base)| one / base)
            .collect();
        let goal = load.goal(self.scenario);
        Row {
            path: path.to_string(),
            load: load.to_string(),
            unit: load.unit(),
            candidate,
            median: median(figures),
            min: figures.iter().copied().fold(f64::INFINITY, f64::min),
            max: figures.iter().copied().fold(0.0, f64::max),
            ratio: median(&ratios),
            goal: goal.filter(|_| candidate == Candidate::OWN),
            time: load.is_time(),
            figures: figures.to_vec(),
        }
    }

    /// Prints the table.
    pub(crate) fn print(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        if std::io::stderr().is_terminal() {
            write!(std::io::stderr(), "\r\x1b[K")?;
        }
        let Machine {
            kernel,
            processor,
            cores,
            seconds,
            command,
        } = &self.machine;
        writeln!(
            out,
            "{cores} cores of {processor}, Linux {kernel}, {seconds} s each"
        )?;
        writeln!(out, "vswitch-perf {command}\n")?;
        writeln!(
            out,
            "{:24} {:14} {:>10} {:>22} {:13} {:>6}  GOAL",
            "LOAD", "SWITCH", "MEDIAN", "MIN..MAX", "", "RATIO"
        )?;
        let rows = self.rows();
        let mut last = rows.first().map(|row| &row.path);
        if self.scenario.paths().len() > 1 {
            last = None;
        }
        for row in &rows {
            if last.is_none_or(|last| *last != row.path) {
                writeln!(out, "-- {}", row.path)?;
                last = Some(&row.path);
            }
            writeln!(out, "{row}")?;
        }
        Ok(())
    }

    /// Writes everything as JSON.
    pub(crate) fn write_json(&self, path: &std::path::Path) -> Result<()> {
        let json = serde_json::json!({ "machine": self.machine, "rows": self.rows() });
        std::fs::write(path, serde_json::to_string_pretty(&json)? + "\n")?;
        Ok(())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spread = format!("{:.2}..{:.2}", self.min, self.max);
        write!(
            f,
            "{:24} {:14} {:>10.2} {:>22} {:13} {:>6.2}",
            self.load, self.candidate, self.median, spread, self.unit, self.ratio
        )?;
        let Some(goal) = self.goal else {
            return Ok(());
        };
        let (bound, met) = if self.time {
            ("at most", self.ratio <= goal)
        } else {
            ("at least", self.ratio >= goal)
        };
        write!(
            f,
            "  {bound} {goal}: {}",
            if met { "met" } else { "MISSED" }
        )
    }
}

/// Place of a load in the report.
fn place_of(load: Load) -> usize {
    let mut all = Load::ALL.iter();
    all.position(|one| *one == load).unwrap_or_default()
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Congestion;

    const CUBIC: Load = Load::Tcp {
        flows: 1,
        congestion: Congestion::Cubic,
    };

    fn report(figures: &[(Load, &'static str, f64)]) -> Vec<Row> {
        let mut report = Report {
            machine: Machine::default(),
            scenario: Scenario::Bridge,
            names: vec!["kernel", Candidate::OWN, "loop"],
            figures: BTreeMap::new(),
        };
        for (load, name, figure) in figures {
            report.add(Path::BetweenHosts, *load, name, *figure);
        }
        report.rows()
    }

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_ones() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_and_not_that_of_the_medians() {
        let rounds = [(10.0, 9.0), (20.0, 10.0), (30.0, 24.0)];
        let figures: Vec<_> = rounds
            .iter()
            .flat_map(|(kernel, own)| [(CUBIC, "kernel", *kernel), (CUBIC, Candidate::OWN, *own)])
            .collect();
        let rows = report(&figures);
        assert_eq!(rows.len(), 2);
        assert!((rows[1].ratio - 0.8).abs() < 1e-9, "{}", rows[1].ratio);
        assert!((rows[1].median - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_goal_is_for_this_switch_alone_and_a_missed_one_is_said_loudly() {
        let rows = report(&[
            (CUBIC, "kernel", 10.0),
            (CUBIC, Candidate::OWN, 8.9),
            (CUBIC, "loop", 8.0),
        ]);
        let lines: Vec<_> = rows.iter().map(ToString::to_string).collect();
        assert!(lines[1].ends_with("at least 0.9: MISSED"), "{}", lines[1]);
        for other in [&lines[0], &lines[2]] {
            assert!(!other.contains("at least"), "{other}");
        }
        let rows = report(&[(CUBIC, "kernel", 10.0), (CUBIC, Candidate::OWN, 9.0)]);
        assert!(rows[1].to_string().ends_with(": met"), "{}", rows[1]);
    }

    #[test]
    fn a_time_has_to_be_short() {
        for (time, end) in [(41.0, ": MISSED"), (40.0, ": met")] {
            let trip = Load::RoundTrip;
            let rows = report(&[(trip, "kernel", 10.0), (trip, Candidate::OWN, time)]);
            assert!(rows[1].to_string().ends_with(end), "{}", rows[1]);
        }
    }

    #[test]
    fn a_load_that_the_first_candidate_has_not_run_has_no_ratio_and_no_row() {
        assert!(report(&[(CUBIC, Candidate::OWN, 1.0)]).is_empty());
    }
}
