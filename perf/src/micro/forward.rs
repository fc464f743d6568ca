//! What a frame costs on its way, up to its verdict, and with a batch around it.
//!
//! - **verdict**: [`vswitch::datapath::Ingress::forward`] as it stands: parse, admit, learn, look up, egress. Frames are
//!   there; nothing is sent. With more than two stations, each frame gets the addresses of a sender and a receiver
//!   drawn at random before it is forwarded, which costs two stores.
//! - **batch**: all that a worker does for a batch: receive, forward, queue, send, count; between ports that copy each
//!   frame in once and keep nothing ([`crate::ends`]).
//! - **memory-port**: the same between two in-memory ports of the switch itself, which take a lock for each batch and
//!   memory for each frame. This is the figure that has a goal.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use vswitch::datapath::{Fdb, FdbKey, Frame, Lane, MaxEntries, NetworkSettings, Tick};
use vswitch::port::memory::{self, MemoryEnd};
use vswitch::port::{MAX_BATCH, PortId};
use vswitch_wire::{MacAddr, OffloadSet, VNET_LEN, set_addresses};

use crate::case::{Case, Work};
use crate::ends::Drain;
use crate::fdb::SEED;
use crate::random::Sequence;
use crate::stations::stations;
use crate::{ends, frames};

/// The smallest frame of the benchmarks. RFC 2544 counts the FCS in, which no port carries: this is four bytes more
/// than a 64-byte frame of a wire.
const SMALL: usize = 64;

/// Members of the network that is flooded.
const MEMBERS: usize = 16;

/// New stations of one run: as many as the queue of events takes, so that each is told of.
const LEARNED: usize = 2048;

const A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);
const PORT_A: PortId = PortId::new(0);
const PORT_B: PortId = PortId::new(1);

/// Forwarding.
pub(crate) fn cases() -> Vec<Case> {
    let verdict = |name: String, make: fn(usize) -> Result<Verdicts>, stations| {
        Case::new("forward", name, MAX_BATCH, move || make(stations))
            .bytes(MAX_BATCH * SMALL, SMALL)
    };
    vec![
        verdict("verdict-unicast/2".into(), Verdicts::unicast, 2),
        verdict("verdict-unicast/8192".into(), Verdicts::random, 8192),
        verdict(
            "verdict-unicast/1000000".into(),
            Verdicts::random,
            1_000_000,
        ),
        verdict(format!("verdict-flood/{MEMBERS}"), Verdicts::flood, MEMBERS),
        Case::new("forward", "verdict-learn", LEARNED, Newcomers::new)
            .bytes(LEARNED * SMALL, SMALL),
        Case::new("forward", "batch-unicast", MAX_BATCH, Batches::unicast)
            .bytes(MAX_BATCH * SMALL, SMALL),
        Case::new(
            "forward",
            format!("batch-flood/{MEMBERS}"),
            MAX_BATCH,
            Batches::flood,
        )
        .bytes(MAX_BATCH * SMALL, SMALL),
        Case::new("forward", "memory-port-unicast", MAX_BATCH, Memory::new)
            .bytes(MAX_BATCH * SMALL, SMALL)
            .at_most(50.0, 100.0),
    ]
}

/// A network of `ports` ports that deliver nothing.
fn quiet(ports: usize, settings: NetworkSettings) -> Result<Lane> {
    let mut lane = Lane::new(settings, SEED);
    for _ in 0..ports {
        lane.add_port(ends::port(Vec::new()).0)?;
    }
    Ok(lane)
}

/// Teaches the network where stations are.
fn teach(fdb: &Fdb, stations: &[MacAddr], port: PortId) {
    for mac in stations {
        fdb.reader()
            .learn(FdbKey::new(*mac, None), port, Tick::default());
    }
}

/// Frames from port A whose verdicts are asked for.
struct Verdicts {
    lane: Lane,
    frames: Vec<Vec<u8>>,
    /// Destinations and sources to write into them; none where they stay as they are.
    pairs: Vec<(MacAddr, MacAddr)>,
    next: usize,
}

impl Verdicts {
    fn new(lane: Lane, frame: &[u8], pairs: Vec<(MacAddr, MacAddr)>) -> Self {
        Self {
            lane,
            frames: vec![frame.to_vec(); MAX_BATCH],
            pairs,
            next: 0,
        }
    }

