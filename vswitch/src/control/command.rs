//! What can be asked of the control plane.
//!
//! Every front-end (control socket, and later Docker's plugin protocol, CNI, netavark) only translates its own
//! language into a [`Command`] and a [`Reply`] back. The structs inside are at once the JSON bodies of the control
//! socket: an unknown field is an error, so that a misspelt or a not yet known wish is never ignored in silence.
//!
//! Objects are referred to as in Docker: by name, by full ID, or by a unique prefix of an ID. A sandbox may also be
//! `pid:N`, `netns:/path` or `docker:CONTAINER`.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vswitch_wire::{MacAddr, VlanId};

use super::publish::Binding;
use super::view::{
    Connected, Created, Disconnected, FdbEntry, FdbKind, FdbStats, Flushed, NetworkInspect,
    NetworkSummary, PeerInfo, PortInfo, Pruned, SandboxInspect, SandboxSummary, Status,
};

/// A request to the control plane.
#[derive(Clone, Debug)]
pub enum Command {
    /// Version, uptime and the switch-wide counters.
    Status,
    /// All networks, the predefined ones included.
    NetworkList,
    /// One network in full.
    NetworkInspect {
        /// Name, ID or unique ID prefix.
        network: String,
    },
    /// Make a network.
    NetworkCreate(NetworkCreate),
    /// Remove a network that has no endpoints.
    NetworkRemove {
        /// Name, ID or unique ID prefix.
        network: String,
    },
    /// Remove every network that has no endpoints, the predefined ones excepted.
    NetworkPrune,
    /// Make an endpoint: a TAP inside the sandbox that is a port of the network.
    Connect {
        /// Name, ID or unique ID prefix.
        network: String,
        /// What the endpoint shall be like.
        connect: Connect,
    },
    /// Remove an endpoint.
    Disconnect {
        /// Name, ID or unique ID prefix.
        network: String,
        /// Which one.
        disconnect: Disconnect,
    },
    /// All sandboxes.
    SandboxList,
    /// One sandbox in full.
    SandboxInspect {
        /// A sandbox reference.
        sandbox: String,
    },
    /// Make a named sandbox.
    SandboxCreate(SandboxCreate),
    /// Remove a named sandbox.
    SandboxRemove {
        /// A sandbox reference.
        sandbox: String,
        /// Disconnect it from its networks first, instead of refusing.
        force: bool,
    },
    /// All ports with their counters.
    PortList,
    /// One port.
    PortInspect {
        /// Number (`3`) or name (`web/eth0`).
        port: String,
    },
    /// A network's forwarding database.
    FdbShow {
        /// Name, ID or unique ID prefix.
        network: String,
    },
    /// Counters of a network's forwarding database.
    FdbStats {
        /// Name, ID or unique ID prefix.
        network: String,
    },
    /// Add an entry by hand.
    FdbAdd {
        /// Name, ID or unique ID prefix.
        network: String,
        /// The entry.
        add: FdbAdd,
    },
    /// Remove one entry.
    FdbRemove {
        /// Name, ID or unique ID prefix.
        network: String,
        /// Which one.
        remove: FdbRemove,
    },
    /// Remove every entry that matches.
    FdbFlush {
        /// Name, ID or unique ID prefix.
        network: String,
        /// Which ones.
        flush: FdbFlush,
    },
    /// The peers of an overlay network.
    PeerList {
        /// Name, ID or unique ID prefix.
        network: String,
    },
    /// Add a peer to an overlay network.
    PeerAdd {
        /// Name, ID or unique ID prefix.
        network: String,
        /// Which one.
        peer: PeerRef,
    },
    /// Remove a peer from an overlay network, and forget what is behind it.
    PeerRemove {
        /// Name, ID or unique ID prefix.
        network: String,
        /// Which one.
        peer: PeerRef,
    },
}

impl Command {
    /// Whether it may change what outlives the daemon.
    pub fn changes(&self) -> bool {
        match self {
            Self::NetworkCreate(_)
            | Self::NetworkRemove { .. }
            | Self::NetworkPrune
            | Self::Connect { .. }
            | Self::Disconnect { .. }
            | Self::SandboxCreate(_)
            | Self::SandboxRemove { .. }
            | Self::FdbAdd { .. }
            | Self::FdbRemove { .. }
            | Self::FdbFlush { .. }
            | Self::PeerAdd { .. }
            | Self::PeerRemove { .. } => true,
            Self::Status
            | Self::NetworkList
            | Self::NetworkInspect { .. }
            | Self::SandboxList
            | Self::SandboxInspect { .. }
            | Self::PortList
            | Self::PortInspect { .. }
            | Self::FdbShow { .. }
            | Self::FdbStats { .. }
            | Self::PeerList { .. } => false,
        }
    }
}

