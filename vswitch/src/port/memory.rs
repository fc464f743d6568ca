//! A port inside the process: the twin of the others for tests and benches.
//!
//! [`pair`] gives the port and its far end. The far end plays the host on the wire: it puts frames
//! in, takes delivered frames out, and can cut the link or vanish. Frames carry their virtio-net
//! header, as everywhere.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use vswitch_wire::{OffloadSet, VNET_LEN};

use super::{Batch, Drained, Port, PortLost, PortRx, PortState, PortTx, SendReport};

/// Delivered frames that wait for the far end; more are refused as [`SendReport::full`].
pub const QUEUE: usize = 4096;

#[derive(Debug)]
struct Wire {
    to_switch: VecDeque<Vec<u8>>,
    from_switch: VecDeque<Vec<u8>>,
    state: PortState,
}

#[derive(Debug)]
struct Shared {
    wire: Mutex<Wire>,
    /// Told when a frame was delivered.
    delivered: Condvar,
    /// Written when there is something for the switch to see.
    bell: OwnedFd,
    offload: OffloadSet,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> io::Result<()> {
        rustix::io::write(&self.bell, &1u64.to_ne_bytes())?;
        Ok(())
    }
}

/// The far end of the port.
#[derive(Debug)]
pub struct MemoryEnd(Arc<Shared>);

#[derive(Debug)]
struct MemoryRx(Arc<Shared>);

#[derive(Debug)]
struct MemoryTx(Arc<Shared>);

/// A port and its far end.
///
/// # Errors
/// When the kernel gives no event descriptor.
pub fn pair(mtu: u16, offload: OffloadSet) -> io::Result<(Port, MemoryEnd)> {
    let shared = Arc::new(Shared {
        wire: Mutex::new(Wire {
            to_switch: VecDeque::new(),
            from_switch: VecDeque::new(),
            state: PortState::Up,
        }),
        delivered: Condvar::new(),
        bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        offload,
    });
    let port = Port {
        rx: Box::new(MemoryRx(Arc::clone(&shared))),
        tx: Arc::new(MemoryTx(Arc::clone(&shared))),
        mtu,
    };
    Ok((port, MemoryEnd(shared)))
}

impl MemoryEnd {
    /// Puts a frame on the wire: `[virtio-net header][frame]`.
    ///
    /// # Errors
    /// When the switch cannot be told.
    pub fn put(&self, frame: Vec<u8>) -> io::Result<()> {
        self.0.lock().to_switch.push_back(frame);
        self.0.ring()
    }

    /// Takes the next delivered frame, its virtio-net header included.
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().from_switch.pop_front()
    }

    /// As [`Self::take`], but waits for a frame, for `patience` at most.
    #[must_use]
    pub fn take_within(&self, patience: Duration) -> Option<Vec<u8>> {
        let (mut wire, _) = (self.0.delivered)
            .wait_timeout_while(self.0.lock(), patience, |wire| wire.from_switch.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        wire.from_switch.pop_front()
    }

    /// Whether the switch has closed both halves of the port.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// Cuts the link, mends it, or lets the device vanish.
    ///
    /// # Errors
    /// When the switch cannot be told.
    pub fn set_state(&self, state: PortState) -> io::Result<()> {
        self.0.lock().state = state;
        self.0.ring()
    }
}

impl PortRx for MemoryRx {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        let mut wire = self.0.lock();
        if wire.state == PortState::Gone {
            return Err(PortLost);
        }
        while !batch.is_full() {
            let Some(frame) = wire.to_switch.pop_front() else {
                return Ok(Drained::Yes);
            };
            let copied = batch.push_with(|room| {
                let length = frame.len().min(room.len());
                room[..length].copy_from_slice(&frame[..length]);
                Ok(length)
            });
            debug_assert!(copied.is_ok(), "copying memory cannot fail");
        }
        Ok(Drained::No)
    }

    fn descriptor(&self) -> RawFd {
        self.0.bell.as_raw_fd()
    }
}

impl PortTx for MemoryTx {
    fn send(&self, frames: &[&[u8]], report: &mut SendReport) {
        let mut wire = self.0.lock();
        for frame in frames {
            match wire.state {
                PortState::Down => report.down += 1,
                PortState::Gone => report.gone += 1,
                PortState::Up if wire.from_switch.len() >= QUEUE => report.full += 1,
                PortState::Up => {
                    wire.from_switch.push_back(frame.to_vec());
                    report.frames += 1;
                    report.bytes += frame.len().saturating_sub(VNET_LEN) as u64;
                }
            }
        }
        drop(wire);
        self.0.delivered.notify_all();
    }

    fn offload(&self) -> OffloadSet {
        self.0.offload
    }

    fn link(&self) -> Option<PortState> {
        Some(self.0.lock().state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report_of(port: &Port, frames: &[&[u8]]) -> SendReport {
        let mut report = SendReport::default();
        port.tx.send(frames, &mut report);
        report
    }

    #[test]
    fn frames_pass_both_ways_in_order() {
        let (mut port, end) = pair(1500, OffloadSet::NONE).unwrap();
        for byte in 0..200 {
            end.put(vec![byte; 20]).unwrap();
        }
        let mut batch = Batch::new();
        assert_eq!(port.rx.recv(&mut batch), Ok(Drained::No));
        assert_eq!((batch.len(), batch.get(127)), (128, &[127; 20][..]));
        batch.clear();
        assert_eq!(port.rx.recv(&mut batch), Ok(Drained::Yes));
        assert_eq!((batch.len(), batch.get(71)), (72, &[199; 20][..]));

        let report = report_of(&port, &[&[1; 20], &[2; 20]]);
        assert_eq!((report.frames, report.bytes), (2, 16));
        assert_eq!(end.take(), Some(vec![1; 20]));
        assert_eq!(end.take_within(Duration::ZERO), Some(vec![2; 20]));
        assert_eq!(end.take_within(Duration::ZERO), None);
    }

    #[test]
    fn a_link_that_is_down_a_full_queue_and_a_lost_device_refuse() {
        let (mut port, end) = pair(1500, OffloadSet::NONE).unwrap();
        end.set_state(PortState::Down).unwrap();
        assert_eq!(report_of(&port, &[&[0; 20]]).down, 1);
        end.set_state(PortState::Up).unwrap();
        for _ in 0..QUEUE {
            assert_eq!(report_of(&port, &[&[0; 20]]).frames, 1);
        }
        assert_eq!(report_of(&port, &[&[0; 20]]).full, 1);
        end.set_state(PortState::Gone).unwrap();
        assert_eq!(report_of(&port, &[&[0; 20]]).gone, 1);
        assert_eq!(port.rx.recv(&mut Batch::new()), Err(PortLost));
    }

    #[test]
    fn the_far_end_sees_both_halves_go() {
        let (port, end) = pair(1500, OffloadSet::NONE).unwrap();
        let Port { rx, tx, .. } = port;
        drop(rx);
        assert!(!end.is_closed());
        drop(tx);
        assert!(end.is_closed());
    }
}
