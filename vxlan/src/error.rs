//! Why a change of the configuration, or a lesson, was refused. Nothing has changed then.

use core::net::IpAddr;

use vswitch_wire::{MacAddr, Vni};

/// A change that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No such segment.
    #[error("there is no segment with VNI {0}")]
    UnknownVni(Vni),
    /// A segment with this VNI is there.
    #[error("VNI {0} is taken by another network; choose another")]
    SegmentExists(Vni),
    /// [`crate::Limits::segments`].
    #[error("there are {limit} segments already, the limit of one tunnel port")]
    TooManySegments {
        /// The limit.
        limit: usize,
    },
    /// [`crate::Limits::peers`].
    #[error("there are {limit} peers already, the limit of one segment")]
    TooManyPeers {
        /// The limit.
        limit: usize,
    },
    /// The address is a peer already.
    #[error("{0} is a peer already")]
    PeerExists(IpAddr),
    /// The address is no peer.
    #[error("{0} is not a peer of this segment; add it first")]
    UnknownPeer(IpAddr),
    /// IPv4 in an IPv6 segment, or the other way round.
    #[error("{addr} and the local address {local} must both be IPv4 or both IPv6")]
    WrongFamily {
        /// The address.
        addr: IpAddr,
        /// The segment's.
        local: IpAddr,
    },
    /// An address that is not one host's.
    #[error("{0} is not the address of one host")]
    NotUnicast(IpAddr),
    /// An address that says nothing without an interface.
    #[error("{0} is valid on one link only; use the host's global address")]
    LinkLocal(IpAddr),
    /// The host's own address.
    #[error("{0} is this host's own address")]
    OwnAddress(IpAddr),
    /// A group that is none.
    #[error("{0} is not a multicast address")]
    NotMulticast(IpAddr),
    /// A group address, or zero.
    #[error("{0} is not the address of a station")]
    NotAStation(MacAddr),
    /// The address is one of this host.
    #[error("{0} belongs to this host")]
    LocalMac(MacAddr),
    /// The address was given to a peer by hand.
    #[error("{mac} is a static entry of peer {peer}; remove it first")]
    StaticMac {
        /// The address.
        mac: MacAddr,
        /// The peer.
        peer: IpAddr,
    },
    /// [`crate::Limits::remotes`], all of them static.
    #[error("the segment's table is full of static entries")]
    TableFull,
}

/// Why an address was not learned. Between the look and the lesson another thread may have changed everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotLearned {
    /// The segment is gone.
    #[error("the segment is gone")]
    UnknownVni,
    /// The peer is gone.
    #[error("the sender is not a peer of the segment")]
    UnlistedPeer,
    /// Learning is off.
    #[error("learning is off")]
    Off,
    /// A group address, or zero.
    #[error("the address is not that of a station")]
    NotAStation,
    /// The address is one of this host.
    #[error("the address belongs to this host")]
    Local,
    /// The address was given to a peer by hand.
    #[error("the address is a static entry")]
    Static,
    /// The table is full of static entries.
    #[error("the table is full of static entries")]
    Full,
}
