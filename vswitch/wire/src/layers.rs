//! Where the network and transport headers of a frame stand, and a hash over its flow.
//!
//! Ethernet pads short frames, so the transport's end comes from the IP length and never from the frame's.
//! A later fragment has no transport header: [`Layers::fragment`] says so, and the hash of every fragment, the first
//! one included, is over the addresses only, so that all fragments of a packet go the same way.

use crate::bytes::{get16, get32, high32};
use crate::{EtherType, Head, Ipv4View, Ipv6View, ParseError, ipv6};

/// Protocol number of ICMP.
pub const PROTO_ICMP: u8 = 1;
/// Protocol number of TCP.
pub const PROTO_TCP: u8 = 6;
/// Protocol number of UDP.
pub const PROTO_UDP: u8 = 17;
/// Protocol number of ICMPv6.
pub const PROTO_ICMPV6: u8 = 58;
/// Protocol number of SCTP.
pub const PROTO_SCTP: u8 = 132;

/// Which IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The offsets of an IP packet's headers, in bytes from the frame's start. `l3 < l4 <= l4_end <= frame.len()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// The IP header.
    pub l3: usize,
    /// What follows it and its options or extension headers.
    pub l4: usize,
    /// Which IP.
    pub ip: IpVersion,
    /// The protocol at `l4`.
    pub proto: u8,
    /// Whether this is an IP fragment; then `l4` may point into the middle of a payload.
    pub fragment: bool,
    /// Where the IP packet ends; padding may follow.
    pub l4_end: usize,
}

impl Layers {
    /// Finds the layers of `frame`, whose parsed header is `head`.
    ///
    /// # Errors
    /// [`ParseError::NotIp`]; an IP header that is cut short or contradicts itself; a packet that is longer than
    /// the frame.
    pub fn parse(frame: &[u8], head: &Head) -> Result<Self, ParseError> {
        let l3 = head.payload;
        let packet = frame.get(l3..).unwrap_or(&[]);
        match head.ethertype() {
            Some(EtherType::IPV4) => {
                let ip = Ipv4View::parse(packet)?;
                let total_len = usize::from(ip.total_len());
                check_length("IPv4 packet", total_len, packet.len())?;
                Ok(Self {
                    l3,
                    l4: l3 + ip.header_len(),
                    ip: IpVersion::V4,
                    proto: ip.proto(),
                    fragment: ip.is_fragment(),
                    l4_end: l3 + total_len,
                })
            }
            Some(EtherType::IPV6) => {
                let ip = Ipv6View::parse(packet)?;
                let total_len = ipv6::HEADER_LEN + usize::from(ip.payload_len());
                check_length("IPv6 packet", total_len, packet.len())?;
                let upper = ip.upper_layer(&packet[..total_len])?;
                Ok(Self {
                    l3,
                    l4: l3 + upper.offset,
                    ip: IpVersion::V6,
                    proto: upper.proto,
                    fragment: upper.fragment,
                    l4_end: l3 + total_len,
                })
            }
            Some(_) | None => Err(ParseError::NotIp),
        }
    }

    /// Source and destination port of TCP, UDP and SCTP; `None` for another protocol or a fragment.
    #[inline]
    #[must_use]
    pub fn ports(&self, frame: &[u8]) -> Option<(u16, u16)> {
        if self.fragment || !matches!(self.proto, PROTO_TCP | PROTO_UDP | PROTO_SCTP) {
            return None;
        }
        let ports = frame.get(self.l4..self.l4_end)?.first_chunk::<4>()?;
        Some((get16(ports, 0), get16(ports, 2)))
    }
}

#[inline]
const fn check_length(what: &'static str, need: usize, have: usize) -> Result<(), ParseError> {
    if need > have {
        return Err(ParseError::Truncated { what, need, have });
    }
    Ok(())
}

/// A hash that is the same for all frames of a flow: addresses, protocol and ports; for what is no (sound) IP packet
/// the MAC addresses and the EtherType. Tags do not count. The two directions of a connection hash differently.
///
/// Good for spreading load (the outer UDP port of RFC 7348 section 5), not for a table that an enemy fills:
/// there is no secret in it.
#[must_use]
pub fn flow_hash(frame: &[u8], head: &Head) -> u32 {
    let Ok(layers) = Layers::parse(frame, head) else {
        let kind = head.ethertype().map_or(0, |kind| u64::from(kind.0));
        return finish(mix(mix(kind, head.dst.to_u64()), head.src.to_u64()));
    };
    let addresses = match layers.ip {
        IpVersion::V4 => 12..20,
        IpVersion::V6 => 8..40,
    };
    let mut state = u64::from(layers.proto);
    for half in frame[layers.l3..][addresses].chunks_exact(8) {
        state = mix(
            state,
            u64::from(get32(half, 0)) << 32 | u64::from(get32(half, 4)),
        );
    }
    if let Some((src, dst)) = layers.ports(frame) {
        state = mix(state, u64::from(src) << 16 | u64::from(dst));
    }
    finish(state)
}

/// One round of murmur3's finaliser over what came in so far and the new word.
#[inline]
const fn mix(state: u64, word: u64) -> u64 {
    let mixed = (state ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed ^ mixed >> 32).wrapping_mul(0xc4ce_b9fe_1a85_ec53)
}

#[inline]
const fn finish(state: u64) -> u32 {
    high32(state ^ state << 29)
}

#[cfg(test)]
mod tests;
