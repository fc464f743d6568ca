//! Whether a virtio-net header tells the truth about its frame.
//!
//! The rules are those of the kernel's `virtio_net_hdr_to_skb`, so that what passes here is not refused with EINVAL
//! when it is written to a TAP; where the kernel leaves a doubt to later code, the stricter reading is taken:
//!
//! - a super-frame always has a partial checksum, at exactly the place where TCP or UDP keeps it;
//! - its IP length ends where the frame ends, and it is no IP fragment;
//! - the work that one frame can ask for is bounded, by [`MAX_SEGMENTS`], [`MAX_UDP_SEGMENTS`] and
//!   [`MAX_GSO_HEADER_LEN`].
//!
//! A checksum without segmentation may be anywhere behind the Ethernet header, in any protocol.

use super::{FLAG_DATA_VALID, FLAG_NEEDS_CSUM, GsoType, VnetHdr};
use crate::layers::IpVersion;
use crate::{
    EtherType, Head, Kind, Layers, PROTO_TCP, PROTO_UDP, ParseError, TcpView, UdpView, tcp, udp,
};

/// The smallest `gso_size` for TCP: Linux's `TCP_MIN_GSO_SIZE`, its minimum MSS of 48 less 40 bytes of options.
pub const MIN_TCP_GSO_SIZE: u16 = 8;
/// Most segments of one TCP super-frame: 64 KiB in pieces of 36 bytes, which is the least that Linux sends of its own
/// accord (`tcp_min_snd_mss` 48 less 12 for timestamps). More is an attempt to make the switch work.
pub const MAX_SEGMENTS: usize = 65_536_usize.div_ceil(36);
/// Most datagrams of one UDP super-frame: Linux's `UDP_MAX_SEGMENTS`.
pub const MAX_UDP_SEGMENTS: usize = 128;

/// Longest headers of one super-frame, Ethernet to L4: every segment repeats them. Four tags, IPv6 and the longest TCP
/// header leave 126 bytes for extension headers; Linux keeps about as much room itself (`MAX_TCP_HEADER`).
pub const MAX_GSO_HEADER_LEN: usize = 256;

/// The kernel's `GSO_BY_FRAGS`, which a TAP refuses.
const GSO_BY_FRAGS: u16 = 0xffff;

/// Why a virtio-net header does not fit its frame. Lengths and offsets in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VnetError {
    /// Flags that nobody negotiated.
    #[error("unknown virtio-net flags {flags:#04x}")]
    UnknownFlags {
        /// All flags.
        flags: u8,
    },
    /// A `gso_type` that is not defined, or ECN where there is no TCP.
    #[error("unknown virtio-net gso_type {raw:#04x}")]
    UnknownGsoType {
        /// The field.
        raw: u8,
    },
    /// UFO: IP fragments of a UDP datagram.
    #[error("UDP fragmentation offload is not supported")]
    Ufo,
    /// `hdr_len` is behind the frame's end.
    #[error("hdr_len {hdr_len} in a frame of {have} bytes")]
    HdrLen {
        /// The field.
        hdr_len: u16,
        /// The frame's length.
        have: usize,
    },
    /// The checksum would start in the Ethernet header.
    #[error("csum_start {csum_start} is before the payload at {payload}")]
    ChecksumTooEarly {
        /// The field.
        csum_start: u16,
        /// Where the payload starts.
        payload: usize,
    },
    /// The checksum field is behind the frame's end.
    #[error("the checksum field ends at {end} in a frame of {have} bytes")]
    ChecksumOutside {
        /// Where the checksum field ends.
        end: usize,
        /// The frame's length.
        have: usize,
    },
    /// A super-frame whose checksum is not partial.
    #[error("a super-frame without NEEDS_CSUM")]
    GsoWithoutChecksum,
    /// A super-frame whose `csum_start` and `csum_offset` are not those of its TCP or UDP header.
    #[error("a super-frame whose checksum is not the one of its TCP or UDP header")]
    ChecksumElsewhere,
    /// A `gso_size` that no sender has: 0, 0xffff, or below [`MIN_TCP_GSO_SIZE`] for TCP.
    #[error("impossible gso_size {gso_size}")]
    GsoSize {
        /// The field.
        gso_size: u16,
    },
    /// The frame is not of the protocol that `gso_type` says.
    #[error("gso_type contradicts the frame's protocols")]
    WrongProtocol,
    /// A super-frame that is an IP fragment.
    #[error("a super-frame that is an IP fragment")]
    Fragment,
    /// A super-frame whose IP length is not the frame's.
    #[error("a super-frame whose IP packet ends at {announced}, the frame at {have}")]
    LengthMismatch {
        /// Where the IP packet ends.
        announced: usize,
        /// The frame's length.
        have: usize,
    },
    /// Headers longer than [`MAX_GSO_HEADER_LEN`].
    #[error("a super-frame with {len} bytes of headers, the limit is {MAX_GSO_HEADER_LEN}")]
    HeadersTooLong {
        /// Ethernet to L4 header.
        len: usize,
    },
    /// More segments than [`MAX_SEGMENTS`] or [`MAX_UDP_SEGMENTS`].
    #[error("{count} segments, the limit is {limit}")]
    TooManySegments {
        /// How many it would be.
        count: usize,
        /// How many may be.
        limit: usize,
    },
    /// A frame to be cut that is no super-frame.
    #[error("not a super-frame")]
    NotGso,
    /// A super-frame where an ordinary one is needed: it must be cut first.
    #[error("a super-frame must be segmented first")]
    IsGso,
    /// The headers of a super-frame cannot be read.
    #[error("super-frame: {0}")]
    Parse(#[from] ParseError),
}

