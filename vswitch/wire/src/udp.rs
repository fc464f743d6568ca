//! The UDP header (RFC 768).
//!
//! A checksum of zero says that there is none; a computed zero is therefore sent as 0xffff, which sums up the same.

use crate::ParseError;
use crate::bytes::{get16, put16};

/// Length of the header.
pub const HEADER_LEN: usize = 8;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 6;

pub(crate) mod field {
    pub(crate) const SRC_PORT: usize = 0;
    pub(crate) const DST_PORT: usize = 2;
    pub(crate) const LEN: usize = 4;
    pub(crate) const CHECKSUM: usize = super::CHECKSUM_OFFSET;
}

/// A UDP header that is there in full.
#[derive(Debug, Clone, Copy)]
pub struct UdpView<'a> {
    header: &'a [u8; HEADER_LEN],
}

impl<'a> UdpView<'a> {
    /// The header at the start of `datagram`. Its length field is not compared with anything.
    ///
    /// # Errors
    /// Cut short.
    #[inline]
    pub fn parse(datagram: &'a [u8]) -> Result<Self, ParseError> {
        match datagram.first_chunk() {
            Some(header) => Ok(Self { header }),
            None => Err(ParseError::Truncated {
                what: "UDP header",
                need: HEADER_LEN,
                have: datagram.len(),
            }),
        }
    }

    /// Source port.
    #[inline]
    #[must_use]
    pub fn src_port(&self) -> u16 {
        get16(self.header, field::SRC_PORT)
    }

    /// Destination port.
    #[inline]
    #[must_use]
    pub fn dst_port(&self) -> u16 {
        get16(self.header, field::DST_PORT)
    }

    /// Length of header and payload, as it says.
    #[inline]
    #[must_use]
    pub fn len_field(&self) -> u16 {
        get16(self.header, field::LEN)
    }

    /// The checksum as received; zero says that there is none.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        get16(self.header, field::CHECKSUM)
    }
}

/// Writes the length of header and payload.
///
/// # Panics
/// When `header` is shorter than the field's end, as all functions here that write.
#[inline]
pub fn set_len(header: &mut [u8], len: u16) {
    put16(header, field::LEN, len);
}

/// Writes the checksum.
#[inline]
pub fn set_checksum(header: &mut [u8], checksum: u16) {
    put16(header, field::CHECKSUM, checksum);
}

/// Writes both ports.
#[inline]
pub fn set_ports(header: &mut [u8], src: u16, dst: u16) {
    put16(header, field::SRC_PORT, src);
    put16(header, field::DST_PORT, dst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_fields_read_back() {
        let mut bytes = [0; 9];
        set_ports(&mut bytes, 0x1234, 4789);
        set_len(&mut bytes, 0xfffe);
        set_checksum(&mut bytes, 0xabcd);
        let udp = UdpView::parse(&bytes).unwrap();
        assert_eq!(
            (
                udp.src_port(),
                udp.dst_port(),
                udp.len_field(),
                udp.checksum()
            ),
            (0x1234, 4789, 0xfffe, 0xabcd)
        );
        assert_eq!(bytes[8], 0);
        let expected = ParseError::Truncated {
            what: "UDP header",
            need: 8,
            have: 7,
        };
        assert_eq!(UdpView::parse(&bytes[..7]).map(|_| ()), Err(expected));
    }
}
