//! What is not for the children: the host's own traffic, and that of others on a busy LAN.

use super::{create, join};
use vswitch_tests::{
    Lab, Lan, Must as _, Sandbox, Sniffer,
    frames::{self, Raw, station},
    lan::SUBNET,
    transfer, udp,
};
use vswitch_wire::MacAddr;

/// Frames in each direction.
const HALF_A_MILLION: u32 = 500_000;
/// How often a daemon's threads may go to sleep that has nothing to do, while frames by the hundred thousand pass: the
/// control socket is asked, and others on the LAN speak to all.
const FEW: u64 = 100;

/// A LAN, a daemon, two children of a network with these options.
fn scene(options: &[&str]) -> (Lab, Lan, [Sandbox; 2]) {
    let lan = Lan::start();
    let lab = lan.lab();
    let options = [&["parent=eth0"], options].concat();
    create(&lab, "lan", SUBNET, &options);
    let children =
        [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
    (lab, lan, children)
}

/// Frames that the switch has been given for a child.
fn delivered(lab: &Lab, child: &Sandbox) -> u64 {
    lab.port(child.port())["tx"]["frames"]
        .as_u64()
        .must("tx.frames")
}

/// A counter of the one uplink.
#[track_caller]
fn uplink(lab: &Lab, counter: &str) -> u64 {
    let status = lab.json(&["status"]);
    let uplinks = status["uplinks"].as_array().must("uplinks");
    assert_eq!(uplinks.len(), 1, "{uplinks:?}");
    uplinks[0][counter].as_u64().must(counter)
}

/// Sends many frames that are alike.
fn pour(from: &Sandbox, dst: MacAddr, count: u32) {
    let mut raw = Raw::open(from);
    let frame = frames::unique(dst, from.mac());
    for _ in 0..count {
        raw.send(&frame);
    }
}

/// Waits until what the station has sent before has been everywhere.
fn fence(lan: &Lan, sniffers: &[Sniffer]) -> Vec<u8> {
    let marker = frames::marker(MacAddr::BROADCAST, lan.station(0).mac());
    Raw::open(lan.station(0)).send(&marker);
    for sniffer in sniffers {
        sniffer.expect_frame(&marker);
    }
    marker
}

#[test]
fn a_million_frames_of_the_host_are_unseen_by_its_children() {
    for mode in ["mode=bridge", "mode=private", "mode=vepa"] {
        let (lab, lan, children) = scene(&[mode]);
        let station = lan.station(0);
        let sniffers = children.each_ref().map(Sniffer::start);
        let _marker = fence(&lan, &sniffers);
        let before = children.each_ref().map(|child| delivered(&lab, child));
        let passed = uplink(&lab, "passed");
        std::thread::scope(|scope| {
            scope.spawn(|| pour(lan.host(), station.mac(), HALF_A_MILLION));
            pour(station, lan.host().mac(), HALF_A_MILLION);
        });
        let marker = fence(&lan, &sniffers);
        for sniffer in &sniffers {
            assert_eq!(sniffer.until(&marker), Vec::<Vec<u8>>::new(), "{mode}");
        }
        let now = children.each_ref().map(|child| delivered(&lab, child));
        for (before, now) in before.iter().zip(now) {
            assert!(now - before < FEW, "{mode}: {} frames", now - before);
        }
        let passed = uplink(&lab, "passed") - passed;
        assert!(passed < FEW, "{mode}: {passed} frames passed the filter");
        drop(sniffers);
        lab.finish();
    }
}

#[test]
fn the_hosts_own_streams_are_untouched() {
    let (lab, lan, children) = scene(&[]);
    let (host, station) = (lan.host(), lan.station(0));
    for (from, to) in [(host, station), (station, host)] {
        for address in [to.ip4(), to.ip6()] {
            transfer::tcp(from, to, address, 64 << 20);
            udp::checked(from, to, address, 256, 9000);
        }
    }
    // The children are there all the while.
    transfer::tcp(&children[0], station, station.ip4(), 1 << 20);
    lab.finish();
}

#[test]
fn a_busy_lan_does_not_wake_the_switch() {
    for (mode, promiscuous) in [
        ("mode=bridge", false),
        ("mode=vepa", false),
        ("mode=source", true),
    ] {
        let listed = format!("sources={}", vswitch_tests::lan::mac(SUBNET, 11));
        let options = [mode, &listed];
        let options = if mode == "mode=source" {
            &options[..]
        } else {
            &options[..1]
        };
        let (lab, lan, children) = scene(options);
        let sniffers = children.each_ref().map(Sniffer::start);
        let _marker = fence(&lan, &sniffers);
        assert_eq!(lan.promiscuity() > 0, promiscuous, "{mode}");
        let passed = uplink(&lab, "passed");
        let sleeps = lab.daemon().sleeps();
        // The switch of the LAN knows nobody of this name and sends it everywhere. Not from the listed station.
        pour(lan.station(1), station(0x00ff_fff2), 200_000);
        // A group that nobody has joined.
        pour(lan.station(1), MacAddr::new([1, 0, 0x5e, 7, 7, 7]), 200_000);
        // The order of one station's frames holds, and both stations share the way to the host.
        let fence_of_two = frames::marker(lan.host().mac(), lan.station(1).mac());
        let at_host = Sniffer::start(lan.host());
        Raw::open(lan.station(1)).send(&fence_of_two);
        at_host.expect_frame(&fence_of_two);
        let slept = lab.daemon().sleeps() - sleeps;
        let passed = uplink(&lab, "passed") - passed;
        println!("{mode}: {slept} wakeups, {passed} frames passed");
        assert!(slept < FEW, "{mode}: woken {slept} times");
        assert!(passed < FEW, "{mode}: {passed} frames passed the filter");
        drop((sniffers, at_host));
        lab.finish();
    }
}
