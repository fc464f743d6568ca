//! The gateway of a network, and what is served for its endpoints.
//!
//! On a bridge network the host takes part, unless it is internal: it has the gateway's addresses on an interface of
//! its own (as `docker0` is), and the way out is the host's. On an internal or overlay network the switch itself holds
//! them, which answers and forwards nothing.

use std::{cmp::Reverse, collections::BTreeSet, net::IpAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vswitch_wire::MacAddr;

use super::{Controller, vanished};
use crate::{
    control::{
        ControlError,
        attach::{Site, Tools, gateways, plug},
        command::Connect,
        endpoint::{End, Endpoint, gateway_mac},
        ipam::Pool,
        kernel::{DeviceSpec, Kernel},
        macvlan,
        name::ObjectId,
        network::{Gateway, Network, Relay, is_predefined},
        options::NatWish,
        services::{Directory, Home, InsideGateway, Station, Zone},
        subnets::Pools,
        view::SandboxKind,
    },
    datapath::EntryKind,
    sys::IfName,
};

impl<K: Kernel> Controller<K> {
    /// Puts up the gateway of a new network, if it has one.
    pub(super) fn open_gateway(&mut self, id: &ObjectId) -> Result<(), ControlError> {
        let relay = self.networks.get(id).and_then(|n| n.relay.as_ref());
        match relay.map_or(Gateway::None, |relay| relay.gateway) {
            Gateway::None | Gateway::Outside => Ok(()),
            Gateway::Inside => self.gateway_inside(id),
            Gateway::Host => self.gateway_of_host(id),
        }
    }

    /// Puts up the gateway of the predefined network, which has it from its first endpoint on: a host that uses other
    /// networks is to have no interface of this one.
    pub(super) fn open_default_gateway(&mut self, id: &ObjectId) {
        let predefined = (self.networks.get(id)).filter(|network| is_predefined(&network.name));
        let inside = predefined
            .and_then(|n| n.relay.as_ref())
            .and_then(|relay| relay.inside);
        let opened =
            inside.is_some() || self.endpoints_of_network(id).any(|e| e.end == End::Gateway);
        let Some(network) = predefined
            .map(|network| network.name.clone())
            .filter(|_| !opened)
        else {
            return;
        };
        if let Err(error) = self.open_gateway(id) {
            tracing::warn!(%network, %error, "no gateway for the predefined network");
        }
    }

    /// What endpoints are made with.
    pub(super) fn tools(&self) -> Tools<'_, K> {
        Tools {
            kernel: &self.kernel,
            switch: &self.switch,
            underlays: &self.underlays,
        }
    }

    fn relay_of(&self, id: &ObjectId) -> Result<(&Network, &Relay), ControlError> {
        let gone = || vanished("network", id.short());
        let network = self.networks.get(id).ok_or_else(gone)?;
        Ok((network, network.relay()?))
    }

    /// The relay, to note what is served on the network and ends with it.
    fn relay_to_serve(&mut self, id: &ObjectId) -> Option<&mut Relay> {
        self.networks.get_mut(id)?.relay.as_mut()
    }

    fn gateway_inside(&mut self, id: &ObjectId) -> Result<(), ControlError> {
        let (network, relay) = self.relay_of(id)?;
        let (name, relay_id) = (network.name.clone(), relay.id);
        let spec = InsideGateway {
            network: id.clone(),
            mac: mac_of(&relay.pools),
            addresses: addresses_of(&relay.pools),
            mtu: relay.options.mtu,
            ipv6: relay.ipv6,
        };
        let (port, service) = self.services.inside_gateway(&spec)?;
        let added = self.switch.add_port(relay_id, port);
        let port = added.map_err(|error| macvlan::refused(&name, error))?;
        // On the other hosts of an overlay network there is one with the same address: this one stays here.
        let pinned = self.switch.fdb(relay_id).map(|fdb| {
            let now = self.switch.now();
            fdb.add(spec.mac, None, port, EntryKind::Static, now)
        });
        if let Some(Err(error)) = pinned {
            self.switch.remove_port(port);
            return Err(ControlError::internal(format!("network {name}: {error}")));
        }
        if let Some(relay) = self.relay_to_serve(id) {
            relay.inside = Some(port);
            relay.services.push(service);
        }
        Ok(())
    }

    fn gateway_of_host(&mut self, id: &ObjectId) -> Result<(), ControlError> {
        let (sandbox, netns) = self.host()?;
        let (network, relay) = self.relay_of(id)?;
        let options = relay.options;
        let spec = DeviceSpec {
            ifname: IfName::new(format!("vs-{}", id.short()))
                .map_err(|error| ControlError::internal(error.to_string()))?,
            mac: mac_of(&relay.pools),
            mtu: options.mtu,
            gateways: Vec::new(),
            gso_max_size: None,
            offload: options.offload,
            addresses: addresses_of(&relay.pools),
            disable_ipv6: !relay.ipv6,
            announce: false,
            up: true,
        };
        let (port, tx) = plug(&self.tools(), &Site::of(network)?, &netns, &spec)?;
        let subnets: Vec<IpNet> = spec.addresses.iter().map(IpNet::trunc).collect();
        let endpoint = Endpoint {
            id: ObjectId::random()?,
            network: id.clone(),
            sandbox: sandbox.id.clone(),
            ifname: spec.ifname.clone(),
            port,
            tx,
            mac: spec.mac,
            ipv4: first_v4(&spec.addresses),
            ipv6: first_v6(&spec.addresses),
            mtu: options.mtu,
            offload: options.offload,
            end: End::Gateway,
            wish: Connect::default(),
            services: Vec::new(),
        };
        if !self.sandboxes.contains_key(&sandbox.id) {
            self.sandboxes.insert(sandbox.id.clone(), sandbox);
        }
        self.endpoints.insert(port, endpoint);
        self.serve_by_host(id, &spec, &subnets, options.nat)
    }

    /// Names at the gateway, and the way out.
    fn serve_by_host(
        &mut self,
        id: &ObjectId,
        spec: &DeviceSpec,
        subnets: &[IpNet],
        nat: NatWish,
    ) -> Result<(), ControlError> {
        let network = self.network_name(id);
        let mut services = Vec::new();
        match self.services.gateway_resolver(id, &spec.addresses) {
            Ok(service) => services.push(service),
            Err(error) => tracing::warn!(%network, %error, "no names at the gateway"),
        }
        let way_out = || self.services.way_out(spec.ifname.as_str(), subnets);
        match nat {
            NatWish::Off => {}
            NatWish::Kernel => services.push(way_out()?),
            NatWish::Auto => match way_out() {
                Ok(service) => services.push(service),
                Err(error) => tracing::warn!(%network, %error, "no way out"),
            },
        }
        if let Some(relay) = self.relay_to_serve(id) {
            relay.services.extend(services);
        }
        Ok(())
    }

    /// Publishes what a new endpoint wants published, all or nothing.
    pub(super) fn serve(
        &self,
        endpoint: &mut Endpoint,
        home: Option<&Home>,
    ) -> Result<(), ControlError> {
        if endpoint.wish.publish.is_empty() {
            return Ok(());
        }
        let home = home.ok_or_else(|| vanished("sandbox", endpoint.sandbox.short()))?;
        let addresses: Vec<_> = endpoint.addresses().map(|net| net.addr()).collect();
        for binding in &mut endpoint.wish.publish {
            let (port, service) = self.services.publish(binding, home, &addresses)?;
            binding.host_port = port;
            endpoint.services.push(service);
        }
        Ok(())
    }

    /// Answers names inside a sandbox of ours, which begins with its first endpoint. A namespace that is not ours has
    /// none: a socket would keep it alive when all that lived there is gone.
    pub(super) fn resolve_in(&mut self, sandbox: &ObjectId) {
        if self.resolvers.contains_key(sandbox) {
            return;
        }
        let Some(known) = self.sandboxes.get(sandbox) else {
            return;
        };
        let (SandboxKind::Named | SandboxKind::Guest, Some(netns)) = (known.kind, known.netns)
        else {
            return;
        };
        let home = Home {
            place: known.place.clone(),
            netns: Some(netns),
        };
        match self.services.resolver(&home, sandbox) {
            Ok(service) => {
                self.resolvers.insert(sandbox.clone(), service);
            }
            Err(error) => {
                tracing::warn!(sandbox = %known.name, %error, "no names at 127.0.0.11");
            }
        }
    }

    /// The default routes of a sandbox lead to the gateway of its network with the highest priority, of several such
    /// to that which it was connected to first.
    pub(super) fn settle_default(&self, sandbox: &ObjectId) {
        let Some(known) = self.sandboxes.get(sandbox) else {
            return;
        };
        // Who is no endpoint of ours, or is configured by somebody else, has its routes from there.
        let mut ends: Vec<&Endpoint> = (self.endpoints_of_sandbox(sandbox))
            .filter(|endpoint| endpoint.end == End::Sandbox)
            .collect();
        // While the daemon starts they are settled together, at the end.
        if ends.is_empty() || self.restoring {
            return;
        }
        ends.sort_by_key(|endpoint| (Reverse(endpoint.wish.gateway_priority), endpoint.port));
        let mut wanted: Vec<(IfName, IpAddr)> = Vec::new();
        for endpoint in &ends {
            let Ok((network, relay)) = self.relay_of(&endpoint.network) else {
                continue;
            };
            for gateway in gateways(relay, network.internal, endpoint.end) {
                if !wanted
                    .iter()
                    .any(|(_, known)| known.is_ipv4() == gateway.is_ipv4())
                {
                    wanted.push((endpoint.ifname.clone(), gateway));
                }
            }
        }
        let ours: BTreeSet<String> = ends.iter().map(|e| e.ifname.to_string()).collect();
        let settled = (self.kernel.open_netns(&known.place))
            .and_then(|netns| self.kernel.settle_default(&netns, &ours, &wanted));
        if let Err(error) = settled {
            tracing::warn!(sandbox = %known.name, %error, "the default route stays as it is");
        }
    }

    /// Tells what names mean now.
    pub(super) fn tell_names(&self) {
        if self.restoring {
            return;
        }
        let zones = (self.networks.values())
            .filter(|network| network.relay.is_some())
            .map(|network| (network.id.clone(), self.zone(network)));
        self.services.tell(Directory {
            zones: zones.collect(),
        });
    }

    fn zone(&self, network: &Network) -> Zone {
        let stations = self.endpoints_of_network(&network.id);
        let stations = stations.filter_map(|endpoint| match endpoint.end {
            End::Sandbox => Some(Station {
                sandbox: endpoint.sandbox.clone(),
                name: self.sandbox_name(&endpoint.sandbox),
                aliases: (endpoint.wish.aliases.iter().cloned())
                    .chain([endpoint.sandbox.short().to_owned()])
                    .collect(),
                addresses: endpoint.addresses().map(|net| net.addr()).collect(),
                gateway_priority: endpoint.wish.gateway_priority,
            }),
            End::Guest => {
                let guest = self.guests.get(&endpoint.id)?;
                let short = guest.about.container.get(..12).map(str::to_owned);
                Some(Station {
                    sandbox: endpoint.sandbox.clone(),
                    name: self.sandbox_name(&endpoint.sandbox),
                    aliases: (guest.about.aliases.iter().cloned()).chain(short).collect(),
                    addresses: guest.addresses().collect(),
                    gateway_priority: guest.about.gateway_priority,
                })
            }
            End::Host | End::Gateway => None,
        });
        Zone {
            name: network.name.clone(),
            internal: network.internal,
            named: !is_predefined(&network.name),
            stations: stations.collect(),
        }
    }
}

fn mac_of(pools: &Pools) -> MacAddr {
    gateway_mac(pools.v4.as_ref().and_then(|pool| match pool.gateway() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }))
}

/// The gateway's addresses, with the prefix lengths of the subnets.
fn addresses_of(pools: &Pools) -> Vec<IpNet> {
    let net = |pool: &Pool| IpNet::new(pool.gateway(), pool.subnet().prefix_len()).ok();
    pools.iter().filter_map(net).collect()
}

fn first_v4(nets: &[IpNet]) -> Option<Ipv4Net> {
    nets.iter().find_map(|net| match net {
        IpNet::V4(net) => Some(*net),
        IpNet::V6(_) => None,
    })
}

fn first_v6(nets: &[IpNet]) -> Option<Ipv6Net> {
    nets.iter().find_map(|net| match net {
        IpNet::V6(net) => Some(*net),
        IpNet::V4(_) => None,
    })
}
