//! Batches of frames through [`Coalescer`], and the super-frames cut again.
//!
//! - Every frame leaves in exactly one output, and where [`Coalescer::push`] said that it would.
//! - What is cut from a super-frame is what came in, byte for byte. Two things have two spellings, and come back in
//!   one of them: a checksum of zero, and the identification of IPv4 packets with DF (RFC 6864), which counts after
//!   having stood still.
//! - What leaves as it came is called verified only if it is right.
//! - The frames of a flow keep their order, fragments among the flows that they may belong to.
//! - Whoever takes no super-frames of a kind gets none.
//! - A coalescer that was used before does the same as a new one.

mod batch;

use std::collections::HashMap;

use arbitrary::Unstructured;
use vswitch_wire::{
    Coalescer, FLAG_DATA_VALID, Head, IpVersion, Layers, MAX_DATAGRAMS, MAX_PIECES, OffloadSet,
    Output, PROTO_TCP, Placed, SegmentPlan, VnetHdr, ipv4,
};

use crate::packet::{get16, ip_is_right, l4_is_right, layers, put16, repair};
use batch::Batch;

/// What leaves: the numbers of the frames in it, the bytes, the header before them.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    numbers: Vec<usize>,
    bytes: Vec<u8>,
    vnet: VnetHdr,
}

/// One batch, read from `bytes`.
///
/// # Panics
/// When something does not hold.
pub fn run(bytes: &[u8]) {
    if let Ok(batch) = Batch::read(&mut Unstructured::new(bytes)) {
        check(&batch.frames, batch.accepts, batch.groups);
    }
}

/// All that must hold for a batch of frames whose Ethernet header is whole.
pub(crate) fn check(frames: &[Vec<u8>], accepts: OffloadSet, groups: usize) {
    let mut coalescer = Coalescer::new(groups, accepts);
    let (placed, sent) = coalesce(&mut coalescer, frames);
    let mut numbers: Vec<_> = sent.iter().flat_map(|sent| &sent.numbers).collect();
    numbers.sort_unstable();
    assert!(
        numbers.into_iter().copied().eq(0..frames.len()),
        "not every frame once"
    );
    for sent in &sent {
        match sent.numbers[..] {
            [number] => check_single(sent, &frames[number]),
            _ => check_super(sent, frames, accepts),
        }
    }
    check_placed(&placed, &sent);
    check_order(frames, &sent);
    coalescer.clear();
    assert_eq!(
        coalesce(&mut coalescer, frames),
        (placed, sent),
        "used before"
    );
}

fn coalesce(coalescer: &mut Coalescer, frames: &[Vec<u8>]) -> (Vec<Placed>, Vec<Sent>) {
    let placed = frames
        .iter()
        .map(|frame| coalescer.push(frame, &Head::parse(frame).unwrap()))
        .collect();
    let sent = coalescer.finish().map(|output| match output {
        Output::Frame { number, vnet } => Sent {
            numbers: vec![number],
            bytes: frames[number].clone(),
            vnet,
        },
        Output::Super(merged) => {
            let mut bytes = merged.header.to_vec();
            let mut numbers = Vec::new();
            for (number, range) in merged.pieces() {
                assert!(!range.is_empty(), "an empty piece");
                numbers.push(number);
                bytes.extend_from_slice(&frames[number][range]);
            }
            assert_eq!(bytes.len(), merged.frame_len());
            assert!(numbers.len() > 1, "a super-frame of one");
            Sent {
                numbers,
                bytes,
                vnet: merged.vnet,
            }
        }
    });
    (placed, sent.collect())
}

fn check_single(sent: &Sent, frame: &[u8]) {
    let head = Head::parse(frame).unwrap();
    assert_eq!(sent.vnet.check(frame, &head), Ok(()));
    if sent.vnet == VnetHdr::NONE {
        return;
    }
    let verified = VnetHdr {
        flags: FLAG_DATA_VALID,
        ..VnetHdr::NONE
    };
    assert_eq!(sent.vnet, verified);
    let layers = layers(frame).unwrap();
    assert!(ip_is_right(frame, &layers) && l4_is_right(frame, &layers));
}

