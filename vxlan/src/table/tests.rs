use std::collections::BTreeMap;

use super::*;

/// xorshift64*: a seeded sequence, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        u32::try_from(high).unwrap() % limit
    }
}

#[derive(Debug, Clone, Copy)]
struct ModelEntry {
    owner: u8,
    value: u32,
    seen: u32,
    pinned: bool,
    /// Place in the queue, and what `seen` was then.
    turn: u64,
    looked: u32,
}

/// The rules in the plainest form: one map, every question answered by a walk over it.
#[derive(Debug, Default)]
struct Model {
    entries: BTreeMap<u32, ModelEntry>,
    turn: u64,
    max: usize,
    ageing: u32,
    evicted: u64,
}

impl Model {
    fn live(&self, entry: &ModelEntry, now: u32) -> bool {
        entry.pinned || now.saturating_sub(entry.seen) < self.ageing
    }

    fn get(&self, key: u32, now: u32) -> Option<ModelEntry> {
        self.entries
            .get(&key)
            .copied()
            .filter(|entry| self.live(entry, now))
    }

    fn next_turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn make_room(&mut self, key: u32, newcomer: u8) -> bool {
        if self.entries.contains_key(&key) || self.entries.len() < self.max {
            return true;
        }
        let learned = |owner: u8| move |entry: &&ModelEntry| !entry.pinned && entry.owner == owner;
        let count = |owner| self.entries.values().filter(learned(owner)).count();
        let Some(victim) = (0..=u8::MAX)
            .filter(|&owner| count(owner) > 0)
            .max_by_key(|&owner| (count(owner), owner == newcomer, owner))
        else {
            return false;
        };
        for chance in 0..=CHANCES {
            let (&key, &entry) = self
                .entries
                .iter()
                .filter(|(_, entry)| learned(victim)(entry))
                .min_by_key(|(_, entry)| entry.turn)
                .unwrap();
            if entry.seen <= entry.looked || chance == CHANCES {
                self.entries.remove(&key);
                break;
            }
            let turn = self.next_turn();
            let again = ModelEntry {
                turn,
                looked: entry.seen,
                ..entry
            };
            self.entries.insert(key, again);
        }
        self.evicted += 1;
        true
    }

    fn insert(
        &mut self,
        key: u32,
        owner: u8,
        value: u32,
        now: u32,
    ) -> Result<Inserted<u8>, Refused> {
        if self.entries.get(&key).is_some_and(|entry| entry.pinned) {
            return Err(Refused::Pinned);
        }
        let found = self
            .get(key, now)
            .map_or(Inserted::New, |entry| Inserted::Replaced(entry.owner));
        if !self.make_room(key, owner) {
            return Err(Refused::Full);
        }
        let entry = ModelEntry {
            owner,
            value,
            seen: now,
            pinned: false,
            turn: self.next_turn(),
            looked: now,
        };
        self.entries.insert(key, entry);
        Ok(found)
    }

    fn pin(&mut self, key: u32, owner: u8, value: u32) -> Result<(), Refused> {
        if !self.make_room(key, owner) {
            return Err(Refused::Full);
        }
        let entry = ModelEntry {
            owner,
            value,
            seen: 0,
            pinned: true,
            turn: 0,
            looked: 0,
        };
        self.entries.insert(key, entry);
        Ok(())
    }

    fn retain(&mut self, keep: impl Fn(&ModelEntry) -> bool) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| keep(entry));
        before - self.entries.len()
    }
}

fn same(table: &FairTable<u32, u8, u32>, model: &Model, now: u32) {
    let mut there: Vec<_> = table
        .iter(now)
        .map(|(&key, entry)| (key, entry.owner, entry.value, entry.is_pinned()))
        .collect();
    there.sort_unstable();
    let here: Vec<_> = model
        .entries
        .iter()
        .filter(|(_, entry)| model.live(entry, now))
        .map(|(&key, entry)| (key, entry.owner, entry.value, entry.pinned))
        .collect();
    assert_eq!(there, here);
    assert_eq!(table.len(), model.entries.len());
    assert_eq!(table.evicted(), model.evicted);
    let queued: usize = table.queues.values().map(BTreeMap::len).sum();
    let learned = model.entries.values().filter(|entry| !entry.pinned).count();
    assert_eq!(
        queued, learned,
        "the queues hold what was learned and nothing else"
    );
}

