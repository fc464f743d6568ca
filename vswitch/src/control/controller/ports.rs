//! Commands on ports and forwarding databases.

use std::sync::Arc;

use super::{Controller, owned};
use crate::{
    control::{
        ControlError,
        command::{FdbAdd, FdbFlush, FdbRemove},
        endpoint::Endpoint,
        kernel::Kernel,
        macvlan::SegmentId,
        network::{Driver, Network},
        overlay::Tunnel,
        view::{FdbEntry, FdbKind, FdbStats, Flushed, LinkState, PortInfo, Traffic},
    },
    datapath::{self, EntryKind, Fdb, Flush},
    port::{PortId, packet::ParentFacts},
};

impl From<EntryKind> for FdbKind {
    fn from(kind: EntryKind) -> Self {
        match kind {
            EntryKind::Learned => Self::Learned,
            EntryKind::Sticky => Self::Sticky,
            EntryKind::Static => Self::Static,
            EntryKind::Local => Self::Local,
        }
    }
}

impl From<FdbKind> for EntryKind {
    fn from(kind: FdbKind) -> Self {
        match kind {
            FdbKind::Learned => Self::Learned,
            FdbKind::Sticky => Self::Sticky,
            FdbKind::Static => Self::Static,
            FdbKind::Local => Self::Local,
        }
    }
}

impl From<datapath::Traffic> for Traffic {
    fn from(traffic: datapath::Traffic) -> Self {
        Self {
            frames: traffic.frames,
            bytes: traffic.bytes,
        }
    }
}

/// Whose a port of the switch is.
#[derive(Clone, Copy)]
enum Owner<'a> {
    Endpoint(&'a Endpoint),
    Tunnel(&'a Network, &'a Tunnel),
    Uplink(PortId, &'a SegmentId, &'a ParentFacts),
    Gateway(&'a Network, PortId),
}

impl Owner<'_> {
    fn port(&self) -> PortId {
        match self {
            Self::Endpoint(endpoint) => endpoint.port,
            Self::Tunnel(_, tunnel) => tunnel.port,
            Self::Uplink(port, ..) | Self::Gateway(_, port) => *port,
        }
    }
}

impl<K: Kernel> Controller<K> {
    pub(super) fn port_list(&self) -> Vec<PortInfo> {
        let mut owners: Vec<_> = self.owners().collect();
        owners.sort_by_key(Owner::port);
        let ports = owners.into_iter();
        ports.filter_map(|owner| self.port_info(owner)).collect()
    }

