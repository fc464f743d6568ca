mod model;
mod table;

use super::*;
use crate::error::AddError;
use crate::testing::{
    PARENT, child, ethernet, head, igmp, ipv6, mac, plain, says, segment, source_child, tagged,
    tell, v4, v6, who,
};

const LAN: MacAddr = MacAddr::new([2, 0, 0, 9, 9, 9]);
const ELSEWHERE: MacAddr = MacAddr::new([2, 0, 0, 9, 9, 8]);
const NOBODY: Result<(Vec<u16>, bool), Refusal> = Err(Refusal::Nobody);

fn only(children: &[u16]) -> Result<(Vec<u16>, bool), Refusal> {
    Ok((children.to_vec(), false))
}

/// From the wire to one address from another.
fn wire(segment: &Segment<u16>, dst: MacAddr, src: MacAddr) -> Result<(Vec<u16>, bool), Refusal> {
    who(segment.from_wire(&plain(dst, src)))
}

#[test]
fn many_threads_may_ask() {
    fn shared<T: Send + Sync>() {}
    shared::<Segment<u16>>();
    shared::<Delivery<'_, u16>>();
}

#[test]
fn addresses_that_a_child_cannot_have() {
    let mut segment = segment(&[Mode::Bridge]);
    let mut refused = |mac: MacAddr, expected: AddError| {
        let child = Child {
            mac,
            ..child(7, Mode::Bridge)
        };
        assert_eq!(segment.add(child), Err(expected));
        assert_eq!(segment.children().count(), 1);
    };
    refused(MacAddr::ZERO, AddError::NotAStation(MacAddr::ZERO));
    let group = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
    refused(group, AddError::NotAStation(group));
    refused(PARENT, AddError::AddressInUse(PARENT));
    refused(mac(0), AddError::AddressInUse(mac(0)));
    let twin = Child {
        mac: mac(7),
        ..child(0, Mode::Vepa)
    };
    assert_eq!(segment.add(twin), Err(AddError::KeyInUse));
    assert_eq!(wire(&segment, mac(7), LAN), NOBODY);
}

#[test]
fn passthru_is_alone() {
    let passthru = |key: u16| Child {
        mac: PARENT,
        ..child(key, Mode::Passthru)
    };
    let mut full = segment(&[Mode::Bridge]);
    assert_eq!(full.add(passthru(1)), Err(AddError::NotAlone));
    let mut segment = segment(&[]);
    let own = AddError::PassthruAddress {
        mac: mac(1),
        parent: PARENT,
    };
    assert_eq!(segment.add(child(1, Mode::Passthru)), Err(own));
    assert_eq!(segment.add(passthru(1)), Ok(()));
    for mode in [Mode::Bridge, Mode::Private, Mode::Vepa, Mode::Source] {
        let second = segment.add(child(2, mode));
        assert_eq!(second, Err(AddError::BesidePassthru), "{mode}");
    }
    assert_eq!(segment.add(passthru(2)), Err(AddError::BesidePassthru));
    assert!(segment.is_promiscuous() && segment.remove(1) && !segment.is_promiscuous());
    assert_eq!(segment.add(child(2, Mode::Vepa)), Ok(()));
    let mut internal = Segment::new(None);
    assert_eq!(internal.add(passthru(1)), Err(AddError::NoParent));
}

#[test]
fn lists_of_sources_belong_to_source_mode() {
    for mode in Mode::ALL {
        let mac = if mode == Mode::Passthru {
            PARENT
        } else {
            mac(1)
        };
        let plain = Child {
            mac,
            ..child(1, mode)
        };
        let listing = Child {
            sources: vec![LAN],
            ..plain.clone()
        };
        let nodst = Child {
            nodst: true,
            ..plain.clone()
        };
        let expected = match mode {
            Mode::Source => Ok(()),
            Mode::Bridge | Mode::Private | Mode::Vepa | Mode::Passthru => {
                Err(AddError::SourcesOutsideSourceMode)
            }
        };
        assert_eq!(segment(&[]).add(listing), expected, "{mode}");
        assert_eq!(segment(&[]).add(nodst), expected, "{mode}");
        assert_eq!(segment(&[]).add(plain), Ok(()), "{mode}");
    }
    let groups = source_child(1, &[LAN, MacAddr::BROADCAST], false);
    let refused = Err(AddError::NotAStation(MacAddr::BROADCAST));
    assert_eq!(segment(&[]).add(groups), refused);
}

