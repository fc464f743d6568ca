//! The forwarding database of one network: which port leads to which station.
//!
//! It is the only mutable table that the workers share. A few complications:
//!
//! - **Readers take no lock.** Lookup, and the refresh of a station that stays where it is, touch
//!   only the [`table`]'s atomics. A station that is new or has moved takes the writer's lock; a
//!   worker only *tries* it, because workers never wait: if another holds it, this frame teaches
//!   nothing and the next one will.
//! - **Refresh writes at most once a second** per station, so busy stations do not bounce cache
//!   lines between cores.
//! - **Ageing is exact**: an entry past the ageing time (802.1Q 8.8.3) is no longer found, whether
//!   or not the sweep has removed it yet.
//! - **Flushing a port** counts its generation up. The 12-bit generation would come round after
//!   4096 flushes, so the table is rebuilt, without the dead entries, long before that.
//! - **The table is bounded**, and eviction is fair between ports: see [`writer`].
//! - Only learned entries count towards the bound; those put in by hand have an equal one of
//!   their own.

mod entry;
mod learn;
mod table;
mod types;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use vswitch_wire::{MacAddr, VlanId};

pub use entry::{EntryKind, EntryKindParseError, FdbKey};
use entry::{Generation, Value};
pub use learn::FdbReader;
use table::Table;
pub use types::{FdbEntry, FdbError, FdbStats, Flush, Hit, Learned};
use writer::Writer;

use super::Tick;
use crate::port::{MAX_PORTS, PortId};

/// Flushes by generation after which the table is rebuilt; a quarter of the generations.
const FLUSHES_BEFORE_REBUILD: u16 = Generation::MASK / 4;

#[derive(Debug, Default)]
struct Counters {
    learned: AtomicU64,
    added: AtomicU64,
    moved: AtomicU64,
    evicted: AtomicU64,
    expired: AtomicU64,
    removed: AtomicU64,
    refused: AtomicU64,
    skipped: AtomicU64,
}

/// The forwarding database of one network. See the module's essay.
#[derive(Debug)]
pub struct Fdb {
    table: ArcSwap<Table>,
    writer: Mutex<Writer>,
    generations: Box<[AtomicU16]>,
    ageing_secs: AtomicU32,
    max_entries: AtomicUsize,
    seed: u64,
    counters: Counters,
}

impl Fdb {
    /// An empty table. `seed` should be random: it keeps others from choosing addresses that
    /// collide.
    #[must_use]
    pub fn new(ageing_secs: u32, max_entries: usize, seed: u64) -> Self {
        Self {
            table: ArcSwap::from_pointee(Table::for_entries(0, seed)),
            writer: Mutex::default(),
            generations: (0..MAX_PORTS).map(|_| AtomicU16::new(0)).collect(),
            ageing_secs: AtomicU32::new(ageing_secs),
            max_entries: AtomicUsize::new(max_entries),
            seed,
            counters: Counters::default(),
        }
    }

    /// Changes the ageing time and the bound. Learned entries beyond the new bound are evicted
    /// here and not as the table learns, where a worker would have to do it all for one frame;
    /// those put in by hand stay.
    pub fn configure(&self, ageing_secs: u32, max_entries: usize) {
        self.ageing_secs.store(ageing_secs, Ordering::Relaxed);
        let mut writer = self.lock();
        self.max_entries.store(max_entries, Ordering::Relaxed);
        while writer.learned > max_entries.max(1) && self.evict(&mut writer, None) {}
    }

    /// Puts an entry in by hand, in place of any other for the same station.
    ///
    /// # Errors
    /// See [`FdbError`].
    pub fn add(
        &self,
        mac: MacAddr,
        vlan: Option<VlanId>,
        port: PortId,
        kind: EntryKind,
        now: Tick,
    ) -> Result<(), FdbError> {
        if !mac.is_unicast() {
            return Err(FdbError::NotUnicast(mac));
        }
        if kind == EntryKind::Learned {
            return Err(FdbError::NotByHand);
        }
        let key = FdbKey::new(mac, vlan);
        let mut writer = self.lock();
        let bound = self.max_entries.load(Ordering::Relaxed);
        if writer.pinned.len() >= bound && !writer.pinned.contains(&key) {
            return Err(FdbError::Full(writer.pinned.len()));
        }
        // Not forgotten first: a lookup in between would find nothing, and flood.
        if let Some(former) = self.find_current(key) {
            self.note_gone(&mut writer, key, former);
            count(&self.counters.removed, 1);
        }
        writer.pinned.insert(key);
        count(&self.counters.added, 1);
        let generation = self.generation(port);
        self.store(
            &mut writer,
            key,
            Value {
                port,
                generation,
                kind,
                seen: now.secs(),
            },
        );
        Ok(())
    }

