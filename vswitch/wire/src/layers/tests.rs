use proptest::prelude::*;

use super::*;
use crate::testing::{DST4, SRC4, plain, specs};

fn hash(frame: &[u8]) -> u32 {
    flow_hash(frame, &Head::parse(frame).unwrap())
}

fn layers(frame: &[u8]) -> Result<Layers, ParseError> {
    Layers::parse(frame, &Head::parse(frame).unwrap())
}

#[test]
fn padding_is_not_payload() {
    let mut spec = plain(false, false);
    spec.payload = vec![1, 2, 3];
    let mut frame = spec.build().frame;
    frame.resize(60, 0xee);
    let found = layers(&frame).unwrap();
    assert_eq!((found.l3, found.l4, found.l4_end), (14, 34, 45));
    assert_eq!(
        (found.ip, found.proto, found.fragment),
        (IpVersion::V4, PROTO_UDP, false)
    );
    assert_eq!(found.ports(&frame), Some((40_000, 5201)));
}

#[test]
fn what_is_no_packet() {
    let mut frame = plain(true, false).build().frame;
    frame[13] = 6;
    assert_eq!(layers(&frame), Err(ParseError::NotIp));
    frame[13] = 0;
    frame.truncate(1000);
    assert!(matches!(
        layers(&frame),
        Err(ParseError::Truncated {
            what: "IPv4 packet",
            need: 4040,
            have: 986
        })
    ));
    frame.truncate(14);
    assert!(matches!(
        layers(&frame),
        Err(ParseError::Truncated {
            what: "IPv4 header",
            ..
        })
    ));
}

#[test]
fn ports_outside_the_packet_are_not_read() {
    let mut frame = plain(false, false).build().frame;
    // The IP packet ends three bytes into UDP, whatever the frame holds behind it.
    frame[16..18].copy_from_slice(&23u16.to_be_bytes());
    let found = layers(&frame).unwrap();
    assert_eq!((found.l4_end, found.ports(&frame)), (37, None));
    let _ = hash(&frame);
}

#[test]
fn snap_is_ip_too() {
    let plain = plain(true, false).build().frame;
    let snap = [
        &plain[..12],
        &[0, 8, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00],
        &plain[14..],
    ]
    .concat();
    assert_eq!(layers(&snap).unwrap().l3, 22);
    assert_eq!(hash(&snap), hash(&plain));
}

#[test]
fn the_flow_and_nothing_else() {
    let frame = plain(true, false).build().frame;
    let with = |at: usize, value: u8| {
        let mut frame = frame.clone();
        frame[at] = value;
        hash(&frame)
    };
    let same = hash(&frame);
    // Destination MAC, identification, TTL, sequence number, payload.
    for at in [5, 19, 22, 41, 100] {
        assert_eq!(with(at, 0x77), same, "byte {at}");
    }
    // Protocol, addresses, ports.
    for at in [23, 26, 29, 30, 33, 34, 35, 36, 37] {
        assert_ne!(with(at, 0x77), same, "byte {at}");
    }
    // A fragment, first or not: ports do not count any more.
    let fragment = with(20, 0x20);
    let mut other_ports = frame.clone();
    other_ports[20] = 0x20;
    other_ports[34] = 0x77;
    assert_eq!(hash(&other_ports), fragment);
    assert_eq!(with(21, 0x10), fragment);
    // Not IP: the MAC addresses.
    let arp = with(13, 6);
    let mut other = frame.clone();
    other[13] = 6;
    other[30] = 0x77;
    assert_eq!(hash(&other), arp);
    other[5] = 0x77;
    assert_ne!(hash(&other), arp);
}

#[test]
fn flows_spread() {
    let mut frame = plain(false, false).build().frame;
    let mut buckets = [0u32; 64];
    for port in 0..6400u16 {
        frame[34..36].copy_from_slice(&port.to_be_bytes());
        buckets[usize::try_from(hash(&frame) % 64).unwrap()] += 1;
    }
    let (min, max) = (buckets.iter().min().unwrap(), buckets.iter().max().unwrap());
    assert!(
        *min > 50 && *max < 160,
        "100 expected in every bucket, {min} to {max} found"
    );
}

proptest! {
    #[test]
    fn built_frames_are_found(spec in specs(0..100)) {
        let built = spec.build();
        let found = layers(&built.frame).unwrap();
        prop_assert_eq!((found.l3, found.l4, found.l4_end), (built.l3, built.l4, built.frame.len()));
        prop_assert_eq!((found.proto, found.ip == IpVersion::V6, found.fragment), (spec.proto(), spec.v6, false));
        prop_assert_eq!(found.ports(&built.frame), Some((40_000, 5201)));
        if !spec.v6 {
            let ip = Ipv4View::parse(&built.frame[found.l3..]).unwrap();
            prop_assert_eq!((ip.src().octets(), ip.dst().octets()), (SRC4, DST4));
        }
    }
}
