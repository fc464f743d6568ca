//! How long a packet may be on its way to a peer.
//!
//! The kernel knows: the link's MTU, the route's, and what routers on the way have said (RFC 1191,
//! RFC 8201). It tells a connected socket, so each peer has one, which sends nothing. While frames
//! go to a peer the answer is asked for again once a second, so that a change of the underlay is
//! followed, also upwards; when nothing goes there, nothing is asked.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

use hashbrown::HashMap;

use crate::sys::udp;

/// The ways to all peers.
#[derive(Debug)]
pub(super) struct Paths {
    local: IpAddr,
    known: HashMap<IpAddr, Path>,
}

#[derive(Debug)]
struct Path {
    probe: UdpSocket,
    to: SocketAddr,
    /// 0 is unknown.
    mtu: AtomicU16,
    /// The second after the one in which it was asked for; 0 is never.
    asked: AtomicU32,
}

impl Paths {
    pub(super) fn new(local: IpAddr) -> Self {
        Self {
            local,
            known: HashMap::new(),
        }
    }

    /// Begins to watch the way to a peer. Without a probe its MTU stays unknown, which the kernel's
    /// refusals make up for.
    pub(super) fn know(&mut self, peer: IpAddr, port: u16) {
        if self.known.contains_key(&peer) {
            return;
        }
        match probe(self.local) {
            Ok(probe) => {
                let path = Path {
                    probe,
                    to: SocketAddr::new(peer, port),
                    mtu: AtomicU16::new(0),
                    asked: AtomicU32::new(0),
                };
                self.known.insert(peer, path);
            }
            Err(error) => tracing::warn!(%peer, %error, "cannot watch the path MTU"),
        }
    }

    pub(super) fn forget(&mut self, peer: IpAddr) {
        self.known.remove(&peer);
    }

    /// The MTU, asked for at most once a second.
    pub(super) fn refreshed(&self, peer: IpAddr, now: u32) -> Option<u16> {
        let path = self.known.get(&peer)?;
        let next = now.saturating_add(1);
        if path.asked.load(Ordering::Relaxed) != next {
            path.asked.store(next, Ordering::Relaxed);
            path.ask();
        }
        path.known()
    }

    /// The kernel has refused a packet, which may be for its length: asks at once.
    pub(super) fn surprised(&self, peer: IpAddr) -> Option<u16> {
        let path = self.known.get(&peer)?;
        path.ask();
        path.known()
    }
}

impl Path {
    fn ask(&self) {
        // Connecting again looks the route up again.
        let mtu = ask(&self.probe, self.to.ip(), self.to.port()).unwrap_or(0);
        self.mtu.store(mtu, Ordering::Relaxed);
    }

    fn known(&self) -> Option<u16> {
        Some(self.mtu.load(Ordering::Relaxed)).filter(|mtu| *mtu > 0)
    }
}

/// A socket to ask with; connected to nobody yet.
pub(super) fn probe(local: IpAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind((local, 0))
}

/// The MTU of the way to `peer` at this moment, in bytes.
pub(super) fn ask(probe: &UdpSocket, peer: IpAddr, port: u16) -> io::Result<u16> {
    probe.connect((peer, port))?;
    udp::path_mtu(probe, peer.is_ipv6())
}

pub(super) fn source_for(peer: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = probe(any)?;
    socket.connect((peer, vxlan::PORT))?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_this_host_is_known() {
        for here in ["127.0.0.1", "::1"] {
            let here: IpAddr = here.parse().unwrap();
            let mut paths = Paths::new(here);
            assert_eq!(paths.refreshed(here, 0), None, "nobody's");
            paths.know(here, 4789);
            assert!(paths.refreshed(here, 0).unwrap() >= 16_384);
            assert!(paths.surprised(here).unwrap() >= 16_384);
            paths.forget(here);
            assert_eq!(paths.refreshed(here, 1), None);
            assert_eq!(source_for(here).unwrap(), here);
        }
    }
}
