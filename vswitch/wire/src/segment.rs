//! Software TSO and USO: one super-frame as many frames, for a port that cannot cut it itself.
//!
//! [`SegmentPlan`] is a plan and not a copy. For every segment it writes a complete header (Ethernet to L4) into the
//! caller's buffer and points to the payload, which stays where it is: a scatter/gather sender passes both on, a
//! contiguous one calls [`SegmentPlan::write`]. What changes from segment to segment, as in Linux's `inet_gso_segment`,
//! `tcp_gso_segment` and `__udp_gso_segment`:
//!
//! - IPv4 total length, identification (counting up) and header checksum; IPv6 payload length;
//! - TCP sequence number; FIN and PSH on the last segment only, CWR on the first only (RFC 3168 section 6.1.2);
//! - UDP length; a computed checksum of zero becomes 0xffff (RFC 768);
//! - the L4 checksum, complete. The field of the super-frame holds the pseudo header's sum for the whole length
//!   (Linux's convention for partial checksums, see [`crate::vnet`]); the length in it is replaced by the segment's.
//!   Taking that sum over instead of computing it keeps the final destination of an IPv6 routing header right.
//!
//! All that does not change is summed once. Each segment then costs its payload's sum and a copy of the header.

use crate::bytes::{get16, get32, put16};
use crate::layers::IpVersion;
use crate::vnet::{GsoFrame, GsoType, L4};
use crate::{Head, Sum, VnetError, VnetHdr, ipv4, ipv6, tcp, udp};

/// How a checked super-frame is cut. Lengths in bytes.
///
/// ```
/// use vswitch_wire::{FLAG_NEEDS_CSUM, GsoType, Head, MAX_GSO_HEADER_LEN, SegmentPlan, VnetHdr};
/// let mut frame = vec![2; 12]; // addresses, then IPv4 with 20 + 8 + 250 bytes of UDP
/// frame.extend([0x08, 0, 0x45, 0, 0x01, 0x16, 0, 7, 0, 0, 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2]);
/// frame.extend([0x9c, 0x40, 0x14, 0x51, 0x01, 0x02, 0x8e, 0x3a]);
/// frame.extend([1; 250]);
/// let vnet = VnetHdr {
///     flags: FLAG_NEEDS_CSUM,
///     gso_type: GsoType::UdpL4.raw(),
///     gso_size: 100,
///     csum_start: 34,
///     csum_offset: 6,
///     ..VnetHdr::NONE
/// };
/// let head = Head::parse(&frame).map_err(|error| error.to_string())?;
/// let plan = SegmentPlan::new(&frame, &vnet, &head).map_err(|error| error.to_string())?;
/// let mut header = [0; MAX_GSO_HEADER_LEN];
/// let mut lengths = Vec::new();
/// for i in 0..plan.count() {
///     plan.header(i, &mut header); // the first plan.header_len() bytes
///     lengths.push(plan.header_len() + plan.payload(i).len());
/// }
/// assert_eq!(lengths, [142, 142, 92]);
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct SegmentPlan<'a> {
    headers: &'a [u8],
    payload: &'a [u8],
    gso_size: usize,
    count: usize,
    l3: usize,
    l4: usize,
    ip: IpVersion,
    transport: L4,
    /// IPv4 header without total length, identification and checksum.
    ip_sum: Sum,
    /// Pseudo header without length, and L4 header without what changes.
    l4_sum: Sum,
}

impl<'a> SegmentPlan<'a> {
    /// Checks `frame` as [`VnetHdr::check`] does and plans the cuts.
    ///
    /// # Errors
    /// What the check finds, and [`VnetError::NotGso`] for an ordinary frame.
    pub fn new(frame: &'a [u8], vnet: &VnetHdr, head: &Head) -> Result<Self, VnetError> {
        let GsoFrame {
            layers,
            l4: transport,
            header_len,
            count,
        } = vnet.check_super(frame, head)?;
        let (headers, payload) = frame.split_at(header_len);
        let whole_len = len16(layers.l4_end - layers.l4);
        let ip_sum = match layers.ip {
            IpVersion::V4 => constant_ipv4(&headers[layers.l3..layers.l4]),
            IpVersion::V6 => Sum::new(),
        };
        let l4_header = &headers[layers.l4..];
        let l4_sum = match transport {
            L4::Tcp => constant_tcp(l4_header),
            L4::Udp => constant_udp(l4_header),
        };
        Ok(Self {
            headers,
            payload,
            gso_size: usize::from(vnet.gso_size),
            count,
            l3: layers.l3,
            l4: layers.l4,
            ip: layers.ip,
            transport,
            ip_sum,
            l4_sum: l4_sum.add_u16(!whole_len),
        })
    }

