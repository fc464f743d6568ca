//! The MAC table: what it learns, for how long, and what a person can do to it.

use std::{slice, time::Duration};
use vswitch::datapath::EntryKind;
use vswitch_tests::{
    Lab, Monitor, Must as _, Sandbox, Sniffer,
    bench::Bench,
    deadline::SOON,
    eventually, frames,
    frames::{Raw, station},
};
use vswitch_wire::MacAddr;

fn three(options: &[&str]) -> (Lab, [Sandbox; 3]) {
    let lab = Lab::start();
    lab.quiet("lan", options);
    let all = ["a", "b", "c"].map(|name| lab.join("lan", name));
    (lab, all)
}

/// Lets a station be heard behind a sandbox's port, and waits until `other` has heard it.
#[track_caller]
fn speak(from: &Sandbox, station: MacAddr, other: &Sniffer) {
    let hello = frames::marker(MacAddr::BROADCAST, station);
    Raw::open(from).send(&hello);
    other.expect_frame(&hello);
}

fn at(sandbox: &Sandbox, kind: &str) -> Option<(Option<u64>, String)> {
    Some((Some(sandbox.port()), kind.to_owned()))
}

/// Whether a frame from `from` to `dst` reaches the sniffer's port.
#[track_caller]
fn reaches(from: &Sandbox, dst: MacAddr, sniffer: &Sniffer) -> bool {
    let frame = frames::unique(dst, from.mac());
    let marker = frames::marker(MacAddr::BROADCAST, from.mac());
    let mut raw = Raw::open(from);
    raw.send(&frame);
    raw.send(&marker);
    sniffer.count_until(&frame, &marker) == 1
}

#[test]
fn a_station_is_learned_where_it_speaks() {
    let (lab, [a, b, c]) = three(&[]);
    let (at_b, at_c) = (Sniffer::start(&b), Sniffer::start(&c));
    assert_eq!(lab.whereabouts("lan", station(1)), None);
    assert!(reaches(&b, station(1), &at_c), "unknown: flooded");
    speak(&a, station(1), &at_b);
    assert_eq!(lab.whereabouts("lan", station(1)), at(&a, "learned"));
    assert!(!reaches(&b, station(1), &at_c), "known: to a alone");
    drop((at_b, at_c));
    lab.finish();
}

#[test]
fn a_station_that_moves_is_found_again_counted_and_reported() {
    let (lab, [a, b, c]) = three(&[]);
    let mut monitor = Monitor::start(&lab);
    let at_c = Sniffer::start(&c);
    speak(&a, station(1), &at_c);
    let learned = monitor.expect("fdb-learned", |event| {
        event["mac"] == station(1).to_string()
    });
    assert_eq!(learned["port"], a.port());
    assert_eq!(lab.fdb_count("lan", "moved"), 0);
    speak(&b, station(1), &at_c);
    assert_eq!(lab.whereabouts("lan", station(1)), at(&b, "learned"));
    assert_eq!(lab.fdb_count("lan", "moved"), 1);
    let moved = monitor.expect("fdb-moved", |event| event["mac"] == station(1).to_string());
    assert_eq!(moved["network"], "lan");
    assert_eq!(
        (moved["from"].as_u64(), moved["to"].as_u64()),
        (Some(a.port()), Some(b.port()))
    );
    drop((monitor, at_c));
    lab.finish();
}

#[test]
fn a_silent_station_ages_out() {
    let (lab, [a, b, c]) = three(&["ageing=10"]);
    let mut monitor = Monitor::start(&lab);
    let (at_b, at_c) = (Sniffer::start(&b), Sniffer::start(&c));
    speak(&a, station(1), &at_b);
    let before = std::time::Instant::now();
    assert!(!reaches(&b, station(1), &at_c));
    eventually(Duration::from_secs(20), "the entry ages out", || {
        // This one speaks all the time, and stays.
        speak(&a, station(2), &at_b);
        lab.whereabouts("lan", station(1)).is_none().then_some(())
    });
    // Whole seconds are counted: the tenth begins after nine.
    let age = before.elapsed();
    assert!(
        age > Duration::from_secs(8) && age < Duration::from_secs(13),
        "{age:?}"
    );
    assert_eq!(lab.whereabouts("lan", station(2)), at(&a, "learned"));
    assert!(reaches(&b, station(1), &at_c), "flooded again");
    monitor.expect("fdb-aged", |event| event["network"] == "lan");
    drop((monitor, at_b, at_c));
    lab.finish();
}

