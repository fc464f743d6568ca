use core::num::NonZeroU32;

use proptest::prelude::*;
use vswitch_wire::Head;

use super::*;
use crate::testing::{DST, SRC, ethernet, host, ipv4_frame, ipv6_frame, mac, vni};
use crate::{Ecn, InnerVlan, Refusal, Remark, Reserved};

const BLUE: u32 = 42;

fn two_peers(limits: Limits, change: impl FnOnce(&mut SegmentConfig)) -> Vtep {
    let mut config = SegmentConfig::new(host(1));
    change(&mut config);
    let mut vtep = Vtep::new(limits);
    vtep.add_segment(vni(BLUE), config).unwrap();
    for peer in [2, 3] {
        vtep.add_peer(vni(BLUE), host(peer)).unwrap();
    }
    vtep
}

fn blue() -> Vtep {
    two_peers(Limits::default(), |_| {})
}

fn datagram(frame: &[u8]) -> Vec<u8> {
    [&[8, 0, 0, 0, 0, 0, 42, 0], frame].concat()
}

fn from_mac(mac: MacAddr) -> Vec<u8> {
    datagram(&ethernet(MacAddr::BROADCAST, mac, 0x0806, &[0; 28]))
}

fn hear(vtep: &Vtep, src: MacAddr, from: IpAddr, now: u32) -> Result<Learned, Refusal> {
    vtep.decapsulate(&from_mac(src), from, Ecn::NotEct, now)
        .map(|inner| inner.learn)
}

/// The peer that a frame for `dst` goes to, if it goes to one.
fn one(vtep: &Vtep, dst: MacAddr, now: u32) -> Option<IpAddr> {
    match vtep.route(vni(BLUE), Origin::Local, dst, now) {
        Route::One(peer) => Some(peer.addr()),
        Route::Replicate(_) | Route::Group(_) | Route::Nowhere => None,
    }
}

#[test]
fn addresses_move_age_and_are_kept_alive_by_what_is_heard() {
    let mut vtep = two_peers(Limits::default(), |config| {
        config.ageing = NonZeroU32::new(10);
    });
    assert_eq!(vtep.learn(vni(BLUE), SRC, host(2), 100), Ok(Lesson::New));
    assert_eq!(vtep.learn(vni(BLUE), SRC, host(2), 100), Ok(Lesson::Known));
    assert_eq!(one(&vtep, SRC, 109), Some(host(2)));
    assert_eq!(one(&vtep, SRC, 110), None, "exactly at its time");
    // Heard: it lives on. Asked for: it does not.
    assert_eq!(hear(&vtep, SRC, host(2), 109), Ok(Learned::Known));
    assert_eq!(one(&vtep, SRC, 118), Some(host(2)));
    assert_eq!(one(&vtep, SRC, 119), None);
    assert_eq!(hear(&vtep, SRC, host(2), 118), Ok(Learned::Known));
    assert_eq!(hear(&vtep, SRC, host(3), 120), Ok(Learned::MustLearn));
    let moved = vtep.learn(vni(BLUE), SRC, host(3), 120);
    assert_eq!(moved, Ok(Lesson::Moved { from: host(2) }));
    assert_eq!(one(&vtep, SRC, 120), Some(host(3)));
    let segment = vtep.segment(vni(BLUE)).unwrap();
    assert_eq!(segment.counters().moves, 1);
    assert_eq!(vtep.sweep(129), 0);
    assert_eq!(vtep.sweep(130), 1);
    assert_eq!(hear(&vtep, SRC, host(3), 130), Ok(Learned::MustLearn));
}

#[test]
fn a_time_before_the_last_one_is_no_harm() {
    // Threads read the clock each for itself.
    let mut vtep = blue();
    vtep.learn(vni(BLUE), SRC, host(2), 100).unwrap();
    assert_eq!(hear(&vtep, SRC, host(2), 90), Ok(Learned::Known));
    assert_eq!(one(&vtep, SRC, 399), Some(host(2)));
    let peer = vtep.segment(vni(BLUE)).unwrap().peer(host(2)).unwrap();
    assert_eq!(peer.last_heard(), Some(90));
}