fn check_super(sent: &Sent, frames: &[Vec<u8>], accepts: OffloadSet) {
    let Sent {
        numbers,
        bytes,
        vnet,
    } = sent;
    let head = Head::parse(bytes).unwrap();
    assert_eq!(vnet.check(bytes, &head), Ok(()));
    let layers = Layers::parse(bytes, &head).unwrap();
    assert!(accepts.contains(needs(&layers)), "nobody asked for it");
    let limit = if layers.proto == PROTO_TCP {
        MAX_PIECES
    } else {
        MAX_DATAGRAMS
    };
    assert!(numbers.len() <= limit && numbers.is_sorted());
    let plan = SegmentPlan::new(bytes, vnet, &head).unwrap();
    assert_eq!(plan.header_len(), usize::from(vnet.hdr_len));
    assert_eq!(plan.count(), numbers.len());

    let ids_stand_still = layers.ip == IpVersion::V4
        && numbers.iter().all(|&number| {
            let (id, fragment) = id_and_fragment(&frames[number], &layers);
            id == id_and_fragment(bytes, &layers).0 && fragment & 0x4000 != 0
        });
    for (i, &number) in numbers.iter().enumerate() {
        let mut cut = vec![0; plan.segment_len(i)];
        assert_eq!(plan.write(i, &mut cut), cut.len());
        let mut came = frames[number].clone();
        if cut != came {
            one_spelling(&mut cut, &layers, ids_stand_still);
            one_spelling(&mut came, &layers, ids_stand_still);
        }
        assert_eq!(cut, came, "frame {number}, segment {i}");
    }
}

/// What a receiver must be able to cut.
fn needs(layers: &Layers) -> OffloadSet {
    let segments = match (layers.proto == PROTO_TCP, layers.ip) {
        (true, IpVersion::V4) => OffloadSet::TSO4,
        (true, IpVersion::V6) => OffloadSet::TSO6,
        (false, IpVersion::V4) => OffloadSet::USO4,
        (false, IpVersion::V6) => OffloadSet::USO6,
    };
    segments.union(OffloadSet::CSUM)
}

fn id_and_fragment(frame: &[u8], layers: &Layers) -> (u16, u16) {
    (get16(frame, layers.l3 + 4), get16(frame, layers.l3 + 6))
}

/// Checksums that are right become the usual one of two, identifications that stand still become zero.
fn one_spelling(frame: &mut [u8], layers: &Layers, ids_stand_still: bool) {
    let own = crate::packet::layers(frame).unwrap();
    assert!(ip_is_right(frame, &own) && l4_is_right(frame, &own));
    if ids_stand_still {
        ipv4::set_id(&mut frame[layers.l3..], 0);
    }
    let before = frame.to_vec();
    repair(frame);
    if own.proto != PROTO_TCP {
        // UDP has one spelling only.
        let at = own.l4 + 6;
        put16(frame, at, get16(&before, at));
    }
}

fn check_placed(placed: &[Placed], sent: &[Sent]) {
    let mut firsts = vec![(0, 0); placed.len()];
    for sent in sent {
        for &number in &sent.numbers {
            firsts[number] = (sent.numbers[0], sent.numbers.len());
        }
    }
    for (number, placed) in placed.iter().enumerate() {
        match *placed {
            Placed::Start => assert_eq!(firsts[number].0, number),
            Placed::Appended { first } => assert!(first < number && firsts[number].0 == first),
            Placed::Alone => assert_eq!(firsts[number], (number, 1)),
        }
    }
}

/// Where the latest frames between two addresses left.
#[derive(Debug, Default)]
struct Latest {
    /// The frames of each protocol and pair of ports.
    flows: HashMap<(u8, (u16, u16)), usize>,
    fragment: Option<usize>,
    any: Option<usize>,
}

fn check_order(frames: &[Vec<u8>], sent: &[Sent]) {
    let mut places = vec![0; frames.len()];
    let order = sent.iter().flat_map(|sent| &sent.numbers);
    for (place, &number) in order.enumerate() {
        places[number] = place;
    }
    let mut pairs: HashMap<(IpVersion, &[u8]), Latest> = HashMap::new();
    for (number, (frame, place)) in frames.iter().zip(places).enumerate() {
        let Some(layers) = layers(frame) else {
            continue;
        };
        let addresses = match layers.ip {
            IpVersion::V4 => layers.l3 + 12..layers.l3 + 20,
            IpVersion::V6 => layers.l3 + 8..layers.l3 + 40,
        };
        let latest = pairs.entry((layers.ip, &frame[addresses])).or_default();
        let before = if layers.fragment {
            latest.fragment = Some(place);
            latest.any
        } else if let Some(ports) = layers.ports(frame) {
            let flow = latest.flows.insert((layers.proto, ports), place);
            flow.max(latest.fragment)
        } else {
            continue;
        };
        assert!(
            before < Some(place),
            "frame {number} overtook one of its flow"
        );
        latest.any = latest.any.max(Some(place));
    }
}
