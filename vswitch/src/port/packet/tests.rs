//! What needs no interface: tags, memberships, texts.

use std::cell::RefCell;

use vswitch_wire::{FLAG_DATA_VALID, FLAG_NEEDS_CSUM, Head, VNET_LEN, VnetHdr};

use super::members::{Joins, Members};
use super::mend::mend;
use super::tag::{Admission, Claimed, Stamp, admit, put_back};
use super::*;
use crate::port::HEADROOM;
use crate::sys::packet::{Membership, StrippedTag};
use crate::testing::{Shape, frame, mac, tagged};

fn vlan(vid: u16) -> VlanId {
    VlanId::new(vid).unwrap()
}

const fn tag(tpid: u16, tci: u16) -> StrippedTag {
    StrippedTag { tpid, tci }
}

#[test]
fn an_untagged_segment_has_all_that_no_other_segment_has() {
    let claimed = Claimed::default();
    claimed.set(&[vlan(10), vlan(63), vlan(64), vlan(4094)]);
    let of = |tag| admit(None, &claimed, tag);
    assert_eq!(of(None), Admission::AsItIs);
    for other in [0, 1, 11, 62, 65, 4093, 4095] {
        let tag = tag(0x8100, 0xe000 | other);
        assert_eq!(of(Some(tag)), Admission::WithTag(tag));
    }
    for taken in [10, 63, 64, 4094] {
        assert_eq!(of(Some(tag(0x8100, 0x3000 | taken))), Admission::Foreign);
        // A service tag of that number is another VLAN.
        let service = tag(0x88a8, taken);
        assert_eq!(of(Some(service)), Admission::WithTag(service));
    }
    claimed.set(&[vlan(11)]);
    let ten = tag(0x8100, 10);
    assert_eq!(admit(None, &claimed, Some(ten)), Admission::WithTag(ten));
    assert_eq!(
        admit(None, &claimed, Some(tag(0x8100, 11))),
        Admission::Foreign
    );
}

#[test]
fn the_segment_of_a_vlan_has_its_frames_only() {
    let claimed = Claimed::default();
    let of = |tag| admit(Some(vlan(10)), &claimed, tag);
    assert_eq!(of(Some(tag(0x8100, 10))), Admission::AsItIs);
    assert_eq!(of(Some(tag(0x8100, 0xf00a))), Admission::AsItIs);
    for other in [
        None,
        Some(tag(0x8100, 0)),
        Some(tag(0x8100, 11)),
        Some(tag(0x8100, 4095)),
        Some(tag(0x88a8, 10)),
    ] {
        assert_eq!(of(other), Admission::Foreign);
    }
}

/// A frame behind its headroom, with the tag put back.
fn restored(bytes: &[u8], tag: StrippedTag) -> Vec<u8> {
    let mut room = vec![0xee; HEADROOM];
    room.extend(bytes);
    let at = put_back(&mut room, HEADROOM..HEADROOM + bytes.len(), tag);
    assert_eq!(at, HEADROOM - 4..HEADROOM + bytes.len());
    assert!(room[..at.start].iter().all(|byte| *byte == 0xee));
    room[at].to_vec()
}

#[test]
fn a_tag_that_is_put_back_makes_the_frame_that_was_on_the_wire() {
    let taken_off = tagged(mac(1), mac(2), &[], 100);
    assert_eq!(
        restored(&taken_off, tag(0x8100, 0x202a)),
        tagged(mac(1), mac(2), &[[0x81, 0, 0x20, 42]], 100)
    );
    for gso_size in [Some(1000), None] {
        for shape in Shape::all(gso_size, 5000) {
            if shape.tags == 2 {
                continue;
            }
            // The tags that `Shape` puts on, outermost first: 7 of a service, 42.
            let outer = [tag(0x8100, 0x202a), tag(0x88a8, 7)][shape.tags];
            let whole = Shape {
                tags: shape.tags + 1,
                ..shape
            };
            let wanted = whole.build(mac(1), mac(2));
            assert_eq!(restored(&shape.build(mac(1), mac(2)), outer), wanted);
            let header = VnetHdr::parse(wanted.first_chunk().unwrap());
            let head = Head::parse(&wanted[VNET_LEN..]).unwrap();
            header.check(&wanted[VNET_LEN..], &head).unwrap();
        }
    }
}

/// What is sent for a frame on a VLAN's segment.
fn stamped(bytes: &[u8], vid: u16) -> Vec<u8> {
    let stamp = Stamp::new(bytes, vlan(vid));
    let addresses = &bytes[VNET_LEN..VNET_LEN + 12];
    [&stamp.vnet, addresses, &stamp.tag, &bytes[stamp.rest..]].concat()
}