    fn owners(&self) -> impl Iterator<Item = Owner<'_>> {
        let tunnels = (self.tunnels()).map(|(network, tunnel)| Owner::Tunnel(network, tunnel));
        let uplinks =
            (self.segments.uplinks()).map(|(port, id, facts)| Owner::Uplink(port, id, facts));
        let endpoints = self.endpoints.values().map(Owner::Endpoint);
        let gateways = (self.networks.values())
            .filter_map(|network| Some((network, network.relay.as_ref()?.inside?)))
            .map(|(network, port)| Owner::Gateway(network, port));
        endpoints.chain(tunnels).chain(uplinks).chain(gateways)
    }

    fn owner_name(&self, owner: &Owner<'_>) -> String {
        match owner {
            Owner::Endpoint(endpoint) => self.port_name(endpoint),
            Owner::Tunnel(network, tunnel) => format!("{}/{}", network.name, tunnel.ifname()),
            Owner::Uplink(_, segment, _) => segment.to_string(),
            Owner::Gateway(network, _) => format!("{}/gateway", network.name),
        }
    }

    /// The networks of a port: one, or all of an uplink.
    fn owner_networks<'a>(&'a self, owner: &Owner<'a>) -> Vec<&'a Network> {
        match owner {
            Owner::Endpoint(endpoint) => self.networks.get(&endpoint.network).into_iter().collect(),
            Owner::Tunnel(network, _) | Owner::Gateway(network, _) => vec![network],
            Owner::Uplink(_, segment, _) => self.networks_on(segment).collect(),
        }
    }

    pub(super) fn port_inspect(&self, reference: &str) -> Result<PortInfo, ControlError> {
        self.port_info(self.port(reference)?)
            .ok_or_else(|| ControlError::not_found(format!("port {reference}: it has just gone")))
    }

    fn port_info(&self, owner: Owner<'_>) -> Option<PortInfo> {
        let stats = self.switch.port_stats(owner.port())?;
        let (kind, sandbox, mtu, state) = match owner {
            Owner::Endpoint(endpoint) => {
                let sandbox = self.sandbox_name(&endpoint.sandbox);
                let state = endpoint.state(stats.state);
                ("tap", Some(sandbox), stats.mtu, state)
            }
            // The tunnel measures by the way to each peer.
            Owner::Tunnel(network, _) => {
                let mtu = network.relay.as_ref()?.options.mtu;
                ("vxlan", None, mtu, stats.state)
            }
            Owner::Uplink(_, _, facts) => ("packet", None, facts.mtu, facts.link),
            Owner::Gateway(..) => ("gateway", None, stats.mtu, stats.state),
        };
        let networks = self.owner_networks(&owner);
        let networks: Vec<&str> = networks
            .iter()
            .map(|network| network.name.as_str())
            .collect();
        Some(PortInfo {
            id: owner.port(),
            name: self.owner_name(&owner),
            network: networks.join(","),
            sandbox,
            kind: kind.to_owned(),
            state: LinkState::from(state),
            mtu: mtu.into(),
            offload: stats.offload.to_string(),
            rx: stats.tally.rx.into(),
            tx: stats.tally.tx.into(),
            drops: owned(stats.tally.drops),
        })
    }

    /// The port that a number or a name means.
    fn port(&self, reference: &str) -> Result<Owner<'_>, ControlError> {
        let number = reference.parse().ok().map(PortId::new);
        let by_number = number.and_then(|number| self.owners().find(|o| o.port() == number));
        let by_name = || (self.owners()).find(|owner| self.owner_name(owner) == reference);
        by_number.or_else(by_name).ok_or_else(|| {
            ControlError::not_found(format!(
                "port {reference:?}: no such port; give the number or SANDBOX/IFNAME, `vswitch port ls` lists them"
            ))
        })
    }

    fn port_on(&self, network: &Network, reference: &str) -> Result<Owner<'_>, ControlError> {
        let owner = self.port(reference)?;
        let networks = self.owner_networks(&owner);
        if !networks.iter().any(|other| other.id == network.id) {
            let networks: Vec<&str> = networks.iter().map(|other| other.name.as_str()).collect();
            return Err(ControlError::invalid(format!(
                "port {reference}: on network {}, not on {}; name a port of the same network",
                networks.join(","),
                network.name
            )));
        }
        Ok(owner)
    }

    pub(super) fn fdb(&self, network: &Network) -> Result<Arc<Fdb>, ControlError> {
        self.switch.fdb(network.relay()?.id).ok_or_else(|| {
            ControlError::internal(format!(
                "network {}: not on the switch; remove it and make it again",
                network.name
            ))
        })
    }

    pub(super) fn fdb_show(&self, network: &str) -> Result<Vec<FdbEntry>, ControlError> {
        let network = self.network(network)?;
        let fdb = self.fdb(network)?;
        if let Some(children) = self.children(network) {
            return Ok(children);
        }
        let (tunnel, remotes) = self.remotes(network).unzip();
        let remotes = remotes.unwrap_or_default();
        let mut entries = fdb.entries(self.switch.now());
        entries.sort_by_key(|entry| (entry.vlan.map(|vlan| vlan.get()), entry.mac));
        let view = entries.into_iter().map(|entry| FdbEntry {
            mac: entry.mac,
            vlan: entry.vlan,
            port: entry.port,
            remote: (entry.port.filter(|port| Some(*port) == tunnel))
                .and_then(|_| remotes.get(&entry.mac).copied()),
            kind: entry.kind.into(),
            age: entry.age.as_secs(),
        });
        Ok(view.collect())
    }

    pub(super) fn fdb_stats(&self, network: &str) -> Result<FdbStats, ControlError> {
        let stats = self.fdb(self.network(network)?)?.stats();
        Ok(FdbStats {
            entries: stats.entries,
            pinned: stats.pinned,
            learned: stats.learned,
            moved: stats.moved,
            evicted: stats.evicted,
            expired: stats.expired,
            refused: stats.refused,
            skipped: stats.skipped,
        })
    }

    pub(super) fn fdb_add(&self, network: &str, add: &FdbAdd) -> Result<(), ControlError> {
        let network = self.network(network)?;
        let fdb = self.fdb(network)?;
        if network.driver == Driver::Macvlan {
            return Err(no_table(network));
        }
        if let Some(vlan) = add.vlan {
            return Err(ControlError::unavailable(format!(
                "vlan {}: network {} is not VLAN-aware; leave the VLAN out",
                vlan.get(),
                network.name
            )));
        }
        if let Some(peer) = add.remote {
            return self.add_remote(network, &fdb, add, peer);
        }
        let port = self.port_to_add(network, add)?;
        fdb.add(add.mac, None, port, add.kind.into(), self.switch.now())
            .map_err(|error| ControlError::invalid(error.to_string()))?;
        self.forget_remote(network, add.mac);
        self.wake_ageing();
        Ok(())
    }

    /// The port of an entry that is added by hand.
    fn port_to_add(&self, network: &Network, add: &FdbAdd) -> Result<PortId, ControlError> {
        match (add.kind, &add.port) {
            (FdbKind::Static | FdbKind::Sticky, Some(port)) => match self.port_on(network, port)? {
                Owner::Endpoint(endpoint) => Ok(endpoint.port),
                Owner::Gateway(..) => Err(ControlError::invalid(format!(
                    "port {port}: the gateway's, which has its one address; name a port of a sandbox"
                ))),
                Owner::Uplink(..) => Err(no_table(network)),
                Owner::Tunnel(..) => Err(ControlError::invalid(format!(
                    "port {port}: leads to all peers; say which one with --remote IP instead"
                ))),
            },
            (FdbKind::Static | FdbKind::Sticky, None) => Err(ControlError::invalid(format!(
                "entry {}: no port; give the number or SANDBOX/IFNAME, or a remote, or make it local",
                add.mac
            ))),
            // The table wants a number and makes nothing of it.
            (FdbKind::Local, None) => Ok(PortId::new(0)),
            (FdbKind::Local, Some(port)) => Err(ControlError::invalid(format!(
                "port {port}: a local entry is the switch itself, at no port; leave the port out"
            ))),
            (FdbKind::Learned, _) => Err(ControlError::invalid(format!(
                "kind {}: not for entries added by hand; give static, sticky or local",
                add.kind
            ))),
        }
    }

    pub(super) fn fdb_remove(&self, network: &str, remove: &FdbRemove) -> Result<(), ControlError> {
        let network = self.network(network)?;
        let gone = self.fdb(network)?.remove(remove.mac, remove.vlan);
        if (remove.vlan.is_none() && self.forget_remote(network, remove.mac)) || gone {
            return Ok(());
        }
        let name = &network.name;
        Err(ControlError::not_found(format!(
            "entry {}: not in the table of network {name}; `vswitch fdb show {name}` lists its entries",
            remove.mac
        )))
    }

    pub(super) fn fdb_flush(
        &self,
        network: &str,
        flush: &FdbFlush,
    ) -> Result<Flushed, ControlError> {
        let network = self.network(network)?;
        let fdb = self.fdb(network)?;
        if flush.kind == Some(FdbKind::Local) {
            return Err(ControlError::invalid(
                "kind local: the switch's own addresses are not flushed; give learned, static or sticky",
            ));
        }
        let port = flush
            .port
            .as_deref()
            .map(|port| self.port_on(network, port))
            .transpose()?
            .map(|owner| owner.port());
        let kind = flush.kind.map(EntryKind::from);
        self.flush_remotes(network, port, flush);
        Ok(Flushed {
            flushed: fdb.flush(&Flush {
                port,
                mac: flush.mac,
                vlan: flush.vlan,
                kind,
            }),
        })
    }
}

/// Why no entry can be added by hand.
fn no_table(network: &Network) -> ControlError {
    ControlError::invalid(format!(
        "network {}: of driver macvlan, which knows its endpoints and learns nothing; connect a sandbox with --mac-address \
         instead",
        network.name
    ))
}
