//! The IPv4 header (RFC 791): the fields that offload, hashing and fragmentation need.
//!
//! [`Ipv4View`] reads, the `set_` functions write in place. Neither touches the header checksum on its own:
//! who changes a field recomputes it with [`header_checksum`] or updates it with [`crate::update_u16`].

use core::net::Ipv4Addr;

use crate::bytes::{get16, put16};
use crate::{ParseError, Sum};

/// Length of a header without options.
pub const MIN_LEN: usize = 20;

pub(crate) mod field {
    pub(crate) const VERSION_IHL: usize = 0;
    pub(crate) const TOS: usize = 1;
    pub(crate) const TOTAL_LEN: usize = 2;
    pub(crate) const ID: usize = 4;
    pub(crate) const FRAGMENT: usize = 6;
    pub(crate) const TTL: usize = 8;
    pub(crate) const PROTO: usize = 9;
    pub(crate) const CHECKSUM: usize = 10;
    pub(crate) const SRC: usize = 12;
    pub(crate) const DST: usize = 16;
}

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
/// In units of eight bytes.
const FRAGMENT_OFFSET: u16 = 0x1fff;

/// An IPv4 header whose version and lengths have been checked against one another. Whether the packet is as long as
/// [`Self::total_len`] says is for [`crate::Layers`], which knows the frame.
#[derive(Debug, Clone, Copy)]
pub struct Ipv4View<'a> {
    fixed: &'a [u8; MIN_LEN],
    header: &'a [u8],
}

impl<'a> Ipv4View<'a> {
    /// The header at the start of `packet`.
    ///
    /// # Errors
    /// Cut short, not version 4, header length below 20, or total length below the header's.
    #[inline]
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let truncated = |need| ParseError::Truncated {
            what: "IPv4 header",
            need,
            have: packet.len(),
        };
        let Some(fixed) = packet.first_chunk::<MIN_LEN>() else {
            return Err(truncated(MIN_LEN));
        };
        let version = fixed[field::VERSION_IHL] >> 4;
        if version != 4 {
            return Err(ParseError::BadVersion {
                what: "IPv4 header",
                version,
            });
        }
        let len = usize::from(fixed[field::VERSION_IHL] & 0xf) * 4;
        if len < MIN_LEN {
            return Err(ParseError::BadLength {
                what: "IPv4 header length",
                value: len,
            });
        }
        let Some(header) = packet.get(..len) else {
            return Err(truncated(len));
        };
        let view = Self { fixed, header };
        if usize::from(view.total_len()) < len {
            let value = usize::from(view.total_len());
            return Err(ParseError::BadLength {
                what: "IPv4 total length",
                value,
            });
        }
        Ok(view)
    }

    /// Length of the header with its options, 20 to 60.
    #[inline]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.header.len()
    }

    /// The options, maybe none.
    #[inline]
    #[must_use]
    pub fn options(&self) -> &'a [u8] {
        &self.header[MIN_LEN..]
    }

    /// DSCP and ECN.
    #[inline]
    #[must_use]
    pub const fn tos(&self) -> u8 {
        self.fixed[field::TOS]
    }

    /// Length of header and payload; never below [`Self::header_len`].
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> u16 {
        get16(self.fixed, field::TOTAL_LEN)
    }

    /// Identification.
    #[inline]
    #[must_use]
    pub fn id(&self) -> u16 {
        get16(self.fixed, field::ID)
    }

    /// Don't fragment.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        get16(self.fixed, field::FRAGMENT) & DONT_FRAGMENT != 0
    }

    /// More fragments.
    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        get16(self.fixed, field::FRAGMENT) & MORE_FRAGMENTS != 0
    }

    /// Where in the original payload this fragment begins, in bytes.
    #[inline]
    #[must_use]
    pub fn fragment_offset(&self) -> usize {
        usize::from(get16(self.fixed, field::FRAGMENT) & FRAGMENT_OFFSET) * 8
    }

    /// Whether this is a fragment, the first one included.
    #[inline]
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        get16(self.fixed, field::FRAGMENT) & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    /// Time to live.
    #[inline]
    #[must_use]
    pub const fn ttl(&self) -> u8 {
        self.fixed[field::TTL]
    }

    /// Protocol of the payload.
    #[inline]
    #[must_use]
    pub const fn proto(&self) -> u8 {
        self.fixed[field::PROTO]
    }

    /// The header checksum as received.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        get16(self.fixed, field::CHECKSUM)
    }

    /// Whether the header checksum is right.
    #[must_use]
    pub fn checksum_is_valid(&self) -> bool {
        Sum::new().add_bytes(self.header).finish() == 0
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub const fn src(&self) -> Ipv4Addr {
        let [.., a, b, c, d, _, _, _, _] = *self.fixed;
        Ipv4Addr::new(a, b, c, d)
    }

    /// Destination address.
    #[inline]
    #[must_use]
    pub const fn dst(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = *self.fixed;
        Ipv4Addr::new(a, b, c, d)
    }
}

