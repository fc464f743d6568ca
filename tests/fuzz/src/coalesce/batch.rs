//! A batch: a few flows that send, and what happens to their packets on the way.

use arbitrary::{Result, Unstructured};
use vswitch_wire::{Head, IpVersion, OffloadSet, tcp};

use crate::flow::Flow;
use crate::packet::{checksum_field, get16, layers, plus, put16, repair};

/// More than fit one super-frame.
const MAX_FRAMES: usize = 1200;
/// As well.
const MAX_BYTES: usize = 100_000;

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) accepts: OffloadSet,
    pub(super) groups: usize,
    flows: Vec<Flow>,
    bytes: usize,
}

impl Batch {
    pub(super) fn read(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut batch = Self {
            frames: Vec::new(),
            accepts: offloads(u.arbitrary()?),
            groups: usize::from(u.int_in_range(0..=70u8)?),
            flows: Vec::new(),
            bytes: 0,
        };
        for _ in 0..u.int_in_range(1..=4u8)? {
            batch.flows.push(Flow::read(u)?);
        }
        while !u.is_empty() && batch.has_room() {
            batch.step(u)?;
        }
        Ok(batch)
    }

    fn has_room(&self) -> bool {
        self.frames.len() < MAX_FRAMES && self.bytes < MAX_BYTES
    }

    /// Shows a frame, if it is one.
    fn push(&mut self, frame: Vec<u8>) {
        if Head::parse(&frame).is_ok() {
            self.bytes += frame.len();
            self.frames.push(frame);
        }
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let step = u.int_in_range(0..=11u8)?;
        let at = u.choose_index(self.flows.len())?;
        let flow = &mut self.flows[at];
        match step {
            0 => {
                let frames = usize::from(u.int_in_range(1..=60u8)?);
                let many = u.ratio(1u8, 8u8)?;
                self.burst(at, if many { 20 * frames } else { frames });
            }
            1 => self.round_robin(u.int_in_range(1..=16)?),
            2 => {
                let len = usize::from(u.int_in_range(0..=3100u16)?);
                let frame = flow.next(len, u.arbitrary()?);
                self.push(frame);
            }
            3 => {
                let frame = flow.next(flow.mss, *u.choose(&[0, tcp::PSH])?);
                self.push(frame);
            }
            4 | 5 => {
                let mut frame = flow.next(flow.mss, 0);
                change_byte(&mut frame, u)?;
                if step == 5 {
                    repair(&mut frame);
                }
                self.push(frame);
            }
            6 => {
                let mut frame = flow.next(flow.mss, 0);
                let len = u.int_in_range(0..=frame.len() + 60)?;
                frame.resize(len, u.arbitrary()?);
                self.push(frame);
            }
            7 => {
                let mut frame = flow.next(flow.mss, 0);
                fragment(&mut frame, u.arbitrary()?);
                self.push(frame);
            }
            8 => self.again(u)?,
            9 => {
                let len = u.int_in_range(0..=120)?;
                let bytes = u.bytes(len)?;
                self.push(bytes.to_vec());
            }
            10 => flow.change(u)?,
            _ => {
                let frame = zero_checksum(flow, u.arbitrary()?, u.arbitrary()?);
                self.push(frame);
            }
        }
        Ok(())
    }

    fn burst(&mut self, at: usize, frames: usize) {
        for _ in 0..frames {
            if !self.has_room() {
                return;
            }
            let flow = &mut self.flows[at];
            let frame = flow.next(flow.mss, 0);
            self.push(frame);
        }
    }

    fn round_robin(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for at in 0..self.flows.len() {
                self.burst(at, 1);
            }
        }
    }

    /// Sends an earlier frame a second time, or the latest two in the other order.
    fn again(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let swap = u.arbitrary()?;
        match &mut self.frames[..] {
            [] => {}
            [.., a, b] if swap => core::mem::swap(a, b),
            frames => {
                let frame = u.choose(frames)?.clone();
                self.push(frame);
            }
        }
        Ok(())
    }
}

fn offloads(bits: u8) -> OffloadSet {
    if bits & 0xc0 == 0 {
        return OffloadSet::ALL;
    }
    let mut set = OffloadSet::NONE;
    let all = [
        OffloadSet::CSUM,
        OffloadSet::TSO4,
        OffloadSet::TSO6,
        OffloadSet::ECN,
        OffloadSet::USO4,
        OffloadSet::USO6,
    ];
    for (n, offload) in all.into_iter().enumerate() {
        if bits >> n & 1 == 1 {
            set.insert(offload);
        }
    }
    set
}

/// Mostly in the headers.
fn change_byte(frame: &mut [u8], u: &mut Unstructured<'_>) -> Result<()> {
    let at = if u.ratio(3u8, 4u8)? {
        usize::from(u.arbitrary::<u8>()?) % frame.len().min(110)
    } else {
        u.choose_index(frame.len())?
    };
    frame[at] ^= u.int_in_range(1..=0xffu8)?;
    Ok(())
}

/// An IPv4 fragment; from IPv6, the same bytes behind a fragment header.
fn fragment(frame: &mut Vec<u8>, place: u16) {
    let Some(layers) = layers(frame) else {
        return;
    };
    match layers.ip {
        IpVersion::V4 => put16(frame, layers.l3 + 6, place),
        IpVersion::V6 => {
            let [high, low] = place.to_be_bytes();
            let header = [layers.proto, 0, high, low, 0, 0, 0, 1];
            frame.splice(layers.l4..layers.l4, header);
            frame[layers.l3 + 6] = 44;
            let len = get16(frame, layers.l3 + 4).wrapping_add(8);
            put16(frame, layers.l3 + 4, len);
        }
    }
    repair(frame);
}

/// A packet whose checksum, of IPv4 or of the transport, comes out as zero; written as zero or as 0xffff.
fn zero_checksum(flow: &mut Flow, of_ip: bool, other: bool) -> Vec<u8> {
    let mut payload = vec![0; flow.mss.max(2)];
    let trial = flow.clone().next_with(&payload, 0);
    let Some(layers) = layers(&trial) else {
        return trial;
    };
    let of_ip = of_ip && layers.ip == IpVersion::V4;
    let field = if of_ip {
        let checksum = get16(&trial, layers.l3 + 10);
        flow.set_id(plus(get16(&trial, layers.l3 + 4), checksum));
        layers.l3 + 10
    } else {
        let Some(field) = checksum_field(&layers) else {
            return trial;
        };
        // The payload starts at an even place.
        let checksum = get16(&trial, field);
        payload[..2].copy_from_slice(&checksum.to_be_bytes());
        field
    };
    let mut frame = flow.next_with(&payload, 0);
    let checksum = get16(&frame, field);
    assert!(checksum == 0 || checksum == 0xffff, "{checksum:#x}");
    if other {
        put16(&mut frame, field, !checksum);
    }
    frame
}
