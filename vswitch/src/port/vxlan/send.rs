//! The sending half of a tunnel port.
//!
//! First all decisions, under the lock: a [`Plan`]. Then the system calls, without it. What the
//! kernel refuses is told apart: a message that is too long for the path, one that only UDP_SEGMENT
//! does not like (sent again datagram by datagram, and UDP_SEGMENT is not used any more), no memory,
//! no route.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vswitch_wire::{Head, OffloadSet, VNET_LEN, VnetHdr, Vni};
use vxlan::{Answer, Observed, Origin, Route, Source};

use super::plan::{Envelope, Fate, Message, Plan, Sending, Way};
use super::state::{Shared, State, is_about_neighbours};
use super::voice::Voice;
use crate::port::{PortTx, SendReport};
use crate::sys::udp::{self, Outgoing};

/// Reports of the network that are taken off a socket at a time.
const REPORTS: usize = 64;

/// Stations of this host, as the owner of what they say about themselves.
const HERE: Source = Source::Port(0);

thread_local! {
    /// The memory of a worker for what it plans, kept from batch to batch.
    static PLAN: RefCell<Plan> = RefCell::default();
}

#[derive(Debug)]
pub(super) struct TunnelTx {
    shared: Arc<Shared>,
    vni: Vni,
    voice: Arc<Voice>,
}

/// A question or answer about neighbours that taught something.
type Lesson = vxlan::Binding;

impl PortTx for TunnelTx {
    fn send(&self, frames: &[&[u8]], report: &mut SendReport) {
        PLAN.with_borrow_mut(|plan| {
            plan.clear();
            self.decide(frames, plan);
            self.post(frames, plan);
            self.account(frames, plan, report);
        });
    }

    /// The tunnel does all itself: it must, to build its headers.
    fn offload(&self) -> OffloadSet {
        OffloadSet::ALL
    }
}

impl TunnelTx {
    pub(super) fn new(shared: Arc<Shared>, vni: Vni, voice: Arc<Voice>) -> Self {
        Self { shared, vni, voice }
    }

    fn decide(&self, frames: &[&[u8]], plan: &mut Plan) {
        let now = self.shared.now();
        let mut lessons: Vec<Lesson> = Vec::new();
        let state = self.shared.read();
        for frame in frames {
            self.decide_one(&state, frame, plan, &mut lessons, now);
        }
        drop(state);
        if !lessons.is_empty()
            && let Some(mut state) = self.shared.try_write()
            && let Some(neighbours) = state.neighbours_mut(self.vni)
        {
            for lesson in lessons {
                neighbours.learn(lesson, HERE, now);
            }
        }
    }

    #[inline]
    fn decide_one(
        &self,
        state: &State,
        frame: &[u8],
        plan: &mut Plan,
        lessons: &mut Vec<Lesson>,
        now: u32,
    ) {
        let (vnet, ethernet) = match frame.split_first_chunk::<VNET_LEN>() {
            Some((vnet, ethernet)) => (VnetHdr::parse(vnet), ethernet),
            None => return plan.end(Fate::Refused),
        };
        let Ok(head) = Head::parse(ethernet) else {
            return plan.end(Fate::Refused);
        };
        if self.answered(state, ethernet, &head, lessons, now) {
            return plan.end(Fate::Answered);
        }
        let (way, path_mtu) = match state.vtep.route(self.vni, Origin::Local, head.dst, now) {
            Route::One(peer) => {
                let addr = peer.addr();
                (Way::To(addr), state.paths.refreshed(addr, now))
            }
            Route::Group(group) => (Way::To(group), state.paths.refreshed(group, now)),
            Route::Replicate(peers) => {
                if plan.peers.is_empty() {
                    plan.peers.extend(peers.iter().map(vxlan::Peer::addr));
                }
                let paths =
                    (peers.iter()).filter_map(|peer| state.paths.refreshed(peer.addr(), now));
                (Way::Everyone, paths.min())
            }
            Route::Nowhere => return plan.end(Fate::Nobody),
        };
        let Some(encapsulation) = state.vtep.encapsulate(self.vni, ethernet, &head) else {
            return plan.end(Fate::Nobody);
        };
        // A way that nothing is known of is tried.
        let inner_mtu = path_mtu.map_or(u16::MAX, |mtu| {
            mtu.saturating_sub(super::overhead(self.shared.local))
        });
        let outer = encapsulation.outer;
        let sources = NonZeroUsize::new(self.shared.sources.len()).unwrap_or(NonZeroUsize::MIN);
        let fate = plan.add(&Sending {
            ethernet,
            vnet,
            head,
            encapsulation,
            envelope: Envelope {
                way,
                source: outer.socket(sources),
                tos: outer.tos,
                ttl: outer.ttl,
            },
            limit: usize::from(inner_mtu) + vswitch_wire::HEADER_LEN,
            together: self.shared.segmentation.load(Ordering::Relaxed),
        });
        if fate == Fate::TooLong {
            self.voice.complain(ethernet, &head, inner_mtu, now);
        }
    }

