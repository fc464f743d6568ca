//! Frames that are built and verified by the plainest code possible.

use vswitch_wire::{
    Head, IpVersion, Layers, PROTO_ICMP, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, Tag, tcp, udp,
};

/// An IP packet in a frame, without its payload.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) dst: [u8; 6],
    pub(crate) src: [u8; 6],
    pub(crate) tags: Vec<[u8; 4]>,
    pub(crate) ip: Ip,
    /// TOS or traffic class.
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
    pub(crate) l4: L4,
}

#[derive(Debug, Clone)]
pub(crate) enum Ip {
    V4 {
        id: u16,
        /// With DF and MF.
        fragment: u16,
        src: [u8; 4],
        dst: [u8; 4],
    },
    V6 {
        label: u32,
        src: [u8; 16],
        dst: [u8; 16],
    },
}

#[derive(Debug, Clone)]
pub(crate) enum L4 {
    Tcp {
        ports: [u16; 2],
        seq: u32,
        ack: u32,
        flags: u8,
        window: u16,
        /// A multiple of four bytes, at most 40.
        options: Vec<u8>,
    },
    Udp {
        ports: [u16; 2],
    },
    Other(u8),
}

impl Packet {
    /// The frame, with right lengths and checksums; `payload` fits an IP packet.
    pub(crate) fn build(&self, payload: &[u8]) -> Vec<u8> {
        let mut frame = [self.dst, self.src].concat();
        frame.extend(self.tags.concat());
        let l4 = self.l4.header(payload.len());
        let len = l4.len() + payload.len();
        match self.ip {
            Ip::V4 {
                id,
                fragment,
                src,
                dst,
            } => {
                frame.extend([0x08, 0x00, 0x45, self.tos]);
                frame.extend(len16(20 + len).to_be_bytes());
                frame.extend(id.to_be_bytes());
                frame.extend(fragment.to_be_bytes());
                frame.extend([self.ttl, self.l4.proto(), 0, 0]);
                frame.extend([src, dst].concat());
            }
            Ip::V6 { label, src, dst } => {
                let first = 6 << 28 | u32::from(self.tos) << 20 | label & 0xf_ffff;
                frame.extend([0x86, 0xdd]);
                frame.extend(first.to_be_bytes());
                frame.extend(len16(len).to_be_bytes());
                frame.extend([self.l4.proto(), self.ttl]);
                frame.extend([src, dst].concat());
            }
        }
        frame.extend(l4);
        frame.extend(payload);
        repair(&mut frame);
        frame
    }
}

impl L4 {
    pub(crate) const fn proto(&self) -> u8 {
        match self {
            Self::Tcp { .. } => PROTO_TCP,
            Self::Udp { .. } => PROTO_UDP,
            Self::Other(proto) => *proto,
        }
    }

    /// Without a checksum.
    fn header(&self, payload: usize) -> Vec<u8> {
        match self {
            Self::Tcp {
                ports: [from, to],
                seq,
                ack,
                flags,
                window,
                options,
            } => {
                let mut header = [from.to_be_bytes(), to.to_be_bytes()].concat();
                header.extend(seq.to_be_bytes());
                header.extend(ack.to_be_bytes());
                header.extend([len8(20 + options.len()) << 2, *flags]);
                header.extend(window.to_be_bytes());
                header.extend([0; 4]);
                header.extend(options);
                header
            }
            Self::Udp { ports: [from, to] } => {
                let len = len16(udp::HEADER_LEN + payload).to_be_bytes();
                [from.to_be_bytes(), to.to_be_bytes(), len, [0; 2]].concat()
            }
            Self::Other(_) => Vec::new(),
        }
    }
}

/// The layers of a frame that has them.
pub(crate) fn layers(frame: &[u8]) -> Option<Layers> {
    Layers::parse(frame, &Head::parse(frame).ok()?).ok()
}

