//! The switch and the kernel's own tunnel endpoint, one on each side: both directions, both families of the
//! underlay, both ports, with what `tshark` says of every packet.
//!
//! The cable between them has no offload: on one with offload the kernel leaves inner checksums undone for a
//! device that is not there (see [`Wire`](vswitch_tests::underlay::Wire)). Both containers have theirs.

use super::{CABLE, send_and_settle, times};
use std::net::IpAddr;
use vswitch_tests::{
    Capture, Hosts, KernelVtep, Overlay, Sandbox, Sniffer, Underlay,
    capture::{Packet, Selection, Trace},
    icmp,
    iperf::{self, Run},
    kernel_vtep::Tunnel,
    transfer, udp,
};
use vswitch_wire::MacAddr;

/// The size of the checked transfers.
const GIB: u64 = 1 << 30;

/// A host with the switch, a site with the kernel's endpoint, and a container on each.
struct Mixed {
    hosts: Hosts,
    overlay: Overlay,
    kernel: KernelVtep,
    ours: Sandbox,
    theirs: Sandbox,
}

/// The four underlays: IPv4 and IPv6, the port of the RFC and the kernel's old one.
fn underlays() -> [Overlay; 4] {
    [(false, 4789), (false, 8472), (true, 4789), (true, 8472)].map(|(over_ipv6, port)| Overlay {
        over_ipv6,
        port,
        ..Overlay::named("blue")
    })
}

fn mixed(overlay: &Overlay, alone: bool, learning: bool) -> Mixed {
    let underlay = Underlay::wire_with(2, &CABLE);
    let hosts = if alone {
        Hosts::alone(underlay, 1)
    } else {
        Hosts::start(underlay, 1)
    };
    hosts.mesh(overlay);
    let kernel = kernel_at(&hosts, 1, overlay, learning, &[0]);
    let ours = hosts.join(0, overlay, 10);
    let theirs = kernel.join("theirs", overlay.subnet, 20);
    Mixed {
        hosts,
        overlay: overlay.clone(),
        kernel,
        ours,
        theirs,
    }
}

/// The kernel's endpoint on a site.
fn kernel_at(
    hosts: &Hosts,
    site: usize,
    overlay: &Overlay,
    learning: bool,
    peers: &[usize],
) -> KernelVtep {
    let address = |site: usize| overlay.address(hosts.site(site));
    let peers: Vec<IpAddr> = peers.iter().map(|peer| address(*peer)).collect();
    let tunnel = Tunnel {
        vni: overlay.vni,
        port: overlay.port,
        learning,
        ..Tunnel::new(address(site), &peers)
    };
    KernelVtep::start(hosts.site(site), &tunnel)
}

impl Mixed {
    fn both(&self) -> [Sandbox; 2] {
        [self.ours.clone(), self.theirs.clone()]
    }

    /// What was captured is what RFC 7348 section 5 wants, from the switch in all it says.
    #[track_caller]
    fn judge(&self, trace: &Trace) {
        let packets = trace.decode(self.overlay.port, "vxlan", &FIELDS);
        let (own, far) = (self.address(0), self.address(1));
        let (sent, received): (Vec<&Packet>, Vec<&Packet>) =
            (packets.iter()).partition(|packet| packet.outer(self.source()) == own.to_string());
        assert!(sent.len() > 10 && received.len() > 10, "{}", packets.len());
        for packet in &received {
            assert_eq!(packet.outer(self.source()), far.to_string());
            assert_eq!(packet.number("vxlan.vni"), 42);
        }
        for packet in &sent {
            self.judge_own(packet);
        }
    }

    #[track_caller]
    fn judge_own(&self, packet: &Packet) {
        assert_eq!(packet.number("vxlan.vni"), 42);
        assert_eq!(packet.number("vxlan.flags"), 0x0800, "{packet:?}");
        assert_eq!(packet.number("vxlan.gbp"), 0, "{packet:?}");
        assert_eq!(packet.number("vxlan.reserved8"), 0, "{packet:?}");
        let port = packet.outer_number("udp.dstport");
        assert_eq!(port, u64::from(self.overlay.port));
        let source = packet.outer_number("udp.srcport");
        assert!((49152..=65535).contains(&source), "{packet:?}");
        if !self.overlay.over_ipv6 {
            assert_eq!(packet.outer("ip.flags.df"), "1", "{packet:?}");
            assert_eq!(packet.outer("ip.flags.mf"), "0", "{packet:?}");
        }
    }

