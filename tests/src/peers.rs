//! What a test asks about the far side of an overlay network: its peers, what is behind them, and what was
//! refused.

use crate::{Lab, Must};
use serde_json::Value;
use std::net::IpAddr;
use vswitch_wire::MacAddr;

/// A line of `peer ls`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Peer {
    /// Its address on the underlay.
    pub ip: IpAddr,
    /// Frames that came from it.
    pub rx_frames: u64,
    /// Frames that were sent to it.
    pub tx_frames: u64,
    /// Seconds since it was heard; never when absent.
    pub last_heard: Option<f64>,
    /// Bytes of an outer packet that the way to it takes, where known.
    pub path_mtu: Option<u64>,
}

impl Peer {
    fn from_json(peer: &Value) -> Self {
        let frames = |way: &str| peer[way]["frames"].as_u64().must(way);
        // Bytes are promised as well.
        for way in ["rx", "tx"] {
            peer[way]["bytes"].as_u64().must("bytes");
        }
        Self {
            ip: peer["ip"].as_str().must("ip").parse().must("an address"),
            rx_frames: frames("rx"),
            tx_frames: frames("tx"),
            last_heard: peer["last_heard"].as_f64(),
            path_mtu: peer["path_mtu"].as_u64(),
        }
    }
}

impl Lab {
    /// The peers of a network.
    #[track_caller]
    #[must_use]
    pub fn peers(&self, network: &str) -> Vec<Peer> {
        let all = self.json(&["peer", "ls", network]);
        let all = all.as_array().must("a list of peers");
        all.iter().map(Peer::from_json).collect()
    }

    /// One peer of a network.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    #[must_use]
    pub fn peer(&self, network: &str, ip: IpAddr) -> Peer {
        let peers = self.peers(network);
        let found = peers.iter().find(|peer| peer.ip == ip);
        *found.must(&format!("{ip} among {peers:?}"))
    }

    /// The peer that an address is behind, if it is behind one.
    #[track_caller]
    #[must_use]
    pub fn remote(&self, network: &str, mac: MacAddr) -> Option<IpAddr> {
        let mac = mac.to_string();
        let entries = self.json(&["fdb", "show", network]);
        let entry = (entries.as_array().into_iter().flatten()).find(|entry| entry["mac"] == mac)?;
        Some(entry["remote"].as_str()?.parse().must("an address"))
    }

    /// All entries of a network that are behind a peer.
    #[track_caller]
    #[must_use]
    pub fn remotes(&self, network: &str) -> Vec<(String, IpAddr)> {
        let entries = self.json(&["fdb", "show", network]);
        (entries.as_array().into_iter().flatten())
            .filter_map(|entry| {
                let remote = entry["remote"].as_str()?.parse().must("an address");
                Some((entry["mac"].as_str().must("mac").to_owned(), remote))
            })
            .collect()
    }

    /// The port behind which a network's peers are.
    ///
    /// # Panics
    /// When it has none.
    #[track_caller]
    #[must_use]
    pub fn tunnel_port(&self, network: &str) -> Value {
        let all = self.json(&["port", "ls"]);
        (all.as_array().into_iter().flatten())
            .find(|port| {
                let nobody = port["sandbox"].as_str().is_none_or(str::is_empty);
                port["network"] == network && nobody
            })
            .cloned()
            .must("the tunnel's port")
    }

    /// Datagrams for a network that were refused for a reason.
    #[track_caller]
    #[must_use]
    pub fn tunnel_drops(&self, network: &str, reason: &str) -> u64 {
        let port = self.tunnel_port(network);
        port["drops"][reason].as_u64().unwrap_or(0)
    }

    /// Datagrams for no network that were refused for a reason, at the endpoint of this address and port.
    ///
    /// # Panics
    /// When there is no such endpoint.
    #[track_caller]
    #[must_use]
    pub fn stray_drops(&self, local: IpAddr, port: u16, reason: &str) -> u64 {
        let status = self.json(&["status"]);
        let local = local.to_string();
        let tunnel = (status["tunnels"].as_array().into_iter().flatten())
            .find(|tunnel| tunnel["local"] == local && tunnel["dstport"] == port);
        let drops = &tunnel.must("the endpoint")["drops"];
        drops[reason].as_u64().unwrap_or(0)
    }
}