    /// Looks at questions and answers about neighbours, and answers what is known.
    fn answered(
        &self,
        state: &State,
        ethernet: &[u8],
        head: &Head,
        lessons: &mut Vec<Lesson>,
        now: u32,
    ) -> bool {
        if !is_about_neighbours(ethernet, head) {
            return false;
        }
        let tunnel = state.tunnels.get(&self.vni);
        let Some(neighbours) = tunnel.and_then(|tunnel| tunnel.neighbours.as_ref()) else {
            return false;
        };
        match neighbours.observe(ethernet, head, HERE, now) {
            Observed::MustLearn(binding) => lessons.push(binding),
            Observed::Known | Observed::Nothing => {}
        }
        match neighbours.answer(ethernet, head, now) {
            // Only in the name of who is behind a peer: a station of this host answers itself, and an
            // answer that came out of the tunnel would teach the switch that it is there.
            Answer::Reply(reply) if self.is_remote(state, reply.as_bytes(), now) => {
                self.voice.say(reply.as_bytes());
                true
            }
            Answer::Reply(_) | Answer::Flood => false,
        }
    }

    /// Whether the source of a frame is known to be behind a peer.
    fn is_remote(&self, state: &State, frame: &[u8], now: u32) -> bool {
        let segment = state.vtep.segment(self.vni);
        Head::parse(frame)
            .ok()
            .zip(segment)
            .is_some_and(|(head, segment)| segment.remote(head.src, now).is_some())
    }

    /// Sends the messages in order, those that follow each other from one socket together.
    fn post(&self, frames: &[&[u8]], plan: &mut Plan) {
        let mut fates = std::mem::take(&mut plan.fates);
        let mut slices = Vec::with_capacity(2 * 64);
        let mut ranges = Vec::with_capacity(plan.messages.len());
        for message in &plan.messages {
            let start = slices.len();
            plan.slices(message.datagrams.clone(), frames, &mut slices);
            ranges.push(start..slices.len());
        }
        let mut letters = Vec::with_capacity(plan.messages.len());
        for (message, range) in plan.messages.iter().zip(ranges) {
            let outgoing = |to| Outgoing {
                to: SocketAddr::new(to, self.shared.port),
                pieces: &slices[range.clone()],
                segment: message.segmented(),
                tos: message.envelope.tos,
                ttl: message.envelope.ttl,
            };
            match message.envelope.way {
                Way::To(addr) => letters.push((message, outgoing(addr))),
                Way::Everyone => {
                    letters.extend(plan.peers.iter().map(|peer| (message, outgoing(*peer))));
                }
            }
        }
        let same_source =
            |a: &(&Message, _), b: &(&Message, _)| a.0.envelope.source == b.0.envelope.source;
        for run in letters.chunk_by(same_source) {
            self.post_run(run, frames, plan, &mut fates);
        }
        plan.fates = fates;
    }

