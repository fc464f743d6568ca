//! VLAN sub-interfaces (802.1Q) by option alone: `parent=eth0.10`.

use super::{create, join};
use vswitch_tests::{
    Capture, Lab, Lan, Observer, Sandbox, Sniffer,
    frames::{self, Raw},
    icmp,
    lan::trunk::{Trunk, tagged},
    observer::Copies,
    transfer, udp,
};
use vswitch_wire::MacAddr;

const TEN: u8 = 30;
const TWENTY: u8 = 31;
const UNTAGGED: u8 = 32;

/// A station on each of two VLANs, a child on each and one on none.
fn scene() -> (Lab, Trunk, Lan, [Sandbox; 3]) {
    let lan = Lan::start();
    let trunk = Trunk::start(&lan, &[(10, TEN, 11), (20, TWENTY, 11)]);
    let lab = lan.lab();
    let children = [
        (TEN, "parent=eth0.10"),
        (TWENTY, "parent=eth0.20"),
        (UNTAGGED, "parent=eth0"),
    ];
    let children = children.map(|(subnet, parent)| {
        let name = format!("net{subnet}");
        create(&lab, &name, subnet, &[parent]);
        join(&lab, &name, &format!("c{subnet}"), subnet, 100)
    });
    (lab, trunk, lan, children)
}

#[test]
fn each_vlan_reaches_its_own_with_tags_and_right_checksums() {
    let (lab, trunk, _lan, [ten, twenty, _]) = scene();
    let capture = Capture::start(trunk.port());
    for (child, station) in [&ten, &twenty].into_iter().zip(trunk.stations()) {
        icmp::all_pairs(&[child.clone(), station.clone()]);
        for (from, to) in [(child, station), (station, child)] {
            for address in [to.ip4(), to.ip6()] {
                transfer::tcp(from, to, address, 2 << 20);
                udp::checked(from, to, address, 64, 4000);
                let _all = udp::segmented(from, to, address);
            }
        }
    }
    let trace = capture.finish();
    for (child, vid) in [(&ten, 10), (&twenty, 20)] {
        let mac = child.mac();
        let packets = trace.decode(
            4789,
            &format!("eth.src == {mac} || eth.dst == {mac}"),
            &["vlan.id"],
        );
        assert!(packets.len() > 1000, "{}", packets.len());
        for packet in &packets {
            assert_eq!(packet.number("vlan.id"), vid, "{packet:?}");
        }
    }
    lab.finish();
}

#[test]
fn a_long_stream_goes_through_a_tag_both_ways() {
    let (lab, trunk, _lan, [ten, ..]) = scene();
    let station = &trunk.stations()[0];
    for (from, to) in [(&ten, station), (station, &ten)] {
        transfer::tcp(from, to, to.ip4(), 128 << 20);
    }
    lab.finish();
}

#[test]
fn a_frame_with_another_tag_never_reaches_a_child() {
    let (lab, _trunk, lan, children) = scene();
    let observers = children.each_ref().map(Observer::start);
    let sniffers = children.each_ref().map(Sniffer::start);
    let station = lan.station(0);
    let mut raw = Raw::open(station);
    // TCI, and to which of the children it belongs. A priority tag (VID 0) is none (802.1Q clause 6.9.1); 4095 must
    // not be used (table 9-2).
    let cases = [
        (Some(10), [true, false, false]),
        (Some(20), [false, true, false]),
        (Some(0xe00a), [true, false, false]),
        (Some(11), [false; 3]),
        (Some(4095), [false; 3]),
        (Some(0), [false, false, true]),
        (Some(0xa000), [false, false, true]),
        (None, [false, false, true]),
    ];
    for to in [None, Some(0), Some(1), Some(2)] {
        for (tci, belongs) in cases {
            let dst = to.map_or(MacAddr::BROADCAST, |index: usize| children[index].mac());
            let frame = frames::unique(dst, station.mac());
            let send = |raw: &mut Raw, tci: Option<u16>, frame: &[u8]| match tci {
                Some(tci) => raw.send(&tagged(frame, tci)),
                None => raw.send(frame),
            };
            send(&mut raw, tci, &frame);
            for (index, fence) in [Some(10), Some(20), None].into_iter().enumerate() {
                let marker = frames::unique(MacAddr::BROADCAST, station.mac());
                send(&mut raw, fence, &marker);
                observers[index].expect(&marker);
                sniffers[index].expect_frame(&marker);
                let expected = match to {
                    Some(to) if to != index => Copies::NONE,
                    _ if belongs[index] => Copies::ONE,
                    _ => Copies::NONE,
                };
                let what = format!("TCI {tci:x?} to {to:?} at {index}");
                assert_eq!(observers[index].copies(&frame), expected, "{what}");
                // Nor does it come in any other form.
                let label = &frame[14..29];
                let seen = sniffers[index].so_far().into_iter();
                let seen = seen.filter(|seen| seen.windows(label.len()).any(|part| part == label));
                assert_eq!(seen.count(), usize::from(expected == Copies::ONE), "{what}");
            }
        }
    }
    drop((observers, sniffers));
    lab.finish();
}

#[test]
fn the_lan_never_sees_a_child_of_a_vlan_without_its_tag() {
    let (lab, trunk, lan, [ten, _, untagged]) = scene();
    let sniffer = Sniffer::start(lan.station(0));
    let capture = Capture::start(trunk.port());
    let frame = frames::unique(MacAddr::BROADCAST, ten.mac());
    Raw::open(&ten).send(&frame);
    sniffer.expect_frame(&tagged(&frame, 10));
    let other = frames::unique(MacAddr::BROADCAST, untagged.mac());
    Raw::open(&untagged).send(&other);
    sniffer.expect_frame(&other);
    assert!(!sniffer.so_far().contains(&frame));
    let trace = capture.finish();
    assert!(trace.frames().any(|seen| *seen == tagged(&frame, 10)));
    assert!(trace.frames().any(|seen| *seen == other));
    drop(sniffer);
    lab.finish();
}
