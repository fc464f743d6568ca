//! What the endpoint should know, in maps of plain values.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use vswitch_wire::{MacAddr, Vni};
use vxlan::{Lesson, Limits, NotLearned, SegmentConfig, Vtep};

#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) peer: IpAddr,
    seen: u32,
    pub(super) pinned: bool,
}

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) config: SegmentConfig,
    /// And when they were last heard.
    pub(super) peers: BTreeMap<IpAddr, Option<u32>>,
    pub(super) locals: BTreeSet<MacAddr>,
    /// Also those past their time, until they are swept.
    pub(super) remotes: BTreeMap<MacAddr, Known>,
    /// How many may have been lost for want of room, which the model does not decide.
    evictions: u64,
    counted: u64,
}

impl Segment {
    /// Whether there is no room for what is learned.
    fn is_full(&self, limit: usize) -> bool {
        self.remotes.values().filter(|known| known.pinned).count() >= limit
    }

    /// What is known of an address and not past its time.
    pub(super) fn live(&self, mac: MacAddr, now: u32) -> Option<Known> {
        let known = self.remotes.get(&mac).copied()?;
        self.is_live(&known, now).then_some(known)
    }

    fn is_live(&self, known: &Known, now: u32) -> bool {
        let ageing = self.config.ageing.map(u32::from);
        known.pinned || ageing.is_none_or(|ageing| now.saturating_sub(known.seen) < ageing)
    }
}

#[derive(Debug)]
pub(super) struct Model {
    pub(super) segments: BTreeMap<Vni, Segment>,
    limits: Limits,
}

impl Model {
    pub(super) const fn new(limits: Limits) -> Self {
        Self {
            segments: BTreeMap::new(),
            limits,
        }
    }

    pub(super) fn add_segment(&mut self, vni: Vni, config: SegmentConfig) {
        let segment = Segment {
            config,
            peers: BTreeMap::new(),
            locals: BTreeSet::new(),
            remotes: BTreeMap::new(),
            evictions: 0,
            counted: 0,
        };
        assert!(self.segments.insert(vni, segment).is_none());
    }

    pub(super) fn reconfigure(&mut self, vni: Vni, config: SegmentConfig) {
        let segment = self.segments.get_mut(&vni).unwrap();
        if !config.learning {
            segment.remotes.retain(|_, known| known.pinned);
        }
        segment.config = config;
    }

    pub(super) fn add_peer(&mut self, vni: Vni, peer: IpAddr) {
        let segment = self.segments.get_mut(&vni).unwrap();
        assert!(segment.peers.insert(peer, None).is_none());
    }

    pub(super) fn remove_peer(&mut self, vni: Vni, peer: IpAddr) {
        if let Some(segment) = self.segments.get_mut(&vni) {
            segment.peers.remove(&peer);
            segment.remotes.retain(|_, known| known.peer != peer);
        }
    }

    /// Whether there was no room; `None` when it may not be.
    pub(super) fn pin(&mut self, vni: Vni, mac: MacAddr, peer: IpAddr) -> Option<bool> {
        let limit = self.limits.remotes;
        let segment = self.segments.get_mut(&vni)?;
        let may =
            segment.peers.contains_key(&peer) && mac.is_unicast() && !segment.locals.contains(&mac);
        if !may {
            return None;
        }
        let pinned = segment.remotes.get(&mac).is_some_and(|known| known.pinned);
        if !pinned && segment.is_full(limit) {
            return Some(true);
        }
        let known = Known {
            peer,
            seen: 0,
            pinned: true,
        };
        segment.remotes.insert(mac, known);
        Some(false)
    }

    pub(super) fn sweep(&mut self, now: u32) {
        for segment in self.segments.values_mut() {
            let remotes = core::mem::take(&mut segment.remotes);
            segment.remotes = remotes
                .into_iter()
                .filter(|(_, known)| segment.is_live(known, now))
                .collect();
        }
    }

