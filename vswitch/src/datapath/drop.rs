//! Why a frame went nowhere.
//!
//! A drop is an error value: a stage returns it with `?`. The one enum is at once the code, the
//! text, the counter's index and its label in JSON, so that the four cannot drift apart.

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
}

impl DropReason {
    /// All reasons, in the order of their counters.
    pub const ALL: [Self; 11] = [
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
