//! A bounded table that ages and evicts fairly: for what is learned from frames that anybody can send.
//!
//! Every entry has an owner, the one that it was learned from (a peer, a port). When the table is full, the owner with
//! the most entries loses one of its own, the one it was learned longest ago from and not heard since; an entry that
//! was heard gets a second chance. So whoever floods addresses pushes out its own.
//!
//! - **Ageing is exact**: an entry past the ageing time is not found, whether [`FairTable::sweep`] has come by or not.
//! - **Pinned entries** are put in by hand: they never age, never move, are never evicted, but count.
//! - **Threads**: readers share it and write nothing but the second in which an entry was last heard, once a second.
//!
//! All of it is O(log n) but for [`FairTable::forget_owner`] and [`FairTable::sweep`], which look at every entry, and
//! for an insertion into a full table, which looks at every owner.

use core::hash::Hash;
use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, Ordering};
use std::collections::BTreeMap;

use hashbrown::HashMap;

/// How many entries that were heard may be passed over in one eviction.
const CHANCES: usize = 8;

/// How an entry came in.
#[derive(Debug)]
enum Hold {
    /// From a frame; `turn` is its place in the owner's queue, `looked` what `seen` was when it got it.
    Learned {
        turn: u64,
        looked: u32,
    },
    Pinned,
}

#[derive(Debug)]
pub(crate) struct Entry<O, V> {
    pub(crate) owner: O,
    pub(crate) value: V,
    seen: AtomicU32,
    hold: Hold,
}

impl<O, V> Entry<O, V> {
    pub(crate) const fn is_pinned(&self) -> bool {
        matches!(self.hold, Hold::Pinned)
    }

    /// The second in which it was last heard.
    pub(crate) fn seen(&self) -> u32 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Notes that it was heard; a write at most once a second.
    pub(crate) fn refresh(&self, now: u32) {
        if self.seen() < now {
            self.seen.store(now, Ordering::Relaxed);
        }
    }
}

/// What an insertion found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted<O> {
    /// Nothing, or an entry past its time.
    New,
    /// A live entry of this owner.
    Replaced(O),
}

/// Why an insertion was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is a pinned entry.
    Pinned,
    /// Full of pinned entries.
    Full,
}

#[derive(Debug)]
pub(crate) struct FairTable<K, O, V> {
    entries: HashMap<K, Entry<O, V>>,
    /// The learned keys of each owner by their turn. An owner without any is not in it.
    queues: BTreeMap<O, BTreeMap<u64, K>>,
    next_turn: u64,
    max: usize,
    ageing: Option<NonZeroU32>,
    evicted: u64,
}

impl<K: Copy + Eq + Hash, O: Copy + Ord, V> FairTable<K, O, V> {
    /// At most `max` entries; learned ones live `ageing` seconds after they were last heard, or for ever.
    pub(crate) fn new(max: usize, ageing: Option<NonZeroU32>) -> Self {
        Self {
            entries: HashMap::new(),
            queues: BTreeMap::new(),
            next_turn: 0,
            max,
            ageing,
            evicted: 0,
        }
    }

    pub(crate) fn set_ageing(&mut self, ageing: Option<NonZeroU32>) {
        self.ageing = ageing;
    }

