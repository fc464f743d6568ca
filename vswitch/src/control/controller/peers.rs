//! Commands on the peers of overlay networks, and what is noticed about them.

use std::{net::IpAddr, time::Duration};

use super::{Controller, upkeep::between_sweeps, vanished};
use crate::{
    control::{
        ControlError,
        attach::longest_superframe_on,
        endpoint::Endpoint,
        kernel::Kernel,
        name::ObjectId,
        network::Network,
        overlay::{
            self, Tunnel, mtu,
            presence::{Presence, notice},
        },
        view::{EventKind, PeerInfo, Traffic},
    },
    port::{
        PortId,
        vxlan::{PeerStats, Underlay},
    },
};

/// Most time between two looks at peers of which one is alive; a change of the path MTU is noticed with them.
const LOOK: Duration = Duration::from_secs(5);

impl From<vxlan::Traffic> for Traffic {
    fn from(traffic: vxlan::Traffic) -> Self {
        Self {
            frames: traffic.frames,
            bytes: traffic.bytes,
        }
    }
}

impl From<PeerStats> for PeerInfo {
    fn from(peer: PeerStats) -> Self {
        Self {
            ip: peer.addr,
            rx: peer.rx.into(),
            tx: peer.tx.into(),
            last_heard: peer.heard,
            path_mtu: peer.path_mtu,
        }
    }
}

