//! What happens to a frame that came out of the tunnel: the ECN mark, the neighbours, the answer to a frame that is
//! too big, and the way back into a tunnel.
//!
//! - A mark changes the ECN field and keeps an IPv4 checksum right, nothing else.
//! - What is known of neighbours was said by a frame or by hand, what was said by hand stays, and the table has
//!   bounds. An answer says what is known, to the one that asked, and is itself no question.
//! - An ICMP error is sound, short, goes to the sender, and is never answered by another.
//! - A frame goes back to no peer; encapsulated, it comes out of another endpoint as it went in.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::num::{NonZeroU32, NonZeroUsize};
use std::collections::{BTreeMap, BTreeSet};

use arbitrary::{Result, Unstructured};
use vswitch_wire::{Head, IpVersion, Layers, MacAddr, Vni};
use vxlan::{
    Answer, Binding, Ecn, Gateway, Header, Inner, InnerVlan, Neighbours, Observed, Reserved, Route,
    Silence, Source, Vtep, too_big,
};

use super::datagram::{frame, mac, v4, v6, vni};
use crate::packet::{checksum_field, ip_is_right, l4_is_right, layers};

/// How many a sender has.
const SOCKETS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(6);

/// What stands beside the endpoint.
pub(super) struct Bystanders {
    neighbours: Neighbours,
    max: usize,
    /// All that was ever said.
    said: BTreeSet<(IpAddr, MacAddr)>,
    pinned: BTreeMap<IpAddr, MacAddr>,
    gateway: Gateway,
    mtu: u16,
}

impl Bystanders {
    pub(super) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        let max = usize::from(u.int_in_range(0..=9u8)?);
        let families = u.arbitrary::<u8>()?;
        Ok(Self {
            neighbours: Neighbours::new(max, NonZeroU32::new(u.arbitrary::<u8>()?.into())),
            max,
            said: BTreeSet::new(),
            pinned: BTreeMap::new(),
            gateway: Gateway {
                mac: MacAddr::new([2, 0, 0, 0, 1, 0]),
                v4: (families & 1 == 0).then_some(Ipv4Addr::new(198, 18, 0, 254)),
                v6: (families & 2 == 0).then_some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)),
            },
            mtu: if families & 4 == 0 { 0 } else { u.arbitrary()? },
        })
    }

    /// The control plane does something.
    pub(super) fn change(&mut self, u: &mut Unstructured<'_>, now: u32) -> Result<()> {
        let number = u.arbitrary::<u8>()?;
        let ip = if u.arbitrary()? {
            IpAddr::from(v4(number))
        } else {
            IpAddr::from(v6(number & 0x7f))
        };
        let source = Source::Port((number & 3).into());
        match u.int_in_range(0..=4u8)? {
            0 => {
                let mac = mac(u)?;
                if self.neighbours.pin(ip, mac, u.arbitrary()?, source) {
                    self.pinned.insert(ip, mac);
                    self.said.insert((ip, mac));
                }
            }
            1 => {
                self.neighbours.remove(ip);
                self.pinned.remove(&ip);
            }
            2 => {
                self.neighbours.forget(source);
                let left: BTreeSet<_> = self.neighbours.iter(now).map(|(b, _)| b.ip).collect();
                self.pinned.retain(|ip, _| left.contains(ip));
            }
            3 => {
                self.neighbours.sweep(now);
            }
            _ => self.mtu = u.arbitrary()?,
        }
        Ok(())
    }

    /// A frame comes from a port of this host.
    pub(super) fn receive(
        &mut self,
        vtep: &Vtep,
        u: &mut Unstructured<'_>,
        now: u32,
    ) -> Result<()> {
        let vni = vni(u.arbitrary()?);
        let source = Source::Port(u.int_in_range(0..=3)?);
        let frame = frame(u)?;
        if let Ok(head) = Head::parse(&frame) {
            self.observe(&frame, &head, source, now);
            self.check_answer(&frame, &head, now);
            self.check_too_big(&frame, &head);
            check_encapsulation(vtep, vni, &frame, &head);
        }
        Ok(())
    }

    /// A frame came out of the tunnel.
    pub(super) fn pass(&mut self, vtep: &Vtep, inner: &Inner<'_, '_>, outer: Ecn, now: u32) {
        check_mark(inner, outer);
        check_way_back(vtep, inner, now);
        self.check_too_big(inner.frame, &inner.head);
        let peer = Source::Peer(inner.peer.addr());
        self.observe(inner.frame, &inner.head, peer, now);
        self.check_answer(inner.frame, &inner.head, now);
    }

    fn observe(&mut self, frame: &[u8], head: &Head, source: Source, now: u32) {
        if let Observed::MustLearn(binding) = self.neighbours.observe(frame, head, source, now) {
            assert_eq!(binding.mac, head.src, "not about itself");
            let pinned = self.pinned.contains_key(&binding.ip);
            let learned = self.neighbours.learn(binding, source, now);
            assert!(!(learned && pinned), "by hand is by hand");
            if learned {
                self.said.insert((binding.ip, binding.mac));
                let again = self.neighbours.observe(frame, head, source, now);
                assert_eq!(again, Observed::Known);
            }
        }
        assert!(self.neighbours.len() <= self.max);
        let known: BTreeMap<_, _> = self
            .neighbours
            .iter(now)
            .map(|(binding, _)| (binding.ip, binding.mac))
            .collect();
        for pair in &known {
            assert!(self.said.contains(&(*pair.0, *pair.1)), "nobody said it");
        }
        for (ip, mac) in &self.pinned {
            assert_eq!(known.get(ip), Some(mac));
        }
    }

    fn check_answer(&self, frame: &[u8], head: &Head, now: u32) {
        let Answer::Reply(reply) = self.neighbours.answer(frame, head, now) else {
            return;
        };
        let bytes = reply.as_bytes();
        let answer = Head::parse(bytes).unwrap();
        assert_eq!(answer.dst, head.src);
        assert_ne!(answer.src, head.src, "it knows where it is itself");
        let known = |(binding, _): (Binding, Source)| binding.mac == answer.src;
        assert!(self.neighbours.iter(now).any(known));
        if let Some(layers) = layers(bytes) {
            assert!(l4_is_right(bytes, &layers));
        }
        assert_eq!(self.neighbours.answer(bytes, &answer, now), Answer::Flood);
        let other = Source::Port(u32::MAX);
        if let Observed::MustLearn(binding) = self.neighbours.observe(bytes, &answer, other, now) {
            assert_eq!(binding.mac, answer.src);
            let same = |(known, _): (Binding, Source)| known == binding;
            assert!(self.neighbours.iter(now).any(same), "{binding:?}");
        }
    }

    fn check_too_big(&self, frame: &[u8], head: &Head) {
        let answer = match too_big(frame, head, self.mtu, &self.gateway) {
            Ok(answer) => answer,
            Err(Silence::NotIp) => return assert!(layers(frame).is_none()),
            Err(_) => return,
        };
        let error = Head::parse(&answer).unwrap();
        assert_eq!((error.dst, error.src), (head.src, self.gateway.mac));
        assert_eq!(error.tags, head.tags);
        let layers = layers(&answer).unwrap();
        assert!(layers.l4_end == answer.len() && checksum_field(&layers).is_some());
        assert!(ip_is_right(&answer, &layers) && l4_is_right(&answer, &layers));
        let most = match layers.ip {
            IpVersion::V4 => 576,
            IpVersion::V6 => 1280,
        };
        assert!(answer.len() - layers.l3 <= most);
        let quote = &answer[layers.l4 + 8..];
        assert!(frame[head.payload..].starts_with(quote));
        let next = too_big(&answer, &error, 0, &self.gateway);
        assert_eq!(next, Err(Silence::IcmpError));
    }
}

