//! The forwarding database on its own: what each operation does, by idea, and that the books of
//! the writer always agree with the table.

mod ageing;
mod concurrent;
mod eviction;
mod flush;
mod learning;
mod load;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Any odd number with bits everywhere; the switch takes a random one.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

fn table(max_entries: usize) -> Fdb {
    Fdb::new(300, max_entries, SEED)
}

fn mac(number: u64) -> MacAddr {
    MacAddr::from_u64(0x0200_0000_0000 | number)
}

fn key(number: u64) -> FdbKey {
    FdbKey::new(mac(number), None)
}

fn port(number: u16) -> PortId {
    PortId::new(number)
}

fn at(secs: u32) -> Tick {
    Tick::from_secs(secs)
}

/// Learns through a reader of its own, as a batch with one frame does.
fn learn(fdb: &Fdb, station: u64, number: u16, now: Tick) -> Learned {
    fdb.reader().learn(key(station), port(number), now)
}

fn lookup(fdb: &Fdb, station: u64, now: Tick) -> Option<(u16, EntryKind)> {
    let hit = fdb.reader().lookup(key(station), now)?;
    Some((hit.port.get(), hit.kind))
}

fn add(fdb: &Fdb, station: u64, number: u16, kind: EntryKind, now: Tick) {
    fdb.add(mac(station), None, port(number), kind, now)
        .unwrap();
}

/// Steele, Lea, Flood: splitmix64. Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(SEED);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % end
    }

    fn port(&mut self, end: u16) -> u16 {
        u16::try_from(self.below(end.into())).unwrap()
    }
}

/// Checks everything that the writer's half and the table must agree on, and that the counters
/// account for every entry.
fn audit(fdb: &Fdb) {
    let writer = fdb.lock();
    let table = fdb.table.load();
    let mut learned: BTreeMap<PortId, usize> = BTreeMap::new();
    let mut keys = BTreeSet::new();
    let mut pinned = 0;
    for (key, word) in table.iter() {
        assert!(keys.insert(key.word()), "a key has one slot");
        match fdb.current(word) {
            Some(value) if value.kind == EntryKind::Learned => {
                *learned.entry(value.port).or_default() += 1;
            }
            Some(_) => {
                assert!(writer.pinned.contains(&key), "{key:?} is in the set");
                pinned += 1;
            }
            None => {}
        }
    }
    assert_eq!(writer.used, keys.len());
    assert!(writer.used <= table.capacity());
    assert_eq!(writer.lives(), learned);
    assert_eq!(writer.learned, learned.values().sum::<usize>());
    assert_eq!(writer.pinned.len(), pinned);
    for port in learned.keys() {
        let places: BTreeSet<_> = writer.places(*port).iter().map(|key| key.word()).collect();
        let theirs = table.iter().filter(|(_, word)| {
            fdb.current(*word)
                .is_some_and(|value| value.kind == EntryKind::Learned && value.port == *port)
        });
        for (key, _) in theirs {
            assert!(places.contains(&key.word()), "{key:?} can be evicted");
        }
    }
    drop(writer);
    let stats = fdb.stats();
    assert_eq!(
        (stats.entries + stats.pinned) as u64,
        stats.learned + stats.added - stats.evicted - stats.expired - stats.removed,
        "{stats:?}"
    );
}
