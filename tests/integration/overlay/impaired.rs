//! A bad underlay: what is damaged on the way is never delivered, what is lost is not made up, and the books
//! of every host close (which the end of a host checks).

use super::BAD;
use std::{collections::BTreeSet, net::IpAddr};
use vswitch_tests::{
    Hosts, Overlay, Sandbox, Sniffer, Underlay,
    deadline::SOON,
    eventually,
    frames::{self, Raw, TEST_TYPE},
    icmp,
    pattern::Pattern,
    transfer, udp,
    underlay::{Impairment, Tally},
};

/// Two hosts on a relay that is still good, and a container on each.
fn pair(overlay: &Overlay) -> (Hosts, [Sandbox; 2]) {
    let hosts = Hosts::start(Underlay::relay(2, Impairment::default()), 2);
    hosts.mesh(overlay);
    let containers = [hosts.join(0, overlay, 10), hosts.join(1, overlay, 11)];
    icmp::all_pairs(&containers);
    (hosts, containers)
}

fn families() -> [Overlay; 2] {
    [false, true].map(|over_ipv6| Overlay {
        over_ipv6,
        ..Overlay::named("blue")
    })
}

#[track_caller]
fn everything_happened(tally: Tally) {
    for share in [tally.lost, tally.duplicated, tally.reordered, tally.flipped] {
        assert!(share > 0, "{tally:?}");
    }
}

/// Frames that nothing but the tunnel protects, each different from all others.
fn unprotected(from: &Sandbox, to: &Sandbox, count: u64) -> Vec<Vec<u8>> {
    let payload = |number: u64| {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.resize(200, 0);
        Pattern::new(number).fill(&mut bytes[8..]);
        bytes
    };
    (0..count)
        .map(|number| frames::frame(to.mac(), from.mac(), TEST_TYPE, &payload(number)))
        .collect()
}

#[test]
fn no_damaged_frame_is_delivered() {
    const COUNT: usize = 3000;
    for overlay in families() {
        let (hosts, [a, b]) = pair(&overlay);
        for (from, to) in [(&a, &b), (&b, &a)] {
            hosts.underlay().impair(BAD);
            let sniffer = Sniffer::start(to);
            let sent = unprotected(from, to, COUNT as u64);
            let arrived = || {
                let all = sniffer.so_far().into_iter();
                all.filter(|frame| frames::is_test(frame))
                    .collect::<Vec<_>>()
            };
            let mut raw = Raw::open(from);
            for (number, frame) in (1..).zip(&sent) {
                raw.send(frame);
                // So many at a time find room in every queue. One of twenty is lost, one of a hundred damaged.
                if number % 100 == 0 {
                    eventually(SOON, "most arrive", || {
                        (arrived().len() > number * 85 / 100).then_some(())
                    });
                }
            }
            let known: BTreeSet<&Vec<u8>> = sent.iter().collect();
            let damaged = arrived()
                .iter()
                .filter(|frame| !known.contains(frame))
                .count();
            assert_eq!(damaged, 0);
            drop(sniffer);
        }
        everything_happened(hosts.underlay().tally());
        // Nothing was learned that is not there.
        for (lab, far) in hosts.labs().iter().zip([&b, &a]) {
            for (mac, _) in lab.remotes("blue") {
                assert_eq!(mac, far.mac().to_string());
            }
        }
        hosts.finish();
    }
}

#[test]
fn datagrams_arrive_whole_or_not_at_all() {
    const COUNT: u32 = 2000;
    let (hosts, [a, b]) = pair(&Overlay::named("blue"));
    hosts.underlay().impair(BAD);
    for (from, to) in [(&a, &b), (&b, &a)] {
        for address in [to.ip4(), to.ip6()] {
            let arrivals = udp::lossy(from, to, address, COUNT, 1300);
            println!("{arrivals:?}");
            assert!(arrivals.different > COUNT * 8 / 10, "{arrivals:?}");
            assert!(arrivals.different < COUNT, "{arrivals:?}");
            assert!(
                arrivals.all > arrivals.different && arrivals.overtaken > 0,
                "{arrivals:?}"
            );
        }
    }
    everything_happened(hosts.underlay().tally());
    hosts.finish();
}

#[test]
fn streams_arrive_whole() {
    for overlay in families() {
        let (hosts, [a, b]) = pair(&overlay);
        hosts.underlay().impair(BAD);
        for (from, to) in [(&a, &b), (&b, &a)] {
            let addresses: [IpAddr; 2] = [to.ip4(), to.ip6()];
            for address in addresses {
                transfer::tcp(from, to, address, 2 << 20);
            }
        }
        let tally = hosts.underlay().tally();
        println!("{tally:?}");
        everything_happened(tally);
        hosts.finish();
    }
}

#[test]
fn delay_is_no_loss() {
    let (hosts, [a, b]) = pair(&Overlay::named("blue"));
    hosts.underlay().impair(Impairment {
        delay: std::time::Duration::from_millis(20),
        ..Impairment::default()
    });
    icmp::all_pairs(&[a.clone(), b.clone()]);
    transfer::tcp(&a, &b, b.ip4(), 4 << 20);
    let tally = hosts.underlay().tally();
    assert_eq!((tally.lost, tally.flipped), (0, 0));
    hosts.finish();
}