#[test]
fn a_flood_of_addresses_evicts_its_own_port_only() {
    let (lab, [a, b, c]) = three(&["max_entries=64"]);
    let (at_b, at_c) = (Sniffer::start(&b), Sniffer::start(&c));
    for number in 0..8 {
        speak(&b, station(1000 + number), &at_c);
    }
    // A table full of a's inventions, thirty times over.
    let mut raw = Raw::open(&a);
    for number in 0..2000 {
        raw.send(&frames::unique(b.mac(), station(0x0100_0000 + number)));
        // In bursts that fit the TAP's queue.
        if number % 200 == 199 {
            speak(&a, station(0x0200_0000), &at_b);
        }
    }
    for number in 0..8 {
        assert_eq!(
            lab.whereabouts("lan", station(1000 + number)),
            at(&b, "learned")
        );
        assert!(!reaches(&c, station(1000 + number), &Sniffer::start(&a)));
    }
    assert!(lab.fdb("lan").len() <= 64, "{}", lab.fdb("lan").len());
    assert!(lab.fdb_count("lan", "evicted") >= 1900);
    drop((at_b, at_c));
    lab.finish();
}

#[test]
fn an_entry_by_hand_stands_whoever_speaks() {
    let (lab, [a, b, c]) = three(&[]);
    let (at_b, at_c) = (Sniffer::start(&b), Sniffer::start(&c));
    let (fixed, sticky) = (station(1), station(2));
    lab.cli(&["fdb", "add", "lan", &fixed.to_string(), "b/eth0"])
        .done();
    let port = b.port().to_string();
    lab.cli(&["fdb", "add", "lan", &sticky.to_string(), &port, "--sticky"])
        .done();
    for (mac, kind) in [(fixed, "static"), (sticky, "sticky")] {
        assert_eq!(lab.whereabouts("lan", mac), at(&b, kind));
        // It never spoke, and is known.
        assert!(reaches(&a, mac, &at_b));
        assert!(!reaches(&a, mac, &at_c));
        // Somebody else speaks with its address: the entry stands.
        speak(&c, mac, &at_b);
        assert_eq!(lab.whereabouts("lan", mac), at(&b, kind));
        assert!(reaches(&a, mac, &at_b));
        lab.cli(&["fdb", "del", "lan", &mac.to_string()]).done();
        assert_eq!(lab.whereabouts("lan", mac), None);
    }
    assert_eq!(lab.fdb_count("lan", "moved"), 0);
    assert_eq!(lab.fdb_count("lan", "refused"), 2);
    drop((at_b, at_c));
    lab.finish();
}

#[test]
fn the_switch_takes_what_is_for_itself() {
    let bench = Bench::shared(1500);
    let (a, b) = (bench.join("a", 1, true), bench.join("b", 2, true));
    let port = vswitch::port::PortId::new(u16::try_from(a.port()).must("a port"));
    let (fdb, now) = (bench.fdb(), bench.switch().now());
    fdb.add(station(9), None, port, EntryKind::Local, now)
        .must("a local entry");
    let consumed = bench.switch().totals().consumed;
    let sniffer = Sniffer::start(&b);
    assert!(!reaches(&a, station(9), &sniffer));
    assert_eq!(bench.switch().totals().consumed, consumed + 1);
    drop(sniffer);
    bench.finish();
}

