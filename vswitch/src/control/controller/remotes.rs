//! The tunnel's table beside the forwarding database: what is changed by hand in one is changed in both.
//!
//! The forwarding database says that a station is behind the tunnel port, the tunnel's table behind which peer.

use std::{collections::HashMap, net::IpAddr};

use vswitch_wire::MacAddr;
use vxlan::Remote;

use super::Controller;
use crate::{
    control::{
        ControlError,
        command::{FdbAdd, FdbFlush},
        kernel::Kernel,
        network::Network,
        overlay::{self, Tunnel},
        view::{EventKind, FdbKind},
    },
    datapath::{EntryKind, Fdb, Flush, NetworkId},
    port::{PortId, vxlan::Underlay},
};

impl<K: Kernel> Controller<K> {
    /// The peers that addresses are behind, and the port for which that says something.
    pub(super) fn remotes(&self, network: &Network) -> Option<(PortId, HashMap<MacAddr, IpAddr>)> {
        let (tunnel, underlay) = self.tunnel(network)?;
        let remotes = underlay.remotes(tunnel.vni).into_iter();
        let remotes = remotes.map(|remote| (remote.mac, remote.peer));
        Some((tunnel.port, remotes.collect()))
    }

    /// Says in both tables that a station is behind a peer.
    pub(super) fn add_remote(
        &self,
        network: &Network,
        fdb: &Fdb,
        add: &FdbAdd,
        peer: IpAddr,
    ) -> Result<(), ControlError> {
        let (tunnel, underlay) = self.tunnel_or_refuse(network)?;
        if let Some(port) = &add.port {
            return Err(ControlError::invalid(format!(
                "port {port}: an entry with a remote is at the tunnel's port; leave the port out"
            )));
        }
        if add.kind != FdbKind::Static {
            return Err(ControlError::invalid(format!(
                "kind {}: an entry with a remote is static; leave the kind out",
                add.kind
            )));
        }
        let former = underlay.remotes(tunnel.vni).into_iter();
        let former = former.filter(|remote| remote.age.is_none());
        let former = former.into_iter().find(|remote| remote.mac == add.mac);
        (underlay.add_static(tunnel.vni, add.mac, peer))
            .map_err(|error| overlay::refused(&network.name, error))?;
        let now = self.switch.now();
        (fdb.add(add.mac, None, tunnel.port, EntryKind::Static, now)).map_err(|error| {
            underlay.remove_remote(tunnel.vni, add.mac);
            if let Some(Remote { mac, peer, .. }) = former
                && let Err(error) = underlay.add_static(tunnel.vni, mac, peer)
            {
                tracing::warn!(%mac, %peer, %error, "a static entry is lost");
            }
            ControlError::invalid(error.to_string())
        })
    }

    /// An address has got an entry by hand that leads to no peer, or has lost the one that it had.
    pub(super) fn forget_remote(&self, network: &Network, mac: MacAddr) -> bool {
        self.tunnel(network)
            .is_some_and(|(tunnel, underlay)| underlay.remove_remote(tunnel.vni, mac))
    }

    /// Does in the tunnel's table what a flush does in the forwarding database; `port` is the one that it names.
    pub(super) fn flush_remotes(&self, network: &Network, port: Option<PortId>, flush: &FdbFlush) {
        let Some((tunnel, underlay)) = self.tunnel(network) else {
            return;
        };
        // No entry has a VLAN here.
        if port.is_some_and(|port| port != tunnel.port) || flush.vlan.is_some() {
            return;
        }
        let doomed = |remote: &Remote| {
            let learned = remote.age.is_some();
            let kind = match flush.kind {
                None | Some(FdbKind::Learned) => learned,
                Some(FdbKind::Static) => !learned,
                Some(FdbKind::Sticky | FdbKind::Local) => false,
            };
            kind && flush.mac.is_none_or(|mac| mac == remote.mac)
        };
        for remote in underlay.remotes(tunnel.vni).iter().filter(|r| doomed(r)) {
            underlay.remove_remote(tunnel.vni, remote.mac);
        }
    }

    /// Removes what the forwarding database has for addresses that were behind a peer.
    pub(super) fn forget_behind(&self, network: &Network, behind: &[Remote]) {
        let Some((tunnel, _)) = self.tunnel(network) else {
            return;
        };
        let Ok(fdb) = self.fdb(network) else {
            return;
        };
        for remote in behind {
            let kind = match remote.age {
                Some(_) => EntryKind::Learned,
                None => EntryKind::Static,
            };
            fdb.flush(&Flush {
                port: Some(tunnel.port),
                mac: Some(remote.mac),
                vlan: None,
                kind: Some(kind),
            });
        }
    }

    /// A station was seen at a port: behind which peer, if that is a tunnel's. The peer was heard then.
    pub(super) fn remote_of_event(
        &mut self,
        relay: NetworkId,
        mac: MacAddr,
        port: PortId,
    ) -> Option<IpAddr> {
        let ours = |network: &&mut Network| network.relay.as_ref().is_some_and(|r| r.id == relay);
        let network = self.networks.values_mut().find(ours)?;
        let tunnel: &mut Tunnel = network.relay.as_mut()?.reach.tunnel_mut()?;
        if tunnel.port != port {
            return None;
        }
        let underlay: &Underlay = self.underlays.get(tunnel.underlay)?;
        let peer = underlay.remote(tunnel.vni, mac)?;
        if tunnel.heard.insert(peer) {
            let network = network.name.clone();
            tracing::info!(%network, %peer, "peer heard");
            self.events.publish(EventKind::PeerHeard { network, peer });
        }
        Some(peer)
    }
}
