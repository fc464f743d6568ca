//! A tunnel endpoint: one UDP port, many segments.
//!
//! [`Vtep`] knows peers and addresses and decides; it has no socket. Bytes, the sender's address and the second go in,
//! what is to be done comes out.
//!
//! - **Threads**: shared behind a reader-writer lock. What is done for every frame ([`Vtep::decapsulate`],
//!   [`Vtep::route`], [`Vtep::encapsulate`]) takes `&self` and writes nothing but atomics. A frame that teaches
//!   something says so ([`Learned::MustLearn`]); the caller then takes the lock for writing and calls [`Vtep::learn`],
//!   which looks again, as another thread may have been faster. How often a peer may make it do so is for the caller
//!   to bound.
//! - **Who may send**: a peer that is listed for the segment, nobody else; RFC 7348 itself has no such rule and no
//!   other protection (section 7). With a multicast group the peers are listed all the same.
//! - **Own addresses** are a set that the control plane fills when an endpoint is attached ([`Vtep::add_local`]), not
//!   a question to the switch's forwarding database: what that has learned may move to a peer, and a frame from there
//!   is how one finds out. An endpoint's address cannot be in two places; a frame that claims so is a loop or forged.
//! - **Split horizon**: what came from a peer goes to no peer (RFC 8365 section 5.3, RFC 4762 section 4.4).
//!   [`Vtep::route`] wants to know the [`Origin`], and a frame that was decapsulated has the one that leads nowhere.
//! - **IPv4-mapped IPv6 addresses**, which a dual-stack socket reports, are the IPv4 addresses that they carry.

mod receive;
mod send;

use core::net::IpAddr;

use hashbrown::HashMap;
use vswitch_wire::{MacAddr, Vni};

use crate::error::{ConfigError, NotLearned};
use crate::segment::{Segment, SegmentConfig};
use crate::table::{Inserted, Refused};
pub use receive::{Inner, Learned};
pub use send::{Encapsulation, Origin, Route};

/// How much one endpoint holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Segments.
    pub segments: usize,
    /// Peers of one segment.
    pub peers: usize,
    /// Addresses behind peers, of one segment.
    pub remotes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segments: 4096,
            peers: 256,
            remotes: 8192,
        }
    }
}

/// What [`Vtep::learn`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lesson {
    /// Nothing: another thread was faster.
    Known,
    /// The address was not known.
    New,
    /// It was behind another peer.
    Moved {
        /// That peer.
        from: IpAddr,
    },
}

/// A tunnel endpoint.
///
/// ```
/// use vswitch_wire::{Head, MacAddr, Vni};
/// use vxlan::{Ecn, Learned, Limits, Origin, Refusal, Route, SegmentConfig, Vtep};
/// let (here, there) = ("198.18.100.1".parse()?, "198.18.100.2".parse()?);
/// let blue: Vni = "42".parse()?;
/// let mut vtep = Vtep::new(Limits::default());
/// vtep.add_segment(blue, SegmentConfig::new(here))?;
/// vtep.add_peer(blue, there)?;
///
/// let mut frame = [0xff; 60]; // a broadcast from 02:00:00:00:00:02
/// frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 2]);
/// let datagram = [&[0x08, 0, 0, 0, 0, 0, 42, 0], &frame[..]].concat();
/// let inner = vtep.decapsulate(&datagram, there, Ecn::NotEct, 7)?;
/// assert_eq!((inner.frame, inner.learn), (&frame[..], Learned::MustLearn));
/// let (vni, mac) = (inner.vni, inner.head.src);
/// vtep.learn(vni, mac, there, 7)?;
///
/// let Route::One(peer) = vtep.route(blue, Origin::Local, mac, 8) else { panic!() };
/// assert_eq!(peer.addr(), there);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Vtep {
    segments: HashMap<Vni, Segment>,
    limits: Limits,
}

