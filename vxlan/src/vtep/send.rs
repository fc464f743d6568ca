//! The way out: where a frame goes, and what stands before it.

use core::net::IpAddr;
use core::ops::Range;

use vswitch_wire::{HEADER_LEN, Head, MacAddr, TAG_LEN, Vni};

use super::Vtep;
use crate::outer::Outer;
use crate::segment::InnerVlan;
use crate::{Header, LEN, Peer};

/// Where a frame that is to be sent came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From this host.
    Local,
    /// Out of the tunnel. It goes to no peer: in a full mesh every peer has its own copy (split horizon).
    Peer,
}

/// Where a frame goes.
#[derive(Debug, Clone, Copy)]
pub enum Route<'a> {
    /// To the peer that has the address.
    One(&'a Peer),
    /// A copy to each peer: head-end replication.
    Replicate(&'a [Peer]),
    /// To the underlay's multicast group.
    Group(IpAddr),
    /// To nobody: no such segment, no peers, or split horizon.
    Nowhere,
}

/// What makes a frame a tunnel packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encapsulation {
    /// The VXLAN header.
    pub header: [u8; LEN],
    /// The bytes of the frame that stay behind: its VLAN tags, or none.
    pub cut: Range<usize>,
    /// What the outer headers say.
    pub outer: Outer,
}

impl Encapsulation {
    /// The datagram of `frame`, the one that this was made for, in pieces for `writev`.
    #[must_use]
    pub fn pieces<'a>(&'a self, frame: &'a [u8]) -> [&'a [u8]; 3] {
        let before = frame.get(..self.cut.start).unwrap_or(frame);
        let after = frame.get(self.cut.end..).unwrap_or(&[]);
        [&self.header, before, after]
    }
}

impl Vtep {
    /// Where a frame for `dst` goes. Unknown, group and broadcast addresses go to all.
    #[inline]
    #[must_use]
    pub fn route(&self, vni: Vni, origin: Origin, dst: MacAddr, now: u32) -> Route<'_> {
        match origin {
            Origin::Local => {}
            Origin::Peer => return Route::Nowhere,
        }
        let Some(segment) = self.segments.get(&vni) else {
            return Route::Nowhere;
        };
        if dst.is_unicast()
            && let Some(peer) = segment.remote(dst, now)
        {
            return Route::One(peer);
        }
        match (segment.config.group, segment.peers()) {
            (Some(group), _) => Route::Group(group),
            (None, []) => Route::Nowhere,
            (None, peers) => Route::Replicate(peers),
        }
    }

    /// What to put before `frame`, whose parsed header is `head`, to send it into a segment; `None` when there is no
    /// such segment. The same for every peer that it goes to, and for every segment of a super-frame.
    #[inline]
    #[must_use]
    pub fn encapsulate(&self, vni: Vni, frame: &[u8], head: &Head) -> Option<Encapsulation> {
        let config = &self.segments.get(&vni)?.config;
        let tags_at = HEADER_LEN - 2;
        let cut = match config.inner_vlan {
            InnerVlan::Discard => tags_at..tags_at + TAG_LEN * head.tags.len(),
            InnerVlan::Keep => tags_at..tags_at,
        };
        Some(Encapsulation {
            header: Header { vni }.to_bytes(),
            cut,
            outer: Outer::of(frame, head, &config.outer),
        })
    }
}
