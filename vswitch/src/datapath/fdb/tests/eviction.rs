//! The bound, and who must go when it is reached.

use super::*;

fn of_port(fdb: &Fdb, number: u16, now: Tick) -> Vec<u64> {
    let mut stations: Vec<_> = (fdb.entries(now).iter())
        .filter(|entry| entry.port == Some(port(number)))
        .map(|entry| entry.mac.to_u64() & 0xff_ffff_ffff)
        .collect();
    stations.sort_unstable();
    stations
}

#[test]
fn the_bound_is_exact() {
    for bound in [1, 2, 63, 64, 1_000] {
        let fdb = table(bound);
        for station in 0..3 * bound {
            assert_eq!(learn(&fdb, station as u64, 1, at(0)), Learned::New);
            assert_eq!(fdb.stats().entries, (station + 1).min(bound));
        }
        assert_eq!(fdb.entries(at(0)).len(), bound);
        assert_eq!(fdb.stats().evicted, 2 * bound as u64);
        audit(&fdb);
    }
}

#[test]
fn a_flood_evicts_only_its_own_while_it_holds_the_most() {
    let fdb = table(200);
    for station in 0..150 {
        learn(&fdb, station, u16::try_from(station % 3).unwrap(), at(0));
    }
    // As many as each of the others at once, then it alone pays.
    for station in 1_000..101_000 {
        learn(&fdb, station, 9, at(1));
    }
    for number in 0..3 {
        assert_eq!(of_port(&fdb, number, at(1)).len(), 50);
    }
    assert_eq!(of_port(&fdb, 9, at(1)), Vec::from_iter(100_950..101_000));
    audit(&fdb);
}

#[test]
fn a_flood_takes_no_more_than_a_fair_share() {
    let fdb = table(160);
    for station in 0..150 {
        learn(&fdb, station, u16::try_from(station % 3).unwrap(), at(0));
    }
    for station in 1_000..11_000 {
        learn(&fdb, station, 9, at(1));
    }
    for number in [0, 1, 2, 9] {
        assert_eq!(of_port(&fdb, number, at(1)).len(), 40, "port {number}");
    }
    audit(&fdb);
}

#[test]
fn among_equals_the_one_that_learns_pays() {
    for learner in [1, 2] {
        let fdb = table(20);
        for station in 0..20 {
            learn(
                &fdb,
                station,
                1 + u16::try_from(station % 2).unwrap(),
                at(0),
            );
        }
        let other = 3 - learner;
        let before = of_port(&fdb, other, at(0));
        learn(&fdb, 100, learner, at(0));
        assert_eq!(of_port(&fdb, other, at(0)), before);
        audit(&fdb);
    }
}

#[test]
fn the_least_recently_seen_goes_first() {
    let fdb = table(10);
    for station in 0..10 {
        learn(&fdb, station, 1, at(0));
    }
    for station in [0, 1, 5] {
        learn(&fdb, station, 1, at(10));
    }
    for station in 100..107 {
        learn(&fdb, station, 1, at(20));
    }
    let expected = [0, 1, 5, 100, 101, 102, 103, 104, 105, 106];
    assert_eq!(of_port(&fdb, 1, at(20)), expected);
    // What stays silent does not live on its second chance for ever.
    for station in 107..117 {
        learn(&fdb, station, 1, at(21));
    }
    assert_eq!(of_port(&fdb, 1, at(21)), Vec::from_iter(107..117));
    audit(&fdb);
}

#[test]
fn when_all_were_seen_again_the_first_in_line_goes() {
    let fdb = table(10);
    for now in 0..3 {
        for station in 0..10 {
            learn(&fdb, station, 1, at(now));
        }
    }
    learn(&fdb, 100, 1, at(3));
    assert_eq!(of_port(&fdb, 1, at(3)), [1, 2, 3, 4, 5, 6, 7, 8, 9, 100]);
    audit(&fdb);
}

