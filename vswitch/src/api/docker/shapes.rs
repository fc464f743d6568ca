//! The JSON of libnetwork's remote drivers, requests and replies, as the engine writes and reads them.
//!
//! The names are libnetwork's own (`drivers/remote/api/api.go`, `ipams/remote/api/api.go`). Go writes `null` for what is
//! empty, and newer engines add fields and option keys: both are accepted, whereas a field that is there has to be of its
//! type. In replies a field that has nothing to say is left out, which the engine reads as empty.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// What is `null` or absent is empty.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// To requests that tell nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Nothing {}

/// `Plugin.Activate`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Activated {
    pub(super) implements: [&'static str; 2],
}

/// How far networks of the driver reach, as Swarm sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// One engine makes a network for itself.
    #[default]
    Local,
    /// A Swarm's manager makes it for all engines.
    Global,
}

/// `NetworkDriver.GetCapabilities`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkCapabilities {
    pub(super) scope: Scope,
    pub(super) connectivity_scope: Scope,
    /// Whether the engine asks `GwAllocCheck` first.
    pub(super) gw_alloc_checker: bool,
}

/// `NetworkDriver.GwAllocCheck`: whether no address shall be kept for a gateway.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct GatewaySkipped {
    #[serde(rename = "SkipIPv4")]
    pub(super) ipv4: bool,
    #[serde(rename = "SkipIPv6")]
    pub(super) ipv6: bool,
}

/// `NetworkDriver.AllocateNetwork`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct AllocateNetwork {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    /// The user's, flat.
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub(super) options: BTreeMap<String, String>,
}

/// The reply to it: options for those engines that will make the network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Allocated {
    pub(super) options: BTreeMap<String, String>,
}

/// `NetworkDriver.CreateNetwork`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct CreateNetwork {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub(super) options: NetworkOptions,
    #[serde(rename = "IPv4Data", default, deserialize_with = "or_default")]
    pub(super) ipv4: Vec<IpamData>,
    #[serde(rename = "IPv6Data", default, deserialize_with = "or_default")]
    pub(super) ipv6: Vec<IpamData>,
}

/// The options of a network that the switch knows.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NetworkOptions {
    /// The user's, `-o KEY=VALUE`.
    #[serde(rename = "com.docker.network.generic", deserialize_with = "or_default")]
    pub(super) generic: BTreeMap<String, String>,
    #[serde(rename = "com.docker.network.enable_ipv6")]
    pub(super) ipv6: bool,
    #[serde(rename = "com.docker.network.internal")]
    pub(super) internal: bool,
}

/// A subnet that an IPAM driver gave.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct IpamData {
    /// In CIDR form.
    #[serde(deserialize_with = "or_default")]
    pub(super) pool: String,
    /// In CIDR form, or plain.
    #[serde(deserialize_with = "or_default")]
    pub(super) gateway: String,
    /// In CIDR form, or plain, by the name of what has them.
    #[serde(deserialize_with = "or_default")]
    pub(super) aux_addresses: BTreeMap<String, String>,
}

/// `NetworkDriver.DeleteNetwork`, `FreeNetwork`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct NetworkRef {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
}

/// `NetworkDriver.CreateEndpoint`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct CreateEndpoint {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint: String,
    #[serde(rename = "Interface", default, deserialize_with = "or_default")]
    pub(super) interface: Interface,
    /// The user's, and those of the engine, which begin with `com.docker.network.`.
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub(super) options: Map<String, Value>,
}

/// Addresses of an endpoint: in a request those that the engine has chosen, in a reply only others.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Interface {
    /// In CIDR form.
    #[serde(
        rename = "Address",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) ipv4: String,
    /// In CIDR form.
    #[serde(
        rename = "AddressIPv6",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) ipv6: String,
    #[serde(
        rename = "MacAddress",
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub(super) mac: String,
}

/// The reply to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EndpointCreated {
    pub(super) interface: Interface,
}

/// `NetworkDriver.EndpointOperInfo`, `Leave`, `DeleteEndpoint`, `RevokeExternalConnectivity`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct EndpointRef {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint: String,
}

/// The reply to `EndpointOperInfo`. The engine asserts types of its own on all values that it knows, which JSON cannot
/// have, so that there is nothing to tell it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct OperInfo {
    pub(super) value: Nothing,
}

