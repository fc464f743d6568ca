//! What is shown on a terminal while it runs: a bar, the time that is left, what is being measured. Nothing where
//! standard error is no terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::plan::Plan;
use crate::report::Failure;

/// How often the elapsed time is drawn.
const TICK: Duration = Duration::from_secs(1);

/// A bar over all measurements of a run.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    rounds: usize,
    /// Measurements for each candidate and MTU.
    each: u64,
    /// MTUs that are still to come.
    parts: u64,
}

impl Progress {
    pub(super) fn new(plan: &Plan) -> Self {
        let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
        let each = number(plan.rounds * plan.loads.len() * plan.scenario.paths().len());
        let parts = number(plan.mtus.len());
        let bar = if std::io::stderr().is_terminal() {
            ProgressBar::new(each * parts * number(plan.candidates.len()))
        } else {
            ProgressBar::hidden()
        };
        let template = "{bar:24} {pos}/{len} {elapsed}, {eta} left: {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self {
            bar,
            rounds: plan.rounds,
            each,
            parts,
        }
    }

    /// Candidates are being built.
    pub(super) fn building(&self, mtu: u32) {
        self.bar.set_message(format!("starting, MTU {mtu}"));
    }

    /// So many candidates take part from now on: in this part, and as far as one knows in those to come.
    pub(super) fn expect(&mut self, candidates: usize) {
        let candidates = u64::try_from(candidates).unwrap_or(u64::MAX);
        let left = self
            .parts
            .saturating_mul(self.each)
            .saturating_mul(candidates);
        self.bar
            .set_length(self.bar.position().saturating_add(left));
        self.parts = self.parts.saturating_sub(1);
    }

    /// A measurement begins.
    pub(super) fn measuring(&self, round: usize, what: &str) {
        let message = format!("round {}/{}: {what}", round + 1, self.rounds);
        self.bar.set_message(message);
    }

    /// A measurement is over.
    pub(super) fn step(&self) {
        self.bar.inc(1);
    }

    /// A measurement has failed: said at once, since the run goes on.
    pub(super) fn warn(&self, failure: &Failure) {
        let Failure {
            path,
            load,
            candidate,
            why,
            ..
        } = failure;
        let line = format!("{candidate}, {load}, {path}: {why}");
        self.bar.suspend(|| eprintln!("vswitch-perf: {line}"));
    }

    /// Takes the bar away.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
