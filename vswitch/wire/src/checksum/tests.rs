use proptest::prelude::*;

use super::*;
use crate::testing::naive_sum;

#[test]
fn every_length_and_alignment() {
    let bytes: Vec<u8> = (0..700u32)
        .map(|i| (i * 37 + i / 7).to_le_bytes()[0] | 0x80)
        .collect();
    for start in 0..9 {
        for len in 0..600 {
            let piece = &bytes[start..start + len];
            assert_eq!(
                Sum::new().add_bytes(piece).fold(),
                naive_sum(piece),
                "{len} bytes at {start}"
            );
        }
    }
}

#[test]
fn the_longest_packet_of_ones() {
    for len in [65_535, 65_536] {
        assert_eq!(
            Sum::new().add_bytes(&vec![0xff; len]).fold(),
            naive_sum(&vec![0xff; len])
        );
    }
    assert_eq!(Sum::new().fold(), 0);
    assert_eq!(Sum(u64::MAX).fold(), 0xffff);
}

#[test]
fn rfc_1624_vectors() {
    // Section 4: a field goes from 0x5555 to 0x3285.
    assert_eq!(update_u16(0xdd2f, 0x5555, 0x3285), 0x0000);
    // Nothing changes, at both ends of the range.
    assert_eq!(update_u16(0x1234, 0xabcd, 0xabcd), 0x1234);
    assert_eq!(update_u16(0x0000, 0x0000, 0x0000), 0x0000);
    // Linux's example of a TTL going down by one, as 0x4011 to 0x3f11.
    assert_eq!(update_u16(0xb861, 0x4011, 0x3f11), 0xb961);
}

#[test]
fn pseudo_headers() {
    let v4 = pseudo_v4([192, 168, 0, 1].into(), [192, 168, 0, 199].into(), 17, 0x5f);
    assert_eq!(
        v4.fold(),
        naive_sum(&[192, 168, 0, 1, 192, 168, 0, 199, 0, 17, 0, 0x5f])
    );
    let (src, dst) = ([0x20; 16], [0xfe; 16]);
    let v6 = pseudo_v6(src.into(), dst.into(), 58, 0x0001_0002);
    let bytes = [&src[..], &dst, &[0, 1, 0, 2, 0, 0, 0, 58]].concat();
    assert_eq!(v6.fold(), naive_sum(&bytes));
}

proptest! {
    #[test]
    fn pieces_and_values_are_one_sum(a in prop::collection::vec(any::<[u8; 2]>(), 0..80), x: u16, y: u32, b: Vec<u8>) {
        let a = a.concat();
        let sum = Sum::new().add_bytes(&a).add_u16(x).add_sum(Sum::new().add_u32(y).add_bytes(&b));
        let all = [&a[..], &x.to_be_bytes(), &y.to_be_bytes(), &b].concat();
        prop_assert_eq!(sum.fold(), naive_sum(&all));
        prop_assert_eq!(sum.finish(), !naive_sum(&all));
    }

    #[test]
    fn incremental_equals_recomputed(bytes in prop::collection::vec(any::<u8>(), 32..64), at in 0usize..8, new: [u8; 16]) {
        // A header is never all zero, which is what makes equation 3 exact (RFC 1624 section 3).
        let mut bytes = bytes;
        bytes[0] = 0x45;
        let at = at * 2 + 2;
        let check = Sum::new().add_bytes(&bytes).finish();
        for len in [2, 4, 16] {
            let mut changed = bytes.clone();
            changed[at..at + len].copy_from_slice(&new[..len]);
            let (old, new) = (&bytes[at..at + len], &new[..len]);
            let expected = Sum::new().add_bytes(&changed).finish();
            prop_assert_eq!(update_bytes(check, old, new), expected);
            if let (Ok(old), Ok(new)) = (old.try_into(), new.try_into()) {
                prop_assert_eq!(update_u16(check, u16::from_be_bytes(old), u16::from_be_bytes(new)), expected);
            }
            if let (Ok(old), Ok(new)) = (old.try_into(), new.try_into()) {
                prop_assert_eq!(update_u32(check, u32::from_be_bytes(old), u32::from_be_bytes(new)), expected);
            }
        }
    }
}
