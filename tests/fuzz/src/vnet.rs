//! virtio-net headers with their frames, checked, cut and completed.
//!
//! - [`SegmentPlan::new`] and [`VnetHdr::check`] agree.
//! - The cuts are bounded in number and size, sound packets, and have all of the payload, in order and once.
//! - Their checksums are right if the super-frame's partial one was.
//! - A right super-frame passes, and its segments go through the coalescer.
//! - [`complete_checksum`] changes the checksum field, to what is right, and nothing else.

use arbitrary::{Result, Unstructured};
use vswitch_wire::{
    FLAG_NEEDS_CSUM, GsoType, Head, IpVersion, MAX_GSO_HEADER_LEN, MAX_SEGMENTS, MAX_UDP_SEGMENTS,
    MIN_TCP_GSO_SIZE, OffloadSet, PROTO_TCP, SegmentPlan, VNET_LEN, VnetError, VnetHdr,
    complete_checksum, flow_hash, tcp,
};

use crate::coalesce;
use crate::flow::Flow;
use crate::packet::{
    checksum_field, get16, ip_is_right, l4_is_right, layers, len16, plus, pseudo, put16, same_sum,
    sum,
};

/// One frame, read from `bytes`.
///
/// # Panics
/// When something does not hold.
pub fn run(bytes: &[u8]) {
    // An error is the input's end.
    one(&mut Unstructured::new(bytes)).ok();
}

fn one(u: &mut Unstructured<'_>) -> Result<()> {
    let (vnet, frame) = if u.ratio(1u8, 4u8)? {
        let vnet = VnetHdr::parse(&u.arbitrary()?);
        (vnet, u.bytes(u.len())?.to_vec())
    } else {
        let (mut vnet, mut frame) = super_frame(u)?;
        let changes = u.int_in_range(0..=3u8)?;
        for _ in 0..changes {
            (vnet, frame) = changed(vnet, frame, u)?;
        }
        if changes == 0 {
            check_right(&vnet, &frame);
        }
        (vnet, frame)
    };
    check(&vnet, &frame);
    Ok(())
}

/// A right one.
fn super_frame(u: &mut Unstructured<'_>) -> Result<(VnetHdr, Vec<u8>)> {
    let mut flow = Flow::read(u)?;
    let payload = vec![0x5a; usize::from(u.int_in_range(0..=64_000u16)?)];
    let flags = if u.ratio(1u8, 4u8)? {
        u.arbitrary()?
    } else {
        0
    };
    let mut frame = flow.next_with(&payload, flags);
    let layers = layers(&frame).unwrap();
    let field = checksum_field(&layers).unwrap();
    let partial = pseudo(&frame, &layers);
    put16(&mut frame, field, partial);
    let gso_type = match (layers.proto == PROTO_TCP, layers.ip) {
        (true, IpVersion::V4) => GsoType::TcpV4,
        (true, IpVersion::V6) => GsoType::TcpV6,
        (false, _) => GsoType::UdpL4,
    };
    let vnet = VnetHdr {
        flags: FLAG_NEEDS_CSUM,
        gso_type: gso_type.raw(),
        hdr_len: len16(frame.len() - payload.len()),
        gso_size: len16(flow.mss),
        csum_start: len16(layers.l4),
        csum_offset: len16(field - layers.l4),
        num_buffers: 0,
    };
    Ok((vnet, frame))
}

fn changed(
    mut vnet: VnetHdr,
    mut frame: Vec<u8>,
    u: &mut Unstructured<'_>,
) -> Result<(VnetHdr, Vec<u8>)> {
    let what = u.int_in_range(0..=5u8)?;
    if what == 5 {
        lengthen(&mut vnet, &mut frame, u.arbitrary()?);
    }
    let mut header = vnet.to_bytes();
    match what {
        0 | 1 => header[u.choose_index(VNET_LEN)?] = u.arbitrary()?,
        2 => header[1] = *u.choose(&[0, 1, 3, 4, 5, 0x81, 0x84])?,
        3 => {
            let at = usize::from(u.arbitrary::<u8>()?);
            if let Some(byte) = frame.get_mut(at) {
                *byte = u.arbitrary()?;
            }
        }
        4 => {
            let len = u.int_in_range(0..=frame.len() + 40)?;
            frame.resize(len, 0);
        }
        _ => {}
    }
    Ok((VnetHdr::parse(&header), frame))
}

/// Puts IPv4 options or IPv6 destination options between the IP header and what follows it.
fn lengthen(vnet: &mut VnetHdr, frame: &mut Vec<u8>, units: u8) {
    let Some(layers) = layers(frame) else {
        return;
    };
    let (l3, mut options) = (layers.l3, vec![0; 8 * (usize::from(units & 31) + 1)]);
    let (at, length_field) = match layers.ip {
        IpVersion::V4 => {
            options.truncate(4 * usize::from(units % 11));
            frame[l3] = (frame[l3] + units % 11) & 0x4f;
            (l3 + 20, l3 + 2)
        }
        IpVersion::V6 => {
            (options[0], options[1]) = (frame[l3 + 6], units & 31);
            frame[l3 + 6] = 60;
            (l3 + 40, l3 + 4)
        }
    };
    let more = len16(options.len());
    frame.splice(at..at, options);
    let length = get16(frame, length_field).wrapping_add(more);
    put16(frame, length_field, length);
    vnet.csum_start = vnet.csum_start.wrapping_add(more);
    vnet.hdr_len = vnet.hdr_len.wrapping_add(more);
}

