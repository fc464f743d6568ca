//! The tests of RFC 2544 section 26 that a switch has: throughput, latency, frame loss rate, back-to-back
//! frames, from the first port to the second one (or both ways, section 14).
//!
//! What differs from the RFC, because there is no wire:
//!
//! - The maximum load is what the generator can offer, not the rate of a medium (20).
//! - A trial is short by default; the RFC wants 60 s (24), and waits 5 s after each.
//! - Latency (26.2) is that of every frame of the trial instead of one marked frame in each of 20, and is reported
//!   with its spread; at the throughput, as the RFC wants, where queues are about to fill, and at a tenth of it.

use anyhow::Result;
use clap::ValueEnum;

use super::finding::{Figure, Measure, Unit};
use super::pattern::Pattern;
use super::series::Test;
use super::tester::Tester;
use super::throughput::{self, Verdict};
use crate::generate::{Attention, FrameSize, Pace, Until, whole};
use crate::search;

/// The loads of the frame loss test, in percent of the maximum offered load: steps of 10 % (26.3).
const LOADS: [u8; 10] = [100, 90, 80, 70, 60, 50, 40, 30, 20, 10];

/// Frames to which the length of a burst is found.
const BURST_RESOLUTION: u64 = 16;

/// A test, with the ports that it is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rfc2544 {
    pub(crate) kind: Kind,
    /// From the second port to the first as well.
    pub(crate) both_ways: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Highest load without loss (26.1)
    Throughput,
    /// Latency at the throughput (26.2)
    Latency,
    /// Frame loss rate at loads of 100 %, 90 %, ... of the maximum (26.3)
    FrameLoss,
    /// Longest burst at the maximum rate without loss (26.4)
    BackToBack,
}

impl Test for Rfc2544 {
    const STANDARD: &'static str = "RFC 2544";

    fn title(self) -> &'static str {
        match self.kind {
            Kind::Throughput => "26.1 Throughput",
            Kind::Latency => "26.2 Latency",
            Kind::FrameLoss => "26.3 Frame loss rate",
            Kind::BackToBack => "26.4 Back-to-back frames",
        }
    }

    fn explanation(self) -> &'static str {
        match self.kind {
            Kind::Throughput => {
                "The highest offered load of which no more was lost than is tolerated, and what \
                 passed at the maximum offered load."
            }
            Kind::Latency => {
                "From before a frame is sent to after it is read, by CLOCK_MONOTONIC, for every frame of a trial."
            }
            Kind::FrameLoss => {
                "Frames lost of those offered, at loads in percent of the maximum offered load."
            }
            Kind::BackToBack => {
                "The longest burst at the maximum rate of which no more was lost than is tolerated."
            }
        }
    }

    fn ports(self) -> usize {
        2
    }

    fn sizes(self, chosen: &[FrameSize]) -> Vec<FrameSize> {
        chosen.to_vec()
    }

    fn measure(self, tester: &mut Tester, size: FrameSize) -> Result<Vec<Measure>> {
        let pattern = if self.both_ways {
            Pattern::BothWays
        } else {
            Pattern::Pair
        };
        match self.kind {
            Kind::Throughput => throughput(tester, pattern, size),
            Kind::Latency => latency(tester, pattern, size),
            Kind::FrameLoss => frame_loss(tester, pattern, size),
            Kind::BackToBack => back_to_back(tester, pattern, size),
        }
    }
}

/// Throughput, and what the trial at maximum offered load showed.
pub(super) fn throughput(
    tester: &mut Tester,
    pattern: Pattern,
    size: FrameSize,
) -> Result<Vec<Measure>> {
    let found = tester.throughput(pattern, size)?;
    let (rate, open) = (found.frames_per_second(), found.is_bound_by_generator);
    let maximum = &found.maximum;
    let figure = |value| Figure::bounded(value, open);
    #[expect(clippy::cast_precision_loss, reason = "frames below 2^53")]
    let flooded = maximum.flooded() as f64;
    Ok(vec![
        Measure::new("throughput", Unit::FramesPerSecond, figure(rate)),
        Measure::new(
            "the same in bits",
            Unit::Gigabits,
            figure(size.gigabits(rate)),
        ),
        Measure::exactly(
            "maximum offered load",
            Unit::FramesPerSecond,
            maximum.offered_load(),
        ),
        Measure::exactly(
            "forwarding rate at it",
            Unit::FramesPerSecond,
            maximum.forwarding_rate(),
        ),
        Measure::exactly("frames lost at it", Unit::Percent, maximum.loss() * 100.0),
        Measure::exactly("frames flooded at it", Unit::Frames, flooded),
        Measure::exactly(
            "maximum forwarding rate",
            Unit::FramesPerSecond,
            found.highest_rate,
        ),
    ])
}

/// Latencies at the throughput and at a tenth of it.
pub(super) fn latency(
    tester: &mut Tester,
    pattern: Pattern,
    size: FrameSize,
) -> Result<Vec<Measure>> {
    let rate = tester.throughput(pattern, size)?.frames_per_second();
    let mut measures = Vec::new();
    for (share, when) in [(1.0, "at the throughput"), (0.1, "at 10 % of it")] {
        let load = Pace::Rate((rate * share).max(1.0));
        let latency = if rate > 0.0 {
            tester
                .trial(pattern, size, load, Attention::Prompt)?
                .latency
        } else {
            None
        };
        measures.extend(Measure::latencies(when, latency));
    }
    Ok(measures)
}

