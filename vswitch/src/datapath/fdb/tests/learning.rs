//! Learning, moving, refreshing; entries put in by hand.

use super::*;

#[test]
fn a_station_is_new_then_known_then_moves() {
    let fdb = table(100);
    assert_eq!(lookup(&fdb, 1, at(0)), None);
    assert_eq!(learn(&fdb, 1, 5, at(0)), Learned::New);
    assert_eq!(lookup(&fdb, 1, at(0)), Some((5, EntryKind::Learned)));
    assert_eq!(learn(&fdb, 1, 5, at(1)), Learned::Known);
    let from = port(5);
    assert_eq!(learn(&fdb, 1, 6, at(1)), Learned::Moved { from });
    assert_eq!(lookup(&fdb, 1, at(1)), Some((6, EntryKind::Learned)));
    assert_eq!(learn(&fdb, 1, 6, at(1)), Learned::Known);
    let from = port(6);
    assert_eq!(learn(&fdb, 1, 5, at(1)), Learned::Moved { from });
    assert_eq!(lookup(&fdb, 2, at(1)), None);
    let stats = fdb.stats();
    assert_eq!((stats.entries, stats.learned, stats.moved), (1, 1, 2));
    audit(&fdb);
}

#[test]
fn a_station_that_stays_writes_once_a_second() {
    let fdb = table(100);
    let now = Tick::from_millis(5_000);
    assert_eq!(learn(&fdb, 1, 5, now), Learned::New);
    let word = || {
        let table = fdb.table.load();
        table.find(key(1)).unwrap().load(Ordering::Relaxed)
    };
    let first = word();
    learn(&fdb, 1, 5, Tick::from_millis(5_999));
    assert_eq!(word(), first);
    learn(&fdb, 1, 5, Tick::from_millis(6_000));
    assert_ne!(word(), first);
    // The batch of another worker may have begun a little earlier.
    let second = word();
    learn(&fdb, 1, 5, Tick::from_millis(5_000));
    assert_eq!(word(), second);
}

#[test]
fn vlans_are_tables_of_their_own() {
    let fdb = table(100);
    let (one, two) = (VlanId::new(1), VlanId::new(4094));
    for (vlan, number) in [(None, 3), (one, 4), (two, 5)] {
        let key = FdbKey::new(mac(1), vlan);
        assert_eq!(
            fdb.reader().learn(key, port(number), at(0)),
            Learned::New,
            "{vlan:?}"
        );
    }
    for (vlan, number) in [(None, 3), (one, 4), (two, 5)] {
        let hit = fdb.reader().lookup(FdbKey::new(mac(1), vlan), at(0));
        assert_eq!(hit.map(|hit| hit.port), Some(port(number)));
    }
    assert!(fdb.remove(mac(1), one));
    assert_eq!(fdb.entries(at(0)).len(), 2);
    audit(&fdb);
}

#[test]
fn a_sticky_station_stays_where_it_is_until_it_ages() {
    let fdb = table(100);
    add(&fdb, 1, 5, EntryKind::Sticky, at(0));
    assert_eq!(learn(&fdb, 1, 6, at(1)), Learned::Refused);
    assert_eq!(learn(&fdb, 1, 5, at(200)), Learned::Known);
    assert_eq!(lookup(&fdb, 1, at(499)), Some((5, EntryKind::Sticky)));
    assert_eq!(learn(&fdb, 1, 6, at(499)), Learned::Refused);
    assert_eq!(lookup(&fdb, 1, at(500)), None);
    assert_eq!(learn(&fdb, 1, 6, at(500)), Learned::New);
    assert_eq!(lookup(&fdb, 1, at(500)), Some((6, EntryKind::Learned)));
    let stats = fdb.stats();
    assert_eq!((stats.pinned, stats.refused, stats.expired), (0, 2, 1));
    audit(&fdb);
}

#[test]
fn a_static_entry_neither_moves_nor_ages() {
    let fdb = table(100);
    add(&fdb, 1, 5, EntryKind::Static, at(0));
    let late = at(u32::MAX);
    assert_eq!(learn(&fdb, 1, 5, late), Learned::Known);
    assert_eq!(learn(&fdb, 1, 6, late), Learned::Refused);
    assert_eq!(lookup(&fdb, 1, late), Some((5, EntryKind::Static)));
    assert!(fdb.sweep(late).is_empty());
    assert_eq!(fdb.entries(late)[0].age.as_secs(), u64::from(u32::MAX));
    audit(&fdb);
}