    fn post_run(
        &self,
        run: &[(&Message, Outgoing<'_>)],
        frames: &[&[u8]],
        plan: &Plan,
        fates: &mut [Fate],
    ) {
        let Some(socket) = run
            .first()
            .and_then(|(message, _)| self.shared.sources.get(message.envelope.source))
        else {
            return;
        };
        let outgoing: Vec<_> = run.iter().map(|(_, outgoing)| *outgoing).collect();
        let (mut next, mut again) = (0, false);
        while next < outgoing.len() {
            let (sent, outcome) = udp::send_batch(socket.as_fd(), &outgoing[next..]);
            again &= sent == 0;
            next += sent;
            let Err(error) = outcome else { break };
            // It may be about an earlier datagram: once more, without what the socket had to say.
            let reports = udp::drain_errors(socket, REPORTS);
            self.shared
                .errors
                .fetch_add(reports as u64, Ordering::Relaxed);
            if !again && is_report(&error) {
                again = true;
                continue;
            }
            let (message, letter) = &run[next];
            let fate = self.refused(&error, message, letter, frames, plan);
            if let Some(fate) = fate {
                for frame in message.frames.clone() {
                    if matches!(fates[frame], Fate::Leaves(_)) {
                        fates[frame] = fate;
                    }
                }
            }
            (next, again) = (next + 1, false);
        }
    }

    /// What becomes of the frames of a message that the kernel did not take; nothing when its
    /// datagrams could leave one by one.
    #[cold]
    fn refused(
        &self,
        error: &io::Error,
        message: &Message,
        letter: &Outgoing<'_>,
        frames: &[&[u8]],
        plan: &Plan,
    ) -> Option<Fate> {
        let peer = letter.to.ip();
        match error.raw_os_error() {
            Some(libc::EMSGSIZE) => {
                self.shared.read().paths.surprised(peer);
                Some(Fate::TooLong)
            }
            // What newer kernels call EMSGSIZE.
            Some(libc::EINVAL) if self.outgrows_the_way(message, peer) => Some(Fate::TooLong),
            Some(libc::EIO | libc::EINVAL | libc::EOPNOTSUPP) if letter.segment.is_some() => {
                if self.shared.segmentation.swap(false, Ordering::Relaxed) {
                    tracing::warn!(
                        %error, %peer,
                        "the kernel or the device does not cut datagrams (UDP_SEGMENT): sending them one by one from now on"
                    );
                }
                self.one_by_one(message, letter, frames, plan)
            }
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Some(Fate::Full),
            Some(
                libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ENETDOWN
                | libc::EHOSTDOWN
                | libc::EADDRNOTAVAIL
                | libc::ECONNREFUSED
                | libc::EPERM
                | libc::EACCES,
            ) => Some(Fate::Unreachable),
            _ => Some(Fate::Refused),
        }
    }

    /// Whether the datagrams of a message are longer than the way takes, as the kernel knows it now.
    fn outgrows_the_way(&self, message: &Message, peer: IpAddr) -> bool {
        let inner = message.segment.saturating_sub(vxlan::LEN);
        let packet = inner + usize::from(super::overhead(peer)) - vswitch_wire::HEADER_LEN;
        let mtu = self.shared.read().paths.surprised(peer);
        mtu.is_some_and(|mtu| packet > usize::from(mtu))
    }

    fn one_by_one(
        &self,
        message: &Message,
        letter: &Outgoing<'_>,
        frames: &[&[u8]],
        plan: &Plan,
    ) -> Option<Fate> {
        let socket = self.shared.sources.get(message.envelope.source)?;
        let mut worst = None;
        for datagram in message.datagrams.clone() {
            let mut pieces: Vec<IoSlice<'_>> = Vec::new();
            plan.slices(datagram..datagram + 1, frames, &mut pieces);
            let single = Outgoing {
                pieces: &pieces,
                segment: None,
                ..*letter
            };
            if let (_, Err(error)) = udp::send_batch(socket.as_fd(), &[single]) {
                worst = worst.or_else(|| self.refused(&error, message, &single, frames, plan));
            }
        }
        worst
    }

    /// Books what became of the frames, for the port and for the peers.
    fn account(&self, frames: &[&[u8]], plan: &Plan, report: &mut SendReport) {
        let mut to_peers: Vec<(Way, u64, u64)> = Vec::new();
        for (frame, fate) in frames.iter().zip(&plan.fates) {
            match *fate {
                Fate::Leaves(way) => {
                    let bytes = (frame.len() - VNET_LEN) as u64;
                    report.frames += 1;
                    report.bytes += bytes;
                    match to_peers.iter_mut().find(|(known, _, _)| *known == way) {
                        Some((_, count, sum)) => (*count, *sum) = (*count + 1, *sum + bytes),
                        None => to_peers.push((way, 1, bytes)),
                    }
                }
                Fate::Answered => report.answered += 1,
                Fate::Nobody => report.nobody += 1,
                Fate::TooLong => report.too_long += 1,
                Fate::Refused => report.refused += 1,
                Fate::Full => report.full += 1,
                Fate::Unreachable => report.unreachable += 1,
            }
        }
        if to_peers.is_empty() {
            return;
        }
        let state = self.shared.read();
        let Some(segment) = state.vtep.segment(self.vni) else {
            return;
        };
        for (way, count, bytes) in to_peers {
            match way {
                Way::To(addr) => {
                    if let Some(peer) = segment.peer(addr) {
                        peer.count_sent(count, bytes);
                    }
                }
                Way::Everyone => {
                    for peer in plan.peers.iter().filter_map(|addr| segment.peer(*addr)) {
                        peer.count_sent(count, bytes);
                    }
                }
            }
        }
    }
}

/// Whether an error may be what the network said about an earlier datagram (IP_RECVERR), and not
/// about the one at hand.
fn is_report(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNREFUSED
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
                | libc::EHOSTDOWN
                | libc::EMSGSIZE
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EACCES
                | libc::EOPNOTSUPP
                | libc::ENONET
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_told_from_refusals() {
        for errno in [libc::ECONNREFUSED, libc::EMSGSIZE, libc::EHOSTUNREACH] {
            assert!(is_report(&io::Error::from_raw_os_error(errno)));
        }
        for errno in [libc::EIO, libc::EINVAL, libc::EAGAIN, libc::ENOBUFS] {
            assert!(!is_report(&io::Error::from_raw_os_error(errno)));
        }
    }
}
