use proptest::prelude::*;

use super::*;

/// A header with `next` first and `rest` behind it.
fn packet(next: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LEN];
    bytes[0] = 0x60;
    bytes[field::NEXT_HEADER] = next;
    bytes.extend_from_slice(rest);
    bytes
}

fn walk(bytes: &[u8]) -> Result<UpperLayer, ParseError> {
    Ipv6View::parse(bytes)?.upper_layer(bytes)
}

#[test]
fn fields() {
    let mut bytes = packet(17, &[]);
    bytes[..4].copy_from_slice(&[0x6a, 0xbc, 0xde, 0xf0]);
    set_payload_len(&mut bytes, 1234);
    set_hop_limit(&mut bytes, 64);
    let (src, dst) = ("2001:2::1".parse().unwrap(), "2001:2::2".parse().unwrap());
    set_src(&mut bytes, src);
    set_dst(&mut bytes, dst);
    let ip = Ipv6View::parse(&bytes).unwrap();
    assert_eq!((ip.traffic_class(), ip.flow_label()), (0xab, 0xc_def0));
    assert_eq!(
        (ip.payload_len(), ip.next_header(), ip.hop_limit()),
        (1234, 17, 64)
    );
    assert_eq!((ip.src(), ip.dst()), (src, dst));
}

#[test]
fn walks_the_chain() {
    assert_eq!(
        walk(&packet(6, &[])),
        Ok(UpperLayer {
            proto: 6,
            offset: 40,
            fragment: false
        })
    );
    // Hop-by-hop of 8, routing of 16, destination options of 8, then UDP.
    let mut rest = vec![ROUTING, 0, 0, 0, 0, 0, 0, 0];
    rest.extend([DESTINATION_OPTIONS, 1]);
    rest.extend([0; 14]);
    rest.extend([17, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        walk(&packet(HOP_BY_HOP, &rest)),
        Ok(UpperLayer {
            proto: 17,
            offset: 72,
            fragment: false
        })
    );
}

#[test]
fn fragments() {
    let first = [6, 0, 0, 1, 0, 0, 0, 9];
    assert_eq!(
        walk(&packet(FRAGMENT, &first)),
        Ok(UpperLayer {
            proto: 6,
            offset: 48,
            fragment: true
        })
    );
    // The chain of a first fragment goes on behind its fragment header.
    let options = [
        DESTINATION_OPTIONS,
        0,
        0,
        1,
        0,
        0,
        0,
        9,
        6,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    let expected = UpperLayer {
        proto: 6,
        offset: 56,
        fragment: true,
    };
    assert_eq!(walk(&packet(FRAGMENT, &options)), Ok(expected));
    // The reserved byte is no length.
    let atomic = [6, 200, 0, 0, 0, 0, 0, 9];
    assert_eq!(
        walk(&packet(FRAGMENT, &atomic)),
        Ok(UpperLayer {
            proto: 6,
            offset: 48,
            fragment: true
        })
    );
    // In a later fragment nothing may be read as a header, not even what the first one's next header says.
    let later = [HOP_BY_HOP, 0, 0, 8, 0, 0, 0, 9];
    assert_eq!(
        walk(&packet(FRAGMENT, &later)),
        Ok(UpperLayer {
            proto: HOP_BY_HOP,
            offset: 48,
            fragment: true
        })
    );
}

#[test]
fn bounded() {
    let link = [DESTINATION_OPTIONS, 0, 0, 0, 0, 0, 0, 0];
    let last = [6, 0, 0, 0, 0, 0, 0, 0];
    let eight = [link.repeat(7), last.to_vec()].concat();
    assert_eq!(
        walk(&packet(DESTINATION_OPTIONS, &eight)).map(|upper| upper.offset),
        Ok(104)
    );
    let nine = [link.repeat(8), last.to_vec()].concat();
    assert_eq!(
        walk(&packet(DESTINATION_OPTIONS, &nine)),
        Err(ParseError::TooManyHeaders { limit: 8 })
    );
}

#[test]
fn cut_short() {
    assert!(matches!(
        walk(&[0x60; 39]),
        Err(ParseError::Truncated {
            need: 40,
            have: 39,
            ..
        })
    ));
    assert!(matches!(
        walk(&[0x45; 40]),
        Err(ParseError::BadVersion { version: 4, .. })
    ));
    assert!(matches!(
        walk(&packet(ROUTING, &[0; 7])),
        Err(ParseError::Truncated {
            need: 48,
            have: 47,
            ..
        })
    ));
    let long = packet(ROUTING, &[6, 1, 0, 0, 0, 0, 0, 0]);
    assert!(matches!(
        walk(&long),
        Err(ParseError::Truncated {
            need: 56,
            have: 48,
            ..
        })
    ));
}

proptest! {
    #[test]
    fn never_outside(rest in prop::collection::vec(prop_oneof![Just(0u8), Just(43), Just(44), Just(60), any::<u8>()], 0..120), next: u8) {
        let bytes = packet(next, &rest);
        if let Ok(upper) = walk(&bytes) {
            prop_assert!((HEADER_LEN..=bytes.len()).contains(&upper.offset));
        }
    }
}
