//! Frames received in one go.
//!
//! A batch is bounded in frames and in bytes: many small frames or a few superframes, one after
//! the other in a single arena, so that the working set of a worker is about its core's L2 cache.
//! Each frame has room in front of it for what a later stage may push (VLAN tag, tunnel header).
//!
//! A frame names the port that it came in through. That is the port whose receiving half filled the
//! batch ([`Batch::begin`]), unless the half is a trunk, which says so frame by frame
//! ([`Batch::push_for`]): a tunnel's socket delivers for many networks.

use std::io;
use std::ops::Range;

use vswitch_wire::VNET_LEN;
use vxlan::Refusal;

use super::PortId;

/// Most frames in a batch.
pub const MAX_BATCH: usize = 128;

/// Longest frame: an IPv6 packet, whose length field leaves its own header out, behind an Ethernet
/// header with two VLAN tags. A UDP superframe may be that long.
pub const MAX_FRAME: usize = 14 + 8 + 40 + 65_535;

/// Room in front of each frame, its virtio-net header not counted, in bytes.
pub const HEADROOM: usize = 64;

/// Bytes that one frame of any size needs.
const LARGEST: usize = HEADROOM + VNET_LEN + MAX_FRAME;

/// Eight superframes, or [`MAX_BATCH`] ordinary ones. Measured on the TCP loads of `vswitch-perf compare bridge`: with four
/// the processor time for a gigabit is a sixth more, sixteen gain no more.
const ARENA: usize = 8 * LARGEST.next_multiple_of(64);

/// Received frames, in order, each with its virtio-net header.
#[derive(Debug)]
pub struct Batch {
    arena: Box<[u8]>,
    frames: Vec<Received>,
    refused: Vec<Refused>,
    used: usize,
    port: PortId,
}

#[derive(Debug)]
struct Received {
    port: PortId,
    range: Range<usize>,
}

