//! How frames come in and go out.
//!
//! A [`Port`] is an opened attachment of the switch. It has two halves: one that receives, owned
//! by exactly one worker, and one that sends, shared by all of them. Both work on batches, and
//! each frame travels with its 12-byte virtio-net header in front of it, so that checksum and
//! segmentation state is never lost on the way: `[header 12][Ethernet frame]`.
//!
//! - [`tap`]: a TAP device inside a container's namespace, with offload or plain.
//! - [`packet`]: an uplink, the physical network that an interface of the host is on.
//! - [`vxlan`]: a tunnel to other switches over UDP, one socket for many networks.
//! - [`memory`]: the twin of all of them inside one process, for the switch's own hosts, tests and benches.
//!
//! A half never blocks. What a port cannot take is counted by the reason it gives, never retried:
//! a slow receiver costs only itself.

mod batch;
mod id;
pub mod macvlan;
pub mod memory;
pub mod packet;
pub mod tap;
pub mod vxlan;

use std::fmt::Debug;
use std::io;
use std::os::fd::RawFd;
use std::sync::Arc;

use serde::Serialize;
use vswitch_wire::OffloadSet;

pub use batch::{Batch, HEADROOM, MAX_BATCH, MAX_FRAME, Refused};
pub use id::{MAX_PORTS, PortId};

/// The receiving half of a port. It belongs to one worker.
pub trait PortRx: Send + Debug {
    /// Reads frames into `batch` until it is full or the port is empty.
    ///
    /// # Errors
    /// [`PortLost`] when the port will never deliver again; frames already in `batch` are valid.
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost>;

    /// The descriptor that becomes readable when there is something to receive, and reports an
    /// error when the port is gone.
    fn descriptor(&self) -> RawFd;
}

/// The sending half of a port. All workers share it.
pub trait PortTx: Send + Sync + Debug {
    /// Sends `frames` in order, each `[virtio-net header][frame]` with nothing in it that
    /// [`Self::offload`] lacks, and accounts for every one of them in `report`.
    fn send(&self, frames: &[&[u8]], report: &mut SendReport);

    /// What the port takes over: a frame that needs more is completed or segmented before.
    fn offload(&self) -> OffloadSet;

    /// How the link is at this moment, where the port can tell without sending. What frames meet
    /// is in their [`SendReport`]; an idle port shows only here that its link is down.
    fn link(&self) -> Option<PortState> {
        None
    }

    /// Shows the other end a carrier, or none, where there is another end to show it to.
    ///
    /// # Errors
    /// When the device is gone, or the kernel cannot do it.
    fn set_carrier(&self, _on: bool) -> io::Result<()> {
        Ok(())
    }
}

/// An opened port, ready to be given to the switch. Dropping both halves closes it.
#[derive(Debug)]
pub struct Port {
    /// The receiving half.
    pub rx: Box<dyn PortRx>,
    /// The sending half.
    pub tx: Arc<dyn PortTx>,
    /// Largest payload of an untagged Ethernet frame that may leave here, in bytes.
    pub mtu: u16,
}

/// Whether a receiving half is empty, or has more than fitted the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Nothing left: the descriptor will report when there is more.
    Yes,
    /// The batch is full; there may be more, which the descriptor will not report again.
    No,
}

/// The port will never work again: its device or namespace is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the port's device is gone")]
pub struct PortLost;

/// What became of the frames given to [`PortTx::send`]. The sum of all but `bytes` grows by
/// exactly the number of frames given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// Frames that left.
    pub frames: u64,
    /// Their bytes, without the virtio-net headers.
    pub bytes: u64,
    /// Frames refused because the link is down.
    pub down: u64,
    /// Frames refused because the device is gone.
    pub gone: u64,
    /// Frames refused because the receiver's queue or the kernel's memory is full.
    pub full: u64,
    /// Frames that the kernel refused as malformed.
    pub refused: u64,
    /// Frames longer than the way allows.
    pub too_long: u64,
    /// Frames for which there is nobody to send them to: a tunnel without peers.
    pub nobody: u64,
    /// Frames to a peer that the underlay has no way to.
    pub unreachable: u64,
    /// Frames that the port answered itself in the name of the one asked; they went no further.
    pub answered: u64,
}

impl SendReport {
    /// Frames that did not leave, but for those that were answered.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.down
            + self.gone
            + self.full
            + self.refused
            + self.too_long
            + self.nobody
            + self.unreachable
    }

    /// Books one frame of `bytes` that left in parts: it did when all of them did, else it is lost for the first
    /// reason.
    pub(crate) fn book_parts(&mut self, bytes: u64, parts: Self) {
        if parts.gone > 0 {
            self.gone += 1;
        } else if parts.down > 0 {
            self.down += 1;
        } else if parts.full > 0 {
            self.full += 1;
        } else if parts.too_long > 0 {
            self.too_long += 1;
        } else if parts.lost() > 0 {
            self.refused += 1;
        } else {
            self.frames += 1;
            self.bytes += bytes;
        }
    }

    /// Frames that the report tells of.
    #[must_use]
    pub const fn accounted(&self) -> u64 {
        self.frames + self.lost() + self.answered
    }
}

/// What a port is able to do at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// Frames pass.
    Up,
    /// The link is down; frames pass again when it comes back.
    Down,
    /// The device is gone for good.
    Gone,
}

impl std::fmt::Display for PortState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Gone => "gone",
        })
    }
}
