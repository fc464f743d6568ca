//! A counter: a thread that reads the trial's frames at a host's interface.
//!
//! The kernel's filter lets the frames of this trial through and keeps the rest out: neighbour discovery, a
//! protocol of the switch, late frames of the trial before. What this host sends is not received
//! (PACKET_IGNORE_OUTGOING). What the counter is too slow for is dropped at its socket, which the kernel counts
//! (PACKET_STATISTICS): the switch has delivered it, so it is no loss of the switch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use vswitch::sys::VNET_HDR_LEN;
use vswitch::sys::packet::{PacketRing, PacketSocket};

use super::frame;
use super::plan::Attention;
use super::tally::Tally;
use super::transmit::Trial;

/// Most frames of one call.
const BATCH: usize = 32;

/// How long a lazy counter sleeps. Its socket holds some ten thousand frames.
const NAP: Duration = Duration::from_millis(1);

/// How long a prompt one sleeps before it asks whether to end.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// What a counter heard.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) tally: Tally,
    /// Frames that reached the interface and that the counter was too slow for.
    pub(super) overflow: u64,
}

/// What the others know of a counter while it counts.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Frames so far.
    pub(super) frames: AtomicU64,
}

/// Counts until it is told to end and nothing is left.
pub(super) fn count(
    socket: &PacketSocket,
    streams: usize,
    attention: Attention,
    trial: &Trial,
    progress: &Progress,
    done: &AtomicBool,
) -> Result<Heard> {
    let mut ring = PacketRing::new(BATCH);
    let mut tally = Tally::new(streams);
    super::wake_precisely()?;
    loop {
        // Asked first: what came before the answer is read.
        let ends = done.load(Ordering::Acquire);
        match ring.recv(socket, BATCH) {
            Ok(frames) => {
                let now = trial.now();
                (0..frames)
                    .filter_map(|index| ring.get(index))
                    .filter_map(|frame| frame::label(frame.start.get(VNET_HDR_LEN..)?))
                    .for_each(|label| tally.note(label, now));
                progress.frames.store(tally.frames, Ordering::Relaxed);
            }
            Err(error) => match Errno::from_io_error(&error) {
                Some(Errno::AGAIN) if ends => break,
                Some(Errno::AGAIN) => wait(socket, attention)?,
                Some(Errno::INTR) => {}
                _ => return Err(error).context("a host's interface cannot be read"),
            },
        }
    }
    let overflow = u64::from(socket.statistics()?.dropped);
    Ok(Heard { tally, overflow })
}

fn wait(socket: &PacketSocket, attention: Attention) -> Result<()> {
    match attention {
        Attention::Lazy => std::thread::sleep(NAP),
        Attention::Prompt => {
            let mut ready = [PollFd::new(socket, PollFlags::IN)];
            match poll(&mut ready, Some(&PATIENCE)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}
