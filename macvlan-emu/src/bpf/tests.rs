mod machine;

use proptest::collection::vec;
use proptest::prelude::*;
use vswitch_wire::{Head, MacAddr};

use super::*;
use crate::delivery::Refusal;
use crate::membership::group_mac;
use crate::mode::Mode;
use crate::segment::Child;
use crate::testing::any::{address, station, step};
use crate::testing::{PARENT, child, ethernet, head, mac, segment, source_child, tell, v4, v6};
use machine::{Packet, assert_valid, run};

const LAN: MacAddr = MacAddr::new([2, 0, 0, 9, 9, 9]);

fn vid(number: u16) -> VlanId {
    VlanId::new(number).unwrap()
}

/// The program for the parent itself.
fn untagged(segment: &Segment<u16>) -> Program {
    let program = segment.filter(VlanRule::AllBut(&[]));
    assert_valid(&program);
    program
}

fn packet(dst: MacAddr, src: MacAddr) -> Packet {
    Packet {
        bytes: ethernet(dst, src, 0x0800, &[0; 46]),
        tag: None,
    }
}

fn passes(program: &Program, dst: MacAddr, src: MacAddr) -> bool {
    run(program, &packet(dst, src)).passes
}

/// Read once line by line, and taken by a kernel.
#[test]
fn golden_program_of_one_child() {
    let program = segment(&[Mode::Bridge]).filter(VlanRule::Only(vid(10)));
    assert_valid(&program);
    let text: Vec<String> = program.instructions().iter().map(machine::text).collect();
    let expected = [
        "ld [-4048]",
        "jeq 0x0 +37 +0",
        "ld [-4036]",
        "jeq 0x8100 +0 +35",
        "ld [-4052]",
        "and 0xfff",
        "jeq 0xa +0 +32",
        "ldb [0]",
        "jset 0x1 +0 +23",
        "ldh [12]",
        "jeq 0x8808 +28 +0",
        "ld [2]",
        "jeq 0xc2000001 +0 +2",
        "ldh [0]",
        "jeq 0x180 +24 +0",
        "ldh [0]",
        "jeq 0x3333 +4 +0",
        "jeq 0x100 +0 +5",
        "ld [2]",
        "and 0xffffff00",
        "jeq 0x5e000000 +17 +2",
        "ldb [2]",
        "jeq 0xff +15 +0",
        "ldh [0]",
        "tax",
        "ld [2]",
        "jeq 0x1 +3 +0",
        "jeq 0xffffffff +0 +11",
        "txa",
        "jeq 0xffff +8 +9",
        "txa",
        "jeq 0x3333 +6 +7",
        "ldh [0]",
        "tax",
        "ld [2]",
        "jeq 0x10000 +0 +3",
        "txa",
        "jeq 0x200 +0 +1",
        "ret 0xffffffff",
        "ret 0x0",
    ];
    assert_eq!(text, expected);
}

#[test]
fn a_shorter_program_is_a_coarser_one() {
    let mut segment = large(&scattered(100, None));
    for number in 0..100 {
        tell(&mut segment, 1, v6(0x10_0000 + number), true);
    }
    let rule = VlanRule::Only(vid(10));
    let whole = segment.filter(rule).instructions().len();
    let mut before = Precision::Exact;
    for limit in (0..=whole).rev() {
        let program = segment.filter_within(rule, limit);
        assert_valid(&program);
        assert!(program.instructions().len() <= limit.max(2));
        assert!(program.precision() >= before, "{limit}");
        before = program.precision();
        let mut packet = packet(MacAddr::BROADCAST, LAN);
        packet.tag = Some((0x8100, 10));
        assert!(run(&program, &packet).passes, "{limit}");
    }
    assert_eq!(segment.filter_within(rule, whole), segment.filter(rule));
    let coarser = segment.filter_within(rule, whole - 1);
    assert_eq!(coarser.precision(), Precision::AllMulticast);
    assert_eq!(before, Precision::Everything);
}

#[test]
fn nobody_there_nothing_passes() {
    let program = untagged(&segment(&[]));
    for dst in [PARENT, MacAddr::BROADCAST, group_mac(v6(1))] {
        assert!(!passes(&program, dst, LAN));
    }
}

