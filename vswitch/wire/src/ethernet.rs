//! The Ethernet header with its tags, parsed once (IEEE 802.3 clause 3.2, 802.1Q clause 9).
//!
//! After [`Head::parse`] nobody reads header bytes by offset: the addresses, the tag stack, what follows and where it
//! starts are all in [`Head`]. Four complications:
//!
//! - **Tags nest.** Up to [`TagStack::MAX`] tags are taken apart; a further one stays opaque payload, with its TPID
//!   as the EtherType. Guards that look at one tag only can be passed with two (CVE-2021-27853 and its kin), so
//!   the whole stack is visible.
//! - **The type field may be a length.** Below 0x0600 it is 802.3's: an LLC header follows, and with SNAP
//!   (RFC 1042) an EtherType after it. 1501 to 1535 are undefined in the standard; Linux takes them as lengths,
//!   so they are lengths here, and [`Head::length_fits`] says no.
//! - **A wrong 802.3 length is no error** for a relay. It is visible, because hosts differ in what they make of it.
//! - **Most frames have no tag**: they are done after fourteen bytes, and all the rest is out of line.

use crate::bytes::get16;
use crate::{EtherType, MacAddr, ParseError, Tag};

/// Length of the header without tags: two addresses and the type.
pub const HEADER_LEN: usize = 14;
/// Length of one VLAN tag.
pub const TAG_LEN: usize = 4;

/// The lowest value of the type field that is a type (802.3 clause 3.2.6).
const FIRST_TYPE: u16 = 0x0600;
/// The longest payload an 802.3 length can honestly announce.
const MAX_LENGTH: u16 = 1500;

mod field {
    use core::ops::Range;

    pub(super) const DST: Range<usize> = 0..6;
    pub(super) const SRC: Range<usize> = 6..12;
    pub(super) const TYPE: usize = 12;

    /// Within a tag, counted from its TPID.
    pub(super) const TCI: usize = 2;

    /// Counted from the end of the length field.
    pub(super) const LLC_LEN: usize = 3;
    pub(super) const SNAP_TYPE: usize = 6;
    pub(super) const SNAP_LEN: usize = 8;
    /// DSAP, SSAP and control of SNAP, then the OUI that says "an EtherType follows" (RFC 1042).
    pub(super) const SNAP_START: [u8; 6] = [0xaa, 0xaa, 0x03, 0, 0, 0];
}

/// The tags of a frame, outermost first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagStack {
    /// TPID and TCI; only the first `len` count.
    raw: [(u16, u16); Self::MAX],
    len: u8,
}

impl TagStack {
    /// How many tags are taken apart.
    pub const MAX: usize = 4;
    /// No tag.
    pub const EMPTY: Self = Self {
        raw: [(0, 0); Self::MAX],
        len: 0,
    };

    /// How many tags there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether the frame is untagged.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The tag at this depth, 0 the outermost.
    #[inline]
    #[must_use]
    pub fn get(&self, depth: usize) -> Option<Tag> {
        let &(tpid, tci) = self.raw[..self.len()].get(depth)?;
        Some(Tag::from_tci(EtherType(tpid), tci))
    }

    /// The outermost tag, the one a bridge decides by.
    #[inline]
    #[must_use]
    pub fn outer(&self) -> Option<Tag> {
        self.get(0)
    }

    /// All tags, outermost first.
    pub fn iter(&self) -> impl Iterator<Item = Tag> + '_ {
        self.raw[..self.len()]
            .iter()
            .map(|&(tpid, tci)| Tag::from_tci(EtherType(tpid), tci))
    }

    /// Puts a tag below the others; false when there is no room.
    #[inline]
    fn push(&mut self, tpid: u16, tci: u16) -> bool {
        let Some(place) = self.raw.get_mut(usize::from(self.len)) else {
            return false;
        };
        *place = (tpid, tci);
        self.len += 1;
        true
    }
}

