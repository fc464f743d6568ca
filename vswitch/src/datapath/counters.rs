//! Counters of a port, one block for each worker.
//!
//! A block has one writer, its worker, so that counting is a load and a store without a locked
//! instruction or a shared cache line; a reader adds the blocks up. The books close: over all
//! ports, received + replicated = delivered + consumed + dropped, where a frame that is flooded
//! to n ports is replicated n - 1 times.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::DropReason;
use crate::port::SendReport;

/// A counter with one writer at a time.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(super) fn add(&self, more: u64) {
        self.0.store(
            self.0.load(Ordering::Relaxed).wrapping_add(more),
            Ordering::Relaxed,
        );
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker counts for one port.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Block {
    pub(super) rx_frames: Counter,
    pub(super) rx_bytes: Counter,
    pub(super) consumed: Counter,
    pub(super) replicated: Counter,
    tx_frames: Counter,
    tx_bytes: Counter,
    drops: [Counter; DropReason::ALL.len()],
}

impl Block {
    #[inline]
    pub(super) fn drop_frames(&self, reason: DropReason, frames: u64) {
        self.drops[reason.index()].add(frames);
    }

    #[inline]
    pub(super) fn sent(&self, report: &SendReport) {
        self.tx_frames.add(report.frames);
        self.tx_bytes.add(report.bytes);
        self.consumed.add(report.answered);
        if report.lost() > 0 {
            self.drop_frames(DropReason::PortDown, report.down);
            self.drop_frames(DropReason::PortGone, report.gone);
            self.drop_frames(DropReason::ReceiverFull, report.full);
            self.drop_frames(DropReason::Refused, report.refused);
            self.drop_frames(DropReason::TooLong, report.too_long);
            self.drop_frames(DropReason::NoPeer, report.nobody);
            self.drop_frames(DropReason::Unreachable, report.unreachable);
        }
    }
}

/// The counters of one port.
#[derive(Debug)]
pub(super) struct PortCounters {
    blocks: Box<[Block]>,
}

impl PortCounters {
    pub(super) fn new(workers: usize) -> Self {
        Self {
            blocks: (0..workers).map(|_| Block::default()).collect(),
        }
    }

    /// The block of a worker.
    #[inline]
    pub(super) fn of(&self, worker: usize) -> &Block {
        &self.blocks[worker]
    }

    pub(super) fn read(&self) -> Tally {
        let mut tally = Tally::default();
        for block in &self.blocks {
            tally.rx.frames += block.rx_frames.get();
            tally.rx.bytes += block.rx_bytes.get();
            tally.tx.frames += block.tx_frames.get();
            tally.tx.bytes += block.tx_bytes.get();
            tally.consumed += block.consumed.get();
            tally.replicated += block.replicated.get();
            for reason in DropReason::ALL {
                let dropped = block.drops[reason.index()].get();
                if dropped > 0 {
                    *tally.drops.entry(reason.label()).or_default() += dropped;
                }
            }
        }
        tally
    }
}

/// Frames and bytes of one direction. Bytes are those of the frames as they pass the port: a
/// superframe counts once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Frames.
    pub frames: u64,
    /// Bytes, Ethernet header included.
    pub bytes: u64,
}

/// A port's counters, added up; or those of many ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Received from the port.
    pub rx: Traffic,
    /// Sent to the port.
    pub tx: Traffic,
    /// Frames that the switch itself took: received for it, or on their way out and answered.
    pub consumed: u64,
    /// Copies made of received frames beyond the first.
    pub replicated: u64,
    /// Dropped frames by reason; reasons that never happened are left out.
    pub drops: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds another port's counters.
    pub fn add(&mut self, other: &Self) {
        self.rx.frames += other.rx.frames;
        self.rx.bytes += other.rx.bytes;
        self.tx.frames += other.tx.frames;
        self.tx.bytes += other.tx.bytes;
        self.consumed += other.consumed;
        self.replicated += other.replicated;
        for (reason, dropped) in &other.drops {
            *self.drops.entry(reason).or_default() += dropped;
        }
    }

    /// Frames that the books do not account for: zero when nothing is under way.
    #[must_use]
    pub fn residual(&self) -> i128 {
        let received = i128::from(self.rx.frames) + i128::from(self.replicated);
        let dropped: u64 = self.drops.values().sum();
        received - i128::from(self.tx.frames) - i128::from(self.consumed) - i128::from(dropped)
    }
}
