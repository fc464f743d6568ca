//! Two machines with OVS's userspace tunnel between them.
//!
//! As its documentation has it: the underlay's interface is a port of a bridge of its own, whose internal port has the
//! underlay's address; a route to the peer through that port is what makes OVS encapsulate in userspace.

use anyhow::Result;

use super::port::tap;
use super::{BRIDGE, Build, Ovs};
use crate::candidate::link::{UNDER, UNDERLAY, ip, up, wired_machines, without_offload};
use crate::candidate::{Candidate, Engine, Host, Setting};
use crate::scenario::VXLAN_OVERHEAD;

/// The bridge of the underlay.
const OUTSIDE: &str = "br-under";

/// A tunnel between two switches, a host on each.
pub(in crate::candidate) fn build(setting: &Setting<'_>) -> Result<Candidate> {
    let machines = wired_machines(setting.mtu)?;
    let hosts = Host::pair()?;
    let mtu = setting.mtu - VXLAN_OVERHEAD;
    let [here, there] = UNDERLAY;
    let mut switches = Vec::new();
    for ((machine, host), (local, peer)) in
        (machines.iter().zip(&hosts)).zip([(here, there), (there, here)])
    {
        without_offload(machine, UNDER)?;
        let ovs = Ovs::start(machine, Build::Plain)?;
        ovs.add_bridge(OUTSIDE)?;
        ovs.add_port(OUTSIDE, UNDER, &[])?;
        let address = format!("{local}/24");
        ip(machine, &["address", "add", &address, "dev", OUTSIDE])?;
        up(machine, OUTSIDE)?;
        ovs.add_bridge(BRIDGE)?;
        let (local, peer) = (
            format!("options:local_ip={local}"),
            format!("options:remote_ip={peer}"),
        );
        let tunnel = ["type=vxlan", "options:key=42", &local, &peer];
        ovs.add_port(BRIDGE, "vx42", &tunnel)?;
        tap(&ovs, BRIDGE, "pa", host, mtu)?;
        switches.push(ovs);
    }
    let engine = Engine::Ovs(switches);
    Ok(Candidate::new(hosts, engine, machines.into()))
}
