//! VXLAN over UDP sockets: the networks of this host that go on on others.
//!
//! ```text
//!  network "blue" (VNI 42) --- tunnel port --+                       +-- worker 0
//!                                            +-- Underlay -- trunk --+
//!  network "red"  (VNI 43) --- tunnel port --+   UDP port            +-- worker 1
//! ```
//!
//! - [`Underlay`] is one local address and UDP port, with the engine (`vxlan::Vtep`) that decides.
//!   Several networks share it; each has a *tunnel port* ([`Underlay::connect`]).
//! - **In**: a socket for each worker on the UDP port (SO_REUSEPORT), all of them a *trunk*
//!   (`receive`). What the engine accepts is coalesced into superframes and given to the tunnel
//!   port of its VNI.
//! - **Out**: the tunnel port's sending half (`send`) makes a `plan` of a batch, without a copy
//!   of what is long, and sends it from one of [`SOURCES`] sockets that the inner flow chooses, so
//!   that the underlay sees as many flows (RFC 7348 section 5) and UDP_SEGMENT still works.
//! - **What the tunnel says itself** (`voice`): answers to ARP and neighbour discovery in the
//!   name of peers' stations, ICMP "too big". It comes in through the tunnel port's own receiving
//!   half.
//! - **MTU** (`paths`): the outer packet is never fragmented (section 4.3).
//!
//! **Threads.** Workers share the state for reading, for the time of one batch's decisions, never
//! over a system call. Control locks it for writing, and a worker that has learned something tries
//! to; if it cannot have the lock at once, it tries again with the next batch.

mod paths;
mod plan;
mod receive;
mod send;
mod sockets;
mod state;
mod voice;

use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use vswitch_wire::{MacAddr, Vni};
use vxlan::{ConfigError, Gateway, Limits, Refusal, Remote, SegmentConfig, Traffic, Vtep};

use super::{Port, PortId, PortRx};
use crate::sys::udp;
use receive::TrunkRx;
use send::TunnelTx;
pub use sockets::UnderlayError;
use state::{Shared, Tunnel};

/// Sending sockets of an underlay, each with a source port of its own.
pub const SOURCES: usize = 32;

/// Bytes that a tunnel puts before the inner frame's payload: outer IP, UDP, VXLAN and inner
/// Ethernet header (RFC 7348 section 5).
#[must_use]
pub const fn overhead(underlay: IpAddr) -> u16 {
    match underlay {
        IpAddr::V4(_) => 20 + 8 + 8 + 14,
        IpAddr::V6(_) => 40 + 8 + 8 + 14,
    }
}

/// Longest superframe that an endpoint with this MTU, in bytes, should be given (`gso_max_size`), so
/// that the segments of one fit one UDP_SEGMENT send: in two, both ends pay twice.
#[must_use]
pub fn longest_superframe(mtu: u16) -> u32 {
    // What the kernel takes off for headers (MAX_TCP_HEADER), and IPv6 and TCP with timestamps.
    const RESERVE: usize = 321;
    const HEADERS: usize = 40 + 32;
    let mtu = usize::from(mtu);
    let segments = (udp::MAX_DATAGRAM / (mtu + 14 + 8)).min(udp::MAX_SEGMENTS);
    let payload = mtu.saturating_sub(HEADERS);
    // Half a segment more, or rounding would cost one.
    let longest = segments * payload + payload / 2 + RESERVE;
    u32::try_from(longest).unwrap_or(u32::MAX).min(65_536)
}

/// A UDP port with a VXLAN tunnel endpoint behind it.
#[derive(Debug)]
pub struct Underlay {
    shared: Arc<Shared>,
}

/// How a network is connected to an underlay.
#[derive(Clone, Debug)]
pub struct TunnelOptions {
    /// The segment's rules. Its local address is the underlay's.
    pub segment: SegmentConfig,
    /// Whether ARP and neighbour discovery are answered from what is known.
    pub suppress: bool,
    /// Who tells a sender that its packet is too big.
    pub gateway: Gateway,
}

/// A peer of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStats {
    /// Its address.
    pub addr: IpAddr,
    /// Inner frames received from it.
    pub rx: Traffic,
    /// Inner frames sent to it; one that went to all peers counts for each.
    pub tx: Traffic,
    /// Seconds since a frame of it was last accepted.
    pub heard: Option<u32>,
    /// Longest IP packet that the way to it takes, in bytes, as far as is known.
    pub path_mtu: Option<u16>,
}

