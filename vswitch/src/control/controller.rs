//! The one that decides and does: [`Controller::apply`].
//!
//! All state of the control plane is here, and only here is it changed, one command after the other. A controller
//! belongs behind one mutex ([`super::Handle`]); its functions block for as long as the kernel takes (some
//! milliseconds for an attach), so front-ends call them from threads that may block.
//!
//! A refused command changes nothing: everything that may refuse comes before the first change, or is undone
//! ([`super::attach`]).

mod gateways;
mod guests;
mod joining;
mod links;
mod memory;
mod networks;
mod parents;
mod peers;
mod ports;
mod remotes;
mod restore;
mod sandboxes;
mod superseded;
mod upkeep;
mod yielding;

pub use upkeep::Upkeep;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Instant};

use super::{
    Command, ControlError, Reply,
    endpoint::Endpoint,
    events::EventHub,
    kernel::Kernel,
    macvlan::Segments,
    name::{ObjectId, resolve},
    network::{Network, Owner},
    overlay::{Tunnel, Underlays},
    reservation::{GuestPools, Reservation},
    sandbox::Sandbox,
    services::{Service, Services},
    state::State,
    store::{Found, Store},
    view::{Status, Totals, WorkerStatus},
};
use crate::{datapath::Switch, port::PortId};

/// What a controller is made from.
#[derive(Debug)]
pub struct Parts<K: Kernel> {
    /// Namespaces and devices.
    pub kernel: K,
    /// What is served.
    pub services: Arc<dyn Services>,
    /// The data path.
    pub switch: Arc<Switch>,
    /// Where namespaces are pinned.
    pub run_dir: PathBuf,
    /// Where the state is kept and what was found there; none when nothing is to outlive the daemon.
    pub memory: Option<(Store, Found)>,
}

/// The control plane's state.
#[derive(Debug)]
pub struct Controller<K: Kernel> {
    kernel: K,
    switch: Arc<Switch>,
    run_dir: PathBuf,
    started: Instant,
    networks: BTreeMap<ObjectId, Network>,
    underlays: Underlays,
    segments: Segments,
    sandboxes: BTreeMap<ObjectId, Sandbox>,
    endpoints: BTreeMap<PortId, Endpoint>,
    guests: BTreeMap<ObjectId, Reservation>,
    guest_pools: GuestPools,
    services: Arc<dyn Services>,
    /// Names at 127.0.0.11, by sandbox.
    resolvers: BTreeMap<ObjectId, Service>,
    /// None when nothing outlives the daemon.
    store: Option<Store>,
    /// What could not be made again, and is kept for the next time.
    dormant: State,
    /// Nothing is kept while it is being restored.
    restoring: bool,
    events: EventHub,
    /// Wakes the upkeep when ageing entries were added by hand.
    ageing: Option<crossbeam_channel::Sender<()>>,
}

impl<K: Kernel> Controller<K> {
    /// A controller with what the kept state has, and the predefined networks. Namespaces are pinned in
    /// `run_dir/netns`; pins that a killed daemon left there and that no sandbox of the state has are removed.
    ///
    /// # Errors
    /// When no ID can be made.
    pub fn new(
        Parts {
            kernel,
            services,
            switch,
            run_dir,
            memory,
        }: Parts<K>,
    ) -> Result<Self, ControlError> {
        let (store, found) = memory.unzip();
        let mut controller = Self {
            kernel,
            switch,
            run_dir,
            guests: BTreeMap::new(),
            guest_pools: GuestPools::default(),
            services,
            resolvers: BTreeMap::new(),
            store,
            dormant: State::default(),
            restoring: true,
            started: Instant::now(),
            networks: BTreeMap::new(),
            underlays: Underlays::default(),
            segments: Segments::default(),
            sandboxes: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            events: EventHub::default(),
            ageing: None,
        };
        controller.restore(found.unwrap_or_default());
        controller.remove_stale_pins();
        controller.add_predefined()?;
        controller.restoring = false;
        for sandbox in controller.sandboxes.keys() {
            controller.settle_default(sandbox);
        }
        controller.tell_names();
        controller.keep();
        Ok(controller)
    }