    pub(super) fn flush(&mut self, vni: Vni) {
        if let Some(segment) = self.segments.get_mut(&vni) {
            segment.remotes.retain(|_, known| known.pinned);
        }
    }

    /// A frame was accepted.
    pub(super) fn heard(&mut self, vni: Vni, mac: MacAddr, from: IpAddr, now: u32) {
        let segment = self.segments.get_mut(&vni).unwrap();
        let live = segment
            .live(mac, now)
            .is_some_and(|known| known.peer == from);
        if let Some(known) = segment.remotes.get_mut(&mac).filter(|_| live) {
            known.seen = known.seen.max(now);
        }
        let last = segment.peers.get_mut(&from).unwrap();
        // The very last second of all is not told from the one before.
        *last = (*last).max(Some(now.min(u32::MAX - 1)));
    }

    pub(super) fn learn(
        &mut self,
        vni: Vni,
        mac: MacAddr,
        peer: IpAddr,
        now: u32,
    ) -> Result<Lesson, NotLearned> {
        let limit = self.limits.remotes;
        let segment = self.segments.get_mut(&vni).ok_or(NotLearned::UnknownVni)?;
        if !segment.peers.contains_key(&peer) {
            return Err(NotLearned::UnlistedPeer);
        }
        if !segment.config.learning {
            return Err(NotLearned::Off);
        }
        if segment.locals.contains(&mac) {
            return Err(NotLearned::Local);
        }
        let live = segment.live(mac, now);
        let lesson = match live {
            Some(known) if known.peer == peer => Lesson::Known,
            Some(known) if known.pinned => return Err(NotLearned::Static),
            Some(known) => Lesson::Moved { from: known.peer },
            None => Lesson::New,
        };
        if live.is_none() && segment.is_full(limit) {
            return Err(NotLearned::Full);
        }
        let seen = match live {
            Some(known) if known.peer == peer => known.seen.max(now),
            Some(_) | None => now,
        };
        let pinned = live.is_some_and(|known| known.pinned);
        let known = Known { peer, seen, pinned };
        segment.remotes.insert(mac, known);
        Ok(lesson)
    }

    /// Both know the same; what was lost for want of room is taken out of the model.
    pub(super) fn compare(&mut self, vtep: &Vtep, now: u32) {
        assert_eq!(vtep.segments().count(), self.segments.len());
        assert!(self.segments.len() <= self.limits.segments);
        for (&vni, model) in &mut self.segments {
            let segment = vtep.segment(vni).unwrap();
            let peers = segment.peers().iter();
            let peers: BTreeMap<_, _> =
                peers.map(|peer| (peer.addr(), peer.last_heard())).collect();
            assert_eq!(peers, model.peers);
            assert!(peers.len() <= self.limits.peers);

            let real: BTreeMap<_, _> = segment
                .remotes(now)
                .map(|remote| (remote.mac, (remote.peer, remote.age)))
                .collect();
            assert!(real.len() <= self.limits.remotes);
            for (mac, &(peer, age)) in &real {
                let known = model.live(*mac, now).expect("nobody taught it");
                let expected = (!known.pinned).then(|| now.saturating_sub(known.seen));
                assert_eq!((peer, age), (known.peer, expected));
                assert!(!model.locals.contains(mac));
            }
            let counted = segment.counters().evicted;
            model.evictions += counted - model.counted;
            model.counted = counted;
            let live: Vec<_> = model.remotes.keys().copied().collect();
            let live = live
                .into_iter()
                .filter(|&mac| model.live(mac, now).is_some());
            for mac in live
                .filter(|mac| !real.contains_key(mac))
                .collect::<Vec<_>>()
            {
                assert!(!model.remotes[&mac].pinned, "a static entry was lost");
                model.evictions = model
                    .evictions
                    .checked_sub(1)
                    .expect("lost, and not evicted");
                model.remotes.remove(&mac);
            }
        }
    }
}
