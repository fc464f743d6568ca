//! Memory for frames that are received many at a time.
//!
//! Most frames are short, so each place is a small slot, the slots one behind the other where a cache
//! holds them all, and an overflow beside it that only a superframe reaches into: its pages are never touched
//! otherwise.

use std::io::{self, IoSliceMut};
use std::os::fd::AsFd;

use super::super::mmsg::{self, Control, Incoming, Name};
use super::{Arrival, FEW, HEADER, PacketSocket, raw};

/// Bytes of a small slot: an ordinary frame and its virtio-net header.
const SLOT: usize = 2048;

/// Bytes of an overflow: with the slot, more than the longest superframe.
const OVERFLOW: usize = 1 << 16;

/// Most frames of one call.
const MOST: usize = 32;

/// Frames received in one call, until the next.
pub struct PacketRing {
    slots: Box<[u8]>,
    overflows: Box<[u8]>,
    names: Box<[Name]>,
    controls: Box<[Control]>,
    received: Vec<Arrival>,
}

impl std::fmt::Debug for PacketRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PacketRing")
            .field("slots", &self.names.len())
            .field("received", &self.received.len())
            .finish_non_exhaustive()
    }
}

/// A frame in a ring.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// What the kernel says of it.
    pub arrival: Arrival,
    /// `[virtio-net header 12][frame]`, its beginning.
    pub start: &'a [u8],
    /// The rest of it.
    pub rest: &'a [u8],
}

impl PacketRing {
    /// Longest message whose beginning is all of it.
    pub const SLOT: usize = SLOT;

    /// A ring for so many frames.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self {
            slots: vec![0; slots * SLOT].into_boxed_slice(),
            overflows: vec![0; slots * OVERFLOW].into_boxed_slice(),
            names: (0..slots).map(|_| Name::default()).collect(),
            controls: (0..slots).map(|_| Control::default()).collect(),
            received: Vec::with_capacity(slots),
        }
    }

    /// Receives what is there, at most `most` frames and 32, and says how many. What the ring held is
    /// forgotten.
    ///
    /// # Errors
    /// As [`PacketSocket::recv`].
    pub fn recv(&mut self, socket: &PacketSocket, most: usize) -> io::Result<usize> {
        self.received.clear();
        let short = socket.header_len();
        let Self {
            slots,
            overflows,
            names,
            controls,
            received,
        } = self;
        let places = slots.chunks_exact_mut(SLOT);
        let rooms = places.zip(overflows.chunks_exact_mut(OVERFLOW));
        let rooms = rooms.map(|(slot, overflow)| {
            let (header, frame) = slot.split_at_mut(HEADER);
            header[short..].fill(0);
            [
                IoSliceMut::new(&mut header[..short]),
                IoSliceMut::new(frame),
                IoSliceMut::new(overflow),
            ]
        });
        let rooms = rooms.take(most);
        let mut note = |incoming: Incoming<'_>| {
            let (length, truncated) = (incoming.length, incoming.truncated);
            let (name, control) = (incoming.name, incoming.control);
            received.push(raw::arrival(short, length, truncated, name, control));
        };
        // The headers of a call are cleared for as many messages as it can have.
        let fd = socket.as_fd();
        if most <= FEW {
            mmsg::recv_many::<FEW, 3>(fd, rooms, names, controls, &mut note)?;
        } else {
            mmsg::recv_many::<MOST, 3>(fd, rooms, names, controls, &mut note)?;
        }
        Ok(received.len())
    }

    /// The frame at `index`; nothing beyond the number that [`Self::recv`] said.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> Option<Received<'_>> {
        let arrival = *self.received.get(index)?;
        let small = arrival.length.min(SLOT);
        let rest = (arrival.length - small).min(OVERFLOW);
        Some(Received {
            arrival,
            start: &self.slots[index * SLOT..][..small],
            rest: &self.overflows[index * OVERFLOW..][..rest],
        })
    }
}