    fn address(&self, site: usize) -> IpAddr {
        self.overlay.address(self.hosts.site(site))
    }

    /// The field with the outer source address.
    fn source(&self) -> &'static str {
        if self.overlay.over_ipv6 {
            "ipv6.src"
        } else {
            "ip.src"
        }
    }

    fn finish(self) {
        self.hosts.finish();
    }
}

const FIELDS: [&str; 10] = [
    "ip.src",
    "ipv6.src",
    "ip.flags.df",
    "ip.flags.mf",
    "udp.srcport",
    "udp.dstport",
    "vxlan.flags",
    "vxlan.gbp",
    "vxlan.vni",
    "vxlan.reserved8",
];

/// Pings, checked datagrams and checked streams in both directions, the whole of it captured.
#[track_caller]
fn they_understand_each_other(overlay: &Overlay, learning: bool) {
    let mixed = mixed(overlay, false, learning);
    let capture = Capture::start(mixed.hosts.site(0));
    icmp::all_pairs(&mixed.both());
    for (from, to) in [(&mixed.ours, &mixed.theirs), (&mixed.theirs, &mixed.ours)] {
        for address in [to.ip4(), to.ip6()] {
            udp::checked(from, to, address, 64, 1300);
            transfer::tcp(from, to, address, 1 << 20);
        }
    }
    let learned = mixed.kernel.learned(&mixed.ours);
    assert_eq!(learned, learning.then(|| mixed.address(0)));
    let remote = mixed.hosts.lab(0).remote("blue", mixed.theirs.mac());
    assert_eq!(remote, Some(mixed.address(1)));
    mixed.judge(&capture.finish());
    mixed.finish();
}

#[test]
fn with_the_kernel_over_every_underlay() {
    for overlay in underlays() {
        they_understand_each_other(&overlay, true);
    }
}

#[test]
fn with_a_kernel_that_does_not_learn() {
    they_understand_each_other(&Overlay::named("blue"), false);
}

#[test]
fn superframes_of_both_sides_arrive_as_packets() {
    for overlay in underlays() {
        let mixed = mixed(&overlay, false, true);
        let port = mixed.hosts.lab(0).port(mixed.ours.port());
        assert_ne!(port["offload"], "off");
        icmp::all_pairs(&mixed.both());
        let selection = Selection {
            filter: format!("udp port {}", overlay.port),
            limit: Some(4000),
        };
        let capture = Capture::start_with(mixed.hosts.site(0), &selection);
        for (from, to) in [(&mixed.ours, &mixed.theirs), (&mixed.theirs, &mixed.ours)] {
            transfer::tcp(from, to, to.ip4(), 2 << 20);
            transfer::tcp(from, to, to.ip6(), 2 << 20);
        }
        mixed.judge(&capture.finish());
        // Fewer frames than packets: what the container sent was not cut before the tunnel.
        let rx = &mixed.hosts.lab(0).port(mixed.ours.port())["rx"];
        let (frames, bytes) = (rx["frames"].as_u64(), rx["bytes"].as_u64());
        let mean = bytes.unwrap_or(0) / frames.unwrap_or(1).max(1);
        assert!(mean > 1500, "{rx}");
        mixed.finish();
    }
}

#[test]
fn iperf3_in_both_directions() {
    for overlay in underlays() {
        let mixed = mixed(&overlay, true, true);
        icmp::all_pairs(&mixed.both());
        let capture = Capture::start_with(
            mixed.hosts.site(0),
            &Selection {
                filter: String::new(),
                limit: Some(2000),
            },
        );
        for reverse in [false, true] {
            for (flows, address) in [(1, mixed.theirs.ip4()), (8, mixed.theirs.ip6())] {
                let run = Run {
                    udp: None,
                    flows,
                    reverse,
                    seconds: 1,
                };
                let figures = iperf::run(&mixed.ours, &mixed.theirs, address, run);
                println!("port {}, {run:?}: {figures:?}", overlay.port);
                assert!(figures.bytes > 1_000_000, "{run:?}: {figures:?}");
            }
        }
        mixed.judge(&capture.finish());
        mixed.finish();
    }
}

