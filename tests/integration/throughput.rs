//! Bulk traffic: it completes, nothing of it is wrong, and with offload nothing is sent twice.
//!
//! No speed is asserted here; that is for `vswitch-perf`. Each test has the machine alone.

use std::net::IpAddr;
use vswitch_tests::{
    Lab, Sandbox, Setup,
    bench::Bench,
    iperf::{self, Run},
    transfer, udp,
};

/// The size of the checked transfers.
const GIB: u64 = 1 << 30;

fn lab(options: &[&str]) -> (Lab, Sandbox, Sandbox) {
    let lab = Lab::start_with(&Setup {
        alone: true,
        ..Setup::default()
    });
    lab.network("lan", options);
    let (a, b) = (lab.join("lan", "a"), lab.join("lan", "b"));
    (lab, a, b)
}

/// TCP and UDP, both directions, 1 and 8 flows. Gives the TCP retransmits.
#[track_caller]
fn all_runs(what: &str, a: &Sandbox, b: &Sandbox) -> u64 {
    let mut retransmits = 0;
    for udp in [None, Some(50_000_000)] {
        for flows in [1, 8] {
            for (reverse, address) in [(false, b.ip4()), (true, b.ip6())] {
                let run = Run {
                    udp,
                    flows,
                    reverse,
                    seconds: 1,
                };
                let figures = iperf::run(a, b, address, run);
                println!("{what}: {run:?}: {figures:?}");
                assert!(figures.bytes > 1_000_000, "{run:?}: {figures:?}");
                retransmits += figures.retransmits;
            }
        }
    }
    retransmits
}

#[test]
fn offload_on_both_sides_completes_without_a_retransmit() {
    for mtu in ["mtu=1500", "mtu=9000"] {
        let (lab, a, b) = lab(&[mtu]);
        let retransmits = all_runs(mtu, &a, &b);
        assert_eq!(retransmits, 0, "{mtu}");
        lab.finish();
    }
}

#[test]
fn offload_on_neither_side_completes() {
    for mtu in ["mtu=1500", "mtu=9000"] {
        let (lab, a, b) = lab(&[mtu, "offload=off"]);
        all_runs(mtu, &a, &b);
        lab.finish();
    }
}

#[test]
fn offload_on_one_side_completes() {
    for mtu in [1500, 9000] {
        let bench = Bench::alone(mtu);
        let (with, without) = (bench.join("with", 2, true), bench.join("without", 3, false));
        all_runs("from the side with offload", &with, &without);
        all_runs("from the side without", &without, &with);
        bench.finish();
    }
}

/// A GiB over IPv4, a part of it over IPv6, and datagrams of all sizes, those in fragments included.
#[track_caller]
fn all_transfers(from: &Sandbox, to: &Sandbox) {
    transfer::tcp(from, to, to.ip4(), GIB);
    transfer::tcp(from, to, to.ip6(), GIB / 8);
    let addresses: [IpAddr; 2] = [to.ip4(), to.ip6()];
    for address in addresses {
        udp::checked(from, to, address, 4096, 1400);
        udp::checked(from, to, address, 1024, 8000);
    }
}

#[test]
fn no_byte_is_wrong_with_offload_on_both_sides() {
    let (lab, a, b) = lab(&[]);
    all_transfers(&a, &b);
    lab.finish();
}

#[test]
fn no_byte_is_wrong_without_offload() {
    let (lab, a, b) = lab(&["offload=off"]);
    all_transfers(&a, &b);
    lab.finish();
}

#[test]
fn no_byte_is_wrong_from_offload_to_none_and_back() {
    let bench = Bench::alone(1500);
    let (with, without) = (bench.join("with", 2, true), bench.join("without", 3, false));
    all_transfers(&with, &without);
    all_transfers(&without, &with);
    bench.finish();
}