impl<K: Kernel> Controller<K> {
    /// The tunnel of an overlay network.
    pub(super) fn tunnel<'a>(&'a self, network: &'a Network) -> Option<(&'a Tunnel, &'a Underlay)> {
        let tunnel = network.relay.as_ref()?.reach.tunnel()?;
        Some((tunnel, self.underlays.get(tunnel.underlay)?))
    }

    /// The tunnel of a network that must be an overlay network.
    pub(super) fn tunnel_or_refuse<'a>(
        &'a self,
        network: &'a Network,
    ) -> Result<(&'a Tunnel, &'a Underlay), ControlError> {
        network.relay()?;
        self.tunnel(network).ok_or_else(|| {
            ControlError::invalid(format!(
                "network {}: of driver {}, which has no peers; make one with `vswitch network create -d overlay`",
                network.name, network.driver
            ))
        })
    }

    pub(super) fn peer_list(&mut self, network: &str) -> Result<Vec<PeerInfo>, ControlError> {
        let id = self.network_id(network)?;
        self.tunnel_or_refuse(self.network(network)?)?;
        self.follow_mtu(&id);
        if self.watch_peers(&id) {
            self.wake_ageing();
        }
        let (tunnel, underlay) = self.tunnel_or_refuse(self.network(network)?)?;
        let peers = underlay.peers(tunnel.vni);
        Ok(peers.into_iter().map(PeerInfo::from).collect())
    }

    pub(super) fn peer_add(&mut self, network: &str, peer: IpAddr) -> Result<(), ControlError> {
        let network = self.network(network)?;
        let (id, name) = (network.id.clone(), network.name.clone());
        let (tunnel, underlay) = self.tunnel_or_refuse(network)?;
        (underlay.add_peer(tunnel.vni, peer)).map_err(|error| overlay::refused(&name, error))?;
        tracing::info!(network = %name, %peer, "peer added");
        self.events.publish(EventKind::PeerAdd {
            network: name,
            peer: peer.to_canonical(),
        });
        self.follow_mtu(&id);
        Ok(())
    }

    pub(super) fn peer_remove(&mut self, network: &str, peer: IpAddr) -> Result<(), ControlError> {
        let network = self.network(network)?;
        let (id, name) = (network.id.clone(), network.name.clone());
        let peer = peer.to_canonical();
        let (tunnel, underlay) = self.tunnel_or_refuse(network)?;
        let behind = underlay.remotes(tunnel.vni).into_iter();
        let behind: Vec<_> = behind.filter(|remote| remote.peer == peer).collect();
        (underlay.remove_peer(tunnel.vni, peer)).map_err(|error| overlay::refused(&name, error))?;
        self.forget_behind(network, &behind);
        let relay = self.networks.get_mut(&id).and_then(|n| n.relay.as_mut());
        if let Some(tunnel) = relay.and_then(|relay| relay.reach.tunnel_mut()) {
            tunnel.heard.remove(&peer);
        }
        tracing::info!(network = %name, %peer, addresses = behind.len(), "peer removed");
        self.events.publish(EventKind::PeerRemove {
            network: name,
            peer,
        });
        self.follow_mtu(&id);
        Ok(())
    }

    /// Looks after the peers of all networks and the MTU of their underlays; tells how long to wait for the next time, none
    /// when no peer is alive.
    pub(super) fn sweep_tunnels(&mut self) -> Option<Duration> {
        self.underlays.sweep();
        let networks: Vec<_> = (self.tunnels())
            .filter_map(|(network, _)| {
                let ageing = network.relay.as_ref()?.options.settings.ageing;
                Some((network.id.clone(), between_sweeps(ageing).min(LOOK)))
            })
            .collect();
        let mut next = None;
        for (id, wait) in networks {
            self.follow_mtu(&id);
            if self.watch_peers(&id) {
                next = Some(next.map_or(wait, |next: Duration| next.min(wait)));
            }
        }
        next
    }

    /// Notes which peers of a network were heard and which have fallen silent for longer than its ageing time; tells
    /// whether there are some that may do so later.
    pub(super) fn watch_peers(&mut self, network: &ObjectId) -> bool {
        let Some(network) = self.networks.get_mut(network) else {
            return false;
        };
        let Some(relay) = &mut network.relay else {
            return false;
        };
        let ageing = relay.options.settings.ageing;
        let Some(tunnel) = relay.reach.tunnel_mut() else {
            return false;
        };
        let Some(underlay) = self.underlays.get(tunnel.underlay) else {
            return false;
        };
        let peers = underlay.peers(tunnel.vni);
        for presence in notice(&mut tunnel.heard, &peers, ageing) {
            let network = network.name.clone();
            self.events.publish(match presence {
                Presence::Heard(peer) => {
                    tracing::info!(%network, %peer, "peer heard");
                    EventKind::PeerHeard { network, peer }
                }
                Presence::Lost { peer, silent } => {
                    tracing::info!(%network, %peer, silent, "peer lost");
                    EventKind::PeerLost {
                        network,
                        peer,
                        silent,
                    }
                }
            });
        }
        !tunnel.heard.is_empty()
    }

    /// Looks at the underlay's MTU where a network's follows it, and gives its interfaces another one if it changed.
    pub(super) fn follow_mtu(&mut self, id: &ObjectId) {
        let Some(network) = self.networks.get(id) else {
            return;
        };
        let Some((tunnel, underlay)) = self.tunnel(network).filter(|(t, _)| t.automatic_mtu) else {
            return;
        };
        let peers = underlay.peers(tunnel.vni).into_iter().map(|peer| peer.addr);
        // What nothing is known of at the moment says nothing new.
        let Some(room) = mtu::room(&self.kernel, tunnel.underlay, peers) else {
            return;
        };
        let name = network.name.clone();
        let Some(relay) = self.networks.get_mut(id).and_then(|n| n.relay.as_mut()) else {
            return;
        };
        let mtu = mtu::bounded(room, relay.pools.v6.is_some());
        let former = std::mem::replace(&mut relay.options.mtu, mtu);
        if mtu == former {
            return;
        }
        tracing::info!(network = %name, mtu, former, "the MTU follows the underlay's");
        if mtu > room {
            tracing::warn!(network = %name, mtu, room, "the underlay leaves less than a network needs");
        }
        self.change_mtu(id, name, mtu, former);
    }

    /// Gives all interfaces of a network another MTU, and tells of it.
    pub(super) fn change_mtu(&mut self, id: &ObjectId, name: String, mtu: u16, former: u16) {
        let ports: Vec<PortId> = self.endpoints_of_network(id).map(|e| e.port).collect();
        for port in ports {
            if let Err(error) = self.set_endpoint_mtu(port, mtu) {
                tracing::warn!(network = %name, %port, %error, "an interface keeps its MTU");
            }
        }
        self.events.publish(EventKind::NetworkMtu {
            network: name,
            mtu,
            former,
        });
    }

    /// The namespace of an endpoint, if it is still the same one.
    pub(super) fn netns_of(&self, endpoint: &Endpoint) -> Result<K::Netns, ControlError> {
        let gone = || vanished("port", &endpoint.port.to_string());
        let sandbox = self.sandboxes.get(&endpoint.sandbox).ok_or_else(gone)?;
        let netns = self.kernel.open_netns(&sandbox.place)?;
        if Some(self.kernel.identify(&netns)?) != sandbox.netns {
            return Err(gone());
        }
        Ok(netns)
    }

    pub(super) fn set_endpoint_mtu(&mut self, port: PortId, mtu: u16) -> Result<(), ControlError> {
        let gone = || vanished("port", &port.to_string());
        let endpoint = self.endpoints.get(&port).ok_or_else(gone)?;
        // Meanwhile what either of them allows passes.
        self.switch.set_port_mtu(port, mtu.max(endpoint.mtu));
        let netns = self.netns_of(endpoint)?;
        let network = self.networks.get(&endpoint.network).ok_or_else(gone)?;
        let longest = longest_superframe_on(&network.relay()?.reach, mtu);
        (self.kernel).set_mtu(&netns, &endpoint.ifname, mtu, longest)?;
        self.switch.set_port_mtu(port, mtu);
        let endpoint = self.endpoints.get_mut(&port).ok_or_else(gone)?;
        endpoint.mtu = mtu;
        Ok(())
    }
}
