//! Frames that go nowhere, each for a named reason. The reasons that the relay rules give are in
//! `relay.rs`; here are those of ports and malformed frames, and the list of all.

use std::collections::BTreeSet;
use vswitch::datapath::DropReason;
use vswitch_tests::{
    Lab, Monitor, Sniffer,
    deadline::SOON,
    eventually, frames,
    frames::{Raw, station},
};
use vswitch_wire::MacAddr;

const NONE: [Vec<u8>; 0] = [];

#[test]
fn a_frame_that_ends_inside_its_tag_is_truncated() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let (a, b) = (lab.join("lan", "a"), lab.join("lan", "b"));
    let sniffer = Sniffer::start(&b);
    let mut raw = Raw::open(&a);
    for rest in [&[][..], &[0], &[0, 5], &[0, 5, 0x08]] {
        raw.send(&frames::bare(MacAddr::BROADCAST, station(1), 0x8100, rest));
    }
    let marker = frames::marker(MacAddr::BROADCAST, a.mac());
    raw.send(&marker);
    assert_eq!(sniffer.until(&marker), NONE);
    assert_eq!(lab.drops(&a, "truncated"), 4);
    assert_eq!(lab.whereabouts("lan", station(1)), None);
    drop(sniffer);
    lab.finish();
}

#[test]
fn a_frame_longer_than_the_mtu_is_too_long() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let (a, b) = (lab.join("lan", "a"), lab.join("lan", "b"));
    let sniffer = Sniffer::start(&b);
    // A sandbox may set its own interface as it likes; the others keep the network's MTU.
    a.exec(&["ip", "link", "set", "eth0", "mtu", "4000"]).done();
    let payload = |length| vec![7; length];
    let just = frames::bare(b.mac(), a.mac(), frames::TEST_TYPE, &payload(1500));
    let over = frames::bare(b.mac(), a.mac(), frames::TEST_TYPE, &payload(1501));
    let marker = frames::marker(b.mac(), a.mac());
    let mut raw = Raw::open(&a);
    for frame in [&just, &over, &marker] {
        raw.send(frame);
    }
    assert_eq!(sniffer.until(&marker), [just]);
    // Booked at the port that it would have left through.
    assert_eq!(lab.drops(&b, "too_long"), 1);
    drop(sniffer);
    lab.finish();
}

#[test]
fn a_frame_without_another_port_has_nowhere_to_go() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let a = lab.join("lan", "a");
    Raw::open(&a).send(&frames::unique(MacAddr::BROADCAST, a.mac()));
    eventually(SOON, "the drop is counted", || {
        (lab.drops(&a, "no_other_port") == 1).then_some(())
    });
    lab.finish();
}

#[test]
fn a_port_that_is_down_is_told_once_and_comes_back() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let (a, b) = (lab.join("lan", "a"), lab.join("lan", "b"));
    let mut monitor = Monitor::start(&lab);
    let mut raw = Raw::open(&a);
    let frame = frames::unique(MacAddr::BROADCAST, a.mac());
    b.exec(&["ip", "link", "set", "eth0", "down"]).done();
    for _ in 0..10 {
        raw.send(&frame);
    }
    eventually(SOON, "all are dropped", || {
        (lab.drops(&b, "port_down") == 10).then_some(())
    });
    assert_eq!(lab.port(b.port())["state"], "down");
    b.exec(&["ip", "link", "set", "eth0", "up"]).done();
    eventually(SOON, "the port is up", || {
        raw.send(&frame);
        (lab.port(b.port())["state"] == "up").then_some(())
    });
    monitor.expect("port-up", |event| event["port"] == b.port());
    assert_eq!(monitor.count("port-down"), 1);
    assert_eq!(monitor.count("port-up"), 1);
    drop(monitor);
    lab.finish();
}

#[test]
fn frames_for_a_device_that_vanished_are_dropped_and_the_endpoint_goes() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let a = lab.join("lan", "a");
    let mut raw = Raw::open(&a);
    let mut monitor = Monitor::start(&lab);
    // Between the end of the device and its removal from the switch there is a moment only: fill it.
    let mut round = 0;
    eventually(SOON, "a frame meets the vanished device", || {
        round += 1;
        let name = format!("b{round}");
        let b = lab.join("lan", &name);
        let frame = frames::unique(b.mac(), a.mac());
        std::thread::scope(|scope| {
            let deleting = scope.spawn(|| b.exec(&["ip", "link", "del", "eth0"]));
            while !deleting.is_finished() {
                raw.send(&frame);
            }
        });
        monitor.expect("port-gone", |event| event["port"] == b.port());
        monitor.expect("endpoint-disconnect", |event| event["sandbox"] == *name);
        lab.cli(&["sandbox", "rm", &name]).done();
        (lab.total_drops("port_gone") > 0).then_some(())
    });
    // Told once each, and nothing of them is left.
    assert_eq!(monitor.count("port-gone"), round);
    let ports = lab.json(&["port", "ls"]);
    assert_eq!(ports.as_array().map(Vec::len), Some(1), "{ports}");
    drop(monitor);
    lab.finish();
}