#[test]
fn no_byte_of_a_gib_is_wrong_from_the_switch_to_the_kernel() {
    let mixed = mixed(&Overlay::named("blue"), true, true);
    transfer::tcp(&mixed.ours, &mixed.theirs, mixed.theirs.ip4(), GIB);
    mixed.finish();
}

#[test]
fn no_byte_of_a_gib_is_wrong_from_the_kernel_to_the_switch() {
    let mixed = mixed(&Overlay::named("blue"), true, true);
    transfer::tcp(&mixed.theirs, &mixed.ours, mixed.ours.ip4(), GIB);
    mixed.finish();
}

#[test]
fn head_end_replication_reaches_both_kinds_of_endpoints() {
    let blue = Overlay::named("blue");
    let hosts = Hosts::start(Underlay::wire_with(4, &CABLE), 2);
    hosts.mesh(&blue);
    let kernels = [2, 3].map(|site| {
        let all = 0..hosts.underlay().sites().len();
        let others: Vec<usize> = all.filter(|other| *other != site).collect();
        kernel_at(&hosts, site, &blue, true, &others)
    });
    let containers = [
        hosts.join(0, &blue, 10),
        hosts.join(1, &blue, 11),
        kernels[0].join("c20", blue.subnet, 20),
        kernels[1].join("c21", blue.subnet, 21),
    ];
    // Each is asked for its address by a frame for all.
    icmp::all_pairs(&containers);
    let sniffers = containers.each_ref().map(Sniffer::start);
    for (index, sender) in containers.iter().enumerate() {
        let others = sniffers.iter().enumerate();
        let others: Vec<_> = others.filter(|(other, _)| *other != index).collect();
        let heard: Vec<_> = others.iter().map(|(_, sniffer)| *sniffer).collect();
        let frame = send_and_settle(sender, sender.mac(), MacAddr::BROADCAST, &heard);
        for (other, sniffer) in others {
            assert_eq!(times(sniffer, &frame), 1, "{index} to {other}");
        }
        assert_eq!(times(&sniffers[index], &frame), 0, "back to {index}");
    }
    drop(sniffers);
    hosts.finish();
}

/// RFC 7348 section 5: the outer checksum should be zero, and a packet with zero must be accepted.
#[test]
fn outer_checksums_of_zero_are_accepted() {
    for over_ipv6 in [false, true] {
        let overlay = Overlay {
            over_ipv6,
            ..Overlay::named("blue")
        };
        let hosts = Hosts::start(Underlay::wire_with(2, &CABLE), 1);
        hosts.mesh(&overlay);
        let [near, far] = [0, 1].map(|site| overlay.address(hosts.site(site)));
        let tunnel = Tunnel {
            checksums: false,
            ..Tunnel::new(far, &[near])
        };
        let kernel = KernelVtep::start(hosts.site(1), &tunnel);
        let ours = hosts.join(0, &overlay, 10);
        let theirs = kernel.join("theirs", overlay.subnet, 20);
        let capture = Capture::start(hosts.site(0));
        icmp::all_pairs(&[ours, theirs]);
        let trace = capture.finish();
        if over_ipv6 {
            // RFC 2460 did not allow it, RFC 6935 does for tunnels; `tshark` goes by the older.
            let flaws = trace.flaws(overlay.port);
            assert!(flaws.len() > 3, "{flaws:?}");
            assert!(
                flaws
                    .iter()
                    .all(|flaw| flaw.contains("Illegal checksum value (0)"))
            );
        } else {
            let packets = trace.decode(overlay.port, "vxlan", &["ip.src", "udp.checksum"]);
            let (sent, received): (Vec<&Packet>, Vec<&Packet>) =
                (packets.iter()).partition(|packet| packet.outer("ip.src") == near.to_string());
            assert!(sent.len() > 3 && received.len() > 3, "{}", packets.len());
            assert!((received.iter()).all(|packet| packet.outer("udp.checksum") == "0x0000"));
            assert!((sent.iter()).all(|packet| packet.outer("udp.checksum") != "0x0000"));
        }
        hosts.finish();
    }
}
