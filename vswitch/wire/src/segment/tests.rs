use proptest::prelude::*;

use super::*;
use crate::testing::{Built, Spec, l4_verifies, naive_sum, plain, specs};
use crate::{Layers, TcpView, UdpView, vnet::FLAG_NEEDS_CSUM};

fn cut(built: &Built) -> Vec<Vec<u8>> {
    let head = Head::parse(&built.frame).unwrap();
    let plan = SegmentPlan::new(&built.frame, &built.vnet, &head).unwrap();
    assert_eq!(plan.header_len(), built.header_len);
    (0..plan.count())
        .map(|i| {
            let mut out = vec![0xee; plan.segment_len(i) + 3];
            let len = plan.write(i, &mut out);
            assert_eq!(
                out.split_off(len),
                [0xee; 3],
                "nothing is written behind the segment"
            );
            out
        })
        .collect()
}

/// Everything that a receiver of segment `i` can see.
fn verify(spec: &Spec, built: &Built, i: usize, count: usize, segment: &[u8]) {
    let layers = Layers::parse(segment, &Head::parse(segment).unwrap()).unwrap();
    assert_eq!(
        (layers.l3, layers.l4, layers.l4_end),
        (built.l3, built.l4, segment.len())
    );
    let l4 = &segment[layers.l4..];
    assert!(
        l4_verifies(spec.v6, spec.proto(), l4),
        "checksum of segment {i}"
    );
    let start = i * usize::from(spec.gso_size);
    let end = (start + usize::from(spec.gso_size)).min(spec.payload.len());
    assert_eq!(segment[built.header_len..], spec.payload[start..end]);

    // The header is the super-frame's but for the fields that must differ.
    let mut same = segment[..built.header_len].to_vec();
    let original = &built.frame[..built.header_len];
    let mut restore =
        |range: core::ops::Range<usize>| same[range.clone()].copy_from_slice(&original[range]);
    if spec.v6 {
        restore(built.l3 + 4..built.l3 + 6);
    } else {
        assert_eq!(
            naive_sum(&segment[layers.l3..layers.l4]),
            0xffff,
            "header checksum of segment {i}"
        );
        let id = u16::from_be_bytes([segment[layers.l3 + 4], segment[layers.l3 + 5]]);
        assert_eq!(id, spec.id.wrapping_add(u16::try_from(i).unwrap()));
        restore(built.l3 + 2..built.l3 + 6);
        restore(built.l3 + 10..built.l3 + 12);
    }
    if spec.tcp {
        let tcp = TcpView::parse(l4).unwrap();
        assert_eq!(
            tcp.seq(),
            spec.seq.wrapping_add(u32::try_from(start).unwrap())
        );
        let mut flags = spec.flags;
        if i != 0 {
            flags &= !tcp::CWR;
        }
        if i != count - 1 {
            flags &= !(tcp::FIN | tcp::PSH);
        }
        assert_eq!(tcp.flags(), flags);
        restore(built.l4 + 4..built.l4 + 8);
        restore(built.l4 + 13..built.l4 + 14);
        restore(built.l4 + 16..built.l4 + 18);
    } else {
        let udp = UdpView::parse(l4).unwrap();
        assert_eq!(usize::from(udp.len_field()), l4.len());
        assert_ne!(udp.checksum(), 0);
        restore(built.l4 + 4..built.l4 + 8);
    }
    assert_eq!(same, original);
}

fn verify_all(spec: &Spec) {
    let built = spec.build();
    let segments = cut(&built);
    assert_eq!(
        segments.len(),
        spec.payload
            .len()
            .div_ceil(usize::from(spec.gso_size))
            .max(1)
    );
    for (i, segment) in segments.iter().enumerate() {
        verify(spec, &built, i, segments.len(), segment);
    }
    let payload: Vec<u8> = segments
        .iter()
        .flat_map(|segment| segment[built.header_len..].to_vec())
        .collect();
    assert_eq!(payload, spec.payload);
}

proptest! {
    #[test]
    fn segments_are_what_the_sender_meant(spec in specs(0..4000)) {
        verify_all(&spec);
    }

    #[test]
    fn completed_checksums_verify(spec in specs(0..1500)) {
        let Built { mut frame, mut vnet, l4, header_len, .. } = spec.build();
        prop_assert_eq!(complete_checksum(&mut frame.clone(), &vnet), Err(VnetError::IsGso));
        (vnet.gso_type, vnet.gso_size) = (0, 0);
        prop_assert_eq!(complete_checksum(&mut frame, &vnet), Ok(()));
        prop_assert!(l4_verifies(spec.v6, spec.proto(), &frame[l4..]));
        prop_assert_eq!(&frame[header_len..], &spec.payload[..]);
    }
}

