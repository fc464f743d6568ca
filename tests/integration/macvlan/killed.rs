//! A parent is as it was before: after an orderly end, and after none.

use super::{create, join, join_with};
use std::net::UdpSocket;
use vswitch_tests::{
    Lab, Lan, Must as _,
    deadline::SOON,
    eventually, icmp,
    lan::{self, SUBNET},
};

/// Makes a family of children that wants all that can be had of a parent.
fn populate(lab: &Lab, lan: &Lan, passthru: bool) {
    if passthru {
        create(lab, "lan", SUBNET, &["parent=eth0", "mode=passthru"]);
        let child = join_with(lab, "lan", "c0", (SUBNET, 100), &[]);
        icmp::answers(&child, &[lan.station(0).ip4()]);
        return;
    }
    create(lab, "lan", SUBNET, &["parent=eth0"]);
    create(lab, "tagged", SUBNET + 1, &["parent=eth0.10"]);
    let listed = format!("sources={}", lan::mac(SUBNET, 11));
    create(
        lab,
        "source",
        SUBNET + 2,
        &["parent=eth0", "mode=source", &listed],
    );
    for (network, subnet) in [
        ("lan", SUBNET),
        ("tagged", SUBNET + 1),
        ("source", SUBNET + 2),
    ] {
        for number in [100, 101] {
            let child = join(lab, network, &format!("c{subnet}-{number}"), subnet, number);
            // A group of its own.
            let socket = child.run(|| UdpSocket::bind("0.0.0.0:0")).must("a socket");
            let own = format!("198.18.{subnet}.{number}")
                .parse()
                .must("an address");
            socket
                .join_multicast_v4(&[239, 1, subnet, number].into(), &own)
                .must("join");
            if network == "lan" {
                icmp::answers(&child, &[lan.station(0).ip4()]);
            }
        }
    }
}

#[track_caller]
fn is_as_before(lan: &Lan, before: &str) {
    let mut held = String::new();
    eventually(SOON, "the parent is as it was", || {
        held = lan.held();
        (held == before).then_some(())
    });
    assert_eq!(lan.promiscuity(), 0);
}

#[test]
fn a_killed_daemon_leaves_its_parent_as_it_was() {
    for passthru in [false, true] {
        let lan = Lan::start();
        let before = lan.held();
        let mut lab = lan.lab();
        populate(&lab, &lan, passthru);
        // Both source mode and passthru want everything.
        assert!(lan.promiscuity() > 0);
        assert_ne!(lan.held(), before);
        lab.kill_daemon();
        is_as_before(&lan, &before);
        icmp::answers(lan.host(), &[lan.station(0).ip4()]);
        lab.restart();
        populate(&lab, &lan, passthru);
        lab.finish();
        is_as_before(&lan, &before);
    }
}

#[test]
fn a_network_that_goes_takes_its_traces_along() {
    for passthru in [false, true] {
        let lan = Lan::start();
        let before = lan.held();
        let lab = lan.lab();
        populate(&lab, &lan, passthru);
        let networks: &[&str] = if passthru {
            &["lan"]
        } else {
            &["lan", "tagged", "source"]
        };
        let sandboxes = lab.json(&["sandbox", "ls"]);
        for sandbox in sandboxes.as_array().into_iter().flatten() {
            let name = sandbox["name"].as_str().must("a name");
            lab.cli(&["sandbox", "rm", name]).done();
        }
        for network in networks {
            lab.cli(&["network", "rm", network]).done();
        }
        is_as_before(&lan, &before);
        let status = lab.json(&["status"]);
        assert_eq!(
            status["uplinks"].as_array().map(Vec::len),
            Some(0),
            "{status}"
        );
        lab.finish();
    }
}

#[test]
fn bridge_children_need_no_promiscuous_parent() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let child = join(&lab, "lan", "c0", SUBNET, 100);
    icmp::answers(&child, &[lan.station(0).ip4()]);
    assert_eq!(lan.promiscuity(), 0);
    // PACKET_MR_UNICAST.
    assert!(
        lan.held().contains(&child.mac().to_string()),
        "{}",
        lan.held()
    );
    let status = lab.json(&["status"]);
    assert_eq!(status["uplinks"][0]["promiscuous"], false, "{status}");
    lab.finish();
}