/// The transport of a super-frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum L4 {
    Tcp,
    Udp,
}

impl L4 {
    const fn proto(self) -> u8 {
        match self {
            Self::Tcp => PROTO_TCP,
            Self::Udp => PROTO_UDP,
        }
    }

    const fn csum_offset(self) -> usize {
        match self {
            Self::Tcp => tcp::CHECKSUM_OFFSET,
            Self::Udp => udp::CHECKSUM_OFFSET,
        }
    }

    const fn least_gso_size(self) -> u16 {
        match self {
            Self::Tcp => MIN_TCP_GSO_SIZE,
            Self::Udp => 1,
        }
    }

    const fn max_segments(self) -> usize {
        match self {
            Self::Tcp => MAX_SEGMENTS,
            Self::Udp => MAX_UDP_SEGMENTS,
        }
    }

    fn header_len(self, l4: &[u8]) -> Result<usize, ParseError> {
        match self {
            Self::Tcp => TcpView::parse(l4).map(|tcp| tcp.header_len()),
            Self::Udp => UdpView::parse(l4).map(|_| udp::HEADER_LEN),
        }
    }
}

/// A super-frame that passed the check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GsoFrame {
    pub(crate) layers: Layers,
    pub(crate) l4: L4,
    /// Ethernet to L4 header, options included.
    pub(crate) header_len: usize,
    /// At least 1.
    pub(crate) count: usize,
}

impl VnetHdr {
    /// Whether this header fits `frame`, whose parsed header is `head`. Cheap for an ordinary frame.
    ///
    /// # Errors
    /// The first contradiction found.
    #[inline]
    pub fn check(&self, frame: &[u8], head: &Head) -> Result<(), VnetError> {
        self.check_common(frame, head)?;
        if self.gso_type == 0 {
            return Ok(());
        }
        self.check_gso(frame, head).map(|_| ())
    }

    /// [`Self::check`] for a frame that must be a super-frame; what was found on the way.
    pub(crate) fn check_super(&self, frame: &[u8], head: &Head) -> Result<GsoFrame, VnetError> {
        self.check_common(frame, head)?;
        if self.gso_type == 0 {
            return Err(VnetError::NotGso);
        }
        self.check_gso(frame, head)
    }

