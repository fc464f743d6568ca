//! Congestion control (RFC 2889 5.5): whether a port that is offered too much holds up frames to another one.
//!
//! Four ports. The first sends half of its frames to the third, half to the fourth; the second sends all to the
//! fourth. So the third is offered 50 % and is not congested; the fourth is offered 150 % and is.
//!
//! 100 % is the throughput between two ports: there is no medium whose rate it could be. A TAP or veth takes
//! whatever it is given, so a port is congested only as far as the switch has less time for it
//! than it would need. What this shows is whether the switch shares its time and its queues such that frames to
//! the port with too much to do do not cost those to the other; where it has not time enough for both senders, both
//! kinds are lost, and the answer is yes. Back pressure is the kernel's way: it works inside the senders' calls, and they
//! send less.

use anyhow::Result;

use super::super::finding::{Figure, Measure, Unit};
use super::super::pattern::{Pattern, stream};
use super::super::tester::Tester;
use super::super::throughput::OFFERED;
use crate::generate::{Attention, FrameSize, Outcome, Pace, Plan, Traffic, Transmitter, Until};

/// The port that is offered half.
const UNCONGESTED: usize = 2;

/// The port that is offered too much.
const CONGESTED: usize = 3;

pub(super) fn measure(tester: &mut Tester, size: FrameSize) -> Result<Vec<Measure>> {
    let full = tester.throughput(Pattern::Pair, size)?;
    let rate = full.frames_per_second();
    if rate <= 0.0 {
        let why = Figure::Unmeasured("no load between two ports was without loss");
        let names = ["lost, uncongested port", "lost, congested port"];
        return Ok(names
            .map(|name| Measure::new(name, Unit::Percent, why))
            .into());
    }
    let macs = tester.device().macs().to_vec();
    let transmitter = |port, to: &[usize]| Transmitter {
        port,
        streams: to.iter().map(|to| stream(&macs, port, *to)).collect(),
        pace: Pace::Rate(rate),
        until: Until::Elapsed(tester.settings.time),
    };
    let plan = Plan {
        size,
        transmitters: vec![
            transmitter(0, &[UNCONGESTED, CONGESTED]),
            transmitter(1, &[CONGESTED]),
        ],
        listeners: (0..macs.len()).collect(),
        attention: Attention::Lazy,
    };
    let outcome = tester.run(&plan)?;
    Ok(judge(&outcome, rate, tester.settings.tolerance))
}

fn judge(outcome: &Outcome, rate: f64, tolerance: f64) -> Vec<Measure> {
    let uncongested = outcome.between(0, UNCONGESTED);
    let congested = [outcome.between(0, CONGESTED), outcome.between(1, CONGESTED)];
    let sum = Traffic {
        wanted: congested.iter().map(|one| one.wanted).sum(),
        received: congested.iter().map(|one| one.received).sum(),
        ..congested[0]
    };
    #[expect(clippy::cast_precision_loss, reason = "frames below 2^53")]
    let load = |frames: u64| 100.0 * frames as f64 / outcome.sending.max(1e-9) / rate;
    let blocked = uncongested.loss() > tolerance;
    // Nothing was lost because less was taken.
    let is_short =
        (outcome.intended).is_some_and(|wanted| outcome.offered_load() < wanted * OFFERED);
    let pressed = sum.loss() <= tolerance && is_short;
    vec![
        Measure::exactly("100 % load", Unit::FramesPerSecond, rate),
        Measure::exactly(
            "load, uncongested port",
            Unit::Percent,
            load(uncongested.wanted),
        ),
        Measure::exactly("load, congested port", Unit::Percent, load(sum.wanted)),
        Measure::exactly(
            "lost, uncongested port",
            Unit::Percent,
            uncongested.loss() * 100.0,
        ),
        Measure::exactly("lost, congested port", Unit::Percent, sum.loss() * 100.0),
        Measure::new(
            "head-of-line blocking",
            Unit::Answer,
            Figure::Answer(blocked),
        ),
        Measure::new("back pressure", Unit::Answer, Figure::Answer(pressed)),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::simulated::Simulated;
    use super::*;

    #[test]
    fn loads_are_50_and_150_percent_and_loss_at_the_first_is_blocking() {
        // Both ports together are offered twice what the switch can do: everybody loses half.
        let mut tester = Simulated {
            capacity: 50_000.0,
            ..Simulated::default()
        }
        .tester();
        let measures = measure(&mut tester, FrameSize::SMALLEST).unwrap();
        let figure = |name: &str| measures.iter().find(|one| one.name == name).unwrap().figure;
        let number = |name: &str| match figure(name) {
            Figure::Exactly(value) => value,
            other => panic!("{name}: {other:?}"),
        };
        assert!((number("load, uncongested port") - 50.0).abs() < 1.0);
        assert!((number("load, congested port") - 150.0).abs() < 1.0);
        assert!(number("lost, uncongested port") > 40.0);
        assert_eq!(figure("head-of-line blocking"), Figure::Answer(true));
        assert_eq!(figure("back pressure"), Figure::Answer(false));
    }

    #[test]
    fn a_switch_with_time_for_all_blocks_nobody() {
        // The generator is the limit.
        let mut tester = Simulated {
            capacity: 9e9,
            ..Simulated::default()
        }
        .tester();
        let measures = measure(&mut tester, FrameSize::SMALLEST).unwrap();
        assert_eq!(measures[5].figure, Figure::Answer(false));
    }

    #[test]
    fn senders_that_are_held_back_and_lose_nothing_feel_back_pressure() {
        let stream = |from, to| Traffic {
            from,
            to: Some(to),
            offered: 100,
            wanted: 100,
            received: 100,
            ..Traffic::default()
        };
        let outcome = |intended| Outcome {
            size: FrameSize::SMALLEST,
            intended: Some(intended),
            sending: 1.0,
            seconds: 1.0,
            refused: 0,
            overflow: 0,
            streams: vec![stream(0, 2), stream(0, 3), stream(1, 3)],
            latency: None,
        };
        let pressed = |intended| judge(&outcome(intended), 200.0, 0.0)[6].figure;
        assert_eq!(pressed(400.0), Figure::Answer(true));
        assert_eq!(pressed(300.0), Figure::Answer(false));
    }

    #[test]
    fn without_a_load_that_is_borne_there_is_no_100_percent() {
        let mut tester = Simulated {
            capacity: 1.0,
            buffer: 100.0,
            ..Simulated::default()
        }
        .tester();
        let measures = measure(&mut tester, FrameSize::SMALLEST).unwrap();
        assert!(
            measures
                .iter()
                .all(|one| matches!(one.figure, Figure::Unmeasured(_)))
        );
    }
}
