use proptest::prelude::*;

use super::*;
use crate::SegmentPlan;
use crate::testing::{Built, plain, specs};

fn check(frame: &[u8], vnet: VnetHdr) -> Result<(), VnetError> {
    vnet.check(frame, &Head::parse(frame).unwrap())
}

/// Checks a plain super-frame after `change`.
fn changed(tcp: bool, v6: bool, change: impl FnOnce(&mut Built)) -> Result<(), VnetError> {
    let mut built = plain(tcp, v6).build();
    change(&mut built);
    check(&built.frame, built.vnet)
}

#[test]
fn the_four_kinds_pass() {
    for (tcp, v6) in [(true, false), (true, true), (false, false), (false, true)] {
        assert_eq!(changed(tcp, v6, |_| ()), Ok(()));
    }
    assert_eq!(
        changed(true, false, |built| built.vnet.gso_type |= 0x80),
        Ok(())
    );
}

#[test]
fn ordinary_frames() {
    let frame = [8; 60];
    let flags = |flags| {
        check(
            &frame,
            VnetHdr {
                flags,
                ..VnetHdr::NONE
            },
        )
    };
    assert_eq!(flags(0), Ok(()));
    assert_eq!(flags(FLAG_DATA_VALID), Ok(()));
    assert_eq!(flags(4), Err(VnetError::UnknownFlags { flags: 4 }));
    let hdr_len = |hdr_len| {
        check(
            &frame,
            VnetHdr {
                hdr_len,
                ..VnetHdr::NONE
            },
        )
    };
    assert_eq!(hdr_len(60), Ok(()));
    assert_eq!(
        hdr_len(61),
        Err(VnetError::HdrLen {
            hdr_len: 61,
            have: 60
        })
    );
}

#[test]
fn a_partial_checksum_may_be_anywhere_in_the_payload() {
    let csum = |csum_start, csum_offset| {
        let flags = FLAG_NEEDS_CSUM;
        check(
            &[8; 60],
            VnetHdr {
                flags,
                csum_start,
                csum_offset,
                ..VnetHdr::NONE
            },
        )
    };
    assert_eq!(csum(14, 44), Ok(()));
    assert_eq!(
        csum(14, 45),
        Err(VnetError::ChecksumOutside { end: 61, have: 60 })
    );
    let early = VnetError::ChecksumTooEarly {
        csum_start: 13,
        payload: 14,
    };
    assert_eq!(csum(13, 0), Err(early));
    assert!(matches!(
        csum(u16::MAX, u16::MAX),
        Err(VnetError::ChecksumOutside { .. })
    ));
}

#[test]
fn a_checksum_before_the_payload_of_a_tagged_frame() {
    let mut frame = vec![2; 12];
    frame.extend([0x81, 0, 0, 1, 0x08, 0]);
    frame.resize(60, 0);
    let vnet = VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        csum_start: 17,
        ..VnetHdr::NONE
    };
    assert_eq!(
        check(&frame, vnet),
        Err(VnetError::ChecksumTooEarly {
            csum_start: 17,
            payload: 18
        })
    );
}

#[test]
fn lies_about_the_kind() {
    let with_type = |tcp, v6, raw| changed(tcp, v6, |built| built.vnet.gso_type = raw);
    assert_eq!(with_type(true, false, 4), Err(VnetError::WrongProtocol));
    assert_eq!(with_type(true, true, 1), Err(VnetError::WrongProtocol));
    assert_eq!(with_type(true, false, 5), Err(VnetError::WrongProtocol));
    assert_eq!(with_type(false, false, 1), Err(VnetError::WrongProtocol));
    assert_eq!(with_type(false, false, 3), Err(VnetError::Ufo));
    assert_eq!(
        with_type(false, false, 0x85),
        Err(VnetError::UnknownGsoType { raw: 0x85 })
    );
    assert_eq!(
        with_type(true, false, 0x80),
        Err(VnetError::UnknownGsoType { raw: 0x80 })
    );
    assert_eq!(
        with_type(true, false, 2),
        Err(VnetError::UnknownGsoType { raw: 2 })
    );
    let arp = changed(true, false, |built| built.frame[13] = 6);
    assert_eq!(arp, Err(VnetError::WrongProtocol));
}

#[test]
fn lies_about_sizes_and_places() {
    for tcp in [true, false] {
        let with = |change: fn(&mut Built)| changed(tcp, false, change);
        assert_eq!(
            with(|built| built.vnet.flags = 0),
            Err(VnetError::GsoWithoutChecksum)
        );
        assert_eq!(
            with(|built| built.vnet.gso_size = 0),
            Err(VnetError::GsoSize { gso_size: 0 })
        );
        assert_eq!(
            with(|built| built.vnet.gso_size = 0xffff),
            Err(VnetError::GsoSize { gso_size: 0xffff })
        );
        assert_eq!(
            with(|built| built.vnet.csum_start += 2),
            Err(VnetError::ChecksumElsewhere)
        );
        assert_eq!(
            with(|built| built.vnet.csum_offset = 8),
            Err(VnetError::ChecksumElsewhere)
        );
        assert!(matches!(
            with(|built| built.frame.push(0)),
            Err(VnetError::LengthMismatch { .. })
        ));
        let cut = with(|built| built.frame.truncate(built.frame.len() - 1));
        assert!(matches!(
            cut,
            Err(VnetError::Parse(ParseError::Truncated {
                what: "IPv4 packet",
                ..
            }))
        ));
        assert_eq!(
            with(|built| built.frame[built.l3 + 6] = 0x20),
            Err(VnetError::Fragment)
        );
    }
    let small = changed(true, false, |built| built.vnet.gso_size = 7);
    assert_eq!(small, Err(VnetError::GsoSize { gso_size: 7 }));
    let offset = changed(true, false, |built| built.frame[built.l4 + 12] = 0x40);
    assert_eq!(
        offset,
        Err(VnetError::Parse(ParseError::BadLength {
            what: "TCP data offset",
            value: 4
        }))
    );
}

