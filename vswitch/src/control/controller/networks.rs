//! Commands on networks.

use std::{collections::BTreeMap, mem};

use ipnet::IpNet;

use super::{Controller, vanished};
use crate::control::{
    ControlError,
    command::NetworkCreate,
    endpoint::{End, Endpoint},
    ipam::Pool,
    kernel::Kernel,
    name::ObjectId,
    network::{
        self, Driver, DriverOptions, Gateway, Network, Owner, Plan, Reach, Relay, is_predefined,
    },
    options::{GatewayWish, OverlayOptions, RelayOptions},
    overlay::{self, TunnelRequest, UnderlayId},
    stamp,
    state::SavedNetwork,
    subnets::Pools,
    view::{ContainerView, Created, EventKind, NetworkInspect, NetworkSummary, Pruned},
};

impl<K: Kernel> Controller<K> {
    /// Makes `bridge`, `host` and `none`. Where no automatic subnet is left, `bridge` has no addresses.
    pub(super) fn add_predefined(&mut self) -> Result<(), ControlError> {
        for (name, driver) in network::PREDEFINED {
            if self.networks.values().any(|network| network.name == name) {
                continue;
            }
            let id = ObjectId::random()?;
            let create = NetworkCreate {
                name: name.to_owned(),
                ..NetworkCreate::default()
            };
            let relay = match driver {
                Driver::Bridge | Driver::Overlay | Driver::Macvlan => {
                    let plan = self.plan(driver, &create, &id, None).unwrap_or_else(|error| {
                        tracing::warn!(network = name, %error, "no addresses for the predefined network");
                        Plan {
                            options: DriverOptions::Bridge(RelayOptions::default()),
                            pools: Pools::default(),
                            ipv6: false,
                        }
                    });
                    Some(self.relay(name, plan, false)?)
                }
                Driver::Host | Driver::Null => None,
            };
            self.insert(
                (id.clone(), Owner::User, stamp::now()),
                create,
                driver,
                relay,
            );
        }
        Ok(())
    }

    pub(super) fn plan(
        &self,
        driver: Driver,
        create: &NetworkCreate,
        id: &ObjectId,
        yielding: Option<&ObjectId>,
    ) -> Result<Plan, ControlError> {
        let others = self.others(id, yielding);
        network::plan(driver, create, id, &others, || self.kernel.occupied())
    }

    /// The subnets of all networks but this one, and one that gives way.
    pub(super) fn others(&self, id: &ObjectId, yielding: Option<&ObjectId>) -> Vec<(&str, IpNet)> {
        let live = (self.networks.values())
            .filter(|network| Some(&network.id) != yielding)
            .flat_map(|network| {
                let subnets = network.pools().map(Pool::subnet);
                subnets.map(|subnet| (network.name.as_str(), subnet))
            });
        let dormant = (self.dormant.networks.iter())
            .filter(|network| network.id != *id)
            .flat_map(|network| {
                let subnets = network.create.subnets.iter();
                subnets.map(|subnet| (network.create.name.as_str(), *subnet))
            });
        live.chain(dormant).collect()
    }

    /// Makes the network on the switch, and its tunnel or its place on a segment; nothing is left on failure.
    pub(super) fn relay(
        &mut self,
        name: &str,
        plan: Plan,
        internal: bool,
    ) -> Result<Relay, ControlError> {
        let Plan {
            options,
            pools,
            ipv6,
        } = plan;
        match options {
            DriverOptions::Bridge(options) => Ok(Relay {
                id: self.switch.add_network(options.settings),
                gateway: held_by(options.gateway, &pools, internal),
                options,
                pools,
                ipv6,
                reach: Reach::Host,
                inside: None,
                services: Vec::new(),
            }),
            DriverOptions::Overlay(options) => self.overlay(name, options, pools, ipv6),
            DriverOptions::Macvlan(options) => {
                let joined = (self.segments).join(&self.kernel, &self.switch, &options)?;
                let (id, mtu, member) = joined;
                let outside = member.segment.is_some() && pools.iter().next().is_some();
                Ok(Relay {
                    id,
                    gateway: if outside {
                        Gateway::Outside
                    } else {
                        Gateway::None
                    },
                    inside: None,
                    services: Vec::new(),
                    options: RelayOptions {
                        mtu,
                        offload: options.offload,
                        ..RelayOptions::default()
                    },
                    pools,
                    ipv6,
                    reach: Reach::Segment(member),
                })
            }
        }
    }

