//! A host with an uplink: the outside is a namespace that is joined to the host's by a cable, has a server, and knows
//! no way to the host's networks. What it answers has left the host under the host's own address.
//!
//! The host has 198.18.200.1 and 2001:2:0:c8::1 there, the outside the same with 2.

use crate::{Lab, Must, Sandbox, Setup, ip, lan};
use std::{fs, net::IpAddr, sync::Arc};
use vswitch::sys::Netns;

/// The third part of the addresses.
const SUBNET: u8 = 200;

/// The outside, and the host that is joined to it.
#[derive(Debug)]
pub struct Outside {
    host: Sandbox,
    station: Sandbox,
}

impl Outside {
    /// A host that is joined to the outside, in which nothing runs yet.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn start() -> Self {
        let member = |name: &str, number: u8| {
            let netns = Netns::create().must("a namespace");
            Sandbox::of(name, netns, Some(lan::nic(SUBNET, number)))
        };
        let outside = Self {
            host: member("the host", 1),
            station: member("the outside", 2),
        };
        // Whatever the machine has: it is the switch's to turn on.
        let off = || fs::write("/proc/sys/net/ipv4/ip_forward", "0");
        outside.host.run(off).must("forwarding off");
        let path = outside.station.netns_path();
        ip::batch(
            &outside.host,
            &format!("link add name up0 type veth peer name eth0 netns {path}\n"),
        );
        for (member, ifname) in [(&outside.host, "up0"), (&outside.station, "eth0")] {
            let (v4, v6) = (member.ip4(), member.ip6());
            ip::batch(
                member,
                &format!(
                    "address add {v4}/24 dev {ifname}\n\
                     address add {v6}/64 dev {ifname} nodad\nlink set dev {ifname} up\n"
                ),
            );
        }
        outside
    }

    /// A lab in the host, whose resolv.conf names the outside.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn lab(&self, alone: bool) -> Lab {
        Lab::start_with(&self.setup(Setup {
            alone,
            ..Setup::default()
        }))
    }

    /// The same with a lab that is set up in other ways.
    #[must_use]
    pub fn setup(&self, setup: Setup) -> Setup {
        Setup {
            site: Some(Arc::clone(&self.host.netns)),
            resolv_conf: Some(format!("nameserver {}\n", self.ip4())),
            ..setup
        }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Sandbox {
        &self.host
    }

    /// The outside.
    #[must_use]
    pub fn station(&self) -> &Sandbox {
        &self.station
    }

    /// The outside's address.
    #[must_use]
    pub fn ip4(&self) -> IpAddr {
        self.station.ip4()
    }

    /// The outside's address.
    #[must_use]
    pub fn ip6(&self) -> IpAddr {
        self.station.ip6()
    }
}
