//! Ports of a container that has no way out.
//!
//! The engine asks for a container's ports (`ProgramExternalConnectivity`) at one of its endpoints, at a network that has a
//! gateway. Overlay networks have none: the switch is the gateway, and forwards nothing. For a container on such networks
//! only the engine asks nobody, and `docker run -p` would publish nothing without a word. But it names the ports whenever an
//! endpoint joins; so they are published there, and refused there if they are taken.
//!
//! Where the container has a network with a way out besides, the engine will ask, or has asked, there: of us, or of a driver
//! of its own, whose ports we must not take away. All that a plugin is told is an endpoint; whose it is and what other
//! networks its container has is asked of the engine. Without an answer the ports are published.
//!
//! A container that is connected to a network with a way out later, when it runs, has its ports taken over by that if it is
//! one of ours; the engine's own bridge finds them taken.

use tokio::time::timeout;

use super::{
    Plugin,
    adopt::PATIENCE,
    engine::{EngineError, NetworkResource},
    ids::id,
    network::{DRIVER, Outcome},
    ports,
    shapes::ConnectivityOptions,
};

/// Networks of the engine's that lead nowhere, or that have nothing to be published.
const WITHOUT_PORTS: [&str; 2] = ["null", "host"];

/// Publishes the ports of a container whose endpoint has joined on a network without a way out.
///
/// # Errors
/// As of [`ports::publish`].
pub(super) async fn publish(
    plugin: &Plugin,
    network: &str,
    endpoint: &str,
    options: &ConnectivityOptions,
) -> Outcome<()> {
    let wishes = ports::wishes(options)?;
    if wishes.is_empty() {
        return Ok(());
    }
    match timeout(PATIENCE, asked_elsewhere(plugin, network, endpoint)).await {
        Ok(Ok(true)) => return Ok(()),
        Ok(Ok(false)) => {}
        Ok(Err(error)) => tracing::debug!(%error, endpoint, "its other networks are not known"),
        Err(_) => tracing::debug!(endpoint, "its other networks are not known in time"),
    }
    ports::publish(&plugin.control, &id("endpoint", endpoint)?, &wishes).await
}

/// Whether an endpoint's container has a network for which the engine asks.
async fn asked_elsewhere(
    plugin: &Plugin,
    network: &str,
    endpoint: &str,
) -> Result<bool, EngineError> {
    let found = plugin.engine.network(network).await?;
    let mut containers = found.containers.values();
    // The ID of its container is there only when it has joined, the name before.
    let Some(ours) = containers.find(|one| one.endpoint_id == endpoint) else {
        return Ok(false);
    };
    let container = plugin.engine.summary(&ours.name).await?;
    let its = container.network_settings.networks;
    let networks = plugin.engine.all_networks().await?;
    Ok(networks.iter().any(|other| {
        // A container that has not started yet knows its networks as the user wrote them.
        let joins = its.contains_key(&other.name) || its.contains_key(&other.id);
        other.id != network && joins && leads_out(plugin, other)
    }))
}

fn leads_out(plugin: &Plugin, network: &NetworkResource) -> bool {
    let option = |key: &str| network.options.get(key).map(String::as_str);
    let ours_closed = network.driver == *plugin.name
        && (option(DRIVER) == Some("overlay") || option("gateway").is_some_and(|at| at != "host"));
    let closed = network.internal || WITHOUT_PORTS.contains(&network.driver.as_str());
    !closed && !ours_closed
}

#[cfg(test)]
mod tests;