#[test]
fn segment_counts_are_bounded() {
    let result = |tcp: bool, gso_size: u16, payload: usize| {
        let mut spec = plain(tcp, true);
        (spec.gso_size, spec.payload) = (gso_size, vec![0; payload]);
        let built = spec.build();
        check(&built.frame, built.vnet)
    };
    assert_eq!(result(true, 36, 65_515), Ok(()));
    assert_eq!(result(true, 8, MAX_SEGMENTS * 8), Ok(()));
    let limit = MAX_SEGMENTS;
    assert_eq!(
        result(true, 8, limit * 8 + 1),
        Err(VnetError::TooManySegments {
            count: limit + 1,
            limit
        })
    );
    assert_eq!(result(false, 1, 128), Ok(()));
    assert_eq!(
        result(false, 1, 129),
        Err(VnetError::TooManySegments {
            count: 129,
            limit: 128
        })
    );
}

#[test]
fn long_headers_are_refused() {
    let with_options = |tcp_options| {
        let mut spec = plain(true, true);
        // 14 + 40 + 2 * 72 bytes before TCP.
        (spec.extensions, spec.tcp_options) = (vec![(60, 8), (60, 8)], tcp_options);
        let built = spec.build();
        check(&built.frame, built.vnet)
    };
    assert_eq!(with_options(9), Ok(()));
    assert_eq!(
        with_options(10),
        Err(VnetError::HeadersTooLong { len: 258 })
    );
}

fn vnet_headers() -> impl Strategy<Value = VnetHdr> {
    let small = prop_oneof![0u16..100, any::<u16>()];
    let kinds = prop::sample::select(vec![0u8, 1, 3, 4, 5, 0x81, 0x84, 0x80, 77]);
    (
        0u8..5,
        kinds,
        small.clone(),
        small.clone(),
        small.clone(),
        small,
        any::<u16>(),
    )
        .prop_map(
            |(flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers)| VnetHdr {
                flags,
                gso_type,
                hdr_len,
                gso_size,
                csum_start,
                csum_offset,
                num_buffers,
            },
        )
}

/// Everything that is done with a header and a frame from outside; panics are the failure.
fn use_all(frame: &[u8], vnet: &VnetHdr) {
    let mut completed = frame.to_vec();
    if crate::complete_checksum(&mut completed, vnet).is_err() {
        assert_eq!(completed, frame);
    }
    let Ok(head) = Head::parse(frame) else {
        return;
    };
    let hash = crate::flow_hash(frame, &head);
    assert_eq!(hash, crate::flow_hash(frame, &head));
    if let Ok(layers) = Layers::parse(frame, &head) {
        assert!(
            layers.l3 < layers.l4 && layers.l4 <= layers.l4_end && layers.l4_end <= frame.len()
        );
    }
    let checked = vnet.check(frame, &head);
    let Ok(plan) = SegmentPlan::new(frame, vnet, &head) else {
        assert!(checked.is_err() || vnet.gso_type == 0);
        return;
    };
    assert_eq!(checked, Ok(()));
    let mut out = vec![0; frame.len()];
    let mut payload = Vec::new();
    for i in 0..plan.count() {
        let len = plan.write(i, &mut out);
        assert!(len == plan.segment_len(i) && len <= frame.len());
        payload.extend_from_slice(plan.payload(i));
    }
    assert_eq!(payload, frame[plan.header_len()..]);
    assert!(plan.payload(plan.count()).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn noise_never_panics(frame in prop::collection::vec(any::<u8>(), 0..200), vnet in vnet_headers()) {
        use_all(&frame, &vnet);
    }

    #[test]
    fn almost_valid_never_panics(
        spec in specs(0..2000),
        bytes in prop::collection::vec((0usize..130, any::<u8>()), 0..3),
        other in vnet_headers(),
        taken in prop::array::uniform6(prop::bool::weighted(0.1)),
        cut in prop_oneof![3 => Just(0usize), 1 => 0usize..200],
    ) {
        let Built { mut frame, mut vnet, .. } = spec.build();
        for (at, byte) in bytes {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        frame.truncate(frame.len() - cut.min(frame.len()));
        // One field in a few is the liar's.
        let [flags, kind, hdr_len, size, start, offset] = taken.map(|taken| taken && cut == 0);
        if flags { vnet.flags = other.flags; }
        if kind { vnet.gso_type = other.gso_type; }
        if hdr_len { vnet.hdr_len = other.hdr_len; }
        if size { vnet.gso_size = other.gso_size; }
        if start { vnet.csum_start = other.csum_start; }
        if offset { vnet.csum_offset = other.csum_offset; }
        use_all(&frame, &vnet);
    }
}
