//! A port inside the process: the twin of the others for tests and benches, and the cable of the hosts that the switch
//! itself plays.
//!
//! [`pair`] gives the port and its far end. The far end plays the host on the wire: it puts frames
//! in, takes delivered frames out, and can cut the link or vanish. Frames carry their virtio-net
//! header, as everywhere.
//!
//! [`cable`] is for a far end that runs for good: it sleeps on [`MemoryEnd::descriptor`], and both queues are bounded.
//! Either side rings the other's bell only when the queue was empty, so whoever was woken must take until there is
//! nothing left, or come back by itself.

mod fifo;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use vswitch_wire::{OffloadSet, VNET_LEN};

use self::fifo::Fifo;
use super::{Batch, Drained, Port, PortLost, PortRx, PortState, PortTx, SendReport};

/// Delivered frames that wait for the far end; more are refused as [`SendReport::full`].
pub const QUEUE: usize = 4096;

#[derive(Debug)]
struct Wire {
    to_switch: Fifo,
    from_switch: Fifo,
    state: PortState,
}

#[derive(Debug)]
struct Shared {
    wire: Mutex<Wire>,
    /// Told when a frame was delivered.
    delivered: Condvar,
    /// Written when there is something for the switch to see.
    bell: OwnedFd,
    /// Written when there is something for the far end to see, if it sleeps on that.
    far_bell: Option<OwnedFd>,
    /// Most frames that wait, to the far end and in [`MemoryEnd::offer`].
    queue: usize,
    offload: OffloadSet,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wire> {
        self.wire.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) -> io::Result<()> {
        ring(&self.bell)
    }
}

fn bell() -> io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
}

fn ring(bell: &OwnedFd) -> io::Result<()> {
    rustix::io::write(bell, &1u64.to_ne_bytes())?;
    Ok(())
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
    join(mtu, offload, QUEUE, None)
}

/// A port without offload and its far end, which sleeps until there is something for it. At most `queue` frames wait on
/// each side.
///
/// # Errors
/// As [`pair`].
pub fn cable(mtu: u16, queue: usize) -> io::Result<(Port, MemoryEnd)> {
    join(mtu, OffloadSet::NONE, queue, Some(bell()?))
}

fn join(
    mtu: u16,
    offload: OffloadSet,
    queue: usize,
    far_bell: Option<OwnedFd>,
) -> io::Result<(Port, MemoryEnd)> {
    let shared = Arc::new(Shared {
        wire: Mutex::new(Wire {
            to_switch: Fifo::default(),
            from_switch: Fifo::default(),
            state: PortState::Up,
        }),
        delivered: Condvar::new(),
        bell: bell()?,
        far_bell,
        queue,
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
    pub fn put(&self, frame: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.lock().to_switch.push(frame.as_ref());
        self.0.ring()
    }

    /// As [`Self::put`], unless the switch has too many frames to take already, or is not there any more; tells whether
    /// it was put.
    pub fn offer(&self, frame: impl AsRef<[u8]>) -> bool {
        let mut wire = self.0.lock();
        if wire.to_switch.len() >= self.0.queue {
            return false;
        }
        let first = wire.to_switch.is_empty();
        wire.to_switch.push(frame.as_ref());
        drop(wire);
        !first || self.0.ring().is_ok()
    }

    /// The descriptor that becomes readable when a frame is delivered and none was waiting; of a [`cable`] only.
    #[must_use]
    pub fn descriptor(&self) -> Option<RawFd> {
        self.0.far_bell.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Takes the next delivered frame, its virtio-net header included.
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        self.0.lock().from_switch.pop().map(<[u8]>::to_vec)
    }

    /// As [`Self::take`], but waits for a frame, for `patience` at most.
    #[must_use]
    pub fn take_within(&self, patience: Duration) -> Option<Vec<u8>> {
        let (mut wire, _) = (self.0.delivered)
            .wait_timeout_while(self.0.lock(), patience, |wire| wire.from_switch.is_empty())
            .unwrap_or_else(PoisonError::into_inner);
        wire.from_switch.pop().map(<[u8]>::to_vec)
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
            let Some(frame) = wire.to_switch.pop() else {
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
        let slept = wire.from_switch.is_empty();
        for frame in frames {
            match wire.state {
                PortState::Down => report.down += 1,
                PortState::Gone => report.gone += 1,
                PortState::Up if wire.from_switch.len() >= self.0.queue => report.full += 1,
                PortState::Up => {
                    wire.from_switch.push(frame);
                    report.frames += 1;
                    report.bytes += frame.len().saturating_sub(VNET_LEN) as u64;
                }
            }
        }
        let wake = slept && !wire.from_switch.is_empty();
        drop(wire);
        self.0.delivered.notify_all();
        if let Some(bell) = self.0.far_bell.as_ref().filter(|_| wake) {
            // Its counter is never near the bound at which a write fails.
            let rung = ring(bell);
            debug_assert!(rung.is_ok(), "{rung:?}");
        }
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

    /// How often the bell was rung since the last time.
    fn rung(end: &MemoryEnd) -> u64 {
        let mut count = [0; 8];
        let bell = end.0.far_bell.as_ref().expect("a cable has one");
        match rustix::io::read(bell, &mut count) {
            Ok(_) => u64::from_ne_bytes(count),
            Err(_) => 0,
        }
    }

    #[test]
    fn a_cable_rings_for_the_first_frame_and_holds_so_many_on_either_side() {
        let (mut port, end) = cable(1500, 2).unwrap();
        assert!(end.descriptor().is_some());
        assert_eq!(report_of(&port, &[]).accounted(), 0);
        assert_eq!(rung(&end), 0);
        let report = report_of(&port, &[&[1; 20], &[2; 20], &[3; 20]]);
        assert_eq!((report.frames, report.full), (2, 1));
        assert_eq!(rung(&end), 1);
        assert_eq!(end.take(), Some(vec![1; 20]));
        assert_eq!(report_of(&port, &[&[4; 20]]).frames, 1);
        assert_eq!(rung(&end), 0, "it has not taken all yet");
        while end.take().is_some() {}
        assert_eq!(report_of(&port, &[&[5; 20]]).frames, 1);
        assert_eq!(rung(&end), 1);

        assert!(end.offer(vec![6; 20]) && end.offer(vec![7; 20]));
        assert!(!end.offer(vec![8; 20]));
        let mut batch = Batch::new();
        assert_eq!(port.rx.recv(&mut batch), Ok(Drained::Yes));
        assert_eq!((batch.len(), batch.get(1)), (2, &[7; 20][..]));
        assert!(end.offer(vec![9; 20]));
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
