use proptest::prelude::*;

use super::*;
use crate::testing::{DST, SRC, SRC4, SRC6, ipv4_frame, ipv6_frame, mac};

const GATEWAY: Gateway = Gateway {
    mac: MacAddr::new([2, 0, 0, 0, 0, 0xfe]),
    v4: Some(Ipv4Addr::new(198, 18, 0, 254)),
    v6: Some(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xfe)),
};

fn answer(frame: &[u8], mtu: u16) -> Result<Vec<u8>, Silence> {
    too_big(frame, &Head::parse(frame).unwrap(), mtu, &GATEWAY)
}

/// IPv4 with one field of the header changed. The checksum does not matter here.
fn v4_with(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Silence> {
    let mut frame = ipv4_frame(0, 64, 6, &[7; 1460]);
    change(&mut frame);
    answer(&frame, 1450).map(|_| ())
}

fn v6_with(change: impl FnOnce(&mut Vec<u8>)) -> Result<(), Silence> {
    let mut frame = ipv6_frame(0, 64, 6, &[7; 1440]);
    change(&mut frame);
    answer(&frame, 1430).map(|_| ())
}

#[test]
fn rfc1191_sec4_fragmentation_needed_with_the_next_hop_mtu() {
    let frame = ipv4_frame(0, 64, 6, &[7; 1460]);
    let answer = answer(&frame, 1450).unwrap();
    assert_eq!(
        answer[..14],
        [&SRC.octets()[..], &GATEWAY.mac.octets(), &[8, 0]].concat()
    );
    let ip = Ipv4View::parse(&answer[14..]).unwrap();
    assert!(ip.checksum_is_valid() && ip.dont_fragment());
    assert_eq!((Some(ip.src()), ip.dst()), (GATEWAY.v4, SRC4));
    assert_eq!((ip.proto(), ip.tos(), ip.ttl()), (PROTO_ICMP, 0xc0, 64));
    // RFC 1812 section 4.3.2.3: as much as 576 bytes hold.
    assert_eq!((usize::from(ip.total_len()), answer.len()), (576, 14 + 576));
    let icmp = &answer[34..];
    assert_eq!(Sum::new().add_bytes(icmp).finish(), 0);
    assert_eq!(
        (&icmp[..2], &icmp[4..8]),
        (&[3, 4][..], &[0, 0, 0x05, 0xaa][..])
    );
    assert_eq!(icmp[8..], frame[14..14 + 548]);
}

#[test]
fn rfc4443_sec3_2_packet_too_big() {
    let frame = ipv6_frame(0, 64, 6, &[7; 1440]);
    let answer = answer(&frame, 1430).unwrap();
    assert_eq!(
        answer[..14],
        [&SRC.octets()[..], &GATEWAY.mac.octets(), &[0x86, 0xdd]].concat()
    );
    let ip = Ipv6View::parse(&answer[14..]).unwrap();
    assert_eq!((Some(ip.src()), ip.dst()), (GATEWAY.v6, SRC6));
    assert_eq!(
        (ip.next_header(), ip.traffic_class(), ip.hop_limit()),
        (PROTO_ICMPV6, 0xc0, 64)
    );
    assert_eq!(
        (usize::from(ip.payload_len()), answer.len()),
        (1240, 14 + 1280)
    );
    let icmp = &answer[54..];
    let pseudo = pseudo_v6(ip.src(), ip.dst(), PROTO_ICMPV6, 1240);
    assert_eq!(pseudo.add_bytes(icmp).finish(), 0);
    assert_eq!(
        (&icmp[..2], &icmp[4..8]),
        (&[2, 0][..], &[0, 0, 0x05, 0x96][..])
    );
    assert_eq!(icmp[8..], frame[14..14 + 1232]);
}

#[test]
fn exactly_the_mtu_fits() {
    for (frame, header) in [
        (ipv4_frame(0, 64, 6, &[7; 1000]), 20),
        (ipv6_frame(0, 64, 6, &[7; 1000]), 40),
    ] {
        assert_eq!(answer(&frame, 1000 + header), Err(Silence::Fits));
        assert!(answer(&frame, 999 + header).is_ok());
        let mut padded = frame;
        padded.extend([0; 100]);
        assert_eq!(answer(&padded, 1000 + header), Err(Silence::Fits));
    }
    // A short packet is quoted as a whole.
    let short = ipv4_frame(0, 64, 6, &[7; 100]);
    assert_eq!(answer(&short, 68).unwrap()[42..], short[14..]);
}

#[test]
fn tags_go_back() {
    let frame = ipv4_frame(0, 64, 6, &[7; 1460]);
    let tags = [0x88, 0xa8, 0, 5, 0x81, 0, 0x60, 6];
    let tagged = [&frame[..12], &tags, &frame[12..]].concat();
    let (plain, with_tags) = (
        answer(&frame, 1450).unwrap(),
        answer(&tagged, 1450).unwrap(),
    );
    assert_eq!(with_tags[12..20], tags);
    assert_eq!(with_tags[20..], plain[12..]);
}

#[test]
fn rfc1122_sec3_2_2_silence() {
    assert_eq!(v4_with(|_| {}), Ok(()));
    assert_eq!(v4_with(|frame| frame[20] = 0), Err(Silence::MayFragment));
    assert_eq!(v4_with(|frame| frame[21] = 1), Err(Silence::LaterFragment));
    assert_eq!(
        v4_with(|frame| frame[20] = 0x60),
        Ok(()),
        "the first fragment"
    );
    let dst = |ip: [u8; 4]| v4_with(|frame| frame[30..34].copy_from_slice(&ip));
    assert_eq!(dst([224, 0, 0, 1]), Err(Silence::ToMany));
    assert_eq!(dst([255; 4]), Err(Silence::ToMany));
    assert_eq!(v4_with(|frame| frame[..6].fill(0xff)), Err(Silence::ToMany));
    assert_eq!(v4_with(|frame| frame[0] = 1), Err(Silence::ToMany));
    for src in [[0; 4], [127, 0, 0, 1], [224, 0, 0, 1], [255; 4]] {
        let result = v4_with(|frame| frame[26..30].copy_from_slice(&src));
        assert_eq!(result, Err(Silence::FromNobody), "{src:?}");
    }
    assert_eq!(v4_with(|frame| frame[6] = 1), Err(Silence::FromNobody));
    for kind in 0..=u8::MAX {
        let result = v4_with(|frame| (frame[23], frame[34]) = (PROTO_ICMP, kind));
        let expected = if matches!(kind, 3 | 4 | 5 | 11 | 12) {
            Err(Silence::IcmpError)
        } else {
            Ok(())
        };
        assert_eq!(result, expected, "ICMP type {kind}");
    }
}

#[test]
fn rfc4443_sec2_4_e_silence() {
    assert_eq!(v6_with(|_| {}), Ok(()));
    assert_eq!(v6_with(|frame| frame[38] = 0xff), Err(Silence::ToMany));
    assert_eq!(v6_with(|frame| frame[0] = 0x33), Err(Silence::ToMany));
    assert_eq!(
        v6_with(|frame| frame[22..38].fill(0)),
        Err(Silence::FromNobody)
    );
    assert_eq!(v6_with(|frame| frame[22] = 0xff), Err(Silence::FromNobody));
    for kind in 0..=u8::MAX {
        let result = v6_with(|frame| (frame[20], frame[54]) = (PROTO_ICMPV6, kind));
        let expected = if kind < 128 || kind == 137 {
            Err(Silence::IcmpError)
        } else {
            Ok(())
        };
        assert_eq!(result, expected, "ICMPv6 type {kind}");
    }
    // Behind a destination options header: the first fragment of TCP, a later one, the first of an error.
    let fragment = |offset: u8, next: u8, kind: u8| {
        v6_with(|frame| {
            frame[20] = 60;
            frame[54..71].copy_from_slice(&[
                44, 0, 1, 4, 0, 0, 0, 0, next, 0, 0, offset, 0, 0, 0, 1, kind,
            ]);
        })
    };
    assert_eq!(fragment(1, 6, 0), Ok(()));
    assert_eq!(fragment(9, 6, 0), Err(Silence::LaterFragment));
    assert_eq!(fragment(1, PROTO_ICMPV6, 1), Err(Silence::IcmpError));
    assert_eq!(fragment(1, PROTO_ICMPV6, 128), Ok(()));
}

#[test]
fn without_a_gateway_address_or_an_ip_packet() {
    let mute = Gateway {
        v4: None,
        v6: None,
        ..GATEWAY
    };
    for frame in [
        ipv4_frame(0, 64, 6, &[7; 1460]),
        ipv6_frame(0, 64, 6, &[7; 1460]),
    ] {
        let head = Head::parse(&frame).unwrap();
        assert_eq!(too_big(&frame, &head, 1400, &mute), Err(Silence::NoGateway));
    }
    let arp = crate::testing::ethernet(DST, mac(1), 0x0806, &[0; 1500]);
    assert_eq!(answer(&arp, 1400), Err(Silence::NotIp));
}

proptest! {
    #[test]
    fn any_frame(bytes in prop::collection::vec(any::<u8>(), 0..1500), at in any::<prop::sample::Index>(), v6: bool, mtu: u16) {
        let mut frame = if v6 { ipv6_frame(0, 64, 0, &[0; 400]) } else { ipv4_frame(0, 64, 1, &[0; 400]) };
        let at = at.index(frame.len());
        frame.splice(at.., bytes);
        let Ok(head) = Head::parse(&frame) else {
            return Ok(());
        };
        if let Ok(answer) = too_big(&frame, &head, mtu, &GATEWAY) {
            let back = Head::parse(&answer).unwrap();
            prop_assert_eq!((back.dst, back.src, back.tags), (head.src, GATEWAY.mac, head.tags));
            let layers = Layers::parse(&answer, &back).unwrap();
            prop_assert_eq!(layers.l4_end, answer.len());
            prop_assert!(answer.len() - layers.l3 <= 1280);
            // It is an error itself, so nobody answers it.
            let again = too_big(&answer, &back, 0, &GATEWAY);
            prop_assert!(matches!(again, Err(Silence::IcmpError)), "{:?}", again);
        }
    }
}
