//! What the underlay leaves for inner packets.
//!
//! The longest packet that every peer can get is the shortest of the paths less the tunnel's headers (50 bytes over
//! IPv4, 70 over IPv6). What nothing is known of counts as an Ethernet.

use std::net::IpAddr;

use super::UnderlayId;
use crate::{
    control::{ControlError, kernel::Kernel, options::MTU},
    port::vxlan::overhead,
};

/// Smallest MTU of a link that carries IPv6 (RFC 8200 section 5).
pub const MIN_V6: u16 = 1280;

/// The path MTU where none is known.
const ETHERNET: u16 = 1500;

/// Bytes that the ways to all peers leave; none where nothing is known of any.
pub fn room<K: Kernel>(
    kernel: &K,
    underlay: UnderlayId,
    peers: impl IntoIterator<Item = IpAddr>,
) -> Option<u16> {
    let UnderlayId { local, dstport } = underlay;
    (peers.into_iter())
        .filter_map(|peer| kernel.path_mtu(local, peer, dstport))
        .min()
        .map(|path| path.saturating_sub(overhead(local)))
}

/// The MTU of a new network, `wish` if it was said.
///
/// # Errors
/// Unavailable where the underlay leaves too little for the network's IPv6 subnet or for any network.
pub fn initial<K: Kernel>(
    kernel: &K,
    underlay: UnderlayId,
    peers: &[IpAddr],
    wish: Option<u16>,
    ipv6: bool,
) -> Result<u16, ControlError> {
    let room = room(kernel, underlay, peers.iter().copied());
    if let Some(mtu) = wish {
        if let Some(room) = room.filter(|room| *room < mtu) {
            tracing::warn!(
                mtu,
                room,
                "the MTU that was asked for is larger than what the underlay leaves"
            );
        }
        return Ok(mtu);
    }
    let room = room.unwrap_or_else(|| ETHERNET - overhead(underlay.local));
    let mtu = bounded(room, ipv6);
    if mtu > room {
        return Err(ControlError::unavailable(format!(
            "mtu: the underlay leaves {room} bytes, and {} needs {mtu}; raise the underlay's MTU{}",
            if ipv6 { "IPv6" } else { "IPv4" },
            if ipv6 { ", or give no IPv6 subnet" } else { "" },
        )));
    }
    Ok(mtu)
}

/// The MTU that comes closest to what the underlay leaves.
pub fn bounded(room: u16, ipv6: bool) -> u16 {
    let least = if ipv6 { MIN_V6 } else { *MTU.start() };
    room.clamp(least, *MTU.end())
}