/// Frames that came in for a port and were turned away before they could be one of its frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The port.
    pub port: PortId,
    /// Why.
    pub reason: Refusal,
    /// How many, one behind the other.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch. Its memory is touched only as frames come in.
    #[must_use]
    pub fn new() -> Self {
        Self {
            arena: vec![0; ARENA].into_boxed_slice(),
            frames: Vec::with_capacity(MAX_BATCH),
            refused: Vec::new(),
            used: 0,
            port: PortId::new(0),
        }
    }

    /// Forgets all frames.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.refused.clear();
        self.used = 0;
    }

    /// Starts over, for what comes in through `port`.
    pub fn begin(&mut self, port: PortId) {
        self.clear();
        self.port = port;
    }

    /// Number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether there are no frames.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether a frame of any size no longer fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.frames.len() == MAX_BATCH || self.used + LARGEST > self.arena.len()
    }

    /// Whether so many ordinary frames of together so many bytes still fit, as one frame or each
    /// for itself.
    #[must_use]
    pub fn has_room(&self, frames: usize, bytes: usize) -> bool {
        let overhead = HEADROOM + VNET_LEN + 64;
        self.frames.len() + frames <= MAX_BATCH
            && self.used + bytes + frames * overhead + LARGEST <= self.arena.len()
    }

    /// Appends what `read` puts into the buffer it is given: the virtio-net header and the frame.
    /// It returns the number of bytes. Nothing is appended to a full batch, or when it fails.
    ///
    /// # Errors
    /// Those of `read`.
    #[inline]
    pub fn push_with(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        self.push_for(self.port, read)
    }

    /// As [`Self::push_with`], from a trunk: the frame came in through `port`.
    ///
    /// # Errors
    /// Those of `read`.
    #[inline]
    pub fn push_for(
        &mut self,
        port: PortId,
        read: impl FnOnce(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<()> {
        if self.is_full() {
            return Ok(());
        }
        let start = self.used + HEADROOM;
        let room = &mut self.arena[start..start + VNET_LEN + MAX_FRAME];
        let length = read(room)?.min(VNET_LEN + MAX_FRAME);
        let range = start..start + length;
        self.frames.push(Received { port, range });
        // Whole cache lines, so that no two frames share one.
        self.used = (start + length).next_multiple_of(64);
        Ok(())
    }

    /// Appends a frame of which `fill` says where it lies in the room that it is given: [`HEADROOM`]
    /// bytes, and then as much as [`Self::push_with`] gives. So a header can grow towards the front when
    /// the rest is there already. Nothing is appended to a full batch, or when there is no frame.
    #[inline]
    pub fn push_within(&mut self, fill: impl FnOnce(&mut [u8]) -> Option<Range<usize>>) {
        if self.is_full() {
            return;
        }
        let start = self.used;
        let Some(range) = fill(&mut self.arena[start..start + LARGEST]) else {
            return;
        };
        let end = range.end.min(LARGEST);
        let range = start + range.start.min(end)..start + end;
        self.used = range.end.next_multiple_of(64);
        let port = self.port;
        self.frames.push(Received { port, range });
    }

    /// Notes a frame of `bytes` that was turned away at the door of `port`.
    pub fn refuse(&mut self, port: PortId, reason: Refusal, bytes: u64) {
        match self.refused.last_mut() {
            Some(last) if last.port == port && last.reason == reason => {
                last.frames += 1;
                last.bytes += bytes;
            }
            _ => self.refused.push(Refused {
                port,
                reason,
                frames: 1,
                bytes,
            }),
        }
    }

    /// What was turned away.
    #[must_use]
    pub fn refused(&self) -> &[Refused] {
        &self.refused
    }

    /// The port that the frame at `index` came in through.
    ///
    /// # Panics
    /// When there is no such frame.
    #[must_use]
    #[inline]
    pub fn port(&self, index: usize) -> PortId {
        self.frames[index].port
    }

    /// The frame at `index`, its virtio-net header included.
    ///
    /// # Panics
    /// When there is no such frame.
    #[must_use]
    #[inline]
    pub fn get(&self, index: usize) -> &[u8] {
        &self.arena[self.frames[index].range.clone()]
    }

    /// As [`Self::get`], to change it in place.
    ///
    /// # Panics
    /// When there is no such frame.
    #[must_use]
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> &mut [u8] {
        &mut self.arena[self.frames[index].range.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(batch: &mut Batch, length: usize, byte: u8) {
        batch
            .push_with(|room| {
                room[..length].fill(byte);
                Ok(length)
            })
            .unwrap();
    }

    #[test]
    fn small_frames_are_bounded_by_number() {
        let mut batch = Batch::new();
        for byte in 0..200 {
            push(&mut batch, 76, byte);
        }
        assert_eq!(batch.len(), MAX_BATCH);
        for (index, byte) in (0..128).enumerate() {
            assert_eq!(batch.get(index), [byte; 76]);
        }
    }

    #[test]
    fn superframes_are_bounded_by_bytes() {
        let mut batch = Batch::new();
        for byte in 0..100 {
            push(&mut batch, VNET_LEN + MAX_FRAME, byte);
        }
        assert_eq!(batch.len(), 8);
        for (index, number) in (0..8).enumerate() {
            assert!(batch.get(index).iter().all(|&byte| byte == number));
        }
    }

    #[test]
    fn a_failed_read_appends_nothing() {
        let mut batch = Batch::new();
        assert!(
            batch
                .push_with(|_| Err(io::ErrorKind::WouldBlock.into()))
                .is_err()
        );
        assert!(batch.is_empty());
    }

    #[test]
    fn the_longest_frame_fits_wherever_a_batch_is_not_full() {
        let mut batch = Batch::new();
        for used in (0..=ARENA - LARGEST).step_by(64) {
            batch.clear();
            while batch.used < used {
                let length = used - batch.used - HEADROOM;
                push(&mut batch, length.min(VNET_LEN + MAX_FRAME), 1);
            }
            assert_eq!(batch.used, used);
            assert!(!batch.is_full());
            push(&mut batch, VNET_LEN + MAX_FRAME, 2);
            let last = batch.get(batch.len() - 1);
            assert_eq!(last.len(), VNET_LEN + MAX_FRAME);
            // Does not panic either.
            while !batch.is_full() {
                push(&mut batch, VNET_LEN + MAX_FRAME, 3);
            }
        }
    }

    #[test]
    fn a_frame_names_its_port_and_what_was_refused_is_added_up() {
        let mut batch = Batch::new();
        batch.begin(PortId::new(7));
        push(&mut batch, 100, 1);
        batch.push_for(PortId::new(9), |_| Ok(60)).unwrap();
        assert_eq!(
            (batch.port(0), batch.port(1)),
            (PortId::new(7), PortId::new(9))
        );
        let (one, other) = (PortId::new(1), PortId::new(2));
        batch.refuse(one, Refusal::UnlistedPeer, 60);
        batch.refuse(one, Refusal::UnlistedPeer, 70);
        batch.refuse(other, Refusal::UnlistedPeer, 80);
        batch.refuse(other, Refusal::OwnSource, 90);
        let refused: Vec<_> = (batch.refused().iter())
            .map(|refused| (refused.port, refused.reason, refused.frames, refused.bytes))
            .collect();
        assert_eq!(
            refused,
            [
                (one, Refusal::UnlistedPeer, 2, 130),
                (other, Refusal::UnlistedPeer, 1, 80),
                (other, Refusal::OwnSource, 1, 90),
            ]
        );
        batch.begin(one);
        assert!(batch.is_empty() && batch.refused().is_empty());
    }

    #[test]
    fn a_frame_grows_into_its_headroom_and_touches_no_other() {
        let mut batch = Batch::new();
        batch.begin(PortId::new(3));
        push(&mut batch, 70, 1);
        batch.push_within(|_| None);
        batch.push_within(|room| {
            assert_eq!(room.len(), HEADROOM + VNET_LEN + MAX_FRAME);
            room[HEADROOM - 4..HEADROOM + 100].fill(2);
            Some(HEADROOM - 4..HEADROOM + 100)
        });
        batch.push_within(|room| {
            room.fill(3);
            // Further than there is room.
            Some(0..room.len() + 1)
        });
        push(&mut batch, 70, 4);
        assert_eq!((batch.len(), batch.port(1)), (4, PortId::new(3)));
        for (index, (length, byte)) in [(70, 1), (104, 2), (LARGEST, 3), (70, 4)]
            .iter()
            .enumerate()
        {
            assert_eq!(batch.get(index), vec![*byte; *length]);
        }
        while !batch.is_full() {
            batch.push_within(|_| Some(0..1));
        }
        let frames = batch.len();
        batch.push_within(|_| panic!("it is full"));
        assert_eq!(batch.len(), frames);
    }

    #[test]
    fn where_there_is_room_it_suffices() {
        for (frames, bytes) in [(1, 65_507), (64, 65_507), (64, 64 * 14), (10, 15_000)] {
            let mut batch = Batch::new();
            let mut asked = 0;
            while batch.has_room(frames, bytes) {
                asked += frames;
                for _ in 0..frames {
                    push(&mut batch, VNET_LEN + bytes / frames, 1);
                }
                assert_eq!(batch.len(), asked);
            }
            assert!(
                asked > 0,
                "{frames} frames of {bytes} bytes fit an empty batch"
            );
        }
    }

    #[test]
    fn a_cleared_batch_starts_over_and_a_frame_can_be_changed() {
        let mut batch = Batch::new();
        push(&mut batch, 100, 1);
        batch.clear();
        assert!(batch.is_empty());
        push(&mut batch, 50, 2);
        batch.get_mut(0)[0] = 9;
        assert_eq!(batch.get(0)[..2], [9, 2]);
        assert_eq!(batch.get(0).len(), 50);
    }
}
