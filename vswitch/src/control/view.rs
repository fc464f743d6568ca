//! What the control plane shows: the shapes of its replies and events, which are at once the JSON of the control socket.
//!
//! [`NetworkInspect`] has the shape (and the upper-case names) of `docker network inspect`; [`PortInfo`] and
//! [`FdbEntry`] are promised to scripts by the command line. Everything here is plain data.

mod event;
mod port;
mod tunnel;
mod uplink;

pub use event::{Event, EventKind};
pub use port::{FdbEntry, FdbKind, FdbStats, LinkState, PortInfo, Traffic};
pub use tunnel::{PeerInfo, TunnelStatus};
pub use uplink::{UplinkFilter, UplinkStatus};

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use vswitch_wire::MacAddr;

use super::publish::Binding;
use crate::port::PortId;

/// `GET /v1/status`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Version of the daemon.
    pub version: String,
    /// Process ID of the daemon.
    pub pid: u32,
    /// Seconds since the daemon started.
    pub uptime: u64,
    /// Directory of the pinned namespaces.
    pub run_dir: PathBuf,
    /// The worker threads.
    pub workers: Vec<WorkerStatus>,
    /// Networks, the predefined ones included.
    pub networks: usize,
    /// Ports of the switch.
    pub ports: usize,
    /// Sandboxes, the foreign namespaces that have endpoints included.
    pub sandboxes: usize,
    /// Frame counters of the whole switch.
    pub totals: Totals,
    /// The UDP ports of overlay networks.
    pub tunnels: Vec<TunnelStatus>,
    /// The parents of macvlan networks.
    pub uplinks: Vec<UplinkStatus>,
    /// Events of the data path that were lost because the control plane was too slow.
    pub events_lost: u64,
}

/// One worker thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// Frames it has run to completion.
    pub frames: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Times it slept and was woken up.
    pub wakeups: u64,
    /// Ports whose receive side it owns.
    pub ports: u64,
}

/// Frame counters of the whole switch, retired ports included. Frames are conserved:
/// `received + replicated = delivered + consumed + sum(dropped)`, up to the frames in flight.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Frames read from ports.
    pub received: u64,
    /// Extra copies made for floods (a flood to n ports makes n - 1).
    pub replicated: u64,
    /// Frames written to ports.
    pub delivered: u64,
    /// Frames taken by the switch itself.
    pub consumed: u64,
    /// Dropped frames by reason, only reasons that occurred.
    pub dropped: BTreeMap<String, u64>,
    /// Left side minus right side; 0 when nothing is in flight.
    pub residual: i64,
}

/// The reply to a creation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Created {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
}

/// The reply to `POST /v1/networks/prune`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Pruned {
    /// Names of the networks that were removed.
    pub networks: Vec<String>,
}

/// The reply to a flush.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Flushed {
    /// Entries removed.
    pub flushed: usize,
}

/// One line of `network ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct NetworkSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
    /// `bridge`, `overlay`, `macvlan`, `host`, `null`.
    pub driver: String,
    /// `local`.
    pub scope: String,
    /// Creation time, RFC 3339, UTC.
    pub created: String,
    /// Its subnets.
    pub subnets: Vec<IpNet>,
    /// No way out.
    pub internal: bool,
    /// Endpoints on it.
    pub endpoints: usize,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// `GET /v1/networks/{n}`: the shape of `docker network inspect`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkInspect {
    /// The name.
    pub name: String,
    /// 64 hexadecimal digits.
    pub id: String,
    /// Creation time, RFC 3339, UTC.
    pub created: String,
    /// `local`.
    pub scope: String,
    /// `bridge`, `overlay`, `macvlan`, `host`, `null`.
    pub driver: String,
    /// Whether its interfaces have IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Address management.
    #[serde(rename = "IPAM")]
    pub ipam: IpamView,
    /// No way out.
    pub internal: bool,
    /// The endpoints, by the ID of their sandbox.
    pub containers: BTreeMap<String, ContainerView>,
    /// Driver options as given.
    pub options: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// The `IPAM` object of [`NetworkInspect`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamView {
    /// `default`; `null` for networks without addresses.
    pub driver: String,
    /// Options of the address driver; there are none.
    pub options: BTreeMap<String, String>,
    /// One for each subnet.
    pub config: Vec<IpamConfigView>,
}