#[test]
fn two_hundred_thousand_operations_against_a_model() {
    let mut random = Random(0x5eed_0007);
    let (max, ageing) = (40, 30);
    let mut table = FairTable::new(max, NonZeroU32::new(ageing));
    let mut model = Model {
        max,
        ageing,
        ..Model::default()
    };
    let mut now = 1;
    for step in 0..200_000u32 {
        let (key, value) = (random.below(100), step);
        // Owner 0 is a flooder.
        let owner = u8::try_from(random.below(8).saturating_sub(3)).unwrap();
        match random.below(1000) {
            0..450 => assert_eq!(
                table.insert(key, owner, value, now),
                model.insert(key, owner, value, now)
            ),
            450..750 => {
                let (there, here) = (table.get(&key, now), model.get(key, now));
                assert_eq!(
                    there.map(|entry| (entry.owner, entry.value)),
                    here.map(|entry| (entry.owner, entry.value))
                );
                if let Some(entry) = there {
                    entry.refresh(now);
                    let entry = model.entries.get_mut(&key).unwrap();
                    entry.seen = entry.seen.max(now);
                }
            }
            750..900 => now += random.below(3),
            900..940 => assert_eq!(table.remove(&key), model.entries.remove(&key).is_some()),
            940..960 => assert_eq!(table.pin(key, owner, value), model.pin(key, owner, value)),
            960..980 => {
                let swept = table.sweep(now);
                let alive =
                    |entry: &ModelEntry| entry.pinned || now.saturating_sub(entry.seen) < ageing;
                assert_eq!(swept, model.retain(alive));
            }
            980..995 => assert_eq!(
                table.forget_owner(owner),
                model.retain(|entry| entry.owner != owner)
            ),
            995..997 => assert_eq!(table.forget_learned(), model.retain(|entry| entry.pinned)),
            _ => now += ageing,
        }
        if step % 16 == 0 {
            same(&table, &model, now);
        }
        assert!(table.len() <= max);
    }
    assert!(
        model.evicted > 1000,
        "the table was full often enough: {}",
        model.evicted
    );
}

#[test]
fn whoever_floods_pushes_out_its_own() {
    let mut table = FairTable::new(100, NonZeroU32::new(300));
    for key in 0..10 {
        table.insert(key, "quiet", (), 1).unwrap();
    }
    for key in 1000..100_000 {
        table.insert(key, "flooder", (), 1).unwrap();
    }
    assert_eq!(table.len(), 100);
    for key in 0..10 {
        assert!(table.get(&key, 1).is_some(), "{key}");
    }
}

#[test]
fn what_is_heard_stays_among_the_flooders_own() {
    let mut table = FairTable::new(10, NonZeroU32::new(300));
    for key in 0..5 {
        table.insert(key, (), (), 1).unwrap();
    }
    for (key, now) in (1000..1100).zip(2..) {
        for heard in 0..5 {
            table.get(&heard, now).unwrap().refresh(now);
        }
        table.insert(key, (), (), now).unwrap();
    }
    assert_eq!(table.evicted(), 95);
}

#[test]
fn full_of_pinned_entries() {
    let mut table = FairTable::new(2, None);
    table.pin(1, (), 'a').unwrap();
    table.insert(2, (), 'b', 0).unwrap();
    table.pin(3, (), 'c').unwrap();
    assert!(table.get(&2, 0).is_none(), "what is learned makes room");
    assert_eq!(table.pin(4, (), 'd'), Err(Refused::Full));
    assert_eq!(table.insert(4, (), 'd', 0), Err(Refused::Full));
    assert_eq!(table.insert(3, (), 'd', 0), Err(Refused::Pinned));
    table.pin(3, (), 'e').unwrap();
    assert_eq!(table.get(&3, u32::MAX).unwrap().value, 'e');
}
