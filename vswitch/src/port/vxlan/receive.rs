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

use vswitch_wire::{Coalescer, EtherType, Head, Kind, MacAddr, OffloadSet, Output, VNET_LEN, Vni};
use vxlan::{Binding, Ecn, Header, Inner, Learned, Observed, Refusal, Remark, Reserved, Source};

use super::state::{Shared, State, Tunnel, is_about_neighbours};
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

/// Frames that were accepted, in order.
#[derive(Default)]
struct Accepted<'a> {
    frames: Vec<Cow<'a, [u8]>>,
    runs: Vec<Run<'a>>,
}

/// Frames, one behind the other, for one port and with the same Ethernet header.
struct Run<'a> {
    port: PortId,
    vni: Vni,
    head: Head,
    frames: Range<usize>,
    /// The bytes that decided, of the first of them.
    decisive: &'a [u8; DECISIVE],
    peer: IpAddr,
}

/// VXLAN header, MAC addresses and EtherType. What the engine decides of an untagged frame, it
/// decides by these and the sender.
const DECISIVE: usize = vxlan::LEN + vswitch_wire::HEADER_LEN;

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
        let mut accepted = Accepted {
            frames: Vec::with_capacity(MAX_BATCH),
            runs: Vec::new(),
        };
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
            opener.count(&accepted);
        }
        for runs in accepted.runs.chunk_by(|a, b| a.port == b.port) {
            deliver(runs, &accepted.frames, &mut self.coalescer, batch);
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
        accepted: &mut Accepted<'a>,
    ) {
        let outer = Ecn::of(message.tos);
        for datagram in (message.iter().take(datagrams.end)).skip(datagrams.start) {
            if outer == Ecn::NotEct && accepted.continues(datagram, message.from) {
                accepted.push(&datagram[vxlan::LEN..]);
            } else if let Err(reason) = self.accept(datagram, message.from, outer, accepted) {
                self.refuse(datagram, reason, batch);
            }
        }
    }

    /// Counts what was accepted, for the peers that sent it.
    fn count(&self, accepted: &Accepted<'_>) {
        for run in &accepted.runs {
            let segment = self.state.vtep.segment(run.vni);
            if let Some(peer) = segment.and_then(|segment| segment.peer(run.peer)) {
                let frames = &accepted.frames[run.frames.clone()];
                let bytes: usize = frames.iter().map(|frame| frame.len()).sum();
                peer.count_received(frames.len() as u64, bytes as u64);
            }
        }
    }

    #[inline]
    fn accept<'a>(
        &mut self,
        datagram: &'a [u8],
        from: IpAddr,
        outer: Ecn,
        accepted: &mut Accepted<'a>,
    ) -> Result<(), Refusal> {
        let inner = (self.state.vtep).decapsulate(datagram, from, outer, self.now)?;
        let tunnel = self.state.tunnels.get(&inner.vni);
        let tunnel = tunnel.ok_or(Refusal::UnknownVni)?;
        let port = tunnel.port.ok_or(Refusal::UnknownVni)?;
        self.note(&inner, tunnel);
        let mut frame = Cow::Borrowed(inner.frame);
        match inner.remark {
            Remark::Keep => {}
            Remark::Ect1 | Remark::Ce => inner.remark.apply(frame.to_mut(), &inner.head),
        }
        accepted.begin(port, &inner, datagram);
        accepted.push(frame);
        Ok(())
    }

    /// Keeps what a frame taught until the lock can be had.
    fn note(&mut self, inner: &Inner<'_, '_>, tunnel: &Tunnel) {
        if self.lessons.len() >= LESSONS {
            return;
        }
        let peer = inner.peer.addr();
        match inner.learn {
            Learned::MustLearn => {
                let lesson = Lesson::Station(inner.vni, inner.head.src, peer);
                self.lessons.push(lesson);
            }
            Learned::Known | Learned::Off => {}
        }
        if let Some(neighbours) = &tunnel.neighbours
            && is_about_neighbours(inner.frame, &inner.head)
        {
            match neighbours.observe(inner.frame, &inner.head, Source::Peer(peer), self.now) {
                Observed::MustLearn(binding) => {
                    self.lessons
                        .push(Lesson::Neighbour(inner.vni, binding, peer));
                }
                Observed::Known | Observed::Nothing => {}
            }
        }
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

impl<'a> Accepted<'a> {
    /// Whether a datagram says what the last one said that was accepted, so that it is as well.
    #[inline]
    fn continues(&self, datagram: &[u8], from: IpAddr) -> bool {
        self.runs.last().is_some_and(|run| {
            datagram.starts_with(run.decisive)
                && run.peer == from
                && run.head.payload == vswitch_wire::HEADER_LEN
                // Each of these may teach something else.
                && matches!(run.head.kind, Kind::Ether(kind) if kind != EtherType::ARP)
                && !is_about_neighbours(&datagram[vxlan::LEN..], &run.head)
        })
    }

    /// The next frame begins a run, unless it could have continued the last.
    fn begin(&mut self, port: PortId, inner: &Inner<'_, '_>, datagram: &'a [u8]) {
        // It was decapsulated, so both headers are there.
        if let Some(decisive) = datagram.first_chunk() {
            let frames = self.frames.len()..self.frames.len();
            self.runs.push(Run {
                port,
                vni: inner.vni,
                head: inner.head,
                frames,
                decisive,
                peer: inner.peer.addr(),
            });
        }
    }

    /// The next frame of the last run.
    #[inline]
    fn push(&mut self, frame: impl Into<Cow<'a, [u8]>>) {
        self.frames.push(frame.into());
        if let Some(run) = self.runs.last_mut() {
            run.frames.end = self.frames.len();
        }
    }
}

/// Coalesces the frames of one port into the batch.
fn deliver(
    runs: &[Run<'_>],
    frames: &[Cow<'_, [u8]>],
    coalescer: &mut Coalescer,
    batch: &mut Batch,
) {
    let [first, ..] = runs else { return };
    let frames = &frames[first.frames.start..];
    coalescer.clear();
    for run in runs {
        let start = first.frames.start;
        for frame in &frames[run.frames.start - start..run.frames.end - start] {
            coalescer.push(frame, &run.head);
        }
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
                    let bytes = &frames[number];
                    let length = bytes.len().min(frame.len());
                    frame[..length].copy_from_slice(&bytes[..length]);
                    length
                }
                Output::Super(merged) => {
                    vnet.copy_from_slice(&merged.vnet.to_bytes());
                    let mut end = merged.header.len();
                    frame[..end].copy_from_slice(merged.header);
                    for (number, range) in merged.pieces() {
                        let piece = &frames[number][range];
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
