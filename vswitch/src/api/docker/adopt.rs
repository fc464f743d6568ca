//! Networks that the engine has and we do not.
//!
//! Engines with a common store have the networks of scope `global` all together, but only the plugin beside the engine at
//! which somebody made one hears of it. Elsewhere the first that comes is an endpoint, on a network that is unknown; so
//! the engine is asked what the network is like, and it is made then. The engine holds no lock on networks while it makes
//! an endpoint, and an answer that is late costs the endpoint only. In the same way a network comes back that the engine
//! kept and we lost with our state.
//!
//! A global network goes with its last endpoint here, as an overlay network of Swarm does from a node: nobody would tell
//! us that it was removed at another engine.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use tokio::time::timeout;

use super::{
    Plugin, Scope,
    engine::{IpamConfig, NetworkResource},
    ids::id,
    network::{Outcome, subnet, wanted},
    shapes::{IpamData, NetworkOptions},
};
use crate::control::{
    ControlError, ErrorKind,
    command::NetworkCreate,
    guest::{Guest, GuestReply, Reserve},
    name::ObjectId,
};

/// How long the engine may take, which waits for us.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Reserves a place on a network, which is made before where only the engine knows it.
pub(super) async fn reserve(
    plugin: &Plugin,
    network: &str,
    reserve: Reserve,
) -> Outcome<GuestReply> {
    let unknown = match plugin.control.guest(Guest::Reserve(reserve.clone())).await {
        Err(error) if error.kind == ErrorKind::NotFound => error,
        outcome => return outcome,
    };
    let Ok(Ok(found)) = timeout(PATIENCE, plugin.engine.network(network)).await else {
        return Err(unknown);
    };
    // By its whole ID, or it is another one.
    if found.id != network {
        return Err(unknown);
    }
    let create = Guest::NetworkCreate {
        id: id("network", network)?,
        create: like(found)?,
    };
    plugin.control.guest(create).await?;
    plugin.names.network(network.to_owned());
    plugin.control.guest(Guest::Reserve(reserve)).await
}

/// An endpoint is gone: so is its network, if that was here for its endpoints only.
pub(super) async fn abandon(plugin: &Plugin, network: ObjectId) {
    match plugin.scope {
        Scope::Local => return,
        Scope::Global => {}
    }
    let asked = Guest::Reserved {
        network: network.clone(),
    };
    match plugin.control.guest(asked).await {
        Ok(GuestReply::Places(kept)) if kept.is_empty() => {}
        Ok(_) | Err(_) => return,
    }
    let remove = Guest::NetworkRemove { id: network };
    // Somebody may have come in between, who keeps it.
    if let Err(error) = plugin.control.guest(remove).await {
        tracing::debug!(%error, "a network of all engines stays");
    }
}

/// What the engine shows of a network, as it would ask us to make it.
fn like(found: NetworkResource) -> Outcome<NetworkCreate> {
    let options = NetworkOptions {
        generic: found.options,
        ipv6: found.enable_ipv6,
        internal: found.internal,
    };
    let data: Vec<IpamData> = (found.ipam.config.iter())
        .map(data)
        .collect::<Outcome<_>>()?;
    wanted(options, &data, &[])
}

fn data(config: &IpamConfig) -> Outcome<IpamData> {
    let gateway = if config.gateway.is_empty() {
        first(config)?.map(|ip| ip.to_string())
    } else {
        None
    };
    Ok(IpamData {
        pool: config.subnet.clone(),
        gateway: gateway.unwrap_or_else(|| config.gateway.clone()),
        aux_addresses: config.auxiliary_addresses.clone(),
    })
}

/// The gateway where nobody wished for one, which the engine does not show: the first address that its IPAM driver gives.
fn first(config: &IpamConfig) -> Outcome<Option<IpAddr>> {
    if config.subnet.is_empty() {
        return Ok(None);
    }
    let pool = subnet("subnet", &config.subnet)?;
    let range = if config.ip_range.is_empty() {
        pool
    } else {
        subnet("ip-range", &config.ip_range)?
    };
    let first = range.network();
    if first != pool.network() {
        return Ok(Some(first));
    }
    let next = match pool {
        IpNet::V4(pool) => pool.hosts().next().map(IpAddr::V4),
        // All addresses of an IPv6 subnet are hosts', but the first stands for its routers.
        IpNet::V6(pool) => pool.hosts().nth(1).map(IpAddr::V6),
    };
    next.map(Some).ok_or_else(|| {
        ControlError::invalid(format!("subnet {pool}: no address; give a larger one"))
    })
}

#[cfg(test)]
mod tests;
