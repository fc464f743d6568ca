//! Ports that cost nearly nothing, so that what is measured is what lies between them.

use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vswitch::port::{Batch, Drained, Port, PortLost, PortRx, PortTx, SendReport};
use vswitch_wire::{OffloadSet, VNET_LEN};

/// Delivers the same frames for ever, as many as a batch takes. A frame is copied, as any port has to.
#[derive(Debug)]
struct Fountain(Vec<Vec<u8>>);

impl PortRx for Fountain {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        for frame in self.0.iter().cycle() {
            if batch.is_full() {
                break;
            }
            // Copying memory cannot fail.
            drop(batch.push_with(|room| {
                room[..frame.len()].copy_from_slice(frame);
                Ok(frame.len())
            }));
        }
        Ok(Drained::No)
    }

    /// Nobody waits for it.
    fn descriptor(&self) -> RawFd {
        -1
    }
}

/// Takes everything, counts it, keeps nothing.
#[derive(Debug, Default)]
pub(crate) struct Drain {
    frames: AtomicU64,
}

/// What only the tests look at.
#[cfg(test)]
impl Drain {
    /// Frames taken so far.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }
}

impl PortTx for Drain {
    fn send(&self, frames: &[&[u8]], report: &mut SendReport) {
        let bytes: usize = frames.iter().map(|frame| frame.len() - VNET_LEN).sum();
        report.frames += frames.len() as u64;
        report.bytes += bytes as u64;
        let so_far = self.frames.load(Ordering::Relaxed);
        self.frames
            .store(so_far + frames.len() as u64, Ordering::Relaxed);
    }

    fn offload(&self) -> OffloadSet {
        OffloadSet::ALL
    }
}

/// A port that delivers `frames`, over and over, and takes whatever comes.
pub(crate) fn port(frames: Vec<Vec<u8>>) -> (Port, Arc<Drain>) {
    let drain = Arc::new(Drain::default());
    let port = Port {
        rx: Box::new(Fountain(frames)),
        tx: Arc::clone(&drain) as Arc<dyn PortTx>,
        mtu: 1500,
    };
    (port, drain)
}

#[cfg(test)]
mod tests {
    use vswitch::port::MAX_BATCH;

    use super::*;

    #[test]
    fn a_batch_is_filled_in_turn_and_what_is_sent_is_accounted_for() {
        let (mut port, drain) = port(vec![vec![1; 80], vec![2; 90]]);
        let mut batch = Batch::new();
        assert_eq!(port.rx.recv(&mut batch), Ok(Drained::No));
        assert_eq!(batch.len(), MAX_BATCH);
        assert_eq!((batch.get(2)[0], batch.get(127).len()), (1, 90));
        let mut report = SendReport::default();
        port.tx.send(&[batch.get(0), batch.get(1)], &mut report);
        assert_eq!((report.accounted(), report.bytes), (2, 80 + 90 - 24));
        assert_eq!(drain.frames(), 2);
    }
}