#[test]
fn a_removed_peer_is_forgotten_at_once() {
    let mut vtep = blue();
    for (number, peer) in [(1, 2), (2, 2), (3, 3)] {
        vtep.learn(vni(BLUE), mac(number), host(peer), 1).unwrap();
    }
    vtep.add_static(vni(BLUE), mac(4), host(2)).unwrap();
    assert_eq!(vtep.remove_peer(vni(BLUE), host(2)), Ok(3));
    for number in [1, 2, 4] {
        assert_eq!(one(&vtep, mac(number), 1), None);
    }
    assert_eq!(
        one(&vtep, mac(3), 1),
        Some(host(3)),
        "the other peer is still found"
    );
    assert_eq!(hear(&vtep, mac(1), host(2), 1), Err(Refusal::UnlistedPeer));
    let late = vtep.learn(vni(BLUE), mac(1), host(2), 1);
    assert_eq!(
        late,
        Err(NotLearned::UnlistedPeer),
        "a lesson that was under way"
    );
    assert_eq!(
        vtep.remove_peer(vni(BLUE), host(2)),
        Err(ConfigError::UnknownPeer(host(2)))
    );
}

#[test]
fn static_entries_never_move_and_never_age() {
    let mut vtep = blue();
    vtep.learn(vni(BLUE), SRC, host(3), 1).unwrap();
    vtep.add_static(vni(BLUE), SRC, host(2)).unwrap();
    assert_eq!(one(&vtep, SRC, u32::MAX), Some(host(2)));
    assert_eq!(hear(&vtep, SRC, host(2), 5), Ok(Learned::Known));
    assert_eq!(hear(&vtep, SRC, host(3), 5), Err(Refusal::StaticElsewhere));
    assert_eq!(
        vtep.learn(vni(BLUE), SRC, host(3), 5),
        Err(NotLearned::Static)
    );
    assert_eq!((vtep.flush(vni(BLUE)), vtep.sweep(u32::MAX)), (0, 0));
    let expected = ConfigError::StaticMac {
        mac: SRC,
        peer: host(2),
    };
    assert_eq!(vtep.add_local(vni(BLUE), SRC), Err(expected));
    let shown: Vec<_> = vtep.segment(vni(BLUE)).unwrap().remotes(9).collect();
    assert_eq!(
        shown,
        [crate::Remote {
            mac: SRC,
            peer: host(2),
            age: None
        }]
    );
    assert!(vtep.remove_remote(vni(BLUE), SRC) && !vtep.remove_remote(vni(BLUE), SRC));
    assert_eq!(one(&vtep, SRC, 5), None);
}

#[test]
fn own_frames_are_refused_and_own_addresses_forgotten_elsewhere() {
    let mut vtep = blue();
    vtep.learn(vni(BLUE), SRC, host(2), 1).unwrap();
    vtep.add_local(vni(BLUE), SRC).unwrap();
    assert_eq!(one(&vtep, SRC, 1), None, "the endpoint came here");
    assert_eq!(hear(&vtep, SRC, host(2), 1), Err(Refusal::OwnSource));
    assert_eq!(
        vtep.learn(vni(BLUE), SRC, host(2), 1),
        Err(NotLearned::Local)
    );
    assert_eq!(
        vtep.add_static(vni(BLUE), SRC, host(2)),
        Err(ConfigError::LocalMac(SRC))
    );
    assert!(vtep.remove_local(vni(BLUE), SRC) && !vtep.remove_local(vni(BLUE), SRC));
    assert_eq!(
        hear(&vtep, SRC, host(2), 1),
        Ok(Learned::MustLearn),
        "and went away again"
    );
}

