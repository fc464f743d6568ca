//! The underlay of the tests, without a switch: what it carries and how it ends, and the reference that
//! the switch is compared with, two of the kernel's own tunnel endpoints.

use std::{
    net::{IpAddr, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::Arc,
    time::Duration,
};
use vswitch::sys::netlink;
use vswitch_tests::{
    Capture, Hosts, KernelVtep, Must as _, Sandbox, Sniffer, Underlay,
    capture::{Packet, Trace},
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    guard::Guard,
    hostile, icmp,
    kernel_vtep::Tunnel,
    transfer,
    underlay::{Impairment, Wire},
};
use vswitch_wire::MacAddr;

/// A wire on which frames are as they would be on a cable.
const CABLE: Wire = Wire {
    mtu: 1500,
    offload: false,
};

/// A kernel's endpoint on each site, and a container behind each.
fn kernels(underlay: &Underlay, address: fn(&Sandbox) -> IpAddr, port: u16) -> Vec<Sandbox> {
    let sites = underlay.sites();
    (1..)
        .zip(sites)
        .map(|(number, site)| {
            let others = sites.iter().filter(|other| other.name != site.name);
            let peers: Vec<IpAddr> = others.map(address).collect();
            let tunnel = Tunnel {
                port,
                ..Tunnel::new(address(site), &peers)
            };
            KernelVtep::start(site, &tunnel).join(&format!("c{number}"), 50, number)
        })
        .collect()
}

#[test]
fn sites_of_a_wire_reach_one_another() {
    let _guard = Guard::shared();
    icmp::all_pairs(Underlay::wire(3).sites());
    icmp::all_pairs(Underlay::wire_with(3, &CABLE).sites());
}

#[test]
fn sites_of_a_relay_reach_one_another() {
    let _guard = Guard::shared();
    let underlay = Underlay::relay(3, Impairment::default());
    icmp::all_pairs(underlay.sites());
    let tally = underlay.tally();
    assert!(
        tally.offered > 0 && tally.offered == tally.arrived,
        "{tally:?}"
    );
}

#[test]
fn a_relay_takes_a_frame_to_its_host_and_one_for_many_to_all_others() {
    let _guard = Guard::shared();
    let underlay = Underlay::relay(3, Impairment::default());
    let [a, b, c] = underlay.sites() else {
        unreachable!()
    };
    let sniffers = [a, b, c].map(Sniffer::start);
    let unicast = frames::unique(b.mac(), a.mac());
    let broadcast = frames::unique(MacAddr::BROADCAST, a.mac());
    let astray = frames::unique(frames::station(9), a.mac());
    let marker = frames::marker(MacAddr::BROADCAST, a.mac());
    let mut raw = Raw::open(a);
    for frame in [&unicast, &broadcast, &astray, &marker] {
        raw.send(frame);
    }
    assert_eq!(sniffers[1].until(&marker), [unicast, broadcast.clone()]);
    assert_eq!(sniffers[2].until(&marker), slice::from_ref(&broadcast));
    let last = frames::marker(MacAddr::BROADCAST, b.mac());
    Raw::open(b).send(&last);
    assert_eq!(sniffers[0].until(&last), [] as [Vec<u8>; 0]);
}

/// What a receiver of UDP gets.
fn receive(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let quiet = Duration::from_millis(200);
    socket.set_read_timeout(Some(quiet)).must("a timeout");
    let mut room = [0; 2048];
    let mut next = || {
        let length = socket.recv(&mut room).ok()?;
        Some(room[..length].to_vec())
    };
    std::iter::from_fn(&mut next).collect()
}

#[test]
fn a_relay_impairs_as_it_is_told_and_the_kernel_drops_what_is_damaged() {
    const ALL: u32 = 4000;
    let _guard = Guard::shared();
    let underlay = Underlay::relay(2, Impairment::default());
    let [a, b] = underlay.sites() else {
        unreachable!()
    };
    // They know each other: nothing of that is between the datagrams.
    icmp::answers(a, &[b.ip4()]);
    underlay.impair(Impairment {
        seed: 1,
        loss: 50,
        duplication: 10,
        reordering: 50,
        flips: 10,
        delay: Duration::from_millis(1),
    });
    let server = b.run(|| UdpSocket::bind((b.ip4(), 0))).must("a socket");
    let client = a.run(|| UdpSocket::bind((a.ip4(), 0))).must("a socket");
    (client.connect(server.local_addr().must("its address"))).must("connect");
    let mut received = Vec::new();
    let datagram = |number: u32| [number.to_be_bytes(), (!number).to_be_bytes()].concat();
    // So many find room in the receiver's buffer.
    for burst in 0..ALL / 200 {
        for number in burst * 200..(burst + 1) * 200 {
            client.send(&datagram(number)).must("send");
        }
        received.extend(receive(&server));
    }
    let tally = underlay.tally();
    let numbers: Vec<u32> = (received.iter())
        .map(|bytes| u32::from_be_bytes(*bytes.first_chunk().must("a number")))
        .collect();
    for (number, bytes) in numbers.iter().zip(&received) {
        assert_eq!(*bytes, datagram(*number), "damaged, but delivered");
    }
    // No bit of these packets is outside of the checksums.
    let sound = u64::from(ALL) - tally.lost + tally.duplicated - tally.flipped;
    assert_eq!(numbers.len() as u64, sound, "{tally:?}");
    assert!(!numbers.is_sorted(), "nothing out of order");
    for share in [tally.lost, tally.duplicated, tally.reordered, tally.flipped] {
        assert!(share > 10, "{tally:?}");
    }
}

#[test]
fn an_underlay_is_gone_after_a_panic() {
    let _guard = Guard::shared();
    let mut kept = Vec::new();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let (relay, wire) = (Underlay::relay(2, Impairment::default()), Underlay::wire(2));
        let sites = relay.sites().iter().chain(wire.sites());
        kept.extend(sites.map(|site| Arc::clone(&site.netns)));
        panic!("on purpose");
    }));
    assert!(outcome.is_err() && kept.len() == 4);
    eventually(SOON, "the devices are gone", || {
        let names = |links: Vec<netlink::LinkInfo>| links.into_iter().map(|link| link.name);
        let mut all = (kept.iter())
            .flat_map(|netns| names(netns.run(netlink::links).must("enter").must("links")));
        all.all(|name| name == "lo").then_some(())
    });
}