#[test]
fn nobody_takes_an_address_of_the_switch() {
    let fdb = table(100);
    add(&fdb, 1, 0, EntryKind::Local, at(0));
    for number in 0..3 {
        assert_eq!(learn(&fdb, 1, number, at(1)), Learned::Refused);
    }
    assert!(matches!(
        lookup(&fdb, 1, at(9999)),
        Some((_, EntryKind::Local))
    ));
    assert_eq!(fdb.entries(at(1))[0].port, None);
    audit(&fdb);
}

#[test]
fn an_entry_by_hand_replaces_what_was_learned_and_the_other_way_round() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(0));
    add(&fdb, 1, 6, EntryKind::Static, at(0));
    assert_eq!(lookup(&fdb, 1, at(0)), Some((6, EntryKind::Static)));
    assert_eq!((fdb.stats().entries, fdb.stats().pinned), (0, 1));
    add(&fdb, 1, 7, EntryKind::Sticky, at(0));
    assert_eq!((fdb.stats().pinned, fdb.stats().removed), (1, 2));
    audit(&fdb);
    assert!(fdb.remove(mac(1), None));
    assert!(!fdb.remove(mac(1), None));
    assert_eq!(learn(&fdb, 1, 5, at(0)), Learned::New);
    audit(&fdb);
}

#[test]
fn what_cannot_be_put_in_by_hand() {
    let fdb = table(2);
    let now = at(0);
    for group in [
        MacAddr::BROADCAST,
        MacAddr::ZERO,
        MacAddr::new([1, 0, 0x5e, 0, 0, 1]),
    ] {
        let added = fdb.add(group, None, port(1), EntryKind::Static, now);
        assert_eq!(added, Err(FdbError::NotUnicast(group)));
    }
    let added = fdb.add(mac(1), None, port(1), EntryKind::Learned, now);
    assert_eq!(added, Err(FdbError::NotByHand));
    assert!(fdb.entries(now).is_empty());

    add(&fdb, 1, 1, EntryKind::Static, now);
    add(&fdb, 2, 1, EntryKind::Sticky, now);
    let added = fdb.add(mac(3), None, port(1), EntryKind::Static, now);
    assert_eq!(added, Err(FdbError::Full(2)));
    add(&fdb, 2, 4, EntryKind::Static, now); // in place of the other
    assert_eq!(fdb.stats().pinned, 2);
    audit(&fdb);
}

#[test]
fn entries_are_what_a_lookup_finds() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(10));
    learn(&fdb, 2, 6, at(200));
    add(&fdb, 3, 7, EntryKind::Sticky, at(100));
    add(&fdb, 4, 0, EntryKind::Local, at(0));
    let mut seen: Vec<_> = (fdb.entries(at(310)).into_iter())
        .map(|entry| (entry.mac, entry.port, entry.kind, entry.age.as_secs()))
        .collect();
    seen.sort_unstable();
    let expected = [
        (mac(2), Some(port(6)), EntryKind::Learned, 110),
        (mac(3), Some(port(7)), EntryKind::Sticky, 210),
        (mac(4), None, EntryKind::Local, 310),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_reader_sees_what_it_learned_though_the_table_was_rebuilt() {
    let fdb = table(10_000);
    let reader = fdb.reader();
    for station in 0..5_000 {
        assert_eq!(reader.learn(key(station), port(1), at(0)), Learned::New);
        assert_eq!(reader.learn(key(station), port(1), at(0)), Learned::Known);
        assert!(reader.lookup(key(station), at(0)).is_some());
    }
    // A station that moves after the rebuild must be found where it is, within the same batch.
    assert_eq!(
        reader.learn(key(7), port(2), at(0)),
        Learned::Moved { from: port(1) }
    );
    let hit = reader.lookup(key(7), at(0));
    assert_eq!(hit.map(|hit| hit.port), Some(port(2)));
    assert_eq!(fdb.stats().learned, 5_000);
}

#[test]
fn a_station_is_not_new_to_a_reader_with_an_older_table() {
    let fdb = table(10_000);
    let older = fdb.reader();
    for station in 0..1_000 {
        learn(&fdb, station, 1, at(0));
    }
    for station in 0..1_000 {
        assert_eq!(older.learn(key(station), port(1), at(5)), Learned::Known);
    }
    assert_eq!(fdb.stats().learned, 1_000);
    assert_eq!(lookup(&fdb, 999, at(304)), Some((1, EntryKind::Learned)));
    audit(&fdb);
}

#[test]
fn kinds_have_names() {
    for kind in [
        EntryKind::Learned,
        EntryKind::Sticky,
        EntryKind::Static,
        EntryKind::Local,
    ] {
        assert_eq!(kind.to_string().parse(), Ok(kind));
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(json, format!("\"{kind}\""));
    }
    let error = "fixed".parse::<EntryKind>().unwrap_err();
    assert!(error.to_string().contains("one of learned, sticky"));
}
