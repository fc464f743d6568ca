//! Commands on ports and forwarding databases.

use std::{net::IpAddr, sync::Arc};

use super::{Controller, owned};
use crate::{
    control::{
        ControlError,
        command::{FdbAdd, FdbFlush, FdbRemove},
        endpoint::Endpoint,
        kernel::Kernel,
        network::Network,
        view::{FdbEntry, FdbKind, FdbStats, Flushed, LinkState, PortInfo, Traffic},
    },
    datapath::{self, EntryKind, Fdb, Flush},
    port::PortId,
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

impl<K: Kernel> Controller<K> {
    pub(super) fn port_list(&self) -> Vec<PortInfo> {
        self.endpoints
            .values()
            .filter_map(|endpoint| self.port_info(endpoint))
            .collect()
    }

    pub(super) fn port_inspect(&self, reference: &str) -> Result<PortInfo, ControlError> {
        self.port_info(self.port(reference)?)
            .ok_or_else(|| ControlError::not_found(format!("port {reference}: it has just gone")))
    }

    fn port_info(&self, endpoint: &Endpoint) -> Option<PortInfo> {
        let stats = self.switch.port_stats(endpoint.port)?;
        Some(PortInfo {
            id: endpoint.port,
            name: self.port_name(endpoint),
            network: self.network_name(&endpoint.network),
            sandbox: self.sandbox_name(&endpoint.sandbox),
            kind: "tap".to_owned(),
            state: LinkState::from(endpoint.state(stats.state)),
            mtu: stats.mtu.into(),
            offload: stats.offload.to_string(),
            rx: stats.tally.rx.into(),
            tx: stats.tally.tx.into(),
            drops: owned(stats.tally.drops),
        })
    }

    /// The endpoint that a number or `SANDBOX/IFNAME` means.
    fn port(&self, reference: &str) -> Result<&Endpoint, ControlError> {
        let by_number = |number| self.endpoints.get(&PortId::new(number));
        let by_name = || {
            self.endpoints
                .values()
                .find(|endpoint| self.port_name(endpoint) == reference)
        };
        (reference.parse().ok().and_then(by_number)).or_else(by_name).ok_or_else(|| {
            ControlError::not_found(format!(
                "port {reference:?}: no such port; give the number or SANDBOX/IFNAME, `vswitch port ls` lists them"
            ))
        })
    }

    fn port_on(&self, network: &Network, reference: &str) -> Result<PortId, ControlError> {
        let endpoint = self.port(reference)?;
        if endpoint.network != network.id {
            return Err(ControlError::invalid(format!(
                "port {reference}: on network {}, not on {}; name a port of the same network",
                self.network_name(&endpoint.network),
                network.name
            )));
        }
        Ok(endpoint.port)
    }

    fn fdb(&self, network: &Network) -> Result<Arc<Fdb>, ControlError> {
        self.switch.fdb(network.relay()?.id).ok_or_else(|| {
            ControlError::internal(format!(
                "network {}: not on the switch; remove it and make it again",
                network.name
            ))
        })
    }

    pub(super) fn fdb_show(&self, network: &str) -> Result<Vec<FdbEntry>, ControlError> {
        let fdb = self.fdb(self.network(network)?)?;
        let mut entries = fdb.entries(self.switch.now());
        entries.sort_by_key(|entry| (entry.vlan.map(|vlan| vlan.get()), entry.mac));
        let view = entries.into_iter().map(|entry| FdbEntry {
            mac: entry.mac,
            vlan: entry.vlan,
            port: entry.port,
            remote: None::<IpAddr>,
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
        if let Some(vlan) = add.vlan {
            return Err(ControlError::unavailable(format!(
                "vlan {}: network {} is not VLAN-aware; leave the VLAN out",
                vlan.get(),
                network.name
            )));
        }
        let port = self.port_to_add(network, add)?;
        fdb.add(add.mac, None, port, add.kind.into(), self.switch.now())
            .map_err(|error| ControlError::invalid(error.to_string()))?;
        self.wake_ageing();
        Ok(())
    }

    /// The port of an entry that is added by hand.
    fn port_to_add(&self, network: &Network, add: &FdbAdd) -> Result<PortId, ControlError> {
        match (add.kind, &add.port) {
            (FdbKind::Static | FdbKind::Sticky, Some(port)) => self.port_on(network, port),
            (FdbKind::Static | FdbKind::Sticky, None) => Err(ControlError::invalid(format!(
                "entry {}: no port; give the number or SANDBOX/IFNAME, or make it local",
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
        if self.fdb(network)?.remove(remove.mac, remove.vlan) {
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
            .transpose()?;
        let kind = flush.kind.map(EntryKind::from);
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
