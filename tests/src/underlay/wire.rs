//! The fast underlay: veths into a namespace with the kernel's bridge, all of it the test's own.

use super::IFNAME;
use crate::{Must, Sandbox, ip};
use std::{fmt::Write as _, fs};
use vswitch::sys::Netns;

/// A wire's properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Bytes of an IP packet.
    pub mtu: u16,
    /// Whether the interfaces of the sites take superframes and partial checksums. The kernel's own tunnel
    /// then leaves the *inner* checksums undone, too, which no other tunnel endpoint can finish: where one
    /// takes part, or where captures are to be checked, this must be off.
    pub offload: bool,
}

impl Default for Wire {
    fn default() -> Self {
        Self {
            mtu: 1500,
            offload: true,
        }
    }
}

/// Joins the sites; their interfaces are down and have no addresses yet. Gives the namespace in the middle.
#[track_caller]
pub(super) fn build(sites: &[Sandbox], wire: &Wire) -> Sandbox {
    let netns = Netns::create().must("a namespace");
    let middle = Sandbox::of("the wire", netns, None);
    // Nothing but the hosts' own frames on it: no router solicitation, no group membership.
    let silent = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    middle.run(|| fs::write(silent, "1")).must(silent);
    let mtu = wire.mtu;
    let mut lines = "link add name wire type bridge mcast_snooping 0\n".to_owned();
    for (number, site) in (1..).zip(sites) {
        let path = site.netns_path();
        let text = format!(
            "link add name port{number} mtu {mtu} type veth peer name {IFNAME} mtu {mtu} netns {path}\n\
             link set dev port{number} master wire up\n"
        );
        lines.push_str(&text);
    }
    writeln!(lines, "link set dev wire mtu {mtu} up").must("a string grows");
    ip::batch(&middle, &lines);
    if !wire.offload {
        for site in sites {
            // Everything that a device may do for the stack hangs on its checksums.
            let words = ["ethtool", "--offload", IFNAME, "tx", "off", "rx", "off"];
            site.exec(&words).done();
        }
    }
    middle
}

/// Changes the MTU between the sites.
#[track_caller]
pub(super) fn set_mtu(middle: &Sandbox, sites: usize, mtu: u16) {
    let ports = (1..=sites).map(|number| format!("link set dev port{number} mtu {mtu}\n"));
    let lines: String = ports.collect();
    ip::batch(middle, &(lines + &format!("link set dev wire mtu {mtu}\n")));
}