/// The checksum that `header` should carry, whatever it carries now.
///
/// # Panics
/// When `header` is shorter than [`MIN_LEN`], as all functions here that write.
#[must_use]
pub fn header_checksum(header: &[u8]) -> u16 {
    Sum::new()
        .add_bytes(&header[..field::CHECKSUM])
        .add_bytes(&header[field::SRC..])
        .finish()
}

/// Writes the total length.
#[inline]
pub fn set_total_len(header: &mut [u8], total_len: u16) {
    put16(header, field::TOTAL_LEN, total_len);
}

/// Writes the identification.
#[inline]
pub fn set_id(header: &mut [u8], id: u16) {
    put16(header, field::ID, id);
}

/// Writes DSCP and ECN.
#[inline]
pub fn set_tos(header: &mut [u8], tos: u8) {
    header[field::TOS] = tos;
}

/// Writes the time to live.
#[inline]
pub fn set_ttl(header: &mut [u8], ttl: u8) {
    header[field::TTL] = ttl;
}

/// Writes the header checksum.
#[inline]
pub fn set_checksum(header: &mut [u8], checksum: u16) {
    put16(header, field::CHECKSUM, checksum);
}

/// Writes the source address.
#[inline]
pub fn set_src(header: &mut [u8], src: Ipv4Addr) {
    header[field::SRC..field::DST].copy_from_slice(&src.octets());
}

/// Writes the destination address.
#[inline]
pub fn set_dst(header: &mut [u8], dst: Ipv4Addr) {
    header[field::DST..MIN_LEN].copy_from_slice(&dst.octets());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1071's classic worked example of a header.
    const GOLDEN: [u8; 20] = [
        0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0x00,
        0x01, 0xc0, 0xa8, 0x00, 0xc7,
    ];

    #[test]
    fn golden_header() {
        let ip = Ipv4View::parse(&GOLDEN).unwrap();
        assert_eq!(
            (
                ip.header_len(),
                ip.total_len(),
                ip.id(),
                ip.ttl(),
                ip.proto()
            ),
            (20, 0x73, 0, 64, 17)
        );
        assert!(ip.dont_fragment() && !ip.more_fragments() && !ip.is_fragment());
        assert_eq!(ip.src(), Ipv4Addr::new(192, 168, 0, 1));
        assert_eq!(ip.dst(), Ipv4Addr::new(192, 168, 0, 199));
        assert!(ip.checksum_is_valid() && ip.options().is_empty());
        assert_eq!(header_checksum(&GOLDEN), 0xb861);
    }

    #[test]
    fn refused_with_the_reason() {
        let with = |at: usize, value: u8| {
            let mut bytes = GOLDEN;
            bytes[at] = value;
            Ipv4View::parse(&bytes).map(|_| ())
        };
        assert_eq!(
            with(0, 0x65),
            Err(ParseError::BadVersion {
                what: "IPv4 header",
                version: 6
            })
        );
        assert_eq!(
            with(0, 0x44),
            Err(ParseError::BadLength {
                what: "IPv4 header length",
                value: 16
            })
        );
        assert_eq!(
            with(0, 0x46),
            Err(ParseError::Truncated {
                what: "IPv4 header",
                need: 24,
                have: 20
            })
        );
        assert_eq!(
            with(3, 19),
            Err(ParseError::BadLength {
                what: "IPv4 total length",
                value: 19
            })
        );
    }

    proptest! {
        #[test]
        fn written_fields_read_back(total_len in 20u16.., id: u16, tos: u8, ttl: u8, src: u32, dst: u32) {
            let mut bytes = GOLDEN;
            let (src, dst) = (Ipv4Addr::from(src), Ipv4Addr::from(dst));
            set_total_len(&mut bytes, total_len);
            set_id(&mut bytes, id);
            set_tos(&mut bytes, tos);
            set_ttl(&mut bytes, ttl);
            set_src(&mut bytes, src);
            set_dst(&mut bytes, dst);
            let checksum = header_checksum(&bytes);
            set_checksum(&mut bytes, checksum);
            let ip = Ipv4View::parse(&bytes).unwrap();
            prop_assert_eq!((ip.total_len(), ip.id(), ip.tos(), ip.ttl()), (total_len, id, tos, ttl));
            prop_assert_eq!((ip.src(), ip.dst(), ip.checksum()), (src, dst, checksum));
            prop_assert!(ip.checksum_is_valid());
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80), first in 0x40u8..0x50) {
            let mut bytes = bytes;
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            if let Ok(ip) = Ipv4View::parse(&bytes) {
                prop_assert!((20..=60).contains(&ip.header_len()));
                prop_assert!(ip.is_fragment() == (ip.more_fragments() || ip.fragment_offset() > 0));
            }
        }
    }
}