/// `NetworkDriver.Join`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Join {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint: String,
    #[serde(rename = "SandboxKey", default, deserialize_with = "or_default")]
    pub(super) sandbox: String,
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub(super) options: ConnectivityOptions,
}

/// The reply to it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Joined {
    #[serde(rename = "InterfaceName")]
    pub(super) interface: InterfaceName,
    #[serde(rename = "Gateway", skip_serializing_if = "Option::is_none")]
    pub(super) ipv4_gateway: Option<IpAddr>,
    #[serde(rename = "GatewayIPv6", skip_serializing_if = "Option::is_none")]
    pub(super) ipv6_gateway: Option<IpAddr>,
    /// Without gateways, this keeps the engine from making one of its own, for which it needs a bridge.
    #[serde(
        rename = "DisableGatewayService",
        skip_serializing_if = "std::ops::Not::not"
    )]
    pub(super) no_gateway: bool,
}

/// The device, and the name that it gets in the sandbox, with a number behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct InterfaceName {
    pub(super) src_name: String,
    pub(super) dst_prefix: &'static str,
}

/// `NetworkDriver.ProgramExternalConnectivity`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct ExternalConnectivity {
    #[serde(rename = "NetworkID")]
    pub(super) network: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint: String,
    #[serde(rename = "Options", default, deserialize_with = "or_default")]
    pub(super) options: ConnectivityOptions,
}

/// What the engine sends of a container with each of its endpoints.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectivityOptions {
    #[serde(rename = "com.docker.network.portmap", deserialize_with = "or_default")]
    pub(super) ports: Vec<PortBinding>,
}

/// A port to be published.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct PortBinding {
    /// The number of the protocol (IANA).
    pub(super) proto: u8,
    /// The port inside the sandbox.
    pub(super) port: u16,
    /// Empty for all.
    #[serde(rename = "HostIP", deserialize_with = "or_default")]
    pub(super) host_ip: String,
    /// Any when 0.
    pub(super) host_port: u16,
    /// Any from [`Self::host_port`] to this one.
    pub(super) host_port_end: u16,
}

/// `NetworkDriver.DiscoverNew`, `DiscoverDelete`: another engine of the Swarm.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Discovery {
    #[serde(rename = "DiscoveryType", default)]
    pub(super) kind: i64,
    #[serde(rename = "DiscoveryData", default, deserialize_with = "or_default")]
    pub(super) node: Node,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    #[serde(rename = "Address", alias = "address", deserialize_with = "or_default")]
    pub(super) address: String,
    /// Whether it is this one.
    #[serde(rename = "Self", alias = "self")]
    pub(super) this: bool,
}

/// `IpamDriver.GetCapabilities`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct IpamCapabilities {
    #[serde(rename = "RequiresMACAddress")]
    pub(super) needs_mac: bool,
    /// Whether the engine asks for everything once more when it starts.
    #[serde(rename = "RequiresRequestReplay")]
    pub(super) needs_replay: bool,
}

/// `IpamDriver.GetDefaultAddressSpaces`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddressSpaces {
    pub(super) local_default_address_space: &'static str,
    pub(super) global_default_address_space: &'static str,
}

/// `IpamDriver.RequestPool`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct RequestPool {
    #[serde(deserialize_with = "or_default")]
    pub(super) address_space: String,
    /// In CIDR form; empty for any.
    #[serde(deserialize_with = "or_default")]
    pub(super) pool: String,
    /// In CIDR form; empty for all of the pool.
    #[serde(deserialize_with = "or_default")]
    pub(super) sub_pool: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) options: BTreeMap<String, String>,
    /// For any pool: which family.
    pub(super) v6: bool,
}

/// The reply to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PoolRequested {
    #[serde(rename = "PoolID")]
    pub(super) pool_id: String,
    /// In CIDR form.
    pub(super) pool: String,
    pub(super) data: Nothing,
}

/// `IpamDriver.ReleasePool`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct ReleasePool {
    #[serde(rename = "PoolID")]
    pub(super) pool: String,
}

/// `IpamDriver.RequestAddress`, `ReleaseAddress`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct PoolAddress {
    #[serde(rename = "PoolID")]
    pub(super) pool: String,
    /// Plain; any when empty.
    #[serde(rename = "Address", default, deserialize_with = "or_default")]
    pub(super) address: String,
}

/// The reply to `RequestAddress`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AddressRequested {
    /// In CIDR form.
    pub(super) address: String,
    pub(super) data: Nothing,
}
