//! A datagram as the model sees it: why it may be refused, and what it teaches.

use core::net::IpAddr;

use vswitch_wire::{EtherType, Head, Ipv4View, Ipv6View, Vni};
use vxlan::{Ecn, InnerVlan, Learned, Refusal, Reserved};

use super::model::{Known, Model, Segment};

/// A datagram, looked at by the model.
pub(super) struct Lookup<'a> {
    datagram: &'a [u8],
    segment: Option<&'a Segment>,
    from: IpAddr,
    outer: Ecn,
    head: Option<Head>,
    now: u32,
}

impl<'a> Lookup<'a> {
    pub(super) fn new(
        model: &'a Model,
        datagram: &'a [u8],
        from: IpAddr,
        outer: Ecn,
        now: u32,
    ) -> Self {
        let segment = match datagram {
            &[_, _, _, _, a, b, c, _, ..] => model.segments.get(&Vni::from_bytes([a, b, c])),
            _ => None,
        };
        let head = datagram.get(8..).and_then(|frame| Head::parse(frame).ok());
        Self {
            datagram,
            segment,
            from: from.to_canonical(),
            outer,
            head,
            now,
        }
    }

    /// Whether the datagram may be refused for this reason.
    pub(super) fn justifies(&self, reason: Refusal) -> bool {
        let config = self.segment.map(|segment| &segment.config);
        let src = self.head.map(|head| head.src);
        match reason {
            Refusal::ShortHeader => self.datagram.len() < 8,
            Refusal::NoVni => self.datagram.first().is_some_and(|flags| flags & 8 == 0),
            Refusal::ReservedBits => {
                config.is_some_and(|config| config.reserved == Reserved::Strict)
                    && !matches!(self.datagram, [8, 0, 0, 0, _, _, _, 0, ..])
            }
            Refusal::UnknownVni => self.segment.is_none(),
            Refusal::UnlistedPeer => self
                .segment
                .is_none_or(|segment| !segment.peers.contains_key(&self.from)),
            Refusal::InnerTruncated => self.head.is_none(),
            Refusal::InnerVlan => {
                config.is_some_and(|config| config.inner_vlan == InnerVlan::Discard)
                    && self.head.is_some_and(|head| !head.tags.is_empty())
            }
            Refusal::InvalidSource => src.is_some_and(|src| src.is_multicast() || src.is_zero()),
            Refusal::OwnSource => self
                .segment
                .zip(src)
                .is_some_and(|(segment, src)| segment.locals.contains(&src)),
            Refusal::StaticElsewhere => self
                .known()
                .is_some_and(|known| known.pinned && known.peer != self.from),
            Refusal::Congestion => self.outer == Ecn::Ce && self.inner_ecn() == Some(0),
        }
    }

    /// What an accepted frame teaches.
    pub(super) fn teaches(&self) -> Learned {
        match (self.known(), self.segment) {
            (Some(known), _) if known.peer == self.from => Learned::Known,
            (_, Some(segment)) if segment.config.learning => Learned::MustLearn,
            _ => Learned::Off,
        }
    }

    fn known(&self) -> Option<Known> {
        self.segment?.live(self.head?.src, self.now)
    }

    fn inner_ecn(&self) -> Option<u8> {
        let head = self.head?;
        let packet = self.datagram.get(8 + head.payload..)?;
        let tos = match head.ethertype()? {
            EtherType::IPV4 => Ipv4View::parse(packet).ok()?.tos(),
            EtherType::IPV6 => Ipv6View::parse(packet).ok()?.traffic_class(),
            _ => return None,
        };
        Some(tos & 3)
    }
}