/// What is asked about each packet of a tunnel.
const FIELDS: [&str; 9] = [
    "eth.type",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.dstport",
    "vxlan.flags",
    "vxlan.vni",
    "eth.dst",
];

/// Two containers behind kernels exchange pings and a checked stream; the capture at the first site.
#[track_caller]
fn kernel_to_kernel(address: fn(&Sandbox) -> IpAddr, port: u16) -> Trace {
    let underlay = Underlay::wire_with(2, &CABLE);
    let capture = Capture::start(underlay.site(0));
    let containers = kernels(&underlay, address, port);
    icmp::all_pairs(&containers);
    let [a, b] = &containers[..] else {
        unreachable!()
    };
    transfer::tcp(a, b, b.ip4(), 1 << 18);
    transfer::tcp(b, a, a.ip6(), 1 << 18);
    capture.finish()
}

#[test]
fn kernels_of_two_sites_make_a_tunnel_that_decodes() {
    let _guard = Guard::shared();
    for (address, port) in [
        (Sandbox::ip4 as fn(&Sandbox) -> IpAddr, 4789),
        (Sandbox::ip6, 8472),
    ] {
        let trace = kernel_to_kernel(address, port);
        let packets = trace.decode(port, "vxlan", &FIELDS);
        assert!(packets.len() > 100, "{}", packets.len());
        let of = |packet: &Packet, field: &str, value: u64| packet.number(field) == value;
        for packet in &packets {
            assert!(of(packet, "vxlan.vni", 42) && of(packet, "udp.dstport", port.into()));
            assert!(of(packet, "vxlan.flags", 0x0800), "{packet:?}");
            let family = if port == 4789 { 0x0800 } else { 0x86dd };
            assert_eq!(packet.outer_number("eth.type"), family);
        }
    }
}

#[test]
fn a_wrong_bit_in_a_capture_is_found() {
    let _guard = Guard::shared();
    let mut trace = kernel_to_kernel(Sandbox::ip4, 4789);
    assert_eq!(trace.flaws(4789), [] as [String; 0]);
    let tunnelled = trace.decode(4789, "vxlan", &["frame.number"]).len();
    // The last byte is the innermost payload's, or the checksum's of the packet without any.
    trace.tamper(|frame| {
        if let Some(last) = frame.last_mut() {
            *last ^= 4;
        }
    });
    assert!(
        trace.flaws(4789).len() >= tunnelled,
        "{:#?}",
        trace.flaws(4789)
    );
}

#[test]
fn kernels_behind_a_bad_relay_still_deliver_every_byte() {
    let _guard = Guard::shared();
    let underlay = Underlay::relay(2, Impairment::default());
    let containers = kernels(&underlay, Sandbox::ip4, 4789);
    icmp::all_pairs(&containers);
    let [a, b] = &containers[..] else {
        unreachable!()
    };
    underlay.impair(Impairment {
        seed: 2,
        loss: 50,
        duplication: 10,
        reordering: 50,
        flips: 10,
        delay: Duration::ZERO,
    });
    transfer::tcp(a, b, b.ip4(), 1 << 20);
    let tally = underlay.tally();
    for share in [tally.lost, tally.duplicated, tally.reordered, tally.flipped] {
        assert!(share > 0, "{tally:?}");
    }
}

#[test]
fn hosts_on_an_underlay_are_labs_like_any_other() {
    let hosts = Hosts::start(Underlay::wire(2), 2);
    for lab in hosts.labs() {
        lab.network("lan", &[]);
        icmp::all_pairs(&lab.join_all("lan", 2));
    }
    // Their own interface is no leftover.
    icmp::all_pairs(hosts.underlay().sites());
    hosts.finish();
}

#[test]
fn a_flood_overruns_nobody() {
    const COUNT: u64 = 50_000;
    let _guard = Guard::shared();
    let underlay = Underlay::wire(2);
    let [to, from] = underlay.sites() else {
        unreachable!()
    };
    let server = to
        .run(|| UdpSocket::bind((to.ip4(), 4789)))
        .must("a socket");
    server.set_read_timeout(Some(SOON)).must("a timeout");
    let target = server.local_addr().must("its address");
    let received = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let mut room = [0; 100];
            let mut right = || server.recv(&mut room).is_ok() && room[0] == 7;
            (0..COUNT).take_while(|_| right()).count()
        });
        hostile::flood((from, from.ip4()), (to, target), COUNT, |_| vec![7; 60]);
        receiver.join().unwrap_or(0)
    });
    assert_eq!(received as u64, COUNT);
}