/// What must hold for a right one.
fn check_right(vnet: &VnetHdr, frame: &[u8]) {
    let payload = frame.len() - usize::from(vnet.hdr_len);
    let count = payload.div_ceil(vnet.gso_size.into()).max(1);
    let tcp = vnet.gso_type != GsoType::UdpL4.raw();
    let limit = if tcp { MAX_SEGMENTS } else { MAX_UDP_SEGMENTS };
    let expected = if tcp && vnet.gso_size < MIN_TCP_GSO_SIZE {
        Err(VnetError::GsoSize {
            gso_size: vnet.gso_size,
        })
    } else if count > limit {
        Err(VnetError::TooManySegments { count, limit })
    } else {
        Ok(())
    };
    let head = Head::parse(frame).unwrap();
    assert_eq!(vnet.check(frame, &head), expected);
    assert!(expected.is_err() || OffloadSet::ALL.contains(vnet.required()));
    if let Ok(plan) = SegmentPlan::new(frame, vnet, &head) {
        let cut = |i| {
            let mut out = vec![0; plan.segment_len(i)];
            plan.write(i, &mut out);
            out
        };
        let segments: Vec<_> = (0..plan.count()).map(cut).collect();
        coalesce::check(&segments, OffloadSet::ALL, 16);
    }
}

/// What must hold for any.
fn check(vnet: &VnetHdr, frame: &[u8]) {
    assert_eq!(VnetHdr::parse(&vnet.to_bytes()), *vnet);
    let Ok(head) = Head::parse(frame) else {
        return;
    };
    assert!(head.payload <= frame.len());
    assert_eq!(flow_hash(frame, &head), flow_hash(frame, &head));
    let checked = vnet.check(frame, &head);
    match (checked, SegmentPlan::new(frame, vnet, &head)) {
        (Ok(()), Ok(plan)) => check_plan(vnet, frame, &plan),
        (Ok(()), Err(error)) => {
            assert!(error == VnetError::NotGso && vnet.gso_type == 0);
        }
        (Err(error), Err(same)) => assert!(error == same || vnet.gso_type == 0),
        (Err(error), Ok(_)) => panic!("planned in spite of: {error}"),
    }
    check_completed(vnet, frame, checked.is_ok());
}

fn check_plan(vnet: &VnetHdr, frame: &[u8], plan: &SegmentPlan<'_>) {
    assert!((1..=MAX_SEGMENTS).contains(&plan.count()));
    assert!(plan.header_len() <= MAX_GSO_HEADER_LEN);
    assert!(plan.payload(plan.count()).is_empty() && plan.payload(usize::MAX).is_empty());
    let whole = layers(frame).unwrap();
    let field = checksum_field(&whole).unwrap();
    let partial_is_right = same_sum(get16(frame, field), pseudo(frame, &whole));
    let mut at = plan.header_len();
    for i in 0..plan.count() {
        let payload = plan.payload(i);
        assert!(core::ptr::eq(payload, &frame[at..at + payload.len()]));
        at += payload.len();
        let last = i + 1 == plan.count();
        assert!(last || payload.len() == usize::from(vnet.gso_size));
        let mut out = vec![0xee; plan.segment_len(i)];
        assert_eq!(plan.write(i, &mut out), out.len());
        assert!(out.ends_with(payload));
        let layers = layers(&out).unwrap();
        assert_eq!((layers.l4, layers.l4_end), (whole.l4, out.len()));
        assert!(ip_is_right(&out, &layers));
        if partial_is_right {
            assert!(l4_is_right(&out, &layers), "segment {i}");
        }
        if layers.proto == PROTO_TCP {
            let ahead = get32(&out, layers.l4 + 4).wrapping_sub(get32(frame, layers.l4 + 4));
            let expected = i * usize::from(vnet.gso_size);
            assert_eq!(usize::try_from(ahead).unwrap(), expected, "sequence number");
            let (here, there) = (frame[layers.l4 + 13], out[layers.l4 + 13]);
            let kept = if i > 0 { !tcp::CWR } else { 0xff };
            let kept = if last {
                kept
            } else {
                kept & !(tcp::FIN | tcp::PSH)
            };
            assert_eq!(there, here & kept, "flags of segment {i}");
        }
    }
    assert_eq!(at, frame.len(), "some of the payload is left");
}

fn get32(bytes: &[u8], at: usize) -> u32 {
    u32::from(get16(bytes, at)) << 16 | u32::from(get16(bytes, at + 2))
}

fn check_completed(vnet: &VnetHdr, frame: &[u8], sound: bool) {
    let mut done = frame.to_vec();
    match complete_checksum(&mut done, vnet) {
        Err(VnetError::IsGso) => assert!(vnet.needs_csum() && vnet.gso_type != 0),
        Err(error) => assert!(!sound, "{error}"),
        Ok(()) if !vnet.needs_csum() => assert_eq!(done, frame),
        Ok(()) => {
            let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
            let field = start + offset;
            assert!(done[..field] == frame[..field] && done[field + 2..] == frame[field + 2..]);
            if offset % 2 == 0 {
                let partial = get16(frame, field);
                assert!(same_sum(plus(sum(&done[start..]), partial), 0));
            }
        }
    }
}
