//! Macvlan networks: children of a host's card on a physical LAN that the test plays, and the kernel's own macvlan
//! devices as what they are compared with.

mod dhcp;
mod differential;
mod groups;
mod host;
mod ipv6;
mod killed;
mod reach;
mod vlan;

use vswitch_tests::{Lab, Sandbox, lan};

/// A macvlan network number `subnet`, for both families, with these options.
#[track_caller]
fn create(lab: &Lab, name: &str, subnet: u8, options: &[&str]) {
    let v4 = format!("198.18.{subnet}.0/24");
    let gateway = format!("198.18.{subnet}.1");
    let v6 = format!("2001:2:0:{subnet:x}::/64");
    let mut words = vec!["network", "create", "-d", "macvlan", "--subnet", &v4];
    words.extend(["--gateway", &gateway, "--subnet", &v6]);
    for option in options {
        words.extend(["-o", option]);
    }
    words.push(name);
    lab.cli(&words).done();
}

/// A new child with the addresses of [`lan::nic`], MAC address and all.
#[track_caller]
fn join(lab: &Lab, network: &str, name: &str, subnet: u8, number: u8) -> Sandbox {
    let mac = lan::mac(subnet, number).to_string();
    join_with(
        lab,
        network,
        name,
        (subnet, number),
        &["--mac-address", &mac],
    )
}

/// The same with these options instead of the MAC address.
#[track_caller]
fn join_with(
    lab: &Lab,
    network: &str,
    name: &str,
    (subnet, number): (u8, u8),
    options: &[&str],
) -> Sandbox {
    let ip4 = format!("198.18.{subnet}.{number}");
    let ip6 = format!("2001:2:0:{subnet:x}::{number:x}");
    let words = [&["--ip", &ip4, "--ip6", &ip6], options].concat();
    let sandbox = lab.sandbox(name);
    let nic = lab.connect(network, name, &words);
    sandbox.with(nic)
}
