//! The VXLAN header (RFC 7348 section 5).
//!
//! ```text
//! |R|R|R|R|I|R|R|R|            Reserved           |
//! |         VXLAN network identifier (VNI) |  R   |
//! ```
//!
//! The I flag must be 1, or the packet is dropped. All R bits are sent as 0 and ignored on receipt, says the RFC; Linux
//! and Open vSwitch drop what has one set, because extensions (group policy, GPE) put meaning there that a plain
//! endpoint would miss. Both readings are here, by [`Reserved`].

use vswitch_wire::Vni;

/// Length of the header, in bytes.
pub const LEN: usize = 8;
/// The UDP destination port that IANA assigned.
pub const PORT: u16 = 4789;

mod field {
    use core::ops::Range;

    pub(super) const FLAGS: usize = 0;
    pub(super) const RESERVED_HIGH: Range<usize> = 1..4;
    pub(super) const VNI: Range<usize> = 4..7;
    pub(super) const RESERVED_LOW: usize = 7;
}

/// "The VNI is valid."
const FLAG_I: u8 = 0x08;

/// What reserved bits that are set do on receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reserved {
    /// Nothing, as the RFC says.
    #[default]
    Ignore,
    /// The packet is refused, as Linux and Open vSwitch do.
    Strict,
}

/// A header that was accepted, or one to be sent.
///
/// ```
/// use vswitch_wire::Vni;
/// use vxlan::{Header, Reserved};
/// let header = Header { vni: Vni::from_bytes([0, 0x10, 0x01]) };
/// let mut packet = header.to_bytes().to_vec();
/// packet.extend(b"an Ethernet frame");
/// assert_eq!(packet[..8], [0x08, 0, 0, 0, 0x00, 0x10, 0x01, 0]);
/// assert_eq!(Header::parse(&packet, Reserved::Strict), Ok((header, &b"an Ethernet frame"[..])));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Header {
    /// The segment that the inner frame belongs to.
    pub vni: Vni,
}

/// Why a UDP payload is no VXLAN packet for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Shorter than the header.
    #[error("a VXLAN header is {LEN} bytes, {have} are there")]
    Truncated {
        /// How many bytes there are.
        have: usize,
    },
    /// The I flag is 0: there is no VNI.
    #[error("the VXLAN header has no valid VNI, its flags are {flags:#04x}")]
    NoVni {
        /// The first byte.
        flags: u8,
    },
    /// A reserved bit is set, and [`Reserved::Strict`] was asked for.
    #[error("reserved bits are set in the VXLAN header")]
    ReservedBits,
}

impl Header {
    /// The eight bytes to send.
    #[inline]
    #[must_use]
    pub const fn to_bytes(self) -> [u8; LEN] {
        let [a, b, c] = self.vni.to_bytes();
        [FLAG_I, 0, 0, 0, a, b, c, 0]
    }

    /// Reads the header at the start of a UDP payload; the second value is the inner frame.
    ///
    /// # Errors
    /// Each variant of [`HeaderError`] is a reason to drop the packet.
    #[inline]
    pub fn parse(packet: &[u8], reserved: Reserved) -> Result<(Self, &[u8]), HeaderError> {
        let Some((header, frame)) = packet.split_first_chunk::<LEN>() else {
            return Err(HeaderError::Truncated { have: packet.len() });
        };
        let flags = header[field::FLAGS];
        if flags & FLAG_I == 0 {
            return Err(HeaderError::NoVni { flags });
        }
        let clean = flags == FLAG_I
            && header[field::RESERVED_HIGH] == [0; 3]
            && header[field::RESERVED_LOW] == 0;
        match reserved {
            Reserved::Strict if !clean => return Err(HeaderError::ReservedBits),
            Reserved::Strict | Reserved::Ignore => {}
        }
        let mut vni = [0; 3];
        vni.copy_from_slice(&header[field::VNI]);
        Ok((
            Self {
                vni: Vni::from_bytes(vni),
            },
            frame,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(vni: u32) -> Header {
        Header {
            vni: Vni::new(vni).unwrap(),
        }
    }

    #[test]
    fn golden() {
        let bytes = [0x08, 0, 0, 0, 0x12, 0x34, 0x56, 0];
        assert_eq!(header(0x12_3456).to_bytes(), bytes);
        for reserved in [Reserved::Ignore, Reserved::Strict] {
            assert_eq!(
                Header::parse(&bytes, reserved),
                Ok((header(0x12_3456), &[][..]))
            );
        }
    }

    #[test]
    fn round_trip_over_the_range() {
        for vni in (0..=Vni::MAX).step_by(4099).chain([1, Vni::MAX]) {
            let mut packet = header(vni).to_bytes().to_vec();
            packet.push(0xab);
            assert_eq!(
                Header::parse(&packet, Reserved::Strict),
                Ok((header(vni), &[0xab][..]))
            );
        }
    }

    #[test]
    fn every_single_bit() {
        for bit in 0..64u32 {
            let flipped = u64::from_be_bytes(header(5).to_bytes()) ^ 1 << (63 - bit);
            let bytes = flipped.to_be_bytes();
            let is_vni = (32..56).contains(&bit);
            let ignore = Header::parse(&bytes, Reserved::Ignore);
            let strict = Header::parse(&bytes, Reserved::Strict);
            if bit == 4 {
                assert_eq!(ignore, Err(HeaderError::NoVni { flags: 0 }));
                assert_eq!(strict, ignore);
            } else if is_vni {
                assert_eq!(ignore, Ok((header(5 ^ 1 << (55 - bit)), &[][..])));
                assert_eq!(strict, ignore);
            } else {
                assert_eq!(ignore, Ok((header(5), &[][..])));
                assert_eq!(strict, Err(HeaderError::ReservedBits));
            }
        }
    }

    #[test]
    fn cut_short_at_every_byte() {
        let bytes = header(7).to_bytes();
        for have in 0..LEN {
            let result = Header::parse(&bytes[..have], Reserved::Ignore);
            assert_eq!(result, Err(HeaderError::Truncated { have }));
        }
    }
}
