//! A group that is being gathered: what may join it, and the header that it leaves with.

use core::ops::Range;

use super::candidate::{Candidate, Flow, pseudo};
use super::{MAX_DATAGRAMS, MAX_PIECES};
use crate::bytes::{get16, get32};
use crate::layers::IpVersion;
use crate::vnet::L4;
use crate::{FLAG_NEEDS_CSUM, GsoType, PROTO_TCP, PROTO_UDP, VnetHdr, ipv4, ipv6, tcp, udp};

/// What the identifications of an IPv4 group do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// One packet says nothing.
    Undecided,
    Counting,
    Fixed,
}

/// A group: its first packet's header is kept beside it.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) flow: Flow,
    /// Where the header is kept.
    pub(super) header: Range<usize>,
    pub(super) count: usize,
    pub(super) payload_len: usize,
    l3: usize,
    l4: usize,
    ip: IpVersion,
    transport: L4,
    gso_size: u16,
    ids: Ids,
    pushed: bool,
}

impl Group {
    pub(super) fn new(flow: Flow, first: &Candidate<'_>, header: Range<usize>) -> Self {
        Self {
            flow,
            header,
            count: 1,
            payload_len: usize::from(first.payload_len),
            l3: first.l3,
            l4: first.l4,
            ip: first.ip,
            transport: first.transport,
            gso_size: first.payload_len,
            ids: Ids::Undecided,
            pushed: false,
        }
    }

    /// Takes the next packet of the flow, if it fits behind `header`, the first one's. Says whether it was the last.
    pub(super) fn append(&mut self, header: &[u8], next: &Candidate<'_>) -> Option<bool> {
        let same_shape = self.l3 == next.l3
            && self.l4 == next.l4
            && self.ip == next.ip
            && header.len() == next.header.len()
            && header[..self.l3] == next.header[..self.l3];
        let packet_len = header.len() - self.l3 + self.payload_len + usize::from(next.payload_len);
        if !same_shape
            || next.payload_len > self.gso_size
            || packet_len > usize::from(u16::MAX)
            || !self.same_transport(&header[self.l4..], &next.header[self.l4..])
        {
            return None;
        }
        let (here, there) = (&header[self.l3..self.l4], &next.header[self.l3..self.l4]);
        let ids = match self.ip {
            IpVersion::V4 => self.same_ipv4(here, there)?,
            IpVersion::V6 => same_ipv6(here, there).then_some(self.ids)?,
        };
        self.ids = ids;
        self.count += 1;
        self.payload_len += usize::from(next.payload_len);
        self.pushed |= next.pushes();
        let limit = match self.transport {
            L4::Tcp => MAX_PIECES,
            L4::Udp => MAX_DATAGRAMS,
        };
        Some(self.pushed || next.payload_len < self.gso_size || self.count >= limit)
    }

    /// Linux's `inet_gro_flush`.
    fn same_ipv4(&self, here: &[u8], there: &[u8]) -> Option<Ids> {
        use ipv4::field;
        let fragment = get16(here, field::FRAGMENT);
        let same = here[..field::TOTAL_LEN] == there[..field::TOTAL_LEN]
            && fragment == get16(there, field::FRAGMENT)
            && here[field::TTL..field::CHECKSUM] == there[field::TTL..field::CHECKSUM];
        if !same {
            return None;
        }
        let ahead = get16(there, field::ID).wrapping_sub(get16(here, field::ID));
        // With DF an identification means nothing, and some senders leave it as it is.
        let atomic = fragment != 0;
        match self.ids {
            Ids::Undecided if atomic && ahead == 0 => Some(Ids::Fixed),
            Ids::Fixed => (ahead == 0).then_some(Ids::Fixed),
            Ids::Undecided | Ids::Counting => {
                (usize::from(ahead) == self.count).then_some(Ids::Counting)
            }
        }
    }

    fn same_transport(&self, here: &[u8], there: &[u8]) -> bool {
        use tcp::field;
        match self.transport {
            // The ports are the flow's.
            L4::Udp => true,
            L4::Tcp => {
                let ahead = get32(there, field::SEQ).wrapping_sub(get32(here, field::SEQ));
                usize::try_from(ahead) == Ok(self.payload_len)
                    && here[field::ACK_NUMBER..field::FLAGS]
                        == there[field::ACK_NUMBER..field::FLAGS]
                    && here[field::WINDOW..field::CHECKSUM] == there[field::WINDOW..field::CHECKSUM]
                    && here[field::URGENT..] == there[field::URGENT..]
            }
        }
    }

    /// The virtio-net header of the super-frame.
    pub(super) fn vnet(&self) -> VnetHdr {
        let (gso_type, csum_offset) = match (self.transport, self.ip) {
            (L4::Tcp, IpVersion::V4) => (GsoType::TcpV4, tcp::CHECKSUM_OFFSET),
            (L4::Tcp, IpVersion::V6) => (GsoType::TcpV6, tcp::CHECKSUM_OFFSET),
            (L4::Udp, _) => (GsoType::UdpL4, udp::CHECKSUM_OFFSET),
        };
        VnetHdr {
            flags: FLAG_NEEDS_CSUM,
            gso_type: gso_type.raw(),
            hdr_len: len16(self.header.len()),
            gso_size: self.gso_size,
            csum_start: len16(self.l4),
            csum_offset: len16(csum_offset),
            num_buffers: 0,
        }
    }

    /// Turns `header`, the first packet's, into the super-frame's.
    pub(super) fn write_header(&self, header: &mut [u8]) {
        let l4_len = len16(header.len() - self.l4 + self.payload_len);
        let ip = &mut header[self.l3..self.l4];
        match self.ip {
            IpVersion::V4 => {
                ipv4::set_total_len(ip, len16(ip.len()) + l4_len);
                let checksum = ipv4::header_checksum(ip);
                ipv4::set_checksum(ip, checksum);
            }
            IpVersion::V6 => ipv6::set_payload_len(ip, l4_len),
        }
        let proto = match self.transport {
            L4::Tcp => PROTO_TCP,
            L4::Udp => PROTO_UDP,
        };
        let partial = pseudo(header, self.l3, self.ip, proto, l4_len).fold();
        let l4 = &mut header[self.l4..];
        match self.transport {
            L4::Tcp => {
                if self.pushed {
                    tcp::set_flags(l4, l4[tcp::field::FLAGS] | tcp::PSH);
                }
                tcp::set_checksum(l4, partial);
            }
            L4::Udp => {
                udp::set_len(l4, l4_len);
                udp::set_checksum(l4, partial);
            }
        }
    }
}

fn same_ipv6(here: &[u8], there: &[u8]) -> bool {
    use ipv6::field;
    here[..field::PAYLOAD_LEN] == there[..field::PAYLOAD_LEN]
        && here[field::NEXT_HEADER..field::SRC] == there[field::NEXT_HEADER..field::SRC]
}

/// A length inside one IP packet, which [`Group::append`] bounds.
fn len16(len: usize) -> u16 {
    debug_assert!(len <= usize::from(u16::MAX), "append bounds the packet");
    u16::try_from(len).unwrap_or(u16::MAX)
}
