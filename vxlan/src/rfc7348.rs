//! The rules of RFC 7348 that apply to what has no socket, one test each, named by section.
//!
//! Not here, because they are the socket's: the configurable destination port and the UDP checksum (section 5), and
//! that a VTEP must not fragment (section 4.3), of which the answer to a packet that is too big is in `too_big`.

use std::collections::BTreeSet;

use vswitch_wire::{Head, MacAddr};

use crate::testing::{DST, SRC, ethernet, host, ipv4_frame, ipv6_frame, mac, vni};
use crate::{
    Ecn, InnerVlan, Learned, Limits, Origin, PORT, Refusal, Reserved, Route, SegmentConfig, Vtep,
};

const NOW: u32 = 1000;

/// Host 1 with one segment, VNI 42, and peers 2 and 3.
fn vtep(change: impl FnOnce(&mut SegmentConfig)) -> Vtep {
    let mut config = SegmentConfig::new(host(1));
    change(&mut config);
    let mut vtep = Vtep::new(Limits::default());
    vtep.add_segment(vni(42), config).unwrap();
    for peer in [2, 3] {
        vtep.add_peer(vni(42), host(peer)).unwrap();
    }
    vtep
}

fn datagram(header: [u8; 8], frame: &[u8]) -> Vec<u8> {
    [&header, frame].concat()
}

const HEADER: [u8; 8] = [8, 0, 0, 0, 0, 0, 42, 0];

/// What became of a datagram from host 2.
fn receive(vtep: &Vtep, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    vtep.decapsulate(bytes, host(2), Ecn::NotEct, NOW)
        .map(|inner| inner.frame.to_vec())
}

fn tagged(frame: &[u8], tags: &[u8]) -> Vec<u8> {
    [&frame[..12], tags, &frame[12..]].concat()
}

#[test]
fn rfc7348_sec5_i_flag_must_be_set() {
    let (vtep, frame) = (vtep(|_| {}), ipv4_frame(0, 64, 99, &[1]));
    for flags in 0..=u8::MAX {
        let mut header = HEADER;
        header[0] = flags;
        let expected = if flags & 8 == 0 {
            Err(Refusal::NoVni)
        } else {
            Ok(frame.clone())
        };
        assert_eq!(
            receive(&vtep, &datagram(header, &frame)),
            expected,
            "{flags:#04x}"
        );
    }
}

#[test]
fn rfc7348_sec5_reserved_bits_must_be_zero_when_sent() {
    let (vtep, frame) = (vtep(|_| {}), ipv4_frame(0, 64, 99, &[1]));
    let sent = vtep.encapsulate(vni(42), &frame, &Head::parse(&frame).unwrap());
    assert_eq!(sent.unwrap().header, HEADER);
}

#[test]
fn rfc7348_sec5_reserved_bits_are_ignored_on_receipt_unless_strict() {
    let frame = ipv4_frame(0, 64, 99, &[1]);
    let lax = vtep(|_| {});
    let strict = vtep(|config| config.reserved = Reserved::Strict);
    assert_eq!(
        receive(&strict, &datagram(HEADER, &frame)),
        Ok(frame.clone())
    );
    for bit in (0..32).chain(56..64).filter(|&bit| bit != 4) {
        let header = (u64::from_be_bytes(HEADER) | 1 << (63 - bit)).to_be_bytes();
        assert_eq!(receive(&lax, &datagram(header, &frame)), Ok(frame.clone()));
        let refused = receive(&strict, &datagram(header, &frame));
        assert_eq!(refused, Err(Refusal::ReservedBits), "bit {bit}");
    }
}

#[test]
fn rfc7348_sec5_destination_port_should_be_4789() {
    assert_eq!(PORT, 4789);
}

#[test]
fn rfc7348_sec5_source_port_is_recommended_to_spread_flows_over_49152_to_65535() {
    let vtep = vtep(|_| {});
    let mut ports = BTreeSet::new();
    for flow in 0..10_000u16 {
        let payload = [flow.to_be_bytes(), [0x12, 0x34], [0, 8], [0, 0]].concat();
        for frame in [
            ipv4_frame(0, 64, 17, &payload),
            ipv6_frame(0, 64, 17, &payload),
        ] {
            let sent = vtep.encapsulate(vni(42), &frame, &Head::parse(&frame).unwrap());
            ports.insert(sent.unwrap().outer.source_port());
        }
    }
    assert!(ports.iter().all(|&port| port >= 49152));
    assert!(ports.len() >= 1000, "{}", ports.len());
}