#[test]
fn a_station_that_moves_away_leaves_nothing_behind() {
    let fdb = table(20);
    for station in 0..10 {
        learn(&fdb, station, 1, at(0));
    }
    for station in 0..5 {
        learn(&fdb, station, 2, at(0));
    }
    // Its place in the line of port 1 must not cost it the entry that it has at port 2.
    for station in 100..300 {
        learn(&fdb, station, 1, at(0));
    }
    assert_eq!(of_port(&fdb, 2, at(0)), [0, 1, 2, 3, 4]);
    assert_eq!(of_port(&fdb, 1, at(0)).len(), 15);
    audit(&fdb);
}

#[test]
fn a_move_in_a_full_table_evicts_nobody() {
    let fdb = table(20);
    for station in 0..20 {
        learn(&fdb, station, 1, at(0));
    }
    for station in 0..20 {
        learn(&fdb, station, 2, at(0));
    }
    assert_eq!(of_port(&fdb, 2, at(0)), Vec::from_iter(0..20));
    assert_eq!(fdb.stats().evicted, 0);
    // Nor does a station whose age is over.
    assert_eq!(learn(&fdb, 3, 4, at(300)), Learned::New);
    assert_eq!(fdb.stats().evicted, 0);
    audit(&fdb);
}

#[test]
fn entries_put_in_by_hand_do_not_count_and_are_never_evicted() {
    let fdb = table(10);
    for station in 0..10 {
        add(&fdb, 500 + station, 1, EntryKind::Static, at(0));
    }
    for station in 0..1_000 {
        learn(&fdb, station, 1, at(0));
    }
    let stats = fdb.stats();
    assert_eq!((stats.entries, stats.pinned), (10, 10));
    for station in 500..510 {
        assert!(lookup(&fdb, station, at(0)).is_some());
    }
    audit(&fdb);
}

#[test]
fn a_smaller_bound_holds_at_once_and_is_fair() {
    let fdb = table(1_000);
    for station in 0..900 {
        learn(&fdb, station, 1, at(0));
    }
    for station in 900..1_000 {
        learn(&fdb, station, 2, at(0));
    }
    add(&fdb, 5_000, 1, EntryKind::Static, at(0));
    fdb.configure(300, 300);
    assert_eq!(fdb.stats().entries, 300);
    assert_eq!(of_port(&fdb, 2, at(0)), Vec::from_iter(900..1_000));
    audit(&fdb);
    fdb.configure(300, 100);
    assert_eq!(of_port(&fdb, 2, at(0)).len(), 50);
    fdb.configure(300, 0);
    assert_eq!(fdb.stats().entries, 1, "one entry is the least bound");
    assert_eq!(lookup(&fdb, 5_000, at(0)), Some((1, EntryKind::Static)));
    fdb.configure(300, 50);
    for station in 0..1_000 {
        learn(&fdb, station, 1, at(1));
    }
    assert_eq!(fdb.stats().entries, 50);
    audit(&fdb);
}

#[test]
fn stations_that_flap_do_not_grow_the_queues() {
    let fdb = table(100);
    for station in 0..10 {
        learn(&fdb, 100 + station, 1, at(0));
        learn(&fdb, 200 + station, 2, at(0));
    }
    for turn in 0..20_000 {
        let number = 1 + u16::try_from(turn % 2).unwrap();
        learn(&fdb, turn % 3, number, at(0));
        let writer = fdb.lock();
        let live = writer.lives()[&port(number)];
        let places = writer.places(port(number)).len();
        assert!(places <= 2 * live + 64, "{places} places for {live}");
    }
    audit(&fdb);
}

#[test]
fn a_flush_or_a_sweep_makes_room() {
    let fdb = table(10);
    for station in 0..10 {
        learn(&fdb, station, 1, at(0));
    }
    fdb.flush(&Flush {
        port: Some(port(1)),
        ..Flush::default()
    });
    for station in 10..20 {
        learn(&fdb, station, 1, at(1));
    }
    fdb.sweep(at(301));
    for station in 20..30 {
        learn(&fdb, station, 1, at(301));
    }
    assert_eq!(fdb.stats().evicted, 0);
    assert_eq!(of_port(&fdb, 1, at(301)), Vec::from_iter(20..30));
    audit(&fdb);
}
