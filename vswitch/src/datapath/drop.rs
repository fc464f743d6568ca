//! Why a frame went nowhere.
//!
//! A drop is an error value: a stage returns it with `?`. The one enum is at once the code, the
//! text, the counter's index and its label in JSON, so that the four cannot drift apart.
//! [`DropReason::Tunnel`] and [`DropReason::Macvlan`] hold the engines' own enums of the same kind.

use vxlan::Refusal;

/// Why a frame, or one copy of it, was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum DropReason {
    /// Ingress: shorter than its headers claim.
    #[error("the frame is shorter than its headers claim")]
    Truncated,
    /// Ingress: the virtio-net header contradicts the frame.
    #[error("the offload header contradicts the frame")]
    BadOffload,
    /// Ingress: the source is a group or the all-zero address (802.1Q 8.7).
    #[error("the source address is not that of a station")]
    InvalidSource,
    /// Ingress: 01-80-C2-00-00-0X stays on its link (802.1Q table 8-1).
    #[error("the destination is reserved for the link itself")]
    ReservedAddress,
    /// Lookup: the destination is behind the port that the frame came from.
    #[error("the destination is behind the port that the frame came from")]
    SamePort,
    /// Egress: the network has no other port.
    #[error("the network has no other port")]
    NoOtherPort,
    /// Egress: longer than the port's MTU allows (802.1Q 6.5.8: discard, never fragment).
    #[error("the frame is longer than the port's MTU allows")]
    TooLong,
    /// Egress: the link is down.
    #[error("the link is down")]
    PortDown,
    /// Egress: the device is gone.
    #[error("the port's device is gone")]
    PortGone,
    /// Egress: the receiver's queue is full.
    #[error("the receiver's queue is full")]
    ReceiverFull,
    /// Egress: the kernel refused the frame.
    #[error("the kernel refused the frame")]
    Refused,
    /// Egress: the tunnel has no peer that it could go to.
    #[error("the tunnel has no peer")]
    NoPeer,
    /// Egress: the underlay has no way to the peer.
    #[error("the underlay has no way to the peer")]
    Unreachable,
    /// Ingress: the tunnel turned it away.
    #[error(transparent)]
    Tunnel(Refusal),
    /// Lookup: a macvlan network has nobody to give it to.
    #[error(transparent)]
    Macvlan(macvlan_emu::Refusal),
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 27] = [
        Self::Truncated,
        Self::BadOffload,
        Self::InvalidSource,
        Self::ReservedAddress,
        Self::SamePort,
        Self::NoOtherPort,
        Self::TooLong,
        Self::PortDown,
        Self::PortGone,
        Self::ReceiverFull,
        Self::Refused,
        Self::NoPeer,
        Self::Unreachable,
        Self::Tunnel(Refusal::ShortHeader),
        Self::Tunnel(Refusal::NoVni),
        Self::Tunnel(Refusal::ReservedBits),
        Self::Tunnel(Refusal::UnknownVni),
        Self::Tunnel(Refusal::UnlistedPeer),
        Self::Tunnel(Refusal::InnerTruncated),
        Self::Tunnel(Refusal::InnerVlan),
        Self::Tunnel(Refusal::InvalidSource),
        Self::Tunnel(Refusal::OwnSource),
        Self::Tunnel(Refusal::StaticElsewhere),
        Self::Tunnel(Refusal::Congestion),
        Self::Macvlan(macvlan_emu::Refusal::Nobody),
        Self::Macvlan(macvlan_emu::Refusal::Ipv6Off),
        Self::Macvlan(macvlan_emu::Refusal::UnknownChild),
    ];

    /// Index of the reason's counter.
    #[must_use]
    #[inline]
    pub const fn index(self) -> usize {
        match self {
            Self::Truncated => 0,
            Self::BadOffload => 1,
            Self::InvalidSource => 2,
            Self::ReservedAddress => 3,
            Self::SamePort => 4,
            Self::NoOtherPort => 5,
            Self::TooLong => 6,
            Self::PortDown => 7,
            Self::PortGone => 8,
            Self::ReceiverFull => 9,
            Self::Refused => 10,
            Self::NoPeer => 11,
            Self::Unreachable => 12,
            Self::Tunnel(refusal) => 13 + refusal.index(),
            Self::Macvlan(refusal) => 24 + refusal.index(),
        }
    }

    /// The label: in JSON, in tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::BadOffload => "bad_offload",
            Self::InvalidSource => "invalid_source",
            Self::ReservedAddress => "reserved_address",
            Self::SamePort => "same_port",
            Self::NoOtherPort => "no_other_port",
            Self::TooLong => "too_long",
            Self::PortDown => "port_down",
            Self::PortGone => "port_gone",
            Self::ReceiverFull => "receiver_full",
            Self::Refused => "refused",
            Self::NoPeer => "no_peer",
            Self::Unreachable => "unreachable",
            Self::Tunnel(refusal) => refusal.label(),
            Self::Macvlan(refusal) => refusal.label(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_and_label() {
        let mut labels = std::collections::BTreeSet::new();
        for (index, reason) in DropReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(labels.insert(reason.label()));
        }
    }
}
