//! Keeping the desired state.

use super::Controller;
use crate::{
    control::{
        command::{Connect, NetworkCreate},
        endpoint::{End, Endpoint},
        ipam::Pool,
        kernel::Kernel,
        network::Network,
        sandbox::Place,
        state::{SavedEndpoint, SavedEntry, SavedNetwork, SavedSandbox, State},
    },
    datapath::EntryKind,
};

impl<K: Kernel> Controller<K> {
    /// Keeps the state as it is now; where that fails, the log says so, and the next change tries again.
    pub(super) fn keep(&mut self) {
        if self.store.is_none() || self.restoring {
            return;
        }
        let state = self.state();
        let Some(store) = &mut self.store else {
            return;
        };
        let kept = serde_json::to_vec(&state)
            .map_err(|error| error.to_string())
            .and_then(|state| store.save(&state).map_err(|error| error.message));
        if let Err(error) = kept {
            tracing::error!(error, "the state is not kept");
        }
    }

    /// All that outlives the daemon.
    pub(super) fn state(&self) -> State {
        let host = Place::Pid(std::process::id());
        let dormant = self.dormant.clone();
        let mut networks: Vec<_> = (self.networks.values())
            .map(|network| self.saved_network(network))
            .collect();
        networks.extend(dormant.networks);
        let mut sandboxes: Vec<_> = (self.sandboxes.values())
            .filter(|sandbox| sandbox.place != host)
            .map(|sandbox| SavedSandbox {
                id: sandbox.id.clone(),
                name: sandbox.name.clone(),
                kind: sandbox.kind,
                place: sandbox.place.clone(),
                netns: sandbox.netns,
                created: sandbox.created.clone(),
            })
            .collect();
        sandboxes.extend(dormant.sandboxes);
        let own = |endpoint: &&Endpoint| matches!(endpoint.end, End::Sandbox | End::Host);
        let mut endpoints: Vec<_> = (self.endpoints.values().filter(own))
            .map(saved_endpoint)
            .collect();
        endpoints.extend(dormant.endpoints);
        let mut guests: Vec<_> = self.guests.values().map(|guest| guest.saved()).collect();
        guests.extend(dormant.guests);
        State {
            boot: self.kernel.boot(),
            networks,
            sandboxes,
            endpoints,
            guests,
            pools: self.guest_pools.saved(),
        }
    }

    fn saved_network(&self, network: &Network) -> SavedNetwork {
        let pools = || network.pools();
        let create = NetworkCreate {
            name: network.name.clone(),
            driver: network.driver.to_string(),
            subnets: pools().map(Pool::subnet).collect(),
            gateways: pools().map(Pool::gateway).collect(),
            ip_ranges: pools().filter_map(|pool| pool.spec().range).collect(),
            aux_addresses: pools()
                .flat_map(|pool| pool.spec().auxiliary.clone())
                .collect(),
            ipam_driver: match pools().next() {
                Some(_) => String::new(),
                None => "null".to_owned(),
            },
            ipv6: network.relay.as_ref().is_some_and(|relay| relay.ipv6),
            internal: network.internal,
            labels: network.labels.clone(),
            options: network.options.clone(),
        };
        let peers = self.tunnel(network).map(|(tunnel, underlay)| {
            let peers = underlay.peers(tunnel.vni).into_iter();
            peers.map(|peer| peer.addr).collect()
        });
        SavedNetwork {
            id: network.id.clone(),
            created: network.created.clone(),
            owner: network.owner,
            create,
            cursors: pools().map(Pool::cursor).collect(),
            peers: peers.unwrap_or_default(),
            entries: self.saved_entries(network),
        }
    }

    /// The entries that were added by hand.
    fn saved_entries(&self, network: &Network) -> Vec<SavedEntry> {
        let Ok(fdb) = self.fdb(network) else {
            return Vec::new();
        };
        let inside = network.relay.as_ref().and_then(|relay| relay.inside);
        // Looking through a large table for nothing would delay every command; a gateway inside has one entry itself.
        if fdb.stats().pinned <= usize::from(inside.is_some()) {
            return Vec::new();
        }
        let (tunnel, remotes) = self.remotes(network).unzip();
        let remotes = remotes.unwrap_or_default();
        let mut entries = fdb.entries(self.switch.now());
        entries.retain(|entry| {
            entry.kind != EntryKind::Learned && (inside.is_none() || entry.port != inside)
        });
        entries.sort_by_key(|entry| (entry.vlan.map(|vlan| vlan.get()), entry.mac));
        let saved = entries.into_iter().map(|entry| SavedEntry {
            mac: entry.mac,
            vlan: entry.vlan,
            kind: entry.kind.into(),
            endpoint: (entry.port.and_then(|port| self.endpoints.get(&port)))
                .map(|endpoint| endpoint.id.clone()),
            remote: (entry.port.filter(|port| Some(*port) == tunnel))
                .and_then(|_| remotes.get(&entry.mac).copied()),
        });
        saved.collect()
    }
}

fn saved_endpoint(endpoint: &Endpoint) -> SavedEndpoint {
    SavedEndpoint {
        id: endpoint.id.clone(),
        network: endpoint.network.clone(),
        sandbox: endpoint.sandbox.clone(),
        end: endpoint.end,
        connect: Connect {
            ip: endpoint.ipv4.map(|net| net.addr()),
            ip6: endpoint.ipv6.map(|net| net.addr()),
            mac_address: Some(endpoint.mac),
            ifname: Some(endpoint.ifname.to_string()),
            ..endpoint.wish.clone()
        },
    }
}