#[test]
fn sources_that_are_no_stations() {
    let mut vtep = blue();
    for src in [
        MacAddr::ZERO,
        MacAddr::BROADCAST,
        MacAddr::new([1, 0, 0x5e, 0, 0, 1]),
    ] {
        assert_eq!(hear(&vtep, src, host(2), 1), Err(Refusal::InvalidSource));
        assert_eq!(
            vtep.learn(vni(BLUE), src, host(2), 1),
            Err(NotLearned::NotAStation)
        );
        assert_eq!(
            vtep.add_static(vni(BLUE), src, host(2)),
            Err(ConfigError::NotAStation(src))
        );
        assert_eq!(
            vtep.add_local(vni(BLUE), src),
            Err(ConfigError::NotAStation(src))
        );
    }
}

#[test]
fn learning_off() {
    let mut vtep = blue();
    vtep.learn(vni(BLUE), SRC, host(2), 1).unwrap();
    let mut config = vtep.segment(vni(BLUE)).unwrap().config().clone();
    config.learning = false;
    vtep.reconfigure(vni(BLUE), config).unwrap();
    assert_eq!(one(&vtep, SRC, 1), None);
    assert_eq!(hear(&vtep, SRC, host(2), 1), Ok(Learned::Off));
    assert_eq!(vtep.learn(vni(BLUE), SRC, host(2), 1), Err(NotLearned::Off));
    vtep.add_static(vni(BLUE), SRC, host(2)).unwrap();
    assert_eq!(hear(&vtep, SRC, host(2), 1), Ok(Learned::Known));
}

#[test]
fn rfc6040_sec4_2_on_the_way_in() {
    let vtep = blue();
    let remark = |frame: &[u8], outer| {
        vtep.decapsulate(&datagram(frame), host(2), outer, 1)
            .map(|inner| inner.remark)
    };
    for build in [ipv4_frame, ipv6_frame] {
        assert_eq!(
            remark(&build(0, 64, 99, &[]), Ecn::Ce),
            Err(Refusal::Congestion)
        );
        assert_eq!(remark(&build(2, 64, 99, &[]), Ecn::Ce), Ok(Remark::Ce));
        assert_eq!(remark(&build(2, 64, 99, &[]), Ecn::Ect1), Ok(Remark::Ect1));
        assert_eq!(
            remark(&build(3, 64, 99, &[]), Ecn::NotEct),
            Ok(Remark::Keep)
        );
    }
    let arp = ethernet(DST, SRC, 0x0806, &[0; 28]);
    assert_eq!(remark(&arp, Ecn::Ce), Ok(Remark::Keep), "not IP");
}

#[test]
fn limits_hold_and_eviction_is_fair_between_peers() {
    let limits = Limits {
        segments: 1,
        peers: 2,
        remotes: 50,
    };
    let mut vtep = two_peers(limits, |_| {});
    let config = SegmentConfig::new(host(1));
    assert_eq!(
        vtep.add_segment(vni(7), config),
        Err(ConfigError::TooManySegments { limit: 1 })
    );
    assert_eq!(
        vtep.add_peer(vni(BLUE), host(9)),
        Err(ConfigError::TooManyPeers { limit: 2 })
    );
    vtep.learn(vni(BLUE), SRC, host(2), 1).unwrap();
    for number in 0..5000 {
        vtep.learn(vni(BLUE), mac(number), host(3), 1).unwrap();
    }
    assert_eq!(one(&vtep, SRC, 1), Some(host(2)));
    let segment = vtep.segment(vni(BLUE)).unwrap();
    assert_eq!(
        (segment.remotes(1).count(), segment.counters().evicted),
        (50, 4951)
    );
    for number in 0..50 {
        vtep.add_static(vni(BLUE), mac(number), host(3)).unwrap();
    }
    assert_eq!(
        vtep.add_static(vni(BLUE), mac(60), host(3)),
        Err(ConfigError::TableFull)
    );
    assert_eq!(
        vtep.learn(vni(BLUE), mac(60), host(3), 1),
        Err(NotLearned::Full)
    );
}

