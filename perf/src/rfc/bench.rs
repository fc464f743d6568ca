//! A candidate as the device under test.

use anyhow::{Context as _, Result};
use vswitch_wire::MacAddr;

use super::device::Device;
use crate::candidate::{Candidate, Kind, Programs, Setting};
use crate::generate::{self, Outcome, Plan, Port};
use crate::interrupt;
use crate::scenario::Scenario;

/// What kind of switch, and where.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) kind: Kind,
    pub(crate) scenario: Scenario,
    pub(crate) programs: Programs,
    /// Of the network, in bytes.
    pub(crate) mtu: u32,
    pub(crate) hosts: u8,
}

/// A switch with a host at each port, which can be made anew.
#[derive(Debug)]
pub(crate) struct Bench {
    recipe: Recipe,
    candidate: Option<Candidate>,
    ports: Vec<Port>,
    macs: Vec<MacAddr>,
}

impl Bench {
    /// Makes the switch. It is nobody's turn yet.
    pub(crate) fn new(recipe: Recipe) -> Result<Self> {
        let mut bench = Self {
            recipe,
            candidate: None,
            ports: Vec::new(),
            macs: Vec::new(),
        };
        bench.build()?;
        bench.give_way()?;
        Ok(bench)
    }

    /// The smallest MTU of the ports.
    pub(crate) fn mtu(&self) -> u32 {
        let all = self.ports.iter().map(|port| port.mtu);
        all.min().unwrap_or(self.recipe.mtu)
    }

    fn candidate(&mut self) -> Result<&mut Candidate> {
        let candidate = self.candidate.as_mut();
        candidate.context("the switch could not be made anew")
    }

    fn build(&mut self) -> Result<()> {
        interrupt::check()?;
        // The old one goes first, or both would share the machine.
        self.candidate = None;
        let Recipe {
            kind,
            scenario,
            programs,
            mtu,
            hosts,
        } = &self.recipe;
        let setting = Setting {
            mtu: *mtu,
            hosts: *hosts,
            programs,
            lan: None,
        };
        let mut candidate = kind.build(*scenario, &setting)?;
        candidate.take_turn()?;
        self.ports = (candidate.hosts().iter())
            .map(|host| Port::open(&host.netns, host.interface))
            .collect::<Result<_>>()?;
        self.macs = self.ports.iter().map(|port| port.mac).collect();
        self.candidate = Some(candidate);
        Ok(())
    }
}

impl Device for Bench {
    fn macs(&self) -> &[MacAddr] {
        &self.macs
    }

    fn run(&mut self, plan: &Plan) -> Result<Outcome> {
        generate::run(&self.ports, plan)
    }

    fn renew(&mut self) -> Result<()> {
        self.build().context("the switch cannot be made anew")
    }

    fn take_turn(&mut self) -> Result<()> {
        self.candidate()?.take_turn()
    }

    fn give_way(&mut self) -> Result<()> {
        self.candidate()?.give_way()
    }
}
