//! The lock-free half of the forwarding database: an open-addressed array of entry words.
//!
//! Readers and one writer at a time share it. A slot belongs to one key for the life of the
//! table: the writer fills an empty slot (value first, then key) and later changes only the value,
//! down to zero when the entry dies. So a reader that found a key can never read another key's
//! value, and needs no retry. Slots of dead entries are reclaimed by building a new table and
//! swapping it in, which the owner does long before probing gets slow.
//!
//! The hash multiplies by a random odd number and keeps the top bits, so that nobody outside can
//! choose addresses that collide.

use std::sync::atomic::{AtomicU64, Ordering};

use super::entry::FdbKey;
use crate::sys::{prefer_huge_pages, prefetch};

#[derive(Debug, Default)]
#[repr(align(16))]
struct Slot {
    key: AtomicU64,
    value: AtomicU64,
}

/// A fixed number of slots, a power of two.
#[derive(Debug)]
pub(super) struct Table {
    slots: Box<[Slot]>,
    multiplier: u64,
    shift: u32,
}

/// Slots of the smallest table.
const MIN_SLOTS: usize = 64;

/// Bytes that a core's own caches surely hold, beside the frames of a batch.
const NEAR: usize = 256 * 1024;

impl Table {
    /// A table in which `entries` fill at most half of the slots.
    pub(super) fn for_entries(entries: usize, seed: u64) -> Self {
        let count = entries.saturating_mul(2).max(MIN_SLOTS).next_power_of_two();
        let mut slots = Vec::with_capacity(count);
        prefer_huge_pages(slots.spare_capacity_mut());
        slots.resize_with(count, Slot::default);
        Self {
            slots: slots.into_boxed_slice(),
            multiplier: seed | 1,
            shift: u64::BITS - count.trailing_zeros(),
        }
    }

    /// How many slots may be in use before the table must be rebuilt: three quarters.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len() / 4 * 3
    }

    #[inline]
    fn home(&self, key: FdbKey) -> usize {
        // The shift leaves as many bits as the table has index bits, so the cast keeps them all.
        #[expect(clippy::cast_possible_truncation, reason = "see above")]
        let home = (key.word().wrapping_mul(self.multiplier) >> self.shift) as usize;
        home
    }

    /// Slots from the key's home on, round the table.
    #[inline]
    fn probe(&self, key: FdbKey) -> impl Iterator<Item = &Slot> {
        let home = self.home(key);
        let last = self.slots.len() - 1; // all ones, since their number is a power of two
        (0..self.slots.len()).map_while(move |step| self.slots.get((home + step) & last))
    }

    /// Whether it is larger than a core's own caches are.
    #[inline]
    pub(super) fn is_far(&self) -> bool {
        size_of_val(&*self.slots) > NEAR
    }

    /// Asks memory for the place of `key`, and waits for no answer.
    #[inline]
    pub(super) fn call(&self, key: FdbKey) {
        if let Some(slot) = self.slots.get(self.home(key)) {
            prefetch(slot);
        }
    }

    /// The value cell of `key`, dead or alive.
    #[inline]
    pub(super) fn find(&self, key: FdbKey) -> Option<&AtomicU64> {
        for slot in self.probe(key) {
            let found = slot.key.load(Ordering::Acquire);
            // First, so that the all-zero address, which is no station, finds nothing.
            if found == 0 {
                return None;
            }
            if found == key.word() {
                return Some(&slot.value);
            }
        }
        None
    }

    /// Takes an empty slot for `key`. The caller holds the writer's lock, has found the key
    /// absent, and keeps the number of used slots below [`Self::capacity`].
    pub(super) fn insert(&self, key: FdbKey, value: u64) {
        let empty = self
            .probe(key)
            .find(|slot| slot.key.load(Ordering::Relaxed) == 0);
        debug_assert!(
            empty.is_some(),
            "the writer rebuilds a table before it is full"
        );
        if let Some(slot) = empty {
            slot.value.store(value, Ordering::Relaxed);
            slot.key.store(key.word(), Ordering::Release);
        }
    }

    /// Every used slot: key and value word, dead ones included.
    pub(super) fn iter(&self) -> impl Iterator<Item = (FdbKey, u64)> {
        self.slots.iter().filter_map(|slot| {
            let key = slot.key.load(Ordering::Acquire);
            (key != 0).then(|| (FdbKey::from_word(key), slot.value.load(Ordering::Acquire)))
        })
    }
}
