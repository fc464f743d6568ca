//! The relay rules of IEEE 802.1D and 802.1Q, one test each.

use std::collections::BTreeMap;

use vswitch_wire::{MacAddr, OffloadSet};

use super::super::{Ageing, EntryKind, Flush, NetworkId, NetworkSettings, SwitchEvent, Tick};
use super::bench::{Bench, Mood};
use crate::port::PortId;
use crate::testing::{frame, mac, tagged, with_header};

const GROUP: MacAddr = MacAddr::new([1, 0, 0x5e, 0, 0, 1]);
const CTAG: [u8; 4] = [0x81, 0, 0, 42];
const STAG: [u8; 4] = [0x88, 0xa8, 0, 7];

fn ports(numbers: impl IntoIterator<Item = u16>) -> BTreeMap<u16, usize> {
    numbers.into_iter().map(|number| (number, 1)).collect()
}

#[test]
fn what_is_not_known_or_for_many_goes_to_all_other_ports() {
    for dst in [mac(9), MacAddr::BROADCAST, GROUP, MacAddr::ZERO] {
        let mut bench = Bench::with_ports(4);
        bench.send(2, frame(dst, mac(1)));
        assert_eq!(bench.delivered(), ports([0, 1, 3]), "{dst}");
        let totals = bench.totals();
        assert_eq!((totals.rx.frames, totals.tx.frames), (1, 3));
        assert_eq!((totals.replicated, totals.residual()), (2, 0));
    }
}

