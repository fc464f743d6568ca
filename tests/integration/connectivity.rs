//! Who reaches whom: pings between all pairs, broadcast to all, unicast to one.

use std::{net::IpAddr, slice};
use vswitch_tests::{Lab, Sniffer, frames, frames::Raw, icmp, ip};
use vswitch_wire::MacAddr;

#[test]
fn two_sandboxes_ping_each_other_in_both_families() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    icmp::all_pairs(&lab.join_all("lan", 2));
    lab.finish();
}

#[test]
fn three_sandboxes_ping_each_other_in_both_families() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let all = lab.join_all("lan", 3);
    icmp::all_pairs(&all);
    // As a person would do it.
    let ping = |to: IpAddr| all[0].exec(&["ping", "-c", "1", "-W", "5", &to.to_string()]);
    ping(all[1].ip4()).done();
    ping(all[2].ip6()).done();
    lab.finish();
}

#[test]
fn sixty_four_sandboxes_ping_each_other_and_hear_a_broadcast() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let all = lab.join_all("lan", 64);
    // Each asks its neighbour's address, ARP and ND, over the wire.
    for (from, to) in all.iter().zip(all.iter().cycle().skip(1)) {
        icmp::answers(from, &[to.ip4()]);
        icmp::answers(from, &[to.ip6()]);
    }
    for sandbox in &all {
        ip::know_all(sandbox, &all);
    }
    icmp::all_pairs(&all);

    let sniffers: Vec<Sniffer> = all[1..].iter().map(Sniffer::start).collect();
    let frame = frames::unique(MacAddr::BROADCAST, all[0].mac());
    let marker = frames::marker(MacAddr::BROADCAST, all[0].mac());
    let mut raw = Raw::open(&all[0]);
    raw.send(&frame);
    raw.send(&marker);
    for sniffer in &sniffers {
        assert_eq!(sniffer.until(&marker), slice::from_ref(&frame));
    }
    drop(sniffers);
    lab.finish();
}

#[test]
fn a_broadcast_reaches_every_other_port_once() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let all = lab.join_all("lan", 4);
    let sniffers: Vec<Sniffer> = all.iter().map(Sniffer::start).collect();
    for (from, sender) in all.iter().enumerate() {
        let frame = frames::unique(MacAddr::BROADCAST, sender.mac());
        let marker = frames::marker(MacAddr::BROADCAST, sender.mac());
        let mut raw = Raw::open(sender);
        raw.send(&frame);
        raw.send(&marker);
        for (to, sniffer) in sniffers.iter().enumerate().filter(|(to, _)| *to != from) {
            assert_eq!(sniffer.count_until(&frame, &marker), 1, "{from} to {to}");
        }
    }
    drop(sniffers);
    lab.finish();
}

#[test]
fn unicast_to_a_learned_station_is_seen_by_no_third_port() {
    let lab = Lab::start();
    lab.network("lan", &[]);
    let all = lab.join_all("lan", 4);
    let [a, b, ..] = &all[..] else { unreachable!() };
    // Both are learned.
    icmp::answers(a, &[b.ip4()]);
    let sniffers: Vec<Sniffer> = all.iter().map(Sniffer::start).collect();
    let frame = frames::unique(b.mac(), a.mac());
    let marker = frames::marker(MacAddr::BROADCAST, a.mac());
    let mut raw = Raw::open(a);
    raw.send(&frame);
    raw.send(&marker);
    assert_eq!(sniffers[1].until(&marker), slice::from_ref(&frame));
    for third in &sniffers[2..] {
        assert_eq!(third.until(&marker), [] as [Vec<u8>; 0]);
    }
    // Nor does it come back to where it came from: b has the last word.
    let last = frames::marker(MacAddr::BROADCAST, b.mac());
    Raw::open(b).send(&last);
    assert_eq!(sniffers[0].until(&last), [] as [Vec<u8>; 0]);
    drop(sniffers);
    lab.finish();
}