#[test]
fn rfc7348_sec5_vni_has_24_bits() {
    let mut vtep = Vtep::new(Limits::default());
    let frame = ipv4_frame(0, 64, 99, &[1]);
    for number in [0, 1, 42, 0xff_ffff] {
        vtep.add_segment(vni(number), SegmentConfig::new(host(1)))
            .unwrap();
        vtep.add_peer(vni(number), host(2)).unwrap();
        let sent = vtep.encapsulate(vni(number), &frame, &Head::parse(&frame).unwrap());
        let bytes = datagram(sent.unwrap().header, &frame);
        let inner = vtep.decapsulate(&bytes, host(2), Ecn::NotEct, NOW).unwrap();
        assert_eq!(inner.vni, vni(number));
    }
}

#[test]
fn rfc7348_sec4_1_the_vni_must_be_valid_here() {
    let (vtep, frame) = (vtep(|_| {}), ipv4_frame(0, 64, 99, &[1]));
    for number in [0u32, 1, 41, 43, 0xff_ffff] {
        let [_, a, b, c] = number.to_be_bytes();
        let bytes = datagram([8, 0, 0, 0, a, b, c, 0], &frame);
        assert_eq!(receive(&vtep, &bytes), Err(Refusal::UnknownVni));
    }
}

#[test]
fn rfc7348_sec4_segments_never_meet() {
    let mut vtep = vtep(|_| {});
    vtep.add_segment(vni(43), SegmentConfig::new(host(1)))
        .unwrap();
    vtep.add_peer(vni(43), host(4)).unwrap();
    // The same address in two segments is two stations.
    vtep.learn(vni(42), SRC, host(2), NOW).unwrap();
    vtep.learn(vni(43), SRC, host(4), NOW).unwrap();
    for (number, peer) in [(42, 2), (43, 4)] {
        let route = vtep.route(vni(number), Origin::Local, SRC, NOW);
        assert!(matches!(route, Route::One(to) if to.addr() == host(peer)));
    }
    // A peer of one segment is nobody in the other.
    let bytes = datagram([8, 0, 0, 0, 0, 0, 43, 0], &ipv4_frame(0, 64, 99, &[]));
    assert_eq!(receive(&vtep, &bytes), Err(Refusal::UnlistedPeer));
    assert!(matches!(
        vtep.route(vni(44), Origin::Local, SRC, NOW),
        Route::Nowhere
    ));
}

#[test]
fn rfc7348_sec4_1_learns_the_inner_source_behind_the_outer_source() {
    let mut vtep = vtep(|_| {});
    let bytes = datagram(HEADER, &ipv4_frame(0, 64, 99, &[1]));
    let learn = |vtep: &Vtep| {
        vtep.decapsulate(&bytes, host(2), Ecn::NotEct, NOW)
            .map(|inner| inner.learn)
    };
    assert!(matches!(
        vtep.route(vni(42), Origin::Local, SRC, NOW),
        Route::Replicate(_)
    ));
    assert_eq!(learn(&vtep), Ok(Learned::MustLearn));
    vtep.learn(vni(42), SRC, host(2), NOW).unwrap();
    assert_eq!(learn(&vtep), Ok(Learned::Known));
    let route = vtep.route(vni(42), Origin::Local, SRC, NOW);
    assert!(
        matches!(route, Route::One(peer) if peer.addr() == host(2)),
        "the reply is unicast"
    );
}

#[test]
fn rfc7348_sec4_2_frames_for_many_and_for_the_unknown_go_to_the_group() {
    let group = "239.1.1.1".parse().unwrap();
    let mut vtep = vtep(|config| config.group = Some(group));
    vtep.learn(vni(42), SRC, host(2), NOW).unwrap();
    for dst in [
        MacAddr::BROADCAST,
        MacAddr::new([1, 0, 0x5e, 0, 0, 1]),
        DST,
        MacAddr::ZERO,
    ] {
        let route = vtep.route(vni(42), Origin::Local, dst, NOW);
        assert!(matches!(route, Route::Group(to) if to == group), "{dst}");
    }
    let route = vtep.route(vni(42), Origin::Local, SRC, NOW);
    assert!(matches!(route, Route::One(_)), "what is known is unicast");
}

#[test]
fn rfc7348_sec4_2_without_a_group_each_peer_gets_a_copy() {
    let vtep = vtep(|_| {});
    for dst in [MacAddr::BROADCAST, MacAddr::new([1, 0, 0x5e, 0, 0, 1]), DST] {
        let Route::Replicate(peers) = vtep.route(vni(42), Origin::Local, dst, NOW) else {
            panic!("{dst}");
        };
        let to: Vec<_> = peers.iter().map(|peer| peer.addr()).collect();
        assert_eq!(to, [host(2), host(3)]);
    }
}

