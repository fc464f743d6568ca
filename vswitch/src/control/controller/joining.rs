//! The device of a place that a front-end keeps: made when the place joins a sandbox, moved and named by the front-end,
//! made again after a restart where it was.

use std::path::Path;

use super::{Controller, vanished};
use crate::{
    control::{
        ControlError,
        attach::{self, Site, longest_superframe_on, plug},
        command::Connect,
        endpoint::{self, End, Endpoint},
        guest::Joined,
        kernel::{DeviceSpec, Kernel},
        name::ObjectId,
        publish::Binding,
        sandbox::{Place, Sandbox},
        stamp,
        state::SavedJoin,
        view::SandboxKind,
    },
    port::PortId,
    sys::IfName,
};

impl<K: Kernel> Controller<K> {
    pub(super) fn port_of(&self, endpoint: &ObjectId) -> Option<PortId> {
        let mut endpoints = self.endpoints.values();
        endpoints
            .find(|known| known.id == *endpoint)
            .map(|known| known.port)
    }

    pub(super) fn join(
        &mut self,
        endpoint: &ObjectId,
        sandbox: &Path,
    ) -> Result<Joined, ControlError> {
        let guest = self.place(endpoint)?;
        let device = IfName::new(format!("vp-{}", endpoint.short()))
            .map_err(|error| ControlError::internal(error.to_string()))?;
        let again = guest
            .joined
            .as_ref()
            .is_some_and(|join| join.sandbox == sandbox && join.ifname.is_none());
        let plugged = self.port_of(endpoint).is_some();
        if plugged && !again {
            return Err(ControlError::conflict(format!(
                "endpoint {}: has joined a sandbox already; it has to leave that first",
                endpoint.short()
            )));
        }
        let network = guest.network.clone();
        self.follow_mtu(&network);
        if !plugged {
            self.leave(endpoint);
            let (_, netns) = self.host()?;
            self.plug_guest(endpoint, sandbox, (&netns, device.clone()), false)?;
            if let Some(guest) = self.guests.get_mut(endpoint) {
                guest.joined = Some(SavedJoin {
                    sandbox: sandbox.to_owned(),
                    device: device.clone(),
                    ifname: None,
                });
            }
            self.tell_names();
        }
        let known = self
            .networks
            .get(&network)
            .ok_or_else(|| vanished("network", network.short()))?;
        Ok(Joined {
            device: device.to_string(),
            gateways: attach::gateways(known.relay()?, known.internal, End::Sandbox),
            internal: known.internal,
        })
    }

    /// Makes the device of a place, either for the front-end to move and configure, or, `whole`, in the sandbox itself.
    fn plug_guest(
        &mut self,
        id: &ObjectId,
        path: &Path,
        (netns, ifname): (&K::Netns, IfName),
        whole: bool,
    ) -> Result<(), ControlError> {
        let sandbox = self.guest_sandbox(path)?;
        let plugged = self.guest_endpoint(id, &sandbox, (netns, ifname), whole);
        let endpoint = plugged.inspect_err(|_| {
            if self.endpoints_of_sandbox(&sandbox).next().is_none() {
                self.forget(&sandbox);
            }
        })?;
        let network = endpoint.network.clone();
        self.endpoints.insert(endpoint.port, endpoint);
        self.show_first_carrier(&network);
        Ok(())
    }

