//! Frames of one size from one host to another, as a load of `compare`: what passes at the maximum offered load, and
//! the highest load of which nothing is lost.

use std::time::Duration;

use anyhow::{Result, bail};
use vswitch_wire::MacAddr;

use super::device::Device;
use super::pattern::Pattern;
use super::throughput::{self, Settings};
use crate::generate::{self, FrameSize, Outcome, Plan, Port};

/// How exactly the throughput is found: a share of the maximum offered load.
const RESOLUTION: f64 = 0.02;

/// Frames a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FrameRates {
    /// What arrived at the maximum offered load: the forwarding rate there (RFC 2285 3.6.2).
    pub(crate) forwarded: f64,
    /// The share of the frames that was lost there, 0 to 1.
    pub(crate) lost: f64,
    /// The highest offered load of which no more was lost than was tolerated. Where nothing is lost at the maximum, it is
    /// the generator's rate, and the switch could do more.
    pub(crate) throughput: f64,
    /// Frames that arrived in all trials together.
    pub(crate) received: u64,
}

/// Measures from one host to another. A trial takes `time`; there are about eight. `tolerance` is the share of
/// the frames that may be lost at the throughput.
pub(crate) fn frame_rates(
    from: &Port,
    to: &Port,
    size: FrameSize,
    time: Duration,
    tolerance: f64,
) -> Result<FrameRates> {
    let mut pair = Pair {
        ports: [from.clone(), to.clone()],
        macs: [from.mac, to.mac],
    };
    let settings = Settings {
        time,
        tolerance,
        resolution: RESOLUTION,
        repeats: 1,
    };
    rates(&mut pair, size, &settings)
}

fn rates(device: &mut dyn Device, size: FrameSize, settings: &Settings) -> Result<FrameRates> {
    let found = throughput::search(device, Pattern::Pair, size, settings)?;
    Ok(FrameRates {
        forwarded: found.maximum.forwarding_rate(),
        lost: found.maximum.loss(),
        throughput: found.frames_per_second(),
        received: found.trials.iter().map(|trial| trial.frames_received).sum(),
    })
}

/// Two hosts of a switch that belongs to somebody else.
#[derive(Debug)]
struct Pair {
    ports: [Port; 2],
    macs: [MacAddr; 2],
}

impl Device for Pair {
    fn macs(&self) -> &[MacAddr] {
        &self.macs
    }

    fn run(&mut self, plan: &Plan) -> Result<Outcome> {
        generate::run(&self.ports, plan)
    }

    fn renew(&mut self) -> Result<()> {
        bail!("a switch that is compared is not made anew between two loads");
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::Simulated;
    use super::*;

    #[test]
    fn rates_are_those_of_the_two_kinds() {
        let settings = Settings {
            time: Duration::from_secs(2),
            tolerance: 0.0,
            resolution: RESOLUTION,
            repeats: 1,
        };
        let mut device = Simulated {
            buffer: 0.0,
            ..Simulated::default()
        };
        let found = rates(&mut device, FrameSize::SMALLEST, &settings).unwrap();
        assert!((found.lost - 0.5).abs() < 1e-9);
        assert!((found.forwarded - 50_000.0).abs() < 1.0);
        assert!(
            (48_000.0..=50_000.0).contains(&found.throughput),
            "{found:?}"
        );
        assert!(found.received > 200_000);
    }
}
