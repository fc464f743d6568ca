//! The work that offload leaves to software: checksums, cutting, putting together; and `memcpy`, their limit.
//!
//! Sizes: 64 and 1500 bytes are a small and a full frame, 65,536 is a superframe. All stay in the L2 cache together
//! with where they are written to.
//!
//! - **checksum**: the sum over so many bytes.
//! - **segment**: a superframe of 45 full segments, planned and written out. A frame is a segment.
//! - **coalesce**: the same segments shown to a [`Coalescer`], each of their checksums verified, until the header of
//!   the superframe is there. The payload is not copied: `writev` takes it from where it lies.

use std::hint::black_box;
use std::ops::Range;

use anyhow::{Result, ensure};
use vswitch_wire::{Coalescer, Head, MacAddr, OffloadSet, Output, SegmentPlan, Sum};

use crate::case::{Case, Work};
use crate::frames;

const A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
const B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

const SIZES: [usize; 3] = [64, 1500, 65_536];

/// Bytes of a cache line.
const LINE: usize = 64;

/// Payload of a TCP segment with timestamps on Ethernet, and of a UDP datagram that fits a tunnel as well.
const TCP_SIZE: u16 = 1448;
const UDP_SIZE: u16 = 1400;

/// Segments of a superframe; the longest of TCP that an IP packet has room for.
const SEGMENTS: usize = 45;

/// Makes a superframe.
type Make = fn() -> Vec<u8>;

/// Copying, the limit of everything that goes through its bytes.
pub(crate) fn memcpy() -> Vec<Case> {
    let case = |size| {
        let make = move || Ok(Copying::new(size));
        Case::new("memcpy", size.to_string(), 1, make).bytes(size, size)
    };
    SIZES.into_iter().map(case).collect()
}

/// Checksums, cutting, putting together.
pub(crate) fn cases() -> Vec<Case> {
    let sum = |size: usize| {
        Case::new("checksum", size.to_string(), 1, move || {
            Ok(Summing(vec![1; size]))
        })
        .bytes(size, size)
    };
    let mut cases: Vec<_> = SIZES.into_iter().map(sum).collect();
    let supers: [(&str, Make); 2] = [
        ("tcp4", || frames::tcp_super(B, A, TCP_SIZE, SEGMENTS)),
        ("udp4", || frames::udp_super(B, A, UDP_SIZE, SEGMENTS)),
    ];
    for (name, make) in supers {
        let bytes = frames::split(&make()).1.len();
        let cut = move || Ok(Cutting::new(make()));
        let join = move || Joining::new(&make());
        cases.push(Case::new("segment", name, SEGMENTS, cut).bytes(bytes, SIZES[2]));
        cases.push(Case::new("coalesce", name, SEGMENTS, join).bytes(bytes, SIZES[2]));
    }
    cases
}

struct Copying {
    from: Vec<u8>,
    to: Vec<u8>,
    /// What is copied in both, from the beginning of a cache line.
    ranges: [Range<usize>; 2],
}

impl Copying {
    /// A limit has to be the fastest there is. Large allocations begin 16 bytes behind a page, where the string
    /// instructions of some processors are ten times as slow as on a cache line.
    fn new(size: usize) -> Self {
        let (from, to) = (vec![1; size + LINE], vec![0; size + LINE]);
        let ranges = [&from, &to].map(|bytes: &Vec<u8>| {
            let start = bytes.as_ptr().align_offset(LINE).min(LINE);
            start..start + size
        });
        Self { from, to, ranges }
    }
}

impl Work for Copying {
    fn run(&mut self) {
        let [from, to] = self.ranges.clone();
        let to = black_box(&mut self.to[to]);
        to.copy_from_slice(black_box(&self.from[from]));
        black_box(to);
    }
}

struct Summing(Vec<u8>);

impl Work for Summing {
    fn run(&mut self) {
        black_box(Sum::new().add_bytes(black_box(&self.0)).finish());
    }
}

/// A superframe, and room for one of its segments.
struct Cutting {
    superframe: Vec<u8>,
    room: Vec<u8>,
    written: usize,
}

impl Cutting {
    fn new(superframe: Vec<u8>) -> Self {
        // Segments are written one behind the other, as into a batch.
        let room = vec![0; superframe.len() + 128 * SEGMENTS];
        Self {
            superframe,
            room,
            written: 0,
        }
    }
}

impl Work for Cutting {
    fn run(&mut self) {
        let (vnet, frame) = frames::split(black_box(&self.superframe));
        // What is no superframe is not cut; the tests see to it that these are.
        let plan = Head::parse(frame).map(|head| SegmentPlan::new(frame, &vnet, &head));
        let Ok(Ok(plan)) = plan else {
            return;
        };
        self.written = 0;
        for index in 0..plan.count() {
            self.written += plan.write(index, &mut self.room[self.written..]);
        }
        black_box(&self.room);
    }
}

/// The segments of a superframe.
struct Joining {
    segments: Vec<Vec<u8>>,
    coalescer: Coalescer,
    joined: usize,
}

impl Joining {
    fn new(superframe: &[u8]) -> Result<Self> {
        let segments = frames::segments(superframe)?;
        ensure!(segments.len() == SEGMENTS, "{} segments", segments.len());
        Ok(Self {
            segments,
            coalescer: Coalescer::new(16, OffloadSet::ALL),
            joined: 0,
        })
    }
}

impl Work for Joining {
    fn run(&mut self) {
        self.coalescer.clear();
        for segment in black_box(&self.segments) {
            if let Ok(head) = Head::parse(segment) {
                black_box(self.coalescer.push(segment, &head));
            }
        }
        self.joined = 0;
        for output in self.coalescer.finish() {
            if let Output::Super(merged) = black_box(output) {
                self.joined += merged.frame_len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superframe_is_cut_into_its_segments() {
        for superframe in [
            frames::tcp_super(B, A, TCP_SIZE, SEGMENTS),
            frames::udp_super(B, A, UDP_SIZE, SEGMENTS),
        ] {
            let expected = frames::segments(&superframe).unwrap().concat();
            let mut cutting = Cutting::new(superframe);
            cutting.run();
            assert_eq!(cutting.room[..cutting.written], expected);
        }
    }

    #[test]
    fn segments_become_one_superframe_again_in_every_run() {
        let superframe = frames::tcp_super(B, A, TCP_SIZE, SEGMENTS);
        let mut joining = Joining::new(&superframe).unwrap();
        for _ in 0..3 {
            joining.run();
            assert_eq!(joining.joined, frames::split(&superframe).1.len());
        }
    }

    #[test]
    fn a_copy_is_one() {
        for size in SIZES {
            let mut copying = Copying::new(size);
            copying.run();
            let [_, to] = copying.ranges.clone();
            assert_eq!(copying.to[to.clone()], vec![1; size]);
            let copied = copying.to.iter().filter(|byte| **byte == 1);
            assert_eq!(copied.count(), size);
            assert_eq!(copying.to[to].as_ptr().align_offset(LINE), 0);
        }
    }
}
