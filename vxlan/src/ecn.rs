//! Explicit congestion notification through a tunnel (RFC 6040).
//!
//! On the way in, normal mode: the outer header gets the inner one's codepoint (section 4.1). On the way out, a mark
//! that a router put on the outer header is carried over to the inner one; where the inner packet's sender cannot read
//! a mark, the packet is dropped, which it can (section 4.2, figure 4). That needs the outer header's codepoint, which
//! a socket gives with `IP_RECVTOS` or `IPV6_RECVTCLASS`.
//!
//! Frames that are not IP have no ECN: they leave as Not-ECT and arrive as they are, as in Linux.

use vswitch_wire::{EtherType, Head, Ipv4View, Ipv6View, ipv4, update_u16};

/// The two low bits of TOS or traffic class (RFC 3168 section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ecn {
    /// The transport does not take part.
    #[default]
    NotEct,
    /// It does; also RFC 8311's experiments.
    Ect1,
    /// It does.
    Ect0,
    /// Congestion was experienced.
    Ce,
}

impl Ecn {
    /// Of a TOS or traffic class byte.
    #[must_use]
    pub const fn of(tos: u8) -> Self {
        match tos & 3 {
            0 => Self::NotEct,
            1 => Self::Ect1,
            2 => Self::Ect0,
            _ => Self::Ce,
        }
    }

    /// The bits, 0 to 3.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotEct => 0,
            Self::Ect1 => 1,
            Self::Ect0 => 2,
            Self::Ce => 3,
        }
    }
}

/// What is to be done to the inner packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Remark {
    /// Nothing, nearly always.
    #[default]
    Keep,
    /// Set ECT(1): a router on the way turned ECT(0) into it.
    Ect1,
    /// Set CE.
    Ce,
}

impl Remark {
    /// RFC 6040 figure 4; `None` is its "drop".
    #[must_use]
    pub const fn of(inner: Ecn, outer: Ecn) -> Option<Self> {
        match (inner, outer) {
            (Ecn::NotEct, Ecn::Ce) => None,
            (Ecn::Ect0 | Ecn::Ect1, Ecn::Ce) => Some(Self::Ce),
            (Ecn::Ect0, Ecn::Ect1) => Some(Self::Ect1),
            (Ecn::NotEct | Ecn::Ect0 | Ecn::Ect1, Ecn::NotEct | Ecn::Ect0 | Ecn::Ect1)
            | (Ecn::Ce, _) => Some(Self::Keep),
        }
    }

    /// Does it: sets the bits of the IP header in `frame`, whose parsed header is `head`, and corrects an IPv4
    /// checksum. Nothing happens to what is not IP.
    pub fn apply(self, frame: &mut [u8], head: &Head) {
        match self {
            Self::Keep => {}
            Self::Ect1 => set(frame, head, Ecn::Ect1),
            Self::Ce => set(frame, head, Ecn::Ce),
        }
    }
}

/// What the outer header may take from the inner one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InnerIp {
    pub(crate) tos: u8,
    pub(crate) ttl: u8,
}

impl InnerIp {
    /// Of an IP packet with a sound header.
    pub(crate) fn read(frame: &[u8], head: &Head) -> Option<Self> {
        let packet = frame.get(head.payload..)?;
        match head.ethertype()? {
            EtherType::IPV4 => {
                let ip = Ipv4View::parse(packet).ok()?;
                Some(Self {
                    tos: ip.tos(),
                    ttl: ip.ttl(),
                })
            }
            EtherType::IPV6 => {
                let ip = Ipv6View::parse(packet).ok()?;
                Some(Self {
                    tos: ip.traffic_class(),
                    ttl: ip.hop_limit(),
                })
            }
            _ => None,
        }
    }
}

fn set(frame: &mut [u8], head: &Head, ecn: Ecn) {
    if InnerIp::read(frame, head).is_none() {
        return;
    }
    let packet = &mut frame[head.payload..];
    if head.ethertype() == Some(EtherType::IPV4) {
        let (first, tos) = (packet[0], packet[1]);
        let new = tos & !3 | ecn.bits();
        let checksum = u16::from_be_bytes([packet[10], packet[11]]);
        let words = [tos, new].map(|tos| u16::from_be_bytes([first, tos]));
        ipv4::set_checksum(packet, update_u16(checksum, words[0], words[1]));
        ipv4::set_tos(packet, new);
    } else {
        // The traffic class lies across the first two bytes; no checksum covers it.
        packet[1] = packet[1] & !0x30 | ecn.bits() << 4;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use vswitch_wire::ipv4::header_checksum;

    use super::*;
    use crate::testing::{ipv4_frame, ipv6_frame};

    const ALL: [Ecn; 4] = [Ecn::NotEct, Ecn::Ect0, Ecn::Ect1, Ecn::Ce];

    #[test]
    fn rfc6040_sec4_2_figure_4() {
        use Remark::{Ce, Ect1, Keep};
        // Rows: inner; columns: outer Not-ECT, ECT(0), ECT(1), CE.
        let table = [
            [Some(Keep), Some(Keep), Some(Keep), None],
            [Some(Keep), Some(Keep), Some(Ect1), Some(Ce)],
            [Some(Keep), Some(Keep), Some(Keep), Some(Ce)],
            [Some(Keep), Some(Keep), Some(Keep), Some(Keep)],
        ];
        for (inner, row) in ALL.into_iter().zip(table) {
            for (outer, expected) in ALL.into_iter().zip(row) {
                assert_eq!(Remark::of(inner, outer), expected, "{inner:?} in {outer:?}");
            }
        }
    }

    #[test]
    fn every_byte() {
        for tos in 0..=u8::MAX {
            assert_eq!(Ecn::of(tos).bits(), tos & 3);
        }
    }

    proptest! {
        #[test]
        fn marking_keeps_everything_else(tos: u8, payload in prop::collection::vec(any::<u8>(), 0..60), v6: bool, ect1: bool) {
            let (remark, ecn) = if ect1 { (Remark::Ect1, Ecn::Ect1) } else { (Remark::Ce, Ecn::Ce) };
            let build = |tos| if v6 { ipv6_frame(tos, 64, 99, &payload) } else { ipv4_frame(tos, 64, 99, &payload) };
            let mut frame = build(tos);
            let head = Head::parse(&frame).unwrap();
            remark.apply(&mut frame, &head);
            let expected = build(tos & !3 | ecn.bits());
            prop_assert_eq!(&frame, &expected);
            if !v6 {
                prop_assert_eq!(&frame[24..26], &header_checksum(&frame[14..34]).to_be_bytes()[..]);
            }
        }

        #[test]
        fn any_frame(bytes in prop::collection::vec(any::<u8>(), 14..100), v6: bool) {
            let mut frame = bytes;
            frame[12..14].copy_from_slice(if v6 { &[0x86, 0xdd] } else { &[8, 0] });
            let head = Head::parse(&frame).unwrap();
            let before = frame.clone();
            Remark::Ce.apply(&mut frame, &head);
            let readable = InnerIp::read(&before, &head);
            prop_assert_eq!(InnerIp::read(&frame, &head).map(|ip| ip.tos), readable.map(|ip| ip.tos | 3));
            if readable.is_none() {
                prop_assert_eq!(frame, before);
            }
        }
    }
}
