//! Which frames are a segment's, and what becomes of the tag. Pure functions over bytes.
//!
//! Layouts count from the virtio-net header, 12 bytes; two addresses follow it, 12 bytes, and then the
//! tag or the type.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use vswitch_wire::{EtherType, TAG_LEN, Tag, VNET_LEN, VlanId, VnetHdr};

use crate::sys::packet::StrippedTag;

/// Where the type stands, or a tag.
pub(super) const TYPE: usize = VNET_LEN + 12;

/// The VLANs that other segments of the parent have.
#[derive(Debug)]
pub(super) struct Claimed([AtomicU64; 64]);

impl Default for Claimed {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Claimed {
    /// Replaces the set, a part at a time.
    pub(super) fn set(&self, vlans: &[VlanId]) {
        for (index, word) in self.0.iter().enumerate() {
            let bits = (vlans.iter().map(|vlan| usize::from(vlan.get())))
                .filter(|vid| vid / 64 == index)
                .fold(0, |bits, vid| bits | 1 << (vid % 64));
            word.store(bits, Ordering::Relaxed);
        }
    }

    fn contains(&self, vid: u16) -> bool {
        let vid = usize::from(vid);
        (self.0.get(vid / 64))
            .is_some_and(|word| word.load(Ordering::Relaxed) >> (vid % 64) & 1 == 1)
    }
}

/// What becomes of a frame that came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is the segment's, as it is.
    AsItIs,
    /// It is the segment's, with its tag.
    WithTag(StrippedTag),
    /// It is not.
    Foreign,
}

/// Whether a frame with this tag is for the segment.
#[inline]
pub(super) fn admit(
    vlan: Option<VlanId>,
    claimed: &Claimed,
    tag: Option<StrippedTag>,
) -> Admission {
    match (vlan, tag) {
        (None, None) => Admission::AsItIs,
        (Some(_), None) => Admission::Foreign,
        (_, Some(stripped)) => {
            let tag = Tag::from_tci(EtherType(stripped.tpid), stripped.tci);
            let is_vlan = tag.tpid == EtherType::VLAN;
            match vlan {
                Some(vlan) if is_vlan && tag.vid() == Some(vlan) => Admission::AsItIs,
                Some(_) => Admission::Foreign,
                None if is_vlan && claimed.contains(tag.vid_raw) => Admission::Foreign,
                None => Admission::WithTag(stripped),
            }
        }
    }
}

/// Moves what a virtio-net header says of places in the frame by the length of a tag.
pub(super) fn shift(vnet: &mut VnetHdr) {
    // A tag is four bytes.
    const BY: u16 = 4;
    const { assert!(BY as usize == TAG_LEN) };
    if vnet.needs_csum() {
        vnet.csum_start = vnet.csum_start.saturating_add(BY);
    }
    if vnet.hdr_len != 0 {
        vnet.hdr_len = vnet.hdr_len.saturating_add(BY);
    }
}

/// Puts a tag back into the frame at `at` of `room`, virtio-net header first. The headers move forward, into
/// the headroom before it; what follows them stays. Says where the frame is now.
pub(super) fn put_back(room: &mut [u8], at: Range<usize>, tag: StrippedTag) -> Range<usize> {
    let start = at.start - TAG_LEN;
    room.copy_within(at.start..at.start + TYPE, start);
    let place = &mut room[start + TYPE..start + TYPE + TAG_LEN];
    place[..2].copy_from_slice(&tag.tpid.to_be_bytes());
    place[2..].copy_from_slice(&tag.tci.to_be_bytes());
    if let Some(header) = room[start..].first_chunk_mut::<VNET_LEN>() {
        let mut vnet = VnetHdr::parse(header);
        shift(&mut vnet);
        vnet.write(header);
    }
    start..at.end
}

/// What is put around a frame that leaves on the segment of a VLAN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The virtio-net header instead of the frame's.
    pub(super) vnet: [u8; VNET_LEN],
    /// The tag behind the addresses.
    pub(super) tag: [u8; TAG_LEN],
    /// Where the frame goes on behind the tag.
    pub(super) rest: usize,
}

impl Stamp {
    /// For a frame that is at least an Ethernet header long.
    pub(super) fn new(frame: &[u8], vlan: VlanId) -> Self {
        let mut vnet = (frame.first_chunk()).map_or(VnetHdr::NONE, VnetHdr::parse);
        let mut tag = Tag::from_tci(EtherType::VLAN, vlan.get());
        let mut rest = TYPE;
        match priority_tag(frame) {
            Some(priority) => {
                (tag.pcp, tag.dei) = (priority.pcp, priority.dei);
                rest += TAG_LEN;
            }
            None => shift(&mut vnet),
        }
        let [t0, t1] = tag.tpid.0.to_be_bytes();
        let [c0, c1] = tag.tci().to_be_bytes();
        Self {
            vnet: vnet.to_bytes(),
            tag: [t0, t1, c0, c1],
            rest,
        }
    }
}

/// The frame's priority tag, with a type behind it.
fn priority_tag(frame: &[u8]) -> Option<Tag> {
    let [t0, t1, c0, c1, _, _] = *frame.get(TYPE..)?.first_chunk::<6>()?;
    let tag = Tag::from_tci(
        EtherType(u16::from_be_bytes([t0, t1])),
        u16::from_be_bytes([c0, c1]),
    );
    (tag.tpid == EtherType::VLAN && tag.is_priority()).then_some(tag)
}
