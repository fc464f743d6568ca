//! Offload through the switch: what a port takes over passes untouched, all else is done for it.

use vswitch_wire::{MAX_SEGMENTS, MacAddr, OffloadSet};

use super::bench::{Bench, Mood};
use crate::testing::Shape;
use crate::testing::{frame, mac, tagged};

const CSUM: OffloadSet = OffloadSet::CSUM;
const TSO4: OffloadSet = OffloadSet::TSO4;

/// Every combination of offloads that a kernel may grant, and some that none would.
fn ports() -> Vec<OffloadSet> {
    let tso = CSUM.union(TSO4).union(OffloadSet::TSO6);
    let uso = OffloadSet::USO4.union(OffloadSet::USO6);
    vec![
        OffloadSet::NONE,
        CSUM,
        TSO4,
        CSUM.union(TSO4),
        tso,
        tso.union(OffloadSet::ECN),
        tso.union(uso),
        CSUM.union(uso),
        CSUM.union(OffloadSet::USO4),
        OffloadSet::ALL,
    ]
}

/// What port 1 must have got of one frame of this shape: the frame itself, or its segments.
fn check(bench: &Bench, number: u16, shape: &Shape, sent: &[u8], mtu: usize) {
    let taken = bench.take(number);
    if bench.view(number).offload.contains(shape.required()) {
        assert_eq!(taken, [sent], "untouched");
        return;
    }
    let size = shape.gso_size.map_or(usize::MAX, usize::from);
    assert_eq!(taken.len(), shape.payload.div_ceil(size).max(1));
    let mut payload = Vec::new();
    for (index, segment) in taken.iter().enumerate() {
        assert!(segment.len() <= 12 + shape.l3() + mtu);
        payload.extend(shape.verify(segment, index, index + 1 == taken.len()));
    }
    assert_eq!(payload, shape.bytes_of_payload());
}

fn through_every_port(shapes: &[Shape]) {
    for offload in ports() {
        let mut bench = Bench::with_ports(1);
        bench.add(1, 0, 1500, offload);
        for (count, shape) in (1..).zip(shapes) {
            let sent = shape.build(mac(9), mac(1));
            bench.send(0, sent.clone());
            check(&bench, 1, shape, &sent, 1500);
            let tally = bench.tally(1);
            assert_eq!(tally.tx.frames, count, "a superframe counts once");
            assert_eq!(tally.tx.bytes, bench.tally(0).rx.bytes);
            assert_eq!(bench.totals().residual(), 0);
        }
    }
}

#[test]
fn superframes_of_every_shape() {
    through_every_port(&Shape::all(Some(1400), 5_000));
    through_every_port(&Shape::all(Some(1000), 9_000)); // no rest
}

#[test]
fn unfinished_checksums_of_every_shape() {
    through_every_port(&Shape::all(None, 1_000));
    through_every_port(&Shape::all(None, 1_001));
    through_every_port(&Shape::all(None, 0));
}

#[test]
fn the_longest_superframe() {
    for v6 in [false, true] {
        for tcp in [false, true] {
            let mut shape = Shape {
                v6,
                tcp,
                tags: 2,
                payload: 0,
                ..Shape::TCP4
            };
            let ip = if v6 { 40 } else { 0 };
            shape.payload = 65_535 + ip - (shape.headers() - shape.l3());
            through_every_port(&[shape]);
        }
    }
}

#[test]
fn the_most_segments() {
    let shape = Shape {
        gso_size: Some(35),
        payload: 35 * MAX_SEGMENTS - 3,
        ..Shape::TCP4
    };
    through_every_port(&[shape]);
    let more = Shape {
        payload: 35 * MAX_SEGMENTS + 1,
        ..shape
    };
    let mut bench = Bench::with_ports(2);
    bench.send(0, more.build(mac(9), mac(1)));
    assert_eq!(bench.tally(0).drops["bad_offload"], 1);
}

#[test]
fn one_superframe_flooded_to_a_mix_of_ports() {
    for shape in Shape::all(Some(1400), 20_000) {
        let mut bench = Bench::with_ports(1);
        let last = u16::try_from(ports().len()).unwrap();
        for (number, offload) in (1..).zip(ports()) {
            bench.add(number, 0, 1500, offload);
        }
        bench.add(20, 0, 9000, OffloadSet::NONE);
        bench.add(21, 0, 576, OffloadSet::NONE); // too small
        bench.add(22, 0, 1500, OffloadSet::NONE);
        bench.set_mood(22, Mood::Down);
        let sent = shape.build(MacAddr::BROADCAST, mac(1));
        bench.send(0, sent.clone());
        for number in (1..=last).chain([20]) {
            check(&bench, number, &shape, &sent, 1500);
        }
        assert!(bench.take(21).is_empty());
        assert_eq!(bench.tally(21).drops["too_long"], 1);
        assert_eq!(bench.tally(22).drops["port_down"], 1);
        let totals = bench.totals();
        assert_eq!(totals.tx.frames, u64::from(last) + 1);
        assert_eq!(totals.residual(), 0);
    }
}