    /// Removes the entry of a station, however it came to be; tells whether there was one.
    pub fn remove(&self, mac: MacAddr, vlan: Option<VlanId>) -> bool {
        let mut writer = self.lock();
        let gone = self.forget(&mut writer, FdbKey::new(mac, vlan));
        count(&self.counters.removed, usize::from(gone));
        gone
    }

    /// Removes the entries that `filter` selects; returns how many.
    pub fn flush(&self, filter: &Flush) -> usize {
        let mut writer = self.lock();
        if let Flush {
            port: Some(port),
            mac: None,
            vlan: None,
            kind: None | Some(EntryKind::Learned),
        } = *filter
        {
            return self.flush_generation(&mut writer, port);
        }
        let kind = filter.kind.unwrap_or(EntryKind::Learned);
        let gone = self
            .forget_all(&mut writer, |key, value| {
                value.kind == kind
                    && filter.port.is_none_or(|port| leads_to(value, port))
                    && filter.mac.is_none_or(|mac| mac == key.mac())
                    && filter.vlan.is_none_or(|vlan| key.vlan() == Some(vlan))
            })
            .len();
        count(&self.counters.removed, gone);
        gone
    }

    /// Removes every entry of a port that is going away, those put in by hand too. The switch's
    /// own addresses are at no port and stay.
    pub fn forget_port(&self, port: PortId) {
        let mut writer = self.lock();
        self.flush_generation(&mut writer, port);
        let table = self.table.load();
        let theirs: Vec<_> = (writer.pinned.iter().copied())
            .filter(|key| {
                self.current_in(&table, *key)
                    .is_some_and(|value| leads_to(value, port))
            })
            .collect();
        for key in &theirs {
            self.forget(&mut writer, *key);
        }
        count(&self.counters.removed, theirs.len());
    }

    /// Removes what is past its age; returns the stations removed and their ports.
    pub fn sweep(&self, now: Tick) -> Vec<(MacAddr, PortId)> {
        let mut writer = self.lock();
        let gone = self.forget_all(&mut writer, |_, value| self.expired(value, now));
        count(&self.counters.expired, gone.len());
        gone.into_iter()
            .map(|(key, value)| (key.mac(), value.port))
            .collect()
    }

