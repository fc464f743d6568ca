//! Making everything again that the kept state has.
//!
//! First the networks, then the sandboxes that are still there, then their endpoints in the order in which they were
//! made: a device went with the daemon that held it, so it is made again inside the sandbox, under its name, with its
//! addresses, without touching what lives there. What no longer exists is reported and given up. What cannot be made
//! now, and might be later (an address or a parent that is away), stays in the state for the next start.
//!
//! A named sandbox is made again, empty, when its namespace is gone, as after a reboot: it is ours.

use std::time::{Duration, Instant};

use super::{Controller, vanished};
use crate::control::{
    ControlError, ErrorKind,
    command::{Connect, FdbAdd},
    endpoint::End,
    kernel::Kernel,
    name::ObjectId,
    network::{Driver, Owner, is_predefined},
    reservation::Reservation,
    sandbox::{Place, Sandbox},
    state::{SavedEndpoint, SavedEntry, SavedGuest, SavedNetwork, SavedSandbox, State},
    store::Found,
    view::{FdbKind, SandboxKind},
};

/// A daemon that was killed may still be closing its devices.
const STALE: Duration = Duration::from_secs(5);

impl<K: Kernel> Controller<K> {
    /// Takes over what was found; what goes wrong is logged, one line each, and the rest goes on.
    pub(super) fn restore(&mut self, found: Found) {
        for line in found.damage {
            tracing::error!("{line}");
        }
        let Some(bytes) = found.state else {
            return;
        };
        let state: State = match serde_json::from_slice(&bytes) {
            Ok(state) => state,
            Err(error) => {
                tracing::error!(%error, "the kept state cannot be understood; started with nothing");
                return;
            }
        };
        let began = Instant::now();
        self.dormant = State::default();
        let same_boot = state.boot == self.kernel.boot();
        for network in &state.networks {
            if let Err(error) = self.restore_network(network) {
                tracing::error!(network = %network.create.name, %error, "cannot be made again now; kept for the next start");
                self.dormant.networks.push(network.clone());
            }
        }
        for sandbox in state.sandboxes {
            self.restore_sandbox(sandbox, same_boot);
        }
        for endpoint in state.endpoints {
            self.restore_endpoint(endpoint);
        }
        for pool in &state.pools {
            if let Err(error) = self.guest_pools.resume(pool) {
                tracing::error!(pool = %pool.pool, %error, "an address pool is lost");
            }
        }
        for guest in state.guests {
            self.restore_guest(guest);
        }
        for network in &state.networks {
            self.restore_details(network);
        }
        let empty: Vec<ObjectId> = (self.sandboxes.values())
            .filter(|sandbox| sandbox.kind != SandboxKind::Named)
            .filter(|sandbox| self.endpoints_of_sandbox(&sandbox.id).next().is_none())
            .map(|sandbox| sandbox.id.clone())
            .collect();
        for id in empty {
            self.forget(&id);
        }
        tracing::info!(
            networks = self.networks.len(),
            sandboxes = self.sandboxes.len(),
            endpoints = self.endpoints.len(),
            took = ?began.elapsed(),
            "restored"
        );
    }

    fn restore_network(&mut self, saved: &SavedNetwork) -> Result<(), ControlError> {
        let id = saved.id.clone();
        let create = saved.create.clone();
        let driver = match create.driver.as_str() {
            "bridge" => Driver::Bridge,
            "overlay" => Driver::Overlay,
            "macvlan" => Driver::Macvlan,
            "host" => Driver::Host,
            _ => Driver::Null,
        };
        let relay = match driver {
            Driver::Host | Driver::Null => None,
            Driver::Bridge | Driver::Overlay | Driver::Macvlan => {
                let plan = self.plan(driver, &create, &id, None)?;
                let mut relay = self.relay(&create.name, plan, create.internal)?;
                for cursor in &saved.cursors {
                    let pools = &mut relay.pools;
                    for pool in pools.v4.iter_mut().chain(&mut pools.v6) {
                        pool.resume(cursor);
                    }
                }
                Some(relay)
            }
        };
        let name = create.name.clone();
        self.insert(
            (id.clone(), saved.owner, saved.created.clone()),
            create,
            driver,
            relay,
        );
        if is_predefined(&name) {
            return Ok(());
        }
        self.open_gateway(&id).inspect_err(|_| {
            self.take_network(&id);
        })
    }

    /// What needs the endpoints: peers that came and went, entries by hand.
    fn restore_details(&mut self, saved: &SavedNetwork) {
        let Some(network) = self.networks.get(&saved.id) else {
            return;
        };
        let name = network.name.clone();
        let listed: Vec<_> = (self.tunnel(network))
            .map(|(tunnel, underlay)| underlay.peers(tunnel.vni))
            .into_iter()
            .flatten()
            .map(|peer| peer.addr)
            .collect();
        let reference = saved.id.to_string();
        let missing = saved.peers.iter().filter(|peer| !listed.contains(peer));
        for peer in missing {
            if let Err(error) = self.peer_add(&reference, *peer) {
                tracing::error!(network = %name, %peer, %error, "a peer is lost");
            }
        }
        for peer in listed.iter().filter(|peer| !saved.peers.contains(peer)) {
            if let Err(error) = self.peer_remove(&reference, *peer) {
                tracing::error!(network = %name, %peer, %error, "a peer is back");
            }
        }
        for entry in &saved.entries {
            if let Err(error) = self.restore_entry(&reference, entry) {
                tracing::error!(network = %name, mac = %entry.mac, %error, "an entry is lost");
            }
        }
    }

