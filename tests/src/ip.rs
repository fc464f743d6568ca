//! Interfaces and neighbours: by the `ip` program of iproute2, many commands at once, and over netlink.

use crate::{Must, Sandbox, sandbox::command_of};
use std::{fmt::Write as _, io::Write as _, net::IpAddr, process::Stdio};
use vswitch::sys::{
    IfName,
    netlink::{self, LinkConfig},
};

/// Runs commands of `ip`, one a line, inside the namespace; all or a panic.
///
/// # Panics
/// When one fails.
#[track_caller]
pub fn batch(sandbox: &Sandbox, lines: &str) {
    let mut command = command_of(&["ip", "-batch", "-"]);
    command.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut ip = sandbox.spawn(&mut command);
    let mut stdin = ip.stdin.take().must("ip's stdin");
    stdin.write_all(lines.as_bytes()).must("ip's stdin");
    drop(stdin);
    let output = ip.wait_with_output().must("wait for ip");
    assert!(
        output.status.success(),
        "{}: {}in\n{lines}",
        sandbox.name,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Permanent neighbour entries for all others, in both families: the kernel has one neighbour table for all
/// namespaces, with room for 1024 dynamic entries of a family, and 64 hosts that know each other need 4032.
#[track_caller]
pub fn know_all(sandbox: &Sandbox, all: &[Sandbox]) {
    let ifname = &sandbox.nic().ifname;
    let mut lines = String::new();
    for other in all.iter().filter(|other| other.name != sandbox.name) {
        for ip in [other.ip4(), other.ip6()] {
            let mac = other.mac();
            let line = format!("neigh replace {ip} lladdr {mac} dev {ifname} nud permanent");
            writeln!(lines, "{line}").must("a string grows");
        }
    }
    batch(sandbox, &lines);
}

/// Gives a site's interface its addresses and MTU, and sets it up.
///
/// # Panics
/// When the kernel refuses it.
#[track_caller]
pub(crate) fn configure(site: &Sandbox, mtu: u16) {
    let with_length = |ip: IpAddr, length: u8| format!("{ip}/{length}").parse().must("an address");
    let config = LinkConfig {
        mac: Some(site.mac().octets()),
        mtu: Some(mtu.into()),
        // A burst of a test is no loss of the wire's.
        txqueuelen: Some(8192),
        addresses: vec![with_length(site.ip4(), 24), with_length(site.ip6(), 64)],
        up: true,
        ..LinkConfig::new(IfName::new(&*site.nic().ifname).must("a name"))
    };
    (site.run(|| netlink::configure_link(&config))).must(&site.name);
}