    /// Entries, those past their time included until they are swept.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Entries lost for want of room.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn get(&self, key: &K, now: u32) -> Option<&Entry<O, V>> {
        self.entries
            .get(key)
            .filter(|entry| is_live(entry, self.ageing, now))
    }

    pub(crate) fn iter(&self, now: u32) -> impl Iterator<Item = (&K, &Entry<O, V>)> {
        self.entries
            .iter()
            .filter(move |(_, entry)| is_live(entry, self.ageing, now))
    }

    /// Learns an entry, or learns it anew; somebody else's goes over to `owner`.
    pub(crate) fn insert(
        &mut self,
        key: K,
        owner: O,
        value: V,
        now: u32,
    ) -> Result<Inserted<O>, Refused> {
        let mut found = Inserted::New;
        match self.entries.get(&key) {
            Some(entry) if entry.is_pinned() => return Err(Refused::Pinned),
            Some(entry) => {
                if is_live(entry, self.ageing, now) {
                    found = Inserted::Replaced(entry.owner);
                }
                self.remove(&key);
            }
            None => self.make_room(owner)?,
        }
        let hold = Hold::Learned {
            turn: self.enqueue(owner, key),
            looked: now,
        };
        let seen = AtomicU32::new(now);
        self.entries.insert(
            key,
            Entry {
                owner,
                value,
                seen,
                hold,
            },
        );
        Ok(found)
    }

    /// Puts an entry in by hand, in the place of any other.
    pub(crate) fn pin(&mut self, key: K, owner: O, value: V) -> Result<(), Refused> {
        if !self.remove(&key) {
            self.make_room(owner)?;
        }
        let entry = Entry {
            owner,
            value,
            seen: AtomicU32::new(0),
            hold: Hold::Pinned,
        };
        self.entries.insert(key, entry);
        Ok(())
    }

    /// Whether there was such an entry.
    pub(crate) fn remove(&mut self, key: &K) -> bool {
        let Some(entry) = self.entries.remove(key) else {
            return false;
        };
        if let Hold::Learned { turn, .. } = entry.hold {
            self.dequeue(entry.owner, turn);
        }
        true
    }

    /// Removes all that is an owner's, pinned entries too. How many there were.
    pub(crate) fn forget_owner(&mut self, owner: O) -> usize {
        let before = self.entries.len();
        self.queues.remove(&owner);
        self.entries.retain(|_, entry| entry.owner != owner);
        before - self.entries.len()
    }

    /// Removes all that was learned. How many there were.
    pub(crate) fn forget_learned(&mut self) -> usize {
        let before = self.entries.len();
        self.queues.clear();
        self.entries.retain(|_, entry| entry.is_pinned());
        before - self.entries.len()
    }

    /// Removes what is past its time. How many there were.
    pub(crate) fn sweep(&mut self, now: u32) -> usize {
        let old: Vec<K> = self
            .entries
            .iter()
            .filter(|(_, entry)| !is_live(entry, self.ageing, now))
            .map(|(key, _)| *key)
            .collect();
        for key in &old {
            self.remove(key);
        }
        old.len()
    }

    fn make_room(&mut self, owner: O) -> Result<(), Refused> {
        if self.entries.len() >= self.max && !self.evict(owner) {
            return Err(Refused::Full);
        }
        Ok(())
    }

    /// Takes one entry from the owner with the most; from `newcomer`, where it is among them.
    fn evict(&mut self, newcomer: O) -> bool {
        let most = self
            .queues
            .iter()
            .max_by_key(|&(&owner, queue)| (queue.len(), owner == newcomer));
        let Some((&victim, _)) = most else {
            return false;
        };
        for chance in 0..=CHANCES {
            let queue = self.queues.get_mut(&victim);
            let Some((_, key)) = queue.and_then(BTreeMap::pop_first) else {
                return false;
            };
            let heard = self.entries.get(&key).is_some_and(
                |entry| matches!(entry.hold, Hold::Learned { looked, .. } if entry.seen() > looked),
            );
            if !heard || chance == CHANCES {
                self.entries.remove(&key);
                break;
            }
            let turn = self.enqueue(victim, key);
            if let Some(entry) = self.entries.get_mut(&key) {
                let looked = entry.seen();
                entry.hold = Hold::Learned { turn, looked };
            }
        }
        if self.queues.get(&victim).is_some_and(BTreeMap::is_empty) {
            self.queues.remove(&victim);
        }
        self.evicted += 1;
        true
    }

    fn enqueue(&mut self, owner: O, key: K) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.queues.entry(owner).or_default().insert(turn, key);
        turn
    }

    fn dequeue(&mut self, owner: O, turn: u64) {
        if let Some(queue) = self.queues.get_mut(&owner) {
            queue.remove(&turn);
            if queue.is_empty() {
                self.queues.remove(&owner);
            }
        }
    }
}

fn is_live<O, V>(entry: &Entry<O, V>, ageing: Option<NonZeroU32>, now: u32) -> bool {
    entry.is_pinned() || ageing.is_none_or(|ageing| now.saturating_sub(entry.seen()) < ageing.get())
}

#[cfg(test)]
mod tests;
