//! Frames from the parent.
//!
//! Two ways into a batch. Small frames come many in one call, into a ring, and are copied: that costs less than a
//! call for each. A superframe is received straight into the batch, where it stays: a second copy of 64 KiB costs
//! more than the calls for the few small frames that come between superframes. So it takes a run of small
//! ones to change back to the ring.
//!
//! The descriptor reports only what is new (edge-triggered), so "empty" is said after the kernel has said it
//! and never before. An error that waits in the socket is taken off it by the call that meets it, which may
//! be one that sends; so a wake-up without a frame makes sure that the parent is still there.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vswitch_wire::{HEADER_LEN, VNET_LEN};

use super::mend::mend;
use super::state::Shared;
use super::tag::{self, Admission};
use crate::port::{Batch, Drained, HEADROOM, MAX_BATCH, PortLost, PortRx};
use crate::sys::packet::{Arrival, PacketRing};

/// Most frames received in one call.
const SLOTS: usize = 32;

/// Fewest frames that are asked for.
const FEW: usize = 4;

/// Small frames in a row that end a run of superframes.
const CALM: u8 = 8;

/// Frames looked at in one go, whatever becomes of them.
const BUDGET: usize = 4 * MAX_BATCH;

#[derive(Debug)]
pub(super) struct UplinkRx {
    shared: Arc<Shared>,
    ring: PacketRing,
    /// Frames in the ring that found no room in the batch yet.
    waiting: Range<usize>,
    /// How many to ask for: as many as came last, and some more.
    slots: usize,
    bulk: Bulk,
}

/// Whether superframes come: after one, until so many small frames in a row have come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bulk(u8);

impl Bulk {
    /// A frame of this length came, its virtio-net header included.
    #[inline]
    const fn note(&mut self, length: usize) {
        self.0 = if length > PacketRing::SLOT {
            CALM
        } else {
            self.0.saturating_sub(1)
        };
    }

    const fn is_on(self) -> bool {
        self.0 > 0
    }
}

/// What a failed receive means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing there.
    Empty,
    /// The parent went down, or away.
    Down,
    /// A frame that the virtio-net header cannot describe; it is lost.
    Unreadable,
    /// Again.
    Passing,
}

impl Fault {
    fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EAGAIN) => Self::Empty,
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => Self::Down,
            Some(libc::EINVAL) => Self::Unreadable,
            _ => Self::Passing,
        }
    }
}

