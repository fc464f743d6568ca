//! libnetwork's remote network driver: each request as commands, and what came of them as its reply.
//!
//! The order for a container is CreateEndpoint, Join, ProgramExternalConnectivity, and back: RevokeExternalConnectivity,
//! Leave, DeleteEndpoint; connectivity only where a network has a way out (`unasked` has the others). The engine may have sent a request before: it repeats one whose reply it has not got. The IPAM
//! driver has chosen the addresses by then, so that only those that it left open come from us: the engine takes an answer
//! with one that it has chosen itself for an attempt to change it, and fails.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::IpNet;
use serde_json::Value;
use vswitch_wire::MacAddr;

use super::{
    Plugin, adopt,
    ids::id,
    ports,
    shapes::{
        AllocateNetwork, Allocated, CreateEndpoint, CreateNetwork, Discovery, EndpointCreated,
        EndpointRef, ExternalConnectivity, GatewaySkipped, Interface, InterfaceName, IpamData,
        Join, Joined, NetworkCapabilities, NetworkOptions, NetworkRef, Nothing, OperInfo,
    },
    unasked,
};
use crate::control::{
    ControlError, ErrorKind,
    command::NetworkCreate,
    endpoint::{FNV_START, fnv},
    guest::{Guest, GuestReply, Reserve},
    name::ObjectId,
};

/// Among the user's options the one that chooses our driver.
pub(super) const DRIVER: &str = "driver";
/// How the options of the engine itself begin.
const ENGINES: &str = "com.docker.network.";
/// What interfaces are called in the sandbox, with a number behind it.
const PREFIX: &str = "eth";
/// Subnets that stand for none: the IPAM driver gives no addresses.
const NO_POOL: [&str; 2] = ["0.0.0.0/0", "::/0"];
/// Docker's and our name of the option that numbers an overlay network.
const VNI: [&str; 2] = ["vni", "com.docker.network.driver.overlay.vxlanid_list"];
/// The least number of a network that Docker numbers itself.
const FIRST_VNI: u32 = 4096;

pub(super) type Outcome<T> = Result<T, ControlError>;

pub(super) async fn capabilities(plugin: Plugin, _: Nothing) -> Outcome<NetworkCapabilities> {
    Ok(NetworkCapabilities {
        scope: plugin.scope,
        connectivity_scope: plugin.scope,
        gw_alloc_checker: false,
    })
}

/// Every network has a gateway: where there is no way out it still answers DNS.
pub(super) async fn check_gateways(_: Plugin, _: Nothing) -> Outcome<GatewaySkipped> {
    Ok(GatewaySkipped {
        ipv4: false,
        ipv6: false,
    })
}

/// Swarm's manager asks: all engines have to use the same number for an overlay network.
pub(super) async fn allocate(_: Plugin, asked: AllocateNetwork) -> Outcome<Allocated> {
    let network = id("network", &asked.network)?;
    let mut options = asked.options;
    let overlay = options
        .get(DRIVER)
        .is_some_and(|driver| driver == "overlay");
    if overlay && !VNI.iter().any(|key| options.contains_key(*key)) {
        options.insert(VNI[0].to_owned(), vni_of(&network).to_string());
    }
    Ok(Allocated { options })
}

/// A number that depends on the ID only.
fn vni_of(network: &ObjectId) -> u32 {
    // A hash, because IDs of Swarm differ in few of their bits; of its 64 bits those in the middle.
    let [_, _, a, b, c, d, _, _] = fnv(FNV_START, network.as_str().as_bytes()).to_be_bytes();
    FIRST_VNI + u32::from_be_bytes([a, b, c, d]) % ((1 << 24) - FIRST_VNI)
}

pub(super) async fn free(_: Plugin, asked: NetworkRef) -> Outcome<Nothing> {
    id("network", &asked.network)?;
    Ok(Nothing {})
}

pub(super) async fn create(plugin: Plugin, asked: CreateNetwork) -> Outcome<Nothing> {
    let network = Guest::NetworkCreate {
        id: id("network", &asked.network)?,
        create: wanted(asked.options, &asked.ipv4, &asked.ipv6)?,
    };
    plugin.control.guest(network).await?;
    plugin.names.network(asked.network);
    Ok(Nothing {})
}

