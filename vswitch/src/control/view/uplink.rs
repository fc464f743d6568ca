//! Macvlan parents as they are shown.

use serde::{Deserialize, Serialize};
use vswitch_wire::{MacAddr, VlanId};

use super::LinkState;

/// One uplink of [`Status`](super::Status): an interface of the host, or a VLAN of it, with macvlan networks on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UplinkStatus {
    /// Name of the interface.
    pub parent: String,
    /// VLAN; none for what is untagged.
    pub vlan: Option<VlanId>,
    /// Networks on it.
    pub networks: usize,
    /// Their endpoints.
    pub children: usize,
    /// State of the interface; gone while it is away.
    pub link: LinkState,
    /// Its own address.
    pub mac_address: Option<MacAddr>,
    /// Bytes.
    pub mtu: Option<u16>,
    /// Whether the switch made it promiscuous.
    pub promiscuous: bool,
    /// What the kernel keeps away from the switch.
    pub filter: UplinkFilter,
    /// Frames that passed the filter.
    pub passed: u64,
    /// Frames of these that the kernel dropped because the switch was too slow.
    pub kernel_drops: u64,
    /// Frames sent.
    pub sent: u64,
    /// Unicast frames that came for the children.
    pub heard: u64,
    /// Whether it looks as if the network outside let no address but the parent's own through.
    pub swallowed: bool,
}

/// How exact the filter of an uplink is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UplinkFilter {
    /// What is for the children passes, and nothing else.
    Exact,
    /// And every group.
    AllMulticast,
    /// And everything else: the children are too many.
    Everything,
}
