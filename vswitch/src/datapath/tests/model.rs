//! The data path against a small reference: random frames, moves, time, flushes, entries by hand,
//! ports and settings that change. Every delivery is compared after every operation; counters and
//! tables often, and at the end.
//!
//! Not in it: eviction (fewer stations than the bound) and offload.

mod operation;
mod reference;

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use vswitch_wire::OffloadSet;

use super::super::{DropReason, NetworkSettings, Tick};
use super::bench::{Bench, Mood};
use crate::port::PortId;
use crate::testing::tagged;
use operation::{Change, Operation, Raw};
use reference::{Counted, Frame, Model, Network, Port};

const NETWORKS: u32 = 3;

/// The switch and its reference, side by side.
#[derive(Debug)]
struct Pair {
    bench: Bench,
    model: Model,
    /// Counted by ports that were removed.
    retired: Counted,
    next_frame: u64,
}

fn differ(what: &str, real: impl std::fmt::Debug, model: impl std::fmt::Debug) -> String {
    format!("{what}: the switch has {real:?}, the model {model:?}")
}

impl Pair {
    fn new() -> Self {
        let mut pair = Self {
            bench: Bench::new(NETWORKS, NetworkSettings::default()),
            model: Model::default(),
            retired: Counted::default(),
            next_frame: 0,
        };
        for network in 0..NETWORKS {
            (pair.model.networks).insert(network, Network::default());
        }
        for number in 0..7 {
            pair.add_port(number, u32::from(number % 3), 1500);
        }
        pair
    }

    fn now(&self) -> Tick {
        Tick::from_millis(self.model.now)
    }

    fn add_port(&mut self, number: u16, network: u32, mtu: u16) {
        if self.model.ports.contains_key(&number) {
            return;
        }
        self.bench.add(number, network, mtu, OffloadSet::NONE);
        let port = Port {
            network,
            mtu: mtu.into(),
            mood: Mood::Takes,
            counted: Counted::default(),
            taken: Vec::new(),
        };
        self.model.ports.insert(number, port);
    }

    fn remove_port(&mut self, number: u16) {
        let Some(port) = self.model.ports.remove(&number) else {
            return;
        };
        self.bench.remove(number);
        let network = self.model.networks.get_mut(&port.network).unwrap();
        network.forget_port(number);
        self.retired.add(&port.counted);
    }

    fn receive(&mut self, from: u16, frames: &[operation::Sent]) {
        let mut batch = Vec::new();
        for sent in frames {
            let number = self.next_frame;
            self.next_frame += 1;
            let mut bytes = tagged(sent.dst, sent.src, &[], sent.payload);
            bytes[26..34].copy_from_slice(&number.to_be_bytes());
            match sent.bad {
                Some(DropReason::Truncated) => bytes.truncate(25),
                Some(_) => bytes[0] = 0x80, // a flag that nobody knows
                None => {}
            }
            batch.push(bytes);
            let frame = Frame {
                number,
                dst: sent.dst,
                src: sent.src,
                bad: sent.bad,
                payload: sent.payload,
            };
            self.model.receive(from, &frame);
        }
        self.bench.receive(from, &batch, self.now());
    }

    fn apply(&mut self, operation: &Operation) -> Result<(), String> {
        match operation {
            Operation::Receive { from, frames } => self.receive(*from, frames),
            Operation::Wait { millis } => self.model.now += millis,
            Operation::AddPort {
                number,
                network,
                mtu,
            } => self.add_port(*number, *network, *mtu),
            Operation::RemovePort { number } => self.remove_port(*number),
            Operation::Change { number, mood } => {
                if let Some(port) = self.model.ports.get_mut(number) {
                    port.mood = *mood;
                    self.bench.set_mood(*number, *mood);
                }
            }
            Operation::Configure { network, settings } => {
                self.bench.configure(*network, *settings);
                self.model.networks.get_mut(network).unwrap().settings = *settings;
            }
            Operation::Table { network, change } => self.apply_to_table(*network, change)?,
        }
        self.compare_deliveries()
    }

    fn apply_to_table(&mut self, id: u32, change: &Change) -> Result<(), String> {
        let (tick, now) = (self.now(), self.model.now);
        let fdb = self.bench.fdb(id);
        let reference = self.model.networks.get_mut(&id).unwrap();
        // How many entries were added or removed.
        let (real, expected) = match change {
            Change::Add { mac, port, kind } => {
                let added = fdb.add(*mac, None, PortId::new(*port), *kind, tick);
                (
                    usize::from(added.is_ok()),
                    reference.add(*mac, *port, *kind, now),
                )
            }
            Change::Remove { mac } => (usize::from(fdb.remove(*mac, None)), reference.remove(*mac)),
            Change::Flush { filter } => (fdb.flush(filter), reference.flush(filter)),
            Change::Sweep => (fdb.sweep(tick).len(), reference.sweep(now)),
        };
        if real != expected {
            return Err(differ(&format!("{change:?}"), real, expected));
        }
        Ok(())
    }

