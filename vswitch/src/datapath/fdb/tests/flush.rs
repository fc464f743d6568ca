//! Flushing: every filter, the generations that come round, ports that go and numbers that return.

use super::*;

const KINDS: [EntryKind; 4] = [
    EntryKind::Learned,
    EntryKind::Sticky,
    EntryKind::Static,
    EntryKind::Local,
];

/// Every combination of two ports, two stations per kind, two VLANs or none.
fn populated() -> Fdb {
    let fdb = table(1_000);
    let mut station = 0;
    for number in [0, 3] {
        for vlan in [None, VlanId::new(7), VlanId::new(8)] {
            for kind in KINDS {
                for _ in 0..2 {
                    station += 1;
                    if kind == EntryKind::Learned {
                        let key = FdbKey::new(mac(station), vlan);
                        fdb.reader().learn(key, port(number), at(0));
                    } else {
                        fdb.add(mac(station), vlan, port(number), kind, at(0))
                            .unwrap();
                    }
                }
            }
        }
    }
    fdb
}

fn sorted(fdb: &Fdb) -> Vec<(MacAddr, Option<VlanId>, Option<PortId>, EntryKind)> {
    let mut entries: Vec<_> = (fdb.entries(at(0)).into_iter())
        .map(|entry| (entry.mac, entry.vlan, entry.port, entry.kind))
        .collect();
    entries.sort_unstable();
    entries
}

/// The rule as one would say it.
fn selected(filter: &Flush, entry: &(MacAddr, Option<VlanId>, Option<PortId>, EntryKind)) -> bool {
    let (mac, vlan, port, kind) = *entry;
    kind == filter.kind.unwrap_or(EntryKind::Learned)
        && (filter.port.is_none() || filter.port == port)
        && (filter.mac.is_none() || filter.mac == Some(mac))
        && (filter.vlan.is_none() || filter.vlan == vlan)
}

#[test]
fn every_combination_of_filters() {
    let kinds = [None].into_iter().chain(KINDS.map(Some));
    for kind in kinds {
        for port in [None, Some(port(0)), Some(port(3)), Some(port(9))] {
            for mac in [
                None,
                Some(mac(1)),
                Some(mac(8)),
                Some(mac(30)),
                Some(mac(99)),
            ] {
                for vlan in [None, VlanId::new(7), VlanId::new(9)] {
                    let filter = Flush {
                        port,
                        mac,
                        vlan,
                        kind,
                    };
                    let fdb = populated();
                    let mut expected = sorted(&fdb);
                    let before = expected.len();
                    expected.retain(|entry| !selected(&filter, entry));
                    let flushed = fdb.flush(&filter);
                    assert_eq!(flushed, before - expected.len(), "{filter:?}");
                    assert_eq!(sorted(&fdb), expected, "{filter:?}");
                    assert_eq!(fdb.stats().removed, flushed as u64);
                    audit(&fdb);
                }
            }
        }
    }
}

#[test]
fn a_flushed_station_is_learned_anew() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(0));
    let by_port = Flush {
        port: Some(port(5)),
        ..Flush::default()
    };
    let reader = fdb.reader();
    assert_eq!(fdb.flush(&by_port), 1);
    assert_eq!(fdb.flush(&by_port), 0);
    assert_eq!(reader.lookup(key(1), at(0)), None, "nor in an older table");
    assert_eq!(learn(&fdb, 1, 6, at(0)), Learned::New, "and not moved");
    audit(&fdb);
}

#[test]
fn no_entry_comes_back_when_the_generations_come_round() {
    let fdb = table(100);
    // Few enough that the table is not rebuilt for want of slots.
    for station in 0..40 {
        learn(&fdb, station, 5, at(0));
    }
    add(&fdb, 90, 5, EntryKind::Static, at(0));
    learn(&fdb, 91, 6, at(0));
    let by_port = Flush {
        port: Some(port(5)),
        ..Flush::default()
    };
    assert_eq!(fdb.flush(&by_port), 40);
    for round in 1..5_000 {
        assert_eq!(fdb.flush(&by_port), 0);
        for station in 0..40 {
            assert_eq!(lookup(&fdb, station, at(0)), None, "after {round} flushes");
        }
        assert_eq!(lookup(&fdb, 90, at(0)), Some((5, EntryKind::Static)));
        assert_eq!(lookup(&fdb, 91, at(0)), Some((6, EntryKind::Learned)));
    }
    audit(&fdb);
}

#[test]
fn generations_come_round_with_an_entry_left_behind_by_each() {
    let fdb = table(10_000);
    let by_port = Flush {
        port: Some(port(5)),
        ..Flush::default()
    };
    for station in 0..5_000 {
        assert_eq!(learn(&fdb, station, 5, at(0)), Learned::New);
        assert_eq!(fdb.flush(&by_port), 1);
        assert!(fdb.entries(at(0)).is_empty(), "after {station} flushes");
    }
    audit(&fdb);
}

#[test]
fn a_port_that_goes_takes_all_of_its_entries_and_no_others() {
    let fdb = populated();
    fdb.forget_port(port(3));
    let left = sorted(&fdb);
    assert!(left.iter().all(|entry| entry.2 != Some(port(3))));
    // All of port 0, and the switch's own addresses whatever port they were given with.
    assert_eq!(left.len(), 3 * 4 * 2 + 3 * 2);
    audit(&fdb);
    fdb.forget_port(port(0));
    let left = sorted(&fdb);
    assert!(left.iter().all(|entry| entry.3 == EntryKind::Local));
    assert_eq!(left.len(), 2 * 3 * 2);
    audit(&fdb);
}

#[test]
fn a_number_in_other_hands_inherits_nothing() {
    let fdb = table(1_000);
    for owner in 0..5_000 {
        let mine = owner % 20;
        learn(&fdb, mine, 5, at(0));
        add(&fdb, 100 + mine, 5, EntryKind::Static, at(0));
        let reader = fdb.reader();
        fdb.forget_port(port(5));
        for station in 0..20 {
            assert_eq!(lookup(&fdb, station, at(0)), None);
            assert_eq!(lookup(&fdb, 100 + station, at(0)), None);
            assert_eq!(reader.lookup(key(station), at(0)), None);
        }
    }
    audit(&fdb);
}

#[test]
fn a_port_beyond_all_numbers_is_harmless() {
    let fdb = table(100);
    learn(&fdb, 1, 5, at(0));
    fdb.forget_port(port(u16::MAX));
    add(&fdb, 2, u16::MAX, EntryKind::Static, at(0));
    assert_eq!(lookup(&fdb, 2, at(0)), Some((u16::MAX, EntryKind::Static)));
    fdb.forget_port(port(u16::MAX));
    assert_eq!(lookup(&fdb, 2, at(0)), None);
    assert!(lookup(&fdb, 1, at(0)).is_some());
    audit(&fdb);
}
