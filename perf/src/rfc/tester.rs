//! A device and what is known about it already: no load is searched twice.

use std::collections::BTreeMap;

use anyhow::Result;

use super::device::{self, Device};
use super::finding::{Purpose, Trial};
use super::pattern::Pattern;
use super::throughput::{self, Settings, Throughput};
use crate::generate::{Attention, FrameSize, Outcome, Pace, Plan, Until};

/// What carries out the tests over one candidate.
pub(crate) struct Tester {
    device: Box<dyn Device>,
    pub(crate) settings: Settings,
    found: BTreeMap<(Pattern, FrameSize), Throughput>,
    trials: Vec<Trial>,
}

impl std::fmt::Debug for Tester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tester")
            .field("settings", &self.settings)
            .field("found", &self.found.keys())
            .finish_non_exhaustive()
    }
}

impl Tester {
    pub(crate) const fn new(device: Box<dyn Device>, settings: Settings) -> Self {
        Self {
            device,
            settings,
            found: BTreeMap::new(),
            trials: Vec::new(),
        }
    }

    pub(crate) fn device(&mut self) -> &mut dyn Device {
        &mut *self.device
    }

    /// The throughput of a pattern, searched the first time that it is asked for.
    pub(crate) fn throughput(&mut self, pattern: Pattern, size: FrameSize) -> Result<Throughput> {
        if let Some(found) = self.found.get(&(pattern, size)) {
            return Ok(found.clone());
        }
        let found = throughput::search(&mut *self.device, pattern, size, &self.settings)?;
        self.trials.extend(found.trials.iter().map(|summary| Trial {
            purpose: Purpose::Search,
            summary: *summary,
        }));
        self.found.insert((pattern, size), found.clone());
        Ok(found)
    }

    /// A trial of a pattern, for the usual time.
    pub(crate) fn trial(
        &mut self,
        pattern: Pattern,
        size: FrameSize,
        load: Pace,
        attention: Attention,
    ) -> Result<Outcome> {
        let until = Until::Elapsed(self.settings.time);
        let plan = throughput::plan_of(&*self.device, pattern, size, load, until, attention);
        self.run(&plan)
    }

    /// A trial, with learning frames before it.
    pub(crate) fn run(&mut self, plan: &Plan) -> Result<Outcome> {
        let outcome = device::trial(&mut *self.device, plan)?;
        self.note(Purpose::Measurement, &outcome);
        Ok(outcome)
    }

    /// A plan carried out as it is.
    pub(crate) fn run_alone(&mut self, purpose: Purpose, plan: &Plan) -> Result<Outcome> {
        let outcome = self.device.run(plan)?;
        self.note(purpose, &outcome);
        Ok(outcome)
    }

    fn note(&mut self, purpose: Purpose, outcome: &Outcome) {
        let summary = outcome.summary();
        self.trials.push(Trial { purpose, summary });
    }

    /// The trials since the last call.
    pub(crate) fn take_trials(&mut self) -> Vec<Trial> {
        std::mem::take(&mut self.trials)
    }
}
