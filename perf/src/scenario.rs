//! What is compared, and between which hosts the traffic flows.

use std::fmt;
use std::net::Ipv4Addr;

use clap::ValueEnum;

/// What VXLAN over IPv4 takes of the underlay's MTU.
pub(crate) const VXLAN_OVERHEAD: u32 = 50;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Switches of one machine: the kernel's bridge, this switch, others, loops without a switch
    Bridge,
    /// Two machines and a tunnel: the kernel's VXLAN device, this switch, others
    Overlay,
    /// Children on an interface of a physical network: the kernel's macvlan devices, this switch
    Macvlan,
    /// A published port of a container: Docker's userland proxy, this switch
    Publish,
}

impl Scenario {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Bridge, Self::Overlay, Self::Macvlan, Self::Publish];

    /// Its name on the command line and in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Overlay => "overlay",
            Self::Macvlan => "macvlan",
            Self::Publish => "publish",
        }
    }

    /// The ways that are measured, in the order of the report.
    pub(crate) const fn paths(self) -> &'static [Path] {
        match self {
            Self::Bridge | Self::Overlay => &[Path::BetweenHosts],
            Self::Macvlan => &[Path::ChildToLan, Path::LanToChild, Path::ChildToChild],
            Self::Publish => &[Path::ThroughPort],
        }
    }

    /// What remains of the network's MTU for the packets of the hosts.
    pub(crate) const fn inner_mtu(self, mtu: u32) -> u32 {
        match self {
            Self::Bridge | Self::Macvlan | Self::Publish => mtu,
            Self::Overlay => mtu - VXLAN_OVERHEAD,
        }
    }
}

/// A host that sends or receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The first host on the switch.
    A,
    /// The second one.
    B,
    /// A host of the physical network.
    Lan,
}

impl Place {
    /// Its address, the same whatever switch it is on; all are in one /24.
    pub(crate) const fn address(self) -> Ipv4Addr {
        match self {
            Self::A => Ipv4Addr::new(198, 18, 0, 1),
            Self::B => Ipv4Addr::new(198, 18, 0, 2),
            Self::Lan => Ipv4Addr::new(198, 18, 0, 3),
        }
    }

    /// What it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::Lan => "lan",
        }
    }

    /// Its MAC address, where it is chosen.
    pub(crate) const fn mac_bytes(self) -> [u8; 6] {
        let last = match self {
            Self::A => 1,
            Self::B => 2,
            Self::Lan => 3,
        };
        [2, 0, 0, 0, 0, last]
    }

    /// The same as text.
    pub(crate) fn mac(self) -> String {
        self.mac_bytes().map(|byte| format!("{byte:02x}")).join(":")
    }

    /// Its address as `ip address add` wants it.
    pub(crate) fn with_prefix(self) -> String {
        format!("{}/24", self.address())
    }
}

/// A way that traffic takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Path {
    /// Where there is only one: from `a` to `b`.
    BetweenHosts,
    /// From a macvlan child to a host of the physical network.
    ChildToLan,
    /// The other way round.
    LanToChild,
    /// From a child to its sibling on the same parent.
    ChildToChild,
    /// From a host to a container of its own, through a published port.
    ThroughPort,
}

impl Path {
    /// The client's end and the server's.
    pub(crate) const fn ends(self) -> (Place, Place) {
        match self {
            Self::BetweenHosts | Self::ChildToChild | Self::ThroughPort => (Place::A, Place::B),
            Self::ChildToLan => (Place::A, Place::Lan),
            Self::LanToChild => (Place::Lan, Place::A),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BetweenHosts => "host to host",
            Self::ChildToLan => "child to LAN",
            Self::LanToChild => "LAN to child",
            Self::ChildToChild => "child to child",
            Self::ThroughPort => "client to container",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACES: [Place; 3] = [Place::A, Place::B, Place::Lan];

    #[test]
    fn hosts_differ_in_both_addresses_and_share_a_subnet() {
        for (index, one) in PLACES.into_iter().enumerate() {
            for other in &PLACES[index + 1..] {
                assert_ne!(one.address(), other.address());
                assert_ne!(one.mac(), other.mac());
                assert_eq!(one.address().octets()[..3], other.address().octets()[..3]);
            }
            // Locally administered, and no group.
            assert_eq!(one.mac_bytes()[0] & 3, 2);
        }
        assert_eq!(Place::B.mac(), "02:00:00:00:00:02");
        assert_eq!(Place::Lan.with_prefix(), "198.18.0.3/24");
    }

    #[test]
    fn a_macvlan_is_measured_both_ways_and_between_children() {
        let ends: Vec<_> = (Scenario::Macvlan.paths().iter())
            .map(|path| path.ends())
            .collect();
        let (a, b, lan) = (Place::A, Place::B, Place::Lan);
        assert_eq!(ends, [(a, lan), (lan, a), (a, b)]);
    }

    #[test]
    fn where_there_is_one_path_it_is_the_only_one() {
        for scenario in [Scenario::Bridge, Scenario::Overlay] {
            assert_eq!(scenario.paths(), [Path::BetweenHosts]);
        }
        assert_eq!(Scenario::Publish.paths(), [Path::ThroughPort]);
    }
}
