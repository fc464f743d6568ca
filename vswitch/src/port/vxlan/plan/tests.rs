use std::num::NonZeroU8;

use proptest::prelude::*;
use vswitch_wire::Vni;
use vxlan::{Limits, SegmentConfig, Vtep};

use super::*;
use crate::testing::{Shape, mac, tagged};

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 18, 100, 2));

fn engine() -> (Vtep, Vni) {
    let vni: Vni = "42".parse().unwrap();
    let mut vtep = Vtep::new(Limits::default());
    vtep.add_segment(vni, SegmentConfig::new([198, 18, 100, 1].into()))
        .unwrap();
    (vtep, vni)
}

/// Adds a frame with this source socket and limit.
fn add(plan: &mut Plan, bytes: &[u8], source: usize, limit: usize, together: bool) -> Fate {
    let (vtep, vni) = engine();
    let ethernet = &bytes[VNET_LEN..];
    let head = Head::parse(ethernet).unwrap();
    let encapsulation = vtep.encapsulate(vni, ethernet, &head).unwrap();
    plan.add(&Sending {
        ethernet,
        vnet: VnetHdr::parse(bytes.first_chunk().unwrap()),
        head,
        envelope: Envelope {
            way: Way::To(PEER),
            source,
            tos: encapsulation.outer.tos,
            ttl: NonZeroU8::MIN.get(),
        },
        encapsulation,
        limit,
        together,
    })
}

/// The datagrams of a message, as UDP_SEGMENT cuts them, and as they are one by one.
fn datagrams(plan: &Plan, message: &Message, frames: &[&[u8]]) -> Vec<Vec<u8>> {
    let bytes_of = |range| {
        let mut slices = Vec::new();
        plan.slices(range, frames, &mut slices);
        slices
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect::<Vec<u8>>()
    };
    let whole = bytes_of(message.datagrams.clone());
    assert!(whole.len() <= MAX_DATAGRAM && message.datagrams.len() <= MAX_SEGMENTS);
    let cut: Vec<_> = whole.chunks(message.segment).map(<[u8]>::to_vec).collect();
    let one_by_one: Vec<_> = (message.datagrams.clone())
        .map(|number| bytes_of(number..number + 1))
        .collect();
    assert_eq!(cut, one_by_one);
    cut
}

#[test]
fn a_superframe_of_any_shape_is_its_segments_behind_tunnel_headers_and_without_tags() {
    for (gso_size, payload) in [
        (Some(1400), 60_000),
        (Some(100), 12_000),
        (None, 700),
        (None, 0),
    ] {
        for shape in Shape::all(gso_size, payload) {
            let bytes = shape.build(mac(9), mac(1));
            let mut plan = Plan::default();
            let fate = add(&mut plan, &bytes, 0, 1 << 16, true);
            assert_eq!(fate, Fate::Leaves(Way::To(PEER)));
            let frames = [&bytes[..]];
            let all: Vec<_> = (plan.messages.iter())
                .flat_map(|message| datagrams(&plan, message, &frames))
                .collect();
            // As the receiver sees it: there are no tags any more.
            let untagged = Shape { tags: 0, ..shape };
            let mut whole = Vec::new();
            for (index, datagram) in all.iter().enumerate() {
                let (header, frame) = datagram.split_at(LEN);
                assert_eq!(header, [8, 0, 0, 0, 0, 0, 42, 0]);
                let plain = [&[0; VNET_LEN][..], frame].concat();
                whole.extend(untagged.verify(&plain, index, index + 1 == all.len()));
            }
            assert!(whole == shape.bytes_of_payload(), "{shape:?}");
            assert!(plan.messages.iter().all(|message| message.frames == (0..1)));
        }
    }
}

#[test]
fn a_message_ends_at_a_shorter_datagram_another_envelope_64_of_them_or_64_kib() {
    let of = |lengths: &[(usize, usize)]| {
        let frames: Vec<_> = (lengths.iter())
            .map(|(length, _)| tagged(mac(9), mac(1), &[], *length))
            .collect();
        let mut plan = Plan::default();
        for (bytes, (_, source)) in frames.iter().zip(lengths) {
            add(&mut plan, bytes, *source, 1 << 16, true);
        }
        let counts = plan.messages.iter().map(|message| message.frames.len());
        counts.collect::<Vec<_>>()
    };
    assert_eq!(of(&[(50, 0), (50, 0), (40, 0), (40, 0)]), [3, 1]);
    assert_eq!(of(&[(50, 0), (51, 0)]), [1, 1]);
    assert_eq!(of(&[(50, 0), (50, 1), (50, 1), (50, 0)]), [1, 2, 1]);
    assert_eq!(of(&[(50, 0); 130]), [64, 64, 2]);
    assert_eq!(of(&[(9000, 0); 8]), [7, 1]);
}

#[test]
fn a_superframe_is_not_torn_where_it_fits_a_message_of_its_own() {
    let shape = Shape {
        gso_size: Some(1000),
        payload: 40_000,
        ..Shape::TCP4
    };
    let frames = [(); 3].map(|()| shape.build(mac(9), mac(1)));
    let mut plan = Plan::default();
    for bytes in &frames {
        add(&mut plan, bytes, 0, 1 << 16, true);
    }
    let counts: Vec<_> = (plan.messages.iter())
        .map(|message| (message.frames.clone(), message.datagrams.len()))
        .collect();
    assert_eq!(counts, [(0..1, 40), (1..2, 40), (2..3, 40)]);
}

#[test]
fn what_does_not_fit_the_way_leaves_nothing_behind() {
    let shape = Shape::TCP4;
    let bytes = shape.build(mac(9), mac(1));
    let segment = shape.headers() + 1000;
    let plain = tagged(mac(9), mac(1), &[[0x81, 0, 0, 1]], 986);
    for (frame, length) in [(&bytes, segment), (&plain, 1000)] {
        let mut plan = Plan::default();
        assert_eq!(add(&mut plan, frame, 0, length - 1, true), Fate::TooLong);
        assert!(plan.messages.is_empty() && plan.fates == [Fate::TooLong]);
        let fate = add(&mut plan, frame, 0, length, true);
        assert_eq!(fate, Fate::Leaves(Way::To(PEER)), "the tag stays behind");
    }
}

proptest! {
    #[test]
    fn every_frame_is_in_the_messages_once_and_in_order(
        lengths in prop::collection::vec((0usize..2000, 0usize..3), 1..64),
        together: bool,
    ) {
        let frames: Vec<_> = (lengths.iter().zip(0u8..))
            .map(|((length, _), number)| {
                let mut bytes = tagged(mac(9), mac(1), &[], *length);
                bytes.push(number);
                bytes
            })
            .collect();
        let mut plan = Plan::default();
        for (bytes, (_, source)) in frames.iter().zip(&lengths) {
            add(&mut plan, bytes, *source, 1 << 16, together);
        }
        let slices: Vec<_> = frames.iter().map(Vec::as_slice).collect();
        let mut all = Vec::new();
        for message in &plan.messages {
            prop_assert_eq!(all.len(), message.frames.start);
            prop_assert!(together || message.segmented().is_none());
            all.extend(datagrams(&plan, message, &slices));
            prop_assert_eq!(all.len(), message.frames.end);
        }
        let expected: Vec<_> = frames.iter().map(|bytes| bytes[VNET_LEN..].to_vec()).collect();
        let inner: Vec<_> = all.iter().map(|datagram| datagram[LEN..].to_vec()).collect();
        prop_assert_eq!(inner, expected);
    }
}
