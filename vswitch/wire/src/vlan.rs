//! VLAN identifiers and tags (IEEE 802.1Q clause 9).
//!
//! A tag is four bytes: TPID, then the TCI of three bits of priority (PCP), one of drop eligibility (DEI) and twelve
//! of VID. Two VIDs are no VLANs: 0 makes a priority tag, which only carries the PCP, and 4095 is reserved and never
//! goes on the wire. So [`Tag`] keeps the raw number that was received, and [`VlanId`] cannot hold either of them.

use core::fmt;
use core::num::NonZeroU16;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::EtherType;

/// A VLAN, 1 to 4094. In JSON a number.
///
/// ```
/// use vswitch_wire::VlanId;
/// assert_eq!(VlanId::new(42).map(VlanId::get), Some(42));
/// assert_eq!(VlanId::new(0), None);
/// assert_eq!(VlanId::new(4095), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct VlanId(NonZeroU16);

impl VlanId {
    /// The default port VLAN (802.1Q clause 9.6).
    pub const DEFAULT: Self = Self(NonZeroU16::MIN);
    /// The highest VLAN.
    pub const MAX: u16 = 4094;

    /// The VLAN of this number, if it is one.
    #[inline]
    #[must_use]
    pub const fn new(vid: u16) -> Option<Self> {
        match NonZeroU16::new(vid) {
            Some(vid) if vid.get() <= Self::MAX => Some(Self(vid)),
            _ => None,
        }
    }

    /// The number, 1 to 4094.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// A number or text that is no VLAN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a VLAN ID is a number from 1 to 4094")]
pub struct VlanIdError;

impl TryFrom<u16> for VlanId {
    type Error = VlanIdError;

    fn try_from(vid: u16) -> Result<Self, VlanIdError> {
        Self::new(vid).ok_or(VlanIdError)
    }
}

impl From<VlanId> for u16 {
    fn from(vid: VlanId) -> Self {
        vid.get()
    }
}

impl FromStr for VlanId {
    type Err = VlanIdError;

    fn from_str(text: &str) -> Result<Self, VlanIdError> {
        text.parse().ok().and_then(Self::new).ok_or(VlanIdError)
    }
}

impl fmt::Display for VlanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A VLAN tag as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    /// [`EtherType::VLAN`] or [`EtherType::QINQ`].
    pub tpid: EtherType,
    /// Priority, 0 to 7.
    pub pcp: u8,
    /// Drop eligible.
    pub dei: bool,
    /// VID, 0 to 4095, the two special ones included.
    pub vid_raw: u16,
}

impl Tag {
    /// The tag of a TPID and a TCI.
    #[inline]
    #[must_use]
    pub const fn from_tci(tpid: EtherType, tci: u16) -> Self {
        Self {
            tpid,
            pcp: tci.to_be_bytes()[0] >> 5,
            dei: tci & 0x1000 != 0,
            vid_raw: tci & 0x0fff,
        }
    }

    /// The TCI; bits that do not belong to a field are cut off.
    #[inline]
    #[must_use]
    pub const fn tci(self) -> u16 {
        let dei = if self.dei { 0x10 } else { 0 };
        u16::from_be_bytes([self.pcp << 5 | dei, 0]) | (self.vid_raw & 0x0fff)
    }

    /// The VLAN, unless the VID is 0 or 4095.
    #[inline]
    #[must_use]
    pub const fn vid(self) -> Option<VlanId> {
        VlanId::new(self.vid_raw)
    }

    /// Whether this is a priority tag: VID 0, treated as untagged (802.1Q clause 6.9).
    #[inline]
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.vid_raw == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tci_round_trips() {
        for tci in 0..=u16::MAX {
            let tag = Tag::from_tci(EtherType::VLAN, tci);
            assert_eq!(tag.tci(), tci);
            assert!(tag.pcp <= 7 && tag.vid_raw <= 4095);
            assert_eq!(tag.vid().is_none(), matches!(tci & 0xfff, 0 | 4095));
        }
        let tag = Tag::from_tci(EtherType::QINQ, 0b1011_0000_0010_1010);
        assert_eq!((tag.pcp, tag.dei, tag.vid_raw), (5, true, 42));
        assert!(Tag::from_tci(EtherType::VLAN, 0xe000).is_priority());
    }

    #[test]
    fn every_number_as_an_id() {
        for vid in 0..=u16::MAX {
            assert_eq!(VlanId::new(vid).is_some(), (1..=4094).contains(&vid));
            assert_eq!(vid.to_string().parse::<VlanId>().ok(), VlanId::new(vid));
        }
        assert!("".parse::<VlanId>().is_err() && "65537".parse::<VlanId>().is_err());
        assert_eq!(VlanId::DEFAULT.to_string(), "1");
        let json = serde_json::to_string(&VlanId::new(7)).unwrap();
        assert_eq!(json, "7");
        assert_eq!(serde_json::from_str::<VlanId>("4094").unwrap().get(), 4094);
        assert!(serde_json::from_str::<VlanId>("4095").is_err());
    }
}
