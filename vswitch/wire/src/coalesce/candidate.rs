//! Which flow a frame belongs to, and whether it may be merged with another at all.

use super::Piece;
use crate::bytes::{get16, get32, low16};
use crate::layers::IpVersion;
use crate::vnet::L4;
use crate::{
    Head, Ipv4View, Kind, Layers, MIN_TCP_GSO_SIZE, OffloadSet, PROTO_TCP, PROTO_UDP, Sum, TcpView,
    UdpView, ipv4, ipv6, tcp, udp,
};

/// Source and destination; IPv4's in the first word.
pub(super) type Addresses = [u64; 4];

/// The five-tuple. Two frames that differ in it may be delivered in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    addresses: Addresses,
    ip: IpVersion,
    proto: u8,
    ports: (u16, u16),
}

impl Flow {
    /// The flow of what has ports.
    pub(super) fn read(frame: &[u8], layers: &Layers) -> Option<Self> {
        let ports = layers.ports(frame)?;
        Some(Self {
            addresses: Self::addresses(frame, layers),
            ip: layers.ip,
            proto: layers.proto,
            ports,
        })
    }

    pub(super) fn addresses(frame: &[u8], layers: &Layers) -> Addresses {
        let header = &frame[layers.l3..];
        let word = |at| u64::from(get32(header, at)) << 32 | u64::from(get32(header, at + 4));
        match layers.ip {
            IpVersion::V4 => [word(ipv4::field::SRC), 0, 0, 0],
            IpVersion::V6 => [8, 16, 24, 32].map(word),
        }
    }

    /// Whether it is a flow between these addresses. That an IPv6 pair could read like an IPv4 one costs nothing.
    pub(super) fn is_between(&self, addresses: Addresses) -> bool {
        self.addresses == addresses
    }

    /// The place in a table of `slots`, a power of two. No secret: a collision costs some merging, nothing else.
    pub(super) fn slot(&self, slots: usize) -> usize {
        let ports = u64::from(self.ports.0) << 16 | u64::from(self.ports.1);
        let mut state = ports << 8 | u64::from(self.proto);
        for word in self.addresses {
            state = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
            state ^= state >> 32;
        }
        usize::from(low16(state.wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 48)) & (slots - 1)
    }
}

/// A frame that may be merged with one that fits: sound, verified, nothing unusual in its headers.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    /// Ethernet to L4, options included.
    pub(super) header: &'a [u8],
    pub(super) l3: usize,
    pub(super) l4: usize,
    pub(super) ip: IpVersion,
    pub(super) transport: L4,
    pub(super) payload_len: u16,
}

impl<'a> Candidate<'a> {
    /// Reads a frame that is no fragment.
    pub(super) fn read(
        frame: &'a [u8],
        head: &Head,
        layers: &Layers,
        accepts: OffloadSet,
    ) -> Option<Self> {
        // Linux merges no padded frame either: its GRO comes before the packet is trimmed.
        let plain = matches!(head.kind, Kind::Ether(_)) && layers.l4_end == frame.len();
        if !plain || !ip_is_plain(frame, layers) {
            return None;
        }
        let l4 = &frame[layers.l4..];
        let (transport, l4_len) = match layers.proto {
            PROTO_TCP => (L4::Tcp, plain_tcp(l4)?),
            PROTO_UDP => (L4::Udp, plain_udp(l4)?),
            _ => return None,
        };
        let needs = match (transport, layers.ip) {
            (L4::Tcp, IpVersion::V4) => OffloadSet::TSO4,
            (L4::Tcp, IpVersion::V6) => OffloadSet::TSO6,
            (L4::Udp, IpVersion::V4) => OffloadSet::USO4,
            (L4::Udp, IpVersion::V6) => OffloadSet::USO6,
        };
        if !accepts.contains(needs.union(OffloadSet::CSUM)) {
            return None;
        }
        let header = &frame[..layers.l4 + l4_len];
        let payload_len = u16::try_from(frame.len() - header.len()).ok()?;
        let whole = u16::try_from(l4.len()).ok()?;
        let pseudo = pseudo(header, layers.l3, layers.ip, layers.proto, whole);
        (payload_len > 0 && pseudo.add_bytes(l4).finish() == 0).then_some(Self {
            header,
            l3: layers.l3,
            l4: layers.l4,
            ip: layers.ip,
            transport,
            payload_len,
        })
    }

    /// Whether another could follow it: not after PSH, and not where the pieces would be too small to be cut again.
    pub(super) fn can_start(&self) -> bool {
        match self.transport {
            L4::Tcp => !self.pushes() && self.payload_len >= MIN_TCP_GSO_SIZE,
            L4::Udp => true,
        }
    }

    /// Whether this is TCP with PSH.
    pub(super) fn pushes(&self) -> bool {
        match self.transport {
            L4::Tcp => self.header[self.l4 + tcp::field::FLAGS] & tcp::PSH != 0,
            L4::Udp => false,
        }
    }

    pub(super) fn piece(&self) -> Piece {
        Piece {
            start: self.header.len(),
            end: self.header.len() + usize::from(self.payload_len),
            next: None,
            verified: true,
        }
    }
}

/// IPv4 without options and with a right checksum, IPv6 without extension headers.
fn ip_is_plain(frame: &[u8], layers: &Layers) -> bool {
    let header = &frame[layers.l3..layers.l4];
    match layers.ip {
        IpVersion::V4 => {
            // The reserved bit is set by nobody, so whoever sets it gets no merging (Linux as well).
            const RESERVED: u16 = 0x8000;
            header.len() == ipv4::MIN_LEN
                && get16(header, ipv4::field::FRAGMENT) & RESERVED == 0
                && Ipv4View::parse(&frame[layers.l3..layers.l4_end])
                    .is_ok_and(|ip| ip.checksum_is_valid())
        }
        IpVersion::V6 => header.len() == ipv6::HEADER_LEN,
    }
}

/// The header's length, if the flags are ACK or ACK and PSH.
fn plain_tcp(segment: &[u8]) -> Option<usize> {
    let tcp = TcpView::parse(segment).ok()?;
    (tcp.flags() & !tcp::PSH == tcp::ACK).then(|| tcp.header_len())
}

/// The header's length, if the datagram has a checksum and is as long as it says.
fn plain_udp(datagram: &[u8]) -> Option<usize> {
    let udp = UdpView::parse(datagram).ok()?;
    (udp.checksum() != 0 && usize::from(udp.len_field()) == datagram.len())
        .then_some(udp::HEADER_LEN)
}

/// The pseudo header over `len` bytes of L4, for an IP header without options at `l3`.
pub(super) fn pseudo(header: &[u8], l3: usize, ip: IpVersion, proto: u8, len: u16) -> Sum {
    let addresses = match ip {
        IpVersion::V4 => l3 + ipv4::field::SRC..l3 + ipv4::MIN_LEN,
        IpVersion::V6 => l3 + ipv6::field::SRC..l3 + ipv6::HEADER_LEN,
    };
    Sum::new()
        .add_bytes(&header[addresses])
        .add_u16(u16::from(proto))
        .add_u16(len)
}
