//! A child gets its address from the LAN, as any host does.

use std::net::IpAddr;
use vswitch_tests::{
    Lab, Lan, Sandbox,
    guard::Guard,
    icmp, ip,
    kernel_macvlan::Device,
    lan::{SUBNET, dhcp},
};

/// A child without addresses on a network with these options.
fn bare_child(lab: &Lab, options: &[&str], name: &str) -> Sandbox {
    let words = [
        "network",
        "create",
        "-d",
        "macvlan",
        "--ipam-driver",
        "null",
    ];
    let mut words = words.to_vec();
    for option in [&["parent=eth0"], options].concat() {
        words.extend(["-o", option]);
    }
    words.push("lan");
    if !lab.json(&["network", "ls"]).to_string().contains("\"lan\"") {
        lab.cli(&words).done();
    }
    let sandbox = lab.sandbox(name);
    let nic = lab.connect("lan", name, &[]);
    assert_eq!((nic.ip4, nic.ip6), (None, None));
    sandbox.with(nic)
}

/// Asks, and is a station of the LAN with what it got.
#[track_caller]
fn gets_a_lease(server: &dhcp::Server, lan: &Lan, child: &Sandbox) {
    let ip = dhcp::request(child);
    assert!((150..200).contains(&ip.octets()[3]), "{ip}");
    let leases = server.leases();
    assert!(
        leases.contains(&(child.mac().to_string(), ip)),
        "{leases:?}"
    );
    icmp::answers(child, &[lan.station(0).ip4()]);
    icmp::answers(lan.station(0), &[IpAddr::V4(ip)]);
}

#[track_caller]
fn leases(options: &[&str]) {
    let lan = Lan::start();
    let server = dhcp::Server::start(lan.station(0));
    let lab = lan.lab();
    let child = bare_child(&lab, options, "c0");
    gets_a_lease(&server, &lan, &child);
    lab.finish();
}

#[test]
fn the_kernels_device_passes_the_same_test() {
    // So that it is the test that fails where it fails, and not only the switch that is tested with it.
    let _guard = Guard::shared();
    let lan = Lan::start();
    let server = dhcp::Server::start(lan.station(0));
    let device = Device {
        name: "c0",
        mode: "private",
        subnet: SUBNET,
        number: 100,
        ..Device::default()
    };
    let child = device.start(lan.host());
    ip::batch(&child, "address flush dev eth0\n");
    gets_a_lease(&server, &lan, &child);
}

#[test]
fn in_bridge_mode() {
    leases(&[]);
}

#[test]
fn in_private_mode() {
    leases(&["mode=private"]);
}

#[test]
fn in_vepa_mode() {
    leases(&["mode=vepa"]);
}

#[test]
fn in_passthru_mode() {
    leases(&["mode=passthru"]);
}

#[test]
fn in_source_mode_from_a_listed_server() {
    let listed = format!("sources={}", vswitch_tests::lan::mac(7, 11));
    leases(&["mode=source", &listed]);
}

#[test]
fn each_child_gets_an_address_of_its_own() {
    let lan = Lan::start();
    let server = dhcp::Server::start(lan.station(1));
    let lab = lan.lab();
    let children: Vec<Sandbox> = ["c0", "c1", "c2"]
        .map(|name| bare_child(&lab, &[], name))
        .into();
    let addresses: Vec<IpAddr> = children
        .iter()
        .map(|child| dhcp::request(child).into())
        .collect();
    assert_eq!(server.leases().len(), 3);
    for child in &children {
        icmp::answers(child, &[lan.station(0).ip4()]);
        // Its own is among them.
        icmp::answers(child, &addresses);
    }
    icmp::answers(lan.station(0), &addresses);
    lab.finish();
}
