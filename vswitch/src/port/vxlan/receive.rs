//! The receiving half of a trunk: datagrams from the UDP port, frames for tunnel ports.
//!
//! - **Two steps.** Under the lock the engine takes datagrams apart; what it refuses is counted for
//!   the network, or for the underlay where there is none. Without it the frames are coalesced: TCP
//!   segments and datagrams of a flow leave as a superframe, which a TAP takes as cheaply as one
//!   packet.
//! - **One batch at a time.** What does not fit the batch stays in the ring for the next call.
//! - **How much at a time** follows what comes: few slots where each holds 64 KiB (UDP_GRO), so that
//!   all of it is still in the cache when it is forwarded, many where each holds one packet.

use std::borrow::Cow;
use std::net::{IpAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vswitch_wire::{Coalescer, Head, MacAddr, OffloadSet, Output, VNET_LEN, Vni};
use vxlan::{Binding, Ecn, Header, Learned, Observed, Refusal, Remark, Reserved, Source};

use super::state::{Shared, State, is_about_neighbours};
use crate::port::{Batch, Drained, MAX_BATCH, PortId, PortLost, PortRx};
use crate::sys::udp::{Datagrams, RecvRing, drain_errors};

/// Slots of the ring.
const SLOTS: usize = 32;

/// Bytes that are aimed at in one receive.
const AIM: usize = 128 * 1024;

/// Flows that are coalesced at a time.
const GROUPS: usize = 32;

#[derive(Debug)]
pub(super) struct TrunkRx {
    shared: Arc<Shared>,
    socket: UdpSocket,
    ring: RecvRing,
    /// Of the ring, what is still to be forwarded.
    waiting: Range<usize>,
    /// Datagrams of the first of them that were forwarded already.
    begun: usize,
    /// Slots of the next receive.
    slots: usize,
    coalescer: Coalescer,
    lessons: Vec<Lesson>,
}

/// What a frame taught.
#[derive(Debug)]
enum Lesson {
    Station(Vni, MacAddr, IpAddr),
    Neighbour(Vni, Binding, IpAddr),
}

/// Lessons that wait for the lock, at most: whoever sends more of them is not worth it.
const LESSONS: usize = 64;

/// A frame that was accepted.
struct Accepted<'a> {
    port: PortId,
    frame: Cow<'a, [u8]>,
    head: Head,
}

impl TrunkRx {
    pub(super) fn new(shared: Arc<Shared>, socket: UdpSocket) -> Self {
        Self {
            shared,
            socket,
            ring: RecvRing::new(SLOTS),
            waiting: 0..0,
            begun: 0,
            slots: SLOTS,
            coalescer: Coalescer::new(GROUPS, OffloadSet::ALL),
            lessons: Vec::new(),
        }
    }

    /// Fills the ring; tells whether there was anything.
    fn fill(&mut self) -> bool {
        for _ in 0..MAX_BATCH {
            match self.ring.recv(self.socket.as_fd(), self.slots) {
                Ok(count) => {
                    self.waiting = 0..count;
                    return count > 0;
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    let reports = drain_errors(&self.socket, MAX_BATCH);
                    let reports = u64::try_from(reports).unwrap_or(u64::MAX).max(1);
                    self.shared.errors.fetch_add(reports, Ordering::Relaxed);
                }
            }
        }
        false
    }

    /// Forwards what waits, as far as the batch has room.
    fn forward(&mut self, batch: &mut Batch) {
        let now = self.shared.now();
        let portions = self.portions(batch);
        let mut accepted: Vec<Accepted<'_>> = Vec::with_capacity(MAX_BATCH);
        {
            let state = self.shared.read();
            let mut opener = Opener {
                shared: &self.shared,
                state: &state,
                lessons: &mut self.lessons,
                now,
            };
            for (index, datagrams) in portions {
                if let Some(message) = self.ring.get(index) {
                    opener.open(&message, datagrams, batch, &mut accepted);
                }
            }
        }
        for run in accepted.chunk_by(|a, b| a.port == b.port) {
            deliver(run, &mut self.coalescer, batch);
        }
        self.teach(now);
    }

    /// Takes off what waits as much as the batch has room for: of each slot, which datagrams.
    fn portions(&mut self, batch: &Batch) -> Vec<(usize, Range<usize>)> {
        let mut portions = Vec::with_capacity(self.waiting.len());
        let (mut frames, mut bytes) = (0, 0);
        while let Some(index) = self.waiting.next() {
            let Some(datagrams) = self.ring.get(index) else {
                continue;
            };
            let (start, end) = (std::mem::take(&mut self.begun), datagrams.count());
            let length = datagrams.segment * (end - start);
            if batch.has_room(frames + end - start, bytes + length) {
                portions.push((index, start..end));
                (frames, bytes) = (frames + end - start, bytes + length);
                continue;
            }
            // Newer kernels let more datagrams be sent together than a batch holds.
            let part = if portions.is_empty() { MAX_BATCH } else { 0 };
            let middle = (start + part).min(end);
            if start < middle {
                portions.push((index, start..middle));
            }
            if middle < end {
                self.begun = middle;
                self.waiting.start = index;
            }
            break;
        }
        portions
    }

