//! Frames made by hand.

use vswitch_wire::{VnetHdr, ipv4, pseudo_v4, pseudo_v6};

use super::*;

/// `[virtio-net header][Ethernet frame]`.
pub(super) fn ethernet(dst: MacAddr, src: MacAddr, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = VnetHdr::NONE.to_bytes().to_vec();
    frame.extend(dst.octets());
    frame.extend(src.octets());
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    frame
}

/// An ARP request or reply of the station at `mac`.
pub(super) fn arp(
    op: u8,
    dst: MacAddr,
    mac: MacAddr,
    sender: Ipv4Addr,
    target: Ipv4Addr,
) -> Vec<u8> {
    let mut message = vec![0, 1, 8, 0, 6, 4, 0, op];
    message.extend(mac.octets());
    message.extend(sender.octets());
    message.extend([0; 6]);
    message.extend(target.octets());
    ethernet(dst, mac, 0x0806, &message)
}

/// An IPv4 packet in a frame; whoever wants a checksum behind the header has made it.
pub(super) fn packet4(
    macs: (MacAddr, MacAddr),
    (src, dst): (Ipv4Addr, Ipv4Addr),
    proto: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend(u16::try_from(20 + payload.len()).unwrap().to_be_bytes());
    packet.extend([0, 7, 0x40, 0, 64, proto, 0, 0]);
    packet.extend(src.octets());
    packet.extend(dst.octets());
    let checksum = ipv4::header_checksum(&packet);
    ipv4::set_checksum(&mut packet, checksum);
    packet.extend(payload);
    ethernet(macs.0, macs.1, 0x0800, &packet)
}

/// An IPv6 packet in a frame.
pub(super) fn packet6(
    macs: (MacAddr, MacAddr),
    (src, dst): (Ipv6Addr, Ipv6Addr),
    (proto, hops): (u8, u8),
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
    packet.extend([proto, hops]);
    packet.extend(src.octets());
    packet.extend(dst.octets());
    packet.extend(payload);
    ethernet(macs.0, macs.1, 0x86dd, &packet)
}

/// An ICMPv6 message in a frame.
pub(super) fn icmp6(
    macs: (MacAddr, MacAddr),
    ips: (Ipv6Addr, Ipv6Addr),
    message: &[u8],
) -> Vec<u8> {
    let mut message = message.to_vec();
    let len = u32::try_from(message.len()).unwrap();
    let sum = pseudo_v6(ips.0, ips.1, 58, len).add_bytes(&message);
    message[2..4].copy_from_slice(&sum.finish().to_be_bytes());
    packet6(macs, ips, (58, 255), &message)
}

/// A neighbour solicitation or advertisement.
pub(super) fn discovery(kind: u8, flags: u8, target: Ipv6Addr, option: Option<MacAddr>) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    if let Some(mac) = option {
        message.extend([if kind == 135 { 1 } else { 2 }, 1]);
        message.extend(mac.octets());
    }
    message
}

/// An echo request over IPv4 with its checksum.
pub(super) fn echo4(macs: (MacAddr, MacAddr), ips: (Ipv4Addr, Ipv4Addr), number: u16) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0, 0, 1];
    message.extend(number.to_be_bytes());
    let sum = vswitch_wire::Sum::new().add_bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    packet4(macs, ips, 1, &message)
}

/// A TCP header.
#[derive(Clone, Copy)]
pub(super) struct Segment {
    pub(super) src_port: u16,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
}

pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const ACK: u8 = 0x10;

impl Segment {
    /// From a client, whose MAC address has its last number, to port 53 of the gateway; `partial` leaves the checksum to whoever sends it on.
    pub(super) fn frame(&self, src: Ipv4Addr, payload: &[u8], partial: bool) -> Vec<u8> {
        let mut tcp = self.src_port.to_be_bytes().to_vec();
        tcp.extend(53u16.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.extend([0x50, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(payload);
        let pseudo = pseudo_v4(src, GATEWAY4, 6, u16::try_from(tcp.len()).unwrap());
        let sum = if partial {
            pseudo.fold()
        } else {
            pseudo.add_bytes(&tcp).finish()
        };
        tcp[16..18].copy_from_slice(&sum.to_be_bytes());
        packet4((GATEWAY, mac(src.octets()[3])), (src, GATEWAY4), 6, &tcp)
    }

    /// That of a received frame over IPv4, and its payload.
    pub(super) fn of(frame: &[u8]) -> Option<(Self, Vec<u8>)> {
        let packet = frame.get(26..)?;
        let end = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
        let tcp = packet.get(20..end)?;
        if packet[9] != 6 || tcp.len() < 20 {
            return None;
        }
        let word = |at: usize| u32::from_be_bytes(tcp[at..at + 4].try_into().unwrap());
        let header = Self {
            src_port: u16::from_be_bytes([tcp[2], tcp[3]]),
            seq: word(4),
            ack: word(8),
            flags: tcp[13],
        };
        Some((header, tcp[usize::from(tcp[12] >> 4) * 4..].to_vec()))
    }
}
