//! Several threads at one table. Every run is bounded by operations, never by time.

use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::thread;

use super::*;

/// The two ports that a station is ever at.
fn homes(station: u64) -> [u16; 2] {
    let first = u16::try_from(station % 5).unwrap();
    [first, first + 1]
}

fn work(fdb: &Fdb, thread: u64, barrier: &Barrier) {
    let mut random = Random(thread);
    barrier.wait();
    for turn in 0..60_000u32 {
        let now = at(turn / 1_000);
        let reader = fdb.reader();
        for _ in 0..3 {
            let station = random.below(2_000);
            let home = homes(station)[usize::from(random.port(2))];
            if let Learned::Moved { from } = reader.learn(key(station), port(home), now) {
                assert!(homes(station).contains(&from.get()));
            }
            let station = random.below(2_000);
            if let Some(hit) = reader.lookup(key(station), now) {
                assert!(
                    homes(station).contains(&hit.port.get()),
                    "{station} {hit:?}"
                );
            }
        }
        match random.below(500) {
            0 => {
                fdb.flush(&Flush {
                    port: Some(port(random.port(6))),
                    ..Flush::default()
                });
            }
            1 => fdb.forget_port(port(random.port(6))),
            2 => {
                fdb.flush(&Flush {
                    mac: Some(mac(random.below(2_000))),
                    ..Flush::default()
                });
            }
            3 => {
                fdb.sweep(now);
            }
            4..=6 => {
                let station = random.below(2_000);
                add(fdb, station, homes(station)[0], EntryKind::Sticky, now);
            }
            7..=9 => {
                fdb.remove(mac(random.below(2_000)), None);
            }
            _ => {}
        }
    }
}

#[test]
fn a_lookup_never_names_a_port_where_the_station_never_was() {
    // Small enough that it evicts and is rebuilt all the time.
    let fdb = Fdb::new(20, 700, SEED);
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (fdb, barrier) = (&fdb, &barrier);
            scope.spawn(move || work(fdb, thread, barrier));
        }
    });
    audit(&fdb);
    let stats = fdb.stats();
    assert!(stats.entries <= 700);
    assert!(stats.evicted > 1_000 && stats.moved > 1_000, "{stats:?}");
}

/// Lets `write` run while another thread calls `read` again and again, at least once after it.
fn while_writing(write: impl FnOnce(), read: impl Fn() + Sync) {
    let done = AtomicBool::new(false);
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            while !done.load(Ordering::Acquire) {
                read();
            }
            read();
        });
        barrier.wait();
        write();
        done.store(true, Ordering::Release);
    });
}

#[test]
fn a_station_is_found_while_it_moves_and_while_its_entry_is_replaced() {
    let fdb = table(100);
    learn(&fdb, 1, 0, at(0));
    add(&fdb, 2, 0, EntryKind::Static, at(0));
    while_writing(
        || {
            for turn in 0..100_000u32 {
                let number = u16::try_from(turn % 2).unwrap();
                learn(&fdb, 1, number, at(0));
                if turn % 10 == 0 {
                    add(&fdb, 2, number, EntryKind::Static, at(0));
                }
            }
        },
        || {
            assert!(lookup(&fdb, 1, at(0)).is_some(), "it would be flooded");
            assert!(lookup(&fdb, 2, at(0)).is_some(), "it would be flooded");
        },
    );
    assert!(fdb.stats().moved > 90_000);
    audit(&fdb);
}

#[test]
fn nothing_is_lost_while_the_table_is_rebuilt() {
    let fdb = table(20_000);
    for station in 0..500 {
        learn(&fdb, station, 3, at(0));
        add(&fdb, 500 + station, 4, EntryKind::Static, at(0));
    }
    while_writing(
        || {
            for station in 10_000..110_000 {
                fdb.reader().learn(key(station), port(1), at(0));
            }
            // By generation, until the table is rebuilt for that reason too.
            for _ in 0..3_000 {
                fdb.flush(&Flush {
                    port: Some(port(1)),
                    ..Flush::default()
                });
            }
        },
        || {
            let reader = fdb.reader();
            for station in 0..500 {
                let learned = reader.lookup(key(station), at(0));
                assert_eq!(learned.map(|hit| hit.port), Some(port(3)));
                assert_eq!(
                    reader.learn(key(station), port(3), at(0)),
                    Learned::Known,
                    "without a lock"
                );
                let by_hand = reader.lookup(key(500 + station), at(0));
                assert_eq!(by_hand.map(|hit| hit.port), Some(port(4)));
            }
        },
    );
    audit(&fdb);
}

#[test]
fn a_worker_never_waits_for_the_lock() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(0));
    let held = fdb.lock();
    assert_eq!(learn(&fdb, 1, 5, at(9)), Learned::Known);
    assert_eq!(lookup(&fdb, 1, at(308)), Some((5, EntryKind::Learned)));
    assert_eq!(learn(&fdb, 2, 5, at(9)), Learned::Skipped);
    assert_eq!(learn(&fdb, 1, 6, at(9)), Learned::Skipped);
    drop(held);
    assert_eq!(learn(&fdb, 2, 5, at(9)), Learned::New);
    assert_eq!(fdb.stats().skipped, 2);
    audit(&fdb);
}