    /// How many segments: at least 1, at most [`crate::MAX_SEGMENTS`].
    #[inline]
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Length of every segment's header, Ethernet to L4 inclusive; at most [`crate::MAX_GSO_HEADER_LEN`].
    #[inline]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.headers.len()
    }

    /// Payload of segment `i`; all but the last have the same length. Empty for an `i` out of range.
    #[inline]
    #[must_use]
    pub fn payload(&self, i: usize) -> &'a [u8] {
        let start = i.saturating_mul(self.gso_size).min(self.payload.len());
        let rest = &self.payload[start..];
        &rest[..rest.len().min(self.gso_size)]
    }

    /// Length of segment `i`, header and payload.
    #[inline]
    #[must_use]
    pub fn segment_len(&self, i: usize) -> usize {
        self.header_len() + self.payload(i).len()
    }

    /// Writes the header of segment `i` to the first [`Self::header_len`] bytes of `out`.
    ///
    /// # Panics
    /// When `out` is shorter than that.
    #[inline]
    pub fn header(&self, i: usize, out: &mut [u8]) {
        let out = &mut out[..self.headers.len()];
        out.copy_from_slice(self.headers);
        let payload = self.payload(i);
        let l4_len = len16(out.len() - self.l4 + payload.len());
        self.write_ip(i, &mut out[self.l3..self.l4], l4_len);
        let sum = self.l4_sum.add_u16(l4_len).add_bytes(payload);
        match self.transport {
            L4::Tcp => self.write_tcp(i, &mut out[self.l4..], sum),
            L4::Udp => write_udp(&mut out[self.l4..], l4_len, sum),
        }
    }

    /// Writes segment `i`, header and payload, to the start of `out`, and says how long it is.
    ///
    /// # Panics
    /// When `out` is shorter than [`Self::segment_len`].
    #[inline]
    pub fn write(&self, i: usize, out: &mut [u8]) -> usize {
        let payload = self.payload(i);
        let len = self.header_len() + payload.len();
        self.header(i, out);
        out[self.header_len()..len].copy_from_slice(payload);
        len
    }

    #[inline]
    fn write_ip(&self, i: usize, header: &mut [u8], l4_len: u16) {
        match self.ip {
            IpVersion::V4 => {
                let total_len = len16(header.len()) + l4_len;
                let id = get16(header, ipv4::field::ID).wrapping_add(len16(i));
                ipv4::set_total_len(header, total_len);
                ipv4::set_id(header, id);
                ipv4::set_checksum(header, self.ip_sum.add_u16(total_len).add_u16(id).finish());
            }
            IpVersion::V6 => {
                ipv6::set_payload_len(header, len16(header.len() - ipv6::HEADER_LEN) + l4_len)
            }
        }
    }

    #[inline]
    fn write_tcp(&self, i: usize, header: &mut [u8], sum: Sum) {
        // Both are below 64 KiB: the payload fits one IP packet.
        let ahead = u32::from(len16(i * self.gso_size));
        let seq = get32(header, tcp::field::SEQ).wrapping_add(ahead);
        let mut flags = header[tcp::field::FLAGS];
        if i > 0 {
            flags &= !tcp::CWR;
        }
        if i + 1 < self.count {
            flags &= !(tcp::FIN | tcp::PSH);
        }
        tcp::set_seq(header, seq);
        tcp::set_flags(header, flags);
        let sum = sum
            .add_u32(seq)
            .add_u16(get16(header, tcp::field::DATA_OFFSET));
        tcp::set_checksum(header, sum.finish());
    }
}

#[inline]
fn write_udp(header: &mut [u8], len: u16, sum: Sum) {
    udp::set_len(header, len);
    udp::set_checksum(header, never_zero(sum.add_u16(len).finish()));
}

fn constant_ipv4(header: &[u8]) -> Sum {
    use ipv4::field;
    Sum::new()
        .add_bytes(&header[..field::TOTAL_LEN])
        .add_bytes(&header[field::FRAGMENT..field::CHECKSUM])
        .add_bytes(&header[field::SRC..])
}

/// With the checksum field, which holds the pseudo header; without sequence number and flags.
fn constant_tcp(header: &[u8]) -> Sum {
    use tcp::field;
    Sum::new()
        .add_bytes(&header[..field::SEQ])
        .add_bytes(&header[field::ACK_NUMBER..field::DATA_OFFSET])
        .add_bytes(&header[field::WINDOW..])
}

/// With the checksum field, which holds the pseudo header; without the length.
fn constant_udp(header: &[u8]) -> Sum {
    use udp::field;
    Sum::new()
        .add_bytes(&header[..field::LEN])
        .add_bytes(&header[field::CHECKSUM..])
}

/// A length or index inside one IP packet.
#[inline]
fn len16(len: usize) -> u16 {
    debug_assert!(
        len <= usize::from(u16::MAX),
        "the check bounds every length by the IP packet's"
    );
    u16::try_from(len).unwrap_or(u16::MAX)
}

#[inline]
const fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// Completes a partial checksum in place; a frame without one stays as it is. The sum runs to the frame's end, as in
/// Linux; zero becomes 0xffff where the field is UDP's (offset 6). Afterwards the header to send is [`VnetHdr::NONE`].
///
/// # Errors
/// [`VnetError::ChecksumOutside`], or [`VnetError::IsGso`] for a super-frame, which [`SegmentPlan`] takes.
pub fn complete_checksum(frame: &mut [u8], vnet: &VnetHdr) -> Result<(), VnetError> {
    if !vnet.needs_csum() {
        return Ok(());
    }
    if vnet.gso_type != GsoType::None.raw() {
        return Err(VnetError::IsGso);
    }
    let at = vnet.checksum_field(frame)?;
    let mut checksum = Sum::new()
        .add_bytes(&frame[usize::from(vnet.csum_start)..])
        .finish();
    if usize::from(vnet.csum_offset) == udp::CHECKSUM_OFFSET {
        checksum = never_zero(checksum);
    }
    put16(frame, at, checksum);
    Ok(())
}

#[cfg(test)]
mod tests;