    /// Every entry that a lookup would find now, in no order.
    #[must_use]
    pub fn entries(&self, now: Tick) -> Vec<FdbEntry> {
        let table = self.table.load();
        (table.iter())
            .filter_map(|(key, word)| Some((key, self.valid(word, now)?)))
            .map(|(key, value)| FdbEntry {
                mac: key.mac(),
                vlan: key.vlan(),
                port: (value.kind != EntryKind::Local).then_some(value.port),
                kind: value.kind,
                age: Duration::from_secs(now.secs().saturating_sub(value.seen).into()),
            })
            .collect()
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> FdbStats {
        let (entries, pinned) = {
            let writer = self.lock();
            (writer.learned, writer.pinned.len())
        };
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        FdbStats {
            entries,
            pinned,
            learned: read(&self.counters.learned),
            added: read(&self.counters.added),
            moved: read(&self.counters.moved),
            evicted: read(&self.counters.evicted),
            expired: read(&self.counters.expired),
            removed: read(&self.counters.removed),
            refused: read(&self.counters.refused),
            skipped: read(&self.counters.skipped),
        }
    }

    /// A panic while the lock was held leaves counts off by one at worst; the table stays sound.
    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(&self, port: PortId) -> Generation {
        Generation(
            self.generations
                .get(port.index())
                .map_or(0, |cell| cell.load(Ordering::Relaxed)),
        )
    }

    fn expired(&self, value: Value, now: Tick) -> bool {
        value.kind.ages()
            && now.secs().saturating_sub(value.seen) >= self.ageing_secs.load(Ordering::Relaxed)
    }

    /// The value of an entry that lives, is of its port's current generation, and not past its age.
    fn valid(&self, word: u64, now: Tick) -> Option<Value> {
        self.current(word)
            .filter(|value| !self.expired(*value, now))
    }

    /// As [`Self::valid`], whatever its age.
    fn current(&self, word: u64) -> Option<Value> {
        Value::unpack(word).filter(|value| {
            value.kind != EntryKind::Learned || value.generation == self.generation(value.port)
        })
    }

    /// The entry of `key`, whatever its age.
    fn current_in(&self, table: &Table, key: FdbKey) -> Option<Value> {
        table
            .find(key)
            .and_then(|cell| self.current(cell.load(Ordering::Relaxed)))
    }

    /// As [`Self::current_in`], in the current table.
    fn find_current(&self, key: FdbKey) -> Option<Value> {
        self.current_in(&self.table.load(), key)
    }

    fn flush_generation(&self, writer: &mut Writer, port: PortId) -> usize {
        if let Some(cell) = self.generations.get(port.index()) {
            let next = cell.load(Ordering::Relaxed).wrapping_add(1) & Generation::MASK;
            cell.store(next, Ordering::Relaxed);
        }
        let gone = writer.remove_port(port);
        count(&self.counters.removed, gone);
        writer.flushes += 1;
        if writer.flushes >= FLUSHES_BEFORE_REBUILD {
            self.rebuild(writer);
        }
        gone
    }

    /// Kills the entry of `key`; tells whether it was alive.
    fn forget(&self, writer: &mut Writer, key: FdbKey) -> bool {
        let table = self.table.load();
        let Some(cell) = table.find(key) else {
            return false;
        };
        let Some(value) = self.current(cell.load(Ordering::Relaxed)) else {
            return false;
        };
        cell.store(0, Ordering::Release);
        self.note_gone(writer, key, value);
        true
    }

    fn note_gone(&self, writer: &mut Writer, key: FdbKey, value: Value) {
        if value.kind == EntryKind::Learned {
            writer.remove(value.port);
        } else {
            writer.pinned.remove(&key);
        }
    }

    fn forget_all(
        &self,
        writer: &mut Writer,
        doomed: impl Fn(FdbKey, Value) -> bool,
    ) -> Vec<(FdbKey, Value)> {
        let table = self.table.load();
        let gone: Vec<_> = (table.iter())
            .filter_map(|(key, word)| Some((key, self.current(word)?)))
            .filter(|(key, value)| doomed(*key, *value))
            .collect();
        for (key, _) in &gone {
            self.forget(writer, *key);
        }
        gone
    }

    /// Writes a value, into the key's slot or a new one.
    fn store(&self, writer: &mut Writer, key: FdbKey, value: Value) {
        let table = self.table.load();
        if let Some(cell) = table.find(key) {
            cell.store(value.pack(), Ordering::Release);
        } else if writer.used < table.capacity() {
            table.insert(key, value.pack());
            writer.used += 1;
        } else {
            let table = self.rebuild(writer);
            table.insert(key, value.pack());
            writer.used += 1;
        }
    }

    /// A new table with the live entries only, twice as large where they fill half of the old one.
    fn rebuild(&self, writer: &mut Writer) -> Arc<Table> {
        let old = self.table.load();
        let live = writer.learned + writer.pinned.len();
        let new = Arc::new(Table::for_entries(live.saturating_mul(2), self.seed));
        writer.used = 0;
        writer.flushes = 0;
        for (key, word) in old.iter() {
            if self.current(word).is_some() {
                new.insert(key, word);
                writer.used += 1;
            }
        }
        self.table.store(Arc::clone(&new));
        new
    }
}

fn count(counter: &AtomicU64, more: usize) {
    counter.fetch_add(more as u64, Ordering::Relaxed);
}

/// Whether an entry leads to `port`. The switch's own addresses lead to none, whatever is stored.
fn leads_to(value: Value, port: PortId) -> bool {
    value.port == port && value.kind != EntryKind::Local
}
