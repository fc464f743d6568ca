//! The virtio-net header: what a frame still lacks (virtio 1.2 section 5.1.6, little endian).
//!
//! A TAP with `IFF_VNET_HDR` puts these twelve bytes before every frame. They say that the L4 checksum is not complete
//! yet (`NEEDS_CSUM`), and that the frame is a super-frame of up to 64 KiB to be cut into packets with `gso_size` bytes
//! of payload each. The switch passes both on as they are, and does the work itself only for a port that cannot.
//!
//! - **Partial checksum**: the checksum field already holds the folded, *uncomplemented* sum of the pseudo header for
//!   the whole frame's length; the rest, from `csum_start` to the end, is to be added (Linux `CHECKSUM_PARTIAL`).
//! - **`hdr_len` is a hint**, nothing is computed from it. Linux refuses one behind the frame's end, so it is checked.
//! - **The header is hostile input.** Anyone in a container with a packet socket can write one.
//!   [`VnetHdr::check`] is done before anything is computed from it.

mod check;
mod offload;

pub(crate) use check::{GsoFrame, L4};
pub use check::{MAX_GSO_HEADER_LEN, MAX_SEGMENTS, MAX_UDP_SEGMENTS, MIN_TCP_GSO_SIZE, VnetError};
pub use offload::OffloadSet;

/// Length of the header, in bytes.
pub const VNET_LEN: usize = 12;
/// Flag: the checksum from `csum_start` on is to be completed.
pub const FLAG_NEEDS_CSUM: u8 = 1;
/// Flag: the sender's kernel has verified the checksum.
pub const FLAG_DATA_VALID: u8 = 2;

/// Bit of `gso_type`: the first segment carries CWR (RFC 3168).
const GSO_ECN: u8 = 0x80;

/// What a super-frame is to be cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GsoType {
    /// Nothing: an ordinary frame.
    None,
    /// TCP over IPv4 segments.
    TcpV4,
    /// Legacy UFO: IP fragments of one UDP datagram. Refused here, as no current kernel offers it.
    Udp,
    /// TCP over IPv6 segments.
    TcpV6,
    /// UDP datagrams (USO), over either IP.
    UdpL4,
}

impl GsoType {
    /// The number in the header.
    #[must_use]
    pub const fn raw(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TcpV4 => 1,
            Self::Udp => 3,
            Self::TcpV6 => 4,
            Self::UdpL4 => 5,
        }
    }

    const fn from_raw(raw: u8) -> Option<Self> {
        Some(match raw {
            0 => Self::None,
            1 => Self::TcpV4,
            3 => Self::Udp,
            4 => Self::TcpV6,
            5 => Self::UdpL4,
            _ => return None,
        })
    }
}

/// The header, fields as on the wire. Offsets count from the frame's first byte.
///
/// ```
/// use vswitch_wire::{FLAG_NEEDS_CSUM, GsoType, OffloadSet, VnetHdr};
/// let header = VnetHdr {
///     flags: FLAG_NEEDS_CSUM,
///     gso_type: GsoType::TcpV4.raw(),
///     hdr_len: 66,
///     gso_size: 1448,
///     csum_start: 34,
///     csum_offset: 16,
///     num_buffers: 0,
/// };
/// let bytes = header.to_bytes();
/// assert_eq!(bytes, [1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 0, 0]);
/// assert_eq!(VnetHdr::parse(&bytes), header);
/// assert_eq!(header.required(), OffloadSet::CSUM.union(OffloadSet::TSO4));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VnetHdr {
    /// [`FLAG_NEEDS_CSUM`], [`FLAG_DATA_VALID`].
    pub flags: u8,
    /// [`GsoType`] and the ECN bit; see [`Self::gso`].
    pub gso_type: u8,
    /// Length of all headers, a hint.
    pub hdr_len: u16,
    /// Payload bytes per segment.
    pub gso_size: u16,
    /// Where the checksum begins: the L4 header.
    pub csum_start: u16,
    /// Where the result goes, counted from `csum_start`.
    pub csum_offset: u16,
    /// Only meaningful between a virtio device and its driver; carried along.
    pub num_buffers: u16,
}