/// Counts one; nobody but the receiving half, which has one owner, writes these counters.
#[inline]
fn add(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

impl Shared {
    /// Whether a frame is for the segment; counts it if not. `length` includes the virtio-net header.
    #[inline]
    fn admit(&self, arrival: &Arrival) -> Admission {
        if !arrival.kind.is_from_outside() {
            add(&self.counts.outgoing);
            return Admission::Foreign;
        }
        let admission = tag::admit(self.vlan, &self.claimed, arrival.tag);
        if admission == Admission::Foreign {
            add(&self.counts.foreign);
        } else if arrival.truncated || arrival.length < VNET_LEN + HEADER_LEN {
            add(&self.counts.truncated);
            return Admission::Foreign;
        }
        admission
    }

    /// Finishes a frame that lies behind the headroom of `room`: where it is, if it is the segment's.
    #[inline]
    fn finish(&self, room: &mut [u8], arrival: &Arrival) -> Option<Range<usize>> {
        let at = HEADROOM..HEADROOM + arrival.length;
        let admission = self.admit(arrival);
        if admission == Admission::Foreign {
            return None;
        }
        mend(&mut room[at.clone()]);
        let at = match admission {
            Admission::WithTag(tag) => tag::put_back(room, at, tag),
            Admission::AsItIs | Admission::Foreign => at,
        };
        // The group bit.
        if room[at.start + VNET_LEN] & 1 == 0 {
            add(&self.counts.heard);
        }
        Some(at)
    }
}

impl UplinkRx {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            ring: PacketRing::new(SLOTS),
            waiting: 0..0,
            slots: FEW,
            bulk: Bulk::default(),
        }
    }

    /// Takes frames from the ring while there is room; how many.
    fn forward(&mut self, batch: &mut Batch) -> usize {
        let mut done = 0;
        while !batch.is_full()
            && let Some(received) = self.waiting.next().and_then(|index| self.ring.get(index))
        {
            done += 1;
            batch.push_within(|room| {
                let (small, large) = (received.start, received.rest);
                let frame = room.get_mut(HEADROOM..)?;
                let place = frame.get_mut(..small.len() + large.len());
                // One that is longer than any frame is not whole in the batch either.
                let Some(place) = place else {
                    add(&self.shared.counts.truncated);
                    return None;
                };
                place[..small.len()].copy_from_slice(small);
                place[small.len()..].copy_from_slice(large);
                self.shared.finish(room, &received.arrival)
            });
        }
        done
    }

    /// Receives one frame straight into the batch.
    fn one(&mut self, batch: &mut Batch) -> io::Result<usize> {
        let mut outcome = Ok(1);
        let Self { shared, bulk, .. } = self;
        batch.push_within(|room| {
            let place = room.get_mut(HEADROOM..)?;
            match shared.socket.recv(place) {
                Ok(arrival) => {
                    bulk.note(arrival.length);
                    shared.finish(room, &arrival)
                }
                Err(error) => {
                    outcome = Err(error);
                    None
                }
            }
        });
        outcome
    }

    /// Receives frames into the ring.
    fn many(&mut self) -> io::Result<()> {
        let count = self.ring.recv(&self.shared.socket, self.slots)?;
        self.waiting = 0..count;
        self.slots = (2 * count).clamp(FEW, SLOTS);
        for frame in (0..count).filter_map(|index| self.ring.get(index)) {
            self.bulk.note(frame.arrival.length);
        }
        Ok(())
    }

    fn is_gone(&self) -> bool {
        self.shared.socket.is_gone()
    }
}

impl PortRx for UplinkRx {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        let mut looked = self.forward(batch);
        // Bounded, also where every frame is turned away and every call fails.
        for _ in 0..BUDGET {
            if batch.is_full() || looked >= BUDGET {
                break;
            }
            let outcome = if self.bulk.is_on() {
                self.one(batch)
            } else {
                self.many().map(|()| self.forward(batch))
            };
            let fault = match outcome {
                Ok(count) => {
                    looked += count;
                    continue;
                }
                Err(error) => Fault::of(&error),
            };
            match fault {
                Fault::Empty if looked == 0 && self.is_gone() => return Err(PortLost),
                Fault::Empty => return Ok(Drained::Yes),
                Fault::Down if self.is_gone() => return Err(PortLost),
                Fault::Unreadable => add(&self.shared.counts.unreadable),
                Fault::Down | Fault::Passing => {}
            }
        }
        Ok(Drained::No)
    }

    fn descriptor(&self) -> RawFd {
        self.shared.socket.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_outlasts_a_few_small_frames_and_no_more() {
        let mut bulk = Bulk::default();
        bulk.note(PacketRing::SLOT);
        assert!(!bulk.is_on(), "an ordinary frame");
        bulk.note(PacketRing::SLOT + 1);
        for _ in 1..CALM {
            bulk.note(66);
            assert!(bulk.is_on());
        }
        bulk.note(60_000);
        for _ in 1..CALM {
            bulk.note(66);
        }
        assert!(bulk.is_on(), "a superframe starts the count anew");
        bulk.note(66);
        assert!(!bulk.is_on());
        bulk.note(66);
        assert!(!bulk.is_on());
    }

    #[test]
    fn only_an_empty_socket_ends_the_receiving() {
        let of = |errno| Fault::of(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(libc::EAGAIN), Fault::Empty);
        assert_eq!(of(libc::ENETDOWN), Fault::Down);
        assert_eq!(of(libc::EINVAL), Fault::Unreadable);
        assert_eq!(of(libc::EINTR), Fault::Passing);
        assert_eq!(of(libc::ENOBUFS), Fault::Passing);
    }
}
