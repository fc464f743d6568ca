//! Children on the parent of a physical network: the kernel's macvlan devices, and this switch's.
//!
//! One machine has a veth as its parent interface; the other end is the LAN's host. All candidates use
//! that same parent, so only one is on it at any time: it comes for its measurement ([`Tenant::enter`])
//! and goes again ([`Tenant::leave`]). Otherwise the filter of one would look at every frame of the other.
//! A child has the same MAC address whoever makes it, so that nobody's neighbour table is wrong.

use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::bare::BareLoop;
use super::link::{self, ip, path_of, up, veth};
use super::vswitch::{Daemon, Variant};
use super::{Candidate, ENDPOINT, Engine, Host, Setting};
use crate::cpu::Task;
use crate::scenario::Place;

/// Name of the parent, and of every other interface here in its own namespace.
const PARENT: &str = ENDPOINT;

/// The machine and the network that it is on.
#[derive(Clone, Debug)]
pub(crate) struct Lan {
    machine: Arc<Netns>,
    host: Host,
    mtu: u32,
}

/// Who is on the parent while its turn lasts.
#[derive(Debug)]
pub(super) enum Tenant {
    Kernel(Lan),
    Daemon(Lan, Daemon),
    /// The loop while it runs.
    Loop(Lan, Option<BareLoop>),
}

impl Lan {
    /// Makes the machine, its parent interface and the LAN's host.
    pub(crate) fn create(mtu: u32) -> Result<Self> {
        let machine = Arc::new(Netns::create()?);
        let host = Host::create(Place::Lan)?;
        veth(&machine, PARENT, &host.netns, PARENT, mtu)?;
        link::address(&host)?;
        Ok(Self { machine, host, mtu })
    }

    fn candidate(&self, mut hosts: Vec<Host>, tenant: Tenant) -> Candidate {
        hosts.push(self.host.clone());
        let machines = vec![Arc::clone(&self.machine)];
        Candidate::new(hosts, Engine::Tenant(tenant), machines)
    }

    /// The kernel's macvlan devices in bridge mode.
    pub(super) fn kernel(&self) -> Result<Candidate> {
        Ok(self.candidate(Host::pair()?, Tenant::Kernel(self.clone())))
    }

    /// A macvlan network in bridge mode.
    pub(super) fn vswitch(&self, variant: &Variant, setting: &Setting<'_>) -> Result<Candidate> {
        let daemon = Daemon::start(&self.machine, variant, setting)?;
        let hosts = vec![daemon.sandbox(Place::A)?, daemon.sandbox(Place::B)?];
        Ok(self.candidate(hosts, Tenant::Daemon(self.clone(), daemon)))
    }

    /// A child whose TAP a thread joins to a packet socket on the parent: no switch at all.
    pub(super) fn bare(&self) -> Result<Candidate> {
        let hosts = vec![Host::create(Place::A)?];
        Ok(self.candidate(hosts, Tenant::Loop(self.clone(), None)))
    }
}

impl Tenant {
    /// Puts the children on the parent.
    pub(super) fn enter(&mut self, hosts: &[Host]) -> Result<()> {
        let children = || hosts.iter().filter(|host| host.place != Place::Lan);
        match self {
            Self::Kernel(lan) => children().try_for_each(|child| device(&lan.machine, child)),
            Self::Daemon(lan, daemon) => {
                let parent = format!("parent={PARENT}");
                let options = ["-d", "macvlan", "-o", "mode=bridge", "-o", &parent];
                daemon.network(lan.mtu, &options)?;
                children().try_for_each(|child| {
                    daemon.connect(child.place, &["--mac-address", &child.place.mac()])
                })
            }
            Self::Loop(lan, running) => {
                for child in children() {
                    *running = Some(BareLoop::on_parent(child, &lan.machine, PARENT, lan.mtu)?);
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
                children().try_for_each(|child| ip(&child.netns, &["link", "del", PARENT]))
            }
            Self::Daemon(_, daemon) => {
                // The network goes also where a child was never on it, so that the next one finds a free parent.
                let each: Vec<_> = children()
                    .map(|child| daemon.disconnect(child.place))
                    .collect();
                let removed = daemon.remove_network();
                each.into_iter().chain([removed]).collect()
            }
            Self::Loop(_, running) => running.take().map_or(Ok(()), BareLoop::finish),
        }
    }

    /// Who does the work.
    pub(super) fn tasks(&self) -> Vec<Task> {
        match self {
            Self::Kernel(_) => Vec::new(),
            Self::Daemon(_, daemon) => vec![daemon.task()],
            Self::Loop(_, running) => running.iter().map(BareLoop::task).collect(),
        }
    }

    /// An error when it has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        match self {
            Self::Daemon(_, daemon) => daemon.check(),
            Self::Kernel(_) | Self::Loop(..) => Ok(()),
        }
    }
}

/// A macvlan device on the machine's parent, in the child's namespace.
fn device(machine: &Netns, child: &Host) -> Result<()> {
    let (place, mac) = (path_of(&child.netns), child.place.mac());
    let link = ["link", "add", "link", PARENT, "name", PARENT];
    let place = ["address", &mac, "netns", &place];
    let kind = ["type", "macvlan", "mode", "bridge"];
    ip(machine, &[&link[..], &place, &kind].concat())
        .context("this kernel makes no macvlan device")?;
    link::address(child)?;
    up(&child.netns, PARENT)
}