#[test]
fn full_super_frames() {
    for (tcp, v6) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut spec = plain(tcp, v6);
        let headers = if tcp { 20 } else { 8 } + if v6 { 0 } else { 20 };
        spec.payload = (0..=250).cycle().take(65_535 - headers).collect();
        (spec.gso_size, spec.flags) = (1448, 0xff);
        verify_all(&spec);
        spec.gso_size = 8948;
        verify_all(&spec);
    }
}

#[test]
fn golden_tcp_segments() {
    let mut spec = plain(true, false);
    spec.flags = tcp::CWR | tcp::ECE | tcp::ACK | tcp::PSH | tcp::FIN;
    let built = spec.build();
    let segments = cut(&built);
    let seen: Vec<_> = segments
        .iter()
        .map(|segment| {
            let id = u16::from_be_bytes([segment[18], segment[19]]);
            let tcp = TcpView::parse(&segment[34..]).unwrap();
            (segment.len(), id, tcp.seq(), tcp.flags())
        })
        .collect();
    // Identification and sequence number both wrap.
    assert_eq!(
        seen,
        [
            (
                54 + 1448,
                0xffff,
                0xffff_ff00,
                tcp::CWR | tcp::ECE | tcp::ACK
            ),
            (54 + 1448, 0x0000, 0x0000_04a8, tcp::ECE | tcp::ACK),
            (
                54 + 1104,
                0x0001,
                0x0000_0a50,
                tcp::ECE | tcp::ACK | tcp::PSH | tcp::FIN
            ),
        ]
    );
}

/// A UDP payload for which the checksum computes to zero.
fn zero_sum_payload(spec: &mut Spec) {
    spec.payload = vec![0, 0];
    let built = spec.build();
    let sum = naive_sum(&built.frame[built.l4..]);
    spec.payload = (!sum).to_be_bytes().to_vec();
}

#[test]
fn a_udp_checksum_of_zero_is_sent_as_ones() {
    for v6 in [false, true] {
        let mut spec = plain(false, v6);
        zero_sum_payload(&mut spec);
        let Built {
            mut frame,
            mut vnet,
            l4,
            ..
        } = spec.build();
        (vnet.gso_type, vnet.gso_size) = (0, 0);
        complete_checksum(&mut frame, &vnet).unwrap();
        assert_eq!(frame[l4 + 6..l4 + 8], [0xff, 0xff]);

        // The same bytes as a segment.
        let segments = cut(&spec.build());
        assert_eq!(segments[0][l4 + 6..l4 + 8], [0xff, 0xff]);
        assert!(l4_verifies(v6, 17, &segments[0][l4..]));
    }
}

#[test]
fn only_partial_checksums_are_touched() {
    let frame = plain(true, false).build().frame;
    let mut same = frame.clone();
    assert_eq!(complete_checksum(&mut same, &VnetHdr::NONE), Ok(()));
    assert_eq!(same, frame);
    let outside = VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        csum_start: 4050,
        csum_offset: 16,
        ..VnetHdr::NONE
    };
    assert!(matches!(
        complete_checksum(&mut same, &outside),
        Err(VnetError::ChecksumOutside { .. })
    ));
    assert_eq!(same, frame);
    let head = Head::parse(&frame).unwrap();
    assert!(matches!(
        SegmentPlan::new(&frame, &VnetHdr::NONE, &head),
        Err(VnetError::NotGso)
    ));
}

#[test]
fn a_routing_header_keeps_its_final_destination() {
    // The pseudo header is over the final destination (RFC 8200 section 8.1), which the IPv6 header does not show.
    let mut spec = plain(true, true);
    spec.extensions = vec![(43, 2)];
    let built = spec.build();
    let mut routed = built.clone();
    routed.frame[built.l3 + 24..built.l3 + 40].copy_from_slice(&[0xfd; 16]);
    for (there, here) in cut(&routed).iter().zip(cut(&built)) {
        assert_eq!(there[built.l4..], here[built.l4..]);
    }
}
