//! What all threads share of an underlay, and the lock around it.

use std::net::{IpAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use hashbrown::HashMap;
use vswitch_wire::{EtherType, Head, Ipv6View, Kind, PROTO_ICMPV6, Vni};
use vxlan::{Limits, Neighbours, Refusal, SegmentConfig, Vtep};

use super::paths::Paths;
use super::voice::Voice;
use super::{TunnelOptions, UnderlayStats};
use crate::port::PortId;

/// Attempts of a worker to get the lock for writing, a few microseconds.
const LOCK_ATTEMPTS: usize = 64;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) local: IpAddr,
    pub(super) port: u16,
    /// Not empty.
    pub(super) sources: Vec<UdpSocket>,
    state: RwLock<State>,
    start: Instant,
    refused: [AtomicU64; Refusal::ALL.len()],
    pub(super) errors: AtomicU64,
    /// Whether UDP_SEGMENT works.
    pub(super) segmentation: AtomicBool,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) vtep: Vtep,
    pub(super) tunnels: HashMap<Vni, Tunnel>,
    pub(super) paths: Paths,
}

/// A network's side of the tunnel.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Where frames come in; none before the port is on the switch.
    pub(super) port: Option<PortId>,
    /// None where questions are not answered.
    pub(super) neighbours: Option<Neighbours>,
    pub(super) voice: Arc<Voice>,
}

impl Tunnel {
    pub(super) fn new(options: &TunnelOptions, voice: Arc<Voice>) -> Self {
        let table = || {
            Neighbours::new(
                Limits::default().remotes,
                Some(SegmentConfig::DEFAULT_AGEING),
            )
        };
        Self {
            port: None,
            neighbours: options.suppress.then(table),
            voice,
        }
    }
}

impl State {
    pub(super) fn neighbours_mut(&mut self, vni: Vni) -> Option<&mut Neighbours> {
        self.tunnels.get_mut(&vni)?.neighbours.as_mut()
    }

    /// Drops the probe of the way to a peer, unless another segment has the same peer.
    pub(super) fn forget_path(&mut self, peer: IpAddr) {
        let used = (self.vtep.segments()).any(|(_, segment)| segment.peer(peer).is_some());
        if !used {
            self.paths.forget(peer);
        }
    }
}

impl Shared {
    pub(super) fn new(local: IpAddr, port: u16, sources: Vec<UdpSocket>, vtep: Vtep) -> Self {
        Self {
            local,
            port,
            sources,
            state: RwLock::new(State {
                vtep,
                tunnels: HashMap::new(),
                paths: Paths::new(local),
            }),
            start: Instant::now(),
            refused: Default::default(),
            errors: AtomicU64::new(0),
            segmentation: AtomicBool::new(true),
        }
    }

    /// The engine's time, in seconds.
    pub(super) fn now(&self) -> u32 {
        u32::try_from(self.start.elapsed().as_secs()).unwrap_or(u32::MAX)
    }

    // A panic under the lock leaves a state that is still whole: a change is one insertion or
    // removal in each table.

    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// For a worker, which never waits.
    pub(super) fn try_write(&self) -> Option<RwLockWriteGuard<'_, State>> {
        for _ in 0..LOCK_ATTEMPTS {
            if let Ok(state) = self.state.try_write() {
                return Some(state);
            }
            std::hint::spin_loop();
        }
        None
    }

    /// Counts a datagram that belongs to no network.
    pub(super) fn refuse(&self, reason: Refusal) {
        self.refused[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> UnderlayStats {
        let refused = Refusal::ALL
            .into_iter()
            .map(|reason| (reason, self.refused[reason.index()].load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0);
        UnderlayStats {
            refused: refused.collect(),
            errors: self.errors.load(Ordering::Relaxed),
            segmentation: self.segmentation.load(Ordering::Relaxed),
        }
    }
}

/// Whether a frame may be of ARP or neighbour discovery: a look that costs next to nothing.
#[inline]
pub(super) fn is_about_neighbours(frame: &[u8], head: &Head) -> bool {
    match head.kind {
        Kind::Ether(EtherType::ARP) => true,
        // Next header of the fixed header; discovery has no extension headers.
        Kind::Ether(EtherType::IPV6) => Ipv6View::parse(frame.get(head.payload..).unwrap_or(&[]))
            .is_ok_and(|ip| ip.next_header() == PROTO_ICMPV6),
        Kind::Ether(_) | Kind::Snap(_) | Kind::Llc { .. } => false,
    }
}
