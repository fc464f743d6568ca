//! Who reaches whom across hosts, and how often: all pairs, frames for many once, frames for one to one.

use super::{CABLE, label, send_and_settle, times};
use std::net::IpAddr;
use vswitch_tests::{
    Capture, Hosts, KernelVtep, Overlay, Sandbox, Sniffer, Underlay, frames::station, guard::Guard,
    icmp, ip, kernel_vtep::Tunnel,
};
use vswitch_wire::MacAddr;

/// Containers of each host.
const EACH: u8 = 4;

/// Hosts on a cable with a network across them and containers on it.
fn populated(count: u8, overlay: &Overlay) -> (Hosts, Vec<Vec<Sandbox>>) {
    let underlay = Underlay::wire_with(count, &CABLE);
    let hosts = Hosts::start(underlay, count.into());
    hosts.mesh(overlay);
    let containers = hosts.populate(overlay, EACH);
    (hosts, containers)
}

/// All pairs ping each other in both families, and frames for many arrive once.
fn all_reach_all(count: u8, overlay: &Overlay) {
    let (hosts, containers) = populated(count, overlay);
    let all = containers.concat();
    // Each asks one of the next host for its address, ARP and ND, over the tunnel.
    for (from, to) in all.iter().zip(all.iter().cycle().skip(EACH.into())) {
        icmp::answers(from, &[to.ip4()]);
        icmp::answers(from, &[to.ip6()]);
    }
    if all.len() > 32 {
        for container in &all {
            ip::know_all(container, &all);
        }
    }
    icmp::all_pairs(&all);
    for_many_arrive_once(hosts.underlay(), &containers);
    hosts.finish();
}

/// Broadcast, multicast and unknown unicast from a container: at every other container once; on the underlay
/// a copy to each other host, and nothing from those on (split horizon).
#[track_caller]
fn for_many_arrive_once(underlay: &Underlay, containers: &[Vec<Sandbox>]) {
    let sniffers: Vec<Vec<Sniffer>> = (containers.iter())
        .map(|host| host.iter().map(Sniffer::start).collect())
        .collect();
    let sites = underlay.sites();
    let captures: Vec<Capture> = sites.iter().map(Capture::start).collect();
    let sender = &containers[0][0];
    let multicast4 = MacAddr::new([0x01, 0x00, 0x5e, 1, 2, 3]);
    let multicast6 = MacAddr::new([0x33, 0x33, 0, 0, 0, 0x77]);
    let unknown = station(0x00ff_ffff);
    let others: Vec<&Sniffer> = sniffers.iter().flatten().skip(1).collect();
    let sent = [MacAddr::BROADCAST, multicast4, multicast6, unknown]
        .map(|dst| send_and_settle(sender, sender.mac(), dst, &others));
    for frame in &sent {
        for (index, sniffer) in others.iter().enumerate() {
            assert_eq!(times(sniffer, frame), 1, "{} at {index}", label(frame));
        }
        assert_eq!(times(&sniffers[0][0], frame), 0, "it came back");
    }
    let traces: Vec<_> = captures.into_iter().map(Capture::finish).collect();
    let first = sites[0].mac();
    for frame in &sent {
        let text = label(frame);
        for (site, trace) in sites.iter().zip(&traces).skip(1) {
            assert_eq!(traces[0].count(Some(first), Some(site.mac()), text), 1);
            // It comes, and that is all.
            assert_eq!(trace.count(Some(first), Some(site.mac()), text), 1);
            assert_eq!(trace.count(None, None, text), 1, "{}", site.name);
        }
        assert_eq!(traces[0].count(None, None, text), sites.len() - 1);
    }
}

#[test]
fn the_kernels_endpoints_pass_the_same_test() {
    // So that it is the test that fails where it fails, and not only the switch that is tested with it.
    let _guard = Guard::shared();
    let underlay = Underlay::wire_with(3, &CABLE);
    let sites = underlay.sites();
    let containers: Vec<Vec<Sandbox>> = (1..)
        .zip(sites)
        .map(|(number, site)| {
            let others = sites.iter().filter(|other| other.name != site.name);
            let peers: Vec<IpAddr> = others.map(Sandbox::ip4).collect();
            let kernel = KernelVtep::start(site, &Tunnel::new(site.ip4(), &peers));
            [number, number + 10]
                .map(|number| kernel.join(&format!("c{number}"), 50, number))
                .to_vec()
        })
        .collect();
    icmp::all_pairs(&containers.concat());
    for_many_arrive_once(&underlay, &containers);
}

