//! The parents of macvlan networks: their life, and the host's own end on their segments.

use vswitch_wire::MacAddr;

use super::{Controller, vanished};
use crate::{
    control::{
        ControlError,
        command::Connect,
        endpoint::{End, Endpoint},
        kernel::Kernel,
        macvlan::{Change, Member, SegmentId},
        name::ObjectId,
        network::Network,
        options::MTU,
        sandbox::{Place, Sandbox},
        stamp,
        view::{EventKind, FdbEntry, FdbKind, SandboxKind},
    },
    port::{PortId, PortState},
};

/// What the host's own namespace is called where it is a sandbox.
const HOST: &str = "host";

impl<K: Kernel> Controller<K> {
    /// The macvlan networks on a segment.
    pub(super) fn networks_on(&self, segment: &SegmentId) -> impl Iterator<Item = &Network> {
        (self.networks.values()).filter(move |network| {
            member(network).is_some_and(|member| member.segment.as_ref() == Some(segment))
        })
    }

    /// Looks at the parents, and tells networks and interfaces what has become of them.
    pub(super) fn follow_parents(&mut self) {
        for change in self.segments.follow(&self.kernel, &self.switch) {
            let networks: Vec<ObjectId> = (self.networks_on(&change.segment))
                .map(|network| network.id.clone())
                .collect();
            if change.link_changed {
                self.tell_link(&change);
                for id in &networks {
                    self.show_carrier(id, change.link);
                }
            }
            for id in &networks {
                if let Some(room) = change.mtu {
                    self.fit_to_parent(id, room);
                }
                self.follow_address(id);
            }
        }
    }

    fn tell_link(&self, change: &Change) {
        tracing::info!(parent = %change.segment, link = %change.link, "parent");
        let parent = change.segment.to_string();
        self.events.publish(match change.link {
            PortState::Up => EventKind::ParentUp { parent },
            PortState::Down => EventKind::ParentDown { parent },
            PortState::Gone => EventKind::ParentGone { parent },
        });
    }

    /// The interfaces of a network have a carrier as long as its parent has.
    fn show_carrier(&self, network: &ObjectId, link: PortState) {
        for endpoint in self.endpoints_of_network(network) {
            let Some(tx) = endpoint.tx.upgrade() else {
                continue;
            };
            if let Err(error) = tx.set_carrier(link == PortState::Up) {
                tracing::debug!(port = %endpoint.port, %error, "the carrier stays as it is");
            }
        }
    }

    /// A new interface on a parent that is down begins without a carrier.
    pub(super) fn show_first_carrier(&self, network: &ObjectId) {
        let segment = (self.networks.get(network))
            .and_then(member)
            .and_then(|member| member.segment.as_ref());
        let Some(segment) = segment else {
            return;
        };
        let mut uplinks = self.segments.uplinks();
        let link = (uplinks.find(|(_, id, _)| *id == segment))
            .map_or(PortState::Gone, |(_, _, facts)| facts.link);
        if link != PortState::Up {
            self.show_carrier(network, link);
        }
    }

    /// The MTU of a network follows its parent's, as far as nothing smaller was asked for.
    fn fit_to_parent(&mut self, id: &ObjectId, room: u16) {
        let Some(network) = self.networks.get_mut(id) else {
            return;
        };
        let name = network.name.clone();
        let Some(relay) = &mut network.relay else {
            return;
        };
        let wish = relay.reach.member().and_then(|member| member.mtu);
        let mtu = wish.map_or(room, |wish| wish.min(room));
        let mtu = mtu.clamp(*MTU.start(), *MTU.end());
        let former = std::mem::replace(&mut relay.options.mtu, mtu);
        if mtu != former {
            tracing::info!(network = %name, mtu, former, "the MTU follows the parent's");
            self.change_mtu(id, name, mtu, former);
        }
    }

    /// A passthru interface has the address of its parent, also when that changes.
    fn follow_address(&mut self, network: &ObjectId) {
        let fixed = (self.networks.get(network))
            .and_then(member)
            .and_then(Member::fixed_mac);
        let Some(mac) = fixed else {
            return;
        };
        let other = |endpoint: &&Endpoint| endpoint.mac != mac;
        let ports: Vec<PortId> = (self.endpoints_of_network(network))
            .filter(other)
            .map(|endpoint| endpoint.port)
            .collect();
        for port in ports {
            if let Err(error) = self.set_endpoint_mac(port, mac) {
                tracing::warn!(%port, %mac, %error, "an interface keeps its address");
            }
        }
    }