    fn compare_deliveries(&mut self) -> Result<(), String> {
        for (number, port) in &mut self.model.ports {
            let taken = self.bench.take(*number);
            let numbers: Vec<_> = (taken.iter())
                .filter_map(|frame| frame[26..].first_chunk().copied())
                .map(u64::from_be_bytes)
                .collect();
            let expected = std::mem::take(&mut port.taken);
            if numbers != expected {
                return Err(differ(
                    &format!("deliveries to port {number}"),
                    numbers,
                    expected,
                ));
            }
        }
        Ok(())
    }

    fn compare_all(&self) -> Result<(), String> {
        for (number, port) in &self.model.ports {
            let real = Counted::of(&self.bench.tally(*number));
            if real != port.counted {
                return Err(differ(&format!("port {number}"), real, &port.counted));
            }
        }
        let totals = self.bench.totals();
        let mut expected = Counted::default();
        expected.add(&self.retired);
        for port in self.model.ports.values() {
            expected.add(&port.counted);
        }
        if Counted::of(&totals) != expected {
            return Err(differ("totals", totals, expected));
        }
        if totals.residual() != 0 {
            return Err(format!("residual {}", totals.residual()));
        }
        (self.model.networks.iter()).try_for_each(|(id, network)| self.compare_table(*id, network))
    }

    fn compare_table(&self, id: u32, network: &Network) -> Result<(), String> {
        let fdb = self.bench.fdb(id);
        let mut real: Vec<_> = (fdb.entries(self.now()).into_iter())
            .map(|entry| {
                let port = entry.port.map(PortId::get);
                (entry.mac, port, entry.kind, entry.age.as_secs())
            })
            .collect();
        real.sort_unstable();
        let expected = network.entries(self.model.now);
        if real != expected {
            return Err(differ(&format!("table {id}"), real, expected));
        }
        let stats = fdb.stats();
        let real = (stats.entries, stats.pinned, stats.learned, stats.moved);
        let (learned, moved) = (network.learned, network.moved);
        let expected = (network.count(false), network.count(true), learned, moved);
        if real != expected {
            return Err(differ(&format!("counters of table {id}"), real, expected));
        }
        let real = (stats.refused, stats.expired, stats.evicted, stats.skipped);
        let expected = (network.refused, network.expired, 0, 0);
        if real != expected {
            return Err(differ(&format!("counters of table {id}"), real, expected));
        }
        Ok(())
    }
}

impl Counted {
    fn of(tally: &super::super::Tally) -> Self {
        Self {
            received: tally.rx.frames,
            sent: tally.tx.frames,
            consumed: tally.consumed,
            dropped: tally.drops.clone(),
        }
    }

    fn add(&mut self, other: &Self) {
        self.received += other.received;
        self.sent += other.sent;
        self.consumed += other.consumed;
        for (reason, count) in &other.dropped {
            *self.dropped.entry(reason).or_default() += count;
        }
    }
}

/// Xorshift (Marsaglia): numbers that look random and are the same in every run.
fn random(seed: u64) -> impl Iterator<Item = Raw> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_be_bytes())
    })
}

fn a_long_run(seed: u64) {
    const OPERATIONS: usize = 350_000;
    let mut pair = Pair::new();
    let mut kinds = HashMap::new();
    for (turn, raw) in random(seed).take(OPERATIONS).enumerate() {
        let operation = Operation::from(raw);
        *kinds.entry(operation.kind()).or_insert(0) += 1;
        let outcome = pair.apply(&operation).and_then(|()| match turn % 128 {
            0 => pair.compare_all(),
            _ => Ok(()),
        });
        assert_eq!(outcome, Ok(()), "seed {seed}, turn {turn}: {operation:?}");
    }
    assert_eq!(pair.compare_all(), Ok(()), "seed {seed}");
    // The run was worth it: everything happened, and often.
    assert_eq!(kinds.len(), 10);
    assert!(kinds.values().all(|count| *count > 1_000), "{kinds:?}");
    let totals = pair.bench.totals();
    assert!(
        totals.tx.frames > 100_000 && totals.consumed > 1_000,
        "{totals:?}"
    );
    // A tunnel refuses before its port receives, and this is no macvlan network.
    let of_the_bridge =
        |reason: &DropReason| !matches!(reason, DropReason::Tunnel(_) | DropReason::Macvlan(_));
    for reason in DropReason::ALL.into_iter().filter(of_the_bridge) {
        let dropped = totals.drops.get(reason.label()).copied();
        assert!(dropped > Some(100), "{reason}: {dropped:?}");
    }
}

#[test]
fn a_long_run_of_the_first_seed() {
    a_long_run(1);
}

#[test]
fn a_long_run_of_the_second_seed() {
    a_long_run(0x00c0_ffee);
}

#[test]
fn a_long_run_of_the_third_seed() {
    a_long_run(u64::MAX / 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Shrinks to the few operations that matter, where the long runs only say that there are some.
    #[test]
    fn short_runs(run in prop::collection::vec(any::<Raw>(), 1..80)) {
        let mut pair = Pair::new();
        for raw in run {
            let operation = Operation::from(raw);
            (pair.apply(&operation))
                .and_then(|()| pair.compare_all())
                .map_err(|error| TestCaseError::fail(format!("{operation:?}: {error}")))?;
        }
    }
}
