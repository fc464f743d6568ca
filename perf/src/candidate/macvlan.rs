//! Children on the parent of a physical network: the kernel's macvlan devices, and this switch's.
//!
//! One machine has a veth as its parent interface; the other end is the LAN's host. All candidates use
//! that same parent, so only one is on it at any time: it comes for its measurement ([`Tenant::enter`])
//! and goes again ([`Tenant::leave`]). Otherwise the filter of one would look at every frame of the other.
//! A child has the same MAC address whoever makes it, so that nobody's neighbour table is wrong.

use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::vswitch::Daemon;
use super::{Candidate, Engine, Host, Program, run, veth, with_resident};
use crate::bare::BareLoop;
use crate::scenario::Place;

/// Name of the parent, and of every other interface here in its own namespace.
const PARENT: &str = "eth0";

/// The machine and the network that it is on.
#[derive(Debug)]
pub(crate) struct Lan {
    machine: Arc<Netns>,
    host: Host,
}

/// Who is on the parent while its turn lasts.
#[derive(Debug)]
pub(super) enum Tenant {
    Kernel(Arc<Netns>),
    Daemon(Daemon),
    /// The machine, and the loop while it runs.
    Loop(Arc<Netns>, Option<BareLoop>),
}

impl Lan {
    /// Makes the machine, its parent interface and the LAN's host.
    pub(crate) fn create() -> Result<Self> {
        let machine = Arc::new(Netns::create()?);
        let host = Host::create(Place::Lan)?;
        veth(&machine, PARENT, &host.netns, PARENT)?;
        let address = host.place.with_prefix();
        run(
            &host.netns,
            "ip",
            &["address", "add", &address, "dev", PARENT],
        )?;
        Ok(Self { machine, host })
    }

    fn candidate(&self, name: &'static str, mut hosts: Vec<Host>, tenant: Tenant) -> Candidate {
        hosts.push(self.host.clone());
        Candidate {
            name,
            hosts,
            engine: Engine::Tenant(tenant),
            _machines: vec![Arc::clone(&self.machine)],
        }
    }

    /// The kernel's macvlan devices in bridge mode.
    pub(crate) fn kernel_macvlan(&self) -> Result<Candidate> {
        let hosts = vec![Host::create(Place::A)?, Host::create(Place::B)?];
        let tenant = Tenant::Kernel(Arc::clone(&self.machine));
        Ok(self.candidate("kernel macvlan", hosts, tenant))
    }

    /// A macvlan network in bridge mode.
    pub(crate) fn vswitch(&self, program: &Program) -> Result<Candidate> {
        let daemon = Daemon::start(&self.machine, program)?;
        let hosts = vec![daemon.sandbox(Place::A)?, daemon.sandbox(Place::B)?];
        Ok(self.candidate(Candidate::OWN, hosts, Tenant::Daemon(daemon)))
    }

    /// A child whose TAP a thread joins to a packet socket on the parent: no switch at all.
    pub(crate) fn bare_loop(&self) -> Result<Candidate> {
        let hosts = vec![Host::create(Place::A)?];
        let tenant = Tenant::Loop(Arc::clone(&self.machine), None);
        Ok(self.candidate("bare loop", hosts, tenant))
    }
}

impl Tenant {
    /// Puts the children on the parent.
    pub(super) fn enter(&mut self, hosts: &[Host]) -> Result<()> {
        let children = || hosts.iter().filter(|host| host.place != Place::Lan);
        match self {
            Self::Kernel(machine) => children().try_for_each(|child| device(machine, child)),
            Self::Daemon(daemon) => {
                let parent = format!("parent={PARENT}");
                daemon.network(&["-d", "macvlan", "-o", "mode=bridge", "-o", &parent])?;
                children().try_for_each(|child| {
                    daemon.connect(child.place, &["--mac-address", &child.place.mac()])
                })
            }
            Self::Loop(machine, running) => {
                for child in children() {
                    *running = Some(BareLoop::on_parent(child, machine, PARENT)?);
                }
                Ok(())
            }
        }
    }

    /// Takes them off it.
    pub(super) fn leave(&mut self, hosts: &[Host]) -> Result<()> {
        let children = || hosts.iter().filter(|host| host.place != Place::Lan);
        match self {
            Self::Kernel(_) => {
                children().try_for_each(|child| run(&child.netns, "ip", &["link", "del", PARENT]))
            }
            Self::Daemon(daemon) => {
                children().try_for_each(|child| daemon.disconnect(child.place))?;
                daemon.remove_network()
            }
            Self::Loop(_, running) => running.take().map_or(Ok(()), BareLoop::finish),
        }
    }

    /// Ends for good.
    pub(super) fn finish(self) -> Result<()> {
        match self {
            Self::Kernel(_) => Ok(()),
            Self::Daemon(daemon) => daemon.finish(),
            Self::Loop(_, running) => running.map_or(Ok(()), BareLoop::finish),
        }
    }
}

/// A macvlan device on the machine's parent, in the child's namespace.
fn device(machine: &Netns, child: &Host) -> Result<()> {
    let (netns, mac) = (&child.netns, child.place.mac());
    with_resident(netns, |pid| {
        let link = ["link", "add", "link", PARENT, "name", PARENT];
        let place = ["address", &mac, "netns", pid];
        let kind = ["type", "macvlan", "mode", "bridge"];
        run(machine, "ip", &[&link[..], &place, &kind].concat())
            .context("the kernel has no macvlan to compare with")
    })?;
    let address = child.place.with_prefix();
    run(netns, "ip", &["address", "add", &address, "dev", PARENT])?;
    run(netns, "ip", &["link", "set", PARENT, "up"])
}