#[test]
fn what_is_no_peer() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let mut vtep = blue();
    vtep.add_segment(vni(6), SegmentConfig::new(ip("2001:2::1")))
        .unwrap();
    for (number, addr, expected) in [
        (
            BLUE,
            "2001:2::2",
            ConfigError::WrongFamily {
                addr: ip("2001:2::2"),
                local: host(1),
            },
        ),
        (
            6,
            "198.18.0.1",
            ConfigError::WrongFamily {
                addr: ip("198.18.0.1"),
                local: ip("2001:2::1"),
            },
        ),
        (BLUE, "224.0.0.1", ConfigError::NotUnicast(ip("224.0.0.1"))),
        (BLUE, "0.0.0.0", ConfigError::NotUnicast(ip("0.0.0.0"))),
        (
            BLUE,
            "255.255.255.255",
            ConfigError::NotUnicast(ip("255.255.255.255")),
        ),
        (6, "ff02::1", ConfigError::NotUnicast(ip("ff02::1"))),
        (6, "fe80::1", ConfigError::LinkLocal(ip("fe80::1"))),
        (6, "2001:2::1", ConfigError::OwnAddress(ip("2001:2::1"))),
        (BLUE, "198.18.100.2", ConfigError::PeerExists(host(2))),
        (7, "198.18.100.2", ConfigError::UnknownVni(vni(7))),
    ] {
        assert_eq!(
            vtep.add_peer(vni(number), ip(addr)),
            Err(expected),
            "{addr}"
        );
    }
}

#[test]
fn a_refused_configuration_changes_nothing() {
    let mut vtep = blue();
    let mut config = SegmentConfig::new(host(1));
    config.group = Some(host(5));
    assert_eq!(
        vtep.add_segment(vni(8), config.clone()),
        Err(ConfigError::NotMulticast(host(5)))
    );
    config.group = Some("ff05::1".parse().unwrap());
    assert!(matches!(
        vtep.add_segment(vni(8), config.clone()),
        Err(ConfigError::WrongFamily { .. })
    ));
    config = SegmentConfig::new(host(2));
    assert_eq!(
        vtep.reconfigure(vni(BLUE), config),
        Err(ConfigError::OwnAddress(host(2)))
    );
    assert_eq!(
        vtep.segment(vni(BLUE)).unwrap().config().local,
        host(1),
        "nothing changed"
    );
    let unlisted = vtep.add_static(vni(BLUE), SRC, host(9));
    assert_eq!(unlisted, Err(ConfigError::UnknownPeer(host(9))));
    assert!(vtep.remove_segment(vni(BLUE)) && !vtep.remove_segment(vni(BLUE)));
}

#[test]
fn a_mapped_address_is_the_one_that_it_carries() {
    let mut vtep = blue();
    let mapped = "::ffff:198.18.100.2".parse().unwrap();
    assert_eq!(hear(&vtep, SRC, mapped, 1), Ok(Learned::MustLearn));
    vtep.learn(vni(BLUE), SRC, mapped, 1).unwrap();
    assert_eq!(one(&vtep, SRC, 1), Some(host(2)));
    assert_eq!(
        vtep.add_peer(vni(BLUE), mapped),
        Err(ConfigError::PeerExists(host(2)))
    );
}

#[test]
fn what_a_peer_counts() {
    let vtep = blue();
    let peer = vtep.segment(vni(BLUE)).unwrap().peer(host(2)).unwrap();
    assert_eq!(peer.last_heard(), None);
    assert_eq!(
        hear(&vtep, MacAddr::ZERO, host(2), 7),
        Err(Refusal::InvalidSource)
    );
    assert_eq!(peer.last_heard(), None, "what is refused does not count");
    let bytes = from_mac(SRC);
    let inner = vtep.decapsulate(&bytes, host(2), Ecn::NotEct, 0).unwrap();
    inner.peer.count_received(1, 42);
    inner.peer.count_received(2, 84);
    peer.count_sent(1, 60);
    assert_eq!(peer.last_heard(), Some(0));
    assert_eq!((peer.received().frames, peer.received().bytes), (3, 126));
    assert_eq!((peer.sent().frames, peer.sent().bytes), (1, 60));
}

