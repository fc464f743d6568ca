//! Frames that are for nobody: counted under their reason, and the books close.

use super::{create, join};
use vswitch_tests::{
    Lan, Must as _, Sniffer,
    deadline::SOON,
    eventually,
    frames::{self, Raw, station},
    lan::SUBNET,
};
use vswitch_wire::MacAddr;

#[test]
fn a_frame_of_an_internal_network_for_nobody_is_counted() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "inside", SUBNET, &[]);
    let [a, b] =
        [100, 101].map(|number| join(&lab, "inside", &format!("c{number}"), SUBNET, number));
    let sniffer = Sniffer::start(&b);
    let before = lab.drops(&a, "macvlan_nobody");
    let mut raw = Raw::open(&a);
    // Nobody's address, and one's own.
    for dst in [station(0x00ff_fff3), a.mac()] {
        raw.send(&frames::unique(dst, a.mac()));
    }
    let marker = frames::marker(b.mac(), a.mac());
    raw.send(&marker);
    assert_eq!(sniffer.until(&marker), Vec::<Vec<u8>>::new());
    assert_eq!(lab.drops(&a, "macvlan_nobody") - before, 2);
    drop(sniffer);
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