impl Vtep {
    /// Without segments: refuses everything.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            segments: HashMap::new(),
            limits,
        }
    }

    /// The segment of this VNI.
    #[must_use]
    pub fn segment(&self, vni: Vni) -> Option<&Segment> {
        self.segments.get(&vni)
    }

    /// All segments, in no order.
    pub fn segments(&self) -> impl Iterator<Item = (Vni, &Segment)> {
        self.segments.iter().map(|(&vni, segment)| (vni, segment))
    }

    /// Adds a segment without peers.
    ///
    /// # Errors
    /// The VNI is taken, there are too many, or the group does not fit.
    pub fn add_segment(&mut self, vni: Vni, config: SegmentConfig) -> Result<(), ConfigError> {
        config.check()?;
        if self.segments.contains_key(&vni) {
            return Err(ConfigError::SegmentExists(vni));
        }
        if self.segments.len() >= self.limits.segments {
            return Err(ConfigError::TooManySegments {
                limit: self.limits.segments,
            });
        }
        let segment = Segment::new(config, &self.limits);
        self.segments.insert(vni, segment);
        Ok(())
    }

    /// Removes a segment with all that it knows; false when there is none.
    pub fn remove_segment(&mut self, vni: Vni) -> bool {
        self.segments.remove(&vni).is_some()
    }

    /// Changes how a segment works; peers, and addresses where they stay valid, are kept.
    ///
    /// # Errors
    /// No such segment, or the new configuration does not fit the group or a peer.
    pub fn reconfigure(&mut self, vni: Vni, config: SegmentConfig) -> Result<(), ConfigError> {
        self.segment_mut(vni)?.reconfigure(config)
    }

    /// Lists a peer.
    ///
    /// # Errors
    /// No such segment, too many peers, or an address that is no peer's.
    pub fn add_peer(&mut self, vni: Vni, peer: IpAddr) -> Result<(), ConfigError> {
        self.segment_mut(vni)?.add_peer(peer.to_canonical())
    }

    /// Removes a peer and, at once, every address that is behind it. How many those were.
    ///
    /// # Errors
    /// No such segment, no such peer.
    pub fn remove_peer(&mut self, vni: Vni, peer: IpAddr) -> Result<usize, ConfigError> {
        self.segment_mut(vni)?.remove_peer(peer.to_canonical())
    }

    /// Says that an address is of this host: an endpoint was attached. What a peer taught about it is forgotten.
    ///
    /// # Errors
    /// No such segment, no station's address, or a static entry for it.
    pub fn add_local(&mut self, vni: Vni, mac: MacAddr) -> Result<(), ConfigError> {
        let segment = self.segment_mut(vni)?;
        if !mac.is_unicast() {
            return Err(ConfigError::NotAStation(mac));
        }
        if let Some(entry) = segment.remotes.get(&mac, 0)
            && entry.is_pinned()
        {
            let peer = entry.owner;
            return Err(ConfigError::StaticMac { mac, peer });
        }
        segment.remotes.remove(&mac);
        segment.locals.insert(mac);
        Ok(())
    }

    /// Takes [`Self::add_local`] back; false when it was not said.
    pub fn remove_local(&mut self, vni: Vni, mac: MacAddr) -> bool {
        self.segments
            .get_mut(&vni)
            .is_some_and(|segment| segment.locals.remove(&mac))
    }

    /// Says by hand that an address is behind a peer. It stays until it is removed, or the peer is.
    ///
    /// # Errors
    /// No such segment or peer, no station's address, one of this host, or no room.
    pub fn add_static(&mut self, vni: Vni, mac: MacAddr, peer: IpAddr) -> Result<(), ConfigError> {
        let segment = self.segment_mut(vni)?;
        let peer = peer.to_canonical();
        if segment.peer(peer).is_none() {
            return Err(ConfigError::UnknownPeer(peer));
        }
        if !mac.is_unicast() {
            return Err(ConfigError::NotAStation(mac));
        }
        if segment.locals.contains(&mac) {
            return Err(ConfigError::LocalMac(mac));
        }
        segment
            .remotes
            .pin(mac, peer, ())
            .map_err(|_| ConfigError::TableFull)
    }

    /// Forgets where an address is, learned or static; false when it was not known.
    pub fn remove_remote(&mut self, vni: Vni, mac: MacAddr) -> bool {
        self.segments
            .get_mut(&vni)
            .is_some_and(|segment| segment.remotes.remove(&mac))
    }

    /// Forgets all that was learned in a segment. How many addresses that were.
    pub fn flush(&mut self, vni: Vni) -> usize {
        self.segments
            .get_mut(&vni)
            .map_or(0, |segment| segment.remotes.forget_learned())
    }

    /// Forgets what is past its time, in all segments; to be called every few seconds. How many addresses that were.
    pub fn sweep(&mut self, now: u32) -> usize {
        self.segments
            .values_mut()
            .map(|segment| segment.remotes.sweep(now))
            .sum()
    }

    /// Learns that `mac` is behind `peer`, after [`Self::decapsulate`] said so.
    ///
    /// # Errors
    /// It may not be learned, or not any more.
    pub fn learn(
        &mut self,
        vni: Vni,
        mac: MacAddr,
        peer: IpAddr,
        now: u32,
    ) -> Result<Lesson, NotLearned> {
        let segment = self.segments.get_mut(&vni).ok_or(NotLearned::UnknownVni)?;
        let peer = peer.to_canonical();
        if segment.peer(peer).is_none() {
            return Err(NotLearned::UnlistedPeer);
        }
        if !segment.config.learning {
            return Err(NotLearned::Off);
        }
        if !mac.is_unicast() {
            return Err(NotLearned::NotAStation);
        }
        if segment.locals.contains(&mac) {
            return Err(NotLearned::Local);
        }
        if let Some(entry) = segment.remotes.get(&mac, now)
            && entry.owner == peer
        {
            entry.refresh(now);
            return Ok(Lesson::Known);
        }
        match segment.remotes.insert(mac, peer, (), now) {
            Ok(Inserted::New) => Ok(Lesson::New),
            Ok(Inserted::Replaced(from)) => {
                segment.moves += 1;
                Ok(Lesson::Moved { from })
            }
            Err(Refused::Pinned) => Err(NotLearned::Static),
            Err(Refused::Full) => Err(NotLearned::Full),
        }
    }

    fn segment_mut(&mut self, vni: Vni) -> Result<&mut Segment, ConfigError> {
        self.segments
            .get_mut(&vni)
            .ok_or(ConfigError::UnknownVni(vni))
    }
}

#[cfg(test)]
mod tests;
