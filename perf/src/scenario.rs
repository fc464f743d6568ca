//! What is compared, and between which hosts the traffic flows.

use std::fmt;
use std::net::Ipv4Addr;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// One machine, with the kernel's bridge.
    Bridge,
    /// Two machines, with the kernel's VXLAN device and bridge.
    Overlay,
}

impl Scenario {
    /// The ways that are measured, in the order of the report.
    pub(crate) const fn paths(self) -> &'static [Path] {
        match self {
            Self::Bridge | Self::Overlay => &[Path::BetweenHosts],
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
}

impl Place {
    /// Its address, the same whatever switch it is on; all are in one /24.
    pub(crate) const fn address(self) -> Ipv4Addr {
        match self {
            Self::A => Ipv4Addr::new(198, 18, 0, 1),
            Self::B => Ipv4Addr::new(198, 18, 0, 2),
        }
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
}

impl Path {
    /// The client's end and the server's. Data goes from the first to the second.
    pub(crate) const fn ends(self) -> (Place, Place) {
        match self {
            Self::BetweenHosts => (Place::A, Place::B),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BetweenHosts => "host to host",
        })
    }
}
