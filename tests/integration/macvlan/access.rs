//! What a host has of its networks: an end of its own by `host_access=on`, and a word where the LAN does not play along.

use super::{create, join};
use vswitch_tests::{
    Lan,
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    icmp,
    lan::SUBNET,
};

#[test]
fn the_hosts_end_changes_nothing_else_and_goes_with_the_network() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0", "host_access=on"]);
    let _children =
        [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
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