#[test]
fn passthru_takes_everything_of_its_vlan() {
    let mut segment = segment(&[]);
    let alone = Child {
        mac: PARENT,
        ..child(0, Mode::Passthru)
    };
    segment.add(alone).unwrap();
    let program = untagged(&segment);
    assert_eq!(program.instructions()[0].k, u32::MAX);
    assert!(passes(&program, LAN, mac(1)));
    let program = segment.filter(VlanRule::Only(vid(10)));
    assert!(!passes(&program, LAN, mac(1)));
    let mut tagged = packet(LAN, mac(1));
    tagged.tag = Some((0x8100, 0xf00a));
    assert!(run(&program, &tagged).passes);
}

/// Not linear, so that neighbours are not near; the first octet is a station's.
fn scattered(count: u32, beginning: Option<[u8; 2]>) -> Vec<MacAddr> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [a, b, c, d, e, f, ..] = state.to_le_bytes();
        let [a, b] = beginning.unwrap_or([(a & 0xfc) | 2, b]);
        MacAddr::new([a, b, c, d, e, f])
    };
    (0..count).map(|_| next()).collect()
}

fn large(macs: &[MacAddr]) -> Segment<u16> {
    let mut segment = Segment::new(Some(PARENT));
    for (key, &mac) in (0..).zip(macs) {
        let child = Child {
            mac,
            ..child(key, Mode::Bridge)
        };
        segment.add(child).unwrap();
    }
    segment
}

#[test]
fn a_thousand_children_exactly_and_quickly() {
    for beginning in [Some([2, 0x42]), None] {
        let macs = scattered(1024, beginning);
        let mut segment = large(&macs);
        for group in 0..64 {
            let [a, b] = u16::to_be_bytes(group * 257);
            assert!(tell(&mut segment, group, v4(239, 7, a, b), true));
        }
        let program = untagged(&segment);
        assert_eq!(program.precision(), Precision::Exact);
        let mut longest = 0;
        for &mac in &macs {
            assert!(passes(&program, mac, LAN), "{mac}");
            for bit in [0, 1, 31, 32, 41, 47] {
                let other = MacAddr::from_u64(mac.to_u64() ^ 1 << bit);
                let expected = macs.contains(&other);
                let outcome = run(&program, &packet(other, LAN));
                assert_eq!(outcome.passes, expected, "{other}");
                longest = longest.max(outcome.steps);
            }
        }
        assert!(longest <= 48, "{longest} instructions for one frame");
        assert!(passes(&program, group_mac(v4(239, 7, 0, 0)), LAN));
        assert!(!passes(&program, group_mac(v4(239, 7, 0, 1)), LAN));
    }
}

#[test]
fn too_many_groups_are_all_multicast() {
    let mut segment = segment(&[Mode::Bridge, Mode::Bridge, Mode::Bridge]);
    let wanted = u32::try_from(MAX_FILTER_GROUPS).unwrap();
    for number in 0..wanted {
        let key = u16::try_from(number / 200).unwrap();
        assert!(tell(&mut segment, key, v6(0x10_0000 + number), true));
    }
    let program = untagged(&segment);
    assert_eq!(program.precision(), Precision::Exact);
    assert!(!passes(&program, group_mac(v6(7)), LAN));
    assert!(passes(&program, group_mac(v6(0x10_0000)), LAN));
    assert!(tell(&mut segment, 0, v6(0x20_0000), true));
    let program = untagged(&segment);
    assert_eq!(program.precision(), Precision::AllMulticast);
    assert!(passes(&program, group_mac(v6(7)), LAN));
    assert!(passes(&program, mac(0), LAN) && !passes(&program, mac(7), LAN));
}

#[test]
fn a_child_that_takes_all_multicast_gets_it_exactly() {
    let mut segment = segment(&[Mode::Private]);
    for number in 0..300 {
        tell(&mut segment, 0, v6(0x10_0000 + number), true);
    }
    let program = untagged(&segment);
    assert_eq!(program.precision(), Precision::Exact);
    assert!(passes(&program, group_mac(v6(7)), LAN));
    let pause = MacAddr::new([1, 0x80, 0xc2, 0, 0, 1]);
    assert!(!passes(&program, pause, LAN));
    assert!(!passes(&program, mac(7), LAN));
}

