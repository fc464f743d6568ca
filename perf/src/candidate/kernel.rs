//! The kernel's own: its bridge, and its VXLAN device under a bridge.

use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::{Candidate, Engine, run, two_machines, veth};

/// What VXLAN over IPv4 leaves of 1500 bytes.
const OVERLAY_MTU: &str = "1450";

/// Makes a bridge in `machine`.
fn bridge(machine: &Netns) -> Result<()> {
    run(machine, "ip", &["link", "add", "br0", "type", "bridge"])
        .context("the kernel has no bridge to compare with")?;
    run(machine, "ip", &["link", "set", "br0", "up"])
}

/// Joins a host to the machine's bridge.
fn join(machine: &Netns, port: &str, host: &Netns, address: &str, mtu: &str) -> Result<()> {
    veth(machine, port, host, "eth0")?;
    run(
        machine,
        "ip",
        &["link", "set", port, "mtu", mtu, "master", "br0"],
    )?;
    run(host, "ip", &["link", "set", "eth0", "mtu", mtu])?;
    run(host, "ip", &["address", "add", address, "dev", "eth0"])
}

impl Candidate {
    /// The kernel's bridge with a veth pair to each host.
    pub(crate) fn kernel_bridge() -> Result<Self> {
        let machine = Arc::new(Netns::create()?);
        let (a, b) = (Netns::create()?, Netns::create()?);
        bridge(&machine)?;
        join(&machine, "pa", &a, "198.18.0.1/24", "1500")?;
        join(&machine, "pb", &b, "198.18.0.2/24", "1500")?;
        Ok(Self {
            name: "kernel bridge",
            a,
            b,
            engine: Engine::Kernel,
            _machines: vec![machine],
        })
    }

    /// Two machines with the kernel's VXLAN device and bridge each.
    pub(crate) fn kernel_vxlan() -> Result<Self> {
        let machines = two_machines()?;
        let (a, b) = (Netns::create()?, Netns::create()?);
        let (here, there) = ("198.18.100.1", "198.18.100.2");
        let sides = [
            (&a, "198.18.0.1/24", here, there),
            (&b, "198.18.0.2/24", there, here),
        ];
        for (machine, (host, address, local, remote)) in machines.iter().zip(sides) {
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
            join(machine, "pa", host, address, OVERLAY_MTU)?;
        }
        Ok(Self {
            name: "kernel vxlan",
            a,
            b,
            engine: Engine::Kernel,
            _machines: machines.into(),
        })
    }
}
