//! The rules of a relay (IEEE 802.1Q clause 8.6), each through real TAPs: what passes, to whom, and that
//! it passes unchanged.
//!
//! Each test sends what it is about, then a marker; what has not come before the marker does not come.

use std::slice;
use vswitch_tests::{
    Lab, Sandbox, Sniffer, frames,
    frames::{Raw, station},
    sniffer::shown,
};
use vswitch_wire::MacAddr;

const NONE: [Vec<u8>; 0] = [];

/// 01-80-C2-00-00-XX.
const fn group(last: u8) -> MacAddr {
    MacAddr::new([0x01, 0x80, 0xc2, 0, 0, last])
}

/// Three sandboxes on a network where nobody speaks unasked.
fn three(options: &[&str]) -> (Lab, [Sandbox; 3]) {
    let lab = Lab::start();
    lab.quiet("lan", options);
    let all = ["a", "b", "c"].map(|name| lab.join("lan", name));
    (lab, all)
}

/// Sends frames and a marker; those that `sniffer` sees before the marker.
#[track_caller]
fn sent_and_seen(from: &Sandbox, sent: &[Vec<u8>], sniffer: &Sniffer) -> Vec<Vec<u8>> {
    let marker = frames::marker(MacAddr::BROADCAST, station(0xffff));
    let mut raw = Raw::open(from);
    for frame in sent {
        raw.send(frame);
    }
    raw.send(&marker);
    sniffer.until(&marker)
}

#[test]
fn unknown_unicast_broadcast_and_multicast_are_flooded_and_never_come_back() {
    let (lab, [a, b, c]) = three(&[]);
    let sniffers = [&a, &b, &c].map(Sniffer::start);
    let multicast = MacAddr::new([0x33, 0x33, 0, 0, 0, 0x77]);
    let sent = [station(7), MacAddr::BROADCAST, multicast]
        .map(|dst| frames::unique(dst, a.mac()))
        .to_vec();
    assert_eq!(sent_and_seen(&a, &sent, &sniffers[1]), sent);
    assert_eq!(sent_and_seen(&a, &[], &sniffers[2]), sent);
    // b has the last word, and a has heard nothing before it but that.
    assert_eq!(sent_and_seen(&b, &[], &sniffers[0]), NONE);
    drop(sniffers);
    lab.finish();
}

#[test]
fn a_frame_to_a_station_behind_its_own_port_is_filtered() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    // Two stations behind a's port: the first speaks, the second speaks to the first.
    let (first, second) = (station(1), station(2));
    let hello = frames::unique(MacAddr::BROADCAST, first);
    let between = frames::unique(first, second);
    assert_eq!(
        sent_and_seen(&a, &[hello.clone(), between], &sniffer),
        [hello]
    );
    assert_eq!(lab.drops(&a, "same_port"), 1);
    drop(sniffer);
    lab.finish();
}

#[test]
fn a_source_that_is_no_station_is_dropped_and_not_learned() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    let sources = [
        MacAddr::BROADCAST,
        MacAddr::ZERO,
        MacAddr::new([0x01, 0x00, 0x5e, 0, 0, 9]),
        group(0),
        MacAddr::new([0x03, 0, 0, 0, 0, 1]),
    ];
    let sent = sources.map(|src| frames::unique(MacAddr::BROADCAST, src));
    assert_eq!(sent_and_seen(&a, &sent, &sniffer), NONE);
    assert_eq!(lab.drops(&a, "invalid_source"), 5);
    for source in sources {
        assert_eq!(lab.whereabouts("lan", source), None);
    }
    drop(sniffer);
    lab.finish();
}

#[test]
fn the_sixteen_reserved_addresses_are_not_relayed_and_teach_nothing() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    let sent: Vec<_> = (0..16)
        .map(|last| frames::unique(group(last), station(last.into())))
        .collect();
    assert_eq!(sent_and_seen(&a, &sent, &sniffer), NONE);
    assert_eq!(lab.drops(&a, "reserved_address"), 16);
    for last in 0..16 {
        assert_eq!(lab.whereabouts("lan", station(last)), None);
    }
    drop(sniffer);
    lab.finish();
}

#[test]
fn reserved_addresses_are_not_relayed_behind_a_tag_either() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    let sent: Vec<_> = (0..16)
        .map(|last| tagged(&[(0x8100, 5)], group(last), station(last.into())))
        .collect();
    assert_eq!(sent_and_seen(&a, &sent, &sniffer), NONE);
    assert_eq!(lab.drops(&a, "reserved_address"), 16);
    drop(sniffer);
    lab.finish();
}

#[test]
fn reserved_addresses_are_relayed_where_the_network_says_so() {
    let (lab, [a, b, _]) = three(&["relay_reserved=on"]);
    let sniffer = Sniffer::start(&b);
    let sent: Vec<_> = (0..16)
        .map(|last| frames::unique(group(last), a.mac()))
        .collect();
    assert_eq!(sent_and_seen(&a, &sent, &sniffer), sent);
    drop(sniffer);
    lab.finish();
}

