//! Bulk traffic: it completes, nothing of it is wrong, and with offload nothing is sent twice.
//!
//! No speed is asserted here; that is for `vswitch-perf`. Each test has the machine alone.

use std::net::IpAddr;
use vswitch_tests::{
    Lab, Sandbox, Setup, icmp,
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

/// Two sandboxes of which only the first has offload.
fn mixed_lab(options: &[&str]) -> (Lab, Sandbox, Sandbox) {
    let lab = Lab::start_with(&Setup {
        alone: true,
        ..Setup::default()
    });
    lab.network("lan", options);
    let (with, without) = (lab.join("lan", "with"), lab.sandbox("without"));
    let nic = lab.connect("lan", "without", &["-o", "offload=off"]);
    assert_ne!(lab.port(with.port())["offload"], "off");
    assert_eq!(lab.port(nic.port)["offload"], "off");
    (lab, with, without.with(nic))
}

/// How often a measurement that must be without retransmits may be repeated: the promise is for an idle
/// machine, and nobody knows what else runs on this one. A switch that loses frames loses them each time.
const TRIES: usize = 5;

/// TCP and UDP, both directions, 1 and 8 flows. Where `clean`, TCP sends nothing twice.
#[track_caller]
fn all_runs(what: &str, a: &Sandbox, b: &Sandbox, clean: bool) {
    for udp in [None, Some(50_000_000)] {
        for flows in [1, 8] {
            for (reverse, address) in [(false, b.ip4()), (true, b.ip6())] {
                let run = Run {
                    udp,
                    flows,
                    reverse,
                    seconds: 1,
                };
                println!("{what}: {run:?}");
                let measure = || measured(a, b, address, run);
                if clean {
                    let zero = (0..TRIES).any(|_| measure() == 0);
                    assert!(zero, "{what}: {run:?}: retransmits each time");
                } else {
                    measure();
                }
            }
        }
    }
}

/// Runs it, and gives the retransmits.
#[track_caller]
fn measured(a: &Sandbox, b: &Sandbox, address: IpAddr, run: Run) -> u64 {
    let figures = iperf::run(a, b, address, run);
    println!("  {figures:?}");
    assert!(figures.bytes > 1_000_000, "{run:?}: {figures:?}");
    figures.retransmits
}

#[test]
fn offload_on_both_sides_completes_without_a_retransmit() {
    for mtu in ["mtu=1500", "mtu=9000"] {
        let (lab, a, b) = lab(&[mtu]);
        all_runs(mtu, &a, &b, true);
        lab.finish();
    }
}

#[test]
fn offload_on_neither_side_completes() {
    for mtu in ["mtu=1500", "mtu=9000"] {
        let (lab, a, b) = lab(&[mtu, "offload=off"]);
        all_runs(mtu, &a, &b, false);
        lab.finish();
    }
}

#[test]
fn offload_on_one_side_completes() {
    // All runs go in both directions.
    for mtu in ["mtu=1500", "mtu=9000"] {
        let (lab, with, without) = mixed_lab(&[mtu]);
        all_runs(mtu, &with, &without, false);
        lab.finish();
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
    let (lab, with, without) = mixed_lab(&[]);
    all_transfers(&with, &without);
    all_transfers(&without, &with);
    lab.finish();
}

#[test]
fn superframes_of_udp_are_left_whole_or_cut_right() {
    let (lab, with, without) = mixed_lab(&[]);
    let also_with = lab.join("lan", "also");
    let uso = lab.port(with.port())["offload"]
        .to_string()
        .contains("uso4");
    let received = || lab.port(with.port())["rx"]["frames"].as_u64().unwrap_or(0);
    for to in [&also_with, &without] {
        for address in [to.ip4(), to.ip6()] {
            // Who is asked for its address meanwhile may get the first datagrams out of order.
            icmp::answers(&with, &[address]);
            let before = received();
            let datagrams = udp::segmented(&with, to, address);
            let frames = received() - before;
            // Few frames stand for many datagrams, where the kernel can do it (Linux 6.2).
            let whole = frames < u64::from(datagrams) / 2;
            assert_eq!(whole, uso, "{frames} frames, {datagrams} datagrams");
        }
    }
    lab.finish();
}
