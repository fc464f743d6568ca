//! Why a datagram was not delivered.
//!
//! As everywhere in the switch, the one enum is the code, the text, the counter's index and its label.

use crate::HeaderError;

/// Why a datagram that came to the tunnel's port goes nowhere. It taught nothing either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// Shorter than the VXLAN header.
    #[error("the datagram is shorter than a VXLAN header")]
    ShortHeader,
    /// The I flag is 0 (RFC 7348 section 5).
    #[error("the VXLAN header has no valid VNI")]
    NoVni,
    /// A reserved bit is set, and the segment is strict.
    #[error("reserved bits are set in the VXLAN header")]
    ReservedBits,
    /// No such segment here (RFC 7348 section 4.1).
    #[error("the VNI is not one of this host's")]
    UnknownVni,
    /// The sender is no peer of the segment.
    #[error("the sender is not a peer of the segment")]
    UnlistedPeer,
    /// The inner frame ends inside its Ethernet header.
    #[error("the inner frame ends inside its header")]
    InnerTruncated,
    /// A VLAN tag inside (RFC 7348 section 6.1).
    #[error("the inner frame has a VLAN tag")]
    InnerVlan,
    /// The inner source address is a group or zero.
    #[error("the inner source address is not that of a station")]
    InvalidSource,
    /// The inner source address is one of this host: a loop, or a forgery.
    #[error("the inner source address is one of this host")]
    OwnSource,
    /// The inner source address was given to another peer by hand.
    #[error("the inner source address belongs to another peer")]
    StaticElsewhere,
    /// Congestion on the way, and an inner packet that cannot be told (RFC 6040 section 4.2).
    #[error("congestion was marked, and the inner packet cannot carry the mark")]
    Congestion,
}

impl Refusal {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 11] = [
        Self::ShortHeader,
        Self::NoVni,
        Self::ReservedBits,
        Self::UnknownVni,
        Self::UnlistedPeer,
        Self::InnerTruncated,
        Self::InnerVlan,
        Self::InvalidSource,
        Self::OwnSource,
        Self::StaticElsewhere,
        Self::Congestion,
    ];

    /// Index of the reason's counter.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The label: in JSON, in tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::ShortHeader => "vxlan_short_header",
            Self::NoVni => "vxlan_no_vni",
            Self::ReservedBits => "vxlan_reserved_bits",
            Self::UnknownVni => "vxlan_unknown_vni",
            Self::UnlistedPeer => "vxlan_unlisted_peer",
            Self::InnerTruncated => "vxlan_inner_truncated",
            Self::InnerVlan => "vxlan_inner_vlan",
            Self::InvalidSource => "vxlan_invalid_source",
            Self::OwnSource => "vxlan_own_source",
            Self::StaticElsewhere => "vxlan_static_elsewhere",
            Self::Congestion => "vxlan_congestion",
        }
    }
}

impl From<HeaderError> for Refusal {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::Truncated { .. } => Self::ShortHeader,
            HeaderError::NoVni { .. } => Self::NoVni,
            HeaderError::ReservedBits => Self::ReservedBits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_label_and_text() {
        let mut labels = std::collections::BTreeSet::new();
        let mut texts = std::collections::BTreeSet::new();
        for (index, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(labels.insert(reason.label()) && texts.insert(reason.to_string()));
        }
    }
}
