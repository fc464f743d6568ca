//! A sender of TCP segments or UDP datagrams that follow one another.

use arbitrary::{Result, Unstructured};
use vswitch_wire::tcp;

use crate::packet::{Ip, L4, Packet, tag};

/// What the next packet of a flow looks like.
#[derive(Debug, Clone)]
pub(crate) struct Flow {
    pub(crate) packet: Packet,
    /// Payload of a full packet, 1 to 3000 bytes.
    pub(crate) mss: usize,
    /// By how much the IPv4 identification grows.
    id_step: u16,
    /// What the payload is made of; another byte for each packet.
    fill: u8,
}

impl Flow {
    /// Few addresses and ports, so that flows share them; numbers that are about to wrap. A dozen bytes of input.
    pub(crate) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        let (shape, hosts) = (u.arbitrary::<u8>()?, u.arbitrary::<u8>()?);
        let bit = |n: u8| shape >> n & 1 == 1;
        let (from, to) = (hosts & 1, hosts >> 1 & 1 | 0x10);
        let ports = [u16::from(hosts >> 2 & 3), u16::from(hosts >> 4 & 3)];
        let ip = if bit(0) {
            Ip::V6 {
                label: u32::from(hosts >> 6),
                src: v6(from),
                dst: v6(to),
            }
        } else {
            Ip::V4 {
                id: u16::from(u.arbitrary::<u8>()?).wrapping_sub(0x80),
                fragment: if bit(1) { 0x4000 } else { 0 },
                src: [198, 18, 0, from],
                dst: [198, 18, 0, to],
            }
        };
        let l4 = if bit(2) {
            L4::Udp { ports }
        } else {
            let words = usize::from(u.int_in_range(0..=10u8)?);
            L4::Tcp {
                ports,
                seq: u32::from(u.arbitrary::<u8>()?).wrapping_sub(0x80) << 8,
                ack: u.arbitrary::<u8>()?.into(),
                flags: tcp::ACK,
                window: u.arbitrary::<u8>()?.into(),
                options: vec![1; 4 * words],
            }
        };
        let tags = (0..shape >> 3 & 3).map(|vid| tag(bit(5), vid)).collect();
        Ok(Self {
            packet: Packet {
                dst: [2, 0, 0, 0, 0, to],
                src: [2, 0, 0, 0, 0, from],
                tags,
                ip,
                tos: u.arbitrary()?,
                ttl: u.arbitrary()?,
                l4,
            },
            mss: if u.ratio(3u8, 4u8)? {
                usize::from(u.int_in_range(1..=250u8)?)
            } else {
                usize::from(u.int_in_range(1..=3000u16)?)
            },
            id_step: if bit(6) { 0 } else { 1 },
            fill: hosts,
        })
    }

    /// One thing about the packets that follow is another.
    pub(crate) fn change(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let what = u.int_in_range(0..=9u8)?;
        let value = u.arbitrary::<u8>()?;
        match (&mut self.packet.l4, what) {
            (L4::Tcp { seq, .. }, 0) => *seq = seq.wrapping_add(u32::from(value)),
            (L4::Tcp { ack, .. }, 1) => *ack = ack.wrapping_add(u32::from(value)),
            (L4::Tcp { window, .. }, 2) => *window = u16::from(value),
            (L4::Tcp { options, .. }, 3) => options.fill(value),
            (L4::Tcp { ports, .. } | L4::Udp { ports }, 4) => ports[0] = u16::from(value & 3),
            (_, 5) => self.packet.tos = value,
            (_, 6) => self.packet.ttl = value,
            (_, 7) => self.mss = usize::from(value) + 1,
            (_, 8) => self.packet.src[5] = value,
            (_, _) => self.change_ip(value),
        }
        Ok(())
    }

    fn change_ip(&mut self, value: u8) {
        match &mut self.packet.ip {
            // DF, and the bit that nobody uses.
            Ip::V4 { fragment, .. } if value < 3 => *fragment ^= 0x4000,
            Ip::V4 { fragment, .. } if value < 6 => *fragment ^= 0x8000,
            Ip::V4 { id, .. } => *id = id.wrapping_add(u16::from(value)),
            Ip::V6 { label, .. } => *label = u32::from(value),
        }
    }

    /// The IPv4 identification of the next packet.
    pub(crate) fn set_id(&mut self, next: u16) {
        if let Ip::V4 { id, .. } = &mut self.packet.ip {
            *id = next;
        }
    }

    /// The next packet: so many bytes, for TCP with flags beside ACK.
    pub(crate) fn next(&mut self, len: usize, more: u8) -> Vec<u8> {
        self.fill = self.fill.wrapping_add(1);
        self.next_with(&vec![self.fill; len], more)
    }

    /// The next packet with this payload, of at most 64,000 bytes.
    pub(crate) fn next_with(&mut self, payload: &[u8], more: u8) -> Vec<u8> {
        if let L4::Tcp { flags, .. } = &mut self.packet.l4 {
            *flags = tcp::ACK ^ more;
        }
        let frame = self.packet.build(payload);
        if let Ip::V4 { id, .. } = &mut self.packet.ip {
            *id = id.wrapping_add(self.id_step);
        }
        if let L4::Tcp { seq, .. } = &mut self.packet.l4 {
            *seq = seq.wrapping_add(u32::try_from(payload.len()).unwrap());
        }
        frame
    }
}

fn v6(host: u8) -> [u8; 16] {
    [0x20, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]
}
