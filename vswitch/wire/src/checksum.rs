//! The Internet checksum: RFC 1071 over wide words, RFC 1624 for a changed field.
//!
//! The ones' complement sum of big-endian 16-bit words does not care about byte order (RFC 1071 section 2): summing
//! the words in the machine's own order gives the same bytes in memory. So [`Sum`] keeps a native-order sum of native
//! 32-bit words in 64 bits, turns it once at the end, and nothing is swapped in the loop.
//!
//! - **What goes in**: bytes as they lie in the packet ([`Sum::add_bytes`]), or a field's *value*
//!   ([`Sum::add_u16`], [`Sum::add_u32`]) as if it stood there in big endian.
//! - **What comes out** is the field's value; write it with `to_be_bytes`.
//! - **Odd lengths** are padded with a zero byte, so a piece of odd length can only be the last one. Every piece
//!   otherwise starts at an even offset of what is summed; its address in memory does not matter.
//! - **Room**: 2^32 words of 32 bits; no packet comes near.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::bytes::low16;

/// Bytes per round of the loop, and 32-bit lanes in it: enough that the compiler keeps them in vector registers.
const LANES: usize = 8;
const BLOCK: usize = 4 * LANES;

/// A ones' complement sum that is being added up.
///
/// ```
/// use vswitch_wire::Sum;
/// // The example of RFC 1071 section 3.
/// let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
/// assert_eq!(Sum::new().add_bytes(&bytes).fold(), 0xddf2);
/// assert_eq!(Sum::new().add_u16(0x0001).add_u16(0xf203).add_u32(0xf4f5_f6f7).finish(), !0xddf2);
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct Sum(u64);

impl Sum {
    /// Nothing yet.
    #[inline]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds bytes as they lie in the packet; an odd last byte counts as the high half of a word.
    #[inline]
    pub fn add_bytes(self, bytes: &[u8]) -> Self {
        let mut total = self.0;
        let mut blocks = bytes.chunks_exact(BLOCK);
        if blocks.len() > 0 {
            let mut lanes = [0u64; LANES];
            for block in &mut blocks {
                for (lane, word) in lanes.iter_mut().zip(block.chunks_exact(4)) {
                    *lane += u64::from(native32(word));
                }
            }
            total += lanes.iter().sum::<u64>();
        }
        let mut words = blocks.remainder().chunks_exact(4);
        for word in &mut words {
            total += u64::from(native32(word));
        }
        let mut last = [0; 4];
        let rest = words.remainder();
        last[..rest.len()].copy_from_slice(rest);
        Self(total + u64::from(u32::from_ne_bytes(last)))
    }

    /// Adds a 16-bit field by its value.
    #[inline]
    pub fn add_u16(self, value: u16) -> Self {
        Self(self.0 + u64::from(value.to_be()))
    }

    /// Adds a 32-bit field by its value.
    #[inline]
    pub fn add_u32(self, value: u32) -> Self {
        Self(self.0 + u64::from(value.to_be()))
    }

    /// Adds what another sum holds.
    #[inline]
    pub const fn add_sum(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// The sum in 16 bits, not complemented: what a partial checksum field holds.
    #[inline]
    #[must_use]
    pub const fn fold(self) -> u16 {
        let mut sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be(low16(sum))
    }

    /// The checksum: the complement of the sum. Zero over bytes that already contain a right checksum.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u16 {
        !self.fold()
    }
}

/// The word of exactly four bytes, in the machine's order.
#[inline]
fn native32(word: &[u8]) -> u32 {
    u32::from_ne_bytes([word[0], word[1], word[2], word[3]])
}

/// The pseudo header of TCP and UDP over IPv4 (RFC 9293 section 3.1); `len` is that of L4 header and payload.
#[inline]
pub fn pseudo_v4(src: Ipv4Addr, dst: Ipv4Addr, proto: u8, len: u16) -> Sum {
    Sum::new()
        .add_bytes(&src.octets())
        .add_bytes(&dst.octets())
        .add_u16(u16::from(proto))
        .add_u16(len)
}

/// The pseudo header of upper layers over IPv6 (RFC 8200 section 8.1); `len` is that of L4 header and payload.
#[inline]
pub fn pseudo_v6(src: Ipv6Addr, dst: Ipv6Addr, proto: u8, len: u32) -> Sum {
    Sum::new()
        .add_bytes(&src.octets())
        .add_bytes(&dst.octets())
        .add_u16(u16::from(proto))
        .add_u32(len)
}

/// A checksum after one 16-bit field changed from `old` to `new` (RFC 1624 equation 3), all by value.
///
/// ```
/// // The example of RFC 1624 section 4, in which the older equation of RFC 1141 gives 0xffff.
/// assert_eq!(vswitch_wire::update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
/// ```
#[inline]
#[must_use]
pub fn update_u16(check: u16, old: u16, new: u16) -> u16 {
    Sum::new()
        .add_u16(!check)
        .add_u16(!old)
        .add_u16(new)
        .finish()
}

/// [`update_u16`] for a 32-bit field at an even offset.
#[inline]
#[must_use]
pub fn update_u32(check: u16, old: u32, new: u32) -> u16 {
    Sum::new()
        .add_u16(!check)
        .add_u32(!old)
        .add_u32(new)
        .finish()
}

/// [`update_u16`] for bytes at an even offset, such as an address. The two may differ in length, for a piece of
/// even length that is put in or taken out.
#[inline]
#[must_use]
pub fn update_bytes(check: u16, old: &[u8], new: &[u8]) -> u16 {
    let old = !Sum::new().add_bytes(old).fold();
    Sum::new()
        .add_u16(!check)
        .add_u16(old)
        .add_bytes(new)
        .finish()
}

#[cfg(test)]
mod tests;
