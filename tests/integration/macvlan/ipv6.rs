//! IPv6 that is off is off: a network for IPv4 only, on a LAN whose router offers IPv6 to all (CVE-2024-32473).

use super::{create, join};
use pnet::{packet::ip::IpNextHeaderProtocols, util::ipv6_checksum};
use std::net::Ipv6Addr;
use vswitch_tests::{
    Lab, Lan, Must as _, Sandbox, Sniffer,
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    lan::{SUBNET, trunk::tagged},
};
use vswitch_wire::MacAddr;

const IPV6: u16 = 0x86dd;
const ALL_NODES: MacAddr = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
/// What the router offers.
const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0x77, 0, 0, 0, 0);

/// A router advertisement (RFC 4861 section 4.2) with a prefix for addresses of one's own (section 4.6.2).
fn advertisement(router: MacAddr, dst: MacAddr) -> Vec<u8> {
    let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x99);
    let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    // Type, code, checksum; hop limit, flags, lifetime; reachable and retransmission time.
    let mut message = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    // On link, autonomous; valid and preferred for an hour.
    message.extend([
        3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0,
    ]);
    message.extend(PREFIX.octets());
    let sum = ipv6_checksum(&message, 1, &[], &from, &to, IpNextHeaderProtocols::Icmpv6);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    let length = u16::try_from(message.len()).must("a short message");
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([58, 255]);
    packet.extend(from.octets());
    packet.extend(to.octets());
    packet.extend(message);
    frames::frame(dst, router, IPV6, &packet)
}

/// A child on a network with an IPv4 subnet only.
fn child_without(lab: &Lab) -> Sandbox {
    let subnet = format!("198.18.{SUBNET}.0/24");
    let words = [
        "network",
        "create",
        "-d",
        "macvlan",
        "--subnet",
        &subnet,
        "-o",
        "parent=eth0",
        "four",
    ];
    lab.cli(&words).done();
    let sandbox = lab.sandbox("four");
    let nic = lab.connect("four", "four", &["--ip", "198.18.7.100"]);
    sandbox.with(nic)
}

fn addresses(of: &Sandbox) -> String {
    of.exec(&["ip", "-6", "-br", "address", "show", "dev", "eth0"])
        .ok()
        .to_owned()
}

/// Whether a frame is IPv6, whatever tags stand in front of it.
fn is_ipv6(frame: &[u8]) -> bool {
    let mut at = 12;
    while [Some([0x81, 0]), Some([0x88, 0xa8])]
        .contains(&frame.get(at..).and_then(|rest| rest.first_chunk().copied()))
    {
        at += 4;
    }
    frame.get(at..at + 2) == Some(&IPV6.to_be_bytes())
}

/// The router says it to all and to the child alone, with and without tags; everything has come when it returns.
fn advertise(lan: &Lan, child: &Sandbox, sniffer: &Sniffer) {
    let router = lan.station(0);
    let mut raw = Raw::open(router);
    for dst in [ALL_NODES, child.mac(), MacAddr::BROADCAST] {
        let frame = advertisement(router.mac(), dst);
        raw.send(&frame);
        // Priority tags, one and two: hosts take them off and read on (CVE-2021-27853).
        raw.send(&tagged(&frame, 0));
        raw.send(&tagged(&tagged(&frame, 0), 0));
    }
    let marker = frames::marker(MacAddr::BROADCAST, router.mac());
    raw.send(&marker);
    sniffer.expect_frame(&marker);
}

#[test]
fn a_child_of_an_ipv4_network_hears_no_router() {
    let lan = Lan::start();
    let lab = lan.lab();
    // One that has IPv6, to see that the router's word is one.
    create(&lab, "six", SUBNET + 1, &["parent=eth0"]);
    let six = join(&lab, "six", "six", SUBNET + 1, 100);
    let four = child_without(&lab);
    assert_eq!(addresses(&four), "", "not even a link-local one");
    let sniffers = [&four, &six].map(Sniffer::start);
    for (child, sniffer) in [&four, &six].into_iter().zip(&sniffers) {
        advertise(&lan, child, sniffer);
    }
    assert_eq!(addresses(&four), "");
    let heard = sniffers[0].so_far();
    assert_eq!(heard.iter().find(|frame| is_ipv6(frame)), None);
    let frame = advertisement(lan.station(0).mac(), ALL_NODES);
    sniffers[1].expect_frame(&frame);
    drop(sniffers);
    lab.finish();
}

#[test]
fn a_container_that_switches_ipv6_on_again_is_still_alone_with_it() {
    let lan = Lan::start();
    let lab = lan.lab();
    let four = child_without(&lab);
    let sniffer = Sniffer::start(&four);
    let on_the_lan = Sniffer::start(lan.station(1));
    let switch = "/proc/sys/net/ipv6/conf/eth0/";
    for (name, value) in [("accept_ra", "1"), ("disable_ipv6", "0")] {
        let file = format!("{switch}{name}");
        four.run(|| std::fs::write(&file, value)).must(&file);
    }
    eventually(SOON, "its kernel takes an address", || {
        addresses(&four).contains("fe80:").then_some(())
    });
    advertise(&lan, &four, &sniffer);
    assert!(!addresses(&four).contains("2001:2:0:77:"));
    assert_eq!(sniffer.so_far().iter().find(|frame| is_ipv6(frame)), None);
    // What it sends itself does not leave.
    let mut raw = Raw::open(&four);
    let frame = advertisement(four.mac(), ALL_NODES);
    raw.send(&frame);
    raw.send(&tagged(&frame, 0));
    let marker = frames::marker(MacAddr::BROADCAST, four.mac());
    raw.send(&marker);
    on_the_lan.expect_frame(&marker);
    let mac = four.mac().octets();
    let seen = on_the_lan.so_far();
    let from_child = seen.iter().filter(|frame| frame.get(6..12) == Some(&mac));
    assert_eq!(from_child.filter(|frame| is_ipv6(frame)).count(), 0);
    assert!(lab.drops(&four, "macvlan_ipv6_off") >= 2);
    drop((sniffer, on_the_lan));
    lab.finish();
}