/// What follows the addresses and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Ethernet II: a type.
    Ether(EtherType),
    /// 802.3 with LLC and SNAP, OUI 00-00-00: a type after all.
    Snap(EtherType),
    /// 802.3 with another LLC header (spanning tree, for one); the length field as received.
    Llc {
        /// Bytes announced after the length field.
        len: u16,
    },
}

/// The LLC header (IEEE 802.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Llc {
    /// Destination service access point; 0x42 is spanning tree.
    pub dsap: u8,
    /// Source service access point.
    pub ssap: u8,
    /// Control; 3 is an unnumbered information frame.
    pub control: u8,
}

/// A parsed Ethernet header.
///
/// ```
/// use vswitch_wire::{EtherType, Head, Kind, MacAddr};
/// let mut frame = [0u8; 60];
/// frame[..6].copy_from_slice(&[0xff; 6]);
/// frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
/// frame[12..18].copy_from_slice(&[0x81, 0x00, 0x00, 42, 0x08, 0x06]); // VLAN 42, ARP
/// let head = Head::parse(&frame)?;
/// assert_eq!(head.dst, MacAddr::BROADCAST);
/// assert_eq!(head.outer_vid(), Some(42));
/// assert_eq!(head.kind, Kind::Ether(EtherType::ARP));
/// assert_eq!(head.payload, 18);
/// # Ok::<(), vswitch_wire::ParseError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Destination address.
    pub dst: MacAddr,
    /// Source address.
    pub src: MacAddr,
    /// VLAN tags, outermost first.
    pub tags: TagStack,
    /// What the payload is.
    pub kind: Kind,
    /// Where the payload starts: after the tags and the type, after the SNAP header where there is one,
    /// and at the LLC header where that is no SNAP. Never behind the frame's end.
    pub payload: usize,
}

impl Head {
    /// Reads the header of a frame without FCS.
    ///
    /// # Errors
    /// [`ParseError::Truncated`] for a frame below 14 bytes or one that ends inside a tag.
    #[inline]
    pub fn parse(frame: &[u8]) -> Result<Self, ParseError> {
        let Some(fixed) = frame.first_chunk::<HEADER_LEN>() else {
            return Err(truncated("Ethernet header", HEADER_LEN, frame.len()));
        };
        let [dst, src] = both(fixed);
        let [.., t0, t1] = *fixed;
        let kind = u16::from_be_bytes([t0, t1]);
        let plain = kind >= FIRST_TYPE && !EtherType(kind).is_vlan_tag();
        let Rest {
            tags,
            kind,
            payload,
        } = if plain {
            Rest {
                tags: TagStack::EMPTY,
                kind: Kind::Ether(EtherType(kind)),
                payload: HEADER_LEN,
            }
        } else {
            Rest::parse(frame, kind)?
        };
        Ok(Self {
            dst,
            src,
            tags,
            kind,
            payload,
        })
    }

    /// The payload's EtherType, whether it stands in the header or in SNAP.
    #[inline]
    #[must_use]
    pub const fn ethertype(&self) -> Option<EtherType> {
        match self.kind {
            Kind::Ether(kind) | Kind::Snap(kind) => Some(kind),
            Kind::Llc { .. } => None,
        }
    }

    /// The VID of the outermost tag as received: 0 is a priority tag, 4095 is reserved. `None` when untagged.
    #[inline]
    #[must_use]
    pub fn outer_vid(&self) -> Option<u16> {
        self.tags.outer().map(|tag| tag.vid_raw)
    }

    /// Where the innermost type or length field stands.
    #[inline]
    #[must_use]
    pub fn type_offset(&self) -> usize {
        field::TYPE + TAG_LEN * self.tags.len()
    }

    /// The LLC header of an 802.3 frame, SNAP's included; `None` for Ethernet II or when it is cut short.
    #[must_use]
    pub fn llc(&self, frame: &[u8]) -> Option<Llc> {
        if matches!(self.kind, Kind::Ether(_)) {
            return None;
        }
        let &[dsap, ssap, control] = frame
            .get(self.type_offset() + 2..)?
            .first_chunk::<{ field::LLC_LEN }>()?;
        Some(Llc {
            dsap,
            ssap,
            control,
        })
    }

