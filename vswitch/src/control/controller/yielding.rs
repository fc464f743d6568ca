//! The predefined network gives way.
//!
//! Nobody chose its subnet, and as long as nothing is connected to it nobody uses it. Another network may have that
//! subnet then, above all one whose addresses somebody else gives: Docker begins with the same one. The predefined network
//! takes the next that is free.

use ipnet::IpNet;

use super::{Controller, networks::held_by};
use crate::control::{
    command::NetworkCreate,
    kernel::Kernel,
    name::ObjectId,
    network::{self, Driver, is_predefined},
    subnets::{Pools, overlap},
};

/// A predefined network, and the addresses that it takes instead.
pub(super) struct Yield {
    pub(super) network: ObjectId,
    pools: Pools,
}

impl<K: Kernel> Controller<K> {
    /// What has to be done before a network can have these subnets, if that is all that is in their way.
    pub(super) fn way_for(&self, wanted: &[IpNet]) -> Option<Yield> {
        let network = self.networks.values().find(|network| {
            let taken = |pool: &IpNet| wanted.iter().any(|wanted| overlap(*wanted, *pool));
            is_predefined(&network.name) && network.pools().any(|pool| taken(&pool.subnet()))
        })?;
        let kept = self
            .guests
            .values()
            .any(|guest| guest.network == network.id)
            || (self.dormant.endpoints.iter()).any(|endpoint| endpoint.network == network.id);
        let opened = network.relay.as_ref()?.inside.is_some();
        if kept || opened || self.endpoints_of_network(&network.id).next().is_some() {
            return None;
        }
        let create = NetworkCreate {
            name: network.name.clone(),
            ..NetworkCreate::default()
        };
        let others = self.others(&network.id, None);
        let occupied = || Ok([self.kernel.occupied()?, wanted.to_vec()].concat());
        let plan = network::plan(Driver::Bridge, &create, &network.id, &others, occupied);
        Some(Yield {
            network: network.id.clone(),
            // Without any that is left it has none, as if there had been none at the start.
            pools: plan.map(|plan| plan.pools).unwrap_or_default(),
        })
    }

    /// The predefined network takes its other addresses.
    pub(super) fn give_way(&mut self, way: Yield) {
        let Some(network) = self.networks.get_mut(&way.network) else {
            return;
        };
        let internal = network.internal;
        if let Some(relay) = network.relay.as_mut() {
            let subnets: Vec<IpNet> = way.pools.iter().map(|pool| pool.subnet()).collect();
            tracing::info!(network = %network.name, ?subnets, "other addresses, another network has these");
            relay.gateway = held_by(relay.options.gateway, &way.pools, internal);
            relay.pools = way.pools;
        }
    }
}
