//! The TCP header (RFC 9293 section 3.1): the fields that offload and hashing need.

use crate::ParseError;
use crate::bytes::{get16, get32, put16, put32};

/// Length of a header without options.
pub const MIN_LEN: usize = 20;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: usize = 16;

/// The sender is done.
pub const FIN: u8 = 0x01;
/// First segment of a direction.
pub const SYN: u8 = 0x02;
/// Abort.
pub const RST: u8 = 0x04;
/// Hand over to the application now.
pub const PSH: u8 = 0x08;
/// The acknowledgement counts.
pub const ACK: u8 = 0x10;
/// The urgent pointer counts.
pub const URG: u8 = 0x20;
/// Congestion was seen (RFC 3168).
pub const ECE: u8 = 0x40;
/// The window was reduced (RFC 3168).
pub const CWR: u8 = 0x80;

pub(crate) mod field {
    pub(crate) const SRC_PORT: usize = 0;
    pub(crate) const DST_PORT: usize = 2;
    pub(crate) const SEQ: usize = 4;
    pub(crate) const ACK_NUMBER: usize = 8;
    /// Data offset in the high nibble, then four reserved bits; the flags in the byte after it.
    pub(crate) const DATA_OFFSET: usize = 12;
    pub(crate) const FLAGS: usize = 13;
    pub(crate) const WINDOW: usize = 14;
    pub(crate) const CHECKSUM: usize = super::CHECKSUM_OFFSET;
    pub(crate) const URGENT: usize = 18;
}

/// A TCP header that is there in full, options included.
#[derive(Debug, Clone, Copy)]
pub struct TcpView<'a> {
    header: &'a [u8],
}

impl<'a> TcpView<'a> {
    /// The header at the start of `segment`.
    ///
    /// # Errors
    /// Cut short, or a data offset below five words.
    #[inline]
    pub fn parse(segment: &'a [u8]) -> Result<Self, ParseError> {
        let truncated = |need| ParseError::Truncated {
            what: "TCP header",
            need,
            have: segment.len(),
        };
        let Some(fixed) = segment.first_chunk::<MIN_LEN>() else {
            return Err(truncated(MIN_LEN));
        };
        let words = usize::from(fixed[field::DATA_OFFSET] >> 4);
        if words * 4 < MIN_LEN {
            return Err(ParseError::BadLength {
                what: "TCP data offset",
                value: words,
            });
        }
        match segment.get(..words * 4) {
            Some(header) => Ok(Self { header }),
            None => Err(truncated(words * 4)),
        }
    }

    /// Length of the header with its options, 20 to 60 bytes.
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

    /// Sequence number of the first payload byte.
    #[inline]
    #[must_use]
    pub fn seq(&self) -> u32 {
        get32(self.header, field::SEQ)
    }

    /// Acknowledgement number.
    #[inline]
    #[must_use]
    pub fn ack(&self) -> u32 {
        get32(self.header, field::ACK_NUMBER)
    }

    /// [`FIN`] to [`CWR`].
    #[inline]
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.header[field::FLAGS]
    }

    /// Window, not scaled.
    #[inline]
    #[must_use]
    pub fn window(&self) -> u16 {
        get16(self.header, field::WINDOW)
    }

    /// The checksum as received; partial where the virtio-net header says so.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        get16(self.header, field::CHECKSUM)
    }

    /// Urgent pointer.
    #[inline]
    #[must_use]
    pub fn urgent(&self) -> u16 {
        get16(self.header, field::URGENT)
    }
}

/// Writes the sequence number.
///
/// # Panics
/// When `header` is shorter than the field's end, as all functions here that write.
#[inline]
pub fn set_seq(header: &mut [u8], seq: u32) {
    put32(header, field::SEQ, seq);
}

/// Writes the acknowledgement number.
#[inline]
pub fn set_ack(header: &mut [u8], ack: u32) {
    put32(header, field::ACK_NUMBER, ack);
}

/// Writes the eight flags.
#[inline]
pub fn set_flags(header: &mut [u8], flags: u8) {
    header[field::FLAGS] = flags;
}

/// Writes the checksum.
#[inline]
pub fn set_checksum(header: &mut [u8], checksum: u16) {
    put16(header, field::CHECKSUM, checksum);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_syn() {
        let bytes = [
            0x9c,
            0x40,
            0x00,
            0x50,
            1,
            2,
            3,
            4,
            5,
            6,
            7,
            8,
            0x60,
            SYN | ECE | CWR,
            0xfa,
            0xf0,
            0xbe,
            0xef,
            0,
            9,
            2,
            4,
            0x05,
            0xb4,
        ];
        let tcp = TcpView::parse(&bytes).unwrap();
        assert_eq!(
            (tcp.src_port(), tcp.dst_port(), tcp.header_len()),
            (40_000, 80, 24)
        );
        assert_eq!(
            (tcp.seq(), tcp.ack(), tcp.flags()),
            (0x0102_0304, 0x0506_0708, 0xc2)
        );
        assert_eq!(
            (tcp.window(), tcp.checksum(), tcp.urgent()),
            (64_240, 0xbeef, 9)
        );
        assert_eq!(tcp.options(), [2, 4, 0x05, 0xb4]);
    }

    proptest! {
        #[test]
        fn written_fields_read_back(seq: u32, ack: u32, flags: u8, checksum: u16) {
            let mut bytes = [0; MIN_LEN];
            bytes[field::DATA_OFFSET] = 0x50;
            set_seq(&mut bytes, seq);
            set_ack(&mut bytes, ack);
            set_flags(&mut bytes, flags);
            set_checksum(&mut bytes, checksum);
            let tcp = TcpView::parse(&bytes).unwrap();
            prop_assert_eq!((tcp.seq(), tcp.ack(), tcp.flags(), tcp.checksum()), (seq, ack, flags, checksum));
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            match TcpView::parse(&bytes) {
                Ok(tcp) => prop_assert!((20..=60.min(bytes.len())).contains(&tcp.header_len())),
                Err(ParseError::BadLength { value, .. }) => prop_assert!(value < 5),
                Err(ParseError::Truncated { need, have, .. }) => prop_assert!(have < need),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }
    }
}
