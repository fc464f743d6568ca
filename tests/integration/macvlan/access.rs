//! `host_access=on`: what the kernel's driver cannot do. And what a frame that is for nobody is counted as.

use super::{create, join};
use vswitch_tests::{
    Lan, Must as _, Sniffer,
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    icmp,
    lan::SUBNET,
};
use vswitch_wire::MacAddr;

#[test]
fn the_host_and_its_children_reach_one_another() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0", "host_access=on"]);
    let children =
        [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
    for child in &children {
        // By its own address, which is the parent's, and the other way round.
        icmp::answers(child, &[lan.host().ip4()]);
        icmp::answers(lan.host(), &[child.ip4()]);
        icmp::answers(lan.host(), &[child.ip6()]);
        icmp::answers(child, &[lan.station(0).ip4()]);
    }
    // What the host does otherwise is as before.
    icmp::answers(lan.host(), &[lan.station(0).ip4()]);
    let routes = || {
        let shown = lan.host().exec(&["ip", "route", "show"]);
        shown.ok().matches(" dev mv-").count()
    };
    assert_eq!(routes(), 2);
    lab.cli(&["network", "disconnect", "lan", "c100"]).done();
    assert_eq!(routes(), 1);
    lab.cli(&["sandbox", "rm", "-f", "c101"]).done();
    // The host's end is in nobody's way.
    lab.cli(&["network", "rm", "lan"]).done();
    let links = lan.host().exec(&["ip", "-br", "link"]);
    assert!(!links.ok().contains("mv-"), "{links:?}");
    lab.finish();
}

#[test]
fn without_it_the_host_is_apart() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let child = join(&lab, "lan", "child", SUBNET, 100);
    // As with the kernel's driver: the question leaves by the wire, and the host never hears it.
    let host = Sniffer::start(lan.host());
    let station = Sniffer::start(lan.station(0));
    let asked = frames::unique(MacAddr::BROADCAST, child.mac());
    Raw::open(&child).send(&asked);
    station.expect_frame(&asked);
    let marker = frames::marker(MacAddr::BROADCAST, lan.station(0).mac());
    Raw::open(lan.station(0)).send(&marker);
    assert_eq!(host.count_until(&asked, &marker), 0);
    drop((host, station));
    lab.finish();
}

#[test]
fn what_comes_back_from_the_lan_is_for_nobody() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let children =
        [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
    let dropped = || {
        let ports = lab.json(&["port", "ls"]);
        let ports = ports.as_array().must("ports").clone();
        let uplink = ports.into_iter().find(|port| port["kind"] == "packet");
        let uplink = uplink.must("an uplink");
        uplink["drops"]["macvlan_nobody"].as_u64().unwrap_or(0)
    };
    lan.set_hairpin(true);
    let before = dropped();
    // The sibling has it already; the sender is not told its own.
    let asked = frames::unique(MacAddr::BROADCAST, children[0].mac());
    let sniffer = Sniffer::start(&children[1]);
    Raw::open(&children[0]).send(&asked);
    eventually(SOON, "the reflection", || {
        (dropped() > before).then_some(())
    });
    let marker = frames::marker(MacAddr::BROADCAST, lan.station(0).mac());
    Raw::open(lan.station(0)).send(&marker);
    assert_eq!(sniffer.count_until(&asked, &marker), 1);
    drop(sniffer);
    lab.finish();
}

#[test]
fn a_lan_that_swallows_foreign_addresses_is_named() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let child = join(&lab, "lan", "child", SUBNET, 100);
    let warned = || lab.cli(&["status"]).ok().contains("not one came back");
    assert!(!warned(), "what a new interface says to all is no question");
    // Port security: the LAN knows the parent's address on this port, and no other.
    let policy = [
        vec!["bridge", "link", "set", "dev", "port0", "learning", "off"],
        vec!["bridge", "link", "set", "dev", "port0", "locked", "on"],
    ];
    for words in policy {
        lan.switch().exec(&words).done();
    }
    let mut raw = Raw::open(&child);
    for _ in 0..25 {
        raw.send(&frames::unique(lan.station(0).mac(), child.mac()));
    }
    eventually(SOON, "a warning", || warned().then_some(()));
    lan.switch()
        .exec(&["bridge", "link", "set", "dev", "port0", "locked", "off"])
        .done();
    icmp::answers(&child, &[lan.station(0).ip4()]);
    assert!(!warned());
    lab.finish();
}