    fn overlay(
        &mut self,
        name: &str,
        mut options: OverlayOptions,
        pools: Pools,
        ipv6: bool,
    ) -> Result<Relay, ControlError> {
        let vni = options.vni;
        let underlay = UnderlayId {
            local: overlay::local(&self.kernel, &options)?,
            dstport: options.dstport,
        };
        options.others_than(underlay.local);
        let taken =
            (self.tunnels()).find(|(_, tunnel)| (tunnel.underlay, tunnel.vni) == (underlay, vni));
        if let Some((network, _)) = taken {
            return Err(ControlError::conflict(format!(
                "vni {vni}: network {} has it on {} port {}; choose another VNI, or another UDP port with -o dstport=",
                network.name, underlay.local, underlay.dstport
            )));
        }
        let mtu = overlay::mtu::initial(&self.kernel, underlay, &options.peers, options.mtu, ipv6)?;
        let request = TunnelRequest {
            name: name.to_owned(),
            underlay,
            vni,
            automatic_mtu: options.mtu.is_none(),
            options: overlay::tunnel_options(&options, underlay.local, &pools),
            peers: options.peers.clone(),
        };
        let options = options.relay(mtu);
        let id = self.switch.add_network(options.settings);
        let tunnel = (self.underlays).connect(&self.kernel, &self.switch, id, request);
        let tunnel = tunnel.inspect_err(|_| self.switch.remove_network(id))?;
        Ok(Relay {
            id,
            gateway: held_by(options.gateway, &pools, true),
            options,
            pools,
            ipv6,
            reach: Reach::Tunnel(tunnel),
            inside: None,
            services: Vec::new(),
        })
    }

    pub(super) fn insert(
        &mut self,
        (id, owner, created): (ObjectId, Owner, String),
        mut create: NetworkCreate,
        driver: Driver,
        relay: Option<Relay>,
    ) {
        let network = Network {
            id: id.clone(),
            name: mem::take(&mut create.name),
            driver,
            created,
            owner,
            internal: create.internal,
            labels: create.labels,
            options: create.options,
            relay,
        };
        self.networks.insert(id, network);
    }

    pub(super) fn network_list(&self) -> Vec<NetworkSummary> {
        let mut list: Vec<_> = (self.networks.values())
            .map(|network| network.summary(self.shown_endpoints(&network.id).count()))
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        list
    }

    pub(super) fn network_inspect(&self, reference: &str) -> Result<NetworkInspect, ControlError> {
        let network = self.network(reference)?;
        let containers = self
            .shown_endpoints(&network.id)
            .map(|endpoint| self.container(endpoint));
        Ok(NetworkInspect {
            name: network.name.clone(),
            id: network.id.to_string(),
            created: network.created.clone(),
            scope: "local".to_owned(),
            driver: network.driver.to_string(),
            enable_ipv6: network.relay.as_ref().is_some_and(|relay| relay.ipv6),
            ipam: network.ipam_view(),
            internal: network.internal,
            containers: containers.collect(),
            options: network.options.clone(),
            labels: network.labels.clone(),
        })
    }

    /// Those that are people's, not the network's own.
    fn shown_endpoints<'a>(&'a self, network: &'a ObjectId) -> impl Iterator<Item = &'a Endpoint> {
        self.endpoints_of_network(network)
            .filter(|endpoint| endpoint.end != End::Gateway)
    }

    fn container(&self, endpoint: &Endpoint) -> (String, ContainerView) {
        let view = ContainerView {
            name: self.sandbox_name(&endpoint.sandbox),
            endpoint_id: endpoint.id.to_string(),
            mac_address: endpoint.mac,
            ipv4_address: endpoint.ipv4.map(|net| net.to_string()).unwrap_or_default(),
            ipv6_address: endpoint.ipv6.map(|net| net.to_string()).unwrap_or_default(),
        };
        (endpoint.sandbox.to_string(), view)
    }

    /// Makes a network with an ID that is random or a front-end's.
    pub(super) fn network_create(
        &mut self,
        (id, owner): (ObjectId, Owner),
        create: NetworkCreate,
    ) -> Result<Created, ControlError> {
        let taken = |name: &str| {
            let mut live = self.networks.values().map(|network| &network.name);
            let mut dormant = self.dormant.networks.iter().map(|n| &n.create.name);
            live.any(|known| known == name) || dormant.any(|known| known == name)
        };
        let driver = network::check_new(&create, taken)?;
        let way = self.way_for(&create.subnets);
        let yielding = way.as_ref().map(|way| &way.network);
        let plan = self.plan(driver, &create, &id, yielding)?;
        let relay = self.relay(&create.name, plan, create.internal)?;
        let name = create.name.clone();
        self.insert(
            (id.clone(), owner, stamp::now()),
            create,
            driver,
            Some(relay),
        );
        let joined = self.join_host(&id, None);
        if let Err(error) = joined.and_then(|()| self.open_gateway(&id)) {
            self.take_network(&id);
            return Err(error);
        }
        if let Some(way) = way {
            self.give_way(way);
        }
        tracing::info!(network = %name, id = id.short(), "network created");
        self.events.publish(EventKind::NetworkCreate {
            network: name.clone(),
            id: id.to_string(),
        });
        Ok(Created {
            id: id.to_string(),
            name,
        })
    }