    fn teach(&mut self, now: u32) {
        if self.lessons.is_empty() {
            return;
        }
        let Some(mut state) = self.shared.try_write() else {
            return;
        };
        for lesson in self.lessons.drain(..) {
            match lesson {
                Lesson::Station(vni, mac, peer) => {
                    if let Err(error) = state.vtep.learn(vni, mac, peer, now) {
                        tracing::trace!(%vni, %mac, %peer, %error, "not learned");
                    }
                }
                Lesson::Neighbour(vni, binding, peer) => {
                    if let Some(neighbours) = state.neighbours_mut(vni) {
                        neighbours.learn(binding, Source::Peer(peer), now);
                    }
                }
            }
        }
    }
}

/// Takes datagrams apart, under the lock.
struct Opener<'a> {
    shared: &'a Shared,
    state: &'a State,
    lessons: &'a mut Vec<Lesson>,
    now: u32,
}

impl Opener<'_> {
    fn open<'a>(
        &mut self,
        message: &Datagrams<'a>,
        datagrams: Range<usize>,
        batch: &mut Batch,
        accepted: &mut Vec<Accepted<'a>>,
    ) {
        let outer = Ecn::of(message.tos);
        for datagram in message.iter().take(datagrams.end).skip(datagrams.start) {
            match self.accept(datagram, message.from, outer) {
                Ok(frame) => accepted.push(frame),
                Err(reason) => self.refuse(datagram, reason, batch),
            }
        }
    }

    #[inline]
    fn accept<'a>(
        &mut self,
        datagram: &'a [u8],
        from: IpAddr,
        outer: Ecn,
    ) -> Result<Accepted<'a>, Refusal> {
        let inner = (self.state.vtep).decapsulate(datagram, from, outer, self.now)?;
        let tunnel = self.state.tunnels.get(&inner.vni);
        let tunnel = tunnel.ok_or(Refusal::UnknownVni)?;
        let port = tunnel.port.ok_or(Refusal::UnknownVni)?;
        inner.peer.count_received(1, inner.frame.len() as u64);
        if self.lessons.len() < LESSONS {
            match inner.learn {
                Learned::MustLearn => {
                    let lesson = Lesson::Station(inner.vni, inner.head.src, inner.peer.addr());
                    self.lessons.push(lesson);
                }
                Learned::Known | Learned::Off => {}
            }
            if let Some(neighbours) = &tunnel.neighbours
                && is_about_neighbours(inner.frame, &inner.head)
            {
                let source = Source::Peer(inner.peer.addr());
                match neighbours.observe(inner.frame, &inner.head, source, self.now) {
                    Observed::MustLearn(binding) => {
                        let lesson = Lesson::Neighbour(inner.vni, binding, inner.peer.addr());
                        self.lessons.push(lesson);
                    }
                    Observed::Known | Observed::Nothing => {}
                }
            }
        }
        let mut frame = Cow::Borrowed(inner.frame);
        match inner.remark {
            Remark::Keep => {}
            Remark::Ect1 | Remark::Ce => inner.remark.apply(frame.to_mut(), &inner.head),
        }
        Ok(Accepted {
            port,
            frame,
            head: inner.head,
        })
    }

    /// Counts a datagram for the network that it was for, or for the underlay.
    #[cold]
    fn refuse(&self, datagram: &[u8], reason: Refusal, batch: &mut Batch) {
        let port = Header::parse(datagram, Reserved::Ignore)
            .ok()
            .and_then(|(header, _)| self.state.tunnels.get(&header.vni)?.port);
        match port {
            Some(port) => {
                let bytes = datagram.len().saturating_sub(vxlan::LEN);
                batch.refuse(port, reason, bytes as u64);
            }
            None => self.shared.refuse(reason),
        }
    }
}

/// Coalesces the frames of one port into the batch.
fn deliver(run: &[Accepted<'_>], coalescer: &mut Coalescer, batch: &mut Batch) {
    let [first, ..] = run else { return };
    coalescer.clear();
    for accepted in run {
        coalescer.push(&accepted.frame, &accepted.head);
    }
    for output in coalescer.finish() {
        let copied = batch.push_for(first.port, |room| {
            let (vnet, frame) = room.split_at_mut(VNET_LEN);
            let length = match output {
                Output::Frame {
                    number,
                    vnet: header,
                } => {
                    vnet.copy_from_slice(&header.to_bytes());
                    let bytes = &run[number].frame;
                    let length = bytes.len().min(frame.len());
                    frame[..length].copy_from_slice(&bytes[..length]);
                    length
                }
                Output::Super(merged) => {
                    vnet.copy_from_slice(&merged.vnet.to_bytes());
                    let mut end = merged.header.len();
                    frame[..end].copy_from_slice(merged.header);
                    for (number, range) in merged.pieces() {
                        let piece = &run[number].frame[range];
                        frame[end..end + piece.len()].copy_from_slice(piece);
                        end += piece.len();
                    }
                    end
                }
            };
            Ok(VNET_LEN + length)
        });
        // Writing into memory cannot fail.
        debug_assert!(copied.is_ok());
    }
}

impl PortRx for TrunkRx {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        if self.waiting.is_empty() {
            if !self.fill() {
                return Ok(Drained::Yes);
            }
            let messages = self.waiting.len();
            let bytes: usize = (self.waiting.clone())
                .filter_map(|index| self.ring.get(index))
                .map(|datagrams| datagrams.bytes.len())
                .sum();
            let full = messages == self.slots;
            self.slots = (AIM * messages / bytes.max(1)).clamp(1, SLOTS);
            self.forward(batch);
            // Fewer than asked for: the socket was empty a moment ago, and reports what comes.
            if self.waiting.is_empty() && !full {
                return Ok(Drained::Yes);
            }
        } else {
            self.forward(batch);
        }
        Ok(Drained::No)
    }

    fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
