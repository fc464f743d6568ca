//! Ports and forwarding databases as they are shown.

use std::{collections::BTreeMap, fmt, net::IpAddr};

use serde::{Deserialize, Serialize};
use vswitch_wire::{MacAddr, VlanId};

use crate::port::{PortId, PortState};

/// State of a port.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkState {
    /// Frames pass.
    Up,
    /// The device exists, but its link is down.
    Down,
    /// The device or its namespace has disappeared.
    Gone,
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
        })
    }
}

impl From<PortState> for LinkState {
    fn from(state: PortState) -> Self {
        match state {
            PortState::Up => Self::Up,
            PortState::Down => Self::Down,
            PortState::Gone => Self::Gone,
        }
    }
}

/// Frames and bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames; a super-frame (TSO, USO) counts as one.
    pub frames: u64,
    /// Bytes of Ethernet, without FCS.
    pub bytes: u64,
}

/// `GET /v1/ports`, `GET /v1/ports/{id}`: the shape that the command line promises.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PortInfo {
    /// Number of the port.
    pub id: PortId,
    /// `SANDBOX/IFNAME`, `NETWORK/vxlanVNI` of a tunnel, `NETWORK/gateway`, or the parent of macvlan networks (`eth0`, `eth0.10`); as good as
    /// the number wherever a port is to be named.
    pub name: String,
    /// Name of the network; of an uplink, of all networks on it, with commas between.
    pub network: String,
    /// Name of the sandbox; none of a tunnel or an uplink.
    pub sandbox: Option<String>,
    /// `tap`, `vxlan`, `packet`, or `gateway` for one that the switch itself holds.
    pub kind: String,
    /// State of the link.
    pub state: LinkState,
    /// Bytes.
    pub mtu: u32,
    /// `csum,tso4,...` or `off`.
    pub offload: String,
    /// From the sandbox, or from peers, into the switch.
    pub rx: Traffic,
    /// From the switch into the sandbox, or to peers.
    pub tx: Traffic,
    /// Dropped frames by reason, only reasons that occurred.
    pub drops: BTreeMap<String, u64>,
}

/// Kind of an entry in the forwarding database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FdbKind {
    /// Learned from a source address; ages and moves.
    Learned,
    /// Stays on its port, does not age, moves to no other port.
    Sticky,
    /// Added by hand, does not age.
    Static,
    /// An address of the switch itself: it consumes what is sent there.
    Local,
}

impl FdbKind {
    /// The kind of an entry that is added without saying which.
    pub const fn default_added() -> Self {
        Self::Static
    }
}

impl fmt::Display for FdbKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Learned => "learned",
            Self::Sticky => "sticky",
            Self::Static => "static",
            Self::Local => "local",
        })
    }
}

/// `GET /v1/networks/{n}/fdb`: the shape that the command line promises.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FdbEntry {
    /// The address.
    pub mac: MacAddr,
    /// VLAN, on a VLAN-aware network.
    pub vlan: Option<VlanId>,
    /// Port; none for a local entry.
    pub port: Option<PortId>,
    /// Tunnel peer behind the port, on an overlay network.
    pub remote: Option<IpAddr>,
    /// Kind.
    pub kind: FdbKind,
    /// Seconds since the address was last seen as a source.
    pub age: u64,
}

/// `GET /v1/networks/{n}/fdb/stats`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FdbStats {
    /// Learned entries now.
    pub entries: usize,
    /// Entries added by hand now.
    pub pinned: usize,
    /// Addresses learned.
    pub learned: u64,
    /// Station moves.
    pub moved: u64,
    /// Entries that made room for others.
    pub evicted: u64,
    /// Entries that aged out.
    pub expired: u64,
    /// Frames whose source an entry added by hand contradicted.
    pub refused: u64,
    /// Frames that taught nothing because another writer was at work.
    pub skipped: u64,
}