#[test]
fn the_parents_address_changes() {
    let mut bridge = segment(&[Mode::Bridge]);
    let taken = Err(AddError::AddressInUse(mac(0)));
    assert_eq!(bridge.set_parent(mac(0)), taken);
    let group = Err(AddError::NotAStation(MacAddr::BROADCAST));
    assert_eq!(bridge.set_parent(MacAddr::BROADCAST), group);
    assert_eq!(bridge.parent(), Some(PARENT));
    assert_eq!(bridge.set_parent(mac(5)), Ok(()));
    assert_eq!(bridge.parent(), Some(mac(5)));
    let five = child(5, Mode::Bridge);
    assert_eq!(bridge.add(five), Err(AddError::AddressInUse(mac(5))));

    let mut passthru = segment(&[]);
    let child = Child {
        mac: PARENT,
        ..child(1, Mode::Passthru)
    };
    passthru.add(child).unwrap();
    assert_eq!(passthru.set_parent(PARENT), Ok(()));
    assert_eq!(passthru.set_parent(mac(5)), Ok(()));
    assert_eq!(passthru.child(1).map(|child| child.mac), Some(mac(5)));
}

#[test]
fn source_children_get_what_is_from_their_list() {
    let mut segment = segment(&[Mode::Bridge]);
    segment.add(source_child(1, &[LAN, LAN], false)).unwrap();
    segment.add(source_child(2, &[LAN, mac(0)], false)).unwrap();
    assert!(!segment.is_promiscuous());
    assert_eq!(wire(&segment, ELSEWHERE, LAN), only(&[1, 2]));
    assert_eq!(wire(&segment, mac(0), LAN), only(&[0, 1, 2]));
    assert_eq!(wire(&segment, MacAddr::BROADCAST, LAN), only(&[0, 1, 2]));
    let unwanted = MacAddr::new([0x01, 0x00, 0x5e, 1, 1, 1]);
    assert_eq!(wire(&segment, unwanted, LAN), only(&[1, 2]));
    assert_eq!(wire(&segment, mac(1), ELSEWHERE), NOBODY);
    assert_eq!(wire(&segment, MacAddr::BROADCAST, ELSEWHERE), only(&[0]));

    segment.add(source_child(3, &[LAN], true)).unwrap();
    for dst in [mac(0), ELSEWHERE, MacAddr::BROADCAST] {
        assert_eq!(
            wire(&segment, dst, LAN),
            only(&[1, 2, 3]),
            "consumed: {dst}"
        );
    }
    assert!(segment.remove(3));
    assert_eq!(wire(&segment, mac(0), LAN), only(&[0, 1, 2]));
    assert!(segment.remove(1) && segment.remove(2));
    assert_eq!(wire(&segment, ELSEWHERE, LAN), NOBODY);
}

#[test]
fn source_children_overhear_what_one_bridge_child_hands_to_another() {
    let mut segment = segment(&[Mode::Bridge, Mode::Bridge]);
    segment.add(source_child(2, &[mac(0)], false)).unwrap();
    let send = |segment: &Segment<u16>, dst, src| who(segment.from_child(0, &plain(dst, src)));
    assert_eq!(send(&segment, mac(1), mac(0)), only(&[1, 2]));
    assert_eq!(send(&segment, mac(1), LAN), only(&[1]), "by its address");
    let to_wire = Ok((vec![], true));
    assert_eq!(send(&segment, LAN, mac(0)), to_wire, "not past the parent");
    let everybody = Ok((vec![1], true));
    assert_eq!(send(&segment, MacAddr::BROADCAST, mac(0)), everybody);
    segment.add(source_child(3, &[mac(0)], true)).unwrap();
    assert_eq!(send(&segment, mac(1), mac(0)), only(&[2, 3]), "NODST");
}

#[test]
fn nobody_gets_its_own_or_a_second_copy() {
    let mut own = segment(&[Mode::Bridge]);
    assert_eq!(who(own.from_child(0, &plain(mac(0), mac(0)))), NOBODY);
    own.add(source_child(1, &[mac(1)], false)).unwrap();
    assert_eq!(wire(&own, MacAddr::BROADCAST, mac(1)), only(&[1]));
    assert_eq!(wire(&own, mac(0), mac(1)), only(&[0, 1]));
}

#[test]
fn pause_is_for_no_child() {
    let mut segment = segment(&[Mode::Bridge, Mode::Bridge]);
    segment.add(source_child(2, &[LAN], false)).unwrap();
    for (dst, kind) in [
        (PAUSE_ADDRESS, 0x8808),
        (PAUSE_ADDRESS, 0x0800),
        (MacAddr::BROADCAST, 0x8808),
    ] {
        let pause = head(&ethernet(dst, LAN, kind, &[0; 46]));
        assert_eq!(who(segment.from_wire(&pause)), NOBODY);
        let sent = who(segment.from_child(0, &pause));
        assert_eq!(sent, Ok((vec![], true)), "the driver lets it out");
    }
}

