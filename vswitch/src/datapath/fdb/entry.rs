//! The two words of a forwarding entry: an 8-byte key and an 8-byte value.
//!
//! Both fit an atomic, so that a reader sees a whole entry or none. Layout of the value, from the
//! top: port 16, generation 12, kind 3, live 1, last seen 32 (seconds). A value of zero is a dead
//! entry. The generation is compared with the port's current one; a port is flushed by counting
//! its generation up, without visiting its entries.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use vswitch_wire::{MacAddr, VlanId};

use crate::port::PortId;

/// VLAN and MAC in one word; never zero, because the all-zero address is never a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FdbKey(u64);

impl FdbKey {
    /// The key of `mac` in `vlan`; `None` is the one broadcast domain of a network without VLANs.
    #[must_use]
    #[inline]
    pub fn new(mac: MacAddr, vlan: Option<VlanId>) -> Self {
        let vid = vlan.map_or(0, |vlan| u64::from(vlan.get()));
        Self(vid << 48 | mac.to_u64())
    }

    /// The station.
    #[must_use]
    pub fn mac(self) -> MacAddr {
        MacAddr::from_u64(self.0)
    }

    /// The VLAN, if the network has any.
    #[must_use]
    pub fn vlan(self) -> Option<VlanId> {
        u16::try_from(self.0 >> 48).ok().and_then(VlanId::new)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }
}

/// How an entry came to be, and so what may change it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Seen as a source: ages, and moves with its station.
    Learned,
    /// Put in by hand: ages, but does not move to another port while it lives.
    Sticky,
    /// Put in by hand: neither ages nor moves (802.1Q static filtering entry).
    Static,
    /// An address of the switch itself: frames to it are consumed.
    Local,
}

impl EntryKind {
    const fn code(self) -> u64 {
        match self {
            Self::Learned => 0,
            Self::Sticky => 1,
            Self::Static => 2,
            Self::Local => 3,
        }
    }

    const fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Learned),
            1 => Some(Self::Sticky),
            2 => Some(Self::Static),
            3 => Some(Self::Local),
            _ => None,
        }
    }

    /// Whether the ageing time ends the entry.
    #[must_use]
    pub const fn ages(self) -> bool {
        matches!(self, Self::Learned | Self::Sticky)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Sticky => "sticky",
            Self::Static => "static",
            Self::Local => "local",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text names no kind of entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of entry {0:?}: one of learned, sticky, static, local")]
pub struct EntryKindParseError(String);

impl FromStr for EntryKind {
    type Err = EntryKindParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Learned, Self::Sticky, Self::Static, Self::Local]
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| EntryKindParseError(text.to_owned()))
    }
}

/// A port's generation: 12 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(pub(super) u16);

impl Generation {
    pub(super) const MASK: u16 = 0x0fff;
}

/// A live value, unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) port: PortId,
    pub(super) generation: Generation,
    pub(super) kind: EntryKind,
    /// Second in which the station was last seen as a source.
    pub(super) seen: u32,
}

const LIVE: u64 = 1 << 32;

impl Value {
    #[inline]
    pub(super) fn pack(self) -> u64 {
        u64::from(self.port.get()) << 48
            | u64::from(self.generation.0 & Generation::MASK) << 36
            | self.kind.code() << 33
            | LIVE
            | u64::from(self.seen)
    }

    /// The value in `word`, or nothing when the entry is dead.
    #[inline]
    pub(super) fn unpack(word: u64) -> Option<Self> {
        if word & LIVE == 0 {
            return None;
        }
        let [p1, p0, g1, g0, s3, s2, s1, s0] = word.to_be_bytes();
        Some(Self {
            port: PortId::new(u16::from_be_bytes([p1, p0])),
            generation: Generation(u16::from_be_bytes([g1, g0]) >> 4),
            kind: EntryKind::from_code(word >> 33 & 7)?,
            seen: u32::from_be_bytes([s3, s2, s1, s0]),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_value_survives_packing(port: u16, generation in 0u16..4096, code in 0u64..4, seen: u32) {
            let value = Value {
                port: PortId::new(port),
                generation: Generation(generation),
                kind: EntryKind::from_code(code).unwrap(),
                seen,
            };
            prop_assert_eq!(Value::unpack(value.pack()), Some(value));
        }

        #[test]
        fn a_key_survives_packing(mac in 1u64..1 << 48, vid in 0u16..4095) {
            let key = FdbKey::new(MacAddr::from_u64(mac), VlanId::new(vid));
            prop_assert_eq!(key.mac(), MacAddr::from_u64(mac));
            prop_assert_eq!(key.vlan(), VlanId::new(vid));
            prop_assert_eq!(FdbKey::from_word(key.word()), key);
        }
    }

    #[test]
    fn zero_is_a_dead_value() {
        assert_eq!(Value::unpack(0), None);
    }
}
