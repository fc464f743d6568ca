//! The answer to a packet that does not fit: ICMP "fragmentation needed" (RFC 792, RFC 1191), ICMPv6 "packet too big"
//! (RFC 4443 section 3.2), as a whole frame back to the sender.
//!
//! A tunnel endpoint never fragments (RFC 7348 section 4.3), and a bridge has no address to complain from; the
//! network's gateway has one, and is who would have to say so if it were a router on the way.
//!
//! - **Silence**, where the RFCs ask for it (RFC 1122 section 3.2.2, RFC 1812 section 4.3.2.7, RFC 4443 section
//!   2.4(e)): for ICMP errors, for what went to many or came from nobody, for later fragments. RFC 4443 lets packet too
//!   big answer multicast; not here, where every host of the segment would.
//! - **Without DF** an IPv4 packet asks to be fragmented, which is nothing that a switch does: silence as well.
//! - **The quote** is as much as the RFCs let in: 576 bytes in all for IPv4 (RFC 1812 section 4.3.2.3), 1280 for IPv6.
//! - How often one is sent is for the caller to bound (RFC 1812 section 4.3.2.8, RFC 4443 section 2.4(f)).

use core::net::{Ipv4Addr, Ipv6Addr};

use vswitch_wire::{
    Head, IpVersion, Ipv4View, Ipv6View, Layers, MacAddr, PROTO_ICMP, PROTO_ICMPV6, Sum, ipv4,
    ipv6, pseudo_v6,
};

/// The longest answers, from the IP header on.
const MAX_V4: usize = 576;
const MAX_V6: usize = 1280;
/// ICMP and ICMPv6 alike: type, code, checksum, four bytes.
const ICMP_LEN: usize = 8;
/// Internetwork control, as RFC 1812 section 4.3.2.5 wants errors to be sent.
const TOS: u8 = 0xc0;
const HOPS: u8 = 64;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gateway {
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its IPv4 address.
    pub v4: Option<Ipv4Addr>,
    /// Its IPv6 address; a link-local one will do.
    pub v6: Option<Ipv6Addr>,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It is not a sound IP packet.
    #[error("not a sound IP packet")]
    NotIp,
    /// It fits.
    #[error("the packet fits")]
    Fits,
    /// IPv4 without DF.
    #[error("the sender allows fragmentation")]
    MayFragment,
    /// A fragment, and not the first.
    #[error("a later fragment")]
    LaterFragment,
    /// An ICMP error, or what may be one.
    #[error("an ICMP error")]
    IcmpError,
    /// Multicast or broadcast, of IP or of the link.
    #[error("the packet went to many")]
    ToMany,
    /// The source is not one host.
    #[error("the packet's source is not one host")]
    FromNobody,
    /// The gateway has no address of this family.
    #[error("the gateway has no address to answer from")]
    NoGateway,
}

/// The frame that tells the sender of `frame` that its IP packet must not be longer than `mtu`. For a super-frame,
/// whether its segments fit is for the caller to know.
///
/// # Errors
/// Each [`Silence`] is a reason to send nothing.
pub fn too_big(frame: &[u8], head: &Head, mtu: u16, gateway: &Gateway) -> Result<Vec<u8>, Silence> {
    let layers = Layers::parse(frame, head).map_err(|_| Silence::NotIp)?;
    let packet = &frame[layers.l3..layers.l4_end];
    if packet.len() <= usize::from(mtu) {
        return Err(Silence::Fits);
    }
    if head.dst.is_multicast() {
        return Err(Silence::ToMany);
    }
    if !head.src.is_unicast() {
        return Err(Silence::FromNobody);
    }
    let l4 = &frame[layers.l4..layers.l4_end];
    let answer = match layers.ip {
        IpVersion::V4 => fragmentation_needed(packet, l4, mtu, gateway)?,
        IpVersion::V6 => packet_too_big(packet, l4, &layers, mtu, gateway)?,
    };
    // With the same tags. A question in SNAP is answered in Ethernet II.
    let ethertype = match layers.ip {
        IpVersion::V4 => [0x08, 0x00],
        IpVersion::V6 => [0x86, 0xdd],
    };
    let mut out = Vec::with_capacity(head.payload + answer.len());
    out.extend(head.src.octets());
    out.extend(gateway.mac.octets());
    out.extend(&frame[12..head.type_offset()]);
    out.extend(ethertype);
    out.extend(answer);
    Ok(out)
}