/// What an underlay counts beyond the ports of its networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderlayStats {
    /// Datagrams that belong to no network here.
    pub refused: Vec<(Refusal, u64)>,
    /// What the network said about datagrams that were sent (ICMP).
    pub errors: u64,
    /// Whether the kernel cuts for us (UDP_SEGMENT); false after a downgrade.
    pub segmentation: bool,
}

impl Underlay {
    /// Opens the sockets in the calling thread's network namespace: the endpoint, and the
    /// receiving halves of its trunk, one for each of `workers`.
    ///
    /// # Errors
    /// The address is not this host's, the port is taken, or the limits on files and memory.
    pub fn open(
        local: IpAddr,
        port: u16,
        workers: usize,
    ) -> Result<(Self, Vec<Box<dyn PortRx>>), UnderlayError> {
        let receivers = sockets::receivers(local, port, workers)?;
        let shared = Arc::new(Shared::new(
            local,
            port,
            sockets::sources(local, SOURCES)?,
            Vtep::new(Limits::default()),
        ));
        let halves = (receivers.into_iter())
            .map(|socket| -> Box<dyn PortRx> {
                Box::new(TrunkRx::new(Arc::clone(&shared), socket))
            })
            .collect();
        Ok((Self { shared }, halves))
    }

    /// The address that its datagrams come from and go to.
    #[must_use]
    pub fn local(&self) -> IpAddr {
        self.shared.local
    }

