//! What a port can take untouched, as a set of bits: the names of `TUNSETOFFLOAD` without their values.

use core::fmt;

/// A set of offloads.
///
/// ```
/// use vswitch_wire::OffloadSet;
/// let port = OffloadSet::CSUM.union(OffloadSet::TSO4);
/// assert!(port.contains(OffloadSet::TSO4) && !port.contains(OffloadSet::ALL));
/// assert_eq!(port.to_string(), "csum,tso4");
/// assert_eq!(OffloadSet::NONE.to_string(), "off");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(transparent)]
pub struct OffloadSet(u8);

impl OffloadSet {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// Completes partial checksums.
    pub const CSUM: Self = Self(1);
    /// Cuts TCP over IPv4.
    pub const TSO4: Self = Self(1 << 1);
    /// Cuts TCP over IPv6.
    pub const TSO6: Self = Self(1 << 2);
    /// Cuts TCP whose first segment carries CWR.
    pub const ECN: Self = Self(1 << 3);
    /// Cuts UDP over IPv4.
    pub const USO4: Self = Self(1 << 4);
    /// Cuts UDP over IPv6.
    pub const USO6: Self = Self(1 << 5);
    /// Everything a port can have.
    pub const ALL: Self = Self(0x3f);
    /// Asked for by headers that no port may take; not part of [`Self::ALL`].
    pub const UNSUPPORTED: Self = Self(1 << 7);

    const NAMES: [(Self, &'static str); 7] = [
        (Self::CSUM, "csum"),
        (Self::TSO4, "tso4"),
        (Self::TSO6, "tso6"),
        (Self::ECN, "ecn"),
        (Self::USO4, "uso4"),
        (Self::USO6, "uso6"),
        (Self::UNSUPPORTED, "unsupported"),
    ];

    /// Whether all of `other` is in this set.
    #[inline]
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is in this set.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds all of `other`.
    #[inline]
    pub const fn insert(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Takes all of `other` away.
    #[inline]
    pub const fn remove(&mut self, other: Self) {
        self.0 &= !other.0;
    }

    /// What is in either set.
    #[inline]
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both sets.
    #[inline]
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for OffloadSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("off");
        }
        let mut separator = "";
        for (bit, name) in Self::NAMES {
            if self.contains(bit) {
                write!(f, "{separator}{name}")?;
                separator = ",";
            }
        }
        Ok(())
    }
}