/// What the network shall be like. It has no name yet: the engine does not tell it.
pub(super) fn wanted(
    options: NetworkOptions,
    v4: &[IpamData],
    v6: &[IpamData],
) -> Outcome<NetworkCreate> {
    let mut create = NetworkCreate {
        ipv6: options.ipv6,
        internal: options.internal,
        options: options.generic,
        ..NetworkCreate::default()
    };
    if let Some(driver) = create.options.remove(DRIVER) {
        create.driver = driver;
    }
    for data in v4.iter().chain(v6) {
        add_subnet(&mut create, data)?;
    }
    if create.subnets.is_empty() {
        "null".clone_into(&mut create.ipam_driver);
    }
    Ok(create)
}

fn add_subnet(create: &mut NetworkCreate, data: &IpamData) -> Outcome<()> {
    if data.pool.is_empty() || NO_POOL.contains(&data.pool.as_str()) {
        return Ok(());
    }
    create.subnets.push(subnet("subnet", &data.pool)?);
    create.gateways.extend(address("gateway", &data.gateway)?);
    for (name, aux) in &data.aux_addresses {
        if let Some(aux) = address("auxiliary address", aux)? {
            create.aux_addresses.insert(name.clone(), aux);
        }
    }
    Ok(())
}

pub(super) async fn delete(plugin: Plugin, asked: NetworkRef) -> Outcome<Nothing> {
    let id = id("network", &asked.network)?;
    plugin.control.guest(Guest::NetworkRemove { id }).await?;
    Ok(Nothing {})
}

pub(super) async fn create_endpoint(
    plugin: Plugin,
    asked: CreateEndpoint,
) -> Outcome<EndpointCreated> {
    let mut reserve = Reserve {
        network: id("network", &asked.network)?,
        endpoint: id("endpoint", &asked.endpoint)?,
        ip: None,
        ip6: None,
        mac_address: mac(&asked.interface.mac)?,
        options: users_options(&asked)?,
    };
    for text in [&asked.interface.ipv4, &asked.interface.ipv6] {
        match address("address", text)? {
            None => {}
            Some(IpAddr::V4(ip)) => reserve.ip = Some(ip),
            Some(IpAddr::V6(ip)) => reserve.ip6 = Some(ip),
        }
    }
    let GuestReply::Reserved(reserved) = adopt::reserve(&plugin, &asked.network, reserve).await?
    else {
        return Err(unexpected("endpoint"));
    };
    let given = asked.interface;
    let open = |given: &str, ours: Option<String>| ours.filter(|_| given.is_empty());
    let interface = Interface {
        ipv4: open(&given.ipv4, reserved.ipv4.map(|ip| ip.to_string())).unwrap_or_default(),
        ipv6: open(&given.ipv6, reserved.ipv6.map(|ip| ip.to_string())).unwrap_or_default(),
        mac: open(&given.mac, Some(reserved.mac_address.to_string())).unwrap_or_default(),
    };
    Ok(EndpointCreated { interface })
}

/// The options that a person gave, `docker network connect --driver-opt KEY=VALUE`.
fn users_options(asked: &CreateEndpoint) -> Outcome<BTreeMap<String, String>> {
    let users = asked
        .options
        .iter()
        .filter(|(key, _)| !key.starts_with(ENGINES));
    users
        .map(|(key, value)| match value {
            Value::String(value) => Ok((key.clone(), value.clone())),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => Err(ControlError::invalid(format!(
                "option {key:?}: {value} is no text; write --driver-opt KEY=VALUE"
            ))),
        })
        .collect()
}

/// There is nothing to tell; see [`OperInfo`].
pub(super) async fn oper_info(_: Plugin, asked: EndpointRef) -> Outcome<OperInfo> {
    id("network", &asked.network)?;
    id("endpoint", &asked.endpoint)?;
    Ok(OperInfo { value: Nothing {} })
}

pub(super) async fn delete_endpoint(plugin: Plugin, asked: EndpointRef) -> Outcome<Nothing> {
    let network = id("network", &asked.network)?;
    let endpoint = id("endpoint", &asked.endpoint)?;
    plugin.control.guest(Guest::Release { endpoint }).await?;
    adopt::abandon(&plugin, network).await;
    Ok(Nothing {})
}

