use super::*;
use crate::sys::packet::raw::arrival;

/// A sender's address as the kernel writes it, of this kind.
fn name(kind: u8) -> Name {
    Name::with(20, |bytes| bytes[10] = kind)
}

/// `struct tpacket_auxdata`.
fn auxdata(status: u32, whole: u32, kept: u32, tci: u16, tpid: u16) -> Control {
    let mut value = Vec::new();
    for word in [status, whole, kept] {
        value.extend(word.to_ne_bytes());
    }
    for half in [0, 14, tci, tpid] {
        value.extend(u16::to_ne_bytes(half));
    }
    let mut control = Control::default();
    // Another message comes first.
    control.push(libc::SOL_SOCKET, libc::SCM_TIMESTAMP, &[0; 16]);
    control.push(libc::SOL_PACKET, libc::PACKET_AUXDATA, &value);
    control
}

#[test]
fn a_stripped_tag_is_told_with_its_tpid_or_is_of_802_1q() {
    let told = |status, tpid| {
        let control = auxdata(status, 60, 60, 0x602a, tpid);
        arrival(12, 72, false, &name(0), &control).tag
    };
    let tag = |tpid| Some(StrippedTag { tpid, tci: 0x602a });
    assert_eq!(told(0, 0x8100), None);
    assert_eq!(told(0x10 | 0x40, 0x88a8), tag(0x88a8));
    assert_eq!(told(0x10 | 0x40 | 0x8, 0x8100), tag(0x8100));
    assert_eq!(told(0x10, 0), tag(0x8100));
}

#[test]
fn lengths_count_the_long_header() {
    let control = auxdata(0, 60, 60, 0, 0);
    for header in [10, 12] {
        let arrival = arrival(header, header + 60, false, &name(0), &control);
        assert_eq!((arrival.length, arrival.truncated), (72, false));
    }
    let nothing = arrival(10, 3, false, &name(0), &control);
    assert!(nothing.truncated && nothing.length < HEADER);
}

#[test]
fn a_frame_is_cut_by_the_room_or_by_the_filter() {
    let whole = auxdata(0, 60, 60, 0, 0);
    let cut = auxdata(0, 60, 40, 0, 0);
    assert!(!arrival(12, 72, false, &name(0), &whole).truncated);
    assert!(arrival(12, 72, true, &name(0), &whole).truncated);
    assert!(arrival(12, 52, false, &name(0), &cut).truncated);
}

#[test]
fn what_the_host_sends_is_known_by_its_kind() {
    let control = Control::default();
    let outside = |kind| {
        arrival(12, 72, false, &name(kind), &control)
            .kind
            .is_from_outside()
    };
    assert!((0..=3).all(outside));
    assert!(!(4..=255).any(outside));
}

#[test]
fn control_messages_that_end_early_are_no_messages() {
    let mut control = Control::default();
    control.push(libc::SOL_PACKET, libc::PACKET_AUXDATA, &[1; 4]);
    let arrival = arrival(12, 72, false, &name(0), &control);
    assert_eq!((arrival.tag, arrival.truncated), (None, false));
    assert_eq!(control.messages().count(), 1);
}

#[test]
fn pieces_are_together_what_they_were() {
    assert_eq!(Gathered::new([&[1, 2], &[], &[3]]).concat(), [1, 2, 3]);
    assert_eq!(Gathered::default().concat(), [] as [u8; 0]);
}

#[test]
fn names_of_interfaces_are_looked_up() {
    assert!(index_of(&IfName::loopback()).unwrap() > 0);
    let missing = IfName::new("no-such-link").unwrap();
    assert!(matches!(
        index_of(&missing),
        Err(SysError::NoSuchLink { .. })
    ));
}
