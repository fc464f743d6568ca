//! A tunnel endpoint that is being changed while datagrams come from anywhere.
//!
//! [`model`] is the endpoint once more, in the plainest code possible; after every step both know the same addresses
//! behind the same peers, of the same age, and no more of them than [`Limits`] says. For every datagram:
//!
//! - A refusal has its reason, and an accepted frame has no reason to be refused.
//! - What is refused teaches nothing: no address, no age, no sign of life of the peer.
//! - An accepted frame is the datagram without the VXLAN header, in place.
//!
//! [`inner`] is what must hold for an accepted frame afterwards.

mod datagram;
mod inner;
mod lookup;
mod model;

use core::net::IpAddr;
use core::num::NonZeroU32;

use arbitrary::{Result, Unstructured};
use vswitch_wire::{MacAddr, Vni};
use vxlan::{
    ConfigError, Ecn, InnerVlan, Learned, Lesson, Limits, NotLearned, OuterDscp, OuterPolicy,
    Reserved, Segment, SegmentConfig, Ttl, Vtep,
};

use datagram::{mac, sender, underlay, vni};
use inner::Bystanders;
use lookup::Lookup;
use model::Model;

/// What [`Vtep::decapsulate`] wants to be learned, and is not yet.
#[derive(Debug, Clone, Copy)]
struct Pending {
    vni: Vni,
    mac: MacAddr,
    peer: IpAddr,
}

struct World {
    vtep: Vtep,
    model: Model,
    bystanders: Bystanders,
    pending: Option<Pending>,
    now: u32,
}

/// The life of one endpoint, read from `bytes`.
///
/// # Panics
/// When something does not hold.
pub fn run(bytes: &[u8]) {
    // An error is the input's end.
    live(&mut Unstructured::new(bytes)).ok();
}

fn live(u: &mut Unstructured<'_>) -> Result<()> {
    let limits = Limits {
        segments: usize::from(u.int_in_range(1..=3u8)?),
        peers: usize::from(u.int_in_range(1..=3u8)?),
        remotes: usize::from(u.int_in_range(0..=9u8)?),
    };
    let mut world = World {
        vtep: Vtep::new(limits),
        model: Model::new(limits),
        bystanders: Bystanders::read(u)?,
        pending: None,
        now: u.arbitrary()?,
    };
    for vni in [vni(0), vni(1)] {
        world.add_segment(u, vni)?;
        for peer in 0..3 {
            world.add_peer(vni, underlay(peer));
        }
    }
    while !u.is_empty() {
        world.step(u)?;
        world.model.compare(&world.vtep, world.now);
    }
    Ok(())
}