#[test]
fn threads_share_it_behind_a_lock() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&blue());
}

/// Frames with up to five tags, any type, from a station.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let tag = (
        prop_oneof![Just([0x81, 0]), Just([0x88, 0xa8])],
        any::<[u8; 2]>(),
    );
    let ip = prop_oneof![Just([8, 0]), Just([0x86, 0xdd]), any::<[u8; 2]>()];
    let body = prop::collection::vec(any::<u8>(), 0..200);
    (
        any::<[u8; 6]>(),
        prop::collection::vec(tag, 0..=5),
        ip,
        body,
    )
        .prop_map(|(dst, tags, kind, body)| {
            let mut frame = [dst, SRC.octets()].concat();
            frame.extend(tags.iter().flat_map(|(tpid, tci)| [*tpid, *tci].concat()));
            frame.extend(kind);
            frame.extend(body);
            frame
        })
}

proptest! {
    #[test]
    fn what_is_sent_arrives(frame in frames(), keep: bool) {
        let Ok(head) = Head::parse(&frame) else {
            return Ok(());
        };
        let rule = if keep { InnerVlan::Keep } else { InnerVlan::Discard };
        let vtep = two_peers(Limits::default(), |config| config.inner_vlan = rule);
        let sent = vtep.encapsulate(vni(BLUE), &frame, &head).unwrap();
        let bytes = sent.pieces(&frame).concat();
        let received = vtep.decapsulate(&bytes, host(2), Ecn::NotEct, 1);
        let mut expected = frame.clone();
        if !keep {
            expected.drain(12..head.type_offset());
        }
        match received {
            Ok(inner) => {
                prop_assert_eq!(inner.frame, &expected[..]);
                prop_assert_eq!(inner.head, Head::parse(&expected).unwrap());
            }
            // More tags than are taken apart: what is left is a tag again.
            Err(refusal) => {
                prop_assert!(!keep && head.tags.len() == 4);
                prop_assert!(matches!(refusal, Refusal::InnerVlan | Refusal::InnerTruncated));
            }
        }
    }

    #[test]
    fn any_datagram_is_judged_and_teaches_nothing(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        valid in any::<bool>(),
        strict in any::<bool>(),
        from in prop_oneof![Just(host(2)), any::<u32>().prop_map(|ip| IpAddr::V4(ip.into())), any::<u128>().prop_map(|ip| IpAddr::V6(ip.into()))],
        ecn in prop_oneof![Just(Ecn::NotEct), Just(Ecn::Ce), Just(Ecn::Ect1)],
        now: u32,
    ) {
        let bytes = if valid { datagram(&bytes) } else { bytes };
        let vtep = two_peers(Limits::default(), |config| {
            config.reserved = if strict { Reserved::Strict } else { Reserved::Ignore };
        });
        if let Ok(inner) = vtep.decapsulate(&bytes, from, ecn, now) {
            prop_assert_eq!((inner.vni, inner.peer.addr()), (vni(BLUE), from));
            prop_assert!(inner.head.src.is_unicast() && inner.head.tags.is_empty());
            prop_assert_eq!(inner.frame, &bytes[8..]);
            let mut frame = inner.frame.to_vec();
            inner.remark.apply(&mut frame, &inner.head);
            let sent = vtep.encapsulate(inner.vni, &frame, &inner.head).unwrap();
            prop_assert!(sent.outer.ttl > 0 && sent.outer.source_port() >= 49152);
        }
        prop_assert_eq!(vtep.segment(vni(BLUE)).unwrap().remotes(now).count(), 0);
    }
}