#[test]
fn a_flush_takes_what_matches_and_leaves_the_rest() {
    let (lab, [a, b, c]) = three(&[]);
    let at_c = Sniffer::start(&c);
    let flush = |options: &[&str]| {
        let words = [&["fdb", "flush", "lan"], options].concat();
        lab.json(&words)["flushed"].as_u64().must("flushed")
    };
    let fill = || {
        for number in 1..=3 {
            speak(&a, station(number), &at_c);
            speak(&b, station(10 + number), &at_c);
        }
        lab.cli(&["fdb", "add", "lan", &station(20).to_string(), "a/eth0"])
            .done();
    };
    let known = |number: u32| lab.whereabouts("lan", station(number)).is_some();
    flush(&[]);

    fill();
    assert_eq!(flush(&["--mac", &station(2).to_string()]), 1);
    assert!(known(1) && !known(2) && known(3) && known(11) && known(20));
    fill();
    assert_eq!(flush(&["--port", "a/eth0"]), 3);
    assert!(!known(1) && !known(2) && !known(3) && known(11) && known(12) && known(20));
    fill();
    assert_eq!(flush(&["--kind", "static"]), 1);
    assert!(known(1) && known(11) && !known(20));
    fill();
    assert_eq!(flush(&[]), 6);
    assert!(!known(1) && !known(11) && known(20));
    // What was flushed is learned again.
    speak(&a, station(1), &at_c);
    assert_eq!(lab.whereabouts("lan", station(1)), at(&a, "learned"));
    drop(at_c);
    lab.finish();
}

#[test]
fn a_flush_of_one_network_leaves_the_other() {
    let lab = Lab::start();
    lab.subnet("red", 1, &[]);
    lab.subnet("blue", 2, &[]);
    let red = [lab.join("red", "r1"), lab.join("red", "r2")];
    let blue = [lab.join("blue", "b1"), lab.join("blue", "b2")];
    speak(&red[0], station(1), &Sniffer::start(&red[1]));
    speak(&blue[0], station(1), &Sniffer::start(&blue[1]));
    lab.cli(&["fdb", "flush", "red"]).done();
    assert_eq!(lab.whereabouts("red", station(1)), None);
    assert_eq!(lab.whereabouts("blue", station(1)), at(&blue[0], "learned"));
    lab.finish();
}

#[test]
fn a_port_takes_its_entries_with_it() {
    let (lab, [a, b, c]) = three(&[]);
    let at_c = Sniffer::start(&c);
    speak(&a, station(1), &at_c);
    lab.cli(&["fdb", "add", "lan", &station(2).to_string(), "a/eth0"])
        .done();
    speak(&b, station(3), &at_c);
    lab.cli(&["network", "disconnect", "lan", "a"]).done();
    assert_eq!(lab.whereabouts("lan", station(1)), None);
    assert_eq!(lab.whereabouts("lan", station(2)), None);
    assert_eq!(lab.whereabouts("lan", station(3)), at(&b, "learned"));
    let frame = frames::unique(station(1), b.mac());
    Raw::open(&b).send(&frame);
    at_c.expect_frame(&frame);
    assert_eq!(
        at_c.so_far().iter().filter(|seen| *seen == &frame).count(),
        1
    );
    drop(at_c);
    lab.finish();
}

#[test]
fn a_table_of_a_million_entries_can_be_asked_for() {
    let (lab, [a, b, _]) = three(&["max_entries=1000000"]);
    let at_b = Sniffer::start(&b);
    let mut raw = Raw::open(&a);
    let mut all_speak = || {
        for number in 0..20_000 {
            raw.send(&frames::unique(b.mac(), station(number)));
            if number % 200 == 199 {
                speak(&a, station(number), &at_b);
            }
        }
    };
    all_speak();
    // A frame teaches nothing while another writer is at work, which is counted; a station speaks again.
    let mut skipped = 0;
    eventually(SOON, "all are learned", || {
        let missing = 20_000u64.saturating_sub(lab.fdb_count("lan", "entries"));
        if missing == 0 {
            return Some(());
        }
        let count = lab.fdb_count("lan", "skipped");
        assert!(
            missing <= count - skipped,
            "{missing} are missing, {count} skipped"
        );
        skipped = count;
        all_speak();
        None
    });
    assert_eq!(lab.fdb_count("lan", "evicted"), 0);
    let first = lab.whereabouts("lan", station(0));
    assert_eq!(slice::from_ref(&first), [at(&a, "learned")]);
    drop(at_b);
    lab.finish();
}