    /// Where events are published.
    pub fn events(&self) -> &EventHub {
        &self.events
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// One line that says what, why and what to do; nothing was changed then.
    pub fn apply(&mut self, command: Command) -> Result<Reply, ControlError> {
        let changes = command.changes();
        let reply = self.carry_out(command)?;
        if changes {
            self.keep();
        }
        Ok(reply)
    }

    fn carry_out(&mut self, command: Command) -> Result<Reply, ControlError> {
        Ok(match command {
            Command::Status => Reply::Status(Box::new(self.status())),
            Command::NetworkList => Reply::Networks(self.network_list()),
            Command::NetworkInspect { network } => {
                Reply::Network(Box::new(self.network_inspect(&network)?))
            }
            Command::NetworkCreate(create) => {
                let owner = (ObjectId::random()?, Owner::User);
                Reply::Created(self.network_create(owner, create)?)
            }
            Command::NetworkRemove { network } => {
                self.network_remove(&network)?;
                Reply::Done
            }
            Command::NetworkPrune => Reply::Pruned(self.network_prune()),
            Command::Connect { network, connect } => {
                Reply::Connected(Box::new(self.connect(&network, &connect)?))
            }
            Command::Disconnect {
                network,
                disconnect,
            } => Reply::Disconnected(self.disconnect(&network, &disconnect.sandbox)?),
            Command::SandboxList => Reply::Sandboxes(self.sandbox_list()),
            Command::SandboxInspect { sandbox } => {
                Reply::Sandbox(Box::new(self.sandbox_inspect(&sandbox)?))
            }
            Command::SandboxCreate(create) => Reply::Created(self.sandbox_create(create.name)?),
            Command::SandboxRemove { sandbox, force } => {
                Reply::Disconnected(self.sandbox_remove(&sandbox, force)?)
            }
            Command::PortList => Reply::Ports(self.port_list()),
            Command::PortInspect { port } => Reply::Port(Box::new(self.port_inspect(&port)?)),
            Command::FdbShow { network } => Reply::Fdb(self.fdb_show(&network)?),
            Command::FdbStats { network } => Reply::FdbStats(self.fdb_stats(&network)?),
            Command::FdbAdd { network, add } => {
                self.fdb_add(&network, &add)?;
                Reply::Done
            }
            Command::FdbRemove { network, remove } => {
                self.fdb_remove(&network, &remove)?;
                Reply::Done
            }
            Command::FdbFlush { network, flush } => {
                Reply::Flushed(self.fdb_flush(&network, &flush)?)
            }
            Command::PeerList { network } => Reply::Peers(self.peer_list(&network)?),
            Command::PeerAdd { network, peer } => {
                self.peer_add(&network, peer.ip)?;
                Reply::Done
            }
            Command::PeerRemove { network, peer } => {
                self.peer_remove(&network, peer.ip)?;
                Reply::Done
            }
        })
    }

    fn status(&self) -> Status {
        let tally = self.switch.totals();
        let workers = self
            .switch
            .workers()
            .into_iter()
            .map(|worker| WorkerStatus {
                frames: worker.frames,
                batches: worker.batches,
                wakeups: worker.sleeps,
                ports: worker.ports,
            });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs(),
            run_dir: self.run_dir.clone(),
            workers: workers.collect(),
            networks: self.networks.len(),
            ports: self.endpoints.len() + self.tunnels().count() + self.segments.uplinks().count(),
            sandboxes: self.sandboxes.len(),
            totals: Totals {
                received: tally.rx.frames,
                replicated: tally.replicated,
                delivered: tally.tx.frames,
                consumed: tally.consumed,
                residual: tally.residual().try_into().unwrap_or(i64::MAX),
                dropped: owned(tally.drops),
            },
            tunnels: self.underlays.status(|id| {
                let ours = |tunnel: &&Tunnel| tunnel.underlay == id;
                self.tunnels()
                    .map(|(_, tunnel)| tunnel)
                    .filter(ours)
                    .count()
            }),
            uplinks: self.segments.status(),
            events_lost: self.switch.events_lost(),
        }
    }

    fn network_id(&self, reference: &str) -> Result<ObjectId, ControlError> {
        resolve(
            "network",
            reference,
            self.networks.values().map(|n| (&n.id, n.name.as_str())),
        )
    }

    fn network(&self, reference: &str) -> Result<&Network, ControlError> {
        let id = self.network_id(reference)?;
        self.networks
            .get(&id)
            .ok_or_else(|| vanished("network", reference))
    }

    fn network_name(&self, id: &ObjectId) -> String {
        self.networks
            .get(id)
            .map(|network| network.name.clone())
            .unwrap_or_default()
    }

    fn sandbox_name(&self, id: &ObjectId) -> String {
        self.sandboxes
            .get(id)
            .map(|sandbox| sandbox.name.clone())
            .unwrap_or_default()
    }

    /// `SANDBOX/IFNAME`, by which a port is known.
    fn port_name(&self, endpoint: &Endpoint) -> String {
        format!(
            "{}/{}",
            self.sandbox_name(&endpoint.sandbox),
            endpoint.ifname
        )
    }

    /// The overlay networks with their tunnels.
    fn tunnels(&self) -> impl Iterator<Item = (&Network, &Tunnel)> {
        (self.networks.values())
            .filter_map(|network| Some((network, network.relay.as_ref()?.reach.tunnel()?)))
    }

    fn endpoints_of_network<'a>(
        &'a self,
        network: &'a ObjectId,
    ) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints
            .values()
            .filter(move |endpoint| endpoint.network == *network)
    }

    fn endpoints_of_sandbox<'a>(
        &'a self,
        sandbox: &'a ObjectId,
    ) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints
            .values()
            .filter(move |endpoint| endpoint.sandbox == *sandbox)
    }
}

/// An object that was found a moment ago and is not there: a fault of ours, told instead of a panic.
fn vanished(what: &str, reference: &str) -> ControlError {
    ControlError::internal(format!(
        "{what} {reference}: vanished while it was used; try again"
    ))
}

fn owned(drops: BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    drops
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect()
}

#[cfg(test)]
mod tests;
