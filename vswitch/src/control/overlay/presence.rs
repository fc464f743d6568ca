//! Which peers are there: heard within the network's ageing time.

use std::{collections::BTreeSet, net::IpAddr};

use crate::{datapath::Ageing, port::vxlan::PeerStats};

/// What was noticed about a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// It was heard for the first time, or again after it was lost.
    Heard(IpAddr),
    /// It was silent for longer than the ageing time.
    Lost {
        /// The peer.
        peer: IpAddr,
        /// Seconds since it was heard.
        silent: u32,
    },
}

/// Compares `heard`, the peers that were there, with what is known now, and brings it up to date.
pub fn notice(heard: &mut BTreeSet<IpAddr>, peers: &[PeerStats], ageing: Ageing) -> Vec<Presence> {
    let look = |peer: &PeerStats| {
        let (peer, silent) = (peer.addr, peer.heard?);
        if silent < ageing.secs() {
            heard.insert(peer).then_some(Presence::Heard(peer))
        } else {
            (heard.remove(&peer)).then_some(Presence::Lost { peer, silent })
        }
    };
    peers.iter().filter_map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_comes_once_goes_once_and_comes_again() {
        let peer: IpAddr = "198.18.100.2".parse().unwrap();
        let at = |silent| PeerStats {
            addr: peer,
            rx: vxlan::Traffic::default(),
            tx: vxlan::Traffic::default(),
            heard: silent,
            path_mtu: None,
        };
        let mut heard = BTreeSet::new();
        for (silent, expected) in [
            (None, None),
            (Some(0), Some(Presence::Heard(peer))),
            (Some(9), None),
            (Some(12), Some(Presence::Lost { peer, silent: 12 })),
            (Some(13), None),
            (Some(1), Some(Presence::Heard(peer))),
        ] {
            let noticed = notice(&mut heard, &[at(silent)], Ageing::from_secs(10).unwrap());
            assert_eq!(noticed, Vec::from_iter(expected), "{silent:?}");
        }
    }
}