#[test]
fn two_hosts_reach_each_other() {
    all_reach_all(2, &Overlay::named("blue"));
}

#[test]
fn two_hosts_reach_each_other_over_ipv6() {
    let mut blue = Overlay::named("blue");
    blue.over_ipv6 = true;
    all_reach_all(2, &blue);
}

#[test]
fn three_hosts_reach_each_other() {
    all_reach_all(3, &Overlay::named("blue"));
}

#[test]
fn sixteen_hosts_reach_each_other() {
    all_reach_all(16, &Overlay::named("blue"));
}

#[test]
fn a_known_unicast_goes_to_one_remote_only() {
    let blue = Overlay::named("blue");
    let hosts = Hosts::start(Underlay::wire_with(3, &CABLE), 3);
    hosts.mesh(&blue);
    let [a, b, c] =
        [0, 1, 2].map(|index| hosts.join(index, &blue, 10 + u8::try_from(index).unwrap_or(0)));
    icmp::all_pairs(&[a.clone(), b.clone(), c.clone()]);
    for (container, index) in [(&b, 1), (&c, 2)] {
        let site = hosts.site(index).ip4();
        assert_eq!(hosts.lab(0).remote("blue", container.mac()), Some(site));
    }
    let capture = Capture::start(hosts.site(0));
    let (sniffer, third) = (Sniffer::start(&b), Sniffer::start(&c));
    let before = [1, 2].map(|index| hosts.lab(0).peer("blue", hosts.site(index).ip4()));
    let frame = send_and_settle(&a, a.mac(), b.mac(), &[&sniffer]);
    assert_eq!(times(&sniffer, &frame), 1);
    assert_eq!(times(&third, &frame), 0);
    // All that leaves the first host passes here.
    let trace = capture.finish();
    assert_eq!(
        trace.count(None, Some(hosts.site(1).mac()), label(&frame)),
        1
    );
    assert_eq!(trace.count(None, None, label(&frame)), 1);
    let after = [1, 2].map(|index| hosts.lab(0).peer("blue", hosts.site(index).ip4()));
    // The frame and its markers; hosts may have asked something meanwhile.
    assert!(
        after[0].tx_frames >= before[0].tx_frames + 3,
        "{before:?} {after:?}"
    );
    assert!(
        after
            .iter()
            .all(|peer| peer.rx_frames > 0 && peer.last_heard.is_some())
    );
    drop((sniffer, third));
    hosts.finish();
}

#[test]
fn networks_that_share_a_port_do_not_meet() {
    let (blue, mut red) = (Overlay::named("blue"), Overlay::named("red"));
    (red.vni, red.subnet) = (43, 51);
    let hosts = Hosts::start(Underlay::wire(2), 2);
    for overlay in [&blue, &red] {
        hosts.mesh(overlay);
    }
    let blues = [hosts.join(0, &blue, 10), hosts.join(1, &blue, 11)];
    let reds = [hosts.join(0, &red, 20), hosts.join(1, &red, 21)];
    icmp::all_pairs(&blues);
    icmp::all_pairs(&reds);
    let sniffers = [&blues[1], &reds[0], &reds[1]].map(Sniffer::start);
    let broadcast = MacAddr::BROADCAST;
    let frame = send_and_settle(&blues[0], blues[0].mac(), broadcast, &[&sniffers[0]]);
    // What the other network's containers get now comes after it, if it ever does.
    let last = send_and_settle(&reds[0], reds[0].mac(), broadcast, &[&sniffers[2]]);
    assert_eq!(
        sniffers.each_ref().map(|sniffer| times(sniffer, &frame)),
        [1, 0, 0]
    );
    assert_eq!(
        sniffers.each_ref().map(|sniffer| times(sniffer, &last)),
        [0, 0, 1]
    );
    drop(sniffers);
    hosts.finish();
}
