use proptest::prelude::*;

use super::*;

const DST: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SRC: [u8; 6] = [2, 0, 0, 0, 0, 1];

fn frame(rest: &[u8]) -> Vec<u8> {
    [&DST[..], &SRC[..], rest].concat()
}

#[test]
fn plain_frame() {
    let bytes = frame(&[0x08, 0x00, 0x45]);
    let head = Head::parse(&bytes).unwrap();
    assert_eq!((head.dst, head.src), (MacAddr::new(DST), MacAddr::new(SRC)));
    assert_eq!(head.kind, Kind::Ether(EtherType::IPV4));
    assert_eq!((head.payload, head.outer_vid()), (14, None));
    assert!(head.length_fits(&bytes) && head.llc(&bytes).is_none());
}

#[test]
fn double_tag() {
    let bytes = frame(&[0x88, 0xa8, 0xb0, 0x2a, 0x81, 0x00, 0x00, 0x00, 0x86, 0xdd]);
    let head = Head::parse(&bytes).unwrap();
    let tags: Vec<_> = head.tags.iter().collect();
    assert_eq!(
        tags[0],
        Tag {
            tpid: EtherType::QINQ,
            pcp: 5,
            dei: true,
            vid_raw: 42
        }
    );
    assert_eq!(
        tags[1],
        Tag {
            tpid: EtherType::VLAN,
            pcp: 0,
            dei: false,
            vid_raw: 0
        }
    );
    assert_eq!((tags.len(), head.tags.get(2)), (2, None));
    assert_eq!(
        (head.ethertype(), head.payload, head.type_offset()),
        (Some(EtherType::IPV6), 22, 20)
    );
}

#[test]
fn a_fifth_tag_is_payload() {
    for depth in 0..8u8 {
        let mut rest = Vec::new();
        for vid in 0..depth {
            rest.extend([0x81, 0, 0, vid]);
        }
        rest.extend([0x08, 0x06]);
        let head = Head::parse(&frame(&rest)).unwrap();
        assert_eq!(head.tags.len(), usize::from(depth.min(4)));
        let expected = if depth > 4 {
            EtherType::VLAN
        } else {
            EtherType::ARP
        };
        assert_eq!(head.kind, Kind::Ether(expected));
        assert_eq!(head.payload, 14 + 4 * usize::from(depth.min(4)));
    }
}

#[test]
fn cut_short_at_every_byte() {
    let bytes = frame(&[0x81, 0, 0, 5, 0x88, 0xa8, 0, 6, 0x08, 0x00]);
    for len in 0..bytes.len() {
        let result = Head::parse(&bytes[..len]);
        let (what, need) = match len {
            0..14 => ("Ethernet header", 14),
            14..18 => ("VLAN tag", 18),
            _ => ("VLAN tag", 22),
        };
        assert_eq!(
            result,
            Err(ParseError::Truncated {
                what,
                need,
                have: len
            })
        );
    }
}

#[test]
fn spanning_tree_is_llc() {
    let mut bytes = frame(&[0, 38, 0x42, 0x42, 0x03]);
    bytes.resize(60, 0);
    let head = Head::parse(&bytes).unwrap();
    assert_eq!((head.kind, head.payload), (Kind::Llc { len: 38 }, 14));
    assert_eq!(
        head.llc(&bytes),
        Some(Llc {
            dsap: 0x42,
            ssap: 0x42,
            control: 3
        })
    );
    assert!(head.length_fits(&bytes) && head.ethertype().is_none());
}

#[test]
fn snap_gives_an_ethertype() {
    for tag in [&[][..], &[0x81, 0, 0, 1]] {
        let bytes = frame(&[tag, &[0, 9, 0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00, 0x45]].concat());
        let head = Head::parse(&bytes).unwrap();
        assert_eq!(
            (head.kind, head.payload),
            (Kind::Snap(EtherType::IPV4), 22 + tag.len())
        );
        assert_eq!(head.length_field(&bytes), Some(9));
        assert!(head.length_fits(&bytes));
    }
    let other_oui = frame(&[0, 8, 0xaa, 0xaa, 3, 0, 0, 0xf8, 0x08, 0x00]);
    assert_eq!(Head::parse(&other_oui).unwrap().kind, Kind::Llc { len: 8 });
    let cut = frame(&[0, 8, 0xaa, 0xaa, 3, 0, 0, 0, 0x08]);
    assert_eq!(Head::parse(&cut).unwrap().kind, Kind::Llc { len: 8 });
}

