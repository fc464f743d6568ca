//! Commands of front-ends that have objects of their own.

use super::{Controller, vanished};
use crate::control::{
    ControlError, ErrorKind,
    attach::{self, release},
    command::{Connect, NetworkCreate},
    endpoint::End,
    guest::{About, Guest, GuestReply, PoolRequest, Reserve, Reserved},
    kernel::Kernel,
    name::{self, ObjectId},
    network::Owner,
    options,
    publish::Binding,
    reservation::Reservation,
    services::Home,
    subnets,
};

impl<K: Kernel> Controller<K> {
    /// Carries out what a front-end with objects of its own asks.
    ///
    /// # Errors
    /// As of [`Self::apply`].
    pub fn guest(&mut self, guest: Guest) -> Result<GuestReply, ControlError> {
        let reply = match guest {
            Guest::EngineBegan => {
                self.services.engine_began();
                GuestReply::Done
            }
            Guest::NetworkCreate { id, create } => self.guest_network(id, create)?,
            Guest::NetworkRename { id, name } => self.rename(&id, name)?,
            Guest::NetworkRemove { id } => self.guest_network_remove(&id)?,
            Guest::Reserve(reserve) => GuestReply::Reserved(self.reserve(&reserve)?),
            Guest::Reserved { network } => GuestReply::Places(self.places_on(&network)),
            Guest::Join { endpoint, sandbox } => {
                GuestReply::Joined(self.join(&endpoint, &sandbox)?)
            }
            Guest::Describe { endpoint, about } => self.describe(&endpoint, about)?,
            Guest::Publish { endpoint, bindings } => {
                GuestReply::Published(self.publish(&endpoint, &bindings)?)
            }
            Guest::Leave { endpoint } => {
                self.leave(&endpoint);
                GuestReply::Done
            }
            Guest::Release { endpoint } => self.give_up(&endpoint),
            Guest::PoolRequest(request) => self.pool_request(&request)?,
            Guest::PoolRelease { pool } => {
                self.guest_pools.release(&pool);
                GuestReply::Done
            }
            Guest::AddressRequest { pool, address } => {
                GuestReply::Address(self.guest_pools.take(&pool, address)?)
            }
            Guest::AddressRelease { pool, address } => {
                self.guest_pools.give_back(&pool, address);
                GuestReply::Done
            }
        };
        self.keep();
        Ok(reply)
    }

    fn guest_network(
        &mut self,
        id: ObjectId,
        mut create: NetworkCreate,
    ) -> Result<GuestReply, ControlError> {
        if !self.is_guest_network(&id) {
            if create.name.is_empty() {
                create.name = format!("docker-{}", id.short());
            }
            self.network_create((id, Owner::Guest), create)?;
        }
        Ok(GuestReply::Done)
    }

    fn rename(&mut self, id: &ObjectId, name: String) -> Result<GuestReply, ControlError> {
        name::check("network", &name)?;
        let taken = (self.networks.values()).any(|other| other.name == name && other.id != *id);
        if taken {
            return Err(ControlError::conflict(format!(
                "network {name}: the name is taken by another network; it keeps its own"
            )));
        }
        let network = self.networks.get_mut(id);
        let network = network.ok_or_else(|| vanished("network", id.short()))?;
        network.name = name;
        self.tell_names();
        Ok(GuestReply::Done)
    }

    fn guest_network_remove(&mut self, id: &ObjectId) -> Result<GuestReply, ControlError> {
        self.dormant.networks.retain(|network| network.id != *id);
        self.dormant.guests.retain(|guest| guest.network != *id);
        if self.is_guest_network(id) {
            self.refuse_in_use(id)?;
            self.drop_network(id);
        }
        Ok(GuestReply::Done)
    }

    fn reserve(&mut self, reserve: &Reserve) -> Result<Reserved, ControlError> {
        if let Some(known) = self.guests.get(&reserve.endpoint) {
            return Ok(known.view());
        }
        let offload = options::offload(&reserve.options)?;
        let wish = Connect {
            ip: reserve.ip,
            ip6: reserve.ip6,
            mac_address: reserve.mac_address,
            ..Connect::default()
        };
        let claim = |c: &mut Self| c.claim(&reserve.network, reserve.endpoint.short(), &wish);
        let got = match claim(self) {
            Err(error) if error.kind == ErrorKind::Conflict && self.supersede(reserve) => {
                claim(self)?
            }
            outcome => outcome?,
        };
        let reservation = Reservation {
            id: reserve.endpoint.clone(),
            network: reserve.network.clone(),
            mac: got.mac_address,
            ipv4: got.ipv4,
            ipv6: got.ipv6,
            offload,
            joined: None,
            about: About::default(),
            bindings: Vec::new(),
            services: Vec::new(),
        };
        self.guests.insert(reserve.endpoint.clone(), reservation);
        Ok(got)
    }

    /// Takes addresses and a MAC address on a network.
    pub(super) fn claim(
        &mut self,
        network: &ObjectId,
        owner: &str,
        wish: &Connect,
    ) -> Result<Reserved, ControlError> {
        let macs = self.macs_of(network);
        let target = self.networks.get_mut(network);
        let target = target.ok_or_else(|| {
            ControlError::not_found(format!(
                "network {}: no such network; make it again with `docker network create`",
                network.short()
            ))
        })?;
        let (mac_address, ipv4, ipv6) = attach::reserve(target, owner, wish, &macs)?;
        Ok(Reserved {
            mac_address,
            ipv4,
            ipv6,
        })
    }

