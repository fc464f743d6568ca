//! VXLAN network identifiers: 24 bits that name a segment (RFC 7348 section 4).
//!
//! Zero is a legal VNI; whether a network may use it is for the configuration to say.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

/// A VNI, 0 to 16,777,215. In JSON a number.
///
/// ```
/// use vswitch_wire::Vni;
/// let vni: Vni = "4097".parse()?;
/// assert_eq!(vni.to_bytes(), [0x00, 0x10, 0x01]);
/// assert_eq!(Vni::new(1 << 24), None);
/// # Ok::<(), vswitch_wire::VniError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Vni(u32);

impl Vni {
    /// The highest VNI.
    pub const MAX: u32 = (1 << 24) - 1;

    /// The VNI of this number, if it fits 24 bits.
    #[inline]
    #[must_use]
    pub const fn new(vni: u32) -> Option<Self> {
        if vni <= Self::MAX {
            Some(Self(vni))
        } else {
            None
        }
    }

    /// The number.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The three bytes on the wire, most significant first.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    /// The inverse of [`Self::to_bytes`].
    #[inline]
    #[must_use]
    pub const fn from_bytes([a, b, c]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, a, b, c]))
    }
}

/// A number or text that is no VNI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a VNI is a number from 0 to 16777215")]
pub struct VniError;

impl TryFrom<u32> for Vni {
    type Error = VniError;

    fn try_from(vni: u32) -> Result<Self, VniError> {
        Self::new(vni).ok_or(VniError)
    }
}

impl From<Vni> for u32 {
    fn from(vni: Vni) -> Self {
        vni.0
    }
}

impl FromStr for Vni {
    type Err = VniError;

    fn from_str(text: &str) -> Result<Self, VniError> {
        text.parse().ok().and_then(Self::new).ok_or(VniError)
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_text_and_json_round_trip(bytes: [u8; 3]) {
            let vni = Vni::from_bytes(bytes);
            prop_assert_eq!(vni.to_bytes(), bytes);
            prop_assert_eq!(Vni::new(vni.get()), Some(vni));
            prop_assert_eq!(vni.to_string().parse(), Ok(vni));
            let json = serde_json::to_string(&vni).unwrap();
            prop_assert_eq!(serde_json::from_str::<Vni>(&json).unwrap(), vni);
        }

        #[test]
        fn never_more_than_24_bits(number: u32) {
            prop_assert_eq!(Vni::new(number).is_some(), number < 1 << 24);
        }
    }

    #[test]
    fn bounds() {
        assert_eq!(Vni::new(Vni::MAX).map(Vni::to_bytes), Some([0xff; 3]));
        assert_eq!("16777216".parse::<Vni>(), Err(VniError));
        assert!(serde_json::from_str::<Vni>("16777216").is_err());
    }
}