#[test]
fn a_wrong_length_is_visible_and_no_error() {
    let with_length = |length: u16| {
        let mut bytes = frame(&length.to_be_bytes());
        bytes.extend([0xaa, 0xaa, 3, 0, 0, 0, 0x08, 0x00, 0x45, 0]);
        bytes
    };
    for (length, fits) in [
        (0, false),
        (7, false),
        (8, true),
        (10, true),
        (11, false),
        (1500, false),
        (1535, false),
    ] {
        let bytes = with_length(length);
        let head = Head::parse(&bytes).unwrap();
        assert_eq!(head.kind, Kind::Snap(EtherType::IPV4));
        assert_eq!(
            (head.length_field(&bytes), head.length_fits(&bytes)),
            (Some(length), fits),
            "{length}"
        );
    }
    assert_eq!(
        Head::parse(&with_length(1536)).unwrap().kind,
        Kind::Ether(EtherType(0x0600))
    );
    let mut long = with_length(1501);
    long.resize(1600, 0);
    assert!(
        !Head::parse(&long).unwrap().length_fits(&long),
        "above 1500 is never honest"
    );
}

#[test]
fn addresses_are_written_in_place() {
    let mut bytes = [7; 15];
    set_addresses(&mut bytes, MacAddr::new(DST), MacAddr::new(SRC));
    let head = Head::parse(&bytes).unwrap();
    assert_eq!(
        (head.dst, head.src, bytes[12]),
        (MacAddr::new(DST), MacAddr::new(SRC), 7)
    );
}

/// Bytes in which tags, SNAP and lengths are much more likely than in noise.
fn almost_ethernet() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(vec![0x81, 0x00]),
        Just(vec![0x88, 0xa8]),
        Just(vec![0xaa, 0xaa, 3, 0, 0, 0]),
        (0u16..1600).prop_map(|length| length.to_be_bytes().to_vec()),
        any::<[u8; 2]>().prop_map(|bytes| bytes.to_vec()),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    (any::<[u8; 12]>(), prop::collection::vec(piece, 0..20))
        .prop_map(|(addresses, pieces)| [addresses.to_vec(), pieces.concat()].concat())
}

proptest! {
    #[test]
    fn never_panics_and_stays_inside(bytes in prop_oneof![almost_ethernet(), prop::collection::vec(any::<u8>(), 0..80)]) {
        match Head::parse(&bytes) {
            Ok(head) => {
                prop_assert!(head.payload <= bytes.len());
                prop_assert!(head.type_offset() + 2 <= head.payload);
                prop_assert_eq!(head.length_field(&bytes).is_none(), matches!(head.kind, Kind::Ether(_)));
                let _ = (head.llc(&bytes), head.length_fits(&bytes), head.outer_vid());
            }
            Err(ParseError::Truncated { need, have, .. }) => prop_assert!(have < need && have == bytes.len()),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn a_built_stack_reads_back(tags in prop::collection::vec((any::<bool>(), any::<u16>()), 0..=4), kind in 0x0600u16..) {
        prop_assume!(!EtherType(kind).is_vlan_tag());
        let tags: Vec<_> = tags
            .into_iter()
            .map(|(service, tci)| Tag::from_tci(if service { EtherType::QINQ } else { EtherType::VLAN }, tci))
            .collect();
        let mut rest = Vec::new();
        for tag in &tags {
            rest.extend(tag.tpid.0.to_be_bytes());
            rest.extend(tag.tci().to_be_bytes());
        }
        rest.extend(kind.to_be_bytes());
        let head = Head::parse(&frame(&rest)).unwrap();
        prop_assert_eq!(head.tags.iter().collect::<Vec<_>>(), tags);
        prop_assert_eq!(head.ethertype(), Some(EtherType(kind)));
    }
}
