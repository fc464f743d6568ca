//! The workers' half: lookup and learning.
//!
//! Lookup and the refresh of a station that stayed in place touch atomics only. What changes the
//! table goes through [`Fdb::relearn`], under the writer's lock, which a worker tries for a few
//! microseconds and never waits for.
//!
//! A reader keeps the table that it began with, so a rebuild by another thread shows only in the
//! next batch: until then the reader may miss entries, which floods, or follow one that has moved
//! since. What it changes itself it sees at once.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, TryLockError};

use arc_swap::Guard;

use super::entry::{EntryKind, FdbKey, Value};
use super::table::Table;
use super::types::{Hit, Learned};
use super::writer::Writer;
use super::{Fdb, Tick, count};
use crate::port::PortId;

/// Attempts to get the writer's lock before a frame gives up on teaching: a few microseconds.
const LOCK_ATTEMPTS: usize = 64;

/// A reader's hold on the current table, for the length of one batch.
#[derive(Debug)]
pub struct FdbReader<'a> {
    fdb: &'a Fdb,
    table: RefCell<Guard<Arc<Table>>>,
}

impl FdbReader<'_> {
    /// Brings what the keys of a batch will ask for into the core's caches, where the table is too large to be there. A
    /// lookup that misses them waits for memory, and the code around it keeps the core from beginning the next one;
    /// here nothing is between them, so that memory answers many at once.
    #[inline]
    pub fn expect(&self, keys: impl Iterator<Item = FdbKey>) {
        let table = self.table.borrow();
        if table.is_far() {
            keys.for_each(|key| table.call(key));
        }
    }

    /// Where the station is, unless unknown or past its age.
    #[must_use]
    #[inline]
    pub fn lookup(&self, key: FdbKey, now: Tick) -> Option<Hit> {
        let word = self.table.borrow().find(key)?.load(Ordering::Acquire);
        self.fdb.valid(word, now).map(|value| Hit {
            port: value.port,
            kind: value.kind,
        })
    }

    /// Notes that `key` was seen as a source on `port`. The caller has checked that it is the
    /// address of a station.
    #[inline]
    pub fn learn(&self, key: FdbKey, port: PortId, now: Tick) -> Learned {
        let known = self
            .table
            .borrow()
            .find(key)
            .is_some_and(|cell| self.fdb.refresh(cell, port, now));
        if known {
            return Learned::Known;
        }
        let learned = self.fdb.relearn(key, port, now);
        // That may have built a new table.
        *self.table.borrow_mut() = self.fdb.table.load();
        learned
    }
}

impl Fdb {
    /// Takes hold of the table for a batch.
    #[must_use]
    #[inline]
    pub fn reader(&self) -> FdbReader<'_> {
        FdbReader {
            fdb: self,
            table: RefCell::new(self.table.load()),
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Writer>> {
        for _ in 0..LOCK_ATTEMPTS {
            match self.writer.try_lock() {
                Ok(writer) => return Some(writer),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
        }
        None
    }

    /// Notes that the station of this cell was seen on `port` now; tells whether it was there
    /// already, so that no more is to be done.
    #[inline]
    fn refresh(&self, cell: &AtomicU64, port: PortId, now: Tick) -> bool {
        let word = cell.load(Ordering::Acquire);
        let Some(value) = self.valid(word, now) else {
            return false;
        };
        if value.port != port || value.kind == EntryKind::Local {
            return false;
        }
        let seen = now.secs();
        if seen > value.seen && value.kind.ages() {
            // A failure means that another thread changed the entry: its word stands.
            let _unchanged = cell.compare_exchange(
                word,
                Value { seen, ..value }.pack(),
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
        true
    }

    /// Evicts one learned entry, where there is a choice one of `learner`; tells whether there
    /// was any.
    pub(super) fn evict(&self, writer: &mut Writer, learner: Option<PortId>) -> bool {
        let table = self.table.load();
        let victim = writer.victim(learner, |port, key| {
            let value = self.current_in(&table, key)?;
            (value.port == port && value.kind == EntryKind::Learned).then_some(value.seen)
        });
        let evicted = victim.is_some_and(|key| self.forget(writer, key));
        count(&self.counters.evicted, usize::from(evicted));
        evicted
    }

    /// The slow half of learning: the station is new, or not where it was.
    #[cold]
    fn relearn(&self, key: FdbKey, port: PortId, now: Tick) -> Learned {
        let Some(mut writer) = self.try_lock() else {
            count(&self.counters.skipped, 1);
            return Learned::Skipped;
        };
        let table = self.table.load();
        // A reader with an older table does not know what this one does.
        if (table.find(key)).is_some_and(|cell| self.refresh(cell, port, now)) {
            return Learned::Known;
        }
        let former = self.current_in(&table, key);
        let outcome = match former {
            Some(value) if self.expired(value, now) => {
                count(&self.counters.expired, 1);
                Learned::New
            }
            Some(value) if value.kind == EntryKind::Learned => {
                count(&self.counters.moved, 1);
                Learned::Moved { from: value.port }
            }
            Some(_) => {
                count(&self.counters.refused, 1);
                return Learned::Refused;
            }
            None => Learned::New,
        };
        count(&self.counters.learned, usize::from(outcome == Learned::New));
        if let Some(value) = former {
            // Its word stays until the new one replaces it: a lookup in between must not miss.
            self.note_gone(&mut writer, key, value);
        }
        // Never with a learned former entry, which has just made room, so it cannot be the victim.
        while writer.learned >= self.max_entries.load(Ordering::Relaxed).max(1)
            && self.evict(&mut writer, Some(port))
        {}
        let (seen, generation) = (now.secs(), self.generation(port));
        self.store(
            &mut writer,
            key,
            Value {
                port,
                generation,
                kind: EntryKind::Learned,
                seen,
            },
        );
        writer.add(port, key, seen);
        let table = self.table.load();
        writer.compact(port, |key| {
            (self.current_in(&table, key)).is_some_and(|value| value.port == port)
        });
        outcome
    }
}
