//! Captures of what the switch puts on the underlay, by kind of what is inside: each is read by `tshark`,
//! which finds nothing malformed and every checksum right, outer and inner.

use super::{CABLE, label, send_and_settle};
use vswitch_tests::{
    Capture, Hosts, Overlay, Sandbox, Sniffer, Underlay,
    capture::{Packet, Trace},
    frames::{self, Raw},
    icmp, transfer, udp,
};
use vswitch_wire::MacAddr;

/// Two hosts on a cable and a container on each, which have never spoken.
fn strangers(overlay: &Overlay) -> (Hosts, Sandbox, Sandbox) {
    let hosts = Hosts::start(Underlay::wire_with(2, &CABLE), 2);
    hosts.mesh(overlay);
    let (a, b) = (hosts.join(0, overlay, 10), hosts.join(1, overlay, 11));
    (hosts, a, b)
}

/// Over each family of the underlay: what `act` makes pass the first host's cable.
fn golden(act: impl Fn(&Sandbox, &Sandbox), judge: impl Fn(&Trace)) {
    for over_ipv6 in [false, true] {
        // Questions are to be seen on the cable, also those whose answer is known.
        let overlay = Overlay {
            over_ipv6,
            ..Overlay::named("blue").with("suppress=off")
        };
        let (hosts, a, b) = strangers(&overlay);
        let capture = Capture::start(hosts.site(0));
        act(&a, &b);
        judge(&capture.finish());
        hosts.finish();
    }
}

/// The packets of a kind, in a tunnel.
#[track_caller]
fn tunnelled(trace: &Trace, kind: &str, fields: &[&str]) -> Vec<Packet> {
    trace.decode(4789, &format!("vxlan.vni == 42 && {kind}"), fields)
}

/// The values of a field, over all packets.
fn values<'a>(packets: &'a [Packet], field: &str) -> Vec<&'a str> {
    let all = packets.iter().flat_map(|packet| packet.all(field));
    all.map(String::as_str).collect()
}

#[test]
fn arp_and_icmp() {
    let act = |a: &Sandbox, b: &Sandbox| icmp::answers(a, &[b.ip4()]);
    golden(act, |trace| {
        let arp = tunnelled(trace, "arp", &["arp.opcode"]);
        let opcodes = values(&arp, "arp.opcode");
        assert!(
            opcodes.contains(&"1") && opcodes.contains(&"2"),
            "{opcodes:?}"
        );
        let echo = tunnelled(trace, "icmp", &["icmp.type", "icmp.checksum.status"]);
        assert_eq!(values(&echo, "icmp.type"), ["8", "0"]);
        assert_eq!(values(&echo, "icmp.checksum.status"), ["1", "1"]);
    });
}

#[test]
fn neighbour_discovery() {
    let act = |a: &Sandbox, b: &Sandbox| icmp::answers(a, &[b.ip6()]);
    golden(act, |trace| {
        let fields = ["icmpv6.type", "icmpv6.checksum.status"];
        let packets = tunnelled(trace, "icmpv6", &fields);
        let types = values(&packets, "icmpv6.type");
        // Solicitation, advertisement, request, answer.
        for wanted in ["135", "136", "128", "129"] {
            assert!(types.contains(&wanted), "{types:?}");
        }
        let sums = values(&packets, "icmpv6.checksum.status");
        assert!(sums.iter().all(|sum| *sum == "1"), "{sums:?}");
    });
}

#[test]
fn tcp_superframes_are_cut_right() {
    const BYTES: u64 = 4 << 20;
    let act = |a: &Sandbox, b: &Sandbox| {
        transfer::tcp(a, b, b.ip4(), BYTES);
        transfer::tcp(a, b, b.ip6(), BYTES);
    };
    golden(act, |trace| {
        let fields = ["tcp.len", "tcp.checksum.status", "tcp.flags", "frame.len"];
        let packets = tunnelled(trace, "tcp", &fields);
        let sums = values(&packets, "tcp.checksum.status");
        assert!(sums.iter().all(|sum| *sum == "1"));
        let sent: u64 = packets.iter().map(|packet| packet.number("tcp.len")).sum();
        assert!(sent >= 2 * BYTES, "{sent}");
        // Nothing is longer than the cable takes.
        let longest = packets
            .iter()
            .map(|packet| packet.outer_number("frame.len"))
            .max();
        assert_eq!(longest, Some(1514));
    });
}

#[test]
fn udp_datagrams_and_superframes() {
    let act = |a: &Sandbox, b: &Sandbox| {
        for address in [b.ip4(), b.ip6()] {
            icmp::answers(a, &[address]);
            udp::checked(a, b, address, 64, 1300);
            udp::segmented(a, b, address);
            // In fragments, which are the inner hosts' own. One at a time: fragments have no ports, so they
            // take another way through the underlay than the whole datagrams of their flow.
            for _ in 0..16 {
                udp::checked(a, b, address, 1, 8000);
            }
        }
    };
    golden(act, |trace| {
        let fields = ["udp.checksum.status", "udp.length"];
        let packets = tunnelled(trace, "udp", &fields);
        assert!(packets.len() > 200, "{}", packets.len());
        // The outer header's may be absent (RFC 7348 section 5), but not wrong; the inner one is right.
        for packet in packets
            .iter()
            .filter(|packet| packet.all("udp.length").len() == 2)
        {
            assert_eq!(
                packet.all("udp.checksum.status").last().map(String::as_str),
                Some("1")
            );
        }
    });
}

#[test]
fn a_vlan_tag_is_taken_off() {
    // RFC 7348 section 6.1: an endpoint SHOULD strip the tag of what it encapsulates.
    for over_ipv6 in [false, true] {
        let overlay = Overlay {
            over_ipv6,
            ..Overlay::named("blue")
        };
        let (hosts, a, b) = strangers(&overlay);
        let capture = Capture::start(hosts.site(0));
        let sniffer = Sniffer::start(&b);
        let text = frames::label();
        let inner = [&frames::TEST_TYPE.to_be_bytes()[..], text.as_bytes()].concat();
        let tagged = [&[0, 5][..], &inner].concat();
        let mut raw = Raw::open(&a);
        raw.send(&frames::frame(MacAddr::BROADCAST, a.mac(), 0x8100, &tagged));
        let after = send_and_settle(&a, a.mac(), MacAddr::BROADCAST, &[&sniffer]);
        let trace = capture.finish();
        assert_eq!(tunnelled(&trace, "vlan", &["vlan.id"]), []);
        assert_eq!(trace.count(None, None, label(&after)), 1);
        assert_eq!(
            trace.count(None, None, &text),
            1,
            "with its tag off, it goes"
        );
        sniffer.expect("the frame without its tag", |frame| {
            frames::is_test(frame) && label(frame) == text
        });
        drop(sniffer);
        hosts.finish();
    }
}