/// The ones' complement sum of RFC 1071, in words of 32 bits, which sum up the same.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0;
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        total += u64::from(u32::from_be_bytes(*word));
    }
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    fold(total + u64::from(u32::from_be_bytes(last)))
}

/// What two sums make together.
pub(crate) fn plus(a: u16, b: u16) -> u16 {
    fold(u64::from(a) + u64::from(b))
}

fn fold(mut sum: u64) -> u16 {
    while let Some(high) = sum.checked_shr(16).filter(|&high| high > 0) {
        sum = (sum & 0xffff) + high;
    }
    u16::try_from(sum).unwrap()
}

/// Zero and 0xffff are the same in ones' complement.
pub(crate) const fn same_sum(a: u16, b: u16) -> bool {
    a % 0xffff == b % 0xffff
}

pub(crate) fn get16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

pub(crate) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// The sum of the pseudo header; zero for ICMP, which has none.
pub(crate) fn pseudo(frame: &[u8], layers: &Layers) -> u16 {
    let addresses = match layers.ip {
        IpVersion::V4 if layers.proto == PROTO_ICMP => return 0,
        IpVersion::V4 => layers.l3 + 12..layers.l3 + 20,
        IpVersion::V6 => layers.l3 + 8..layers.l3 + 40,
    };
    let mut bytes = frame[addresses].to_vec();
    bytes.extend(len16(layers.l4_end - layers.l4).to_be_bytes());
    bytes.extend([0, layers.proto]);
    sum(&bytes)
}

/// Where the transport's checksum stands, if there is one.
pub(crate) fn checksum_field(layers: &Layers) -> Option<usize> {
    let offset = match layers.proto {
        PROTO_TCP => tcp::CHECKSUM_OFFSET,
        PROTO_UDP => udp::CHECKSUM_OFFSET,
        PROTO_ICMP | PROTO_ICMPV6 => 2,
        _ => return None,
    };
    let at = layers.l4 + offset;
    (!layers.fragment && at + 2 <= layers.l4_end).then_some(at)
}

/// Puts right checksums into what is IP.
pub(crate) fn repair(frame: &mut [u8]) {
    let Some(layers) = layers(frame) else {
        return;
    };
    if layers.ip == IpVersion::V4 {
        put16(frame, layers.l3 + 10, 0);
        let checksum = !sum(&frame[layers.l3..layers.l4]);
        put16(frame, layers.l3 + 10, checksum);
    }
    if let Some(at) = checksum_field(&layers) {
        put16(frame, at, 0);
        let whole = plus(
            pseudo(frame, &layers),
            sum(&frame[layers.l4..layers.l4_end]),
        );
        let none = whole == 0xffff && layers.proto == PROTO_UDP;
        put16(frame, at, if none { 0xffff } else { !whole });
    }
}

/// Whether an IPv4 header's checksum is right; for IPv6 always.
pub(crate) fn ip_is_right(frame: &[u8], layers: &Layers) -> bool {
    layers.ip == IpVersion::V6 || sum(&frame[layers.l3..layers.l4]) == 0xffff
}

/// Whether the transport's checksum is right, if there is one.
pub(crate) fn l4_is_right(frame: &[u8], layers: &Layers) -> bool {
    checksum_field(layers).is_none()
        || same_sum(
            plus(pseudo(frame, layers), sum(&frame[layers.l4..layers.l4_end])),
            0,
        )
}

/// A VLAN tag.
pub(crate) fn tag(service: bool, vid: u8) -> [u8; 4] {
    let tpid = if service { 0x88a8 } else { 0x8100 };
    let tag = Tag::from_tci(vswitch_wire::EtherType(tpid), u16::from(vid));
    let ([a, b], [c, d]) = (tag.tpid.0.to_be_bytes(), tag.tci().to_be_bytes());
    [a, b, c, d]
}

pub(crate) fn len16(len: usize) -> u16 {
    u16::try_from(len).unwrap()
}

fn len8(len: usize) -> u8 {
    u8::try_from(len).unwrap()
}
