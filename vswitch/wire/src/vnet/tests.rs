use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn every_header_round_trips(bytes: [u8; VNET_LEN]) {
        let header = VnetHdr::parse(&bytes);
        let mut written = [0xee; VNET_LEN];
        header.write(&mut written);
        prop_assert_eq!(written, bytes);
        prop_assert_eq!(header.to_bytes(), bytes);
        if header.is_plain() {
            prop_assert_eq!(header.required(), OffloadSet::NONE);
        }
    }
}

#[test]
fn every_gso_type() {
    for raw in 0..=u8::MAX {
        let header = VnetHdr {
            gso_type: raw,
            ..VnetHdr::NONE
        };
        let known = matches!(raw & 0x7f, 0 | 1 | 3 | 4 | 5);
        match header.gso() {
            Ok((gso, ecn)) => {
                assert!(known);
                assert_eq!(gso.raw() | if ecn { 0x80 } else { 0 }, raw);
            }
            Err(error) => assert!(!known && error == VnetError::UnknownGsoType { raw }),
        }
        // Whatever cannot be passed on or cut is wanted of no port.
        let takes_it = OffloadSet::ALL.contains(header.required());
        assert_eq!(
            takes_it,
            matches!(raw, 0 | 1 | 4 | 5 | 0x81 | 0x84 | 0x85),
            "{raw:#x}"
        );
        assert_eq!(header.is_plain(), raw == 0);
    }
}

#[test]
fn what_is_required() {
    let required = |flags, gso_type| {
        VnetHdr {
            flags,
            gso_type,
            ..VnetHdr::NONE
        }
        .required()
        .to_string()
    };
    assert_eq!(required(0, 0), "off");
    assert_eq!(required(FLAG_DATA_VALID, 0), "off");
    assert_eq!(required(FLAG_NEEDS_CSUM, 0), "csum");
    assert_eq!(required(FLAG_NEEDS_CSUM, 0x81), "csum,tso4,ecn");
    assert_eq!(required(FLAG_NEEDS_CSUM, 4), "csum,tso6");
    assert_eq!(required(FLAG_NEEDS_CSUM, 5), "csum,uso4,uso6");
    assert_eq!(required(FLAG_NEEDS_CSUM, 3), "csum,unsupported");
}

#[test]
fn offload_sets() {
    let mut set = OffloadSet::ALL;
    assert_eq!(set.to_string(), "csum,tso4,tso6,ecn,uso4,uso6");
    set.remove(OffloadSet::USO4.union(OffloadSet::USO6));
    assert!(set.contains(OffloadSet::TSO6) && !set.contains(OffloadSet::USO4));
    set.insert(OffloadSet::USO4);
    assert_eq!(set.intersection(OffloadSet::USO4), OffloadSet::USO4);
    assert!(set.contains(OffloadSet::NONE) && OffloadSet::default().is_empty());
    assert!(!OffloadSet::ALL.contains(OffloadSet::UNSUPPORTED));
}
