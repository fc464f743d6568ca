//! MAC addresses: EUI-48 of IEEE 802, six octets in transmission order.
//!
//! Two bits of the first octet carry meaning: bit 0 is the group (I/G) bit, bit 1 says that the address is locally
//! administered (U/L). Sixteen group addresses, 01-80-C2-00-00-00 to -0F, belong to protocols of the single link and
//! are not relayed by a bridge (802.1Q table 8-1); 01-80-C2-00-00-20 to -2F are relayed and are not among them.
//!
//! An address is kept as a number: it is compared, hashed and looked up for every frame, and seldom read octet by octet.
//!
//! Text is lower case with colons, as iproute2 and Docker print it; hyphens, IEEE's own form, are read as well.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A MAC address. Ordered by octets, first octet most significant.
///
/// ```
/// use vswitch_wire::MacAddr;
/// let mac: MacAddr = "02:00:5E-10-00-01".parse().unwrap_or(MacAddr::ZERO);
/// assert_eq!(mac, MacAddr::ZERO); // separators must not be mixed
/// let mac: MacAddr = "02-00-5E-10-00-01".parse()?;
/// assert_eq!(mac.to_string(), "02:00:5e:10:00:01");
/// assert!(mac.is_unicast() && mac.is_locally_administered());
/// assert_eq!(mac.to_u64(), 0x0200_5e10_0001);
/// # Ok::<(), vswitch_wire::MacParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(transparent)]
pub struct MacAddr(u64); // below 2^48, the first octet the most significant

impl MacAddr {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self::new([0xff; 6]);
    /// 00:00:00:00:00:00, never a station.
    pub const ZERO: Self = Self(0);

    /// The address of these octets, in transmission order.
    #[inline]
    #[must_use]
    pub const fn new(octets: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = octets;
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// The octets in transmission order.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> [u8; 6] {
        let [_, _, octets @ ..] = self.0.to_be_bytes();
        octets
    }

    /// Whether the group bit is set: multicast, and broadcast with it.
    #[inline]
    #[must_use]
    pub const fn is_multicast(self) -> bool {
        self.0 & 1 << 40 != 0
    }

    /// Whether this is ff:ff:ff:ff:ff:ff.
    #[inline]
    #[must_use]
    pub const fn is_broadcast(self) -> bool {
        self.0 == Self::BROADCAST.0
    }

    /// Whether all octets are zero.
    #[inline]
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether a station can have this address: individual, and not zero.
    #[inline]
    #[must_use]
    pub const fn is_unicast(self) -> bool {
        !self.is_multicast() && !self.is_zero()
    }

    /// Whether the U/L bit is set: chosen by an administrator or a program, not burnt in.
    #[inline]
    #[must_use]
    pub const fn is_locally_administered(self) -> bool {
        self.0 & 2 << 40 != 0
    }

    /// Whether this is one of 01-80-C2-00-00-00 to -0F, which a bridge does not relay (802.1Q table 8-1).
    #[inline]
    #[must_use]
    pub const fn is_link_local_reserved(self) -> bool {
        self.0 & !0xf == 0x0180_c200_0000
    }

    /// The address in the low 48 bits, first octet most significant; for table keys.
    #[inline]
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0
    }

    /// The inverse of [`Self::to_u64`]; the high 16 bits are ignored.
    #[inline]
    #[must_use]
    pub const fn from_u64(value: u64) -> Self {
        Self(value & 0xffff_ffff_ffff)
    }
}

