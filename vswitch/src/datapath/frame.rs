//! Stage 1: a frame and what is parsed of it, once.
//!
//! After [`Frame::parse`] no stage touches header bytes by offset.

use vswitch_wire::{GsoType, HEADER_LEN, Head, MacAddr, TAG_LEN, VNET_LEN, VnetHdr};

use super::DropReason;

/// [`VnetHdr::NONE`]: nothing to check.
const PLAIN: [u8; VNET_LEN] = VnetHdr::NONE.to_bytes();

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
        vswitch_wire::addresses(self.ethernet())
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
        match self.bytes.first_chunk() {
            None | Some(&PLAIN) => {}
            Some(offload) => self.check(offload, head)?,
        }
        Ok(head)
    }

    /// Out of line, and with a head of its own: so [`Self::parse`] is small enough to become part of its caller, which
    /// has the fields of the head in registers then.
    #[inline(never)]
    fn check(&self, offload: &[u8; VNET_LEN], head: Head) -> Result<(), DropReason> {
        (VnetHdr::parse(offload).check(self.ethernet(), &head)).map_err(|_| DropReason::BadOffload)
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