    #[inline]
    fn check_common(&self, frame: &[u8], head: &Head) -> Result<(), VnetError> {
        if self.flags & !(FLAG_NEEDS_CSUM | FLAG_DATA_VALID) != 0 {
            return Err(VnetError::UnknownFlags { flags: self.flags });
        }
        if usize::from(self.hdr_len) > frame.len() {
            return Err(VnetError::HdrLen {
                hdr_len: self.hdr_len,
                have: frame.len(),
            });
        }
        if !self.needs_csum() {
            return Ok(());
        }
        if usize::from(self.csum_start) < head.payload {
            return Err(VnetError::ChecksumTooEarly {
                csum_start: self.csum_start,
                payload: head.payload,
            });
        }
        self.checksum_field(frame).map(|_| ())
    }

    /// Where the checksum field stands, two bytes that are inside `frame`.
    pub(crate) fn checksum_field(&self, frame: &[u8]) -> Result<usize, VnetError> {
        let at = usize::from(self.csum_start) + usize::from(self.csum_offset);
        if at + 2 > frame.len() {
            return Err(VnetError::ChecksumOutside {
                end: at + 2,
                have: frame.len(),
            });
        }
        Ok(at)
    }

    fn check_gso(&self, frame: &[u8], head: &Head) -> Result<GsoFrame, VnetError> {
        let (ip, l4) = self.promised(head)?;
        if !self.needs_csum() {
            return Err(VnetError::GsoWithoutChecksum);
        }
        if self.gso_size < l4.least_gso_size() || self.gso_size == GSO_BY_FRAGS {
            return Err(VnetError::GsoSize {
                gso_size: self.gso_size,
            });
        }
        let layers = Layers::parse(frame, head)?;
        if layers.ip != ip || layers.proto != l4.proto() {
            return Err(VnetError::WrongProtocol);
        }
        if layers.fragment {
            return Err(VnetError::Fragment);
        }
        if layers.l4_end != frame.len() {
            return Err(VnetError::LengthMismatch {
                announced: layers.l4_end,
                have: frame.len(),
            });
        }
        let header_len = layers.l4 + l4.header_len(&frame[layers.l4..])?;
        if header_len > MAX_GSO_HEADER_LEN {
            return Err(VnetError::HeadersTooLong { len: header_len });
        }
        if usize::from(self.csum_start) != layers.l4
            || usize::from(self.csum_offset) != l4.csum_offset()
        {
            return Err(VnetError::ChecksumElsewhere);
        }
        let count = (frame.len() - header_len)
            .div_ceil(usize::from(self.gso_size))
            .max(1);
        let limit = l4.max_segments();
        if count > limit {
            return Err(VnetError::TooManySegments { count, limit });
        }
        Ok(GsoFrame {
            layers,
            l4,
            header_len,
            count,
        })
    }

    /// The protocols that `gso_type` and the EtherType agree on.
    fn promised(&self, head: &Head) -> Result<(IpVersion, L4), VnetError> {
        let ip = match head.kind {
            Kind::Ether(EtherType::IPV4) => IpVersion::V4,
            Kind::Ether(EtherType::IPV6) => IpVersion::V6,
            Kind::Ether(_) | Kind::Snap(_) | Kind::Llc { .. } => {
                return Err(VnetError::WrongProtocol);
            }
        };
        match (self.gso()?, ip) {
            ((GsoType::TcpV4, _), IpVersion::V4) | ((GsoType::TcpV6, _), IpVersion::V6) => {
                Ok((ip, L4::Tcp))
            }
            ((GsoType::TcpV4, _), IpVersion::V6) | ((GsoType::TcpV6, _), IpVersion::V4) => {
                Err(VnetError::WrongProtocol)
            }
            ((GsoType::UdpL4, false), _) => Ok((ip, L4::Udp)),
            ((GsoType::Udp, _), _) => Err(VnetError::Ufo),
            ((GsoType::None | GsoType::UdpL4, _), _) => {
                Err(VnetError::UnknownGsoType { raw: self.gso_type })
            }
        }
    }
}

#[cfg(test)]
mod tests;
