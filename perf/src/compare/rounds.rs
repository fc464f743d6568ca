//! The run itself: MTUs, rounds, paths, loads, and the candidates in turning order.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};

use super::facts;
use super::figures::{Figures, Key};
use super::plan::Plan;
use super::progress::Progress;
use super::stage::{Entrant, Stage, one_line};
use crate::candidate::Programs;
use crate::cpu::Sample;
use crate::interrupt;
use crate::load::{Bout, Keep, Measured};
use crate::report::{Failure, Metric, Report};
use crate::scenario::Path;

/// What is found out on the way.
#[derive(Debug)]
struct Run<'a> {
    plan: &'a Plan,
    figures: Figures,
    report: Report,
    progress: Progress,
}

/// One measurement of a run.
#[derive(Clone, Copy, Debug)]
struct Slot {
    mtu: u32,
    round: usize,
    path: Path,
    /// Place in the plan's loads.
    load: usize,
}

/// Carries a plan out. The report has all that was measured also where the run ended before its time, for the reason
/// that the second part gives.
pub(super) fn run(plan: &Plan, programs: &Programs) -> Result<(Report, Result<()>)> {
    let mut run = Run {
        plan,
        figures: Figures::new(plan.rounds),
        report: Report {
            machine: facts::machine(programs, &plan.candidates)?,
            command: std::env::args().collect::<Vec<_>>().join(" "),
            comparison: plan.scenario.name().to_owned(),
            baseline: None,
            rounds: plan.rounds,
            seconds: plan.time.as_secs(),
            absent: plan.misfits.clone(),
            failures: Vec::new(),
            rows: Vec::new(),
        },
        progress: Progress::new(plan),
    };
    let outcome = plan
        .mtus
        .iter()
        .try_for_each(|mtu| run.part(programs, *mtu));
    run.progress.finish();
    run.report.rows = run.figures.rows(plan);
    Ok((run.report, outcome))
}

