//! Stage 1: a frame and what is parsed of it, once.
//!
//! After [`Frame::parse`] no stage touches header bytes by offset.

use vswitch_wire::{GsoType, HEADER_LEN, Head, MacAddr, TAG_LEN, VNET_LEN, VnetHdr};

use super::DropReason;

/// A received frame behind its virtio-net header.
#[derive(Debug)]
pub struct Frame<'a> {
    bytes: &'a [u8],
}

impl<'a> Frame<'a> {
    /// A frame from `[virtio-net header][frame]`.
    #[must_use]
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// The Ethernet frame; empty when not even the virtio-net header is whole.
    #[must_use]
    #[inline]
    pub fn ethernet(&self) -> &'a [u8] {
        self.bytes.get(VNET_LEN..).unwrap_or_default()
    }

    /// Destination and source, unchecked; nothing when they are not whole.
    #[inline]
    pub(super) fn addresses(&self) -> Option<[MacAddr; 2]> {
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5] = *self.ethernet().first_chunk()?;
        Some([
            MacAddr::new([d0, d1, d2, d3, d4, d5]),
            MacAddr::new([s0, s1, s2, s3, s4, s5]),
        ])
    }

    /// The virtio-net header.
    #[must_use]
    #[inline]
    pub fn offload(&self) -> VnetHdr {
        self.bytes
            .first_chunk()
            .map_or(VnetHdr::NONE, VnetHdr::parse)
    }

    /// Parses the Ethernet header and its tags, and checks the virtio-net header, which comes
    /// from a container and is not to be trusted, against the frame.
    ///
    /// # Errors
    /// [`DropReason::Truncated`], [`DropReason::BadOffload`].
    #[inline]
    pub fn parse(&self) -> Result<Head, DropReason> {
        let ethernet = self.ethernet();
        let head = Head::parse(ethernet).map_err(|_| DropReason::Truncated)?;
        let offload = self.offload();
        if offload != VnetHdr::NONE {
            offload
                .check(ethernet, &head)
                .map_err(|_| DropReason::BadOffload)?;
        }
        Ok(head)
    }
}

/// Whether the header announces a frame that stands for many. One of a type that nobody knows is
/// no superframe: it does not get past [`Frame::parse`].
#[inline]
pub(super) fn is_superframe(header: &VnetHdr) -> bool {
    header.gso().is_ok_and(|(kind, _)| kind != GsoType::None)
}

/// Bytes of the Ethernet header and its tags.
#[inline]
pub(super) fn header_len(head: &Head) -> usize {
    HEADER_LEN + TAG_LEN * head.tags.len()
}
