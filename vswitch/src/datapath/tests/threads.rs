//! A whole switch: worker threads, memory ports, and a control that adds and removes at the same
//! time. Waiting is for frames, or for numbers that must be reached; nothing sleeps.

mod life;
mod order;
mod waking;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vswitch_wire::{MacAddr, OffloadSet};

use super::super::{NetworkId, NetworkSettings, Switch, SwitchConfig};
use crate::port::PortId;
use crate::port::memory::{self, MemoryEnd};
use crate::testing::{mac, tagged};

/// Long enough for any machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

fn switch(workers: usize) -> (Arc<Switch>, NetworkId) {
    let switch = Switch::start(&SwitchConfig {
        workers: NonZeroUsize::new(workers).unwrap(),
        ..SwitchConfig::default()
    })
    .unwrap();
    let network = switch.add_network(NetworkSettings::default());
    (switch, network)
}

/// A port and who is behind it.
#[derive(Debug)]
struct Host {
    id: PortId,
    end: MemoryEnd,
    mac: MacAddr,
}

impl Host {
    fn attach(switch: &Switch, network: NetworkId, number: u8) -> Self {
        let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
        let id = switch.add_port(network, port).unwrap();
        let mac = mac(number);
        Self { id, end, mac }
    }

    fn put(&self, dst: MacAddr, number: u64) {
        self.end.put(numbered(dst, self.mac, number)).unwrap();
    }

    /// Makes itself known and waits until `witness` has seen it.
    fn announce(&self, witness: &Self) {
        self.put(MacAddr::BROADCAST, 0);
        while source(&witness.take()) != self.mac {}
    }

    fn take(&self) -> Vec<u8> {
        self.end.take_within(PATIENCE).expect("a frame in time")
    }
}

fn numbered(dst: MacAddr, src: MacAddr, number: u64) -> Vec<u8> {
    let mut frame = tagged(dst, src, &[], 46);
    frame[26..34].copy_from_slice(&number.to_be_bytes());
    frame
}

fn number(frame: &[u8]) -> u64 {
    u64::from_be_bytes(frame[26..34].try_into().unwrap())
}

fn destination(frame: &[u8]) -> MacAddr {
    MacAddr::new(frame[12..18].try_into().unwrap())
}

fn source(frame: &[u8]) -> MacAddr {
    MacAddr::new(frame[18..24].try_into().unwrap())
}

/// Gives the core away until `reached`.
fn eventually(what: &str, reached: impl Fn() -> bool) {
    let start = Instant::now();
    while !reached() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

/// Removes what is left, so that nothing is under way, and checks that the books close.
fn close(switch: &Switch, network: NetworkId) {
    switch.remove_network(network);
    let totals = switch.totals();
    assert_eq!(totals.residual(), 0, "{totals:?}");
}
