//! The writer's half: who owns how many entries, and which must go when the table is full.
//!
//! Eviction is fair between ports (as in Open vSwitch's `mac-learning`): the port that holds the
//! most entries loses its least recently seen one, so a port that floods source addresses only
//! pushes out its own. Each port keeps its learned keys in the order of learning; an entry seen
//! again since then gets a second chance at the back of the queue.
//!
//! Entries put in by hand (sticky, static, local) are held in a set of their own: they are few,
//! never evicted, and survive a rebuild whatever their port's generation.

use std::collections::VecDeque;

use hashbrown::{HashMap, HashSet};

use super::entry::FdbKey;
use crate::port::PortId;

/// A learned key and the second in which it was last looked at.
#[derive(Clone, Copy, Debug)]
struct Queued {
    key: FdbKey,
    seen: u32,
}

#[derive(Debug, Default)]
struct PortEntries {
    live: usize,
    queue: VecDeque<Queued>,
}

/// State that only the holder of the writer's lock touches.
#[derive(Debug, Default)]
pub(super) struct Writer {
    by_port: HashMap<PortId, PortEntries>,
    /// Keys put in by hand.
    pub(super) pinned: HashSet<FdbKey>,
    /// Learned entries alive, all ports together.
    pub(super) learned: usize,
    /// Slots of the current table that hold a key, dead or alive.
    pub(super) used: usize,
    /// Ports flushed by generation since the last rebuild.
    pub(super) flushes: u16,
}

impl Writer {
    /// Notes a newly learned entry of `port`.
    pub(super) fn add(&mut self, port: PortId, key: FdbKey, seen: u32) {
        let entries = self.by_port.entry(port).or_default();
        entries.live += 1;
        entries.queue.push_back(Queued { key, seen });
        self.learned += 1;
    }

    /// Notes that a learned entry of `port` is gone: aged, flushed, evicted or moved. Its place in
    /// the queue goes stale and is skipped or compacted later.
    pub(super) fn remove(&mut self, port: PortId) {
        if let Some(entries) = self.by_port.get_mut(&port) {
            entries.live = entries.live.saturating_sub(1);
            self.learned = self.learned.saturating_sub(1);
            if entries.live == 0 {
                self.by_port.remove(&port);
            }
        }
    }

    /// Forgets all learned entries of `port`; returns how many there were.
    pub(super) fn remove_port(&mut self, port: PortId) -> usize {
        let gone = self.by_port.remove(&port).map_or(0, |entries| entries.live);
        self.learned = self.learned.saturating_sub(gone);
        gone
    }

    /// The key to evict: the least recently seen of the port with the most entries; among equals
    /// that of `learner`, which wants the room. `seen` tells when a key was last seen as a learned
    /// entry of that port, or nothing when its place in the queue is stale.
    pub(super) fn victim(
        &mut self,
        learner: Option<PortId>,
        seen: impl Fn(PortId, FdbKey) -> Option<u32>,
    ) -> Option<FdbKey> {
        let (&port, entries) = self
            .by_port
            .iter_mut()
            .max_by_key(|(port, entries)| (entries.live, Some(**port) == learner, **port))?;
        // Each entry gets one second chance at most, or a busy table would be searched for ever.
        for _ in 0..entries.queue.len() {
            let queued = entries.queue.pop_front()?;
            match seen(port, queued.key) {
                Some(now) if now > queued.seen => {
                    entries.queue.push_back(Queued {
                        key: queued.key,
                        seen: now,
                    });
                }
                Some(_) => return Some(queued.key),
                None => {}
            }
        }
        // All had been seen since: the first in line goes.
        entries.queue.pop_front().map(|queued| queued.key)
    }

    /// Drops stale places once they outnumber the live ones, so that flapping stations cannot
    /// grow a queue without bound. `valid` as in [`Self::victim`].
    pub(super) fn compact(&mut self, port: PortId, valid: impl Fn(FdbKey) -> bool) {
        if let Some(entries) = self.by_port.get_mut(&port)
            && entries.queue.len() > 2 * entries.live + 64
        {
            let mut kept = HashSet::with_capacity(entries.live);
            entries
                .queue
                .retain(|queued| valid(queued.key) && kept.insert(queued.key));
        }
    }
}

/// What only the tests look at.
#[cfg(test)]
impl Writer {
    /// Learned entries by port.
    pub(super) fn lives(&self) -> std::collections::BTreeMap<PortId, usize> {
        (self.by_port.iter())
            .map(|(port, entries)| (*port, entries.live))
            .collect()
    }

    /// The places in a port's queue, stale ones included.
    pub(super) fn places(&self, port: PortId) -> Vec<FdbKey> {
        (self.by_port.get(&port))
            .map(|entries| entries.queue.iter().map(|queued| queued.key).collect())
            .unwrap_or_default()
    }
}