#[test]
fn a_known_station_gets_its_frames_alone() {
    let mut bench = Bench::with_ports(4);
    bench.send(1, frame(MacAddr::BROADCAST, mac(1)));
    assert_eq!(bench.delivered(), ports([0, 2, 3]));
    bench.send(2, frame(mac(1), mac(2)));
    assert_eq!(bench.delivered(), ports([1]));
    bench.send(1, frame(mac(2), mac(1)));
    assert_eq!(bench.delivered(), ports([2]));
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn frames_pass_unchanged() {
    let header = vswitch_wire::VnetHdr {
        flags: vswitch_wire::FLAG_DATA_VALID,
        ..vswitch_wire::VnetHdr::NONE
    };
    for payload in [0, 1, 45, 46, 1500] {
        let sent = with_header(header, tagged(mac(1), mac(2), &[], payload));
        let mut bench = Bench::with_ports(2);
        bench.send(0, sent.clone());
        assert_eq!(bench.take(1), std::slice::from_ref(&sent));
        let bytes = sent.len() as u64 - 12;
        assert_eq!(bench.tally(0).rx.bytes, bytes);
        assert_eq!(bench.tally(1).tx.bytes, bytes);
    }
}

#[test]
fn what_is_refused_teaches_nothing() {
    let bad_offload = vswitch_wire::VnetHdr {
        flags: 0x40,
        ..vswitch_wire::VnetHdr::NONE
    };
    let reserved = MacAddr::new([1, 0x80, 0xc2, 0, 0, 0]);
    let mut cut = tagged(mac(9), mac(1), &[CTAG], 0);
    cut.truncate(cut.len() - 2);
    let refused = [
        frame(mac(9), GROUP),
        frame(mac(9), MacAddr::BROADCAST),
        frame(mac(9), MacAddr::ZERO),
        frame(reserved, mac(1)),
        with_header(bad_offload, frame(mac(9), mac(1))),
        cut,
    ];
    for frame in refused {
        let mut bench = Bench::with_ports(2);
        bench.send(0, frame);
        assert!(bench.delivered().is_empty());
        assert!(bench.fdb(0).entries(Tick::default()).is_empty());
        assert!(bench.events().is_empty());
        assert_eq!(bench.totals().drops.values().sum::<u64>(), 1);
    }
}

#[test]
fn what_was_admitted_teaches_though_it_goes_nowhere() {
    let mut bench = Bench::with_ports(1);
    bench.send(0, frame(mac(9), mac(1)));
    assert_eq!(bench.home(mac(1), Tick::default()), Some(0));
    assert!(bench.totals().drops.contains_key("no_other_port"));
}

#[test]
fn a_frame_whose_destination_is_where_it_came_from_is_filtered() {
    let mut bench = Bench::with_ports(3);
    bench.send(0, frame(mac(9), mac(1)));
    bench.delivered();
    bench.send(0, frame(mac(1), mac(2)));
    bench.send(0, frame(mac(3), mac(3))); // to itself
    assert!(bench.delivered().is_empty());
    assert_eq!(bench.tally(0).drops["same_port"], 2);
    assert_eq!(bench.home(mac(2), Tick::default()), Some(0));
}

#[test]
fn the_sixteen_reserved_addresses_stay_on_their_link() {
    let mut bench = Bench::with_ports(2);
    for last in 0..=0x2f {
        let dst = MacAddr::new([1, 0x80, 0xc2, 0, 0, last]);
        // Tags make no difference.
        bench.send(0, frame(dst, mac(1)));
        bench.send(0, tagged(dst, mac(1), &[CTAG], 46));
        let expected = if last < 0x10 { 0 } else { 2 };
        assert_eq!(bench.take(1).len(), expected, "{dst}");
    }
    assert_eq!(bench.tally(0).drops["reserved_address"], 32);
    let settings = NetworkSettings {
        relay_reserved: true,
        ..NetworkSettings::default()
    };
    bench.configure(0, settings);
    for last in 0..=0x0f {
        bench.send(0, frame(MacAddr::new([1, 0x80, 0xc2, 0, 0, last]), mac(1)));
    }
    assert_eq!(bench.take(1).len(), 16);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_station_that_is_silent_for_the_ageing_time_is_unknown_again() {
    let settings = NetworkSettings {
        ageing: Ageing::from_secs(10).unwrap(),
        ..NetworkSettings::default()
    };
    let mut bench = Bench::with_ports(3);
    bench.configure(0, settings);
    bench.receive(0, &[frame(mac(9), mac(1))], Tick::from_secs(5));
    bench.delivered();
    bench.receive(1, &[frame(mac(1), mac(2))], Tick::from_millis(14_999));
    assert_eq!(bench.delivered(), ports([0]));
    bench.receive(1, &[frame(mac(1), mac(2))], Tick::from_secs(15));
    assert_eq!(bench.delivered(), ports([0, 2]));
}

#[test]
fn stations_and_their_moves_are_reported() {
    let mut bench = Bench::with_ports(3);
    let network = NetworkId(0);
    for number in [0, 0, 2, 2, 0] {
        bench.send(number, frame(mac(9), mac(1)));
    }
    let (first, second) = (PortId::new(0), PortId::new(2));
    let moved = |from, to| SwitchEvent::Moved {
        network,
        mac: mac(1),
        from,
        to,
    };
    let learned = SwitchEvent::Learned {
        network,
        mac: mac(1),
        port: first,
    };
    let expected = [learned, moved(first, second), moved(second, first)];
    assert_eq!(bench.events(), expected);
    assert_eq!(bench.fdb(0).stats().moved, 2);
    bench.delivered();
    bench.send(1, frame(mac(1), mac(2)));
    assert_eq!(bench.delivered(), ports([0]));
}

#[test]
fn the_frames_of_a_batch_learn_from_one_another_and_keep_their_order() {
    let mut bench = Bench::with_ports(3);
    bench.send(1, frame(mac(9), mac(1)));
    bench.delivered();
    let batch = [
        tagged(mac(1), mac(2), &[], 50),             // to port 1
        tagged(MacAddr::BROADCAST, mac(3), &[], 51), // to 1 and 2
        tagged(mac(3), mac(2), &[], 52),             // same port, since the one before
        tagged(mac(9), mac(2), &[], 53),             // unknown: 1 and 2
        tagged(mac(1), mac(2), &[], 54),             // to port 1
        tagged(mac(1), mac(1), &[], 55),             // moves station 1 to where it came from
        tagged(mac(1), mac(2), &[], 56),             // and so is the same port
    ];
    bench.receive(0, &batch, Tick::default());
    let lengths = |number| -> Vec<_> {
        (bench.take(number).iter())
            .map(|frame| frame.len() - 26)
            .collect()
    };
    assert_eq!(lengths(1), [50, 51, 53, 54]);
    assert_eq!(lengths(2), [51, 53]);
    assert_eq!(bench.tally(0).drops["same_port"], 3);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_trunk_delivers_for_the_ports_of_many_networks() {
    let mut bench = Bench::new(2, NetworkSettings::default());
    for (number, network) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1)] {
        bench.add(number, network, 1500, OffloadSet::ALL);
    }
    let frames = [
        (0, frame(MacAddr::BROADCAST, mac(1))),
        (2, frame(MacAddr::BROADCAST, mac(1))),
        (0, frame(MacAddr::BROADCAST, mac(2))),
        // A port that is not there any more.
        (9, frame(MacAddr::BROADCAST, mac(3))),
        (2, frame(mac(1), mac(4))),
    ];
    bench.trunk(&frames, Tick::default());
    assert_eq!(bench.delivered(), BTreeMap::from([(1, 2), (3, 1), (4, 1)]));
    assert_eq!((bench.tally(0).rx.frames, bench.tally(2).rx.frames), (2, 2));
    assert_eq!(bench.tally(2).drops["same_port"], 1);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn what_a_port_answers_itself_is_consumed() {
    let mut bench = Bench::with_ports(3);
    bench.set_mood(1, Mood::Answers);
    bench.send(0, frame(MacAddr::BROADCAST, mac(1)));
    assert_eq!(bench.delivered(), ports([2]));
    assert_eq!(bench.tally(1).consumed, 1);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_network_is_one_broadcast_domain_whatever_the_tags() {
    let mut bench = Bench::with_ports(3);
    bench.send(0, tagged(mac(9), mac(1), &[STAG, CTAG], 46));
    bench.delivered();
    let sent = tagged(mac(1), mac(2), &[CTAG], 46);
    bench.send(1, sent.clone());
    assert_eq!(bench.take(0), [sent]);
    assert!(bench.take(2).is_empty());
}

#[test]
fn networks_never_see_each_other() {
    let mut bench = Bench::new(3, NetworkSettings::default());
    for number in 0..9 {
        bench.add(number, u32::from(number % 3), 1500, OffloadSet::ALL);
    }
    // The same station in all of them, each time behind another port.
    for number in [0, 4, 8] {
        bench.send(number, frame(MacAddr::BROADCAST, mac(1)));
        let mates = (0..9).filter(|other| other % 3 == number % 3 && *other != number);
        assert_eq!(bench.delivered(), ports(mates));
    }
    for (number, expected) in [(3, 0), (1, 4), (5, 8)] {
        bench.send(number, frame(mac(1), mac(2)));
        assert_eq!(bench.delivered(), ports([expected]));
    }
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn without_learning_the_network_is_a_hub_but_for_entries_put_in_by_hand() {
    let mut bench = Bench::with_ports(3);
    let settings = NetworkSettings {
        learning: false,
        ..NetworkSettings::default()
    };
    bench.configure(0, settings);
    bench.send(0, frame(mac(9), mac(1)));
    bench.delivered();
    bench.send(1, frame(mac(1), mac(2)));
    assert_eq!(bench.delivered(), ports([0, 2]));
    assert!(bench.events().is_empty());
    let now = Tick::default();
    (bench.fdb(0))
        .add(mac(1), None, PortId::new(0), EntryKind::Static, now)
        .unwrap();
    bench.send(1, frame(mac(1), mac(2)));
    assert_eq!(bench.delivered(), ports([0]));
}

#[test]
fn entries_put_in_by_hand_decide() {
    let mut bench = Bench::with_ports(3);
    let late = Tick::from_secs(10_000);
    for (station, number, kind) in [
        (1, 0, EntryKind::Static),
        (2, 0, EntryKind::Sticky),
        (3, 0, EntryKind::Local),
    ] {
        (bench.fdb(0))
            .add(mac(station), None, PortId::new(number), kind, late)
            .unwrap();
    }
    // An impostor at port 2 gets nothing of theirs.
    for station in 1..=3 {
        bench.receive(2, &[frame(mac(9), mac(station))], late);
    }
    assert_eq!(bench.fdb(0).stats().refused, 3);
    bench.delivered();
    for station in 1..=2 {
        bench.receive(1, &[frame(mac(station), mac(4))], late);
        assert_eq!(bench.delivered(), ports([0]));
    }
    // From the port that a local entry happens to carry as well.
    for (number, station) in [(0, 5), (1, 6)] {
        bench.receive(number, &[frame(mac(3), mac(station))], late);
        assert!(bench.delivered().is_empty());
        assert_eq!(bench.tally(number).consumed, 1);
    }
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_flush_makes_stations_unknown() {
    let mut bench = Bench::with_ports(3);
    for (number, station) in [(0, 1), (1, 2)] {
        bench.send(number, frame(mac(9), mac(station)));
    }
    bench.delivered();
    bench.fdb(0).flush(&Flush {
        port: Some(PortId::new(0)),
        ..Flush::default()
    });
    bench.send(2, frame(mac(1), mac(3)));
    assert_eq!(bench.delivered(), ports([0, 1]));
    bench.send(2, frame(mac(2), mac(3)));
    assert_eq!(bench.delivered(), ports([1]));
}

#[test]
fn the_mtu_of_the_port_that_a_frame_leaves_through_counts() {
    let mut bench = Bench::with_ports(2);
    bench.add(2, 0, 9000, OffloadSet::NONE);
    for tags in [&[][..], &[CTAG], &[STAG, CTAG]] {
        bench.send(0, tagged(MacAddr::BROADCAST, mac(1), tags, 1500));
        assert_eq!(bench.delivered(), ports([1, 2]));
        bench.send(0, tagged(MacAddr::BROADCAST, mac(1), tags, 1501));
        assert_eq!(bench.delivered(), ports([2]));
        bench.send(0, tagged(MacAddr::BROADCAST, mac(1), tags, 9001));
        assert!(bench.delivered().is_empty());
    }
    assert_eq!(bench.tally(1).drops["too_long"], 6);
    assert_eq!(bench.tally(2).drops["too_long"], 3);
    assert_eq!(bench.totals().residual(), 0);
}
