//! Who reaches whom, mode by mode, with ordinary programs: ping, TCP, UDP, ARP and ND.

use super::{create, join, join_with};
use std::net::UdpSocket;
use vswitch_tests::{
    Lab, Lan, Must as _, Sandbox, Sniffer,
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    guard::Guard,
    icmp,
    kernel_macvlan::Device,
    lan::{self, Plan},
    transfer, udp,
};
use vswitch_wire::MacAddr;

/// The LAN's own subnet: children are stations among others.
const LAN: u8 = lan::SUBNET;

/// A LAN, a daemon, and children of one network with these options.
fn children(plan: &Plan, options: &[&str], count: u8) -> (Lab, Lan, Vec<Sandbox>) {
    let lan = Lan::start_with(plan);
    let lab = lan.lab();
    let options = [&["parent=eth0"], options].concat();
    create(&lab, "lan", LAN, &options);
    let children = (0..count)
        .map(|index| join(&lab, "lan", &format!("c{index}"), LAN, 100 + index))
        .collect();
    (lab, lan, children)
}

/// Both ways, both families.
#[track_caller]
fn both_reach(a: &Sandbox, b: &Sandbox) {
    for (from, to) in [(a, b), (b, a)] {
        icmp::answers(from, &[to.ip4()]);
        icmp::answers(from, &[to.ip6()]);
    }
}

/// The address that a station has found for a neighbour, in both families.
#[track_caller]
fn neighbour(at: &Sandbox, of: &Sandbox) -> [String; 2] {
    [of.ip4(), of.ip6()].map(|ip| {
        let ip = ip.to_string();
        let shown = at.exec(&["ip", "-j", "neigh", "show", "to", &ip]).json();
        shown[0]["lladdr"].as_str().unwrap_or("none").to_owned()
    })
}

/// Asks for the neighbour, and for an answer of it, without waiting for one.
#[track_caller]
fn call(from: &Sandbox, to: &Sandbox) {
    for (ip, any) in [(to.ip4(), "0.0.0.0:0"), (to.ip6(), "[::]:0")] {
        let socket = from.run(|| UdpSocket::bind(any)).must("a socket");
        socket.send_to(b"anybody there?", (ip, 7)).must("a route");
    }
}

/// Asserts that nothing of what `from` says comes to `to`. Both reach the first station.
#[track_caller]
fn never_hears(lan: &Lan, to: &Sandbox, from: &Sandbox) {
    let sniffer = Sniffer::start(to);
    call(from, to);
    let station = lan.station(0);
    // Behind the call on its way, then behind it on its way back.
    let fence = Sniffer::start(station);
    let marker = frames::marker(station.mac(), from.mac());
    Raw::open(from).send(&marker);
    fence.expect_frame(&marker);
    let marker = frames::marker(MacAddr::BROADCAST, station.mac());
    Raw::open(station).send(&marker);
    sniffer.expect_frame(&marker);
    let heard = sniffer.so_far();
    let heard = heard
        .iter()
        .find(|frame| frame.get(6..12) == Some(&from.mac().octets()));
    assert_eq!(heard, None, "{} hears {}", to.name, from.name);
}

/// What holds in every mode but source: children are stations of the LAN, and are no neighbours of their host.
#[track_caller]
fn are_stations(lan: &Lan, children: &[Sandbox]) {
    for child in children {
        for station in lan.stations() {
            both_reach(child, station);
            let mac = child.mac().to_string();
            assert_eq!(
                neighbour(station, child),
                [mac.clone(), mac],
                "{}",
                child.name
            );
            let mac = station.mac().to_string();
            assert_eq!(
                neighbour(child, station),
                [mac.clone(), mac],
                "{}",
                child.name
            );
        }
    }
    for station in lan.stations() {
        both_reach(lan.host(), station);
    }
}

/// As in the kernel's driver.
#[track_caller]
fn host_is_apart(lan: &Lan, child: &Sandbox) {
    never_hears(lan, lan.host(), child);
    never_hears(lan, child, lan.host());
}