#[test]
fn a_frame_on_a_vlan_gets_its_tag_and_moved_offsets() {
    for gso_size in [Some(1000), None] {
        for shape in Shape::all(gso_size, 5000) {
            if shape.tags != 0 {
                continue;
            }
            let whole = Shape { tags: 1, ..shape };
            let mut wanted = whole.build(mac(1), mac(2));
            // The tag of `Shape` has a priority; a container's untagged frame has none.
            wanted[VNET_LEN + 14] = 0;
            assert_eq!(stamped(&shape.build(mac(1), mac(2)), 42), wanted);
        }
    }
    let plain = stamped(&frame(mac(1), mac(2)), 4094);
    assert_eq!(plain[..VNET_LEN], VnetHdr::NONE.to_bytes());
    assert_eq!(plain[VNET_LEN + 12..VNET_LEN + 16], [0x81, 0, 0x0f, 0xfe]);
}

#[test]
fn a_priority_tag_becomes_the_vlans_and_another_tag_stays_inside() {
    let of = |tags: &[[u8; 4]]| stamped(&tagged(mac(1), mac(2), tags, 50), 10);
    let expected = |tags: &[[u8; 4]]| tagged(mac(1), mac(2), tags, 50);
    assert_eq!(
        of(&[[0x81, 0, 0xb0, 0]]),
        expected(&[[0x81, 0, 0xb0, 0x0a]])
    );
    let inner = [0x81, 0, 0x20, 7];
    assert_eq!(of(&[inner]), expected(&[[0x81, 0, 0, 10], inner]));
    let service = [0x88, 0xa8, 0, 0];
    assert_eq!(of(&[service]), expected(&[[0x81, 0, 0, 10], service]));
    // In place: nothing moves.
    let shape = Shape {
        tags: 1,
        ..Shape::TCP4
    };
    let mut bytes = shape.build(mac(1), mac(2));
    bytes[VNET_LEN + 14..VNET_LEN + 16].copy_from_slice(&[0xe0, 0]);
    let sent = stamped(&bytes, 42);
    assert_eq!(sent[..VNET_LEN], bytes[..VNET_LEN]);
    assert_eq!(sent[VNET_LEN + 14..VNET_LEN + 16], [0xe0, 42]);
}

#[test]
fn a_frame_as_short_as_can_be_is_stamped() {
    let mut bytes = VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        ..VnetHdr::NONE
    }
    .to_bytes()
    .to_vec();
    bytes.extend([2; 12]);
    bytes.extend([0x81, 0]);
    assert_eq!(stamped(&bytes, 10).len(), VNET_LEN + 18);
}

/// A parent with room for so many unicast addresses.
struct Card {
    room: usize,
    gone: bool,
    joined: RefCell<Vec<Membership>>,
}

impl Card {
    fn new(room: usize) -> Self {
        Self {
            room,
            gone: false,
            joined: RefCell::default(),
        }
    }

    fn has(&self) -> Vec<Membership> {
        self.joined.borrow().clone()
    }
}

