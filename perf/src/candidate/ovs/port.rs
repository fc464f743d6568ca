//! The kinds of ports by which a host can be on OVS's userspace datapath.

use anyhow::{Context as _, Result};

use super::{BRIDGE, Build, Ovs};
use crate::candidate::Host;
use crate::candidate::link::{self, veth, without_offload};
use crate::candidate::vde::move_in;

/// A kind of port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    /// A TAP that OVS makes.
    Tap,
    /// An AF_PACKET socket on a veth.
    Packet,
    /// An AF_XDP socket on a veth.
    Xdp,
    /// A TAP with superframes.
    TapTso,
    /// An AF_PACKET socket with superframes.
    PacketTso,
    /// A TAP with superframes, beside a started DPDK.
    Dpdk,
}

impl Port {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Tap,
        Self::Packet,
        Self::Xdp,
        Self::TapTso,
        Self::PacketTso,
        Self::Dpdk,
    ];

    /// Name of the candidate.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tap => "ovs-tap",
            Self::Packet => "ovs-packet",
            Self::Xdp => "ovs-xdp",
            Self::TapTso => "ovs-tap-tso",
            Self::PacketTso => "ovs-packet-tso",
            Self::Dpdk => "ovs-dpdk",
        }
    }

    /// What it is, for the list of candidates.
    pub(crate) const fn about(self) -> &'static str {
        match self {
            Self::Tap => "Open vSwitch, userspace datapath, TAPs",
            Self::Packet => "the same on AF_PACKET and veth pairs",
            Self::Xdp => "the same on AF_XDP and veth pairs",
            Self::TapTso => "TAPs with userspace TSO (the DPDK build, DPDK not started)",
            Self::PacketTso => "AF_PACKET with userspace TSO (the same build)",
            Self::Dpdk => "TAPs with userspace TSO, DPDK started on hugepages",
        }
    }

    pub(super) const fn build(self) -> Build {
        match self {
            Self::Tap | Self::Packet | Self::Xdp => Build::Plain,
            Self::TapTso | Self::PacketTso => Build::Tso,
            Self::Dpdk => Build::Eal,
        }
    }

    /// Puts a host on the bridge.
    pub(super) fn join(self, ovs: &Ovs, name: &str, host: &Host, mtu: u32) -> Result<()> {
        match self {
            Self::Tap | Self::TapTso | Self::Dpdk => tap(ovs, BRIDGE, name, host, mtu),
            Self::Packet | Self::PacketTso | Self::Xdp => {
                veth(&ovs.machine, name, &host.netns, host.interface, mtu)?;
                let settings: &[&str] = match self {
                    Self::Xdp => {
                        ovs.require("afxdp")?;
                        &["type=afxdp"]
                    }
                    _ => &[],
                };
                if self != Self::PacketTso {
                    without_offload(&host.netns, host.interface)?;
                }
                ovs.add_port(BRIDGE, name, settings)
                    .with_context(|| format!("no {} port", self.name()))?;
                link::address(host)
            }
        }
    }
}

/// Puts a host on a bridge by a TAP.
pub(super) fn tap(ovs: &Ovs, bridge: &str, name: &str, host: &Host, mtu: u32) -> Result<()> {
    ovs.add_port(bridge, name, &["type=internal"])?;
    move_in(&ovs.machine, name, host, mtu)
}
