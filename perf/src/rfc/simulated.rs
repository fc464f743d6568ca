//! A switch that exists on paper, for the tests of the procedures: it carries so many frames a second, has room for
//! so many more, and so many places for addresses.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Result;
use vswitch_wire::MacAddr;

use super::device::Device;
use super::tester::Tester;
use super::throughput::Settings;
use crate::generate::{FrameSize, Outcome, Pace, Plan, Target, Traffic, Transmitter, Until, whole};

#[derive(Clone, Debug)]
pub(crate) struct Simulated {
    pub(crate) macs: Vec<MacAddr>,
    /// Frames a second.
    pub(crate) capacity: f64,
    /// Frames.
    pub(crate) buffer: f64,
    /// Frames a second of a transmitter at most.
    pub(crate) generator: f64,
    /// Places for addresses.
    pub(crate) table: usize,
    /// Addresses that it learns a second.
    pub(crate) learning: f64,
    pub(crate) learned: HashMap<MacAddr, usize>,
    /// Frames of each plan that was carried out.
    pub(crate) plans: Vec<u64>,
}

impl Default for Simulated {
    fn default() -> Self {
        Self {
            macs: (0..4)
                .map(|number| MacAddr::new([2, 0, 0, 0, 0, number]))
                .collect(),
            capacity: 50_000.0,
            buffer: 1000.0,
            generator: 100_000.0,
            table: 8192,
            learning: f64::INFINITY,
            learned: HashMap::new(),
            plans: Vec::new(),
        }
    }
}

impl Simulated {
    pub(crate) fn tester(self) -> Tester {
        let settings = Settings {
            time: Duration::from_secs(2),
            tolerance: 0.0,
            resolution: 0.01,
            repeats: 2,
        };
        Tester::new(Box::new(self), settings)
    }

    /// Frames a second, and how many.
    fn load(&self, transmitter: &Transmitter) -> (f64, u64) {
        let rate = match transmitter.pace {
            Pace::Maximum => self.generator,
            Pace::Rate(rate) => rate.min(self.generator),
        };
        match transmitter.until {
            Until::Elapsed(time) => (rate, whole(rate * time.as_secs_f64())),
            Until::Sent(frames) => (rate, frames),
        }
    }

    fn learn(&mut self, transmitter: &Transmitter) {
        let (rate, _) = self.load(transmitter);
        let share = (self.learning / rate).min(1.0);
        let count = transmitter.streams.len();
        let learned = usize::try_from(whole(count as f64 * share)).unwrap();
        for stream in &transmitter.streams[..learned] {
            if self.learned.len() < self.table || self.learned.contains_key(&stream.src) {
                self.learned.insert(stream.src, transmitter.port);
            }
        }
    }
}

impl Device for Simulated {
    fn macs(&self) -> &[MacAddr] {
        &self.macs
    }

    fn run(&mut self, plan: &Plan) -> Result<Outcome> {
        let loads: Vec<_> = plan.transmitters.iter().map(|one| self.load(one)).collect();
        let seconds =
            (loads.iter().map(|(rate, frames)| *frames as f64 / rate)).fold(0.0, f64::max);
        let offered: u64 = loads.iter().map(|(_, frames)| frames).sum();
        self.plans.push(offered);
        let carried = (self.capacity * seconds + self.buffer).min(offered as f64);
        let share = carried / offered as f64;
        plan.transmitters.iter().for_each(|one| self.learn(one));
        let mut streams = Vec::new();
        for (transmitter, (_, frames)) in plan.transmitters.iter().zip(&loads) {
            let turns = transmitter.streams.len() as u64;
            for (place, stream) in (0..).zip(&transmitter.streams) {
                let offered = (frames + turns - 1 - place) / turns;
                let carried = whole(offered as f64 * share);
                let copies = plan.copies(transmitter.port, stream) as u64;
                let known = self.learned.contains_key(&stream.dst);
                let others = plan.listeners.len() as u64 - 1 - copies;
                streams.push(Traffic {
                    from: transmitter.port,
                    to: match stream.to {
                        Target::Port(to) => Some(to),
                        Target::Others => None,
                    },
                    offered,
                    wanted: offered * copies,
                    received: carried * copies,
                    flooded: if known { 0 } else { carried * others },
                    late: 0,
                });
            }
        }
        Ok(Outcome {
            size: FrameSize::SMALLEST,
            intended: plan.intended(),
            sending: seconds,
            seconds,
            refused: 0,
            overflow: 0,
            streams,
            latency: None,
        })
    }

    fn renew(&mut self) -> Result<()> {
        self.learned.clear();
        Ok(())
    }
}
