//! The parent's life: what becomes of it reaches the children, and they are on the LAN again when it is back.

use super::{create, join};
use vswitch_tests::{
    Lab, Lan, Monitor, Sandbox, deadline::SOON, eventually, icmp, ip, lan::SUBNET,
};

/// Waits until `ip link` says this of the child's interface.
#[track_caller]
fn shows(child: &Sandbox, what: &str) {
    eventually(SOON, what, || {
        let shown = child.exec(&["ip", "link", "show", "dev", "eth0"]);
        shown.ok().contains(what).then_some(())
    });
}

fn link(lab: &Lab) -> String {
    lab.json(&["status"])["uplinks"][0]["link"].to_string()
}

fn host(lan: &Lan, words: &[&str]) {
    lan.host().exec(&[&["ip", "link"], words].concat()).done();
}

#[test]
fn a_parent_that_goes_down_takes_the_carrier_with_it_and_brings_it_back() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let child = join(&lab, "lan", "child", SUBNET, 100);
    icmp::answers(&child, &[lan.station(0).ip4()]);
    let mut monitor = Monitor::start(&lab);
    host(&lan, &["set", "dev", "eth0", "down"]);
    shows(&child, "NO-CARRIER");
    monitor.expect("parent-down", |event| event["parent"] == "eth0");
    assert_eq!(link(&lab), "\"down\"");
    // Who comes meanwhile begins without one.
    let late = join(&lab, "lan", "late", SUBNET, 101);
    shows(&late, "NO-CARRIER");
    host(&lan, &["set", "dev", "eth0", "up"]);
    for child in [&child, &late] {
        shows(child, "LOWER_UP");
        shows(child, "state UP");
    }
    monitor.expect("parent-up", |event| event["parent"] == "eth0");
    // A cable that is pulled at the other end is the same.
    lan.switch()
        .exec(&["ip", "link", "set", "dev", "port0", "down"])
        .done();
    shows(&child, "NO-CARRIER");
    lan.switch()
        .exec(&["ip", "link", "set", "dev", "port0", "up"])
        .done();
    shows(&child, "state UP");
    icmp::answers(&child, &[lan.station(0).ip4(), late.ip4()]);
    lab.finish();
}

#[test]
fn the_mtu_follows_the_parent_as_far_as_nothing_smaller_was_asked_for() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    create(&lab, "small", SUBNET + 1, &["parent=eth0", "mtu=1400"]);
    let child = join(&lab, "lan", "child", SUBNET, 100);
    let small = join(&lab, "small", "small", SUBNET + 1, 100);
    shows(&child, "mtu 1500");
    shows(&small, "mtu 1400");
    let mut monitor = Monitor::start(&lab);
    for (parent, of_child, of_small) in [(1300, 1300, 1300), (1450, 1450, 1400), (1500, 1500, 1400)]
    {
        host(&lan, &["set", "dev", "eth0", "mtu", &parent.to_string()]);
        shows(&child, &format!("mtu {of_child}"));
        shows(&small, &format!("mtu {of_small}"));
        monitor.expect("network-mtu", |event| {
            event["network"] == "lan" && event["mtu"] == of_child
        });
    }
    icmp::answers(&child, &[lan.station(0).ip4()]);
    lab.finish();
}

#[test]
fn a_parent_that_is_deleted_is_taken_up_again_when_one_of_its_name_is_there() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    create(&lab, "tagged", SUBNET + 1, &["parent=eth0.10"]);
    let children =
        [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
    let mut monitor = Monitor::start(&lab);
    host(&lan, &["del", "dev", "eth0"]);
    for parent in ["eth0", "eth0.10"] {
        monitor.expect("parent-gone", |event| event["parent"] == parent);
    }
    shows(&children[0], "NO-CARRIER");
    let words = [
        "network",
        "create",
        "-d",
        "macvlan",
        "-o",
        "parent=eth0",
        "new",
    ];
    lab.refuses(&words, &["eth0", "away"]);
    // Another interface, with another address, in its place.
    let path = lan.host().netns_path();
    ip::batch(
        lan.switch(),
        &format!(
            "link add name port0 type veth peer name eth0 netns {path}\n\
             link set dev port0 master lan up\n"
        ),
    );
    host(&lan, &["set", "dev", "eth0", "up"]);
    for parent in ["eth0", "eth0.10"] {
        monitor.expect("parent-up", |event| event["parent"] == parent);
    }
    for child in &children {
        shows(child, "state UP");
        icmp::answers(child, &[lan.station(0).ip4(), lan.station(1).ip4()]);
    }
    icmp::answers(&children[0], &[children[1].ip4()]);
    lab.finish();
}

#[test]
fn a_parent_that_gets_another_address_keeps_its_children() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "alone", SUBNET, &["parent=eth0", "mode=passthru"]);
    let sandbox = lab.sandbox("child");
    let nic = lab.connect("alone", "child", &["--ip", "198.18.7.100"]);
    let child = sandbox.with(nic);
    let mac = "02:00:5e:00:00:77";
    host(&lan, &["set", "dev", "eth0", "address", mac]);
    shows(&child, mac);
    icmp::answers(&child, &[lan.station(0).ip4()]);
    lab.finish();
}