#[test]
fn rfc7348_sec6_1_inner_vlan_tag_should_be_discarded_on_receipt() {
    let frame = ipv4_frame(0, 64, 99, &[1]);
    let (discard, keep) = (
        vtep(|_| {}),
        vtep(|config| config.inner_vlan = InnerVlan::Keep),
    );
    let tags: [&[u8]; 4] = [
        &[0x81, 0, 0, 5],
        &[0x88, 0xa8, 0, 5],
        &[0x81, 0, 0xe0, 0],
        &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6],
    ];
    for tags in tags {
        let bytes = datagram(HEADER, &tagged(&frame, tags));
        assert_eq!(receive(&discard, &bytes), Err(Refusal::InnerVlan));
        assert_eq!(receive(&keep, &bytes), Ok(tagged(&frame, tags)));
    }
}

#[test]
fn rfc7348_sec6_1_inner_vlan_tag_should_be_stripped_when_sent() {
    let frame = ipv4_frame(0, 64, 99, &[1]);
    let with_tags = tagged(&frame, &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]);
    let head = Head::parse(&with_tags).unwrap();
    let send = |vtep: &Vtep| {
        let sent = vtep.encapsulate(vni(42), &with_tags, &head).unwrap();
        sent.pieces(&with_tags).concat()
    };
    assert_eq!(send(&vtep(|_| {})), datagram(HEADER, &frame));
    let keep = vtep(|config| config.inner_vlan = InnerVlan::Keep);
    assert_eq!(send(&keep), datagram(HEADER, &with_tags));
}

#[test]
fn rfc7348_sec7_who_is_not_listed_is_not_heard() {
    let vtep = vtep(|_| {});
    let bytes = datagram(HEADER, &ipv4_frame(0, 64, 99, &[1]));
    for from in [
        host(1),
        host(4),
        "2001:2::2".parse().unwrap(),
        "0.0.0.0".parse().unwrap(),
    ] {
        let result = vtep.decapsulate(&bytes, from, Ecn::NotEct, NOW).map(|_| ());
        assert_eq!(result, Err(Refusal::UnlistedPeer), "{from}");
    }
    assert_eq!(vtep.segment(vni(42)).unwrap().remotes(NOW).count(), 0);
}

#[test]
fn truncated_at_every_byte() {
    let vtep = vtep(|config| config.inner_vlan = InnerVlan::Keep);
    let frame = tagged(&ethernet(DST, SRC, 0x0800, &[0; 30]), &[0x81, 0, 0, 5]);
    let bytes = datagram(HEADER, &frame);
    for len in 0..bytes.len() {
        let expected = match len {
            0..8 => Err(Refusal::ShortHeader),
            8..26 => Err(Refusal::InnerTruncated),
            _ => Ok(frame[..len - 8].to_vec()),
        };
        assert_eq!(receive(&vtep, &bytes[..len]), expected, "{len}");
    }
}

#[test]
fn split_horizon_in_a_full_mesh() {
    // RFC 8365 section 5.3: three endpoints, one broadcast, each of the others gets exactly one copy.
    let mut mesh: Vec<_> = (1..=3u8)
        .map(|me| {
            let mut vtep = Vtep::new(Limits::default());
            vtep.add_segment(vni(42), SegmentConfig::new(host(me)))
                .unwrap();
            for peer in (1..=3).filter(|&peer| peer != me) {
                vtep.add_peer(vni(42), host(peer)).unwrap();
            }
            vtep
        })
        .collect();
    let frame = ethernet(MacAddr::BROADCAST, mac(1), 0x0806, &[0; 28]);
    let mut in_flight = vec![(host(1), None)];
    let mut deliveries = Vec::new();
    let mut sent = 0;
    // What arrives is offered for sending again, as a careless caller would.
    while let Some((at, from)) = in_flight.pop() {
        let index = (1..=3).position(|number| host(number) == at).unwrap();
        let vtep = &mut mesh[index];
        let mut origin = Origin::Local;
        if let Some(from) = from {
            let bytes = datagram(HEADER, &frame);
            let inner = vtep.decapsulate(&bytes, from, Ecn::NotEct, NOW).unwrap();
            origin = inner.origin();
            deliveries.push(at);
        }
        if let Route::Replicate(peers) = vtep.route(vni(42), origin, MacAddr::BROADCAST, NOW) {
            sent += peers.len();
            in_flight.extend(peers.iter().map(|peer| (peer.addr(), Some(at))));
        }
    }
    deliveries.sort_unstable();
    assert_eq!((deliveries, sent), (vec![host(2), host(3)], 2));
}
