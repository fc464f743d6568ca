//! The device under test, as the procedures see it.

use anyhow::{Result, ensure};
use vswitch_wire::MacAddr;

use super::pattern::{self, Pattern};
use crate::generate::{Attention, FrameSize, Outcome, Pace, Plan, Until};

/// Learning frames of each port before a trial (RFC 2544 23 and RFC 2889 5): more than one, so that
/// one may be lost.
const LEARNING_FRAMES: u64 = 3;

/// Learning frames are sent so often until some arrive; each time takes at least 0.2 s when none does.
pub(crate) const ATTEMPTS: u32 = 20;

/// Learning frames a second of each port.
pub(crate) const LEARNING_RATE: f64 = 1000.0;

/// A switch with ports.
pub(crate) trait Device {
    /// The addresses of the interfaces at its ports.
    fn macs(&self) -> &[MacAddr];

    /// Carries out a plan.
    ///
    /// # Errors
    /// What keeps it from being carried out. That frames are lost is no error.
    fn run(&mut self, plan: &Plan) -> Result<Outcome>;

    /// Has the switch forget every address: it is made anew.
    ///
    /// # Errors
    /// What keeps it from being made.
    fn renew(&mut self) -> Result<()>;

    /// From now on the machine is its own.
    ///
    /// # Errors
    /// It has ended.
    fn take_turn(&mut self) -> Result<()> {
        Ok(())
    }

    /// Until its next turn it costs nothing.
    ///
    /// # Errors
    /// It has ended meanwhile.
    fn give_way(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A trial: the ports make their addresses known, then the plan is carried out.
pub(crate) fn trial(device: &mut dyn Device, plan: &Plan) -> Result<Outcome> {
    learn(device, plan.size)?;
    device.run(plan)
}

/// Every port sends a few frames to the next one, so that the switch knows all of them. Also shows that the
/// ports reach one another at all, for which a switch that has just been made has some time.
fn learn(device: &mut dyn Device, size: FrameSize) -> Result<()> {
    let offering = pattern::offering(device.macs(), Pattern::Ring);
    #[expect(clippy::cast_precision_loss, reason = "a few ports")]
    let load = Pace::Rate(LEARNING_RATE * offering.len() as f64);
    let until = Until::Sent(LEARNING_FRAMES);
    let ports = device.macs().len();
    let plan = pattern::plan(size, &offering, ports, load, until, Attention::Lazy);
    for _ in 1..ATTEMPTS {
        let outcome = device.run(&plan)?;
        if outcome.streams.iter().all(|stream| stream.received > 0) {
            return Ok(());
        }
    }
    let outcome = device.run(&plan)?;
    for stream in &outcome.streams {
        ensure!(
            stream.received > 0,
            "port {} does not hear port {}: of {} learning frames none arrived, {ATTEMPTS} times",
            stream.to.unwrap_or_default(),
            stream.from,
            stream.offered,
        );
    }
    Ok(())
}
