//! The kernel's own: its bridge, and its VXLAN device under a bridge.

use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::{Candidate, Engine, Host, run, two_machines, veth};
use crate::scenario::Place;

/// What VXLAN over IPv4 leaves of 1500 bytes.
const OVERLAY_MTU: &str = "1450";

/// Makes a bridge in `machine`.
pub(super) fn bridge(machine: &Netns) -> Result<()> {
    run(machine, "ip", &["link", "add", "br0", "type", "bridge"])
        .context("the kernel has no bridge to compare with")?;
    run(machine, "ip", &["link", "set", "br0", "up"])
}

/// Joins a host to the machine's bridge.
pub(super) fn join(machine: &Netns, port: &str, host: &Host, mtu: &str) -> Result<()> {
    let netns = &host.netns;
    veth(machine, port, netns, "eth0")?;
    run(
        machine,
        "ip",
        &["link", "set", port, "mtu", mtu, "master", "br0"],
    )?;
    run(netns, "ip", &["link", "set", "eth0", "mtu", mtu])?;
    let address = host.place.with_prefix();
    run(netns, "ip", &["address", "add", &address, "dev", "eth0"])
}

impl Candidate {
    /// The kernel's bridge with a veth pair to each host.
    pub(crate) fn kernel_bridge() -> Result<Self> {
        let machine = Arc::new(Netns::create()?);
        let hosts = vec![Host::create(Place::A)?, Host::create(Place::B)?];
        bridge(&machine)?;
        join(&machine, "pa", &hosts[0], "1500")?;
        join(&machine, "pb", &hosts[1], "1500")?;
        Ok(Self {
            name: "kernel bridge",
            hosts,
            engine: Engine::Kernel,
            _machines: vec![machine],
        })
    }

    /// Two machines with the kernel's VXLAN device and bridge each.
    pub(crate) fn kernel_vxlan() -> Result<Self> {
        let machines = two_machines()?;
        let hosts = vec![Host::create(Place::A)?, Host::create(Place::B)?];
        let (here, there) = ("198.18.100.1", "198.18.100.2");
        let sides = [(&hosts[0], here, there), (&hosts[1], there, here)];
        for (machine, (host, local, remote)) in machines.iter().zip(sides) {
            bridge(machine)?;
            let vxlan = [
                "link", "add", "vx42", "type", "vxlan", "id", "42", "dstport", "4789", "local",
                local, "remote", remote,
            ];
            run(machine, "ip", &vxlan).context("the kernel has no vxlan to compare with")?;
            run(
                machine,
                "ip",
                &["link", "set", "vx42", "mtu", OVERLAY_MTU, "master", "br0"],
            )?;
            run(machine, "ip", &["link", "set", "vx42", "up"])?;
            join(machine, "pa", host, OVERLAY_MTU)?;
        }
        Ok(Self {
            name: "kernel vxlan",
            hosts,
            engine: Engine::Kernel,
            _machines: machines.into(),
        })
    }
}