    fn unicast(stations: usize) -> Result<Self> {
        debug_assert_eq!(stations, 2);
        let lane = quiet(2, NetworkSettings::default())?;
        teach(lane.fdb(), &[A], PORT_A);
        teach(lane.fdb(), &[B], PORT_B);
        Ok(Self::new(lane, &frames::udp(B, A, SMALL), Vec::new()))
    }

    /// Half of the stations send to the other half.
    fn random(count: usize) -> Result<Self> {
        let bound = u32::try_from(count).ok().and_then(MaxEntries::new);
        let settings = NetworkSettings {
            max_entries: bound.context("a table cannot be that large")?,
            ..NetworkSettings::default()
        };
        let lane = quiet(2, settings)?;
        let mut all = stations(count);
        let (senders, receivers) = all.split_at_mut(count / 2);
        teach(lane.fdb(), senders, PORT_A);
        teach(lane.fdb(), receivers, PORT_B);
        let mut order = Sequence::new(count as u64);
        order.shuffle(senders);
        order.shuffle(receivers);
        let pairs = receivers.iter().copied().zip(senders.iter().copied());
        Ok(Self::new(lane, &frames::udp(B, A, SMALL), pairs.collect()))
    }

    fn flood(members: usize) -> Result<Self> {
        let lane = quiet(members, NetworkSettings::default())?;
        teach(lane.fdb(), &[A], PORT_A);
        Ok(Self::new(lane, &frames::udp(B, A, SMALL), Vec::new()))
    }
}

impl Work for Verdicts {
    fn run(&mut self) {
        let Some(ingress) = self.lane.ingress(PORT_A) else {
            return;
        };
        let now = Tick::default();
        for frame in &mut self.frames {
            if let Some((dst, src)) = self.pairs.get(self.next) {
                set_addresses(&mut frame[VNET_LEN..], *dst, *src);
                self.next += 1;
                if self.next == self.pairs.len() {
                    self.next = 0;
                }
            }
        }
        ingress.expect(self.frames.iter().map(|frame| Frame::new(frame)));
        for frame in &self.frames {
            let verdict = ingress.forward(&Frame::new(black_box(frame)), now);
            black_box(&verdict);
        }
    }
}

/// Frames each of which comes from a station that was never seen.
struct Newcomers {
    lane: Lane,
    frames: Vec<Vec<u8>>,
}

impl Newcomers {
    fn new() -> Result<Self> {
        let frame = |src| frames::udp(B, src, SMALL);
        Ok(Self {
            lane: Self::network()?,
            frames: stations(LEARNED).into_iter().map(frame).collect(),
        })
    }

    fn network() -> Result<Lane> {
        let lane = quiet(2, NetworkSettings::default())?;
        teach(lane.fdb(), &[B], PORT_B);
        Ok(lane)
    }
}

impl Work for Newcomers {
    fn is_staged(&self) -> bool {
        true
    }

    fn stage(&mut self) {
        // It was made once, so it can be made again; the old one would not learn anything any more.
        if let Ok(lane) = Self::network() {
            self.lane = lane;
        }
    }

    fn run(&mut self) {
        for batch in self.frames.chunks(MAX_BATCH) {
            let Some(ingress) = self.lane.ingress(PORT_A) else {
                return;
            };
            for frame in batch {
                let verdict = ingress.forward(&Frame::new(black_box(frame)), Tick::default());
                black_box(&verdict);
            }
        }
    }
}

/// Whole batches from port A.
struct Batches {
    lane: Lane,
    drains: Vec<Arc<Drain>>,
}

impl Batches {
    fn new(members: usize) -> Result<Self> {
        let mut lane = Lane::new(NetworkSettings::default(), SEED);
        let mut drains = Vec::new();
        for _ in 0..members {
            let (port, drain) = ends::port(vec![frames::udp(B, A, SMALL)]);
            lane.add_port(port)?;
            drains.push(drain);
        }
        Ok(Self { lane, drains })
    }

    fn unicast() -> Result<Self> {
        let this = Self::new(2)?;
        teach(this.lane.fdb(), &[B], PORT_B);
        Ok(this)
    }

    fn flood() -> Result<Self> {
        Self::new(MEMBERS)
    }
}

