use super::*;
use crate::mode::Mode;
use crate::segment::Segment;
use crate::testing::{mac, plain, segment, tell, v4, v6, who};

const MDNS: MacAddr = MacAddr::new([0x01, 0x00, 0x5e, 0, 1, 251]);

fn takes(segment: &Segment<u16>, group: MacAddr) -> bool {
    who(segment.from_wire(&plain(group, mac(99)))).is_ok()
}

#[test]
fn rfc1112_and_rfc2464_addresses_of_groups() {
    for (group, expected) in [
        (v4(224, 0, 0, 251), [0x01, 0x00, 0x5e, 0, 0, 251]),
        (v4(239, 255, 1, 2), [0x01, 0x00, 0x5e, 0x7f, 1, 2]),
        (v4(224, 127, 1, 2), [0x01, 0x00, 0x5e, 0x7f, 1, 2]),
        (v6(0x1234_5678), [0x33, 0x33, 0x12, 0x34, 0x56, 0x78]),
    ] {
        assert_eq!(group_mac(group), MacAddr::new(expected), "{group}");
    }
}

#[test]
fn rfc4541_what_is_always_wanted() {
    for (octets, expected) in [
        ([0xff; 6], true),
        ([0x01, 0x00, 0x5e, 0, 0, 0], true),
        ([0x01, 0x00, 0x5e, 0, 0, 255], true),
        ([0x01, 0x00, 0x5e, 0, 1, 0], false),
        ([0x01, 0x00, 0x5e, 0x80, 0, 1], false),
        ([0x33, 0x33, 0, 0, 0, 1], true),
        ([0x33, 0x33, 0, 0, 0, 2], false),
        ([0x33, 0x33, 0xff, 0x12, 0x34, 0x56], true),
        ([0x33, 0x33, 0xfe, 0x12, 0x34, 0x56], false),
        ([0x01, 0x80, 0xc2, 0, 0, 0x0e], false),
    ] {
        let group = MacAddr::new(octets);
        assert_eq!(is_always_wanted(group), expected, "{group}");
        assert_eq!(takes(&segment(&[Mode::Bridge]), group), expected, "{group}");
    }
}

#[test]
fn joined_heard_and_left() {
    let mut segment = segment(&[Mode::Bridge, Mode::Private]);
    let group = v4(239, 0, 1, 251);
    assert!(!takes(&segment, MDNS));
    assert!(tell(&mut segment, 1, group, true));
    assert!(!tell(&mut segment, 1, group, true), "nothing new");
    let delivery = who(segment.from_wire(&plain(MDNS, mac(99))));
    assert_eq!(delivery, Ok((vec![1], false)), "only who joined");
    assert!(!tell(&mut segment, 0, group, false), "was no member");
    assert!(takes(&segment, MDNS));
    assert!(tell(&mut segment, 1, group, false));
    assert!(!takes(&segment, MDNS));
}

#[test]
fn two_groups_of_one_address_are_left_one_by_one() {
    for (one, twin, address) in [
        (v4(239, 0, 1, 251), v4(225, 128, 1, 251), MDNS),
        (v6(7), "ff15:aaaa::7".parse().unwrap(), group_mac(v6(7))),
    ] {
        let mut segment = segment(&[Mode::Vepa]);
        assert!(tell(&mut segment, 0, one, true) && tell(&mut segment, 0, twin, true));
        assert!(tell(&mut segment, 0, one, false));
        assert!(takes(&segment, address), "{twin} is still wanted");
        assert!(!tell(&mut segment, 0, one, false), "left already");
        assert!(takes(&segment, address));
        assert!(tell(&mut segment, 0, twin, false));
        assert!(!takes(&segment, address));
    }
}

#[test]
fn beyond_the_bound_a_child_gets_everything_and_its_sibling_does_not() {
    let mut segment = segment(&[Mode::Bridge, Mode::Bridge]);
    let unwanted = plain(MDNS, mac(99));
    for number in 0..u32::try_from(MAX_GROUPS).unwrap() {
        assert!(tell(&mut segment, 0, v6(0x10_0000 + number), true));
    }
    assert!(!takes(&segment, MDNS), "the bound is not yet passed");
    assert!(
        !tell(&mut segment, 0, v4(224, 0, 0, 9), true),
        "not counted"
    );
    assert!(!takes(&segment, MDNS));
    assert!(tell(&mut segment, 0, v6(7), true));
    assert_eq!(who(segment.from_wire(&unwanted)), Ok((vec![0], false)));
    assert!(!tell(&mut segment, 0, v6(7), false), "it stays so");
    assert_eq!(who(segment.from_wire(&unwanted)), Ok((vec![0], false)));
    assert!(segment.remove(0));
    segment.add(crate::testing::child(0, Mode::Bridge)).unwrap();
    assert!(!takes(&segment, MDNS), "until it is removed");
}

#[test]
fn a_removed_child_leaves_no_group_behind() {
    let mut segment = segment(&[Mode::Bridge, Mode::Bridge]);
    assert!(tell(&mut segment, 0, v4(239, 0, 1, 251), true));
    assert!(segment.remove(0) && !segment.remove(0));
    assert!(
        !takes(&segment, MDNS),
        "and the slot's next user has not got it"
    );
    assert!(
        !tell(&mut segment, 0, v4(239, 0, 1, 251), true),
        "nobody is there"
    );
    segment.add(crate::testing::child(0, Mode::Bridge)).unwrap();
    assert!(!takes(&segment, MDNS));
}