pub(super) async fn join(plugin: Plugin, asked: Join) -> Outcome<Joined> {
    id("network", &asked.network)?;
    let sandbox = PathBuf::from(asked.sandbox);
    if !sandbox.is_absolute() {
        return Err(ControlError::invalid(format!(
            "sandbox {sandbox:?}: not a path; send what Docker's engine has as SandboxKey"
        )));
    }
    let join = Guest::Join {
        endpoint: id("endpoint", &asked.endpoint)?,
        sandbox,
    };
    let GuestReply::Joined(joined) = plugin.control.guest(join).await? else {
        return Err(unexpected("endpoint"));
    };
    if joined.gateways.is_empty() && !joined.internal {
        unasked::publish(&plugin, &asked.network, &asked.endpoint, &asked.options).await?;
    }
    plugin.names.endpoint(asked.network, asked.endpoint);
    let gateway = |v4: bool| {
        let mut gateways = joined.gateways.iter().copied();
        gateways.find(|gateway| gateway.is_ipv4() == v4)
    };
    Ok(Joined {
        ipv4_gateway: gateway(true),
        ipv6_gateway: gateway(false),
        no_gateway: joined.gateways.is_empty(),
        interface: InterfaceName {
            src_name: joined.device,
            dst_prefix: PREFIX,
        },
    })
}

pub(super) async fn leave(plugin: Plugin, asked: EndpointRef) -> Outcome<Nothing> {
    id("network", &asked.network)?;
    let endpoint = id("endpoint", &asked.endpoint)?;
    plugin.control.guest(Guest::Leave { endpoint }).await?;
    Ok(Nothing {})
}

pub(super) async fn publish(plugin: Plugin, asked: ExternalConnectivity) -> Outcome<Nothing> {
    id("network", &asked.network)?;
    let endpoint = id("endpoint", &asked.endpoint)?;
    let wishes = ports::wishes(&asked.options)?;
    ports::publish(&plugin.control, &endpoint, &wishes).await?;
    Ok(Nothing {})
}

pub(super) async fn unpublish(plugin: Plugin, asked: EndpointRef) -> Outcome<Nothing> {
    id("network", &asked.network)?;
    let endpoint = id("endpoint", &asked.endpoint)?;
    match ports::publish(&plugin.control, &endpoint, &[]).await {
        // It has gone already, and its ports with it.
        Err(error) if error.kind == ErrorKind::NotFound => Ok(Nothing {}),
        outcome => outcome.map(|()| Nothing {}),
    }
}

/// Peers of an overlay network are given as its option, by name, not by the engine's cluster.
pub(super) async fn discover(_: Plugin, asked: Discovery) -> Outcome<Nothing> {
    let Discovery { kind, node } = asked;
    tracing::debug!(
        kind,
        address = node.address,
        this = node.this,
        "a node of the Swarm"
    );
    Ok(Nothing {})
}

/// A subnet in CIDR form.
pub(super) fn subnet(what: &str, text: &str) -> Outcome<IpNet> {
    text.parse().map_err(|_| {
        ControlError::invalid(format!(
            "{what} {text:?}: not a subnet; write ADDRESS/LENGTH, such as 198.18.0.0/24"
        ))
    })
}

/// An address, plain or with the length of its subnet; nothing when empty.
pub(super) fn address(what: &str, text: &str) -> Outcome<Option<IpAddr>> {
    if text.is_empty() {
        return Ok(None);
    }
    let cidr = || text.parse::<IpNet>().ok().map(|net| net.addr());
    let address = text.parse().ok().or_else(cidr);
    address.map(Some).ok_or_else(|| {
        ControlError::invalid(format!(
            "{what} {text:?}: not an address; write it as 198.18.0.2 or 198.18.0.2/24"
        ))
    })
}

fn mac(text: &str) -> Outcome<Option<MacAddr>> {
    if text.is_empty() {
        return Ok(None);
    }
    let mac = text.parse().map(Some);
    mac.map_err(|_| {
        ControlError::invalid(format!(
            "MAC address {text:?}: not a MAC address; write it as 02:42:c6:12:00:02"
        ))
    })
}

/// The control plane answered another question.
pub(super) fn unexpected(what: &str) -> ControlError {
    ControlError::internal(format!(
        "{what}: the switch gave an answer of the wrong kind; look at the daemon's log"
    ))
}

#[cfg(test)]
mod tests;
