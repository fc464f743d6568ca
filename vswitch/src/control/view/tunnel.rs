//! Overlay networks as they are shown: peers and tunnels.

use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::Traffic;

/// `GET /v1/networks/{n}/peers`: the shape that the command line promises.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Address on the underlay.
    pub ip: IpAddr,
    /// Inner frames that came from it.
    pub rx: Traffic,
    /// Inner frames that went to it; one for many counts for each peer.
    pub tx: Traffic,
    /// Seconds since a frame of it was last accepted; none when it was never heard.
    pub last_heard: Option<u32>,
    /// Longest IP packet that the way to it takes, in bytes, where that is known.
    pub path_mtu: Option<u16>,
}

/// One tunnel of [`Status`](super::Status): a UDP port that overlay networks share.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TunnelStatus {
    /// The host's address on the underlay.
    pub local: IpAddr,
    /// UDP port.
    pub dstport: u16,
    /// Networks that share it.
    pub networks: usize,
    /// What the underlay said about datagrams that were sent (ICMP errors).
    pub errors: u64,
    /// Whether the kernel cuts datagrams for us (UDP_SEGMENT).
    pub segmentation: bool,
    /// Datagrams that belong to no network here, by reason, only reasons that occurred.
    pub drops: BTreeMap<String, u64>,
}