fn frame_loss(tester: &mut Tester, pattern: Pattern, size: FrameSize) -> Result<Vec<Measure>> {
    let maximum = tester.throughput(pattern, size)?.maximum;
    let mut measures = Vec::new();
    let mut clean = 0;
    for percent in LOADS {
        let name = format!("lost at {percent} % load");
        if clean == 2 {
            let figure = Figure::Unmeasured("two higher loads in a row lost nothing");
            measures.push(Measure::new(name, Unit::Percent, figure));
            continue;
        }
        let loss = if percent == 100 {
            maximum.loss()
        } else {
            let load = Pace::Rate(maximum.offered_load() * f64::from(percent) / 100.0);
            (tester.trial(pattern, size, load, Attention::Lazy)?).loss()
        };
        clean = if loss > 0.0 { 0 } else { clean + 1 };
        measures.push(Measure::exactly(name, Unit::Percent, loss * 100.0));
    }
    Ok(measures)
}

/// Every repetition is a search of its own; the RFC averages over 50.
fn back_to_back(tester: &mut Tester, pattern: Pattern, size: FrameSize) -> Result<Vec<Measure>> {
    let maximum = tester.throughput(pattern, size)?.maximum;
    let settings = tester.settings;
    // As many as the maximum offered load has in a trial: "at least 2 seconds".
    let longest = whole(maximum.offered_load() * settings.time.as_secs_f64()).max(1);
    let mut bursts = Vec::new();
    let mut open = false;
    for _ in 0..settings.repeats.max(1) {
        let (burst, whole) = search::highest(longest, BURST_RESOLUTION, |frames| {
            let until = Until::Sent(frames);
            let (load, attention) = (Pace::Maximum, Attention::Lazy);
            let device = tester.device();
            let plan = throughput::plan_of(device, pattern, size, load, until, attention);
            let outcome = tester.run(&plan)?;
            anyhow::Ok(settings.judge(&outcome) != Verdict::Lost)
        })?;
        open |= whole;
        #[expect(clippy::cast_precision_loss, reason = "frames below 2^53")]
        bursts.push(burst as f64);
    }
    #[expect(clippy::cast_precision_loss, reason = "a few repetitions")]
    let mean = bursts.iter().sum::<f64>() / bursts.len() as f64;
    let least = bursts.iter().copied().fold(f64::INFINITY, f64::min);
    let most = bursts.iter().copied().fold(0.0, f64::max);
    let milliseconds = mean / maximum.offered_load().max(1.0) * 1e3;
    Ok(vec![
        Measure::new("burst, mean", Unit::Frames, Figure::bounded(mean, open)),
        Measure::exactly("burst, shortest", Unit::Frames, least),
        Measure::new("burst, longest", Unit::Frames, Figure::bounded(most, open)),
        Measure::new(
            "time of the mean burst",
            Unit::Milliseconds,
            Figure::bounded(milliseconds, open),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Simulated;
    use super::*;

    fn measures(device: Simulated, kind: Kind) -> Vec<Measure> {
        let both_ways = false;
        let mut tester = device.tester();
        (Rfc2544 { kind, both_ways })
            .measure(&mut tester, FrameSize::SMALLEST)
            .unwrap()
    }

    fn number(measure: &Measure) -> f64 {
        match measure.figure {
            Figure::Exactly(value) | Figure::AtLeast(value) => value,
            other => panic!("{}: {other:?}", measure.name),
        }
    }

    #[test]
    fn frame_loss_goes_down_in_steps_and_ends_after_two_clean_loads() {
        let device = Simulated {
            buffer: 0.0,
            capacity: 75_000.0,
            ..Simulated::default()
        };
        let measures = measures(device, Kind::FrameLoss);
        assert_eq!(measures.len(), LOADS.len());
        assert_eq!(measures[0].name, "lost at 100 % load");
        assert!((number(&measures[0]) - 25.0).abs() < 0.1);
        assert!((number(&measures[1]) - 100.0 * (1.0 - 75.0 / 90.0)).abs() < 0.1);
        assert_eq!([number(&measures[3]), number(&measures[4])], [0.0, 0.0]);
        assert!(
            measures[5..]
                .iter()
                .all(|one| matches!(one.figure, Figure::Unmeasured(_)))
        );
    }

    #[test]
    fn the_longest_burst_fills_the_buffer_while_the_switch_empties_it() {
        // Sent at 100 k/s and carried at 50 k/s, half of a burst has to wait.
        let measures = measures(Simulated::default(), Kind::BackToBack);
        let [mean, least, most, time] = [0, 1, 2, 3].map(|place| number(&measures[place]));
        assert!((2000.0 - 16.0..=2000.0).contains(&mean), "{mean}");
        assert_eq!((least, most), (mean, mean));
        assert!((time - mean / 100.0).abs() < 1e-6);
        assert!(matches!(measures[0].figure, Figure::Exactly(_)));
    }

    #[test]
    fn a_burst_without_end_is_a_lower_bound() {
        let device = Simulated {
            capacity: 2e6,
            ..Simulated::default()
        };
        let measures = measures(device, Kind::BackToBack);
        assert_eq!(measures[0].figure, Figure::AtLeast(200_000.0));
    }

    #[test]
    fn latency_is_measured_at_two_loads_or_not_at_all() {
        assert_eq!(measures(Simulated::default(), Kind::Latency).len(), 10);
        let device = Simulated {
            capacity: 0.0,
            buffer: 20.0,
            ..Simulated::default()
        };
        let measures = measures(device, Kind::Latency);
        assert!(
            measures
                .iter()
                .all(|one| matches!(one.figure, Figure::Unmeasured(_)))
        );
    }
}
