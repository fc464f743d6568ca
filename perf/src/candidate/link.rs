//! What the machines of the candidates are wired with, by `ip` and `ethtool` inside their namespaces.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;

use ::vswitch::sys::Netns;
use anyhow::{Context as _, Result};

use super::Host;
use crate::process::run;

/// The underlay's addresses of the two machines of an overlay.
pub(super) const UNDERLAY: [&str; 2] = ["198.18.100.1", "198.18.100.2"];

/// Name of the underlay's interface.
pub(super) const UNDER: &str = "under0";

/// Calls `ip` in a namespace.
pub(super) fn ip(netns: &Netns, args: &[&str]) -> Result<()> {
    run(netns, "ip", args)
}

/// A path by which another process finds a namespace while this one has it open. `ip` takes it where it takes a name.
pub(super) fn path_of(netns: &Netns) -> String {
    let descriptor = netns.as_fd().as_raw_fd();
    format!("/proc/{}/fd/{descriptor}", std::process::id())
}

/// A veth pair, both ends up: one in the namespace `here` under this name, the other one in `there`.
pub(super) fn veth(here: &Netns, name: &str, there: &Netns, peer: &str, mtu: u32) -> Result<()> {
    let (place, mtu) = (path_of(there), mtu.to_string());
    let near = ["link", "add", "name", name, "mtu", &mtu, "type", "veth"];
    let far = ["peer", "name", peer, "mtu", &mtu, "netns", &place];
    ip(here, &[&near[..], &far].concat()).context("this kernel makes no veth pair")?;
    up(here, name)?;
    up(there, peer)
}

/// Sets an interface up.
pub(super) fn up(netns: &Netns, name: &str) -> Result<()> {
    ip(netns, &["link", "set", name, "up"])
}

/// Gives the host's interface its address.
pub(super) fn address(host: &Host) -> Result<()> {
    let address = host.place.with_prefix();
    let add = ["address", "add", &address, "dev", host.interface];
    ip(&host.netns, &add)
}

/// Two machines on a veth pair, with the addresses of [`UNDERLAY`] on its ends.
pub(super) fn two_machines(mtu: u32) -> Result<[Arc<Netns>; 2]> {
    let machines = wired_machines(mtu)?;
    for (machine, address) in machines.iter().zip(UNDERLAY) {
        let address = format!("{address}/24");
        ip(machine, &["address", "add", &address, "dev", UNDER])?;
    }
    Ok(machines)
}

/// Two machines on a veth pair without addresses.
pub(super) fn wired_machines(mtu: u32) -> Result<[Arc<Netns>; 2]> {
    let machines = [Arc::new(Netns::create()?), Arc::new(Netns::create()?)];
    veth(&machines[0], UNDER, &machines[1], UNDER, mtu)?;
    Ok(machines)
}

/// Lets a host finish its checksums and cut its segments itself: for switches that take frames from a veth pair as they
/// are, and would pass on what the kernel left undone.
pub(super) fn without_offload(netns: &Netns, interface: &str) -> Result<()> {
    let features = ["tx", "off", "tso", "off", "gso", "off"];
    let args = [&["-K", interface][..], &features].concat();
    run(netns, "ethtool", &args)
}