#[test]
fn the_addresses_of_unused_applications_are_relayed() {
    // 01-80-C2-00-00-20 to -2F: MRP applications that this switch does not take part in (802.1Q 8.13.6).
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    let sent: Vec<_> = (0x10..0x30)
        .map(|last| frames::unique(group(last), a.mac()))
        .collect();
    assert_eq!(sent_and_seen(&a, &sent, &sniffer), sent);
    drop(sniffer);
    lab.finish();
}

#[test]
fn without_learning_everything_is_flooded() {
    let (lab, [a, b, c]) = three(&["learning=off"]);
    let sniffer = Sniffer::start(&c);
    let to_b = frames::unique(b.mac(), a.mac());
    // b has spoken, and still is unknown.
    assert_eq!(sent_and_seen(&b, &[], &sniffer), NONE);
    let seen = sent_and_seen(&a, slice::from_ref(&to_b), &sniffer);
    assert!(seen.contains(&to_b));
    assert_eq!(lab.fdb("lan"), []);
    drop(sniffer);
    lab.finish();
}

/// A frame with tags (TPID, TCI), outermost first.
fn tagged(tags: &[(u16, u16)], dst: MacAddr, src: MacAddr) -> Vec<u8> {
    let inner = frames::unique(dst, src);
    let mut frame = inner[..12].to_vec();
    for (tpid, tci) in tags {
        frame.extend(tpid.to_be_bytes());
        frame.extend(tci.to_be_bytes());
    }
    frame.extend(&inner[12..]);
    frame
}

#[test]
fn tags_pass_untouched() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    let stacks: [&[(u16, u16)]; 7] = [
        // VLAN 42; a priority tag; priority 7, drop eligible, VLAN 4094; the reserved 4095.
        &[(0x8100, 42)],
        &[(0x8100, 0xa000)],
        &[(0x8100, 0xfffe)],
        &[(0x8100, 0x0fff)],
        // A service tag; a service tag around a customer tag; two priority tags.
        &[(0x88a8, 7)],
        &[(0x88a8, 7), (0x8100, 42)],
        &[(0x8100, 0), (0x8100, 0)],
    ];
    let marker = frames::marker(MacAddr::BROADCAST, a.mac());
    let mut raw = Raw::open(&a);
    let sent = stacks.map(|tags| tagged(tags, MacAddr::BROADCAST, a.mac()));
    for frame in &sent {
        raw.send(frame);
    }
    raw.send(&marker);
    for frame in &sent {
        sniffer.expect_frame(frame);
    }
    sniffer.expect_frame(&marker);
    let tagged: Vec<_> = (sniffer.so_far().into_iter())
        .filter(|seen| sent.contains(seen))
        .collect();
    assert_eq!(tagged, sent, "in order and once");
    drop(sniffer);
    lab.finish();
}

#[test]
fn frames_of_every_length_arrive_as_they_were_sent() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    // From the bare header, shorter than any real wire allows, to the MTU; with LLC lengths among them.
    let mut sent = Vec::new();
    for length in [0, 1, 2, 3, 45, 46, 47, 100, 512, 1499, 1500] {
        let text: Vec<u8> = frames::label().bytes().cycle().take(length).collect();
        sent.push(frames::bare(b.mac(), a.mac(), frames::TEST_TYPE, &text));
    }
    assert_eq!(sent_and_seen(&a, &sent, &sniffer), sent);
    let llc = frames::bare(b.mac(), a.mac(), 3, &[0x42, 0x42, 0x03]);
    Raw::open(&a).send(&llc);
    sniffer.expect_frame(&llc);
    drop(sniffer);
    lab.finish();
}

#[test]
fn the_order_of_frames_is_kept_and_none_is_lost_or_doubled() {
    let (lab, [a, b, _]) = three(&[]);
    let sniffer = Sniffer::start(&b);
    // b is known, so this is the quick path; in bursts that fit the TAP's queue.
    assert_eq!(sent_and_seen(&b, &[], &Sniffer::start(&a)), NONE);
    let mut all = Vec::new();
    for burst in 0..10 {
        let sent: Vec<_> = (0..400).map(|_| frames::unique(b.mac(), a.mac())).collect();
        let marker = frames::marker(b.mac(), a.mac());
        let mut raw = Raw::open(&a);
        for frame in &sent {
            raw.send(frame);
        }
        raw.send(&marker);
        all.extend(sent);
        let seen = sniffer.until(&marker);
        let text = |frames: &[Vec<u8>]| frames.iter().map(|f| shown(f)).collect::<Vec<_>>();
        assert_eq!(text(&seen), text(&all), "burst {burst}");
    }
    drop(sniffer);
    lab.finish();
}
