//! VXLAN in memory: what stands before a frame that enters a tunnel, and who may send one that leaves it.
//!
//! Both are without a copy, so that they do not depend on the frame's length: the datagram goes out in pieces, and the
//! inner frame is a part of what came in. Stations behind the peers are as many as the name says, and are drawn at
//! random for every frame.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Result, ensure};
use vswitch::port::MAX_BATCH;
use vswitch_wire::{Head, MacAddr, Vni};
use vxlan::{Ecn, Learned, Limits, Origin, SegmentConfig, Vtep};

use crate::case::{Case, Work};
use crate::frames;
use crate::stations::stations;

const SMALL: usize = 64;

const A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 18, 100, 1));
const PEERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 18, 100, 2)),
    IpAddr::V4(Ipv4Addr::new(198, 18, 100, 3)),
];

/// Into the tunnel and out of it.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in [2, 8192] {
        let name = |what: &str| format!("{what}/{size}");
        let encapsulate = move || Encapsulating::new(size);
        let decapsulate = move || Decapsulating::new(size);
        cases.push(Case::new(
            "vxlan",
            name("encapsulate"),
            MAX_BATCH,
            encapsulate,
        ));
        cases.push(Case::new(
            "vxlan",
            name("decapsulate"),
            MAX_BATCH,
            decapsulate,
        ));
    }
    cases
}

/// An endpoint that knows `remotes` behind its peers, in turn.
fn endpoint(vni: Vni, remotes: &[MacAddr]) -> Result<Vtep> {
    let mut vtep = Vtep::new(Limits::default());
    vtep.add_segment(vni, SegmentConfig::new(HERE))?;
    for peer in PEERS {
        vtep.add_peer(vni, peer)?;
    }
    for (mac, peer) in remotes.iter().zip(PEERS.into_iter().cycle()) {
        vtep.learn(vni, *mac, peer, 0)?;
    }
    Ok(vtep)
}

/// Frames of 64 bytes, each for a station behind a peer.
struct Encapsulating {
    vtep: Vtep,
    vni: Vni,
    frames: Vec<Vec<u8>>,
    next: usize,
}

impl Encapsulating {
    fn new(size: usize) -> Result<Self> {
        let vni: Vni = "42".parse()?;
        let remotes = stations(size);
        Ok(Self {
            vtep: endpoint(vni, &remotes)?,
            vni,
            frames: (remotes.into_iter())
                .map(|dst| frames::split(&frames::udp(dst, A, SMALL)).1.to_vec())
                .collect(),
            next: 0,
        })
    }
}

impl Work for Encapsulating {
    fn run(&mut self) {
        for _ in 0..MAX_BATCH {
            let frame = black_box(&self.frames[self.next]);
            self.next = (self.next + 1) % self.frames.len();
            let Ok(head) = Head::parse(frame) else {
                continue;
            };
            black_box(self.vtep.route(self.vni, Origin::Local, head.dst, 1));
            if let Some(before) = self.vtep.encapsulate(self.vni, frame, &head) {
                black_box(before.pieces(frame));
            }
        }
    }
}

/// Datagrams that carry 64 bytes each, from a station behind the peer that sends them.
struct Decapsulating {
    vtep: Vtep,
    datagrams: Vec<(Vec<u8>, IpAddr)>,
    next: usize,
}

impl Decapsulating {
    fn new(size: usize) -> Result<Self> {
        let vni: Vni = "42".parse()?;
        let remotes = stations(size);
        let vtep = endpoint(vni, &remotes)?;
        let mut datagrams = Vec::new();
        for (src, peer) in remotes.into_iter().zip(PEERS.into_iter().cycle()) {
            let mut datagram = vxlan::Header { vni }.to_bytes().to_vec();
            datagram.extend(frames::split(&frames::udp(A, src, SMALL)).1);
            let inner = vtep.decapsulate(&datagram, peer, Ecn::NotEct, 1)?;
            ensure!(inner.learn == Learned::Known, "{src} is not known");
            datagrams.push((datagram, peer));
        }
        Ok(Self {
            vtep,
            datagrams,
            next: 0,
        })
    }
}

impl Work for Decapsulating {
    fn run(&mut self) {
        for _ in 0..MAX_BATCH {
            let (datagram, peer) = black_box(&self.datagrams[self.next]);
            self.next = (self.next + 1) % self.datagrams.len();
            let inner = self.vtep.decapsulate(datagram, *peer, Ecn::NotEct, 1);
            black_box(&inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use vxlan::Route;

    use super::*;

    #[test]
    fn every_frame_has_one_peer_to_go_to() {
        let mut work = Encapsulating::new(300).unwrap();
        for frame in &work.frames {
            let head = Head::parse(frame).unwrap();
            let route = work.vtep.route(work.vni, Origin::Local, head.dst, 1);
            assert!(matches!(route, Route::One(_)));
        }
        work.run();
        assert_eq!(work.next, MAX_BATCH);
    }

    #[test]
    fn every_datagram_is_accepted() {
        let mut work = Decapsulating::new(2).unwrap();
        work.run();
        assert_eq!((work.next, work.datagrams.len()), (0, 2));
        assert!(
            Decapsulating::new(10_000).is_err(),
            "a table that is full forgets some"
        );
    }
}