/// The answer to a [`Command`], one variant for each shape.
#[derive(Clone, Debug)]
pub enum Reply {
    /// To [`Command::Status`].
    Status(Box<Status>),
    /// To [`Command::NetworkList`].
    Networks(Vec<NetworkSummary>),
    /// To [`Command::NetworkInspect`].
    Network(Box<NetworkInspect>),
    /// To [`Command::NetworkCreate`] and [`Command::SandboxCreate`].
    Created(Created),
    /// To [`Command::NetworkPrune`].
    Pruned(Pruned),
    /// To [`Command::Connect`].
    Connected(Box<Connected>),
    /// To [`Command::Disconnect`] and [`Command::SandboxRemove`].
    Disconnected(Disconnected),
    /// To [`Command::SandboxList`].
    Sandboxes(Vec<SandboxSummary>),
    /// To [`Command::SandboxInspect`].
    Sandbox(Box<SandboxInspect>),
    /// To [`Command::PortList`].
    Ports(Vec<PortInfo>),
    /// To [`Command::PortInspect`].
    Port(Box<PortInfo>),
    /// To [`Command::FdbShow`].
    Fdb(Vec<FdbEntry>),
    /// To [`Command::FdbStats`].
    FdbStats(FdbStats),
    /// To [`Command::FdbFlush`].
    Flushed(Flushed),
    /// To [`Command::PeerList`].
    Peers(Vec<PeerInfo>),
    /// To the commands that have nothing to tell.
    Done,
}

/// Body of `POST /v1/networks`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkCreate {
    /// `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, up to 63 characters.
    pub name: String,
    /// Driver name; empty means `bridge`.
    pub driver: String,
    /// At most one IPv4 and one IPv6 subnet; the address part must be the network address.
    pub subnets: Vec<IpNet>,
    /// Gateway addresses, at most one for each subnet; the first host address when absent.
    pub gateways: Vec<IpAddr>,
    /// Where automatic addresses come from, at most one for each subnet; the whole subnet when absent.
    pub ip_ranges: Vec<IpNet>,
    /// Addresses that are never given out, by the name of what has them.
    pub aux_addresses: BTreeMap<String, IpAddr>,
    /// `default`, or `null`: no addresses from us. Empty means `default`.
    pub ipam_driver: String,
    /// IPv6 on the interfaces; with the default address driver a subnet (a random ULA /64) when none is named.
    pub ipv6: bool,
    /// No way out of the network.
    pub internal: bool,
    /// Labels, kept and shown, without meaning to the switch.
    pub labels: BTreeMap<String, String>,
    /// Driver options.
    pub options: BTreeMap<String, String>,
}

/// Body of `POST /v1/networks/{n}/connect`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// A sandbox reference: name, ID, unique ID prefix, `pid:N`, `netns:/path`, `docker:CONTAINER`.
    pub sandbox: String,
    /// IPv4 address; automatic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// IPv6 address; automatic when absent (and the network has an IPv6 subnet).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip6: Option<Ipv6Addr>,
    /// MAC address; automatic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<MacAddr>,
    /// Interface name inside the sandbox; the lowest free `ethN` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ifname: Option<String>,
    /// Options of this endpoint, `offload=on|off`; the network's hold when absent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// Further names in DNS, on this network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ports published on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Binding>,
    /// The sandbox's default route, and the first answer of DNS, are by its network with the highest; the default is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gateway_priority: i32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// Body of `POST /v1/networks/{n}/disconnect`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disconnect {
    /// A sandbox reference.
    pub sandbox: String,
}

/// Body of `POST /v1/sandboxes`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxCreate {
    /// `[a-zA-Z0-9][a-zA-Z0-9_.-]*`, up to 63 characters.
    pub name: String,
}

/// Body of `POST /v1/networks/{n}/fdb`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FdbAdd {
    /// A unicast address.
    pub mac: MacAddr,
    /// Port number (`"3"`) or name (`"web/eth0"`), on this network; absent for a `local` entry and for one with a
    /// `remote`, and only then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Peer of an overlay network that the address is behind; such an entry is `static`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
    /// VLAN of a VLAN-aware network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanId>,
    /// `static` (default), `sticky` or `local`.
    #[serde(default = "FdbKind::default_added")]
    pub kind: FdbKind,
}

/// Body of `POST` and `DELETE /v1/networks/{n}/peers`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerRef {
    /// Address on the underlay.
    pub ip: IpAddr,
}

/// Body of `DELETE /v1/networks/{n}/fdb`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FdbRemove {
    /// The entry's address.
    pub mac: MacAddr,
    /// The entry's VLAN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanId>,
}

/// Body of `POST /v1/networks/{n}/fdb/flush`: all that are given must match; none given flushes every entry
/// that was learned.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FdbFlush {
    /// Port number or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// Address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// VLAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanId>,
    /// Kind; `learned` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<FdbKind>,
}
