//! One segment (one VNI) of a tunnel endpoint: how it is set up, who its peers are, where addresses are.

use core::net::IpAddr;
use core::num::NonZeroU32;

use hashbrown::{HashMap, HashSet};
use vswitch_wire::MacAddr;

use crate::error::ConfigError;
use crate::table::FairTable;
use crate::{Limits, OuterPolicy, Peer, Reserved};

/// What happens to VLAN tags of inner frames (RFC 7348 section 6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InnerVlan {
    /// A tagged frame that arrives is refused; one that leaves loses its tags. What the RFC asks for.
    #[default]
    Discard,
    /// Tags pass both ways.
    Keep,
}

/// How a segment works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentConfig {
    /// The underlay address of this host, which sets the family of peers and group; `0.0.0.0` or `::` where the
    /// kernel chooses it.
    pub local: IpAddr,
    /// Where frames for many go, instead of a copy to each peer.
    pub group: Option<IpAddr>,
    /// Whether addresses are learned from what arrives.
    pub learning: bool,
    /// VLAN tags of inner frames.
    pub inner_vlan: InnerVlan,
    /// Reserved bits of the VXLAN header.
    pub reserved: Reserved,
    /// How many seconds a learned address lives after it was last heard; for ever when `None`.
    pub ageing: Option<NonZeroU32>,
    /// The outer headers.
    pub outer: OuterPolicy,
}

impl SegmentConfig {
    /// Linux's ageing time, in seconds.
    pub const DEFAULT_AGEING: NonZeroU32 = NonZeroU32::MIN.saturating_add(299);

    /// Learning, no group, the RFC's rules, 300 seconds.
    #[must_use]
    pub fn new(local: IpAddr) -> Self {
        Self {
            local,
            group: None,
            learning: true,
            inner_vlan: InnerVlan::Discard,
            reserved: Reserved::Ignore,
            ageing: Some(Self::DEFAULT_AGEING),
            outer: OuterPolicy::default(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        match self.group {
            Some(group) if !group.is_multicast() => Err(ConfigError::NotMulticast(group)),
            Some(group) => same_family(group, self.local),
            None => Ok(()),
        }
    }

    fn check_peer(&self, peer: IpAddr) -> Result<(), ConfigError> {
        same_family(peer, self.local)?;
        let (is_one_host, link_local) = match peer {
            IpAddr::V4(ip) => (!ip.is_broadcast(), false),
            IpAddr::V6(ip) => (true, ip.is_unicast_link_local()),
        };
        if !is_one_host || peer.is_multicast() || peer.is_unspecified() {
            Err(ConfigError::NotUnicast(peer))
        } else if link_local {
            Err(ConfigError::LinkLocal(peer))
        } else if peer == self.local {
            Err(ConfigError::OwnAddress(peer))
        } else {
            Ok(())
        }
    }
}

fn same_family(addr: IpAddr, local: IpAddr) -> Result<(), ConfigError> {
    if addr.is_ipv4() == local.is_ipv4() {
        Ok(())
    } else {
        Err(ConfigError::WrongFamily { addr, local })
    }
}

/// Where an address of the segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remote {
    /// The address.
    pub mac: MacAddr,
    /// The peer that it is behind.
    pub peer: IpAddr,
    /// Seconds since it was heard; `None` for a static entry.
    pub age: Option<u32>,
}

/// What a segment counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SegmentCounters {
    /// Addresses that went from one peer to another.
    pub moves: u64,
    /// Addresses lost for want of room.
    pub evicted: u64,
}

/// One segment.
#[derive(Debug)]
pub struct Segment {
    pub(crate) config: SegmentConfig,
    peers: Vec<Peer>,
    by_addr: HashMap<IpAddr, usize>,
    pub(crate) remotes: FairTable<MacAddr, IpAddr, ()>,
    pub(crate) locals: HashSet<MacAddr>,
    pub(crate) moves: u64,
    max_peers: usize,
}

impl Segment {
    pub(crate) fn new(config: SegmentConfig, limits: &Limits) -> Self {
        Self {
            remotes: FairTable::new(limits.remotes, config.ageing),
            config,
            peers: Vec::new(),
            by_addr: HashMap::new(),
            locals: HashSet::new(),
            moves: 0,
            max_peers: limits.peers,
        }
    }

    /// How it works.
    #[must_use]
    pub const fn config(&self) -> &SegmentConfig {
        &self.config
    }

    /// The peers, in the order in which they were added.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The peer of this address.
    #[must_use]
    pub fn peer(&self, addr: IpAddr) -> Option<&Peer> {
        self.by_addr
            .get(&addr)
            .and_then(|&index| self.peers.get(index))
    }

    /// The addresses that are behind peers, in no order.
    pub fn remotes(&self, now: u32) -> impl Iterator<Item = Remote> {
        self.remotes.iter(now).map(move |(&mac, entry)| Remote {
            mac,
            peer: entry.owner,
            age: (!entry.is_pinned()).then(|| now.saturating_sub(entry.seen())),
        })
    }

    /// Where this address is.
    #[must_use]
    pub fn remote(&self, mac: MacAddr, now: u32) -> Option<&Peer> {
        let entry = self.remotes.get(&mac, now)?;
        self.peer(entry.owner)
    }

    /// What it counts.
    #[must_use]
    pub const fn counters(&self) -> SegmentCounters {
        SegmentCounters {
            moves: self.moves,
            evicted: self.remotes.evicted(),
        }
    }

    pub(crate) fn reconfigure(&mut self, config: SegmentConfig) -> Result<(), ConfigError> {
        config.check()?;
        for peer in &self.peers {
            config.check_peer(peer.addr())?;
        }
        self.remotes.set_ageing(config.ageing);
        if !config.learning {
            self.remotes.forget_learned();
        }
        self.config = config;
        Ok(())
    }

    pub(crate) fn add_peer(&mut self, addr: IpAddr) -> Result<(), ConfigError> {
        self.config.check_peer(addr)?;
        if self.by_addr.contains_key(&addr) {
            return Err(ConfigError::PeerExists(addr));
        }
        if self.peers.len() >= self.max_peers {
            return Err(ConfigError::TooManyPeers {
                limit: self.max_peers,
            });
        }
        self.by_addr.insert(addr, self.peers.len());
        self.peers.push(Peer::new(addr));
        Ok(())
    }

    /// How many addresses were forgotten with it.
    pub(crate) fn remove_peer(&mut self, addr: IpAddr) -> Result<usize, ConfigError> {
        let index = self
            .by_addr
            .remove(&addr)
            .ok_or(ConfigError::UnknownPeer(addr))?;
        self.peers.remove(index);
        for (place, peer) in self.peers.iter().enumerate().skip(index) {
            self.by_addr.insert(peer.addr(), place);
        }
        Ok(self.remotes.forget_owner(addr))
    }
}