#[test]
fn an_offload_header_that_contradicts_its_frame_is_refused() {
    let lab = Lab::start();
    lab.quiet("lan", &[]);
    let (a, b) = (lab.join("lan", "a"), lab.join("lan", "b"));
    let sniffer = Sniffer::start(&b);
    // An LLC and SNAP header of 8 bytes, in whose middle the checksum is to start.
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 0x88, 0xb5][..], &[0; 40]].concat();
    let frame = frames::bare(MacAddr::BROADCAST, station(1), 48, &snap);
    let needs_checksum = [1, 0, 0, 0, 0, 0, 20, 0, 4, 0];
    frames::send_with_vnet(&a, needs_checksum, &frame);
    let marker = frames::marker(MacAddr::BROADCAST, a.mac());
    Raw::open(&a).send(&marker);
    assert_eq!(sniffer.until(&marker), NONE);
    assert_eq!(lab.drops(&a, "bad_offload"), 1);
    assert_eq!(lab.whereabouts("lan", station(1)), None);
    drop(sniffer);
    lab.finish();
}

#[test]
fn every_reason_is_produced_by_a_test_or_is_known_not_to_be() {
    let here = [
        "truncated",
        "too_long",
        "no_other_port",
        "port_down",
        "port_gone",
        "bad_offload",
    ];
    let in_relay = ["same_port", "invalid_source", "reserved_address"];
    // A TAP never says that its queue is full: the kernel takes every frame and drops it in the socket of
    // the receiver. The unit tests of the data path fill a port of memory instead.
    let full = "receiver_full";
    // The kernel refuses only what the check at ingress does not let in: `bad_offload` comes first. The
    // unit tests of the data path have a port that refuses.
    let refused = "refused";
    // With overlays; what a router on the way must do first, the unit tests of the tunnel do.
    let congestion = "vxlan_congestion";
    let overlays = [
        include_str!("overlay/hostile.rs"),
        include_str!("overlay/options.rs"),
    ]
    .concat();
    // A child that is not of its network cannot be made from outside.
    let unknown_child = "macvlan_unknown_child";
    let macvlan = include_str!("macvlan/addresses.rs");
    let in_macvlan: Vec<&str> = (DropReason::ALL.into_iter())
        .filter(|reason| matches!(reason, DropReason::Macvlan(_)))
        .map(DropReason::label)
        .filter(|label| *label != unknown_child)
        .collect();
    for label in &in_macvlan {
        let used = macvlan.contains(&format!("\"{label}\""));
        assert!(used, "no test produces {label}");
    }
    let in_overlays = (DropReason::ALL.into_iter())
        .filter(|reason| match reason {
            DropReason::Tunnel(_) | DropReason::NoPeer | DropReason::Unreachable => true,
            DropReason::Truncated
            | DropReason::BadOffload
            | DropReason::InvalidSource
            | DropReason::ReservedAddress
            | DropReason::SamePort
            | DropReason::NoOtherPort
            | DropReason::TooLong
            | DropReason::PortDown
            | DropReason::PortGone
            | DropReason::ReceiverFull
            | DropReason::Refused
            | DropReason::Macvlan(_) => false,
        })
        .map(DropReason::label)
        .filter(|label| *label != congestion);
    let in_overlays: Vec<&str> = in_overlays.collect();
    for label in &in_overlays {
        let used = overlays.contains(&format!("\"{label}\""));
        assert!(used, "no test produces {label}");
    }
    let known: BTreeSet<&str> = (here.into_iter())
        .chain(in_relay)
        .chain(in_overlays)
        .chain(in_macvlan)
        .chain([full, refused, congestion, unknown_child])
        .collect();
    let all: BTreeSet<&str> = DropReason::ALL.into_iter().map(DropReason::label).collect();
    assert_eq!(known, all);
    // What is claimed above is there.
    let sources = [include_str!("drops.rs"), include_str!("relay.rs")].concat();
    for label in here.iter().chain(&in_relay) {
        let used = sources.contains(&format!("drops(&a, \"{label}\")"))
            || sources.contains(&format!("drops(&b, \"{label}\")"))
            || sources.contains(&format!("total_drops(\"{label}\")"));
        assert!(used, "no test produces {label}");
    }
}
