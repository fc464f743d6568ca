//! Changes while traffic flows: a container on another host, a peer that is one no more.

use super::{CABLE, NONE, label, send_and_settle, times};
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use vswitch_tests::{
    Capture, Hosts, Monitor, Overlay, Sandbox, Sniffer, Underlay,
    deadline::SOON,
    eventually,
    frames::{self, Raw},
    icmp,
};
use vswitch_wire::MacAddr;

/// The promise.
const PROMISED: Duration = Duration::from_secs(1);

/// Three hosts with a network across them, and a container on each.
fn three() -> (Hosts, Overlay, [Sandbox; 3]) {
    let blue = Overlay::named("blue");
    let hosts = Hosts::start(Underlay::wire_with(3, &CABLE), 3);
    hosts.mesh(&blue);
    let containers =
        [(0, 10), (1, 11), (2, 12)].map(|(host, number)| hosts.join(host, &blue, number));
    icmp::all_pairs(&containers);
    (hosts, blue, containers)
}

/// Where a container is, as every host but its own sees it.
#[track_caller]
fn is_at(hosts: &Hosts, mac: MacAddr, host: usize) {
    let site = hosts.site(host).ip4();
    for (index, lab) in hosts.labs().iter().enumerate() {
        let expected = (index != host).then_some(site);
        eventually(SOON, "its place is known", || {
            (lab.remote("blue", mac) == expected).then_some(())
        });
    }
}

#[test]
fn a_container_that_changes_host_is_reached_again_within_a_second() {
    let (hosts, blue, observers) = three();
    let mut place = 1;
    let mut mover = hosts.join(place, &blue, 20);
    let mac = mover.mac().to_string();
    for observer in &observers {
        icmp::answers(observer, &[mover.ip4()]);
        icmp::answers(observer, &[mover.ip6()]);
    }
    for next in [2, 0, 1] {
        let lab = hosts.lab(place);
        lab.cli(&["network", "disconnect", "blue", &mover.name])
            .done();
        lab.cli(&["sandbox", "rm", &mover.name]).done();
        mover = hosts.join_with(next, &blue, 20, &["--mac-address", &mac]);
        place = next;
        let start = Instant::now();
        Raw::open(&mover).send(&frames::unique(MacAddr::BROADCAST, mover.mac()));
        let reached: Vec<Option<Duration>> = (observers.iter())
            .flat_map(|observer| {
                [mover.ip4(), mover.ip6()].map(|ip| icmp::first_answer(observer, ip, PROMISED))
            })
            .collect();
        let took = start.elapsed();
        println!("to host {next}: {took:?}, {reached:?}");
        assert!(reached.iter().all(Option::is_some), "{reached:?}");
        assert!(took < PROMISED, "{took:?}");
        is_at(&hosts, mover.mac(), next);
    }
    hosts.finish();
}

#[test]
fn a_removed_peer_is_forgotten_at_once() {
    let (hosts, _, [a, b, c]) = three();
    let (lab, gone) = (hosts.lab(0), hosts.site(1).ip4());
    assert_eq!(lab.remote("blue", b.mac()), Some(gone));
    lab.cli(&["peer", "rm", "blue", &gone.to_string()]).done();
    // No waiting: the call has returned.
    let peers: Vec<IpAddr> = lab.peers("blue").iter().map(|peer| peer.ip).collect();
    assert_eq!(peers, [hosts.site(2).ip4()]);
    assert_eq!(lab.remote("blue", b.mac()), None);
    assert!(
        lab.remotes("blue")
            .iter()
            .all(|(_, remote)| *remote != gone)
    );
    nothing_goes_to_it(&hosts, &a, &b, &c);
    nothing_comes_from_it(&hosts, &a, &b);
    // And back.
    lab.cli(&["peer", "add", "blue", &gone.to_string()]).done();
    for address in [b.ip4(), b.ip6()] {
        assert!(icmp::first_answer(&a, address, SOON).is_some());
    }
    assert_eq!(lab.remote("blue", b.mac()), Some(gone));
    hosts.finish();
}

/// Neither frames for many nor those for a container behind it.
#[track_caller]
fn nothing_goes_to_it(hosts: &Hosts, a: &Sandbox, b: &Sandbox, c: &Sandbox) {
    let capture = Capture::start(hosts.site(0));
    let other = Sniffer::start(c);
    // The third host knows the container behind the tunnel that the frame comes out of, and filters it.
    let lost = frames::unique(b.mac(), a.mac());
    Raw::open(a).send(&lost);
    let sent = [
        lost,
        send_and_settle(a, a.mac(), MacAddr::BROADCAST, &[&other]),
    ];
    let trace = capture.finish();
    for frame in &sent {
        assert_eq!(
            trace.count(None, Some(hosts.site(2).mac()), label(frame)),
            1
        );
        assert_eq!(trace.count(None, None, label(frame)), 1);
    }
}

/// What it sends all the same is refused, counted, and teaches nothing.
#[track_caller]
fn nothing_comes_from_it(hosts: &Hosts, a: &Sandbox, b: &Sandbox) {
    const REASON: &str = "vxlan_unlisted_peer";
    let lab = hosts.lab(0);
    let sniffer = Sniffer::start(a);
    let before = lab.tunnel_drops("blue", REASON);
    let mut raw = Raw::open(b);
    for _ in 0..10 {
        raw.send(&frames::unique(MacAddr::BROADCAST, b.mac()));
    }
    eventually(SOON, "ten are refused", || {
        (lab.tunnel_drops("blue", REASON) >= before + 10).then_some(())
    });
    let delivered: Vec<_> = (sniffer.so_far().into_iter())
        .filter(|frame| frames::is_test(frame))
        .collect();
    assert_eq!(delivered, NONE);
    assert_eq!(lab.remote("blue", b.mac()), None);
}

#[test]
fn peers_that_come_and_go_show_in_the_monitor() {
    let (hosts, _, _containers) = three();
    let lab = hosts.lab(0);
    let mut monitor = Monitor::start(lab);
    let peer = hosts.site(1).ip4().to_string();
    lab.cli(&["peer", "rm", "blue", &peer]).done();
    lab.cli(&["peer", "add", "blue", &peer]).done();
    let about = |event: &serde_json::Value| event.to_string().contains(&peer);
    monitor.expect("peer-remove", about);
    monitor.expect("peer-add", about);
    drop(monitor);
    hosts.finish();
}

#[test]
fn a_peer_that_is_not_there_costs_nobody_else_anything() {
    let blue = Overlay::named("blue");
    // The third site has no daemon: its kernel answers that nobody listens.
    let hosts = Hosts::start(Underlay::wire_with(3, &CABLE), 2);
    hosts.mesh(&blue);
    let pair = [hosts.join(0, &blue, 10), hosts.join(1, &blue, 11)];
    icmp::all_pairs(&pair);
    let sniffer = Sniffer::start(&pair[1]);
    for _ in 0..50 {
        let frame = send_and_settle(&pair[0], pair[0].mac(), MacAddr::BROADCAST, &[&sniffer]);
        assert_eq!(times(&sniffer, &frame), 1);
    }
    let absent = hosts.lab(0).peer("blue", hosts.site(2).ip4());
    assert_eq!((absent.rx_frames, absent.last_heard), (0, None));
    drop(sniffer);
    hosts.finish();
}
