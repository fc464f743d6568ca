use proptest::prelude::*;

use super::*;
use crate::testing::{Spec, naive_sum, plain, specs};
use crate::{SegmentPlan, ipv4, tcp};
use flows::by_flow;

mod flows;

/// The frames that a super-frame is cut into.
fn cut(frame: &[u8], vnet: &VnetHdr) -> Vec<Vec<u8>> {
    let head = Head::parse(frame).unwrap();
    let plan = SegmentPlan::new(frame, vnet, &head).unwrap();
    (0..plan.count())
        .map(|i| {
            let mut out = vec![0; plan.segment_len(i)];
            plan.write(i, &mut out);
            out
        })
        .collect()
}

fn frames_of(spec: &Spec) -> Vec<Vec<u8>> {
    let built = spec.build();
    cut(&built.frame, &built.vnet)
}

/// What leaves: the numbers of the frames in it, the bytes, the header before them.
#[derive(Debug)]
struct Sent {
    numbers: Vec<usize>,
    bytes: Vec<u8>,
    vnet: VnetHdr,
}

fn coalesce(coalescer: &mut Coalescer, frames: &[Vec<u8>]) -> (Vec<Placed>, Vec<Sent>) {
    coalescer.clear();
    let placed = frames
        .iter()
        .map(|frame| match Head::parse(frame) {
            Ok(head) => coalescer.push(frame, &head),
            Err(_) => unreachable!("the tests leave the Ethernet header whole"),
        })
        .collect();
    let sent = coalescer
        .finish()
        .map(|output| match output {
            Output::Frame { number, vnet } => Sent {
                numbers: vec![number],
                bytes: frames[number].clone(),
                vnet,
            },
            Output::Super(merged) => {
                let mut bytes = merged.header.to_vec();
                let mut numbers = Vec::new();
                for (number, range) in merged.pieces() {
                    numbers.push(number);
                    bytes.extend_from_slice(&frames[number][range]);
                }
                assert_eq!(bytes.len(), merged.frame_len());
                Sent {
                    numbers,
                    bytes,
                    vnet: merged.vnet,
                }
            }
        })
        .collect();
    (placed, sent)
}

fn all(frames: &[Vec<u8>]) -> Vec<Sent> {
    coalesce(&mut Coalescer::new(16, OffloadSet::ALL), frames).1
}

/// How many frames each output holds.
fn counts(frames: &[Vec<u8>]) -> Vec<usize> {
    all(frames).iter().map(|sent| sent.numbers.len()).collect()
}

/// Without what the switch has to keep apart: options, other flags.
fn mergeable(mut spec: Spec) -> Spec {
    spec.ip_options = 0;
    spec.extensions.clear();
    spec.flags = tcp::ACK | spec.flags & tcp::PSH;
    spec.gso_size = spec.gso_size.max(80);
    spec
}

proptest! {
    #[test]
    fn a_cut_super_frame_comes_back(spec in specs(1..4000).prop_map(mergeable)) {
        let built = spec.build();
        let frames = cut(&built.frame, &built.vnet);
        let sent = all(&frames);
        prop_assert_eq!(sent.len(), 1);
        if frames.len() > 1 {
            // The very bytes, header and partial checksum included, and what stands before them.
            prop_assert_eq!(&sent[0].bytes, &built.frame);
            prop_assert_eq!(sent[0].vnet, built.vnet);
        } else {
            prop_assert_eq!(&sent[0].bytes, &frames[0]);
            prop_assert_eq!(sent[0].vnet, VnetHdr { flags: FLAG_DATA_VALID, ..VnetHdr::NONE });
        }
    }

    #[test]
    fn any_frame_is_taken(frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 14..120), 0..20), spec in specs(1..300)) {
        let mut frames = frames;
        for frame in &mut frames {
            // Random payload behind a sound header, cut anywhere.
            let built = spec.build().frame;
            let keep = usize::from(frame[0]).min(built.len()).max(14);
            frame.splice(..14, built[..keep].iter().copied());
        }
        let frames: Vec<_> = frames.into_iter().filter(|frame| Head::parse(frame).is_ok()).collect();
        let mut numbers: Vec<_> = all(&frames).into_iter().flat_map(|sent| sent.numbers).collect();
        numbers.sort_unstable();
        prop_assert_eq!(numbers, (0..frames.len()).collect::<Vec<_>>());
    }
}