#[test]
fn the_kernels_devices_pass_the_same_test() {
    // So that it is the test that fails where it fails, and not only the switch that is tested with it.
    let _guard = Guard::shared();
    let lan = Lan::start();
    let children = [
        ("private", 100),
        ("private", 101),
        ("bridge", 102),
        ("bridge", 103),
    ];
    let children = children.map(|(mode, number)| {
        let name = format!("{mode} {number}");
        let device = Device {
            name: &name,
            mode,
            subnet: LAN,
            number,
            ..Device::default()
        };
        device.start(lan.host())
    });
    are_stations(&lan, &children);
    icmp::all_pairs(&children[2..]);
    never_hears(&lan, &children[0], &children[1]);
    host_is_apart(&lan, &children[0]);
    // It is heard where there is something to hear.
    let sniffer = Sniffer::start(&children[2]);
    call(&children[3], &children[2]);
    let mac = children[3].mac().octets();
    let _heard = sniffer.expect("its sibling", |frame| frame.get(6..12) == Some(&mac));
}

#[test]
fn bridge_children_reach_the_lan_and_one_another() {
    let (lab, lan, children) = children(&Plan::default(), &[], 3);
    are_stations(&lan, &children);
    icmp::all_pairs(&children);
    host_is_apart(&lan, &children[0]);
    lab.finish();
}

#[test]
fn private_children_reach_the_lan_only() {
    let (lab, lan, children) = children(&Plan::default(), &["mode=private"], 2);
    are_stations(&lan, &children);
    for hairpin in [false, true] {
        lan.set_hairpin(hairpin);
        never_hears(&lan, &children[0], &children[1]);
        never_hears(&lan, &children[1], &children[0]);
    }
    lan.set_hairpin(false);
    host_is_apart(&lan, &children[0]);
    lab.finish();
}

#[test]
fn vepa_children_reach_one_another_by_way_of_the_switch() {
    let (lab, lan, children) = children(&Plan::default(), &["mode=vepa"], 2);
    are_stations(&lan, &children);
    never_hears(&lan, &children[0], &children[1]);
    host_is_apart(&lan, &children[0]);
    lan.set_hairpin(true);
    both_reach(&children[0], &children[1]);
    transfer::tcp(&children[0], &children[1], children[1].ip4(), 1 << 20);
    // A switch that sends frames back joins the host, too.
    both_reach(&children[0], lan.host());
    lab.finish();
}

#[test]
fn a_passthru_child_reaches_the_lan() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "lan", LAN, &["parent=eth0", "mode=passthru"]);
    let child = join_with(&lab, "lan", "c0", (LAN, 100), &[]);
    for station in lan.stations() {
        both_reach(&child, station);
        let mac = child.mac().to_string();
        assert_eq!(neighbour(station, &child), [mac.clone(), mac]);
    }
    transfer::tcp(&child, lan.station(0), lan.station(0).ip4(), 1 << 20);
    lab.finish();
}

#[test]
fn a_source_child_hears_whom_it_lists() {
    let plan = Plan::default();
    let listed = lan::mac(LAN, 11).to_string();
    let sources = format!("sources={listed}");
    let (lab, lan, children) = children(&plan, &["mode=source", &sources], 2);
    let (listed, other) = (lan.station(0), lan.station(1));
    for child in &children {
        both_reach(child, listed);
        never_hears(&lan, child, other);
    }
    never_hears(&lan, &children[0], &children[1]);
    lab.finish();
}

/// Streams and datagrams of many sizes between everybody who may talk.
fn bytes_arrive(host_offload: bool, station_offload: bool) {
    let plan = Plan {
        host_offload,
        station_offload,
        ..Plan::default()
    };
    let (lab, lan, children) = children(&plan, &[], 2);
    let station = lan.station(0);
    let pairs = [
        (&children[0], station),
        (station, &children[0]),
        (&children[0], &children[1]),
        (lan.host(), station),
        (station, lan.host()),
    ];
    for (from, to) in pairs {
        for address in [to.ip4(), to.ip6()] {
            transfer::tcp(from, to, address, 8 << 20);
            udp::checked(from, to, address, 256, 9000);
            let _all = udp::segmented(from, to, address);
        }
    }
    lab.finish();
}

