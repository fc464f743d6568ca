//! Events as they are told.

use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use vswitch_wire::MacAddr;

use crate::port::PortId;

/// One line of `GET /v1/events`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// RFC 3339, UTC, microseconds.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub what: EventKind,
}

/// What happened. Networks, sandboxes and ports by name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum EventKind {
    /// A network was made.
    NetworkCreate {
        /// Name.
        network: String,
        /// ID.
        id: String,
    },
    /// A network was removed.
    NetworkRemove {
        /// Name.
        network: String,
        /// ID.
        id: String,
    },
    /// A sandbox was made, or a foreign namespace became known.
    SandboxCreate {
        /// Name.
        sandbox: String,
        /// ID.
        id: String,
    },
    /// A sandbox was removed, or a foreign namespace forgotten.
    SandboxRemove {
        /// Name.
        sandbox: String,
        /// ID.
        id: String,
    },
    /// An endpoint was made.
    EndpointConnect {
        /// Network.
        network: String,
        /// Sandbox.
        sandbox: String,
        /// Port number.
        port: PortId,
        /// Interface inside the sandbox.
        ifname: String,
        /// MAC address.
        mac: MacAddr,
        /// IPv4 address and prefix length.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ipv4: Option<Ipv4Net>,
        /// IPv6 address and prefix length.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ipv6: Option<Ipv6Net>,
    },
    /// An endpoint was removed.
    EndpointDisconnect {
        /// Network.
        network: String,
        /// Sandbox.
        sandbox: String,
        /// Port number.
        port: PortId,
        /// Interface inside the sandbox.
        ifname: String,
    },
    /// A port's link came up.
    PortUp {
        /// Port number.
        port: PortId,
        /// `SANDBOX/IFNAME`.
        name: String,
        /// Network.
        network: String,
    },
    /// A port's link went down.
    PortDown {
        /// Port number.
        port: PortId,
        /// `SANDBOX/IFNAME`.
        name: String,
        /// Network.
        network: String,
    },
    /// A port's device or namespace has disappeared; its endpoint is removed.
    PortGone {
        /// Port number.
        port: PortId,
        /// `SANDBOX/IFNAME`.
        name: String,
        /// Network.
        network: String,
    },
    /// An address was learned.
    FdbLearned {
        /// Network.
        network: String,
        /// Address.
        mac: MacAddr,
        /// Port number.
        port: PortId,
        /// The peer that it is behind, where the port is a tunnel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote: Option<IpAddr>,
    },
    /// A station moved from one port to another.
    FdbMoved {
        /// Network.
        network: String,
        /// Address.
        mac: MacAddr,
        /// Old port.
        from: PortId,
        /// New port.
        to: PortId,
        /// The peer that it is behind, where the new port is a tunnel.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        remote: Option<IpAddr>,
    },
    /// Entries aged out.
    FdbAged {
        /// Network.
        network: String,
        /// How many.
        entries: usize,
    },
    /// A peer was added to an overlay network by hand.
    PeerAdd {
        /// Network.
        network: String,
        /// Address on the underlay.
        peer: IpAddr,
    },
    /// A peer was removed from an overlay network by hand.
    PeerRemove {
        /// Network.
        network: String,
        /// Address on the underlay.
        peer: IpAddr,
    },
    /// A peer was heard for the first time, or again after it was lost.
    PeerHeard {
        /// Network.
        network: String,
        /// Address on the underlay.
        peer: IpAddr,
    },
    /// A peer was silent for longer than the network's ageing time.
    PeerLost {
        /// Network.
        network: String,
        /// Address on the underlay.
        peer: IpAddr,
        /// Seconds since it was heard.
        silent: u32,
    },
    /// The MTU of a network followed that of the underlay, or of the parent.
    NetworkMtu {
        /// Network.
        network: String,
        /// Bytes that its interfaces have now.
        mtu: u16,
        /// Bytes that they had.
        former: u16,
    },
    /// Frames pass the parent of macvlan networks, again or for the first time.
    ParentUp {
        /// Interface, and VLAN if it is one.
        parent: String,
    },
    /// The parent is down or has no carrier.
    ParentDown {
        /// Interface, and VLAN if it is one.
        parent: String,
    },
    /// The parent was deleted or moved away. Its networks wait for one of its name.
    ParentGone {
        /// Interface, and VLAN if it is one.
        parent: String,
    },
    /// This monitor was too slow: that many events are missing here.
    Lagged {
        /// How many.
        lost: u64,
    },
}
