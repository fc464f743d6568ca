//! Ageing: exact to the second, whether the sweep comes or not.

use super::super::super::{Ageing, MaxEntries};
use super::*;

#[test]
fn an_entry_lives_to_the_last_second_and_not_one_longer() {
    for ageing in [10, 300, 1_000_000] {
        for kind in [EntryKind::Learned, EntryKind::Sticky] {
            let fdb = Fdb::new(ageing, 100, SEED);
            let start = 77;
            if kind == EntryKind::Learned {
                learn(&fdb, 1, 5, at(start));
            } else {
                add(&fdb, 1, 5, kind, at(start));
            }
            let last = at(start + ageing - 1);
            let over = at(start + ageing);
            assert_eq!(lookup(&fdb, 1, last), Some((5, kind)));
            assert_eq!(fdb.entries(last).len(), 1);
            assert!(fdb.sweep(last).is_empty());
            assert_eq!(lookup(&fdb, 1, over), None);
            assert!(fdb.entries(over).is_empty());
            assert_eq!(fdb.sweep(over), [(mac(1), port(5))]);
            assert!(fdb.sweep(over).is_empty());
            assert_eq!(fdb.stats().expired, 1);
            audit(&fdb);
        }
    }
}

#[test]
fn the_second_of_the_last_frame_counts() {
    let fdb = Fdb::new(10, 100, SEED);
    learn(&fdb, 1, 5, Tick::from_millis(1_999));
    assert!(lookup(&fdb, 1, Tick::from_millis(10_999)).is_some());
    assert!(lookup(&fdb, 1, Tick::from_millis(11_000)).is_none());
}

#[test]
fn a_station_that_keeps_talking_never_ages() {
    let fdb = table(100);
    for now in (0..300_000).step_by(299) {
        let learned = learn(&fdb, 1, 5, at(now));
        assert_eq!(learned == Learned::New, now == 0);
    }
    assert_eq!(fdb.stats().learned, 1);
    audit(&fdb);
}

#[test]
fn a_station_past_its_age_is_new_wherever_it_turns_up() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(0));
    assert_eq!(learn(&fdb, 1, 6, at(300)), Learned::New);
    assert_eq!(learn(&fdb, 1, 6, at(600)), Learned::New);
    let stats = fdb.stats();
    assert_eq!((stats.learned, stats.moved, stats.expired), (3, 0, 2));
    audit(&fdb);
}

#[test]
fn a_sweep_takes_all_that_is_past_its_age_and_nothing_else() {
    let fdb = table(10_000);
    for station in 0..1_000 {
        let seen = u32::try_from(station).unwrap();
        learn(&fdb, station, 1, at(seen));
    }
    add(&fdb, 5_000, 2, EntryKind::Static, at(0));
    add(&fdb, 5_001, 2, EntryKind::Sticky, at(0));
    add(&fdb, 5_002, 2, EntryKind::Local, at(0));
    let mut gone = fdb.sweep(at(800));
    gone.sort_unstable();
    // Seen at 500 or before.
    let expected: Vec<_> = (0..=500)
        .map(|station| (mac(station), port(1)))
        .chain([(mac(5_001), port(2))])
        .collect();
    assert_eq!(gone, expected);
    assert_eq!(fdb.entries(at(800)).len(), 499 + 2);
    audit(&fdb);
}

#[test]
fn a_new_ageing_time_holds_at_once() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(0));
    fdb.configure(10, 100);
    assert!(lookup(&fdb, 1, at(9)).is_some());
    assert!(lookup(&fdb, 1, at(10)).is_none());
    fdb.configure(1_000, 100);
    assert!(lookup(&fdb, 1, at(999)).is_some());
}

#[test]
fn a_clock_that_went_back_ages_nothing() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(1_000));
    assert!(lookup(&fdb, 1, at(3)).is_some());
    assert_eq!(fdb.entries(at(3))[0].age.as_secs(), 0);
    assert!(fdb.sweep(at(3)).is_empty());
    assert_eq!(
        learn(&fdb, 1, 6, at(3)),
        Learned::Moved { from: port(5) },
        "another worker's batch may have begun earlier"
    );
}

#[test]
fn ranges_of_the_settings() {
    for (secs, allowed) in [
        (0, false),
        (9, false),
        (10, true),
        (1_000_000, true),
        (1_000_001, false),
    ] {
        assert_eq!(Ageing::from_secs(secs).is_some(), allowed, "{secs} s");
    }
    for (entries, allowed) in [(0, false), (1, true), (1_000_000, true), (1_000_001, false)] {
        assert_eq!(MaxEntries::new(entries).is_some(), allowed, "{entries}");
    }
    assert_eq!(Ageing::DEFAULT.secs(), 300);
    assert_eq!(MaxEntries::DEFAULT.get(), 8192);
}