    fn restore_entry(&self, network: &str, saved: &SavedEntry) -> Result<(), ControlError> {
        let port = match &saved.endpoint {
            None => None,
            Some(id) => {
                let mut endpoints = self.endpoints.values();
                let found = endpoints.find(|endpoint| endpoint.id == *id);
                let gone = || ControlError::not_found("its endpoint is gone; add it again");
                Some(found.ok_or_else(gone)?.port.to_string())
            }
        };
        if saved.kind != FdbKind::Local && port.is_none() && saved.remote.is_none() {
            return Err(ControlError::not_found("its port is gone; add it again"));
        }
        let add = FdbAdd {
            mac: saved.mac,
            port,
            remote: saved.remote,
            vlan: saved.vlan,
            kind: saved.kind,
        };
        self.fdb_add(network, &add)
    }

    fn restore_sandbox(&mut self, saved: SavedSandbox, same_boot: bool) {
        let found = (self.kernel.open_netns(&saved.place))
            .and_then(|netns| self.kernel.identify(&netns))
            .ok();
        let netns = match saved.kind {
            SandboxKind::Named => match found {
                Some(found) => Some(found),
                None => match self.make_again(&saved.place) {
                    Ok(netns) => Some(netns),
                    Err(error) => {
                        tracing::error!(sandbox = %saved.name, %error, "cannot be made again");
                        return;
                    }
                },
            },
            SandboxKind::Foreign => {
                if !same_boot || found.is_none() || found != saved.netns {
                    tracing::warn!(sandbox = %saved.name, "its namespace is gone; given up with its endpoints");
                    return;
                }
                found
            }
            // Whether it is still the same is the front-end's to know, which tells us when it is gone.
            SandboxKind::Guest => found,
        };
        let sandbox = Sandbox {
            id: saved.id.clone(),
            name: saved.name,
            kind: saved.kind,
            place: saved.place,
            netns,
            created: saved.created,
        };
        self.sandboxes.insert(saved.id, sandbox);
    }

    fn make_again(&self, place: &Place) -> Result<crate::sys::NetnsId, ControlError> {
        let path = place.path();
        self.kernel.unpin(&path)?;
        let netns = self.kernel.create_netns(&path)?;
        self.kernel.identify(&netns)
    }

    fn restore_endpoint(&mut self, saved: SavedEndpoint) {
        if (self.dormant.networks.iter()).any(|network| network.id == saved.network) {
            if let Some(sandbox) = self.sandboxes.get(&saved.sandbox)
                && sandbox.kind == SandboxKind::Named
            {
                self.dormant.endpoints.push(saved);
            }
            return;
        }
        let network = self.network_name(&saved.network);
        let name = saved.connect.sandbox.clone();
        if let Err(error) = self.connect_again(&saved) {
            tracing::error!(%network, sandbox = %name, %error, "an endpoint is lost");
        }
    }

    fn connect_again(&mut self, saved: &SavedEndpoint) -> Result<(), ControlError> {
        if !self.networks.contains_key(&saved.network) {
            return Err(vanished("network", saved.network.short()));
        }
        let ours = (saved.id.clone(), saved.connect.clone());
        match saved.end {
            End::Host => {
                return self.patiently(|c| c.join_host(&saved.network, Some(ours.clone())));
            }
            End::Sandbox => {}
            // Not kept as endpoints.
            End::Gateway | End::Guest => return Ok(()),
        }
        let sandbox = self.sandboxes.get(&saved.sandbox);
        let sandbox = sandbox
            .ok_or_else(|| ControlError::not_found("its sandbox is gone; connect it again"))?;
        let sandbox = sandbox.clone();
        self.follow_mtu(&saved.network);
        self.patiently(|c| {
            let netns = c.kernel.open_netns(&sandbox.place)?;
            let place = (sandbox.clone(), netns, End::Sandbox);
            let (id, connect) = &ours;
            c.connect_to(&saved.network, place, (id.clone(), connect))
                .map(|_| ())
        })
    }

    /// Tries again while a device of the killed daemon is still there.
    fn patiently(
        &mut self,
        mut step: impl FnMut(&mut Self) -> Result<(), ControlError>,
    ) -> Result<(), ControlError> {
        let until = Instant::now() + STALE;
        loop {
            match step(self) {
                Err(error) if error.kind == ErrorKind::Conflict && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                done => return done,
            }
        }
    }

    fn restore_guest(&mut self, saved: SavedGuest) {
        if (self.dormant.networks.iter()).any(|network| network.id == saved.network) {
            self.dormant.guests.push(saved);
            return;
        }
        let wish = Connect {
            ip: saved.ipv4.map(|net| net.addr()),
            ip6: saved.ipv6.map(|net| net.addr()),
            mac_address: Some(saved.mac),
            ..Connect::default()
        };
        if let Err(error) = self.claim(&saved.network, saved.id.short(), &wish) {
            tracing::error!(endpoint = saved.id.short(), %error, "a place is lost");
            return;
        }
        let id = saved.id.clone();
        self.guests.insert(id.clone(), Reservation::resume(&saved));
        let Some(join) = saved.joined else {
            return;
        };
        if let Err(error) = self.patiently(|c| c.rejoin(&id, &join, &saved.bindings)) {
            tracing::warn!(endpoint = id.short(), sandbox = %join.sandbox.display(), %error, "not joined again; its place is kept");
        }
    }

    /// Whether the front-end has this network.
    pub(super) fn is_guest_network(&self, id: &ObjectId) -> bool {
        (self.networks.get(id)).is_some_and(|network| network.owner == Owner::Guest)
    }
}