impl Joins for Card {
    fn join(&self, membership: Membership) -> io::Result<()> {
        if self.gone {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        let mut joined = self.joined.borrow_mut();
        let is_unicast = |membership: &Membership| matches!(membership, Membership::Unicast(_));
        let full = joined.iter().filter(|one| is_unicast(one)).count() == self.room;
        if is_unicast(&membership) && full {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        joined.push(membership);
        Ok(())
    }

    fn leave(&self, membership: Membership) -> io::Result<()> {
        let mut joined = self.joined.borrow_mut();
        let found = joined.iter().position(|one| *one == membership);
        let found = found.ok_or_else(|| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))?;
        joined.remove(found);
        Ok(())
    }
}

fn member(number: u8) -> Membership {
    Membership::Unicast(mac(number).octets())
}

#[test]
fn a_parent_that_is_full_is_promiscuous_as_long_as_that_is_needed() {
    let (card, mut members) = (Card::new(2), Members::default());
    for number in [1, 2, 2, 3, 4] {
        members.add(&card, mac(number)).unwrap();
    }
    assert_eq!(card.has(), [member(1), member(2), Membership::Promiscuous]);
    assert!(members.is_promiscuous());
    members.remove(&card, mac(3));
    assert!(members.is_promiscuous());
    members.remove(&card, mac(4));
    members.remove(&card, mac(4));
    assert!(!members.is_promiscuous());
    assert_eq!(card.has(), [member(1), member(2)]);
    members.remove(&card, mac(1));
    members.add(&card, mac(5)).unwrap();
    assert_eq!(card.has(), [member(2), member(5)]);
}

#[test]
fn passthru_and_a_full_parent_do_not_take_from_each_other() {
    let (card, mut members) = (Card::new(0), Members::default());
    members.want_all(&card, true).unwrap();
    members.want_all(&card, true).unwrap();
    members.add(&card, mac(1)).unwrap();
    members.want_all(&card, false).unwrap();
    assert_eq!(card.has(), [Membership::Promiscuous]);
    members.remove(&card, mac(1));
    assert_eq!(card.has(), []);
    members.want_all(&card, true).unwrap();
    members.add(&card, mac(1)).unwrap();
    members.remove(&card, mac(1));
    assert_eq!(card.has(), [Membership::Promiscuous]);
}

#[test]
fn groups_are_members_of_their_own() {
    let (card, mut members) = (Card::new(0), Members::default());
    let group = MacAddr::new([1, 0, 0x5e, 0, 0, 0xfb]);
    members.add(&card, group).unwrap();
    members.want_groups(&card, true).unwrap();
    members.want_groups(&card, true).unwrap();
    assert_eq!(
        card.has(),
        [Membership::Group(group.octets()), Membership::AllGroups]
    );
    members.want_groups(&card, false).unwrap();
    members.remove(&card, group);
    assert_eq!(card.has(), []);
    assert!(!members.is_promiscuous());
}

#[test]
fn a_parent_that_is_gone_takes_no_address() {
    let mut card = Card::new(5);
    card.gone = true;
    let mut members = Members::default();
    assert!(members.add(&card, mac(1)).is_err());
    assert!(members.want_all(&card, true).is_err());
    assert!(!members.is_promiscuous());
    card.gone = false;
    members.add(&card, mac(1)).unwrap();
    assert_eq!(card.has(), [member(1)]);
}

#[test]
fn errors_are_one_line_with_a_remedy() {
    let missing = open(&UplinkOptions::new(Parent::Name(
        IfName::new("no-such-link").unwrap(),
    )));
    let missing = missing.map(drop).unwrap_err();
    assert!(matches!(missing, UplinkError::NoSuchParent { .. }));
    let others = [
        UplinkError::NotEthernet { name: "lo".into() },
        UplinkError::NoSuchParent {
            parent: Parent::Index(7).to_string(),
        },
    ];
    for error in others.iter().chain([&missing]) {
        let text = error.to_string();
        assert!(!text.contains('\n') && text.contains(": "), "{text}");
    }
    assert!(missing.to_string().contains("no-such-link"), "{missing}");
}

/// A superframe as a network card leaves it that merged the segments and verified them.
fn merged_by_hardware(bytes: &[u8], shape: &Shape) -> Vec<u8> {
    let header = VnetHdr::parse(bytes.first_chunk().unwrap());
    let header = VnetHdr {
        flags: FLAG_DATA_VALID,
        csum_start: 0,
        csum_offset: 0,
        ..header
    };
    let mut merged = bytes.to_vec();
    merged[..VNET_LEN].copy_from_slice(&header.to_bytes());
    let checksum = VNET_LEN + shape.l4() + if shape.tcp { 16 } else { 6 };
    merged[checksum..checksum + 2].copy_from_slice(&[0xab, 0xcd]);
    merged
}

#[test]
fn a_superframe_that_hardware_merged_is_made_an_ordinary_one() {
    for shape in Shape::all(Some(1000), 9_500) {
        let bytes = shape.build(mac(1), mac(2));
        let mut merged = merged_by_hardware(&bytes, &shape);
        mend(&mut merged);
        assert_eq!(merged, bytes, "{shape:?}");
        mend(&mut merged);
        assert_eq!(merged, bytes);
        // What nobody verified stays as it is, and is refused later.
        let mut unverified = merged_by_hardware(&bytes, &shape);
        unverified[0] = 0;
        let before = unverified.clone();
        mend(&mut unverified);
        assert_eq!(unverified, before);
    }
}

#[test]
fn nothing_else_is_mended() {
    let open = Shape {
        gso_size: None,
        ..Shape::TCP4
    };
    let mut broken = merged_by_hardware(&Shape::TCP4.build(mac(1), mac(2)), &Shape::TCP4);
    // Not the protocol that the header speaks of.
    broken[VNET_LEN + 23] = 1;
    let mut short = broken.clone();
    short.truncate(VNET_LEN + 20);
    let mut verified = frame(mac(1), mac(2));
    verified[0] = FLAG_DATA_VALID;
    for bytes in [
        open.build(mac(1), mac(2)),
        broken,
        short,
        verified,
        vec![2, 1, 0],
    ] {
        let mut mended = bytes.clone();
        mend(&mut mended);
        assert_eq!(mended, bytes);
    }
}
