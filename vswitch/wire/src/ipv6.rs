//! The IPv6 header and the walk over its extension headers (RFC 8200).
//!
//! What follows the fixed header is a chain: each link names the next. The walk passes hop-by-hop, routing and
//! destination options and the fragment header, at most [`MAX_EXTENSIONS`] of them, and stops at everything else:
//! an L4 protocol, ESP, "no next header". Behind a fragment header that is not the first fragment's there is no
//! header but the middle of a payload, so it stops there too.

use core::net::Ipv6Addr;

use crate::ParseError;
use crate::bytes::{get16, get32, put16};

/// Length of the fixed header.
pub const HEADER_LEN: usize = 40;
/// How many extension headers are walked. RFC 8200 section 4.1 recommends at most seven.
pub const MAX_EXTENSIONS: usize = 8;

pub(crate) mod field {
    pub(crate) const VERSION_CLASS_FLOW: usize = 0;
    pub(crate) const PAYLOAD_LEN: usize = 4;
    pub(crate) const NEXT_HEADER: usize = 6;
    pub(crate) const HOP_LIMIT: usize = 7;
    pub(crate) const SRC: usize = 8;
    pub(crate) const DST: usize = 24;
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION_OPTIONS: u8 = 60;
/// Extension headers are multiples of this, and the fragment header is one of it.
const UNIT: usize = 8;

/// An IPv6 header whose version has been checked.
#[derive(Debug, Clone, Copy)]
pub struct Ipv6View<'a> {
    fixed: &'a [u8; HEADER_LEN],
}

/// Where the walk over the extension headers ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpperLayer {
    /// The next-header number at which it stopped.
    pub proto: u8,
    /// Where that header begins, counted from the IPv6 header.
    pub offset: usize,
    /// Whether there was a fragment header, even one of an unfragmented ("atomic") packet.
    pub fragment: bool,
}

impl<'a> Ipv6View<'a> {
    /// The header at the start of `packet`.
    ///
    /// # Errors
    /// Cut short, or not version 6.
    #[inline]
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let Some(fixed) = packet.first_chunk::<HEADER_LEN>() else {
            return Err(ParseError::Truncated {
                what: "IPv6 header",
                need: HEADER_LEN,
                have: packet.len(),
            });
        };
        let version = fixed[field::VERSION_CLASS_FLOW] >> 4;
        if version != 6 {
            return Err(ParseError::BadVersion {
                what: "IPv6 header",
                version,
            });
        }
        Ok(Self { fixed })
    }

    /// Traffic class: DSCP and ECN.
    #[inline]
    #[must_use]
    pub fn traffic_class(&self) -> u8 {
        get16(self.fixed, field::VERSION_CLASS_FLOW)
            .rotate_left(4)
            .to_be_bytes()[0]
    }

    /// Flow label, 20 bits.
    #[inline]
    #[must_use]
    pub fn flow_label(&self) -> u32 {
        get32(self.fixed, field::VERSION_CLASS_FLOW) & 0x000f_ffff
    }

    /// Length of everything after the fixed header.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u16 {
        get16(self.fixed, field::PAYLOAD_LEN)
    }

    /// The number of the header after this one.
    #[inline]
    #[must_use]
    pub const fn next_header(&self) -> u8 {
        self.fixed[field::NEXT_HEADER]
    }

    /// Hop limit.
    #[inline]
    #[must_use]
    pub const fn hop_limit(&self) -> u8 {
        self.fixed[field::HOP_LIMIT]
    }

    /// Source address.
    #[inline]
    #[must_use]
    pub fn src(&self) -> Ipv6Addr {
        self.address(field::SRC)
    }

    /// Destination address; with a routing header, the next stop and not the final one.
    #[inline]
    #[must_use]
    pub fn dst(&self) -> Ipv6Addr {
        self.address(field::DST)
    }

    #[inline]
    fn address(&self, at: usize) -> Ipv6Addr {
        let mut octets = [0; 16];
        octets.copy_from_slice(&self.fixed[at..at + 16]);
        Ipv6Addr::from(octets)
    }

    /// Walks the extension headers in `packet`, which begins with this header and ends where the packet does.
    ///
    /// # Errors
    /// An extension header that is cut short, or too many of them.
    #[inline]
    pub fn upper_layer(&self, packet: &[u8]) -> Result<UpperLayer, ParseError> {
        let mut upper = UpperLayer {
            proto: self.next_header(),
            offset: HEADER_LEN,
            fragment: false,
        };
        for _ in 0..MAX_EXTENSIONS {
            if !matches!(
                upper.proto,
                HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
            ) {
                return Ok(upper);
            }
            let truncated = |need| ParseError::Truncated {
                what: "IPv6 extension header",
                need,
                have: packet.len(),
            };
            let Some(unit) = packet
                .get(upper.offset..)
                .and_then(<[u8]>::first_chunk::<UNIT>)
            else {
                return Err(truncated(upper.offset + UNIT));
            };
            let [next, len, rest @ ..] = unit;
            let fragment = upper.proto == FRAGMENT;
            // RFC 8200: the length counts units after the first; the fragment header has none.
            upper.offset += if fragment {
                UNIT
            } else {
                UNIT * (usize::from(*len) + 1)
            };
            if upper.offset > packet.len() {
                return Err(truncated(upper.offset));
            }
            upper.proto = *next;
            upper.fragment |= fragment;
            if fragment && get16(rest, 0) & 0xfff8 != 0 {
                return Ok(upper);
            }
        }
        if matches!(
            upper.proto,
            HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
        ) {
            return Err(ParseError::TooManyHeaders {
                limit: MAX_EXTENSIONS,
            });
        }
        Ok(upper)
    }
}

/// Writes the payload length.
///
/// # Panics
/// When `header` is shorter than the field's end, as all functions here that write.
#[inline]
pub fn set_payload_len(header: &mut [u8], payload_len: u16) {
    put16(header, field::PAYLOAD_LEN, payload_len);
}

/// Writes the hop limit.
#[inline]
pub fn set_hop_limit(header: &mut [u8], hop_limit: u8) {
    header[field::HOP_LIMIT] = hop_limit;
}

/// Writes the source address.
#[inline]
pub fn set_src(header: &mut [u8], src: Ipv6Addr) {
    header[field::SRC..field::DST].copy_from_slice(&src.octets());
}

/// Writes the destination address.
#[inline]
pub fn set_dst(header: &mut [u8], dst: Ipv6Addr) {
    header[field::DST..HEADER_LEN].copy_from_slice(&dst.octets());
}

#[cfg(test)]
mod tests;