impl Run<'_> {
    /// All rounds with one MTU.
    fn part(&mut self, programs: &Programs, mtu: u32) -> Result<()> {
        self.progress.building(mtu);
        let mut stage = Stage::build(self.plan, programs, mtu)?;
        self.report.absent.append(&mut stage.absent);
        self.report.machine.offload.append(&mut stage.offload);
        let mut entrants = stage.entrants;
        if let Some(baseline) = self.plan.baseline()
            && entrants.iter().any(|one| one.kind == *baseline)
        {
            self.report.baseline = Some(baseline.to_string());
        }
        self.progress.expect(entrants.len());
        let mut given_up = BTreeSet::new();
        for round in 0..self.plan.rounds {
            for path in self.plan.scenario.paths() {
                for load in 0..self.plan.loads.len() {
                    let slot = Slot {
                        mtu,
                        round,
                        path: *path,
                        load,
                    };
                    self.turns(slot, &mut entrants, &mut given_up)?;
                }
            }
        }
        Ok(())
    }

    /// A load on every candidate, a turn each. Who has failed with it is not tried again.
    fn turns(
        &mut self,
        slot: Slot,
        entrants: &mut [Entrant],
        given_up: &mut BTreeSet<(Path, usize, String)>,
    ) -> Result<()> {
        let count = entrants.len();
        for turn in 0..count {
            let entrant = &mut entrants[(slot.round + turn) % count];
            let name = entrant.kind.to_string();
            let load = self.plan.loads[slot.load];
            let what = format!("{load}, {}, {name}", slot.path);
            self.progress.measuring(slot.round, &what);
            let key = (slot.path, slot.load, name);
            if !given_up.contains(&key) {
                match self.measure(slot, entrant) {
                    Ok(Some(measured)) => self.take(slot, &entrant.kind.to_string(), &measured),
                    Ok(None) => {}
                    Err(error) => {
                        interrupt::check()?;
                        self.fail(slot, &entrant.kind.to_string(), &error);
                        given_up.insert(key);
                    }
                }
            }
            self.progress.step();
        }
        Ok(())
    }

    /// The figures of one candidate in its turn; nothing when it has no such path.
    fn measure(&self, slot: Slot, entrant: &mut Entrant) -> Result<Option<Vec<(Metric, f64)>>> {
        let candidate = &mut entrant.candidate;
        if candidate.ends(slot.path).is_none() {
            return Ok(None);
        }
        if let Err(error) = candidate.take_turn() {
            // What has been half done is undone as far as it goes, and why it failed is what counts.
            drop(candidate.give_way());
            return Err(error.context("its turn"));
        }
        let keep = self.keep(slot, &entrant.kind.to_string());
        let measured = candidate.ends(slot.path).map(|ends| {
            let before = Sample::take(&candidate.tasks())?;
            let bout = Bout {
                ends,
                time: self.plan.time,
                keep: &keep,
            };
            let measured = self.plan.loads[slot.load].run(bout)?;
            let used = before.until(Sample::take(&candidate.tasks())?);
            Ok::<_, anyhow::Error>(priced(measured, used))
        });
        // Also after a failure: the next one has the machine to itself. What went wrong first is the error.
        let left = candidate.give_way().context("the end of its turn");
        let measured = measured.transpose()?;
        left.map(|()| measured)
    }

    /// Where raw results of a measurement go.
    fn keep(&self, slot: Slot, name: &str) -> Keep {
        let load = self.plan.loads[slot.load];
        let stem = format!(
            "{}-mtu{}-{}-{load}-{name}-round{}",
            self.plan.scenario.name(),
            slot.mtu,
            slot.path,
            slot.round + 1
        );
        let stem = stem.replace([' ', ':', '=', '/'], "_");
        let directory = self.plan.out.clone();
        Keep {
            file: directory.map(|directory| (directory, stem)),
        }
    }

    fn take(&mut self, slot: Slot, name: &str, figures: &[(Metric, f64)]) {
        let mut all = self.plan.candidates.iter();
        let Some(candidate) = all.position(|kind| kind.to_string() == name) else {
            return;
        };
        for (metric, figure) in figures {
            let key = Key {
                mtu: slot.mtu,
                path: slot.path,
                load: slot.load,
                metric: *metric,
                candidate,
            };
            self.figures.add(key, slot.round, *figure);
        }
    }

    fn fail(&mut self, slot: Slot, name: &str, error: &anyhow::Error) {
        let failure = Failure {
            path: slot.path.to_string(),
            mtu: slot.mtu,
            load: self.plan.loads[slot.load].to_string(),
            candidate: name.to_owned(),
            round: slot.round + 1,
            why: one_line(error),
        };
        self.progress.warn(&failure);
        self.report.failures.push(failure);
    }
}

/// The figures, and the price of the work in processor time.
fn priced(measured: Measured, used: Sample) -> Vec<(Metric, f64)> {
    let Measured { mut figures, work } = measured;
    let switch = used.switch.and_then(|seconds| work.price(seconds));
    figures.extend(switch.map(|price| (Metric::CpuSwitch, price)));
    figures.extend(
        work.price(used.machine)
            .map(|price| (Metric::CpuMachine, price)),
    );
    figures
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Work;

    #[test]
    fn the_kernels_own_has_the_machines_time_only() {
        let measured = Measured {
            figures: vec![(Metric::Throughput, 10.0)],
            work: Work::Gigabits(10.0),
        };
        let used = Sample {
            switch: None,
            machine: 2.0,
        };
        let figures = priced(measured.clone(), used);
        assert_eq!(
            figures,
            [(Metric::Throughput, 10.0), (Metric::CpuMachine, 200.0)]
        );
        let used = Sample {
            switch: Some(1.0),
            machine: 2.0,
        };
        assert!(priced(measured, used).contains(&(Metric::CpuSwitch, 100.0)));
    }
}