impl From<[u8; 6]> for MacAddr {
    fn from(octets: [u8; 6]) -> Self {
        Self::new(octets)
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b':'; 17];
        for (octet, place) in self.octets().iter().zip(text.chunks_mut(3)) {
            place[0] = HEX[usize::from(octet >> 4)];
            place[1] = HEX[usize::from(octet & 0xf)];
        }
        // Through `pad`, so that tables can give a width.
        f.pad(core::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no MAC address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MacParseError {
    /// Not the 17 characters of six two-digit octets.
    #[error("a MAC address has 17 characters, this has {0}; write it as 02:00:5e:10:00:01")]
    Length(usize),
    /// Something else than one kind of separator (`:` or `-`) between the octets.
    #[error("a MAC address has `:` (or `-`) between its octets; write it as 02:00:5e:10:00:01")]
    Separator,
    /// A character that is no hexadecimal digit.
    #[error("a MAC address has hexadecimal digits only; write it as 02:00:5e:10:00:01")]
    Digit,
}

impl FromStr for MacAddr {
    type Err = MacParseError;

    fn from_str(text: &str) -> Result<Self, MacParseError> {
        let text: &[u8; 17] = text
            .as_bytes()
            .try_into()
            .map_err(|_| MacParseError::Length(text.chars().count()))?;
        let separator = text[2];
        if separator != b':' && separator != b'-' {
            return Err(MacParseError::Separator);
        }
        let mut octets = [0; 6];
        for (octet, place) in octets.iter_mut().zip(text.chunks(3)) {
            if place.get(2).is_some_and(|&byte| byte != separator) {
                return Err(MacParseError::Separator);
            }
            *octet = digit(place[0])? << 4 | digit(place[1])?;
        }
        Ok(Self::new(octets))
    }
}

fn digit(byte: u8) -> Result<u8, MacParseError> {
    match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        b'A'..=b'F' => Ok(byte - b'A' + 10),
        _ => Err(MacParseError::Digit),
    }
}

impl Serialize for MacAddr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MacAddr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl de::Visitor<'_> for Text {
            type Value = MacAddr;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a MAC address such as \"02:00:5e:10:00:01\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MacAddr, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_number_and_json_round_trip(octets: [u8; 6]) {
            let mac = MacAddr::new(octets);
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
            prop_assert_eq!(mac.to_string().replace(':', "-").to_uppercase().parse(), Ok(mac));
            prop_assert_eq!(MacAddr::from_u64(mac.to_u64()), mac);
            prop_assert_eq!(MacAddr::from_u64(mac.to_u64() | 0xabcd << 48), mac);
            let json = serde_json::to_string(&mac).unwrap();
            prop_assert_eq!(&json, &format!("\"{mac}\""));
            prop_assert_eq!(serde_json::from_str::<MacAddr>(&json).unwrap(), mac);
            prop_assert_eq!(mac.is_multicast(), octets[0] % 2 == 1);
        }

        #[test]
        fn any_text_is_refused_or_read(text: String) {
            if let Ok(mac) = text.parse::<MacAddr>() {
                prop_assert_eq!(mac.to_string(), text.replace('-', ":").to_lowercase());
            }
        }
    }

    #[test]
    fn kinds() {
        assert!(MacAddr::BROADCAST.is_broadcast() && MacAddr::BROADCAST.is_multicast());
        assert!(!MacAddr::BROADCAST.is_unicast() && !MacAddr::ZERO.is_unicast());
        assert!(MacAddr::ZERO.is_zero() && MacAddr::default().is_zero());
        for last in 0..=0x2f {
            let mac = MacAddr::new([0x01, 0x80, 0xc2, 0, 0, last]);
            assert_eq!(mac.is_link_local_reserved(), last <= 0x0f, "{mac}");
        }
        assert!(!MacAddr::new([1, 0x80, 0xc2, 0, 1, 0]).is_link_local_reserved());
    }

    #[test]
    fn refused_with_the_reason() {
        let parse = |text: &str| text.parse::<MacAddr>();
        assert_eq!(parse("02:00:5e:10:00"), Err(MacParseError::Length(14)));
        assert_eq!(parse("02:00:5e:10:00:0g"), Err(MacParseError::Digit));
        assert_eq!(parse("02:00-5e:10:00:01"), Err(MacParseError::Separator));
        assert_eq!(parse("02.00.5e.10.00.01"), Err(MacParseError::Separator));
        assert_eq!(format!("{:>19}", MacAddr::ZERO), "  00:00:00:00:00:00");
    }
}
