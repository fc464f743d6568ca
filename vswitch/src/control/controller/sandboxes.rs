//! Commands on sandboxes, and connecting them.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Controller, vanished};
use crate::{
    control::{
        ControlError,
        attach::{Tools, attach, release, unplug},
        command::Connect,
        endpoint::{End, Endpoint},
        kernel::Kernel,
        name::{self, ObjectId, resolve},
        network::is_predefined,
        sandbox::{self, Place, Sandbox, SandboxRef},
        services::Home,
        stamp,
        view::{
            Connected, Created, Disconnected, EventKind, SandboxInspect, SandboxInterface,
            SandboxKind, SandboxSummary,
        },
    },
    port::PortId,
    sys::NetnsId,
};
use vswitch_wire::MacAddr;

impl<K: Kernel> Controller<K> {
    /// Directory of the pinned namespaces.
    pub(super) fn pin_directory(&self) -> PathBuf {
        self.run_dir.join("netns")
    }

    pub(super) fn sandbox_list(&self) -> Vec<SandboxSummary> {
        // The host is one when it takes part in a network, not where it is only the gateway.
        let gateway = |sandbox: &&Sandbox| {
            let mut endpoints = self.endpoints_of_sandbox(&sandbox.id);
            let first = endpoints.next().map(|endpoint| endpoint.end);
            let gateway = first == Some(End::Gateway);
            gateway && endpoints.all(|endpoint| endpoint.end == End::Gateway)
        };
        let mut list: Vec<_> = (self.sandboxes.values())
            .filter(|sandbox| !gateway(sandbox))
            .map(|sandbox| {
                let endpoints = (self.endpoints_of_sandbox(&sandbox.id))
                    .filter(|endpoint| endpoint.end != End::Gateway);
                sandbox.summary(
                    endpoints
                        .map(|endpoint| self.network_name(&endpoint.network))
                        .collect(),
                )
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    pub(super) fn sandbox_inspect(&self, reference: &str) -> Result<SandboxInspect, ControlError> {
        let sandbox = self.known_sandbox(reference)?;
        Ok(SandboxInspect {
            id: sandbox.id.to_string(),
            name: sandbox.name.clone(),
            kind: sandbox.kind,
            path: sandbox.place.path(),
            created: sandbox.created.clone(),
            interfaces: (self.endpoints_of_sandbox(&sandbox.id))
                .map(|endpoint| self.sandbox_interface(endpoint))
                .collect(),
        })
    }

    fn sandbox_interface(&self, endpoint: &Endpoint) -> SandboxInterface {
        let pools = self
            .networks
            .get(&endpoint.network)
            .and_then(|network| network.relay.as_ref());
        let pools = pools.map(|relay| &relay.pools);
        SandboxInterface {
            network: self.network_name(&endpoint.network),
            network_id: endpoint.network.to_string(),
            endpoint_id: endpoint.id.to_string(),
            interface: endpoint.view(),
            gateway: pools.and_then(|pools| Some(pools.v4.as_ref()?.gateway())),
            gateway6: pools.and_then(|pools| Some(pools.v6.as_ref()?.gateway())),
            gateway_priority: endpoint.wish.gateway_priority,
            aliases: endpoint.wish.aliases.clone(),
            publish: endpoint.wish.publish.clone(),
        }
    }

    pub(super) fn sandbox_create(&mut self, name: String) -> Result<Created, ControlError> {
        name::check("sandbox", &name)?;
        if self.sandboxes.values().any(|sandbox| sandbox.name == name) {
            return Err(ControlError::conflict(format!(
                "sandbox {name}: the name is taken; choose another or remove that sandbox first"
            )));
        }
        let id = ObjectId::random()?;
        let path = self.pin_directory().join(&name);
        let netns = self.kernel.create_netns(&path)?;
        let netns = self.kernel.identify(&netns).inspect_err(|_| {
            if let Err(error) = self.kernel.unpin(&path) {
                tracing::warn!(path = %path.display(), %error, "pin left behind");
            }
        })?;
        self.register(Sandbox {
            id: id.clone(),
            name: name.clone(),
            kind: SandboxKind::Named,
            place: Place::Path(path),
            netns: Some(netns),
            created: stamp::now(),
        });
        Ok(Created {
            id: id.to_string(),
            name,
        })
    }

    pub(super) fn register(&mut self, sandbox: Sandbox) {
        tracing::info!(sandbox = %sandbox.name, id = sandbox.id.short(), "sandbox known");
        let (name, id) = (sandbox.name.clone(), sandbox.id.to_string());
        self.events
            .publish(EventKind::SandboxCreate { sandbox: name, id });
        self.sandboxes.insert(sandbox.id.clone(), sandbox);
    }

    /// Forgets a sandbox; a namespace of ours loses its pin.
    pub(super) fn forget(&mut self, id: &ObjectId) -> Vec<String> {
        let Some(sandbox) = self.sandboxes.remove(id) else {
            return Vec::new();
        };
        self.resolvers.remove(id);
        let mut warnings = Vec::new();
        if sandbox.kind == SandboxKind::Named
            && let Err(error) = self.kernel.unpin(&sandbox.place.path())
        {
            tracing::warn!(sandbox = %sandbox.name, %error, "cannot unpin");
            warnings.push(error.message);
        }
        tracing::info!(sandbox = %sandbox.name, id = sandbox.id.short(), "sandbox removed");
        self.events.publish(EventKind::SandboxRemove {
            sandbox: sandbox.name,
            id: id.to_string(),
        });
        warnings
    }

    pub(super) fn sandbox_remove(
        &mut self,
        reference: &str,
        force: bool,
    ) -> Result<Disconnected, ControlError> {
        let sandbox = self.known_sandbox(reference)?;
        let (id, name, kind) = (sandbox.id.clone(), sandbox.name.clone(), sandbox.kind);
        // A gateway goes with its network.
        let connected: Vec<(PortId, String)> = (self.endpoints_of_sandbox(&id))
            .filter(|endpoint| endpoint.end != End::Gateway)
            .map(|endpoint| (endpoint.port, self.network_name(&endpoint.network)))
            .collect();
        if let (Some((_, network)), false) = (connected.first(), force) {
            return Err(ControlError::conflict(format!(
                "sandbox {name}: connected to network {network}; disconnect it first or remove it with --force"
            )));
        }
        let mut warnings = Vec::new();
        for (port, _) in connected {
            warnings.extend(self.remove_endpoint(port));
        }
        // A foreign one went with its last endpoint.
        if kind == SandboxKind::Named {
            warnings.extend(self.forget(&id));
        }
        Ok(Disconnected { warnings })
    }

    pub(super) fn connect(
        &mut self,
        network: &str,
        connect: &Connect,
    ) -> Result<Connected, ControlError> {
        let network_id = self.network_id(network)?;
        let known = self.network(network)?;
        known.relay()?;
        if let (Some(alias), true) = (connect.aliases.first(), is_predefined(&known.name)) {
            return Err(ControlError::invalid(format!(
                "alias {alias}: network {} has no names, as with Docker; make a network of your own for them",
                known.name
            )));
        }
        for alias in &connect.aliases {
            name::check("alias", alias)?;
        }
        self.follow_mtu(&network_id);
        let (sandbox, netns) = self.open_sandbox(&connect.sandbox)?;
        let id = ObjectId::random()?;
        self.connect_to(&network_id, (sandbox, netns, End::Sandbox), (id, connect))
    }

    /// Makes an endpoint of the network in a sandbox that is known or to be known.
    pub(super) fn connect_to(
        &mut self,
        network_id: &ObjectId,
        (sandbox, netns, end): (Sandbox, K::Netns, End),
        (id, connect): (ObjectId, &Connect),
    ) -> Result<Connected, ControlError> {
        self.refuse_twice(&sandbox, network_id)?;
        let macs = self.macs_of(network_id);
        let target = self
            .networks
            .get_mut(network_id)
            .ok_or_else(|| vanished("network", network_id.short()))?;
        let tools = Tools {
            kernel: &self.kernel,
            switch: &self.switch,
            underlays: &self.underlays,
        };
        let place = (&sandbox, &netns, end);
        let mut endpoint = attach(&tools, target, place, (id, connect), &macs)?;
        let home = sandbox.netns.map(|netns| Home {
            place: sandbox.place.clone(),
            netns: Some(netns),
        });
        match self.serve(&mut endpoint, home.as_ref()) {
            // Somebody has taken a port while the daemon was away: that is no reason to lose the network as well.
            Err(error) if self.restoring => {
                tracing::error!(sandbox = %sandbox.name, %error, "a port is not published any more");
            }
            served => served.inspect_err(|_| self.take_off(&endpoint))?,
        }
        let network = self.network_name(network_id);
        let name = sandbox.name.clone();
        let sandbox_id = sandbox.id.clone();
        if !self.sandboxes.contains_key(&sandbox_id) {
            self.register(sandbox);
        }
        tracing::info!(%network, sandbox = %name, port = %endpoint.port, "endpoint connected");
        self.events.publish(EventKind::EndpointConnect {
            network: network.clone(),
            sandbox: name.clone(),
            port: endpoint.port,
            ifname: endpoint.ifname.to_string(),
            mac: endpoint.mac,
            ipv4: endpoint.ipv4,
            ipv6: endpoint.ipv6,
        });
        let (endpoint_id, interface) = (endpoint.id.to_string(), endpoint.view());
        let port = endpoint.port;
        self.endpoints.insert(port, endpoint);
        self.note_neighbour(port, true);
        self.show_first_carrier(network_id);
        self.open_default_gateway(network_id);
        // The first one's are set already.
        if self.endpoints_of_sandbox(&sandbox_id).nth(1).is_some() {
            self.settle_default(&sandbox_id);
        }
        self.resolve_in(&sandbox_id);
        self.tell_names();
        Ok(Connected {
            endpoint_id,
            network,
            sandbox: name,
            interface,
        })
    }

    /// A sandbox is on a network once.
    fn refuse_twice(&self, sandbox: &Sandbox, network: &ObjectId) -> Result<(), ControlError> {
        let mut endpoints = self.endpoints_of_sandbox(&sandbox.id);
        if !endpoints.any(|endpoint| endpoint.network == *network && endpoint.end != End::Gateway) {
            return Ok(());
        }
        Err(ControlError::conflict(format!(
            "sandbox {}: connected to network {} already; disconnect it first",
            sandbox.name,
            self.network_name(network)
        )))
    }

    pub(super) fn disconnect(
        &mut self,
        network: &str,
        sandbox: &str,
    ) -> Result<Disconnected, ControlError> {
        let network = self.network(network)?;
        network.relay()?;
        let sandbox = self.known_sandbox(sandbox)?;
        let port = (self.endpoints_of_sandbox(&sandbox.id))
            .find(|endpoint| endpoint.network == network.id && endpoint.end != End::Gateway)
            .map(|endpoint| endpoint.port)
            .ok_or_else(|| {
                ControlError::not_found(format!(
                    "sandbox {name}: not connected to network {}; `vswitch sandbox inspect {name}` shows where it is",
                    network.name,
                    name = sandbox.name,
                ))
            })?;
        Ok(Disconnected {
            warnings: self.remove_endpoint(port),
        })
    }

    /// Removes an endpoint, and its sandbox with it if that is a foreign one without others.
    pub(super) fn remove_endpoint(&mut self, port: PortId) -> Vec<String> {
        self.note_neighbour(port, false);
        let Some(endpoint) = self.endpoints.remove(&port) else {
            return Vec::new();
        };
        self.take_off(&endpoint);
        let (network, sandbox) = (
            self.network_name(&endpoint.network),
            self.sandbox_name(&endpoint.sandbox),
        );
        tracing::info!(%network, %sandbox, %port, "endpoint disconnected");
        let ifname = endpoint.ifname.to_string();
        self.events.publish(EventKind::EndpointDisconnect {
            network,
            sandbox,
            port,
            ifname,
        });
        self.tell_names();
        let ours = self
            .sandboxes
            .get(&endpoint.sandbox)
            .is_none_or(|s| s.kind == SandboxKind::Named);
        let mut others = self.endpoints_of_sandbox(&endpoint.sandbox);
        if !ours && others.next().is_none() {
            drop(others);
            return self.forget(&endpoint.sandbox);
        }
        drop(others);
        self.settle_default(&endpoint.sandbox);
        Vec::new()
    }

    /// Takes an endpoint off the switch, and gives its addresses back if they are its own.
    fn take_off(&mut self, endpoint: &Endpoint) {
        let network = self.networks.get_mut(&endpoint.network);
        unplug(&self.switch, &self.underlays, network.as_deref(), endpoint);
        match endpoint.end {
            End::Sandbox | End::Host => release(network, endpoint.ipv4, endpoint.ipv6),
            // The network's own, and those of the place that is kept.
            End::Gateway | End::Guest => {}
        }
    }

    /// The MAC addresses in use on a network.
    pub(super) fn macs_of(&self, network: &ObjectId) -> BTreeSet<MacAddr> {
        let plugged = self.endpoints_of_network(network).map(|e| e.mac);
        let kept = (self.guests.values()).filter(|guest| guest.network == *network);
        plugged.chain(kept.map(|guest| guest.mac)).collect()
    }

    /// The known sandbox that a reference means.
    fn known_sandbox(&self, reference: &str) -> Result<&Sandbox, ControlError> {
        let found = match SandboxRef::parse(reference)? {
            SandboxRef::Name(name) => {
                let names = self.sandboxes.values().map(|s| (&s.id, s.name.as_str()));
                let id = resolve("sandbox", &name, names)?;
                self.sandboxes.get(&id)
            }
            // The namespace may be gone already, and shall still be disconnected by the name it was known by.
            SandboxRef::Place(place) => match self.identify(&place) {
                Ok(netns) => self.by_netns(netns),
                Err(_) => self
                    .sandboxes
                    .values()
                    .find(|sandbox| sandbox.name == sandbox::known_as(reference)),
            },
        };
        found.ok_or_else(|| {
            ControlError::not_found(format!(
                "sandbox {reference}: connected to no network; `vswitch sandbox ls` lists those that are known"
            ))
        })
    }

    fn identify(&self, place: &Place) -> Result<NetnsId, ControlError> {
        self.kernel.identify(&self.kernel.open_netns(place)?)
    }

    pub(super) fn by_netns(&self, netns: NetnsId) -> Option<&Sandbox> {
        self.sandboxes
            .values()
            .find(|sandbox| sandbox.netns == Some(netns))
    }

    /// The sandbox to connect, known or to be known, with its namespace open.
    fn open_sandbox(&self, reference: &str) -> Result<(Sandbox, K::Netns), ControlError> {
        match SandboxRef::parse(reference)? {
            SandboxRef::Name(_) => {
                let sandbox = self.known_sandbox(reference)?.clone();
                let netns = self.kernel.open_netns(&sandbox.place)?;
                if Some(self.kernel.identify(&netns)?) != sandbox.netns {
                    return Err(ControlError::not_found(format!(
                        "sandbox {}: its namespace is gone and {} is another one; remove the sandbox and make it again",
                        sandbox.name,
                        sandbox.place.path().display()
                    )));
                }
                Ok((sandbox, netns))
            }
            SandboxRef::Place(place) => {
                let netns = self.kernel.open_netns(&place)?;
                let id = self.kernel.identify(&netns)?;
                if let Some(known) = self.by_netns(id) {
                    return Ok((known.clone(), netns));
                }
                let sandbox = Sandbox {
                    id: ObjectId::random()?,
                    name: self.foreign_name(sandbox::known_as(reference)),
                    kind: SandboxKind::Foreign,
                    place,
                    netns: Some(id),
                    created: stamp::now(),
                };
                Ok((sandbox, netns))
            }
        }
    }

    /// The reference itself, unless an earlier namespace is still known by it (a process ID that was used again).
    pub(super) fn foreign_name(&self, reference: &str) -> String {
        let taken = |name: &str| self.sandboxes.values().any(|sandbox| sandbox.name == name);
        if !taken(reference) {
            return reference.to_owned();
        }
        (2u64..)
            .map(|number| format!("{reference}#{number}"))
            .find(|name| !taken(name))
            .unwrap_or_else(|| reference.to_owned())
    }
}
