//! Figures, their medians and spread, and the ratio to the first candidate, round by round.

use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::Result;
use serde::Serialize;

use crate::candidate::Candidate;
use crate::load::{Load, Scenario};

/// All figures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    machine: Machine,
    scenario: Scenario,
    names: Vec<&'static str>,
    /// By load (its place in [`Load::ALL`]) and candidate: a figure a round.
    figures: BTreeMap<(usize, &'static str), Vec<f64>>,
}

#[derive(Debug, Serialize)]
struct Machine {
    kernel: String,
    processor: String,
    cores: usize,
    seconds: u64,
    command: String,
}

#[derive(Debug, Serialize)]
struct Row {
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

impl Report {
    pub(crate) fn new(scenario: Scenario, candidates: &[Candidate], seconds: u64) -> Result<Self> {
        let cpu = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = cpu
            .lines()
            .find_map(|line| line.strip_prefix("model name"))
            .unwrap_or_default();
        Ok(Self {
            scenario,
            machine: Machine {
                kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease")?
                    .trim()
                    .to_owned(),
                processor: model.trim_start_matches([' ', '\t', ':']).to_owned(),
                cores: std::thread::available_parallelism()?.get(),
                seconds,
                command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
            },
            names: candidates.iter().map(Candidate::name).collect(),
            figures: BTreeMap::new(),
        })
    }

    /// Shows on a terminal what is being measured.
    pub(crate) fn progress(&self, round: usize, rounds: usize, load: Load, name: &str) {
        let mut err = std::io::stderr();
        if err.is_terminal() {
            // Progress that cannot be shown is no reason to stop.
            drop(write!(
                err,
                "\r\x1b[Kround {}/{rounds}: {load}, {name}",
                round + 1
            ));
        }
    }

    pub(crate) fn add(&mut self, load: Load, name: &'static str, figure: f64) {
        let place = Load::ALL
            .iter()
            .position(|one| *one == load)
            .unwrap_or_default();
        self.figures.entry((place, name)).or_default().push(figure);
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (place, load) in Load::ALL.into_iter().enumerate() {
            let Some(base) = self.figures.get(&(place, self.names[0])) else {
                continue;
            };
            for name in &self.names {
                let Some(figures) = self.figures.get(&(place, *name)) else {
                    continue;
                };
                let ratios: Vec<f64> = figures
                    .iter()
                    .zip(base)
                    .map(|(one, base)| one / base)
                    .collect();
                rows.push(Row {
                    load: load.to_string(),
                    unit: load.unit(),
                    candidate: name,
                    median: median(figures),
                    min: figures.iter().copied().fold(f64::INFINITY, f64::min),
                    max: figures.iter().copied().fold(0.0, f64::max),
                    ratio: median(&ratios),
                    goal: (*name != self.names[0])
                        .then(|| load.goal(self.scenario))
                        .flatten(),
                    time: load.is_time(),
                    figures: figures.clone(),
                });
            }
        }
        rows
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
        for row in self.rows() {
            let spread = format!("{:.2}..{:.2}", row.min, row.max);
            write!(
                out,
                "{:24} {:14} {:>10.2} {:>22} {:13} {:>6.2}",
                row.load, row.candidate, row.median, spread, row.unit, row.ratio
            )?;
            match row.goal {
                Some(goal) if row.time => writeln!(
                    out,
                    "  at most {goal}: {}",
                    if row.ratio <= goal { "met" } else { "missed" }
                )?,
                Some(goal) => writeln!(
                    out,
                    "  at least {goal}: {}",
                    if row.ratio >= goal { "met" } else { "missed" }
                )?,
                None => writeln!(out)?,
            }
        }
        Ok(())
    }

    /// Writes everything as JSON.
    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        let json = serde_json::json!({ "machine": self.machine, "rows": self.rows() });
        std::fs::write(path, serde_json::to_string_pretty(&json)? + "\n")?;
        Ok(())
    }
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
