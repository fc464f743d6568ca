//! What comes to the tunnel's port, and from where.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arbitrary::{Result, Unstructured};
use vswitch_wire::{MacAddr, PROTO_ICMP, PROTO_ICMPV6, Vni};

use crate::flow::Flow;
use crate::packet::{Ip, L4, Packet, repair, tag};

pub(super) fn vni(number: u8) -> Vni {
    Vni::from_bytes([0, 0, number & 3])
}

/// Addresses of the underlay: hosts, hosts in another spelling, and what is no host's.
pub(super) fn underlay(number: u8) -> IpAddr {
    let v4 = Ipv4Addr::new(198, 18, 100, number & 1);
    match number & 15 {
        0 | 1 => v4.into(),
        2 | 3 => v4.to_ipv6_mapped().into(),
        4 | 5 => IpAddr::from([0x2001, 2, 0, 0, 0, 0, 0, u16::from(number & 1)]),
        6 => IpAddr::from([198, 18, 100, 6]),
        7 => IpAddr::from([0x2001, 2, 0, 0, 0, 0, 0, 7]),
        8 => Ipv4Addr::UNSPECIFIED.into(),
        9 => Ipv6Addr::UNSPECIFIED.into(),
        10 => Ipv4Addr::BROADCAST.into(),
        11 => group(false),
        12 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]),
        _ => IpAddr::from([198, 18, 100, number]),
    }
}

/// Where a datagram comes from, a peer nearly always.
pub(super) fn sender(u: &mut Unstructured<'_>) -> Result<IpAddr> {
    let number = u.arbitrary::<u8>()?;
    Ok(underlay(if number < 0xc0 { number & 3 } else { number }))
}

/// A multicast group of the underlay.
pub(super) fn group(v6: bool) -> IpAddr {
    if v6 {
        IpAddr::from([0xff05, 0, 0, 0, 0, 0, 0, 1])
    } else {
        IpAddr::from([239, 1, 1, 1])
    }
}

/// One of few addresses, not all of them a station's.
pub(super) fn mac(u: &mut Unstructured<'_>) -> Result<MacAddr> {
    Ok(match u.int_in_range(0..=9u8)? {
        0 => MacAddr::BROADCAST,
        1 => MacAddr::ZERO,
        2 => MacAddr::new([0x33, 0x33, 0xff, 0, 0, 1]),
        3 => MacAddr::new(u.arbitrary()?),
        number => MacAddr::new([2, 0, 0, 0, 0, number]),
    })
}

/// An inner IPv4 address: hosts, and what is none's.
pub(super) fn v4(number: u8) -> [u8; 4] {
    match number & 7 {
        0 => [0, 0, 0, 0],
        1 => [127, 0, 0, 1],
        2 => [224, 0, 0, 1],
        3 => [255, 255, 255, 255],
        host => [198, 18, 0, host],
    }
}

/// An inner IPv6 address: hosts, their solicited-node groups, and what is none's.
pub(super) fn v6(number: u8) -> [u8; 16] {
    let [high, low, last] = match number & 7 {
        0 => [0, 0, 0],
        1 => [0, 0, 1],
        2 => [0xff, 2, 1],
        host => [0x20, 1, host],
    };
    let mut ip = [0; 16];
    (ip[0], ip[1], ip[15]) = (high, low, last);
    if number & 0x80 != 0 {
        ip = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, last];
    }
    ip
}

/// A whole datagram: a VXLAN header and a frame, or anything.
pub(super) fn read(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if u.ratio(1u8, 8u8)? {
        let len = u.int_in_range(0..=60)?;
        return Ok(u.bytes(len)?.to_vec());
    }
    let [flags, last] = *u.choose(&[[8, 0], [8, 0], [8, 0], [0, 0], [0x88, 0], [8, 1]])?;
    let [a, b, c] = vni(u.arbitrary()?).to_bytes();
    let mut datagram = vec![flags, 0, 0, 0, a, b, c, last];
    datagram.extend(frame(u)?);
    if u.ratio(1u8, 8u8)? {
        let at = u.choose_index(datagram.len())?;
        datagram[at] ^= u.arbitrary::<u8>()?;
    }
    if u.ratio(1u8, 16u8)? {
        datagram.truncate(u.int_in_range(0..=datagram.len())?);
    }
    Ok(datagram)
}