    pub(super) fn network_remove(&mut self, reference: &str) -> Result<(), ControlError> {
        // One that could not be made again goes by its name or whole ID.
        let named = |network: &SavedNetwork| {
            network.create.name == reference || network.id.as_str() == reference
        };
        if let Some(dormant) = self.dormant.networks.iter().find(|n| named(n)) {
            let id = dormant.id.clone();
            self.dormant.networks.retain(|network| network.id != id);
            self.dormant.endpoints.retain(|e| e.network != id);
            self.dormant.guests.retain(|guest| guest.network != id);
            return Ok(());
        }
        let network = self.network(reference)?;
        if is_predefined(&network.name) {
            return Err(ControlError::invalid(format!(
                "network {}: predefined, it cannot be removed; leave it unused",
                network.name
            )));
        }
        if network.owner == Owner::Guest {
            return Err(ControlError::conflict(format!(
                "network {name}: Docker's; remove it with `docker network rm {name}`",
                name = network.name,
            )));
        }
        let id = network.id.clone();
        self.refuse_in_use(&id)?;
        self.drop_network(&id)
            .map(|_| ())
            .ok_or_else(|| vanished("network", reference))
    }

    /// A network with endpoints, or with places kept for some, stays.
    pub(super) fn refuse_in_use(&self, id: &ObjectId) -> Result<(), ControlError> {
        let name = self.network_name(id);
        let connected: Vec<String> = (self.endpoints_of_network(id))
            .filter(|endpoint| endpoint.end == End::Sandbox)
            .map(|endpoint| self.sandbox_name(&endpoint.sandbox))
            .collect();
        if let Some(first) = connected.first() {
            return Err(ControlError::conflict(format!(
                "network {name}: has {} endpoints; disconnect them first, such as `vswitch network disconnect {name} {first}`",
                connected.len(),
            )));
        }
        let kept = (self.guests.values())
            .filter(|guest| guest.network == *id)
            .count();
        if kept > 0 {
            return Err(ControlError::conflict(format!(
                "network {name}: Docker has {kept} endpoints on it; disconnect its containers first"
            )));
        }
        Ok(())
    }

    pub(super) fn drop_network(&mut self, id: &ObjectId) -> Option<String> {
        let name = self.take_network(id)?;
        tracing::info!(network = %name, id = id.short(), "network removed");
        self.events.publish(EventKind::NetworkRemove {
            network: name.clone(),
            id: id.to_string(),
        });
        Some(name)
    }

    /// Takes a network off the switch; its name.
    pub(super) fn take_network(&mut self, id: &ObjectId) -> Option<String> {
        self.leave_host(id);
        let network = self.networks.remove(id)?;
        if let Some(mut relay) = network.relay {
            relay.services.clear();
            match relay.reach {
                Reach::Host => self.switch.remove_network(relay.id),
                Reach::Tunnel(tunnel) => {
                    self.underlays.disconnect(&self.switch, &tunnel);
                    self.switch.remove_network(relay.id);
                }
                Reach::Segment(member) => self.segments.leave(&self.switch, relay.id, &member),
            }
        }
        Some(network.name)
    }

    pub(super) fn network_prune(&mut self) -> Pruned {
        let unused: BTreeMap<String, ObjectId> = (self.networks.values())
            .filter(|network| !is_predefined(&network.name) && network.owner == Owner::User)
            .filter(|network| self.refuse_in_use(&network.id).is_ok())
            .map(|network| (network.name.clone(), network.id.clone()))
            .collect();
        Pruned {
            networks: unused
                .values()
                .filter_map(|id| self.drop_network(id))
                .collect(),
        }
    }
}

/// Who is to have the gateway's addresses.
pub(super) fn held_by(wish: GatewayWish, pools: &Pools, internal: bool) -> Gateway {
    match wish {
        _ if pools.iter().next().is_none() => Gateway::None,
        GatewayWish::Off => Gateway::None,
        GatewayWish::Host if !internal => Gateway::Host,
        GatewayWish::Host | GatewayWish::Inside => Gateway::Inside,
    }
}
