//! The overlay driver: networks that go on on other hosts, through a VXLAN tunnel each.
//!
//! - **Sharing.** Networks with the same local address and UDP port share one [`Underlay`], opened for the first and
//!   closed with the last. Its sockets are a trunk of the switch; so is each multicast group, which is joined for the
//!   first network that uses it and left with the last.
//! - **Transaction.** [`Underlays::connect`] makes a network's tunnel, or leaves everything as it was.
//!   [`Underlays::disconnect`] takes it away in the reverse order: first the VNI becomes unknown, so that no datagram
//!   finds a port that is going.
//! - **Two tables.** Which port leads to a station is in the network's forwarding database, which peer is behind the
//!   tunnel port is in the tunnel's table. What is said by hand goes into both, what is forgotten goes from both.
//! - **Presence** ([`presence`]): which peers are heard.
//! - **MTU** ([`mtu`]): what the underlay leaves, unless it was said.

pub mod mtu;
pub mod presence;

use std::{collections::BTreeMap, collections::BTreeSet, net::IpAddr};

use vswitch_wire::Vni;
use vxlan::{ConfigError, Gateway};

use super::{
    ControlError, ErrorKind, endpoint::gateway_mac, ipam::Pool, kernel::Kernel,
    options::OverlayOptions, subnets::Pools, view::TunnelStatus,
};
use crate::{
    datapath::{NetworkId, Switch, TrunkId},
    port::{
        PortId,
        vxlan::{ConnectError, TunnelOptions, Underlay},
    },
};

/// One UDP port of one address of this host.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct UnderlayId {
    /// The address.
    pub local: IpAddr,
    /// The port.
    pub dstport: u16,
}

/// The tunnel that a network shall have.
#[derive(Debug)]
pub struct TunnelRequest {
    /// Name of the network.
    pub name: String,
    /// Where.
    pub underlay: UnderlayId,
    /// The network's number.
    pub vni: Vni,
    /// Its peers.
    pub peers: Vec<IpAddr>,
    /// How it works.
    pub options: TunnelOptions,
    /// Whether the MTU follows the underlay's.
    pub automatic_mtu: bool,
}

/// A network's tunnel.
#[derive(Debug)]
pub struct Tunnel {
    /// Where.
    pub underlay: UnderlayId,
    /// The network's number.
    pub vni: Vni,
    /// The port of the network that leads into it.
    pub port: PortId,
    /// Whether the MTU follows the underlay's.
    pub automatic_mtu: bool,
    /// Peers that were heard, and not lost since.
    pub heard: BTreeSet<IpAddr>,
    group: Option<IpAddr>,
}

impl Tunnel {
    /// What its port is called, after the network's name and a slash.
    #[must_use]
    pub fn ifname(&self) -> String {
        format!("vxlan{}", self.vni)
    }
}

/// An underlay with what it is on the switch.
#[derive(Debug)]
struct Shared {
    underlay: Underlay,
    trunk: TrunkId,
    groups: BTreeMap<IpAddr, Membership>,
}

#[derive(Debug)]
struct Membership {
    trunk: TrunkId,
    networks: usize,
}

/// All underlays of this host.
#[derive(Debug, Default)]
pub struct Underlays(BTreeMap<UnderlayId, Shared>);

impl Underlays {
    /// The underlay of a tunnel that exists.
    #[must_use]
    pub fn get(&self, id: UnderlayId) -> Option<&Underlay> {
        self.0.get(&id).map(|shared| &shared.underlay)
    }

