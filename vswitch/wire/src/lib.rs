//! Stub of the wire crate: only what the control plane names. Thrown away when the real one lands.
#![allow(missing_docs)]
use std::{fmt, num::NonZeroU16, str::FromStr};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct MacAddr([u8; 6]);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MacParseError;
impl fmt::Display for MacParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a MAC address: expected six hexadecimal octets such as 02:00:00:00:00:01")
    }
}
impl std::error::Error for MacParseError {}

impl MacAddr {
    pub const BROADCAST: Self = Self([0xff; 6]);
    pub const ZERO: Self = Self([0; 6]);
    pub const fn new(o: [u8; 6]) -> Self {
        Self(o)
    }
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
    pub fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }
    pub fn is_unicast(self) -> bool {
        !self.is_multicast() && !self.is_zero()
    }
    pub fn is_locally_administered(self) -> bool {
        self.0[0] & 2 == 2
    }
}
impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
impl FromStr for MacAddr {
    type Err = MacParseError;
    fn from_str(s: &str) -> Result<Self, MacParseError> {
        let mut o = [0; 6];
        let parts: Vec<&str> = s.split([':', '-']).collect();
        if parts.len() != 6 {
            return Err(MacParseError);
        }
        for (o, p) in o.iter_mut().zip(parts) {
            if p.len() != 2 {
                return Err(MacParseError);
            }
            *o = u8::from_str_radix(p, 16).map_err(|_| MacParseError)?;
        }
        Ok(Self(o))
    }
}
impl serde::Serialize for MacAddr {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}
impl<'de> serde::Deserialize<'de> for MacAddr {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize,
)]
pub struct VlanId(NonZeroU16);
impl VlanId {
    pub fn new(v: u16) -> Option<Self> {
        (v <= 4094).then(|| NonZeroU16::new(v).map(Self)).flatten()
    }
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct OffloadSet(u8);
impl OffloadSet {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self(0x3f);
}
impl fmt::Display for OffloadSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 == 0 {
            "off"
        } else {
            "csum,tso4,tso6,ecn,uso4,uso6"
        })
    }
}