/// An inner frame.
pub(super) fn frame(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let (mut dst, src) = (mac(u)?.octets(), mac(u)?.octets());
    let what = u.int_in_range(0..=9u8)?;
    if matches!(what, 2..=6) && u.arbitrary()? {
        // A question for all.
        dst = [0xff; 6];
    }
    let mut tags = Vec::new();
    if u.ratio(1u8, 4u8)? {
        for _ in 0..u.int_in_range(1..=6u8)? {
            tags.push(tag(u.arbitrary()?, u.arbitrary()?));
        }
    }
    let mut frame = [dst, src].concat();
    frame.extend(tags.concat());
    match what {
        0 => {
            let len = u.int_in_range(0..=80)?;
            frame.extend(u.bytes(len)?);
        }
        1 => {
            // LLC, with SNAP as often as not.
            frame.extend([0, 60]);
            frame.extend(u.choose(&[[0xaa, 0xaa, 3, 0, 0, 0], [0x42, 0x42, 3, 0, 0, 0]])?);
            frame.extend(u.choose(&[[0x08, 0x00], [0x86, 0xdd], [0x08, 0x06]])?);
            let len = u.int_in_range(0..=60)?;
            frame.extend(u.bytes(len)?);
        }
        2 | 3 => frame.extend(arp(src, u)?),
        4..=6 => {
            let packet = packet(dst, src, tags, u)?;
            frame = discovery(packet, src, u)?;
        }
        7 => {
            let mut flow = Flow::read(u)?;
            (flow.packet.dst, flow.packet.src, flow.packet.tags) = (dst, src, tags);
            frame = flow.next(flow.mss, 0);
        }
        _ => {
            let len = u.int_in_range(0..=120)?;
            let payload = u.bytes(len)?.to_vec();
            let mut packet = packet(dst, src, tags, u)?;
            packet.l4 = L4::Other(*u.choose(&[PROTO_ICMP, PROTO_ICMPV6, 0, 43, 44, 60, 17])?);
            frame = packet.build(&payload);
        }
    }
    Ok(frame)
}

fn packet(
    dst: [u8; 6],
    src: [u8; 6],
    tags: Vec<[u8; 4]>,
    u: &mut Unstructured<'_>,
) -> Result<Packet> {
    let (from, to) = (u.arbitrary::<u8>()?, u.arbitrary::<u8>()?);
    let ip = if u.arbitrary()? {
        Ip::V4 {
            id: 7,
            fragment: *u.choose(&[0x4000, 0x4000, 0, 0x2000, 0x4001])?,
            src: v4(from),
            dst: v4(to),
        }
    } else {
        Ip::V6 {
            label: 0,
            src: v6(from),
            dst: v6(to),
        }
    };
    Ok(Packet {
        dst,
        src,
        tags,
        ip,
        tos: u.arbitrary()?,
        ttl: *u.choose(&[255, 64, 0])?,
        l4: L4::Other(PROTO_ICMP),
    })
}

/// From the type field on.
fn arp(src: [u8; 6], u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let sender_mac = if u.ratio(1u8, 8u8)? {
        mac(u)?.octets()
    } else {
        src
    };
    let mut message = vec![0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, u.int_in_range(1..=3)?];
    message.extend(sender_mac);
    message.extend(v4(u.arbitrary()?));
    message.extend([0; 6]);
    message.extend(v4(u.arbitrary()?));
    Ok(message)
}

/// Neighbour solicitation and advertisement, in IPv6 with a hop limit of 255 nearly always.
fn discovery(mut packet: Packet, src: [u8; 6], u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    packet.l4 = L4::Other(PROTO_ICMPV6);
    let (from, target) = (v6(u.arbitrary()?), u.arbitrary::<u8>()?);
    let to = match u.arbitrary::<u8>()? {
        number if number & 1 == 0 => v6(target | 0x80),
        number => v6(number),
    };
    packet.ip = Ip::V6 {
        label: 0,
        src: from,
        dst: to,
    };
    if !u.ratio(1u8, 16u8)? {
        packet.ttl = 255;
    }
    let kind = *u.choose(&[135, 136, 134])?;
    let mut message = vec![kind, 0, 0, 0, u.arbitrary()?, 0, 0, 0];
    message.extend(v6(target & 0x7f));
    for _ in 0..u.int_in_range(0..=2u8)? {
        let option = *u.choose(&[[1, 1], [2, 1], [1, 1], [2, 1], [14, 1], [1, 2], [1, 0]])?;
        message.extend(option);
        message.extend(if u.ratio(1u8, 8u8)? {
            mac(u)?.octets()
        } else {
            src
        });
    }
    let mut frame = packet.build(&message);
    repair(&mut frame);
    Ok(frame)
}