/// One subnet of [`IpamView`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IpamConfigView {
    /// The subnet.
    pub subnet: IpNet,
    /// The reserved gateway address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
    /// Where automatic addresses come from, when narrower than the subnet.
    #[serde(rename = "IPRange", default, skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<IpNet>,
    /// Addresses that are never given out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub auxiliary_addresses: BTreeMap<String, IpAddr>,
}

/// One endpoint of [`NetworkInspect`]. Absent addresses are empty strings, as Docker has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerView {
    /// Name of the sandbox.
    pub name: String,
    /// ID of the endpoint.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// MAC address.
    pub mac_address: MacAddr,
    /// Address with prefix length, or empty.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// Address with prefix length, or empty.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// The reply to a connect.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Connected {
    /// ID of the endpoint.
    pub endpoint_id: String,
    /// Name of the network.
    pub network: String,
    /// Name of the sandbox.
    pub sandbox: String,
    /// The interface.
    #[serde(flatten)]
    pub interface: InterfaceView,
}

/// One interface of a sandbox.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct InterfaceView {
    /// Name inside the sandbox.
    pub ifname: String,
    /// The switch's port behind it.
    pub port: PortId,
    /// MAC address.
    pub mac_address: MacAddr,
    /// Address and prefix length.
    pub ipv4: Option<Ipv4Net>,
    /// Address and prefix length.
    pub ipv6: Option<Ipv6Net>,
    /// Bytes.
    pub mtu: u32,
}

/// The reply to a disconnect. What is to be undone is undone in any case; what went wrong on the way is told.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Disconnected {
    /// One line each.
    pub warnings: Vec<String>,
}

/// How a sandbox came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxKind {
    /// Made by `sandbox create`; its namespace is ours.
    Named,
    /// Somebody else's namespace, known while it has an endpoint.
    Foreign,
    /// A container of a front-end, known while it has an endpoint.
    Guest,
}

/// One line of `sandbox ls`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SandboxSummary {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
    /// How it came about.
    pub kind: SandboxKind,
    /// A path that `nsenter --net=PATH` understands.
    pub path: PathBuf,
    /// Creation time, RFC 3339, UTC.
    pub created: String,
    /// Names of the networks that it is connected to.
    pub networks: Vec<String>,
}

/// `GET /v1/sandboxes/{n}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SandboxInspect {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name.
    pub name: String,
    /// How it came about.
    pub kind: SandboxKind,
    /// A path that `nsenter --net=PATH` understands.
    pub path: PathBuf,
    /// Creation time, RFC 3339, UTC.
    pub created: String,
    /// Its interfaces on our networks.
    pub interfaces: Vec<SandboxInterface>,
}

/// One interface of [`SandboxInspect`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SandboxInterface {
    /// Name of the network.
    pub network: String,
    /// ID of the network.
    pub network_id: String,
    /// ID of the endpoint.
    pub endpoint_id: String,
    /// The interface.
    #[serde(flatten)]
    pub interface: InterfaceView,
    /// The network's reserved IPv4 gateway.
    pub gateway: Option<IpAddr>,
    /// The network's reserved IPv6 gateway.
    pub gateway6: Option<IpAddr>,
    /// Which of the sandbox's networks gives the default route and the first answer of DNS: the highest.
    #[serde(default)]
    pub gateway_priority: i32,
    /// Further names in DNS, on this network.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Ports published on the host; those that were any free one are known by now.
    #[serde(default)]
    pub publish: Vec<Binding>,
}
