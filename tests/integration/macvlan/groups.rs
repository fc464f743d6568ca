//! Multicast as programs use it: mDNS, and a group that is routed and has to be asked for.

use super::{create, join};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket};
use vswitch::sys::netlink;
use vswitch_tests::{
    Lan, Must as _, Sandbox, Sniffer,
    capture::holds,
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    guard::Guard,
    kernel_macvlan::Device,
    lan::SUBNET,
};
use vswitch_wire::MacAddr;

const MDNS4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251));
const MDNS6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb));
const ROUTED4: IpAddr = IpAddr::V4(Ipv4Addr::new(239, 1, 2, 3));
const ROUTED6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3));
const PORT: u16 = 5353;

fn index(of: &Sandbox) -> u32 {
    let links = of.run(netlink::links).must("list interfaces");
    let link = links.iter().find(|link| link.name == of.nic().ifname);
    link.must("the interface").index
}

/// A socket that gets what is sent to the group.
#[track_caller]
fn member(of: &Sandbox, group: IpAddr) -> UdpSocket {
    let any = match group {
        IpAddr::V4(_) => "0.0.0.0:5353",
        IpAddr::V6(_) => "[::]:5353",
    };
    let socket = of.run(|| UdpSocket::bind(any)).must("a socket");
    let joined = match (group, of.ip4()) {
        (IpAddr::V4(group), IpAddr::V4(own)) => socket.join_multicast_v4(&group, &own),
        (IpAddr::V6(group), _) => socket.join_multicast_v6(&group, index(of)),
        (IpAddr::V4(_), IpAddr::V6(own)) => panic!("{own} is IPv6"),
    };
    joined.must("join");
    socket.set_read_timeout(Some(SOON)).must("a timeout");
    socket
}

/// Sends to the group.
#[track_caller]
fn say(from: &Sandbox, group: IpAddr, text: &str) {
    let (own, to) = match group {
        IpAddr::V4(_) => (from.ip4(), SocketAddr::new(group, PORT)),
        IpAddr::V6(group) => {
            let to = SocketAddrV6::new(group, PORT, 0, index(from));
            (from.ip6(), to.into())
        }
    };
    let socket = from.run(|| UdpSocket::bind((own, 0))).must("a socket");
    socket.send_to(text.as_bytes(), to).must("send");
}

#[track_caller]
fn hears(socket: &UdpSocket, text: &str) {
    let mut room = [0; 100];
    let length = socket.recv(&mut room).must(text);
    assert_eq!(room[..length], *text.as_bytes());
}

#[test]
fn children_find_services_and_are_found() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", SUBNET, &["parent=eth0"]);
    let [a, b] = [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
    find_services(&lan, &a, &b);
    lab.finish();
}

#[test]
fn the_kernels_devices_pass_the_same_test() {
    // So that it is the test that fails where it fails, and not only the switch that is tested with it.
    let _guard = Guard::shared();
    let lan = Lan::start();
    let [a, b] = [100, 101].map(|number| {
        let device = Device {
            name: &format!("c{number}"),
            mode: "bridge",
            subnet: SUBNET,
            number,
            ..Device::default()
        };
        device.start(lan.host())
    });
    find_services(&lan, &a, &b);
}

/// Children of bridge mode and a station speak to a group, and all hear it.
#[track_caller]
fn find_services(lan: &Lan, a: &Sandbox, b: &Sandbox) {
    let station = lan.station(0);
    for group in [MDNS4, MDNS6] {
        let [at_a, at_b, at_station] = [a, b, station].map(|of| member(of, group));
        say(station, group, "who is a printer?");
        for socket in [&at_a, &at_b] {
            hears(socket, "who is a printer?");
        }
        // Its own loops back inside the sender's stack.
        hears(&at_station, "who is a printer?");
        say(a, group, "I am");
        for socket in [&at_a, &at_b, &at_station] {
            hears(socket, "I am");
        }
    }
}

#[test]
fn a_routed_group_comes_to_whom_has_joined_it_as_long_as_that_holds() {
    for mode in ["bridge", "private", "vepa"] {
        let lan = Lan::start();
        let lab = lan.lab();
        create(
            &lab,
            "lan",
            SUBNET,
            &["parent=eth0", &format!("mode={mode}")],
        );
        let [a, b] =
            [100, 101].map(|number| join(&lab, "lan", &format!("c{number}"), SUBNET, number));
        come_as_long_as_they_are_joined(&lan, &a, &b, mode);
        lab.finish();
    }
}

/// A station speaks to groups that `a` joins and leaves.
#[track_caller]
fn come_as_long_as_they_are_joined(lan: &Lan, a: &Sandbox, b: &Sandbox, mode: &str) {
    let station = lan.station(0);
    let mut raw = Raw::open(station);
    let sniffers = [a, b].map(Sniffer::start);
    let mut attempt = 0;
    // Whether a word to the group comes to `a`.
    let mut passes = |group: IpAddr| {
        attempt += 1;
        let text = format!("{mode} {group} {attempt};");
        say(station, group, &text);
        // Everything that the station said before this has come or never will.
        let marker = frames::marker(MacAddr::BROADCAST, station.mac());
        raw.send(&marker);
        let [at_a, at_b] = sniffers.each_ref().map(|sniffer| {
            sniffer.expect_frame(&marker);
            let frames = sniffer.so_far();
            frames.iter().any(|frame| holds(frame, &text))
        });
        assert!(!at_b, "{mode}: {group} came to whom has not joined");
        at_a
    };
    for group in [ROUTED4, ROUTED6] {
        assert!(!passes(group), "{mode}: {group} before it was joined");
        let socket = member(a, group);
        eventually(SOON, "the group comes", || passes(group).then_some(()));
        // Not only the frame: the socket has it.
        let mut room = [0; 100];
        let length = socket.recv(&mut room).must("a word to the group");
        assert!(holds(&room[..length], &group.to_string()));
        drop(socket);
        eventually(SOON, "the group is left", || (!passes(group)).then_some(()));
    }
}