    fn set_endpoint_mac(&mut self, port: PortId, mac: MacAddr) -> Result<(), ControlError> {
        let gone = || vanished("port", &port.to_string());
        let endpoint = self.endpoints.get(&port).ok_or_else(gone)?;
        let netns = self.netns_of(endpoint)?;
        self.kernel.set_mac(&netns, &endpoint.ifname, mac)?;
        let endpoint = self.endpoints.get_mut(&port).ok_or_else(gone)?;
        endpoint.mac = mac;
        Ok(())
    }

    /// Gives the host an end on a new network that wants one.
    pub(super) fn join_host(
        &mut self,
        id: &ObjectId,
        former: Option<(ObjectId, Connect)>,
    ) -> Result<(), ControlError> {
        let wanted = (self.networks.get(id)).and_then(member);
        if !wanted.is_some_and(|member| member.host_access) {
            return Ok(());
        }
        let (sandbox, netns) = self.host()?;
        let (endpoint, connect) = match former {
            Some(former) => former,
            None => (
                ObjectId::random()?,
                Connect {
                    sandbox: sandbox.name.clone(),
                    // Unique on the host, as the network's ID is, and as long as a name may be.
                    ifname: Some(format!("mv-{}", id.short())),
                    ..Connect::default()
                },
            ),
        };
        self.connect_to(id, (sandbox, netns, End::Host), (endpoint, &connect))?;
        Ok(())
    }

    /// The switch's own namespace as a sandbox.
    pub(super) fn host(&self) -> Result<(Sandbox, K::Netns), ControlError> {
        let place = Place::Pid(std::process::id());
        let netns = self.kernel.open_netns(&place)?;
        let identity = self.kernel.identify(&netns)?;
        let sandbox = match self.by_netns(identity) {
            Some(known) => known.clone(),
            None => Sandbox {
                id: ObjectId::random()?,
                name: self.foreign_name(HOST),
                kind: SandboxKind::Foreign,
                place,
                netns: Some(identity),
                created: stamp::now(),
            },
        };
        Ok((sandbox, netns))
    }

    /// Takes the host's end off a network that is to be removed.
    pub(super) fn leave_host(&mut self, id: &ObjectId) {
        let own = |endpoint: &&Endpoint| matches!(endpoint.end, End::Host | End::Gateway);
        let ports: Vec<PortId> = (self.endpoints_of_network(id).filter(own))
            .map(|endpoint| endpoint.port)
            .collect();
        let warnings = ports
            .into_iter()
            .flat_map(|port| self.remove_endpoint(port));
        for warning in warnings.collect::<Vec<_>>() {
            tracing::warn!(warning, "while the host left a network");
        }
    }

    fn host_end(&self, network: &ObjectId) -> Option<&Endpoint> {
        (self.endpoints.values())
            .find(|endpoint| endpoint.end == End::Host && endpoint.network == *network)
    }

    /// The host reaches an endpoint of a network that it has an end on through that end, or no longer.
    pub(super) fn note_neighbour(&self, port: PortId, there: bool) {
        let Some(endpoint) = self.endpoints.get(&port) else {
            return;
        };
        let Some(host) = self.host_end(&endpoint.network) else {
            return;
        };
        if host.port == port {
            return;
        }
        let netns = self.kernel.open_netns(&Place::Pid(std::process::id()));
        for address in endpoint.addresses() {
            let address = address.addr();
            let set = netns
                .as_ref()
                .map_err(ToString::to_string)
                .and_then(|netns| {
                    let set = self
                        .kernel
                        .set_host_route(netns, &host.ifname, address, there);
                    set.map_err(|error| error.to_string())
                });
            if let Err(error) = set {
                tracing::warn!(%address, there, error, "the host's route to an endpoint");
            }
        }
    }

    /// The children of a macvlan network as a table shows them: nothing is learned, each is known.
    pub(super) fn children(&self, network: &Network) -> Option<Vec<FdbEntry>> {
        member(network)?;
        let mut entries: Vec<_> = (self.endpoints_of_network(&network.id))
            .map(|endpoint| FdbEntry {
                mac: endpoint.mac,
                vlan: None,
                port: Some(endpoint.port),
                remote: None,
                kind: FdbKind::Static,
                age: 0,
            })
            .collect();
        entries.sort_by_key(|entry| entry.mac);
        Some(entries)
    }
}

/// What a macvlan network is on its segment.
fn member(network: &Network) -> Option<&Member> {
    network.relay.as_ref()?.reach.member()
}