/// Puts right checksums into a frame without options.
fn repair(frame: &mut [u8], v6: bool, tcp: bool) {
    let l3 = 14;
    let (l4, proto) = (l3 + if v6 { 40 } else { 20 }, if tcp { 6 } else { 17 });
    if !v6 {
        frame[l3 + 10..l3 + 12].fill(0);
        let sum = !naive_sum(&frame[l3..l4]);
        frame[l3 + 10..l3 + 12].copy_from_slice(&sum.to_be_bytes());
    }
    let field = l4 + if tcp { 16 } else { 6 };
    frame[field..field + 2].fill(0);
    let addresses = if v6 {
        l3 + 8..l3 + 40
    } else {
        l3 + 12..l3 + 20
    };
    let mut pseudo = frame[addresses].to_vec();
    pseudo.extend(u32::try_from(frame.len() - l4).unwrap().to_be_bytes());
    pseudo.extend([0, 0, 0, proto]);
    pseudo.extend(&frame[l4..]);
    frame[field..field + 2].copy_from_slice(&(!naive_sum(&pseudo)).to_be_bytes());
}

/// Three frames of 1000 bytes each, the middle one changed and repaired.
fn with_middle(tcp: bool, v6: bool, change: impl Fn(&mut Vec<u8>)) -> Vec<usize> {
    let mut spec = plain(tcp, v6);
    (spec.flags, spec.gso_size, spec.payload) = (tcp::ACK, 1000, vec![7; 3000]);
    spec.tcp_options = 3;
    let mut frames = frames_of(&spec);
    change(&mut frames[1]);
    repair(&mut frames[1], v6, tcp);
    counts(&frames)
}

#[test]
fn nothing_changed_merges() {
    for (tcp, v6) in [(true, false), (true, true), (false, false), (false, true)] {
        assert_eq!(with_middle(tcp, v6, |_| {}), [3], "tcp {tcp} v6 {v6}");
    }
}

#[test]
fn every_difference_keeps_packets_apart() {
    let flip = |at: usize, mask: u8| move |frame: &mut Vec<u8>| frame[at] ^= mask;
    let ethernet = [(0, 4, "destination"), (11, 1, "source")];
    let v4 = [
        (15, 4, "DSCP"),
        (15, 1, "ECN"),
        (19, 0x10, "identification"),
        (20, 0x40, "DF"),
        (20, 0x80, "reserved bit"),
        (22, 1, "TTL"),
    ];
    let v6 = [
        (14, 1, "traffic class"),
        (15, 0x10, "ECN"),
        (16, 1, "flow label"),
        (21, 1, "hop limit"),
    ];
    // Counted from the transport header.
    let tcp = [
        (4, 1, "sequence number"),
        (7, 1, "sequence number"),
        (11, 1, "acknowledgement"),
        (12, 1, "reserved bits"),
        (13, tcp::FIN, "FIN"),
        (13, tcp::SYN, "SYN"),
        (13, tcp::RST, "RST"),
        (13, tcp::URG, "URG"),
        (13, tcp::ECE, "ECE"),
        (13, tcp::CWR, "CWR"),
        (13, tcp::ACK, "no ACK"),
        (15, 1, "window"),
        (19, 1, "urgent pointer"),
        (31, 1, "options"),
    ];
    for is_v6 in [false, true] {
        let (ip, l4): (&[(usize, u8, &str)], _) = if is_v6 { (&v6, 54) } else { (&v4, 34) };
        for &(at, mask, what) in ethernet.iter().chain(ip) {
            for is_tcp in [false, true] {
                let counts = with_middle(is_tcp, is_v6, flip(at, mask));
                assert_eq!(counts, [1, 1, 1], "{what}, tcp {is_tcp}, v6 {is_v6}");
            }
        }
        for (at, mask, what) in tcp {
            let counts = with_middle(true, is_v6, flip(l4 + at, mask));
            assert_eq!(counts, [1, 1, 1], "{what}, v6 {is_v6}");
        }
        // Another flow: the first goes on without it, for UDP at least; TCP misses the bytes.
        for at in [0, 2] {
            assert_eq!(with_middle(true, is_v6, flip(l4 + at, 1)), [1, 1, 1]);
            let expected: &[usize] = if is_v6 { &[2, 1] } else { &[1, 1, 1] };
            assert_eq!(with_middle(false, is_v6, flip(l4 + at, 1)), expected);
        }
    }
}

