//! Flows that are mixed, lose, double, damage and delay frames: each keeps its bytes and its order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::IpVersion;

/// One step of a batch: which flow sends next, and what happens to the frame on the way.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Arrives,
    Lost,
    Twice,
    /// The bit at this place of the transport's part is flipped.
    Damaged(usize),
    /// Overtaken by the next of its flow.
    Late,
}

fn fates() -> impl Strategy<Value = Vec<(usize, Fate)>> {
    let fate = prop_oneof![
        12 => Just(Fate::Arrives),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Twice),
        1 => any::<usize>().prop_map(Fate::Damaged),
        1 => Just(Fate::Late),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), fate), 1..120).prop_map(|steps| {
        steps
            .into_iter()
            .map(|(i, fate)| (i.index(4), fate))
            .collect()
    })
}

/// Four flows, told apart by their source port.
fn batch(mut flows: Vec<Spec>, steps: &[(usize, Fate)]) -> (Vec<Vec<u8>>, Vec<usize>) {
    let mut waiting: Vec<_> = flows
        .drain(..)
        .zip(0u8..)
        .map(|(spec, port)| {
            let mut built = spec.build();
            let at = built.l4 + 1;
            built.frame[at] = port;
            cut(&built.frame, &built.vnet).into_iter()
        })
        .collect();
    let (mut frames, mut damaged, mut late): (Vec<Vec<u8>>, Vec<usize>, Vec<Vec<u8>>) =
        Default::default();
    for &(flow, fate) in steps {
        let Some(mut frame) = waiting[flow].next() else {
            continue;
        };
        match fate {
            Fate::Arrives => frames.push(frame),
            Fate::Lost => {}
            Fate::Twice => frames.extend([frame.clone(), frame]),
            Fate::Late => {
                late.push(frame);
                continue;
            }
            Fate::Damaged(at) => {
                let layers = Layers::parse(&frame, &Head::parse(&frame).unwrap()).unwrap();
                let bits = 8 * (frame.len() - layers.l4);
                let at = 8 * layers.l4 + at % bits;
                frame[at / 8] ^= 1 << (at % 8);
                damaged.push(frames.len());
                frames.push(frame);
            }
        }
        frames.append(&mut late);
    }
    frames.append(&mut late);
    (frames, damaged)
}

/// IPv4 or not, protocol, ports.
type Key = (bool, u8, Vec<u8>);

/// The frames by flow, in order; the addresses are all the same. All have DF, so IPv4 identifications mean nothing and
/// may be counted anew.
pub(super) fn by_flow(frames: &[Vec<u8>]) -> BTreeMap<Key, Vec<Vec<u8>>> {
    let mut flows: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for frame in frames {
        let mut frame = frame.clone();
        let layers = Layers::parse(&frame, &Head::parse(&frame).unwrap()).unwrap();
        let ports = frame[layers.l4..layers.l4 + 4].to_vec();
        let key = (layers.ip == IpVersion::V4, layers.proto, ports);
        if layers.ip == IpVersion::V4 {
            let header = &mut frame[layers.l3..layers.l4];
            assert_eq!(naive_sum(header), 0xffff);
            ipv4::set_id(header, 0);
            ipv4::set_checksum(header, 0);
        }
        flows.entry(key).or_default().push(frame);
    }
    flows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn flows_keep_their_bytes_and_their_order(
        flows in prop::collection::vec(specs(1..6000).prop_map(mergeable), 4),
        steps in fates(),
        groups in 1usize..20,
    ) {
        let (frames, damaged) = batch(flows, &steps);
        let (placed, sent) = coalesce(&mut Coalescer::new(groups, OffloadSet::ALL), &frames);
        let mut back = Vec::new();
        for Sent { numbers, bytes, vnet } in &sent {
            if numbers.len() == 1 {
                prop_assert!(vnet.is_plain());
                back.push(bytes.clone());
                continue;
            }
            prop_assert!(numbers.iter().all(|number| !damaged.contains(number)), "damaged frames were merged");
            prop_assert_eq!(vnet.check(bytes, &Head::parse(bytes).unwrap()), Ok(()));
            let again = cut(bytes, vnet);
            prop_assert_eq!(again.len(), numbers.len());
            back.extend(again);
        }
        prop_assert_eq!(by_flow(&back), by_flow(&frames));
        for (number, placed) in placed.into_iter().enumerate() {
            let unit = sent.iter().find(|sent| sent.numbers.contains(&number)).unwrap();
            match placed {
                Placed::Start => prop_assert_eq!(unit.numbers[0], number),
                Placed::Appended { first } => prop_assert!(first < number && unit.numbers[0] == first),
                Placed::Alone => prop_assert_eq!(&unit.numbers, &[number]),
            }
        }
    }
}