#[test]
fn too_many_addresses_let_everything_of_the_vlan_pass() {
    let mut segment = segment(&[Mode::Bridge]);
    let sources = scattered(5000, None);
    segment.add(source_child(1, &sources, false)).unwrap();
    let program = segment.filter(VlanRule::AllBut(&[vid(10)]));
    assert_valid(&program);
    assert_eq!(program.precision(), Precision::Everything);
    let mut packet = packet(LAN, mac(9));
    assert!(run(&program, &packet).passes);
    packet.tag = Some((0x8100, 10));
    assert!(!run(&program, &packet).passes);
    let all: Vec<VlanId> = (1..=4094).map(vid).collect();
    let program = segment.filter(VlanRule::AllBut(&all));
    assert_valid(&program);
    assert_eq!(program.precision(), Precision::Everything);
    assert!(run(&program, &packet).passes, "the reader asks the rule");
}

#[test]
fn many_vlans_of_others() {
    let others: Vec<VlanId> = (1..=4094).step_by(3).map(vid).collect();
    let rule = VlanRule::AllBut(&others);
    let program = segment(&[Mode::Bridge]).filter(rule);
    assert_valid(&program);
    assert_eq!(program.precision(), Precision::Exact);
    for number in 0..=4095 {
        let mut packet = packet(mac(0), LAN);
        packet.tag = Some((0x8100, number | 0x6000));
        let expected = number == 0 || number == 4095 || number % 3 != 1;
        assert_eq!(run(&program, &packet).passes, expected, "{number}");
        assert_eq!(rule.admits(packet.outer()), expected, "{number}");
        packet.tag = Some((0x88a8, number));
        assert!(run(&program, &packet).passes && rule.admits(packet.outer()));
    }
}

/// Whether a frame is let through although nobody gets it; the list of [`super`].
fn in_vain(segment: &Segment<u16>, head: &Head) -> bool {
    let owner = segment.children().find(|child| child.mac == head.src);
    let reflected = owner.is_some_and(|child| matches!(child.mode, Mode::Bridge | Mode::Vepa));
    let passthru = segment.children().any(|child| child.mode == Mode::Passthru);
    head.dst.is_multicast() && (reflected || passthru)
}

fn rules() -> impl Strategy<Value = Vec<u16>> {
    prop::sample::select(vec![vec![], vec![10], vec![10, 20], vec![1, 2, 30]])
}

fn tags() -> impl Strategy<Value = Option<(u16, u16)>> {
    let vid = prop::sample::select(vec![0, 1, 10, 20, 30, 4095, 0xe00a]);
    let tpid = prop::sample::select(vec![0x8100, 0x8100, 0x88a8]);
    prop::option::of((tpid, vid))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_passes_is_what_somebody_gets(
        steps in vec(step(), 0..40),
        only in prop::option::weighted(0.2, Just(vid(10))),
        others in rules(),
        frames in vec((address(), station(), prop::sample::select(vec![0x0800u16, 0x86dd, 0x8808]), tags()), 40),
    ) {
        let mut segment = Segment::new(Some(PARENT));
        for step in &steps {
            step.apply(&mut segment);
        }
        let others: Vec<VlanId> = others.into_iter().map(vid).collect();
        let rule = only.map_or(VlanRule::AllBut(&others), VlanRule::Only);
        let program = segment.filter(rule);
        assert_valid(&program);
        prop_assert_eq!(program.precision(), Precision::Exact);
        for (dst, src, kind, tag) in frames {
            let packet = Packet { bytes: ethernet(dst, src, kind, &[0; 46]), tag };
            let head = head(&packet.bytes);
            let gets = segment.from_wire(&head);
            let somebody = gets.is_ok() || gets.err() == Some(Refusal::Ipv6Off);
            let expected = rule.admits(packet.outer()) && somebody;
            let passes = run(&program, &packet).passes;
            prop_assert!(passes || !expected, "overlooked: {:?} {:?}", head, tag);
            prop_assert!(expected || !passes || in_vain(&segment, &head), "in vain: {:?} {:?}", head, tag);
        }
    }
}