#[test]
fn push_ends_a_group_and_does_not_start_one() {
    let push = |number: usize| {
        let mut spec = plain(true, false);
        (spec.flags, spec.gso_size, spec.payload) = (tcp::ACK, 1000, vec![7; 4000]);
        let mut frames = frames_of(&spec);
        frames[number][34 + 13] |= tcp::PSH;
        repair(&mut frames[number], false, true);
        frames
    };
    assert_eq!(counts(&push(0)), [1, 3]);
    assert_eq!(counts(&push(1)), [2, 2]);
    let frames = push(1);
    let sent = all(&frames);
    assert_eq!(sent[0].bytes[34 + 13], tcp::ACK | tcp::PSH);
    assert_eq!(cut(&sent[0].bytes, &sent[0].vnet), frames[..2]);
}

#[test]
fn a_shorter_packet_ends_a_group_and_a_longer_one_never_joins() {
    for tcp in [true, false] {
        let mut spec = plain(tcp, true);
        (spec.flags, spec.gso_size, spec.payload) = (tcp::ACK, 100, vec![7; 250]);
        let first = frames_of(&spec);
        (spec.seq, spec.payload) = (spec.seq.wrapping_add(250), vec![8; 300]);
        let frames = [first, frames_of(&spec)].concat();
        assert_eq!(counts(&frames), [3, 3], "tcp {tcp}");
    }
}

#[test]
fn identifications_count_or_stand_still() {
    let with_ids = |df: bool, ids: [u8; 3]| {
        let mut spec = plain(false, false);
        (spec.gso_size, spec.payload) = (1000, vec![7; 3000]);
        let mut frames = frames_of(&spec);
        for (frame, id) in frames.iter_mut().zip(ids) {
            frame[18..20].copy_from_slice(&[9, id]);
            frame[20] = if df { 0x40 } else { 0 };
            repair(frame, false, false);
        }
        counts(&frames)
    };
    assert_eq!(with_ids(true, [1, 2, 3]), [3]);
    assert_eq!(with_ids(false, [1, 2, 3]), [3]);
    assert_eq!(with_ids(true, [1, 1, 1]), [3]);
    assert_eq!(
        with_ids(false, [1, 1, 1]),
        [1, 1, 1],
        "no DF: they are three packets"
    );
    assert_eq!(with_ids(true, [1, 1, 2]), [2, 1]);
    assert_eq!(with_ids(true, [1, 2, 2]), [2, 1]);
    assert_eq!(with_ids(true, [1, 3, 5]), [1, 1, 1]);
}

#[test]
fn a_udp_datagram_without_checksum_stays_alone() {
    let mut spec = plain(false, false);
    (spec.gso_size, spec.payload) = (1000, vec![7; 3000]);
    let mut frames = frames_of(&spec);
    frames[1][34 + 6..34 + 8].fill(0);
    assert_eq!(counts(&frames), [1, 1, 1]);
    let sent = all(&frames);
    assert_eq!(sent[1].vnet, VnetHdr::NONE, "nobody verified it");
    assert_eq!(sent[0].vnet.flags, FLAG_DATA_VALID);
}

#[test]
fn only_what_the_receiver_takes() {
    for (tcp, v6, needs) in [
        (true, false, OffloadSet::TSO4),
        (true, true, OffloadSet::TSO6),
        (false, false, OffloadSet::USO4),
        (false, true, OffloadSet::USO6),
    ] {
        let frames = frames_of(&Spec {
            flags: tcp::ACK,
            ..plain(tcp, v6)
        });
        let count = |accepts| coalesce(&mut Coalescer::new(8, accepts), &frames).1.len();
        let mut others = OffloadSet::ALL;
        others.remove(needs);
        assert_eq!(count(needs.union(OffloadSet::CSUM)), 1);
        assert_eq!(count(others), 3);
        assert_eq!(count(needs), 3, "a super-frame's checksum is partial");
    }
}

