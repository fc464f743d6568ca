use super::*;
use std::collections::BTreeMap;

/// A UDP datagram of 100 bytes, which tells which it is.
fn datagram(number: u32) -> Vec<u8> {
    let mut frame = vec![0; 100];
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[ETHERNET + 9] = 17;
    frame[96..].copy_from_slice(&number.to_be_bytes());
    frame
}

fn number(frame: &[u8]) -> Option<u32> {
    frame.last_chunk().copied().map(u32::from_be_bytes)
}

/// Sends `count` datagrams, one a microsecond, and takes out what has arrived after each.
fn run(rule: Impairment, lane: u64, count: u32) -> (Vec<Vec<u8>>, Tally) {
    let mut lane = Lane::new(rule, lane);
    let start = Instant::now();
    let mut arrived = Vec::new();
    for index in 0..count {
        let now = start + Duration::from_micros(index.into());
        lane.offer(&datagram(index), now);
        arrived.extend(std::iter::from_fn(|| lane.take(now)));
    }
    let end = start + Duration::from_secs(10);
    arrived.extend(std::iter::from_fn(|| lane.take(end)));
    assert_eq!(lane.next(), None);
    (arrived, lane.tally())
}

const BAD: Impairment = Impairment {
    seed: 7,
    loss: 50,
    duplication: 10,
    reordering: 50,
    flips: 10,
    delay: Duration::from_micros(20),
};

#[test]
fn without_impairment_all_arrive_in_order() {
    let (arrived, tally) = run(Impairment::default(), 0, 1000);
    let numbers: Vec<_> = arrived.iter().filter_map(|frame| number(frame)).collect();
    assert_eq!(numbers, (0..1000).collect::<Vec<_>>());
    let clean = Tally {
        offered: 1000,
        arrived: 1000,
        ..Tally::default()
    };
    assert_eq!(tally, clean);
}

#[test]
fn the_seed_decides_and_nothing_else() {
    assert_eq!(run(BAD, 3, 5000), run(BAD, 3, 5000));
    assert_ne!(run(BAD, 3, 5000).0, run(BAD, 4, 5000).0);
    let other = Impairment { seed: 8, ..BAD };
    assert_ne!(run(BAD, 3, 5000).0, run(other, 3, 5000).0);
}

#[test]
fn the_shares_are_about_what_was_asked_for() {
    let (arrived, tally) = run(BAD, 0, 100_000);
    let about = |count: u64, wanted: u64| count.abs_diff(wanted) < wanted / 10;
    assert!(about(tally.lost, 5000), "{tally:?}");
    assert!(about(tally.duplicated, 950), "{tally:?}");
    assert!(about(tally.flipped, 960), "{tally:?}");
    assert!(about(tally.reordered, 4800), "{tally:?}");
    assert_eq!(tally.arrived, 100_000 - tally.lost + tally.duplicated);
    assert_eq!(tally.arrived, arrived.len() as u64);
}

#[test]
fn the_tally_is_what_happened() {
    let (arrived, tally) = run(Impairment { flips: 0, ..BAD }, 0, 10_000);
    let mut times: BTreeMap<u32, u64> = BTreeMap::new();
    let mut overtaken = 0;
    let mut latest = 0;
    for number in arrived.iter().filter_map(|frame| number(frame)) {
        *times.entry(number).or_default() += 1;
        overtaken += u64::from(number < latest);
        latest = latest.max(number);
    }
    let lost = 10_000 - times.len() as u64;
    let twice = times.values().filter(|count| **count == 2).count() as u64;
    assert_eq!((lost, twice), (tally.lost, tally.duplicated));
    assert_eq!(overtaken, tally.reordered);
}

#[test]
fn a_flip_changes_one_bit_behind_the_ethernet_header() {
    let rule = Impairment {
        flips: 1000,
        ..Impairment::default()
    };
    let (arrived, tally) = run(rule, 0, 2000);
    assert_eq!(tally.flipped, 2000);
    for (number, frame) in (0..).zip(&arrived) {
        let sent = datagram(number);
        assert_eq!(frame[..ETHERNET], sent[..ETHERNET]);
        let bits = sent.iter().zip(frame).map(|(a, b)| (a ^ b).count_ones());
        assert_eq!(bits.sum::<u32>(), 1);
    }
}

#[test]
fn what_nothing_overtakes_arrives_all_the_same() {
    let rule = Impairment {
        reordering: 1000,
        ..Impairment::default()
    };
    let mut lane = Lane::new(rule, 0);
    let now = Instant::now();
    lane.offer(&datagram(1), now);
    assert_eq!(lane.take(now), None);
    assert_eq!(lane.next(), Some(now + HOLD));
    assert_eq!(lane.take(now + HOLD), Some(datagram(1)));
    assert_eq!(lane.tally().reordered, 0);
}

#[test]
fn delay_keeps_the_order() {
    let rule = Impairment {
        delay: Duration::from_millis(5),
        ..Impairment::default()
    };
    let mut lane = Lane::new(rule, 0);
    let now = Instant::now();
    for number in [1, 2] {
        lane.offer(&datagram(number), now);
    }
    assert_eq!(lane.take(now + Duration::from_millis(4)), None);
    let due = lane.next();
    assert_eq!(due, Some(now + rule.delay));
    let there: Vec<_> = due
        .into_iter()
        .flat_map(|due| [lane.take(due), lane.take(due)])
        .collect();
    assert_eq!(there, [Some(datagram(1)), Some(datagram(2))]);
}

#[test]
fn address_resolution_is_spared() {
    let rule = Impairment {
        loss: 1000,
        ..Impairment::default()
    };
    let mut lane = Lane::new(rule, 0);
    let now = Instant::now();
    let mut arp = vec![0; 60];
    arp[12..14].copy_from_slice(&[8, 6]);
    lane.offer(&arp, now);
    lane.offer(&datagram(1), now);
    assert_eq!(lane.take(now), Some(arp));
    assert_eq!(lane.take(now), None);
    assert_eq!(lane.tally().lost, 1);
}
