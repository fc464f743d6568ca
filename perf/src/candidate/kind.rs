//! The kinds of candidates, their names, and which comparison has which.

use std::fmt;

use anyhow::{Context as _, Result};

use super::vswitch::Variant;
use super::{Candidate, Setting, bare, kernel, ovs, published, vde, vswitch};
use crate::scenario::Scenario;

/// A kind of candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The kernel's bridge with veth pairs.
    KernelBridge,
    /// A veth pair and nothing else.
    Veth,
    /// This switch.
    Vswitch(Variant),
    /// Open vSwitch's userspace datapath.
    Ovs(ovs::Port),
    /// VDE's switch.
    Vde,
    /// Two TAPs and a loop that copies.
    BareTap,
    /// The kernel's VXLAN device under its bridge.
    KernelVxlan,
    /// Open vSwitch's userspace tunnel.
    OvsVxlan,
    /// The kernel's macvlan devices.
    KernelMacvlan,
    /// A TAP, a packet socket and a loop that copies.
    BarePacket,
    /// Docker's userland proxy.
    DockerProxy,
}

/// This switch's name, in front of its variants.
const OWN: &str = "vswitch";

impl Kind {
    /// This switch as it is by default: the one that goals are for.
    pub(crate) fn is_own(&self) -> bool {
        *self == Self::Vswitch(Variant::default())
    }

    /// The one that ratios are to unless another is chosen: the kernel's own, or Docker's.
    pub(crate) const fn reference(scenario: Scenario) -> Self {
        match scenario {
            Scenario::Bridge => Self::KernelBridge,
            Scenario::Overlay => Self::KernelVxlan,
            Scenario::Macvlan => Self::KernelMacvlan,
            Scenario::Publish => Self::DockerProxy,
        }
    }

    /// All that a comparison knows, in the order of the report.
    pub(crate) fn all(scenario: Scenario) -> Result<Vec<Self>> {
        let own = || Self::Vswitch(Variant::default());
        let variant = |text| Variant::parse(text).map(Self::Vswitch);
        let mut all = vec![Self::reference(scenario), own(), variant("workers=1")?];
        match scenario {
            Scenario::Bridge => {
                all.push(variant("offload=off")?);
                all.push(Self::Veth);
                all.extend(ovs::Port::ALL.map(Self::Ovs));
                all.extend([Self::Vde, Self::BareTap]);
            }
            Scenario::Overlay => all.push(Self::OvsVxlan),
            Scenario::Macvlan => all.push(Self::BarePacket),
            Scenario::Publish => {}
        }
        Ok(all)
    }

    /// Whether it takes part when no candidates are named: all but the variants of this switch.
    pub(crate) fn is_default(&self) -> bool {
        !matches!(self, Self::Vswitch(variant) if *variant != Variant::default())
    }

    /// A variant of this switch, by name; nothing where it is another name.
    pub(crate) fn variant(name: &str) -> Option<Result<Self>> {
        let behind = name.strip_prefix(OWN)?.strip_prefix(':')?;
        Some(Variant::parse(behind).map(Self::Vswitch))
    }

    /// What it is, in a few words.
    pub(crate) const fn about(&self) -> &'static str {
        match self {
            Self::KernelBridge => "the kernel's bridge, a veth pair to each host",
            Self::Veth => "a veth pair from host to host, no switch",
            Self::Vswitch(_) => "this switch, as its command line starts it",
            Self::Ovs(port) => port.about(),
            Self::Vde => "VDE's switch, TAPs",
            Self::BareTap => "a loop that reads one TAP and writes the other, no switch",
            Self::KernelVxlan => "the kernel's VXLAN device under its bridge, on each machine",
            Self::OvsVxlan => "Open vSwitch's userspace tunnel, AF_PACKET on the underlay, TAPs",
            Self::KernelMacvlan => "the kernel's macvlan devices in bridge mode",
            Self::BarePacket => "a loop between a TAP and a packet socket, no switch",
            Self::DockerProxy => "Docker's userland proxy, a container on the kernel's bridge",
        }
    }

    /// Makes it. An error says what this machine has not got.
    pub(crate) fn build(&self, scenario: Scenario, setting: &Setting<'_>) -> Result<Candidate> {
        let lan = || setting.lan.context("there is no physical network here");
        match self {
            Self::KernelBridge => kernel::build_bridge(setting),
            Self::Veth => kernel::build_veth(setting),
            Self::Vswitch(variant) => match scenario {
                Scenario::Bridge => vswitch::build_bridge(variant, setting),
                Scenario::Overlay => vswitch::build_overlay(variant, setting),
                Scenario::Macvlan => lan()?.vswitch(variant, setting),
                Scenario::Publish => published::build_vswitch(variant, setting),
            },
            Self::Ovs(port) => ovs::build(*port, setting),
            Self::Vde => vde::build(setting),
            Self::BareTap => bare::build(setting),
            Self::KernelVxlan => kernel::build_vxlan(setting),
            Self::OvsVxlan => ovs::build_vxlan(setting),
            Self::KernelMacvlan => lan()?.kernel(),
            Self::BarePacket => lan()?.bare(),
            Self::DockerProxy => published::build_docker(setting),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KernelBridge => "kernel-bridge",
            Self::Veth => "veth",
            Self::Vswitch(variant) => return write!(f, "{OWN}{variant}"),
            Self::Ovs(port) => port.name(),
            Self::Vde => "vde",
            Self::BareTap => "bare-tap",
            Self::KernelVxlan => "kernel-vxlan",
            Self::OvsVxlan => "ovs-vxlan",
            Self::KernelMacvlan => "kernel-macvlan",
            Self::BarePacket => "bare-packet",
            Self::DockerProxy => "docker-proxy",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_the_reference_comes_first() {
        for scenario in Scenario::ALL {
            let names: Vec<_> = (Kind::all(scenario).unwrap().iter())
                .map(ToString::to_string)
                .collect();
            assert_eq!(names[0], Kind::reference(scenario).to_string());
            let mut once = names.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), names.len(), "{names:?}");
        }
    }

    #[test]
    fn a_variant_is_known_by_its_name() {
        let kind = Kind::variant("vswitch:workers=1").unwrap().unwrap();
        assert_eq!(kind.to_string(), "vswitch:workers=1");
        assert!(!kind.is_own() && !kind.is_default());
        assert!(Kind::variant("vswitch").is_none());
        assert!(Kind::variant("veth").is_none());
        assert!(Kind::variant("vswitch:workers").unwrap().is_err());
    }

    #[test]
    fn the_switch_itself_has_goals_and_nobody_else() {
        let all = Kind::all(Scenario::Bridge).unwrap();
        assert_eq!(all.iter().filter(|kind| kind.is_own()).count(), 1);
    }
}
