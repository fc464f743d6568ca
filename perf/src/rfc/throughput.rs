//! Throughput (RFC 1242 3.17, RFC 2544 26.1): the highest load of which the switch loses nothing.
//!
//! First the maximum offered load, as fast as the generator can. It gives the forwarding rate at maximum offered load
//! (RFC 2285 3.6.2) and, where nothing is lost, is itself the throughput: the switch could do more, the
//! generator could not. Else a binary search below it.
//!
//! A machine that generates frames, switches and counts them with the same few cores is late from time to
//! time, and then loses frames at loads that it can bear on average. A tolerance above zero finds the load
//! that is borne apart from that (the "partial drop rate" of those who test software switches).

use std::time::Duration;

use anyhow::Result;

use super::device::{Device, trial};
use super::pattern::{self, Pattern};
use crate::generate::{Attention, FrameSize, Outcome, Pace, Plan, Summary, Until, whole};
use crate::search::Bisection;

/// A load that was intended counts as offered from this share on.
pub(crate) const OFFERED: f64 = 0.95;

/// How trials are made and judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    /// How long a trial sends.
    pub(crate) time: Duration,
    /// Share of the frames that may be lost, 0 to 1.
    pub(crate) tolerance: f64,
    /// Share of the maximum offered load to which throughput is found.
    pub(crate) resolution: f64,
    /// Times that a measurement is repeated where the RFC wants an average.
    pub(crate) repeats: u32,
}

/// What a trial says about its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing was lost, or no more than is tolerated.
    Borne,
    /// Too much was lost.
    Lost,
    /// Nothing was lost, but the machine could not generate the load.
    NotOffered,
}

impl Settings {
    pub(crate) fn judge(&self, outcome: &Outcome) -> Verdict {
        let short = |intended| outcome.offered_load() < intended * OFFERED;
        if outcome.loss() > self.tolerance {
            Verdict::Lost
        } else if outcome.intended.is_some_and(short) {
            Verdict::NotOffered
        } else {
            Verdict::Borne
        }
    }
}

/// What a search for throughput found.
#[derive(Clone, Debug)]
pub(crate) struct Throughput {
    /// The trial at maximum offered load.
    pub(crate) maximum: Outcome,
    /// The trial with the highest offered load of which nothing was lost; nothing when every one lost something.
    pub(crate) best: Option<Outcome>,
    /// Whether it is the generator that could not do more.
    pub(crate) is_bound_by_generator: bool,
    /// The highest forwarding rate of all trials (RFC 2285 3.6.3), in frames a second.
    pub(crate) highest_rate: f64,
    pub(crate) trials: Vec<Summary>,
}

impl Throughput {
    /// In frames a second, all ports together.
    pub(crate) fn frames_per_second(&self) -> f64 {
        self.best.as_ref().map_or(0.0, Outcome::offered_load)
    }
}

/// The plan for a pattern at a load.
pub(crate) fn plan_of(
    device: &dyn Device,
    pattern: Pattern,
    size: FrameSize,
    load: Pace,
    until: Until,
    attention: Attention,
) -> Plan {
    let offering = pattern::offering(device.macs(), pattern);
    pattern::plan(size, &offering, device.macs().len(), load, until, attention)
}

/// Searches the throughput of a pattern.
pub(crate) fn search(
    device: &mut dyn Device,
    pattern: Pattern,
    size: FrameSize,
    settings: &Settings,
) -> Result<Throughput> {
    let mut at = |load| {
        let until = Until::Elapsed(settings.time);
        let plan = plan_of(device, pattern, size, load, until, Attention::Lazy);
        trial(device, &plan)
    };
    let maximum = at(Pace::Maximum)?;
    let borne = settings.judge(&maximum) == Verdict::Borne;
    let mut found = Throughput {
        highest_rate: maximum.forwarding_rate(),
        best: borne.then(|| maximum.clone()),
        is_bound_by_generator: borne,
        trials: vec![maximum.summary()],
        maximum,
    };
    if borne {
        return Ok(found);
    }
    let most = found.maximum.offered_load();
    let mut bisection = Bisection::below(whole(most), whole(most * settings.resolution));
    while let Some(rate) = bisection.next() {
        #[expect(clippy::cast_precision_loss, reason = "a rate below 2^53")]
        let outcome = at(Pace::Rate(rate as f64))?;
        found.trials.push(outcome.summary());
        found.highest_rate = found.highest_rate.max(outcome.forwarding_rate());
        let verdict = settings.judge(&outcome);
        bisection.note(rate, verdict == Verdict::Borne);
        if verdict != Verdict::Lost && outcome.offered_load() > found.frames_per_second() {
            found.best = Some(outcome);
            found.is_bound_by_generator = verdict == Verdict::NotOffered;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Simulated;
    use super::*;

    fn found(device: Simulated) -> Throughput {
        let mut tester = device.tester();
        tester
            .throughput(Pattern::Pair, FrameSize::SMALLEST)
            .unwrap()
    }

    #[test]
    fn the_throughput_is_what_the_switch_can_do_and_no_more() {
        let found = found(Simulated {
            buffer: 0.0,
            ..Simulated::default()
        });
        let rate = found.frames_per_second();
        assert!((49_000.0..=50_000.0).contains(&rate), "{rate}");
        assert!(!found.is_bound_by_generator);
        assert!((found.maximum.loss() - 0.5).abs() < 1e-9);
        assert!((found.maximum.forwarding_rate() - 50_000.0).abs() < 1.0);
        assert!((found.highest_rate - 50_000.0).abs() < 1.0);
        assert!(found.trials.len() <= 8, "{} trials", found.trials.len());
    }

    #[test]
    fn a_generator_that_is_slower_than_the_switch_gives_a_lower_bound_in_one_trial() {
        let found = found(Simulated {
            capacity: 2e6,
            ..Simulated::default()
        });
        assert!((found.frames_per_second() - 100_000.0).abs() < 1.0);
        assert!(found.is_bound_by_generator);
        assert_eq!(found.trials.len(), 1);
    }

    #[test]
    fn where_every_load_loses_there_is_no_throughput() {
        let found = found(Simulated {
            capacity: 0.0,
            buffer: 20.0,
            ..Simulated::default()
        });
        assert!(found.best.is_none());
        assert_eq!(found.frames_per_second(), 0.0);
    }

    #[test]
    fn a_throughput_is_searched_once() {
        let mut tester = Simulated::default().tester();
        let one = tester
            .throughput(Pattern::Pair, FrameSize::SMALLEST)
            .unwrap();
        assert_eq!(tester.take_trials().len(), one.trials.len());
        tester
            .throughput(Pattern::Pair, FrameSize::SMALLEST)
            .unwrap();
        assert!(tester.take_trials().is_empty());
    }

    #[test]
    fn verdicts_follow_loss_then_load() {
        let settings = |tolerance| Settings {
            time: Duration::from_secs(1),
            tolerance,
            resolution: 0.1,
            repeats: 1,
        };
        let mut outcome = found(Simulated::default()).maximum;
        assert_eq!(settings(0.0).judge(&outcome), Verdict::Lost);
        assert_eq!(settings(0.5).judge(&outcome), Verdict::Borne);
        outcome.intended = Some(200_000.0);
        assert_eq!(settings(0.5).judge(&outcome), Verdict::NotOffered);
        outcome.intended = Some(101_000.0);
        assert_eq!(settings(0.5).judge(&outcome), Verdict::Borne);
    }
}