fn fragmentation_needed(
    packet: &[u8],
    l4: &[u8],
    mtu: u16,
    gateway: &Gateway,
) -> Result<Vec<u8>, Silence> {
    let ip = Ipv4View::parse(packet).map_err(|_| Silence::NotIp)?;
    if !ip.dont_fragment() {
        return Err(Silence::MayFragment);
    }
    if ip.fragment_offset() > 0 {
        return Err(Silence::LaterFragment);
    }
    if ip.dst().is_multicast() || ip.dst().is_broadcast() {
        return Err(Silence::ToMany);
    }
    let src = ip.src();
    if src.is_unspecified() || src.is_multicast() || src.is_broadcast() || src.is_loopback() {
        return Err(Silence::FromNobody);
    }
    // Destination unreachable, source quench, redirect, time exceeded, parameter problem.
    if ip.proto() == PROTO_ICMP && matches!(l4.first(), None | Some(3 | 4 | 5 | 11 | 12)) {
        return Err(Silence::IcmpError);
    }
    let from = gateway.v4.ok_or(Silence::NoGateway)?;

    let quote = &packet[..packet.len().min(MAX_V4 - ipv4::MIN_LEN - ICMP_LEN)];
    let mut icmp = vec![3, 4, 0, 0, 0, 0];
    icmp.extend(mtu.to_be_bytes());
    icmp.extend(quote);
    put_checksum(&mut icmp, Sum::new());

    let mut out = vec![0x45, TOS, 0, 0, 0, 0, 0x40, 0, HOPS, PROTO_ICMP];
    out.resize(ipv4::MIN_LEN, 0);
    ipv4::set_total_len(&mut out, len16(ipv4::MIN_LEN + icmp.len()));
    ipv4::set_src(&mut out, from);
    ipv4::set_dst(&mut out, src);
    let checksum = ipv4::header_checksum(&out);
    ipv4::set_checksum(&mut out, checksum);
    out.extend(icmp);
    Ok(out)
}

fn packet_too_big(
    packet: &[u8],
    l4: &[u8],
    layers: &Layers,
    mtu: u16,
    gateway: &Gateway,
) -> Result<Vec<u8>, Silence> {
    let ip = Ipv6View::parse(packet).map_err(|_| Silence::NotIp)?;
    if is_later_fragment(packet, ip.next_header()) {
        return Err(Silence::LaterFragment);
    }
    if ip.dst().is_multicast() {
        return Err(Silence::ToMany);
    }
    let src = ip.src();
    if src.is_unspecified() || src.is_multicast() || src.is_loopback() {
        return Err(Silence::FromNobody);
    }
    // Errors are below 128; a redirect is none, but is not answered either (RFC 4443 section 2.4(e.2)).
    if layers.proto == PROTO_ICMPV6 && matches!(l4.first(), None | Some(..=127 | 137)) {
        return Err(Silence::IcmpError);
    }
    let from = gateway.v6.ok_or(Silence::NoGateway)?;

    let quote = &packet[..packet.len().min(MAX_V6 - ipv6::HEADER_LEN - ICMP_LEN)];
    let mut icmp = vec![2, 0, 0, 0];
    icmp.extend(u32::from(mtu).to_be_bytes());
    icmp.extend(quote);
    let len = len16(icmp.len());
    put_checksum(
        &mut icmp,
        pseudo_v6(from, src, PROTO_ICMPV6, u32::from(len)),
    );

    let mut out = vec![0x60 | TOS >> 4, TOS << 4, 0, 0, 0, 0, PROTO_ICMPV6, HOPS];
    out.resize(ipv6::HEADER_LEN, 0);
    ipv6::set_payload_len(&mut out, len);
    ipv6::set_src(&mut out, from);
    ipv6::set_dst(&mut out, src);
    out.extend(icmp);
    Ok(out)
}

/// Whether the chain of headers, which was walked before without an error, has a fragment header with an offset.
fn is_later_fragment(packet: &[u8], mut next: u8) -> bool {
    const FRAGMENT: u8 = 44;
    let mut at = ipv6::HEADER_LEN;
    for _ in 0..ipv6::MAX_EXTENSIONS {
        let Some(&[following, len, high, low, ..]) = packet.get(at..) else {
            return false;
        };
        match next {
            FRAGMENT => return u16::from_be_bytes([high, low]) & 0xfff8 != 0,
            // Hop-by-hop, routing, destination options.
            0 | 43 | 60 => at += 8 * (usize::from(len) + 1),
            _ => return false,
        }
        next = following;
    }
    false
}

fn put_checksum(icmp: &mut [u8], pseudo: Sum) {
    let checksum = pseudo.add_bytes(icmp).finish();
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
}

/// A length below 1280.
fn len16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
