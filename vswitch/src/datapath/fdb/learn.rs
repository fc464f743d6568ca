//! The workers' half: lookup and learning.
//!
//! Lookup and the refresh of a station that stayed in place touch atomics only. What changes the
//! table goes through [`Fdb::relearn`], under the writer's lock, which a worker tries for a few
//! microseconds and never waits for.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, TryLockError};

use arc_swap::Guard;

use super::entry::{EntryKind, FdbKey, Value};
use super::table::Table;
use super::types::{Hit, Learned};
use super::writer::Writer;
use super::{Fdb, Tick};
use crate::port::PortId;

/// Attempts to get the writer's lock before a frame gives up on teaching: a few microseconds.
const LOCK_ATTEMPTS: usize = 64;

/// A reader's hold on the current table, for the length of one batch.
#[derive(Debug)]
pub struct FdbReader<'a> {
    fdb: &'a Fdb,
    table: Guard<Arc<Table>>,
}

impl FdbReader<'_> {
    /// Where the station is, unless unknown or past its age.
    #[must_use]
    #[inline]
    pub fn lookup(&self, key: FdbKey, now: Tick) -> Option<Hit> {
        let word = self.table.find(key)?.load(Ordering::Acquire);
        self.fdb.valid(word, now).map(|value| Hit {
            port: value.port,
            kind: value.kind,
        })
    }

    /// Notes that `key` was seen as a source on `port`. The caller has checked that it is the
    /// address of a station.
    #[inline]
    pub fn learn(&self, key: FdbKey, port: PortId, now: Tick) -> Learned {
        if let Some(cell) = self.table.find(key) {
            let word = cell.load(Ordering::Acquire);
            if let Some(value) = self.fdb.valid(word, now)
                && value.port == port
                && value.kind != EntryKind::Local
            {
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
                return Learned::Known;
            }
        }
        self.fdb.relearn(key, port, now)
    }
}

impl Fdb {
    /// Takes hold of the table for a batch.
    #[must_use]
    #[inline]
    pub fn reader(&self) -> FdbReader<'_> {
        FdbReader {
            fdb: self,
            table: self.table.load(),
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

    fn evict(&self, writer: &mut Writer) {
        let table = self.table.load();
        let victim = writer.victim(|port, key| {
            let value = self.pinned_value(&table, key)?;
            (value.port == port && value.kind == EntryKind::Learned).then_some(value.seen)
        });
        if let Some((_, key)) = victim {
            self.forget(writer, key);
            self.counters.evicted.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The slow half of learning: the station is new, or not where it was.
    #[cold]
    fn relearn(&self, key: FdbKey, port: PortId, now: Tick) -> Learned {
        let Some(mut writer) = self.try_lock() else {
            self.counters.skipped.fetch_add(1, Ordering::Relaxed);
            return Learned::Skipped;
        };
        let seen = now.secs();
        let former = {
            let table = self.table.load();
            table
                .find(key)
                .and_then(|cell| self.current(cell.load(Ordering::Relaxed)))
        };
        match former {
            Some(value) if value.kind != EntryKind::Learned && !self.expired(value, now) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return Learned::Refused;
            }
            Some(_) | None => {
                // Dead before the search for a victim, so that it is counted out only once.
                self.forget(&mut writer, key);
            }
        }
        while writer.learned >= self.max_entries.load(Ordering::Relaxed).max(1) {
            self.evict(&mut writer);
        }
        let generation = self.generation(port);
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
            self.pinned_value(&table, key)
                .is_some_and(|v| v.port == port)
        });
        match former {
            Some(value) if value.port != port && !self.expired(value, now) => {
                self.counters.moved.fetch_add(1, Ordering::Relaxed);
                Learned::Moved { from: value.port }
            }
            Some(_) | None => {
                self.counters.learned.fetch_add(1, Ordering::Relaxed);
                Learned::New
            }
        }
    }
}