    /// Gives a network its tunnel. Frames pass when this returns.
    ///
    /// # Errors
    /// The address is not this host's, the UDP port or the VNI is taken, a peer cannot be one; nothing was changed then.
    pub fn connect<K: Kernel>(
        &mut self,
        kernel: &K,
        switch: &Switch,
        network: NetworkId,
        request: TunnelRequest,
    ) -> Result<Tunnel, ControlError> {
        let id = request.underlay;
        let shared = match self.0.entry(id) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(Shared::open(kernel, switch, id)?)
            }
        };
        let tunnel = shared.connect(switch, network, request);
        self.close_if_idle(switch, id);
        tunnel
    }

    /// Takes a tunnel away; its port is gone when this returns.
    pub fn disconnect(&mut self, switch: &Switch, tunnel: &Tunnel) {
        if let Some(shared) = self.0.get_mut(&tunnel.underlay) {
            shared.disconnect(switch, tunnel);
        }
        self.close_if_idle(switch, tunnel.underlay);
    }

    /// Forgets what is past its time.
    pub fn sweep(&self) {
        for shared in self.0.values() {
            shared.underlay.sweep();
        }
    }

    /// As people are shown them; `networks` counts those of one.
    pub fn status(&self, networks: impl Fn(UnderlayId) -> usize) -> Vec<TunnelStatus> {
        let status = self.0.iter().map(|(id, shared)| {
            let stats = shared.underlay.stats();
            let drops = (stats.refused.into_iter())
                .map(|(reason, count)| (reason.label().to_owned(), count));
            TunnelStatus {
                local: id.local,
                dstport: id.dstport,
                networks: networks(*id),
                errors: stats.errors,
                segmentation: stats.segmentation,
                drops: drops.collect(),
            }
        });
        status.collect()
    }

    fn close_if_idle(&mut self, switch: &Switch, id: UnderlayId) {
        if (self.0.get(&id)).is_some_and(|shared| shared.underlay.is_idle())
            && let Some(shared) = self.0.remove(&id)
        {
            switch.remove_trunk(shared.trunk);
            tracing::info!(local = %id.local, dstport = id.dstport, "tunnel port closed");
        }
    }
}

impl Shared {
    fn open<K: Kernel>(kernel: &K, switch: &Switch, id: UnderlayId) -> Result<Self, ControlError> {
        let (underlay, halves) =
            kernel.open_underlay(id.local, id.dstport, switch.worker_count())?;
        let trunk = switch.add_trunk(halves).map_err(not_served)?;
        tracing::info!(local = %id.local, dstport = id.dstport, "tunnel port open");
        Ok(Self {
            underlay,
            trunk,
            groups: BTreeMap::new(),
        })
    }

    fn connect(
        &mut self,
        switch: &Switch,
        network: NetworkId,
        request: TunnelRequest,
    ) -> Result<Tunnel, ControlError> {
        let group = request.options.segment.group;
        if let Some(group) = group {
            self.join(switch, group)?;
        }
        let made = self.plug(switch, network, request);
        if let (Err(_), Some(group)) = (&made, group) {
            self.leave(switch, group);
        }
        made
    }

    fn plug(
        &self,
        switch: &Switch,
        network: NetworkId,
        request: TunnelRequest,
    ) -> Result<Tunnel, ControlError> {
        let (vni, group) = (request.vni, request.options.segment.group);
        let port = match self.underlay.connect(vni, request.options) {
            Ok(port) => port,
            Err(ConnectError::Config(error)) => return Err(refused(&request.name, error)),
            Err(error @ ConnectError::Bell(_)) => {
                return Err(ControlError::unavailable(format!(
                    "network {}: {error}",
                    request.name
                )));
            }
        };
        let plugged = switch.add_port(network, port).map_err(not_served);
        let port = plugged.inspect_err(|_| self.underlay.disconnect(vni))?;
        self.underlay.deliver(vni, port);
        for peer in request.peers {
            self.underlay.add_peer(vni, peer).map_err(|error| {
                self.unplug(switch, vni, port);
                refused(&request.name, error)
            })?;
        }
        Ok(Tunnel {
            underlay: request.underlay,
            vni,
            port,
            automatic_mtu: request.automatic_mtu,
            heard: BTreeSet::new(),
            group,
        })
    }

    fn unplug(&self, switch: &Switch, vni: Vni, port: PortId) {
        self.underlay.disconnect(vni);
        switch.remove_port(port);
    }

    fn disconnect(&mut self, switch: &Switch, tunnel: &Tunnel) {
        self.unplug(switch, tunnel.vni, tunnel.port);
        if let Some(group) = tunnel.group {
            self.leave(switch, group);
        }
    }

