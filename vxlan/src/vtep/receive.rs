//! The way in: a datagram that came to the port.

use core::net::IpAddr;

use vswitch_wire::{Head, Vni};

use super::{Origin, Vtep};
use crate::ecn::{Ecn, InnerIp, Remark};
use crate::segment::{InnerVlan, Segment};
use crate::{Header, Peer, Refusal, Reserved};

/// What a frame taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learned {
    /// Nothing: its source is known to be there.
    Known,
    /// Nothing: learning is off.
    Off,
    /// Its source is unknown, or was elsewhere: call [`Vtep::learn`].
    MustLearn,
}

/// A frame that was accepted.
#[derive(Debug, Clone, Copy)]
pub struct Inner<'vtep, 'bytes> {
    /// The segment.
    pub vni: Vni,
    /// The inner frame, as it came; [`Self::remark`] may have to be done to it.
    pub frame: &'bytes [u8],
    /// Its header.
    pub head: Head,
    /// Who sent it; count it there ([`Peer::count_received`]).
    pub peer: &'vtep Peer,
    /// What to do to its ECN field.
    pub remark: Remark,
    /// What it taught.
    pub learn: Learned,
}

impl Inner<'_, '_> {
    /// Never to a peer.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        Origin::Peer
    }
}

impl Vtep {
    /// Takes a datagram apart: its payload, its source address, the ECN field of its IP header, and the second.
    ///
    /// # Errors
    /// Each [`Refusal`] is a reason to drop and count it.
    #[inline]
    pub fn decapsulate<'bytes>(
        &self,
        datagram: &'bytes [u8],
        from: IpAddr,
        outer: Ecn,
        now: u32,
    ) -> Result<Inner<'_, 'bytes>, Refusal> {
        // Whether reserved bits matter is for the segment to say, and that is in the header.
        let (Header { vni }, frame) = Header::parse(datagram, Reserved::Ignore)?;
        let segment = self.segments.get(&vni).ok_or(Refusal::UnknownVni)?;
        let peer = segment
            .peer(from.to_canonical())
            .ok_or(Refusal::UnlistedPeer)?;
        match segment.config.reserved {
            Reserved::Ignore => {}
            Reserved::Strict => {
                Header::parse(datagram, Reserved::Strict)?;
            }
        }
        let head = Head::parse(frame).map_err(|_| Refusal::InnerTruncated)?;
        match segment.config.inner_vlan {
            InnerVlan::Discard if !head.tags.is_empty() => return Err(Refusal::InnerVlan),
            InnerVlan::Discard | InnerVlan::Keep => {}
        }
        if !head.src.is_unicast() {
            return Err(Refusal::InvalidSource);
        }
        if segment.locals.contains(&head.src) {
            return Err(Refusal::OwnSource);
        }
        let remark = remark(frame, &head, outer).ok_or(Refusal::Congestion)?;
        let learn = segment.look(&head, peer.addr(), now)?;
        peer.hear(now);
        Ok(Inner {
            vni,
            frame,
            head,
            peer,
            remark,
            learn,
        })
    }
}

impl Segment {
    /// What the frame's source address teaches; notes that it was heard.
    #[inline]
    fn look(&self, head: &Head, from: IpAddr, now: u32) -> Result<Learned, Refusal> {
        match self.remotes.get(&head.src, now) {
            Some(entry) if entry.owner == from => {
                entry.refresh(now);
                Ok(Learned::Known)
            }
            Some(entry) if entry.is_pinned() => Err(Refusal::StaticElsewhere),
            Some(_) | None if self.config.learning => Ok(Learned::MustLearn),
            Some(_) | None => Ok(Learned::Off),
        }
    }
}

#[inline]
fn remark(frame: &[u8], head: &Head, outer: Ecn) -> Option<Remark> {
    if outer == Ecn::NotEct {
        return Some(Remark::Keep);
    }
    match InnerIp::read(frame, head) {
        Some(ip) => Remark::of(Ecn::of(ip.tos), outer),
        None => Some(Remark::Keep),
    }
}