    /// The 802.3 length field of `frame`; `None` for Ethernet II.
    #[must_use]
    pub fn length_field(&self, frame: &[u8]) -> Option<u16> {
        match self.kind {
            Kind::Ether(_) => None,
            Kind::Llc { len } => Some(len),
            Kind::Snap(_) => {
                let at = self.type_offset();
                frame.get(at..at + 2).map(|field| get16(field, 0))
            }
        }
    }

    /// Whether the 802.3 length can be believed: at most 1500, not more than `frame` has, and enough for the LLC
    /// and SNAP headers that were read. Always true for Ethernet II, which has none.
    #[must_use]
    pub fn length_fits(&self, frame: &[u8]) -> bool {
        let Some(length) = self.length_field(frame) else {
            return true;
        };
        let least = if matches!(self.kind, Kind::Snap(_)) {
            field::SNAP_LEN
        } else {
            field::LLC_LEN
        };
        let there = frame.len().saturating_sub(self.type_offset() + 2);
        length <= MAX_LENGTH && (least..=there).contains(&usize::from(length))
    }
}

/// What of a head stands behind the addresses.
struct Rest {
    tags: TagStack,
    kind: Kind,
    payload: usize,
}

impl Rest {
    /// Of the frames that are not plain Ethernet II: tags, then a type or a length.
    #[inline(never)]
    fn parse(frame: &[u8], mut kind: u16) -> Result<Self, ParseError> {
        let mut rest = Self {
            tags: TagStack::EMPTY,
            kind: Kind::Ether(EtherType(kind)),
            payload: HEADER_LEN,
        };
        let mut at = field::TYPE;
        while EtherType(kind).is_vlan_tag() && rest.tags.len() < TagStack::MAX {
            let next = at + TAG_LEN;
            if frame.len() < next + 2 {
                return Err(truncated("VLAN tag", next + 2, frame.len()));
            }
            let pushed = rest.tags.push(kind, get16(frame, at + field::TCI));
            debug_assert!(pushed, "the loop's condition leaves room");
            at = next;
            kind = get16(frame, at);
        }
        rest.payload = at + 2;
        rest.kind = Kind::Ether(EtherType(kind));
        if kind < FIRST_TYPE {
            rest.kind = Kind::Llc { len: kind };
            let inside = &frame[rest.payload..];
            if inside.len() >= field::SNAP_LEN && inside.starts_with(&field::SNAP_START) {
                rest.kind = Kind::Snap(EtherType(get16(inside, field::SNAP_TYPE)));
                rest.payload += field::SNAP_LEN;
            }
        }
        Ok(rest)
    }
}

/// Destination and source, each from one load of eight bytes, which fourteen always have.
#[inline]
fn both(fixed: &[u8; HEADER_LEN]) -> [MacAddr; 2] {
    let [dst, src] = [fixed.first_chunk(), fixed.last_chunk()]
        .map(|eight| u64::from_be_bytes(eight.copied().unwrap_or_default()));
    // In front of the source are two bytes of the destination, behind it is the type.
    [MacAddr::from_u64(dst >> 16), MacAddr::from_u64(src >> 16)]
}

/// Destination and source of a frame, unchecked; nothing when it is no whole header.
#[inline]
#[must_use]
pub fn addresses(frame: &[u8]) -> Option<[MacAddr; 2]> {
    frame.first_chunk().map(both)
}

/// Writes the two addresses at the start of a frame.
///
/// # Panics
/// When `frame` is shorter than an Ethernet header's addresses.
#[inline]
pub fn set_addresses(frame: &mut [u8], dst: MacAddr, src: MacAddr) {
    frame[field::DST].copy_from_slice(&dst.octets());
    frame[field::SRC].copy_from_slice(&src.octets());
}

#[cold]
const fn truncated(what: &'static str, need: usize, have: usize) -> ParseError {
    ParseError::Truncated { what, need, have }
}

#[cfg(test)]
mod tests;
