//! Bytes from a hostile container: whatever they are, nothing panics, every frame is accounted
//! for, and no port gets work that it cannot do.

use proptest::prelude::*;
use vswitch_wire::{MacAddr, OffloadSet, VNET_LEN, VnetHdr};

use super::bench::Bench;
use crate::testing::Shape;
use crate::testing::mac;

fn bench() -> Bench {
    let mut bench = Bench::with_ports(1);
    let tso = OffloadSet::CSUM.union(OffloadSet::TSO4);
    for (number, offload) in [(1, OffloadSet::NONE), (2, OffloadSet::CSUM), (3, tso)] {
        bench.add(number, 0, 1500, offload);
    }
    bench.add(4, 0, u16::MAX, OffloadSet::ALL);
    bench
}

fn survives(bytes: Vec<u8>) {
    let mut bench = bench();
    bench.send(0, bytes.clone());
    assert_eq!(bench.totals().residual(), 0);
    assert_eq!(bench.totals().rx.frames, 1);
    for number in 1..=4 {
        for sent in bench.take(number) {
            let header = VnetHdr::parse(sent.first_chunk().unwrap());
            let offload = bench.view(number).offload;
            assert!(offload.contains(header.required()), "{header:?}");
            if number < 3 {
                assert!(sent.len() - VNET_LEN <= 1500 + 14 + 4 * 4);
            }
        }
    }
}

fn shapes() -> impl Strategy<Value = Shape> {
    let all = [
        (Some(1400), 4_000),
        (Some(1), 100),
        (None, 1_400),
        (None, 7),
    ];
    let all: Vec<_> = (all.into_iter())
        .flat_map(|(gso_size, payload)| Shape::all(gso_size, payload))
        .collect();
    prop::sample::select(all)
}

proptest! {
    #[test]
    fn any_bytes(header: [u8; 12], frame in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut bytes = header.to_vec();
        bytes.extend(frame);
        // A source that is admitted, so that more than the first stages see it.
        if let Some(first) = bytes.get_mut(18) {
            *first &= 0xfe;
        }
        survives(bytes);
    }

    #[test]
    fn sound_frames_with_a_few_bytes_changed(
        shape in shapes(),
        changes in prop::collection::vec((0usize..150, any::<u8>()), 0..6),
        cut in prop::option::of(0usize..300),
    ) {
        let mut bytes = shape.build(MacAddr::BROADCAST, mac(1));
        for (at, byte) in changes {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut);
        }
        survives(bytes);
    }

    #[test]
    fn any_offload_header_before_a_sound_frame(shape in shapes(), header: [u8; 12]) {
        let mut bytes = shape.build(MacAddr::BROADCAST, mac(1));
        bytes[..12].copy_from_slice(&header);
        survives(bytes);
    }
}
