//! The kernel's own: its bridge, its VXLAN device under a bridge; and two hosts on one veth pair, with nothing
//! between them.

use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::link::{self, UNDERLAY, ip, two_machines, up, veth};
use super::{Candidate, Engine, Host, Setting};
use crate::scenario::VXLAN_OVERHEAD;

/// Makes a bridge in `machine`.
pub(super) fn bridge(machine: &Netns) -> Result<()> {
    ip(machine, &["link", "add", "br0", "type", "bridge"])
        .context("this kernel makes no bridge")?;
    up(machine, "br0")
}

/// Joins a host to the machine's bridge.
pub(super) fn join(machine: &Netns, port: &str, host: &Host, mtu: u32) -> Result<()> {
    veth(machine, port, &host.netns, host.interface, mtu)?;
    ip(machine, &["link", "set", port, "master", "br0"])?;
    link::address(host)
}

/// A bridge with a veth pair to each host.
pub(super) fn build_bridge(setting: &Setting<'_>) -> Result<Candidate> {
    let machine = Arc::new(Netns::create()?);
    let hosts = Host::pair()?;
    bridge(&machine)?;
    for (port, host) in ["pa", "pb"].into_iter().zip(&hosts) {
        join(&machine, port, host, setting.mtu)?;
    }
    Ok(Candidate::new(hosts, Engine::Kernel, vec![machine]))
}

/// A veth pair between the hosts.
pub(super) fn build_veth(setting: &Setting<'_>) -> Result<Candidate> {
    let hosts = Host::pair()?;
    let [a, b] = [&hosts[0], &hosts[1]];
    veth(&a.netns, a.interface, &b.netns, b.interface, setting.mtu)?;
    hosts.iter().try_for_each(link::address)?;
    Ok(Candidate::new(hosts, Engine::Kernel, Vec::new()))
}

/// Two machines with a VXLAN device and a bridge each.
pub(super) fn build_vxlan(setting: &Setting<'_>) -> Result<Candidate> {
    let machines = two_machines(setting.mtu)?;
    let hosts = Host::pair()?;
    let mtu = setting.mtu - VXLAN_OVERHEAD;
    let [here, there] = UNDERLAY;
    let sides = [(here, there), (there, here)];
    for ((machine, host), (local, remote)) in machines.iter().zip(&hosts).zip(sides) {
        bridge(machine)?;
        let device = ["link", "add", "vx42", "type", "vxlan", "id", "42"];
        let ways = ["dstport", "4789", "local", local, "remote", remote];
        ip(machine, &[&device[..], &ways].concat()).context("this kernel makes no vxlan device")?;
        let text = mtu.to_string();
        ip(
            machine,
            &["link", "set", "vx42", "mtu", &text, "master", "br0"],
        )?;
        up(machine, "vx42")?;
        join(machine, "pa", host, mtu)?;
    }
    Ok(Candidate::new(hosts, Engine::Kernel, machines.into()))
}