impl World {
    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=23u8)? {
            0 => {
                let vni = vni(u.arbitrary()?);
                self.add_segment(u, vni)?;
            }
            1 => {
                let vni = vni(u.arbitrary()?);
                let removed = self.vtep.remove_segment(vni);
                assert_eq!(removed, self.model.segments.remove(&vni).is_some());
            }
            2 => self.reconfigure(u)?,
            3 => self.add_peer(vni(u.arbitrary()?), underlay(u.arbitrary()?)),
            4 => self.remove_peer(vni(u.arbitrary()?), underlay(u.arbitrary()?)),
            5 => self.add_local(vni(u.arbitrary()?), mac(u)?),
            6 => {
                let (vni, mac) = (vni(u.arbitrary()?), mac(u)?);
                let segment = self.model.segments.get_mut(&vni);
                let expected = segment.is_some_and(|segment| segment.locals.remove(&mac));
                assert_eq!(self.vtep.remove_local(vni, mac), expected);
            }
            7 => self.add_static(vni(u.arbitrary()?), mac(u)?, underlay(u.arbitrary()?)),
            8 => self.forget(u)?,
            9 => self.now = u.arbitrary()?,
            10 | 11 => self.now = self.now.saturating_add(u32::from(u.arbitrary::<u8>()?)),
            12 => self.learn_pending(),
            13 => self.bystanders.change(u, self.now)?,
            14 | 15 => self.bystanders.receive(&self.vtep, u, self.now)?,
            _ => self.receive(u)?,
        }
        Ok(())
    }

    fn receive(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let from = sender(u)?;
        let outer = Ecn::of(u.arbitrary()?);
        let at_once = u.ratio(7u8, 8u8)?;
        let datagram = datagram::read(u)?;
        let lookup = Lookup::new(&self.model, &datagram, from, outer, self.now);
        let inner = match self.vtep.decapsulate(&datagram, from, outer, self.now) {
            Ok(inner) => inner,
            Err(reason) => {
                assert!(lookup.justifies(reason), "{reason} for {datagram:02x?}");
                return Ok(());
            }
        };
        for reason in vxlan::Refusal::ALL {
            assert!(!lookup.justifies(reason), "accepted in spite of: {reason}");
        }
        let frame = &datagram[vxlan::LEN..];
        assert!(core::ptr::eq(inner.frame, frame), "not where it came");
        let (vni, mac, learn) = (inner.vni, inner.head.src, inner.learn);
        assert_eq!(inner.peer.addr(), from.to_canonical());
        assert_eq!(learn, lookup.teaches());
        self.bystanders.pass(&self.vtep, &inner, outer, self.now);
        self.model.heard(vni, mac, from.to_canonical(), self.now);
        if learn == Learned::MustLearn {
            self.pending = Some(Pending {
                vni,
                mac,
                peer: from,
            });
            if at_once {
                self.learn_pending();
            }
        }
        Ok(())
    }

    fn learn_pending(&mut self) {
        let Some(Pending { vni, mac, peer }) = self.pending.take() else {
            return;
        };
        let expected = self.model.learn(vni, mac, peer.to_canonical(), self.now);
        let result: core::result::Result<Lesson, NotLearned> =
            self.vtep.learn(vni, mac, peer, self.now);
        assert_eq!(result, expected);
    }

    fn add_segment(&mut self, u: &mut Unstructured<'_>, vni: Vni) -> Result<()> {
        let config = config(u)?;
        let result = self.vtep.add_segment(vni, config.clone());
        if result.is_ok() {
            self.model.add_segment(vni, config);
        }
        Ok(())
    }

    fn reconfigure(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let (vni, config) = (vni(u.arbitrary()?), config(u)?);
        if self.vtep.reconfigure(vni, config.clone()).is_ok() {
            self.model.reconfigure(vni, config);
        }
        Ok(())
    }

    fn add_peer(&mut self, vni: Vni, peer: IpAddr) {
        if self.vtep.add_peer(vni, peer).is_ok() {
            self.model.add_peer(vni, peer.to_canonical());
        }
    }

    fn remove_peer(&mut self, vni: Vni, peer: IpAddr) {
        let listed = self
            .vtep
            .segment(vni)
            .and_then(|s| s.peer(peer.to_canonical()));
        let listed = listed.is_some();
        let result = self.vtep.remove_peer(vni, peer);
        assert_eq!(result.is_ok(), listed);
        self.model.remove_peer(vni, peer.to_canonical());
    }

    fn add_local(&mut self, vni: Vni, mac: MacAddr) {
        let result = self.vtep.add_local(vni, mac);
        let Some(segment) = self.model.segments.get_mut(&vni) else {
            assert_eq!(result, Err(ConfigError::UnknownVni(vni)));
            return;
        };
        let pinned = segment.remotes.get(&mac).is_some_and(|known| known.pinned);
        assert_eq!(result.is_ok(), mac.is_unicast() && !pinned);
        if result.is_ok() {
            segment.remotes.remove(&mac);
            segment.locals.insert(mac);
        }
    }

    fn add_static(&mut self, vni: Vni, mac: MacAddr, peer: IpAddr) {
        let result = self.vtep.add_static(vni, mac, peer);
        let full = self.model.pin(vni, mac, peer.to_canonical());
        if let Some(full) = full {
            let expected = if full {
                Err(ConfigError::TableFull)
            } else {
                Ok(())
            };
            assert_eq!(result, expected);
        } else {
            assert!(result.is_err());
        }
    }

    fn forget(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=2u8)? {
            0 => {
                self.vtep.sweep(self.now);
                self.model.sweep(self.now);
            }
            1 => {
                let vni = vni(u.arbitrary()?);
                self.vtep.flush(vni);
                self.model.flush(vni);
            }
            _ => {
                let (vni, mac) = (vni(u.arbitrary()?), mac(u)?);
                let was_live = self
                    .vtep
                    .segment(vni)
                    .and_then(|s: &Segment| s.remote(mac, self.now));
                let was_live = was_live.is_some();
                let removed = self.vtep.remove_remote(vni, mac);
                assert!(removed || !was_live);
                if let Some(segment) = self.model.segments.get_mut(&vni) {
                    segment.remotes.remove(&mac);
                }
            }
        }
        Ok(())
    }
}

/// Mostly one that is accepted.
fn config(u: &mut Unstructured<'_>) -> Result<SegmentConfig> {
    let bits = u.arbitrary::<u8>()?;
    let bit = |n: u8| bits >> n & 1 == 1;
    let v6 = bit(0) && bit(7);
    let outer = if bit(2) {
        OuterPolicy {
            ttl: Ttl::Inherit,
            dscp: OuterDscp::Inherit,
        }
    } else {
        OuterPolicy::default()
    };
    Ok(SegmentConfig {
        group: (bit(1) && bit(2)).then(|| datagram::group(v6)),
        outer,
        learning: !(bit(3) && bit(4)),
        inner_vlan: if bit(5) {
            InnerVlan::Keep
        } else {
            InnerVlan::Discard
        },
        reserved: if bit(6) {
            Reserved::Strict
        } else {
            Reserved::Ignore
        },
        ageing: NonZeroU32::new(u.arbitrary::<u8>()?.into()),
        ..SegmentConfig::new(underlay(if v6 { 7 } else { 6 }))
    })
}