#[test]
fn a_fragment_closes_the_groups_between_its_addresses() {
    let spec = |port: u8, seq: u32| {
        let mut spec = plain(true, false);
        (spec.flags, spec.gso_size, spec.payload) = (tcp::ACK, 1000, vec![port; 2000]);
        (spec.seq, spec.id) = (seq, 5);
        let mut frames = frames_of(&spec);
        for frame in &mut frames {
            frame[35] = port;
            repair(frame, false, true);
        }
        frames
    };
    let (a, b) = (spec(1, 0), spec(2, 0));
    let mut fragment = a[0].clone();
    fragment[20] = 0x20;
    ipv4::set_checksum(&mut fragment[14..], 0);
    let frames = [&a[0], &b[0], &a[1], &fragment, &b[1]].map(Clone::clone);
    let numbers: Vec<_> = all(&frames).into_iter().map(|sent| sent.numbers).collect();
    assert_eq!(numbers, [vec![0, 2], vec![1], vec![3], vec![4]]);
    // Between other addresses it does not.
    fragment[33] ^= 1;
    let frames = [&a[0], &b[0], &a[1], &fragment, &b[1]].map(Clone::clone);
    let numbers: Vec<_> = all(&frames).into_iter().map(|sent| sent.numbers).collect();
    assert_eq!(numbers, [vec![0, 2], vec![1, 4], vec![3]]);
}

#[test]
fn bounds_of_bytes_and_pieces() {
    for (tcp, v6, size, limit) in [
        (true, false, 1448, 65_495 / 1448),
        (true, true, 1428, 65_475 / 1428),
        (false, false, 1472, 65_507 / 1472),
        (true, false, 16, MAX_PIECES),
        (false, true, 16, MAX_DATAGRAMS),
    ] {
        let mut spec = plain(tcp, v6);
        (spec.flags, spec.gso_size) = (tcp::ACK, size);
        spec.payload = vec![3; usize::from(size)];
        let mut frames = Vec::new();
        for _ in 0..2 * limit {
            frames.extend(frames_of(&spec));
            spec.seq = spec.seq.wrapping_add(u32::from(size));
            spec.id = spec.id.wrapping_add(1);
        }
        assert_eq!(counts(&frames), [limit, limit], "tcp {tcp} v6 {v6} {size}");
        for sent in all(&frames) {
            let head = Head::parse(&sent.bytes).unwrap();
            assert_eq!(sent.vnet.check(&sent.bytes, &head), Ok(()));
        }
    }
}

#[test]
fn too_small_to_be_cut_again() {
    let mut spec = plain(true, false);
    (spec.flags, spec.gso_size, spec.payload) = (tcp::ACK, 8, vec![1; 16]);
    assert_eq!(counts(&frames_of(&spec)), [2]);
    let mut frames = Vec::new();
    for i in 0..3 {
        (spec.seq, spec.id, spec.payload) = (7 * i, u16::try_from(i).unwrap(), vec![1; 7]);
        frames.extend(frames_of(&spec));
    }
    assert_eq!(counts(&frames), [1, 1, 1]);
}

#[test]
fn padding_and_pure_acknowledgements_stay_alone_and_close() {
    let mut spec = plain(true, false);
    (spec.flags, spec.gso_size, spec.payload) = (tcp::ACK, 1000, vec![7; 2000]);
    let frames = frames_of(&spec);
    let mut padded = frames[1].clone();
    padded.extend([0; 4]);
    assert_eq!(
        counts(&[frames[0].clone(), padded, frames[1].clone()]),
        [1, 1, 1]
    );
    let mut ack = spec.clone();
    ack.payload.clear();
    let ack = frames_of(&ack).remove(0);
    assert_eq!(
        counts(&[frames[0].clone(), ack, frames[1].clone()]),
        [1, 1, 1]
    );
}

#[test]
fn more_flows_than_places() {
    let mut frames = Vec::new();
    let mut flows = Vec::new();
    for port in 0..200 {
        let mut spec = plain(false, false);
        (spec.gso_size, spec.payload) = (100, vec![port; 300]);
        let mut built = spec.build();
        built.frame[35] = port;
        flows.push(cut(&built.frame, &built.vnet));
    }
    for i in 0..3 {
        frames.extend(flows.iter().map(|flow| flow[i].clone()));
    }
    let mut coalescer = Coalescer::new(1, OffloadSet::ALL);
    for _ in 0..2 {
        let (_, sent) = coalesce(&mut coalescer, &frames);
        let back: Vec<_> = sent
            .iter()
            .flat_map(|sent| match sent.numbers.len() {
                1 => vec![sent.bytes.clone()],
                _ => cut(&sent.bytes, &sent.vnet),
            })
            .collect();
        assert_eq!(by_flow(&back), by_flow(&frames));
    }
}
