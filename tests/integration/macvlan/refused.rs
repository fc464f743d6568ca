//! What is wrong is refused with a line that says what to do, and leaves nothing half-made.

use super::{create, join};
use vswitch_tests::{Lan, lan::SUBNET};

#[test]
fn wrong_parents_and_options_are_refused() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let before = (lab.fingerprint(), lan.held());
    let refuse = |options: &[&str], say: &[&str]| {
        let mut words = vec!["network", "create", "-d", "macvlan"];
        for option in options {
            words.extend(["-o", option]);
        }
        words.push("wrong");
        lab.refuses(&words, say);
    };
    refuse(&["parent=nowhere"], &["nowhere", "ip link"]);
    refuse(&["parent=nowhere.10"], &["nowhere", "ip link"]);
    refuse(&["parent=lo"], &["lo", "Ethernet", "another parent"]);
    refuse(&["parent=lo.10"], &["lo", "Ethernet", "another parent"]);
    refuse(&["parent="], &["parent", "eth0.10"]);
    refuse(&["parent=a/b"], &["a/b"]);
    for vlan in ["0", "4095", "4096", "99999"] {
        let parent = format!("parent=eth0.{vlan}");
        refuse(&[&parent], &[vlan, "1 to 4094"]);
    }
    refuse(&["parent=eth0", "mtu=1501"], &["1501", "1500", "eth0"]);
    refuse(&["parent=eth0", "mode=ipvlan"], &["ipvlan", "passthru"]);
    refuse(&["parent=eth0", "mode=passthru"], &["passthru", "eth0"]);
    refuse(&["mode=passthru"], &["parent="]);
    refuse(&["parent=eth0", "nodst=on"], &["mode=source"]);
    refuse(
        &["parent=eth0", "mode=source", "sources=ff:ff:ff:ff:ff:ff"],
        &["ff:ff:ff:ff:ff:ff", "station"],
    );
    refuse(&["parent=eth0", "vni=7"], &["vni", "macvlan", "parent"]);
    let null = ["network", "create", "-d", "macvlan", "--ipam-driver"];
    let words = [&null[..], &["null", "--subnet", "198.18.9.0/24", "wrong"]].concat();
    lab.refuses(&words, &["null", "--subnet"]);
    lab.refuses(&[&null[..], &["dhcp", "wrong"]].concat(), &["dhcp", "null"]);
    lab.unchanged(&before.0, &lab.fingerprint());
    assert_eq!(before.1, lan.held());
    lab.finish();
}

#[test]
fn wrong_addresses_are_refused() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    create(&lab, "other", SUBNET + 1, &["parent=eth0"]);
    let child = join(&lab, "other", "child", SUBNET + 1, 100);
    lab.sandbox("new");
    let before = (lab.fingerprint(), lan.held());
    let refuse = |mac: &str, say: &[&str]| {
        let words = ["network", "connect", "lan", "new", "--mac-address", mac];
        lab.refuses(&words, say);
    };
    refuse("01:00:5e:00:00:01", &["01:00:5e:00:00:01", "unicast"]);
    refuse("00:00:00:00:00:00", &["unicast"]);
    let parent = lan.host().mac().to_string();
    refuse(&parent, &[&parent, "in use"]);
    // The child of another network, on the same parent.
    let sibling = child.mac().to_string();
    refuse(&sibling, &[&sibling, "in use"]);
    let table = ["fdb", "add", "lan", "02:00:00:00:00:01", "0"];
    lab.refuses(&table, &["macvlan", "--mac-address"]);
    lab.unchanged(&before.0, &lab.fingerprint());
    assert_eq!(before.1, lan.held());
    lab.finish();
}

#[test]
fn passthru_is_for_one() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "alone", SUBNET, &["parent=eth0", "mode=passthru"]);
    lab.sandbox("first");
    let first = lab.connect("alone", "first", &[]);
    assert_eq!(first.mac, lan.host().mac(), "it has its parent's address");
    lab.sandbox("second");
    let before = (lab.fingerprint(), lan.held());
    lab.refuses(&["network", "connect", "alone", "second"], &["passthru"]);
    let mac = "02:00:00:00:00:05";
    let words = [
        "network",
        "connect",
        "alone",
        "second",
        "--mac-address",
        mac,
    ];
    lab.refuses(&words, &[mac, "passthru", "leave it out"]);
    let words = [
        "network",
        "create",
        "-d",
        "macvlan",
        "-o",
        "parent=eth0",
        "more",
    ];
    lab.refuses(&words, &["passthru", "eth0", "another"]);
    lab.unchanged(&before.0, &lab.fingerprint());
    assert_eq!(before.1, lan.held());
    lab.cli(&["network", "disconnect", "alone", "first"]).done();
    assert_eq!(lan.promiscuity(), 0);
    lab.connect("alone", "second", &[]);
    lab.finish();
}
