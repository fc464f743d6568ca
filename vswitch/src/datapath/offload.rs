//! What the port that a frame leaves through cannot take over is done here: checksums completed,
//! superframes cut into segments (TSO, USO).
//!
//! A superframe that needs no such help passes from port to port untouched, which is where the
//! speed of this switch comes from. Conservation of frames: a superframe counts as one delivered
//! frame when all of its segments left, and as one drop, by the first reason, when any did not.

use vswitch_wire::{Head, SegmentPlan, VNET_LEN, VnetHdr, complete_checksum};

use super::Frame;
use super::frame::{header_len, is_superframe};
use super::snapshot::PortView;
use crate::port::{Batch, MAX_BATCH, SendReport};

/// Memory for segments.
#[derive(Debug, Default)]
pub(super) struct Scratch(Batch);

/// Whether a frame that stays whole is short enough for a port: the MTU, the Ethernet header and
/// the frame's own tags.
#[inline]
pub(super) fn fits(bytes: &[u8], mtu: u16) -> bool {
    let length = bytes.len() - VNET_LEN;
    // Cheap for nearly all frames; only a frame that is over without its tags is parsed again.
    length <= usize::from(mtu) + vswitch_wire::HEADER_LEN
        || Head::parse(&bytes[VNET_LEN..])
            .is_ok_and(|head| length <= usize::from(mtu) + header_len(&head))
}

/// Sends a frame in need of help.
#[cold]
pub(super) fn send(port: &PortView, bytes: &[u8], scratch: &mut Scratch, report: &mut SendReport) {
    let frame = Frame::new(bytes);
    // Both were checked when the frame came in.
    let Ok(head) = Head::parse(frame.ethernet()) else {
        report.refused += 1;
        return;
    };
    let header = frame.offload();
    if is_superframe(&header) {
        segment(port, &frame, &header, &head, scratch, report);
    } else if fits(bytes, port.mtu()) {
        complete(port, bytes, &header, scratch, report);
    } else {
        report.too_long += 1;
    }
}

fn complete(
    port: &PortView,
    bytes: &[u8],
    header: &VnetHdr,
    scratch: &mut Scratch,
    report: &mut SendReport,
) {
    scratch.0.clear();
    let copied = scratch.0.push_with(|room| {
        room[..bytes.len()].copy_from_slice(bytes);
        room[..VNET_LEN].copy_from_slice(&VnetHdr::NONE.to_bytes());
        complete_checksum(&mut room[VNET_LEN..bytes.len()], header)
            .map_err(std::io::Error::other)?;
        Ok(bytes.len())
    });
    match copied {
        Ok(()) => port.tx.send(&[scratch.0.get(0)], report),
        Err(_) => report.refused += 1,
    }
}

fn segment(
    port: &PortView,
    frame: &Frame<'_>,
    header: &VnetHdr,
    head: &Head,
    scratch: &mut Scratch,
    report: &mut SendReport,
) {
    let Ok(plan) = SegmentPlan::new(frame.ethernet(), header, head) else {
        report.refused += 1;
        return;
    };
    // The first is the longest.
    if plan.segment_len(0) > usize::from(port.mtu()) + header_len(head) {
        report.too_long += 1;
        return;
    }
    let mut parts = SendReport::default();
    let mut next = 0;
    while next < plan.count() {
        scratch.0.clear();
        while next < plan.count() && !scratch.0.is_full() {
            // Writing into memory cannot fail.
            let Ok(()) = scratch.0.push_with(|room| {
                room[..VNET_LEN].copy_from_slice(&VnetHdr::NONE.to_bytes());
                Ok(VNET_LEN + plan.write(next, &mut room[VNET_LEN..]))
            }) else {
                break;
            };
            next += 1;
        }
        let mut ready: [&[u8]; MAX_BATCH] = [&[]; MAX_BATCH];
        for (index, slot) in ready.iter_mut().enumerate().take(scratch.0.len()) {
            *slot = scratch.0.get(index);
        }
        port.tx.send(&ready[..scratch.0.len()], &mut parts);
    }
    report.book_parts(frame.ethernet().len() as u64, parts);
}