#[test]
fn segments_that_are_longer_than_the_mtu_are_dropped_whole() {
    for (gso_size, mtu, passes) in [
        (1460, 1500, true),
        (1461, 1500, false),
        (60_000, 1500, false),
    ] {
        let shape = Shape {
            gso_size: Some(gso_size),
            payload: 64_000,
            ..Shape::TCP4
        };
        let mut bench = Bench::with_ports(1);
        bench.add(1, 0, mtu, OffloadSet::NONE);
        bench.send(0, shape.build(mac(9), mac(1)));
        assert_eq!(!bench.take(1).is_empty(), passes, "{gso_size}");
        let dropped = bench.tally(1).drops.get("too_long").copied();
        assert_eq!(dropped.unwrap_or_default(), u64::from(!passes));
        assert_eq!(bench.totals().residual(), 0);
    }
}

#[test]
fn what_counts_for_the_mtu_is_the_segment_and_not_the_size_announced() {
    // Less than one segment, which the offload header may announce as any size.
    let shape = Shape {
        gso_size: Some(9_000),
        payload: 700,
        ..Shape::TCP4
    };
    let mut bench = Bench::with_ports(1);
    bench.add(1, 0, 1500, OffloadSet::NONE);
    let sent = shape.build(mac(9), mac(1));
    bench.send(0, sent.clone());
    check(&bench, 1, &shape, &sent, 1500);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_frame_without_its_checksum_obeys_the_mtu() {
    for (payload, passes) in [(1460, true), (1461, false)] {
        for tags in 0..=2 {
            for offload in [OffloadSet::NONE, OffloadSet::ALL] {
                let shape = Shape {
                    gso_size: None,
                    payload,
                    tags,
                    ..Shape::TCP4
                };
                let mut bench = Bench::with_ports(1);
                bench.add(1, 0, 1500, offload);
                bench.send(0, shape.build(mac(9), mac(1)));
                assert_eq!(bench.take(1).len(), usize::from(passes));
                assert_eq!(bench.totals().residual(), 0);
            }
        }
    }
}

#[test]
fn frames_that_need_help_keep_their_place() {
    let mut bench = Bench::with_ports(1);
    bench.add(1, 0, 1500, OffloadSet::NONE);
    let superframe = Shape {
        payload: 3_000,
        ..Shape::TCP4
    };
    let partial = Shape {
        gso_size: None,
        payload: 500,
        ..Shape::TCP4
    };
    let batch = [
        tagged(mac(9), mac(1), &[], 100),
        superframe.build(mac(9), mac(1)),
        tagged(mac(9), mac(1), &[], 101),
        tagged(mac(9), mac(1), &[], 102),
        partial.build(mac(9), mac(1)),
        tagged(mac(9), mac(1), &[], 1501), // too long
        tagged(mac(9), mac(1), &[], 103),
    ];
    bench.receive(0, &batch, super::super::Tick::default());
    let lengths: Vec<_> = (bench.take(1).iter())
        .map(|frame| frame.len() - 26)
        .collect();
    assert_eq!(lengths, [100, 1040, 1040, 1040, 101, 102, 540, 103]);
    assert_eq!(bench.tally(1).tx.frames, 6);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_superframe_of_which_a_part_is_refused_counts_as_dropped_once() {
    for (mood, label) in [
        (Mood::Room(3), "receiver_full"),
        (Mood::Refuses, "refused"),
        (Mood::Down, "port_down"),
        (Mood::Gone, "port_gone"),
    ] {
        let mut bench = Bench::with_ports(1);
        bench.add(1, 0, 1500, OffloadSet::NONE);
        bench.set_mood(1, mood);
        bench.send(0, Shape::TCP4.build(mac(9), mac(1)));
        let tally = bench.tally(1);
        assert_eq!((tally.tx.frames, tally.tx.bytes), (0, 0));
        assert_eq!(tally.drops.into_iter().collect::<Vec<_>>(), [(label, 1)]);
        assert_eq!(bench.totals().residual(), 0);
    }
}

#[test]
fn a_superframe_to_the_switch_is_consumed_as_one() {
    let mut bench = Bench::with_ports(1);
    bench.add(1, 0, 1500, OffloadSet::NONE);
    bench.send(1, frame(mac(8), mac(2)));
    let now = super::super::Tick::default();
    (bench.fdb(0))
        .add(
            mac(9),
            None,
            crate::port::PortId::new(0),
            super::super::EntryKind::Local,
            now,
        )
        .unwrap();
    bench.send(1, Shape::TCP4.build(mac(9), mac(2)));
    assert_eq!(bench.tally(1).consumed, 1);
    assert_eq!(bench.totals().residual(), 0);
}