impl VnetHdr {
    /// An ordinary, complete frame.
    pub const NONE: Self = Self {
        flags: 0,
        gso_type: 0,
        hdr_len: 0,
        gso_size: 0,
        csum_start: 0,
        csum_offset: 0,
        num_buffers: 0,
    };

    /// Reads the twelve bytes; every value is legal until [`Self::check`].
    #[inline]
    #[must_use]
    pub const fn parse(bytes: &[u8; VNET_LEN]) -> Self {
        let [flags, gso_type, h0, h1, g0, g1, s0, s1, o0, o1, n0, n1] = *bytes;
        Self {
            flags,
            gso_type,
            hdr_len: u16::from_le_bytes([h0, h1]),
            gso_size: u16::from_le_bytes([g0, g1]),
            csum_start: u16::from_le_bytes([s0, s1]),
            csum_offset: u16::from_le_bytes([o0, o1]),
            num_buffers: u16::from_le_bytes([n0, n1]),
        }
    }

    /// The twelve bytes.
    #[inline]
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; VNET_LEN] {
        let [h0, h1] = self.hdr_len.to_le_bytes();
        let [g0, g1] = self.gso_size.to_le_bytes();
        let [s0, s1] = self.csum_start.to_le_bytes();
        let [o0, o1] = self.csum_offset.to_le_bytes();
        let [n0, n1] = self.num_buffers.to_le_bytes();
        [
            self.flags,
            self.gso_type,
            h0,
            h1,
            g0,
            g1,
            s0,
            s1,
            o0,
            o1,
            n0,
            n1,
        ]
    }

    /// Writes the twelve bytes.
    #[inline]
    pub const fn write(&self, bytes: &mut [u8; VNET_LEN]) {
        *bytes = self.to_bytes();
    }

    /// Whether the L4 checksum is still partial.
    #[inline]
    #[must_use]
    pub const fn needs_csum(&self) -> bool {
        self.flags & FLAG_NEEDS_CSUM != 0
    }

    /// Whether the frame can go to any port as it is: no checksum to complete, nothing to cut.
    #[inline]
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        !self.needs_csum() && self.gso_type == 0
    }

    /// The kind of super-frame, and whether the ECN bit is set.
    ///
    /// # Errors
    /// [`VnetError::UnknownGsoType`].
    #[inline]
    pub const fn gso(&self) -> Result<(GsoType, bool), VnetError> {
        match GsoType::from_raw(self.gso_type & !GSO_ECN) {
            Some(gso) => Ok((gso, self.gso_type & GSO_ECN != 0)),
            None => Err(VnetError::UnknownGsoType { raw: self.gso_type }),
        }
    }

    /// What a port must be able to do to take the frame untouched. USO says which by the frame's IP version, which
    /// is not in this header: both USO bits are asked for, as Linux offers them together. For a type that is unknown
    /// or refused, [`OffloadSet::UNSUPPORTED`], which no port has.
    #[inline]
    #[must_use]
    pub const fn required(&self) -> OffloadSet {
        if self.flags & FLAG_NEEDS_CSUM == 0 && self.gso_type == 0 {
            return OffloadSet::NONE;
        }
        let csum = if self.needs_csum() {
            OffloadSet::CSUM
        } else {
            OffloadSet::NONE
        };
        let segments = match self.gso() {
            Ok((GsoType::None, false)) => csum,
            Ok((GsoType::TcpV4, _)) => OffloadSet::TSO4,
            Ok((GsoType::TcpV6, _)) => OffloadSet::TSO6,
            Ok((GsoType::UdpL4, _)) => OffloadSet::USO4.union(OffloadSet::USO6),
            Ok((GsoType::Udp, _) | (GsoType::None, true)) | Err(_) => OffloadSet::UNSUPPORTED,
        };
        let ecn = if self.gso_type & GSO_ECN != 0 {
            OffloadSet::ECN
        } else {
            OffloadSet::NONE
        };
        csum.union(segments).union(ecn)
    }
}

#[cfg(test)]
mod tests;