    pub(super) fn place(&self, endpoint: &ObjectId) -> Result<&Reservation, ControlError> {
        self.guests.get(endpoint).ok_or_else(|| {
            ControlError::not_found(format!(
                "endpoint {}: no such endpoint; it has to be created first",
                endpoint.short()
            ))
        })
    }

    fn describe(&mut self, id: &ObjectId, about: About) -> Result<GuestReply, ControlError> {
        self.place(id)?;
        let name = about.name.clone();
        let container = ObjectId::parse(&about.container).ok();
        if let Some(guest) = self.guests.get_mut(id) {
            guest.about = about;
        }
        let sandbox = (self.port_of(id)).and_then(|port| self.endpoints.get(&port));
        let sandbox = sandbox.map(|endpoint| endpoint.sandbox.clone());
        if let Some(mut sandbox) = sandbox.and_then(|id| self.sandboxes.remove(&id)) {
            if !name.is_empty() && sandbox.name != name {
                sandbox.name = self.foreign_name(&name);
            }
            let former = sandbox.id.clone();
            // By the container's ID, as Docker shows it; a resolver is known by the former.
            let id = container
                .filter(|id| !self.sandboxes.contains_key(id))
                .unwrap_or_else(|| former.clone());
            if id != former {
                self.resolvers.remove(&former);
                for endpoint in self.endpoints.values_mut().filter(|e| e.sandbox == former) {
                    endpoint.sandbox = id.clone();
                }
            }
            sandbox.id = id.clone();
            self.sandboxes.insert(id, sandbox);
        }
        self.settle_guest(id);
        self.tell_names();
        Ok(GuestReply::Done)
    }

    pub(super) fn publish(
        &mut self,
        id: &ObjectId,
        bindings: &[Binding],
    ) -> Result<Vec<Binding>, ControlError> {
        if let Some(guest) = self.guests.get_mut(id) {
            guest.services.clear();
            guest.bindings.clear();
        }
        if bindings.is_empty() {
            return Ok(Vec::new());
        }
        self.settle_guest(id);
        self.take_over_ports(id);
        let guest = self.place(id)?;
        let not_there = || {
            ControlError::conflict(format!(
                "endpoint {}: has no sandbox to publish ports of; it has to join one first",
                id.short()
            ))
        };
        let endpoint = (self.port_of(id)).and_then(|port| self.endpoints.get(&port));
        let sandbox = endpoint.and_then(|endpoint| self.sandboxes.get(&endpoint.sandbox));
        let sandbox = sandbox.ok_or_else(not_there)?;
        let home = Home {
            place: sandbox.place.clone(),
            // It may have none yet: Docker publishes first, and moves the device later.
            netns: sandbox.netns,
        };
        let addresses: Vec<_> = guest.addresses().collect();
        let mut published = Vec::new();
        let mut services = Vec::new();
        for binding in bindings {
            let (host_port, service) = self.services.publish(binding, &home, &addresses)?;
            published.push(Binding {
                host_port,
                ..*binding
            });
            services.push(service);
        }
        if let Some(guest) = self.guests.get_mut(id) {
            guest.services = services;
            guest.bindings.clone_from(&published);
        }
        Ok(published)
    }

    /// Gives up the ports of a sandbox that were published at endpoints without a way out, for another one to have them.
    fn take_over_ports(&mut self, id: &ObjectId) {
        let sandbox_of =
            |guest: &Reservation| guest.joined.as_ref().map(|join| join.sandbox.clone());
        let Some(sandbox) = self.guests.get(id).and_then(sandbox_of) else {
            return;
        };
        for guest in self.guests.values_mut() {
            let gateways = match self
                .networks
                .get(&guest.network)
                .map(|n| (n.relay(), n.internal))
            {
                Some((Ok(relay), internal)) => attach::gateways(relay, internal, End::Sandbox),
                Some((Err(_), _)) | None => Vec::new(),
            };
            if guest.id != *id
                && gateways.is_empty()
                && sandbox_of(guest).as_ref() == Some(&sandbox)
            {
                guest.services.clear();
                guest.bindings.clear();
            }
        }
    }

    pub(super) fn leave(&mut self, id: &ObjectId) {
        if let Some(guest) = self.guests.get_mut(id) {
            guest.services.clear();
            guest.bindings.clear();
            guest.joined = None;
        }
        if let Some(port) = self.port_of(id) {
            for warning in self.remove_endpoint(port) {
                tracing::warn!(endpoint = id.short(), warning, "while an endpoint left");
            }
        }
    }

    pub(super) fn give_up(&mut self, id: &ObjectId) -> GuestReply {
        self.dormant.guests.retain(|guest| guest.id != *id);
        self.leave(id);
        if let Some(guest) = self.guests.remove(id) {
            let network = self.networks.get_mut(&guest.network);
            release(network, guest.ipv4, guest.ipv6);
        }
        GuestReply::Done
    }

    fn pool_request(&mut self, request: &PoolRequest) -> Result<GuestReply, ControlError> {
        let subnet = match request.subnet {
            Some(subnet) => subnet,
            None if request.range.is_some() => {
                return Err(ControlError::invalid(
                    "ip-range: without a subnet; give --subnet as well",
                ));
            }
            None => {
                let mut taken = self.kernel.occupied()?;
                taken.retain(|net| net.prefix_len() > 0);
                taken.extend(self.guest_pools.subnets());
                let networks = self.networks.values();
                taken
                    .extend(networks.flat_map(|network| network.pools().map(|pool| pool.subnet())));
                subnets::automatic(request.ipv6, &ObjectId::random()?, &taken)?
            }
        };
        Ok(GuestReply::Pool(self.guest_pools.request(request, subnet)?))
    }
}
