//! Frames, children and segments for the tests.

pub(crate) mod any;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vswitch_wire::{Head, MacAddr};

use crate::delivery::{Delivery, Refusal};
use crate::mode::Mode;
use crate::segment::{Child, Segment};

/// The parent's address.
pub(crate) const PARENT: MacAddr = MacAddr::new([2, 0, 0, 0xee, 0, 0]);

pub(crate) fn mac(number: u16) -> MacAddr {
    let [a, b] = number.to_be_bytes();
    MacAddr::new([2, 0, 0, 1, a, b])
}

/// A child that takes IPv6.
pub(crate) fn child(key: u16, mode: Mode) -> Child<u16> {
    Child {
        key,
        mac: mac(key),
        mode,
        sources: Vec::new(),
        nodst: false,
        ipv6: true,
    }
}

pub(crate) fn source_child(key: u16, sources: &[MacAddr], nodst: bool) -> Child<u16> {
    Child {
        sources: sources.to_vec(),
        nodst,
        ..child(key, Mode::Source)
    }
}

/// Children 0, 1, ... of these modes.
pub(crate) fn segment(modes: &[Mode]) -> Segment<u16> {
    let mut segment = Segment::new(Some(PARENT));
    for (key, &mode) in (0..).zip(modes) {
        segment.add(child(key, mode)).unwrap();
    }
    segment
}

pub(crate) fn ethernet(dst: MacAddr, src: MacAddr, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [dst.octets(), src.octets()].concat();
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The frame with a tag more, 802.1Q and outermost.
pub(crate) fn tagged(frame: &[u8], vid: u16) -> Vec<u8> {
    let [high, low] = vid.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

pub(crate) fn head(frame: &[u8]) -> Head {
    Head::parse(frame).unwrap()
}

/// The header of a frame of nothing in particular.
pub(crate) fn plain(dst: MacAddr, src: MacAddr) -> Head {
    head(&ethernet(dst, src, 0x0800, &[0; 46]))
}

/// The header of an IPv6 frame.
pub(crate) fn ipv6(dst: MacAddr, src: MacAddr) -> Head {
    head(&ethernet(dst, src, 0x86dd, &[0; 46]))
}

/// An IGMP message in IPv4 with the Router Alert option.
pub(crate) fn igmp(src: MacAddr, message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(24 + message.len()).unwrap();
    let mut ip = vec![0x46, 0xc0];
    ip.extend(len.to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 1, 2, 0, 0, 198, 18, 0, 1, 224, 0, 0, 22]);
    ip.extend([0x94, 4, 0, 0]);
    ip.extend(message);
    ethernet(MacAddr::new([1, 0, 0x5e, 0, 0, 22]), src, 0x0800, &ip)
}

/// An MLD message in IPv6, behind the hop-by-hop header with Router Alert.
pub(crate) fn mld(src: MacAddr, message: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + message.len()).unwrap();
    let mut ip = vec![0x60, 0, 0, 0];
    ip.extend(len.to_be_bytes());
    ip.extend([0, 1]);
    ip.extend(Ipv6Addr::LOCALHOST.octets());
    ip.extend(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16).octets());
    ip.extend([58, 0, 5, 2, 0, 0, 1, 0]);
    ip.extend(message);
    ethernet(MacAddr::new([0x33, 0x33, 0, 0, 0, 0x16]), src, 0x86dd, &ip)
}

/// IGMPv2 or MLDv1: the frame that joins, or leaves.
pub(crate) fn says(src: MacAddr, group: IpAddr, joins: bool) -> Vec<u8> {
    match group {
        IpAddr::V4(group) => {
            let mut message = vec![if joins { 0x16 } else { 0x17 }, 0, 0, 0];
            message.extend(group.octets());
            igmp(src, &message)
        }
        IpAddr::V6(group) => {
            let mut message = vec![if joins { 131 } else { 132 }, 0, 0, 0, 0, 0, 0, 0];
            message.extend(group.octets());
            mld(src, &message)
        }
    }
}

/// Lets a child say that it joins or leaves; whether it was heard and anything changed.
pub(crate) fn tell(segment: &mut Segment<u16>, key: u16, group: IpAddr, joins: bool) -> bool {
    let frame = says(mac(key), group, joins);
    let reports = segment.hears(key, &head(&frame), &frame);
    reports.is_some_and(|reports| {
        let news = segment.is_news(key, &reports);
        assert_eq!(segment.note(key, &reports), news);
        news
    })
}

pub(crate) fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    Ipv4Addr::new(a, b, c, d).into()
}

pub(crate) fn v6(last: u32) -> IpAddr {
    let [high, low] = [last >> 16, last & 0xffff].map(|half| u16::try_from(half).unwrap());
    Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, high, low).into()
}

/// Who gets a frame: the children in order, and whether the wire does.
pub(crate) fn who(
    delivery: Result<Delivery<'_, u16>, Refusal>,
) -> Result<(Vec<u16>, bool), Refusal> {
    delivery.map(|delivery| {
        let mut children: Vec<u16> = delivery.children().collect();
        children.sort_unstable();
        (children, delivery.wire)
    })
}