    /// Its UDP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.shared.port
    }

    /// Takes part in a multicast group: the receiving half for it, a trunk of its own. Dropping it
    /// leaves the group.
    ///
    /// # Errors
    /// Not an address of an interface, not a group, or the kernel refuses.
    pub fn join(&self, group: IpAddr) -> Result<Box<dyn PortRx>, UnderlayError> {
        let socket = sockets::member(self.local(), self.port(), group)?;
        for source in &self.shared.sources {
            sockets::send_to_groups_from(source, self.local())?;
        }
        Ok(Box::new(TrunkRx::new(Arc::clone(&self.shared), socket)))
    }

    /// Adds a segment; the port is to be added to the network's switch, and then announced by
    /// [`Self::deliver`].
    ///
    /// # Errors
    /// The VNI is taken, or the configuration contradicts itself; for the sockets [`io::Error`].
    pub fn connect(&self, vni: Vni, options: TunnelOptions) -> Result<Port, ConnectError> {
        let (voice, rx) = voice::open(options.gateway).map_err(ConnectError::Bell)?;
        let tunnel = Tunnel::new(&options, Arc::new(voice));
        let voice = Arc::clone(&tunnel.voice);
        let mut state = self.shared.write();
        state.vtep.add_segment(vni, options.segment)?;
        state.tunnels.insert(vni, tunnel);
        drop(state);
        Ok(Port {
            rx: Box::new(rx),
            tx: Arc::new(TunnelTx::new(Arc::clone(&self.shared), vni, voice)),
            // What fits is for the way to each peer to say.
            mtu: u16::MAX,
        })
    }

    /// Says which port the frames of a segment come in through; until then none is accepted.
    pub fn deliver(&self, vni: Vni, port: PortId) {
        if let Some(tunnel) = self.shared.write().tunnels.get_mut(&vni) {
            tunnel.port = Some(port);
        }
    }

    /// Removes a segment: from now on its VNI is unknown. To be called before the port is removed.
    pub fn disconnect(&self, vni: Vni) {
        let mut state = self.shared.write();
        let peers: Vec<_> = (state.vtep.segment(vni).into_iter())
            .flat_map(|segment| segment.peers().iter().map(vxlan::Peer::addr))
            .collect();
        state.vtep.remove_segment(vni);
        state.tunnels.remove(&vni);
        for peer in peers {
            state.forget_path(peer);
        }
    }

    /// Whether any segment is left.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.shared.read().tunnels.is_empty()
    }

    /// Lists a peer of a segment.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn add_peer(&self, vni: Vni, peer: IpAddr) -> Result<(), ConfigError> {
        let mut state = self.shared.write();
        state.vtep.add_peer(vni, peer)?;
        let port = self.shared.port;
        state.paths.know(peer.to_canonical(), port);
        Ok(())
    }

    /// Removes a peer and forgets at once what is behind it; how many addresses that were.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn remove_peer(&self, vni: Vni, peer: IpAddr) -> Result<usize, ConfigError> {
        let mut state = self.shared.write();
        let peer = peer.to_canonical();
        let forgotten = state.vtep.remove_peer(vni, peer)?;
        if let Some(neighbours) = state.neighbours_mut(vni) {
            neighbours.forget(vxlan::Source::Peer(peer));
        }
        state.forget_path(peer);
        Ok(forgotten)
    }

    /// The peers of a segment, in the order in which they were added.
    #[must_use]
    pub fn peers(&self, vni: Vni) -> Vec<PeerStats> {
        let (state, now) = (self.shared.read(), self.shared.now());
        let peers = (state.vtep.segment(vni).into_iter()).flat_map(|segment| segment.peers());
        peers
            .map(|peer| PeerStats {
                addr: peer.addr(),
                rx: peer.received(),
                tx: peer.sent(),
                heard: peer.last_heard().map(|then| now.saturating_sub(then)),
                path_mtu: state.paths.refreshed(peer.addr(), now),
            })
            .collect()
    }

    /// Says that an address is of this host: nobody else may send from it.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn add_local(&self, vni: Vni, mac: MacAddr) -> Result<(), ConfigError> {
        self.shared.write().vtep.add_local(vni, mac)
    }

    /// Takes [`Self::add_local`] back.
    pub fn remove_local(&self, vni: Vni, mac: MacAddr) {
        self.shared.write().vtep.remove_local(vni, mac);
    }

    /// Says by hand that an address is behind a peer.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn add_static(&self, vni: Vni, mac: MacAddr, peer: IpAddr) -> Result<(), ConfigError> {
        self.shared.write().vtep.add_static(vni, mac, peer)
    }

    /// Forgets where an address is, learned or by hand; false when it was not known.
    pub fn remove_remote(&self, vni: Vni, mac: MacAddr) -> bool {
        self.shared.write().vtep.remove_remote(vni, mac)
    }

    /// Forgets all that was learned in a segment; how many addresses that were.
    pub fn flush(&self, vni: Vni) -> usize {
        self.shared.write().vtep.flush(vni)
    }

    /// The addresses behind peers, in no order.
    #[must_use]
    pub fn remotes(&self, vni: Vni) -> Vec<Remote> {
        let (state, now) = (self.shared.read(), self.shared.now());
        let segment = state.vtep.segment(vni).into_iter();
        segment.flat_map(|segment| segment.remotes(now)).collect()
    }

    /// The peer that an address is behind.
    #[must_use]
    pub fn remote(&self, vni: Vni, mac: MacAddr) -> Option<IpAddr> {
        let state = self.shared.read();
        let segment = state.vtep.segment(vni)?;
        segment
            .remote(mac, self.shared.now())
            .map(vxlan::Peer::addr)
    }

    /// Forgets what is past its time; how many addresses that were.
    pub fn sweep(&self) -> usize {
        let now = self.shared.now();
        let mut state = self.shared.write();
        for tunnel in state.tunnels.values_mut() {
            if let Some(neighbours) = &mut tunnel.neighbours {
                neighbours.sweep(now);
            }
        }
        state.vtep.sweep(now)
    }

    /// What it counts.
    #[must_use]
    pub fn stats(&self) -> UnderlayStats {
        self.shared.stats()
    }

    /// Longest IP packet that leaves toward `peer` without being fragmented, in bytes, as the
    /// kernel knows it now.
    ///
    /// # Errors
    /// No way to the peer.
    pub fn path_mtu(local: IpAddr, peer: IpAddr, port: u16) -> io::Result<u16> {
        paths::ask(&paths::probe(local)?, peer, port)
    }

    /// The address that datagrams to `peer` leave from when nobody says so: the host's own.
    ///
    /// # Errors
    /// No way to the peer.
    pub fn source_for(peer: IpAddr) -> io::Result<IpAddr> {
        paths::source_for(peer)
    }
}

/// A network could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The engine refuses.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No descriptor.
    #[error("cannot make an eventfd: {0}; check the limit on open files")]
    Bell(#[source] io::Error),
}

/// A descriptor that is readable after it was rung.
fn bell() -> io::Result<OwnedFd> {
    use rustix::event::{EventfdFlags, eventfd};
    Ok(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)
}

#[cfg(test)]
mod tests;