    fn guest_endpoint(
        &self,
        id: &ObjectId,
        sandbox: &ObjectId,
        (netns, ifname): (&K::Netns, IfName),
        whole: bool,
    ) -> Result<Endpoint, ControlError> {
        let guest = self.place(id)?;
        let network = self.networks.get(&guest.network);
        let network = network.ok_or_else(|| vanished("network", guest.network.short()))?;
        let relay = network.relay()?;
        let addresses: Vec<ipnet::IpNet> = (guest.ipv4.map(Into::into).into_iter())
            .chain(guest.ipv6.map(Into::into))
            .collect();
        let gateways = attach::gateways(relay, network.internal, End::Sandbox);
        let spec = DeviceSpec {
            ifname,
            mac: guest.mac,
            mtu: relay.options.mtu,
            gateways: if whole { gateways } else { Vec::new() },
            gso_max_size: longest_superframe_on(&relay.reach, relay.options.mtu),
            offload: guest.offload.unwrap_or(relay.options.offload),
            addresses: if whole { addresses } else { Vec::new() },
            disable_ipv6: whole && !relay.ipv6,
            announce: whole,
            up: whole,
        };
        let (port, tx) = plug(&self.tools(), &Site::of(network)?, netns, &spec)?;
        Ok(Endpoint {
            id: id.clone(),
            network: guest.network.clone(),
            sandbox: sandbox.clone(),
            ifname: spec.ifname,
            port,
            tx,
            mac: guest.mac,
            ipv4: guest.ipv4,
            ipv6: guest.ipv6,
            mtu: spec.mtu,
            offload: spec.offload,
            end: End::Guest,
            wish: Connect::default(),
            services: Vec::new(),
        })
    }

    /// The sandbox of a front-end at this path, known or to be known.
    fn guest_sandbox(&mut self, path: &Path) -> Result<ObjectId, ControlError> {
        let place = Place::Path(path.to_owned());
        let ours =
            |sandbox: &&Sandbox| sandbox.kind == SandboxKind::Guest && sandbox.place == place;
        if let Some(known) = self.sandboxes.values().find(ours) {
            return Ok(known.id.clone());
        }
        let id = ObjectId::random()?;
        let base = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = self.foreign_name(&format!("docker-{}", base.unwrap_or_default()));
        self.register(Sandbox {
            id: id.clone(),
            name,
            kind: SandboxKind::Guest,
            place,
            netns: None,
            created: stamp::now(),
        });
        Ok(id)
    }

    /// Looks where the front-end has put the device of an endpoint; false while it is on its way.
    pub(super) fn settle_guest(&mut self, endpoint: &ObjectId) -> bool {
        let Some(port) = self.port_of(endpoint) else {
            return false;
        };
        let Some((sandbox, mac)) = (self.endpoints.get(&port)).map(|e| (e.sandbox.clone(), e.mac))
        else {
            return false;
        };
        let Some(place) = self.sandboxes.get(&sandbox).map(|s| s.place.clone()) else {
            return false;
        };
        let found = self.kernel.open_netns(&place).and_then(|netns| {
            let ifname = self.kernel.interface_of(&netns, mac)?;
            Ok((self.kernel.identify(&netns)?, ifname))
        });
        let Ok((netns, Some(ifname))) = found else {
            return false;
        };
        if let Some(sandbox) = self.sandboxes.get_mut(&sandbox) {
            sandbox.netns = Some(netns);
        }
        if let Some(endpoint) = self.endpoints.get_mut(&port) {
            endpoint.ifname = ifname.clone();
        }
        if let Some(join) = (self.guests.get_mut(endpoint)).and_then(|guest| guest.joined.as_mut())
        {
            join.ifname = Some(ifname);
        }
        self.resolve_in(&sandbox);
        true
    }

    /// Makes the device of a place again, in the sandbox that it had joined.
    pub(super) fn rejoin(
        &mut self,
        id: &ObjectId,
        join: &SavedJoin,
        bindings: &[Binding],
    ) -> Result<(), ControlError> {
        let netns = self.kernel.open_netns(&Place::Path(join.sandbox.clone()))?;
        let taken = self.kernel.interface_names(&netns)?;
        let ifname = match &join.ifname {
            Some(former) => endpoint::wished_ifname(former.as_str(), &taken)?,
            None => endpoint::automatic_ifname(&taken)?,
        };
        self.plug_guest(id, &join.sandbox, (&netns, ifname.clone()), true)?;
        if let Some(guest) = self.guests.get_mut(id) {
            guest.joined = Some(SavedJoin {
                ifname: Some(ifname),
                ..join.clone()
            });
        }
        self.settle_guest(id);
        if let Err(error) = self.publish(id, bindings) {
            tracing::error!(endpoint = id.short(), %error, "its ports are not published any more");
        }
        Ok(())
    }
}
