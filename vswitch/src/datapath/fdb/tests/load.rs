//! Many entries, and many operations in no order.

use super::*;

#[test]
fn a_million_entries() {
    const MANY: u64 = 1_000_000;
    let fdb = table(1_000_000);
    let home = |station: u64| u16::try_from(station % 16).unwrap();
    for station in 0..MANY {
        learn(&fdb, station, home(station), at(0));
    }
    for station in 0..MANY {
        let found = lookup(&fdb, station, at(299));
        assert_eq!(found, Some((home(station), EntryKind::Learned)));
    }
    assert_eq!(lookup(&fdb, MANY, at(0)), None);
    assert_eq!(fdb.stats().entries, 1_000_000);
    assert_eq!(fdb.stats().evicted, 0);
    learn(&fdb, MANY, 0, at(1));
    assert_eq!(fdb.stats().entries, 1_000_000);
    assert_eq!(fdb.stats().evicted, 1);
    let by_port = Flush {
        port: Some(port(1)),
        ..Flush::default()
    };
    assert_eq!(fdb.flush(&by_port), 62_500);
    assert_eq!(fdb.sweep(at(300)).len(), 937_499);
    assert_eq!(fdb.entries(at(300)).len(), 1);
    audit(&fdb);
}

/// One operation, any.
fn operate(fdb: &Fdb, random: &mut Random, now: Tick) {
    let station = random.below(300);
    let number = random.port(6);
    match random.below(1_000) {
        0..=899 => {
            learn(fdb, station, number, now);
        }
        900..=939 => {
            let kind = [EntryKind::Sticky, EntryKind::Static, EntryKind::Local];
            let kind = kind[usize::from(random.port(3))];
            let added = fdb.add(mac(station), None, port(number), kind, now);
            assert!(matches!(added, Ok(()) | Err(FdbError::Full(40))));
        }
        940..=979 => {
            fdb.remove(mac(station), None);
        }
        980..=989 => {
            fdb.flush(&Flush {
                port: (random.below(2) == 0).then_some(port(number)),
                mac: (random.below(4) == 0).then_some(mac(station)),
                vlan: None,
                kind: (random.below(4) == 0).then_some(EntryKind::Sticky),
            });
        }
        990..=994 => fdb.forget_port(port(number)),
        995..=997 => {
            fdb.sweep(now);
        }
        _ => fdb.configure(30, 40),
    }
}

#[test]
fn the_books_close_whatever_happens() {
    for run in 0..4 {
        let fdb = Fdb::new(30, 40, SEED);
        let mut random = Random(run);
        let mut millis = 0;
        for turn in 0..50_000 {
            millis += random.below(200);
            operate(&fdb, &mut random, Tick::from_millis(millis));
            assert!(fdb.stats().entries <= 40);
            if turn % 500 == 0 {
                audit(&fdb);
            }
        }
        audit(&fdb);
        let stats = fdb.stats();
        let counted = [
            stats.learned,
            stats.added,
            stats.moved,
            stats.evicted,
            stats.expired,
            stats.removed,
            stats.refused,
        ];
        assert!(counted.iter().all(|count| *count > 50), "{stats:?}");
    }
}

#[test]
fn the_table_grows_and_shrinks_with_what_lives_in_it() {
    let fdb = table(100_000);
    for station in 0..50_000 {
        learn(&fdb, station, 1, at(0));
    }
    let large = fdb.table.load().capacity();
    fdb.sweep(at(300));
    // Slots of the dead are taken up, and the next table is made for the living.
    for station in 100_000..400_000 {
        learn(&fdb, station, 1, at(300));
        if station % 100 == 0 {
            fdb.flush(&Flush::default());
        }
    }
    assert!(fdb.table.load().capacity() < large / 10);
    audit(&fdb);
}
