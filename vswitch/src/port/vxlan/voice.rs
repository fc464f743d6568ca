//! What a tunnel says itself: answers in the name of others, and "too big".
//!
//! A sending half has no way back to who sent. So what it has to say is queued, and comes in through
//! the tunnel port's own receiving half, like a frame from a peer: it is learned from, forwarded and
//! counted as any other.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use vswitch_wire::{Head, VNET_LEN, VnetHdr};
use vxlan::{Gateway, too_big};

use super::bell;
use crate::port::{Batch, Drained, PortLost, PortRx};

/// Frames that wait at most.
const QUEUE: usize = 256;

/// "Too big" is said at most so often in a second (RFC 1812 section 4.3.2.8, RFC 4443 section
/// 2.4(f)).
const COMPLAINTS: u32 = 100;

/// The mouth: shared by the workers.
#[derive(Debug)]
pub(super) struct Voice {
    queue: Sender<Vec<u8>>,
    bell: Arc<OwnedFd>,
    gateway: Gateway,
    /// The second, and how many complaints there were in it.
    complaints: AtomicU64,
}

/// The receiving half.
#[derive(Debug)]
pub(super) struct VoiceRx {
    queue: Receiver<Vec<u8>>,
    bell: Arc<OwnedFd>,
}

/// A mouth for a network, whose `gateway` complains, and the half that hears it.
pub(super) fn open(gateway: Gateway) -> io::Result<(Voice, VoiceRx)> {
    let (queue, said) = bounded(QUEUE);
    let bell = Arc::new(bell()?);
    let rx = VoiceRx {
        queue: said,
        bell: Arc::clone(&bell),
    };
    let voice = Voice {
        queue,
        bell,
        gateway,
        complaints: AtomicU64::new(0),
    };
    Ok((voice, rx))
}

impl Voice {
    /// Says a frame; it is lost when too many wait, as on a wire.
    pub(super) fn say(&self, frame: &[u8]) {
        if self.queue.try_send(frame.to_vec()).is_ok()
            && let Err(error) = rustix::io::write(&*self.bell, &1u64.to_ne_bytes())
        {
            // The counter is full: it has been rung often enough.
            tracing::trace!(%error, "the bell of a tunnel");
        }
    }

    /// Tells the sender of a frame that IP packets of `mtu` bytes is all that passes.
    pub(super) fn complain(&self, frame: &[u8], head: &Head, mtu: u16, now: u32) {
        if let Ok(answer) = too_big(frame, head, mtu, &self.gateway)
            && self.may_complain(now)
        {
            self.say(&answer);
        }
    }

    fn may_complain(&self, now: u32) -> bool {
        let counted = |word: u64| match word >> 32 == u64::from(now) {
            true => word & u64::from(u32::MAX),
            false => 0,
        };
        let next = |word| {
            let count = counted(word) + 1;
            (count <= u64::from(COMPLAINTS)).then_some(u64::from(now) << 32 | count)
        };
        self.complaints
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }
}

impl PortRx for VoiceRx {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        let mut count = [0; 8];
        if let Err(error) = rustix::io::read(&*self.bell, &mut count) {
            tracing::trace!(%error, "nobody rang");
        }
        while !batch.is_full() {
            let Ok(frame) = self.queue.try_recv() else {
                return Ok(Drained::Yes);
            };
            let length = VNET_LEN + frame.len();
            let copied = batch.push_with(|room| {
                room[..VNET_LEN].copy_from_slice(&VnetHdr::NONE.to_bytes());
                room[VNET_LEN..length].copy_from_slice(&frame);
                Ok(length)
            });
            // Writing into memory cannot fail.
            debug_assert!(copied.is_ok());
        }
        Ok(Drained::No)
    }

    fn descriptor(&self) -> RawFd {
        self.bell.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOBODY: Gateway = Gateway {
        mac: vswitch_wire::MacAddr::ZERO,
        v4: None,
        v6: None,
    };

    #[test]
    fn complaints_are_bounded_by_the_second() {
        let (voice, _rx) = open(NOBODY).unwrap();
        let count = |now| (0..1000).filter(|_| voice.may_complain(now)).count();
        assert_eq!(count(0), 100);
        assert_eq!(count(0), 0);
        assert_eq!(count(1), 100);
        assert_eq!(count(u32::MAX), 100);
    }

    #[test]
    fn what_is_said_is_received_once_and_rings() {
        let (voice, mut rx) = open(NOBODY).unwrap();
        let readable = |rx: &VoiceRx| {
            use rustix::event::{PollFd, PollFlags, poll};
            let mut fds = [PollFd::new(&*rx.bell, PollFlags::IN)];
            poll(&mut fds, Some(&rustix::event::Timespec::default())).unwrap() == 1
        };
        assert!(!readable(&rx));
        for length in 60..200 {
            voice.say(&vec![7; length]);
        }
        assert!(readable(&rx));
        let (mut batch, mut lengths) = (Batch::new(), Vec::new());
        loop {
            batch.clear();
            let drained = rx.recv(&mut batch).unwrap();
            lengths.extend((0..batch.len()).map(|index| batch.get(index).len() - VNET_LEN));
            if drained == Drained::Yes {
                break;
            }
        }
        assert_eq!(lengths, (60..200).collect::<Vec<_>>());
        assert!(!readable(&rx));
        for _ in 0..QUEUE + 10 {
            voice.say(&[0; 60]);
        }
        assert_eq!(rx.queue.len(), QUEUE, "the rest is lost");
    }
}