impl Work for Batches {
    fn run(&mut self) {
        // The port is never lost.
        black_box(&self.lane.serve(PORT_A, Tick::default()));
        black_box(&self.drains);
    }
}

/// Whole batches from one in-memory port to another.
struct Memory {
    lane: Lane,
    near: MemoryEnd,
    far: MemoryEnd,
}

impl Memory {
    fn new() -> Result<Self> {
        let mut lane = Lane::new(NetworkSettings::default(), SEED);
        let (port, near) = memory::pair(1500, OffloadSet::ALL)?;
        lane.add_port(port)?;
        let (port, far) = memory::pair(1500, OffloadSet::ALL)?;
        lane.add_port(port)?;
        teach(lane.fdb(), &[B], PORT_B);
        for _ in 0..MAX_BATCH {
            near.put(frames::udp(B, A, SMALL))?;
        }
        lane.serve(PORT_A, Tick::default())?;
        Ok(Self { lane, near, far })
    }
}

impl Work for Memory {
    fn is_staged(&self) -> bool {
        true
    }

    /// What came out goes in again.
    fn stage(&mut self) {
        while let Some(frame) = self.far.take() {
            self.near.offer(frame);
        }
    }

    fn run(&mut self) {
        black_box(&self.lane.serve(PORT_A, Tick::default()));
    }
}

#[cfg(test)]
mod tests {
    use vswitch::datapath::Verdict;

    use super::*;

    const BATCH: u64 = MAX_BATCH as u64;

    /// Runs, and tells whether every verdict of the next batch is as `is` says.
    fn all(mut verdicts: Verdicts, is: impl Fn(Verdict<'_>) -> bool) -> bool {
        verdicts.run();
        let before = verdicts.lane.fdb().stats();
        let ingress = verdicts.lane.ingress(PORT_A).unwrap();
        let as_said = (verdicts.frames.iter()).all(|frame| {
            is(ingress
                .forward(&Frame::new(frame), Tick::default())
                .unwrap())
        });
        drop(ingress);
        as_said && verdicts.lane.fdb().stats() == before
    }

    #[test]
    fn verdicts_are_those_of_the_name_and_teach_nothing_more() {
        for verdicts in [Verdicts::unicast(2), Verdicts::random(1000)] {
            assert!(all(verdicts.unwrap(), |verdict| matches!(
                verdict,
                Verdict::To(_)
            )));
        }
        let flood = Verdicts::flood(MEMBERS).unwrap();
        assert!(all(flood, |verdict| {
            matches!(verdict, Verdict::Flood(members) if members.len() == MEMBERS)
        }));
    }

    #[test]
    fn every_pair_is_asked_for_in_turn() {
        let mut verdicts = Verdicts::random(1000).unwrap();
        for _ in 0..4 {
            verdicts.run();
        }
        assert_eq!(verdicts.pairs.len(), 500);
        assert_eq!(verdicts.next, 4 * MAX_BATCH - 500);
    }

    #[test]
    fn each_newcomer_is_learned_and_told_of() {
        let mut newcomers = Newcomers::new().unwrap();
        for _ in 0..2 {
            newcomers.stage();
            newcomers.run();
            assert_eq!(newcomers.lane.fdb().stats().entries, LEARNED + 1);
            assert_eq!(newcomers.lane.events().try_iter().count(), LEARNED);
        }
    }

    #[test]
    fn batches_arrive_whole_where_they_are_for() {
        let mut unicast = Batches::unicast().unwrap();
        unicast.run();
        let taken: Vec<_> = unicast.drains.iter().map(|drain| drain.frames()).collect();
        assert_eq!(taken, [0, BATCH]);

        let mut flood = Batches::flood().unwrap();
        flood.run();
        let taken: Vec<_> = flood.drains.iter().map(|drain| drain.frames()).collect();
        assert_eq!(taken[0], 0);
        assert!(taken[1..].iter().all(|frames| *frames == BATCH));
    }

    #[test]
    fn what_comes_out_of_a_memory_port_goes_in_again() {
        let mut memory = Memory::new().unwrap();
        for _ in 0..3 {
            memory.stage();
            memory.run();
        }
        let sent = memory.lane.tally(PORT_B).unwrap().tx.frames;
        assert_eq!(sent, 4 * BATCH);
    }
}