fn check_mark(inner: &Inner<'_, '_>, outer: Ecn) {
    let (frame, head) = (inner.frame, &inner.head);
    let mut marked = frame.to_vec();
    inner.remark.apply(&mut marked, head);
    if outer == Ecn::NotEct {
        assert_eq!(marked, frame);
    }
    let l3 = head.payload;
    let v4 = frame.get(l3).is_some_and(|first| first >> 4 == 4);
    let may_change = |at| at == l3 + 1 || v4 && (at == l3 + 10 || at == l3 + 11);
    for (at, (before, after)) in frame.iter().zip(&marked).enumerate() {
        assert!(before == after || may_change(at), "byte {at}");
    }
    let Some(layers) = layers(frame) else {
        return;
    };
    // RFC 6040 figure 4, by number: 0 is Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE.
    let expected = match (ecn(frame, &layers), outer.bits()) {
        (1 | 2, 3) => 3,
        (2, 1) => 1,
        (before, _) => before,
    };
    assert_eq!(ecn(&marked, &layers), expected);
    assert_eq!(ip_is_right(&marked, &layers), ip_is_right(frame, &layers));
}

fn ecn(frame: &[u8], layers: &Layers) -> u8 {
    match layers.ip {
        IpVersion::V4 => frame[layers.l3 + 1] & 3,
        IpVersion::V6 => frame[layers.l3 + 1] >> 4 & 3,
    }
}

fn check_way_back(vtep: &Vtep, inner: &Inner<'_, '_>, now: u32) {
    let (vni, head) = (inner.vni, &inner.head);
    let back = vtep.route(vni, inner.origin(), head.dst, now);
    assert!(matches!(back, Route::Nowhere), "split horizon");
    let segment = vtep.segment(vni).unwrap();
    match vtep.route(vni, vxlan::Origin::Local, head.dst, now) {
        Route::One(peer) => assert!(head.dst.is_unicast() && segment.peer(peer.addr()).is_some()),
        Route::Replicate(peers) => assert!(!peers.is_empty()),
        Route::Group(group) => assert!(group.is_multicast()),
        Route::Nowhere => panic!("the segment has a peer, the one that sent this"),
    }
    check_encapsulation(vtep, vni, inner.frame, head);
}

fn check_encapsulation(vtep: &Vtep, vni: Vni, frame: &[u8], head: &Head) {
    let (segment, encapsulation) = (vtep.segment(vni), vtep.encapsulate(vni, frame, head));
    assert_eq!(segment.is_some(), encapsulation.is_some());
    let Some((segment, encapsulation)) = segment.zip(encapsulation) else {
        return;
    };
    let outer = encapsulation.outer;
    assert!(outer.ttl > 0 && outer.source_port() >= vxlan::FIRST_SOURCE_PORT);
    assert!(outer.socket(SOCKETS) < SOCKETS.get());
    if let Some(layers) = layers(frame) {
        assert_eq!(outer.tos & 3, ecn(frame, &layers), "ECN is the inner one's");
    }
    let datagram = encapsulation.pieces(frame).concat();
    let (header, again) = Header::parse(&datagram, Reserved::Strict).unwrap();
    assert_eq!(header.vni, vni);
    let tags = match segment.config().inner_vlan {
        InnerVlan::Keep => 0,
        InnerVlan::Discard => 4 * head.tags.len(),
    };
    assert!(again[..12] == frame[..12] && again[12..] == frame[12 + tags..]);
}