    fn join(&mut self, switch: &Switch, group: IpAddr) -> Result<(), ControlError> {
        if let Some(membership) = self.groups.get_mut(&group) {
            membership.networks += 1;
            return Ok(());
        }
        let half = self.underlay.join(group).map_err(|error| {
            ControlError::unavailable(format!(
                "group {group}: {error}; give -o group= a group that the interface of {} can join",
                self.underlay.local()
            ))
        })?;
        let trunk = switch.add_trunk(vec![half]).map_err(not_served)?;
        let membership = Membership { trunk, networks: 1 };
        self.groups.insert(group, membership);
        Ok(())
    }

    fn leave(&mut self, switch: &Switch, group: IpAddr) {
        let Some(membership) = self.groups.get_mut(&group) else {
            return;
        };
        membership.networks -= 1;
        if membership.networks == 0 {
            switch.remove_trunk(membership.trunk);
            self.groups.remove(&group);
        }
    }
}

fn not_served(error: crate::datapath::AddPortError) -> ControlError {
    ControlError::internal(error.to_string())
}

/// The address on the underlay that a network has when none is given: the one from which its first peer is reached.
///
/// # Errors
/// There is no peer, or no way to it.
pub fn local<K: Kernel>(kernel: &K, options: &OverlayOptions) -> Result<IpAddr, ControlError> {
    match (options.local, options.peers.first()) {
        (Some(local), _) => Ok(local),
        (None, Some(peer)) => kernel.source_for(*peer),
        (None, None) => Err(ControlError::invalid(
            "option local: missing, and without peers it cannot be found; give -o local=IP, this host's address on the underlay",
        )),
    }
}

/// How the tunnel of a network with these options and addresses works.
pub fn tunnel_options(options: &OverlayOptions, local: IpAddr, pools: &Pools) -> TunnelOptions {
    let (mut v4, mut v6) = (None, None);
    for gateway in pools.iter().map(Pool::gateway) {
        match gateway {
            IpAddr::V4(gateway) => v4 = Some(gateway),
            IpAddr::V6(gateway) => v6 = Some(gateway),
        }
    }
    TunnelOptions {
        segment: options.segment(local),
        suppress: options.suppress,
        gateway: Gateway {
            mac: gateway_mac(v4),
            v4,
            v6,
        },
    }
}

/// What the tunnel's engine refuses, with the remedy; `network` is the name of the network.
pub fn refused(network: &str, error: ConfigError) -> ControlError {
    use ConfigError as E;
    use ErrorKind::{Conflict, Internal, Invalid, NotFound, Unavailable};
    let list = format!("`vswitch peer ls {network}` lists its peers");
    let (kind, remedy) = match error {
        E::UnknownVni(_) => (Internal, "remove the network and make it again"),
        E::SegmentExists(_) => (
            Conflict,
            "or give this one a UDP port of its own, -o dstport=",
        ),
        E::TooManySegments { .. } => (Unavailable, "give another UDP port with -o dstport="),
        E::TooManyPeers { .. } => (Unavailable, "remove one first"),
        E::PeerExists(_) => (Conflict, list.as_str()),
        E::UnknownPeer(ip) => {
            let message = format!("network {network}: {ip} is not a peer; {list}");
            return ControlError::new(NotFound, message);
        }
        E::WrongFamily { .. } => (Invalid, "give an address of the same family"),
        E::NotUnicast(_) | E::OwnAddress(_) => (Invalid, "give the address of another host"),
        E::LinkLocal(_) => (Invalid, "other links have the same address"),
        E::NotMulticast(_) => (Invalid, "give one such as 239.1.1.1"),
        E::NotAStation(_) => (Invalid, "give a unicast address such as 02:00:5e:10:00:01"),
        E::LocalMac(_) => (Conflict, "disconnect the endpoint that has it first"),
        E::StaticMac { mac, .. } => {
            let remedy = format!("with `vswitch fdb del {network} {mac}`");
            return ControlError::new(Conflict, format!("network {network}: {error}, {remedy}"));
        }
        E::TableFull => (Unavailable, "remove some with `vswitch fdb del`"),
    };
    ControlError::new(kind, format!("network {network}: {error}; {remedy}"))
}
