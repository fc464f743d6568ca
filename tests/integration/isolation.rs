//! Two networks on one switch do not know of each other.

use vswitch_tests::{Lab, Sniffer, frames, frames::Raw, icmp};
use vswitch_wire::MacAddr;

const NONE: [Vec<u8>; 0] = [];

#[test]
fn two_networks_never_see_each_others_frames() {
    let lab = Lab::start();
    lab.subnet("red", 1, &[]);
    lab.subnet("blue", 2, &[]);
    let red = [lab.join("red", "r1"), lab.join("red", "r2")];
    let blue = [lab.join("blue", "b1"), lab.join("blue", "b2")];
    icmp::all_pairs(&red);
    icmp::all_pairs(&blue);

    let [r1, r2] = [&red[0], &red[1]].map(Sniffer::start);
    let [b1, b2] = [&blue[0], &blue[1]].map(Sniffer::start);
    let src = red[0].mac();
    let group = MacAddr::new([0x01, 0x00, 0x5e, 1, 2, 3]);
    let mut sent = Vec::new();
    let mut raw = Raw::open(&red[0]);
    // Unknown, broadcast, multicast, and a station of the other network, which here is unknown.
    for dst in [frames::station(9), MacAddr::BROADCAST, group, blue[0].mac()] {
        let frame = frames::unique(dst, src);
        raw.send(&frame);
        sent.push(frame);
    }
    let marker = frames::marker(MacAddr::BROADCAST, src);
    raw.send(&marker);
    // In its own network all of it arrives, so by now the switch has done with it.
    assert_eq!(r2.until(&marker), sent);
    for (sniffer, other) in [(&b1, &blue[1]), (&b2, &blue[0])] {
        let marker = frames::marker(MacAddr::BROADCAST, other.mac());
        Raw::open(other).send(&marker);
        assert_eq!(sniffer.until(&marker), NONE);
    }
    drop((r1, r2, b1, b2));
    lab.finish();
}

#[test]
fn the_same_address_in_two_networks_is_two_stations() {
    let lab = Lab::start();
    lab.subnet("red", 1, &[]);
    lab.subnet("blue", 2, &[]);
    let mac = frames::station(1);
    let red = [lab.join("red", "r1"), lab.join("red", "r2")];
    let blue = [lab.join("blue", "b1"), lab.join("blue", "b2")];
    for (from, to, network) in [(&red[0], &red[1], "red"), (&blue[0], &blue[1], "blue")] {
        let sniffer = Sniffer::start(to);
        let frame = frames::marker(MacAddr::BROADCAST, mac);
        Raw::open(from).send(&frame);
        sniffer.expect_frame(&frame);
        let entry = (mac.to_string(), Some(from.port()), "learned".to_owned());
        assert!(lab.fdb(network).contains(&entry), "{:?}", lab.fdb(network));
    }
    lab.finish();
}