#[test]
fn a_network_without_a_parent_has_no_wire() {
    let mut internal = Segment::new(None);
    for key in 0..2 {
        internal.add(child(key, Mode::Bridge)).unwrap();
    }
    internal.add(child(2, Mode::Private)).unwrap();
    let send = |from, dst| who(internal.from_child(from, &plain(dst, mac(from))));
    assert_eq!(send(0, mac(1)), only(&[1]));
    assert_eq!(send(0, MacAddr::BROADCAST), only(&[1]));
    assert_eq!(send(0, LAN), NOBODY);
    assert_eq!(send(0, mac(2)), NOBODY);
    assert_eq!(send(2, MacAddr::BROADCAST), NOBODY);
    assert_eq!(send(9, LAN), Err(Refusal::UnknownChild));
}

/// CVE-2024-32473: what comes and goes on a network that is said to have IPv4 only.
#[test]
fn ipv6_off_is_off_both_ways_and_behind_tags() {
    let mut segment = segment(&[Mode::Bridge, Mode::Vepa]);
    let v4_only = |key, mode| Child {
        ipv6: false,
        ..child(key, mode)
    };
    segment.add(v4_only(2, Mode::Bridge)).unwrap();
    let off = Err(Refusal::Ipv6Off);
    let all_nodes = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
    let wire = |dst| who(segment.from_wire(&ipv6(dst, LAN)));
    assert_eq!(wire(all_nodes), only(&[0, 1]));
    assert_eq!(wire(MacAddr::BROADCAST), only(&[0, 1]));
    assert_eq!(wire(mac(2)), off);
    let unwanted = MacAddr::new([0x33, 0x33, 0, 0, 0, 9]);
    assert_eq!(wire(unwanted), NOBODY, "a group of nobody");
    let send = |from, dst| who(segment.from_child(from, &ipv6(dst, mac(from))));
    for dst in [all_nodes, mac(0), LAN] {
        assert_eq!(send(2, dst), off);
    }
    assert_eq!(
        send(0, mac(2)),
        off,
        "and it does not go to the wire instead"
    );
    assert_eq!(send(0, all_nodes), Ok((vec![], true)));

    let mut frame = ethernet(mac(2), LAN, 0x86dd, &[0; 46]);
    for tags in 1..=6 {
        frame = tagged(&frame, 42);
        let head = head(&frame);
        assert_eq!(who(segment.from_wire(&head)), off, "{tags} tags");
        assert_eq!(who(segment.from_child(2, &head)), off, "{tags} tags");
    }
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd][..], &[0; 38]].concat();
    let snap = head(&ethernet(mac(2), LAN, 46, &snap));
    assert_eq!(who(segment.from_wire(&snap)), off);
    let ipv4 = head(&tagged(&ethernet(mac(2), LAN, 0x0800, &[0; 46]), 42));
    assert_eq!(who(segment.from_wire(&ipv4)), only(&[2]));
}

#[test]
fn ipv6_off_does_not_lift_nodst() {
    let mut segment = segment(&[Mode::Bridge]);
    let nodst = Child {
        ipv6: false,
        ..source_child(1, &[LAN], true)
    };
    segment.add(nodst).unwrap();
    let refused = who(segment.from_wire(&ipv6(mac(0), LAN)));
    assert_eq!(refused, Err(Refusal::Ipv6Off));
}

#[test]
fn whose_reports_are_heard() {
    let mut segment = segment(&[Mode::Bridge, Mode::Private, Mode::Vepa, Mode::Source]);
    for key in 0..4 {
        let heard = tell(&mut segment, key, v4(239, 1, 1, 1), true);
        assert_eq!(heard, key < 3, "source children get no groups");
    }
    let mut v4_only = Child {
        ipv6: false,
        ..child(7, Mode::Bridge)
    };
    segment.add(v4_only.clone()).unwrap();
    assert!(!tell(&mut segment, 7, v6(7), true), "IPv6 is off");
    assert!(tell(&mut segment, 7, v4(239, 1, 1, 1), true));
    v4_only.key = 8;
    let frame = says(mac(8), v4(239, 1, 1, 1), true);
    assert_eq!(segment.hears(8, &head(&frame), &frame), None, "unknown");
    let mut unicast = igmp(mac(0), &[0x16, 0, 0, 0, 239, 2, 2, 2]);
    assert!(segment.hears(0, &head(&unicast), &unicast).is_some());
    unicast[0] = 2;
    assert_eq!(segment.hears(0, &head(&unicast), &unicast), None);
}