#[test]
fn bytes_arrive_with_offload_everywhere() {
    bytes_arrive(true, true);
}

#[test]
fn bytes_arrive_from_a_card_with_offload_at_stations_without() {
    bytes_arrive(true, false);
}

#[test]
fn bytes_arrive_from_a_card_without_offload() {
    bytes_arrive(false, false);
}

#[test]
fn a_child_that_goes_takes_its_address_along() {
    let (lab, lan, children) = children(&Plan::default(), &[], 2);
    icmp::answers(lan.station(0), &[children[0].ip4(), children[1].ip4()]);
    lab.cli(&["network", "disconnect", "lan", "c0"]).done();
    // Its address is free, and its place in the filter.
    let again = join(&lab, "lan", "again", LAN, 100);
    eventually(SOON, "the station finds it", || {
        let silent = icmp::silent(lan.station(0), &[again.ip4()]);
        silent.is_empty().then_some(())
    });
    icmp::answers(&children[1], &[again.ip4()]);
    lab.finish();
}

#[test]
fn an_internal_network_has_no_wire() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "inside", LAN, &[]);
    let children =
        [100, 101].map(|number| join(&lab, "inside", &format!("c{number}"), LAN, number));
    icmp::all_pairs(&children);
    let sniffer = Sniffer::start(lan.station(0));
    let mut raw = Raw::open(&children[0]);
    let frame = frames::unique(MacAddr::BROADCAST, children[0].mac());
    raw.send(&frame);
    // It has been everywhere where it goes when it has been at the sibling.
    icmp::answers(&children[0], &[children[1].ip4()]);
    let marker = frames::marker(MacAddr::BROADCAST, lan.station(1).mac());
    Raw::open(lan.station(1)).send(&marker);
    assert_eq!(sniffer.count_until(&frame, &marker), 0);
    lab.finish();
}

#[test]
fn networks_share_a_parent() {
    let lan = Lan::start();
    let lab = lan.lab();
    create(&lab, "one", LAN, &["parent=eth0"]);
    create(&lab, "two", LAN + 1, &["parent=eth0"]);
    create(&lab, "three", LAN + 2, &["parent=eth0", "mode=private"]);
    let one = join(&lab, "one", "one", LAN, 100);
    let two = join(&lab, "two", "two", LAN + 1, 100);
    let three = join(&lab, "three", "three", LAN + 2, 100);
    both_reach(&one, lan.station(0));
    // One segment, as with the kernel's devices: bridge children hear one another whatever their network.
    let sniffers = [&two, &three].map(Sniffer::start);
    let frame = frames::unique(MacAddr::BROADCAST, one.mac());
    Raw::open(&one).send(&frame);
    sniffers[0].expect_frame(&frame);
    let marker = frames::marker(MacAddr::BROADCAST, lan.station(0).mac());
    icmp::answers(&one, &[lan.station(0).ip4()]);
    Raw::open(lan.station(0)).send(&marker);
    let seen = sniffers
        .each_ref()
        .map(|sniffer| sniffer.count_until(&frame, &marker));
    assert_eq!(seen, [1, 0]);
    let status = lab.json(&["status"]);
    let uplinks = status["uplinks"].as_array().must("uplinks");
    assert_eq!(uplinks.len(), 1, "{uplinks:?}");
    assert_eq!(uplinks[0]["parent"], "eth0");
    // The first goes, the others stay.
    lab.cli(&["network", "disconnect", "one", "one"]).done();
    lab.cli(&["network", "rm", "one"]).done();
    let frame = frames::unique(two.mac(), lan.station(0).mac());
    Raw::open(lan.station(0)).send(&frame);
    sniffers[0].expect_frame(&frame);
    drop(sniffers);
    lab.finish();
}

#[test]
fn the_host_reaches_its_children_where_that_is_wanted() {
    let (lab, lan, children) = children(&Plan::default(), &["host_access=on"], 2);
    for child in &children {
        both_reach(child, lan.host());
        transfer::tcp(child, lan.host(), lan.host().ip4(), 1 << 20);
        transfer::tcp(lan.host(), child, child.ip4(), 1 << 20);
    }
    are_stations(&lan, &children);
    lab.finish();
}
