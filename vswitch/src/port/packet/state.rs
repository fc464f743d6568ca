//! What the halves of an uplink and its handle share.
//!
//! **Facts about the parent** are what the kernel said last, in atomics. Who sends looks whether they are
//! fresh enough: a parent without carrier swallows frames without a word (its queue is `noop_qdisc`, and
//! that answers "sent"), and a superframe's segments must fit an MTU that may have changed. As long as
//! the link is down they are asked for at every batch, so that nothing is lost once it is back.

use std::io;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vswitch_wire::VlanId;

use super::members::Members;
use super::tag::Claimed;
use crate::port::PortState;
use crate::sys::packet::{Gathered, Interface, PacketSocket};

/// How old facts may be before they are asked for again.
const FRESH: Duration = Duration::from_millis(100);

/// Whether an error says that the interface is no more.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENXIO))
}

pub(super) const fn link_of(interface: &Interface) -> PortState {
    if interface.up && interface.running {
        PortState::Up
    } else {
        PortState::Down
    }
}

/// The packet socket as those who send see it; for tests something else.
pub(super) trait Line: std::fmt::Debug {
    fn header_len(&self) -> usize;
    fn interface(&self) -> io::Result<Interface>;
    fn send(&self, frames: &[Gathered<'_>]) -> (usize, io::Result<()>);
}

impl Line for PacketSocket {
    fn header_len(&self) -> usize {
        Self::header_len(self)
    }

    fn interface(&self) -> io::Result<Interface> {
        Self::interface(self)
    }

    fn send(&self, frames: &[Gathered<'_>]) -> (usize, io::Result<()>) {
        Self::send(self, frames)
    }
}

#[derive(Debug)]
pub(super) struct Shared<L = PacketSocket> {
    pub(super) socket: L,
    pub(super) vlan: Option<VlanId>,
    pub(super) claimed: Claimed,
    pub(super) counts: Counts,
    /// Kinds of frames that the kernel does not take, see `send`.
    pub(super) refused: AtomicU8,
    /// Kinds that it has taken.
    pub(super) proven: AtomicU8,
    members: Mutex<Members>,
    start: Instant,
    /// When the facts were asked for, in milliseconds from `start`.
    asked: AtomicU64,
    link: AtomicU8,
    mtu: AtomicU32,
    passed: AtomicU64,
    dropped: AtomicU64,
}

impl<L: Line> Shared<L> {
    pub(super) fn new(socket: L, vlan: Option<VlanId>, interface: &Interface) -> Self {
        let shared = Self {
            socket,
            vlan,
            claimed: Claimed::default(),
            counts: Counts::default(),
            refused: AtomicU8::new(0),
            proven: AtomicU8::new(0),
            members: Mutex::default(),
            start: Instant::now(),
            asked: AtomicU64::new(0),
            link: AtomicU8::new(0),
            mtu: AtomicU32::new(0),
            passed: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        };
        shared.note(link_of(interface));
        shared.mtu.store(interface.mtu, Ordering::Relaxed);
        shared
    }

    pub(super) fn members(&self) -> MutexGuard<'_, Members> {
        // Nothing panics while it is held.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, link: PortState) {
        let number = match link {
            PortState::Up => 0,
            PortState::Down => 1,
            PortState::Gone => 2,
        };
        self.link.store(number, Ordering::Relaxed);
    }

    /// Asks the kernel about the parent and keeps what it says.
    pub(super) fn refresh(&self) -> io::Result<Interface> {
        let elapsed = self.start.elapsed().as_millis();
        let elapsed = u64::try_from(elapsed).unwrap_or(u64::MAX);
        self.asked.store(elapsed, Ordering::Relaxed);
        let answer = self.socket.interface();
        match &answer {
            Ok(interface) => {
                self.mtu.store(interface.mtu, Ordering::Relaxed);
                self.note(link_of(interface));
            }
            Err(error) if is_missing(error) => self.note(PortState::Gone),
            // No memory: what was known stays.
            Err(_) => {}
        }
        answer
    }

    /// The link as the kernel says now; as it said last when it does not answer.
    pub(super) fn link_now(&self) -> PortState {
        match self.refresh() {
            Ok(interface) => link_of(&interface),
            Err(_) => self.link_last(),
        }
    }

    fn link_last(&self) -> PortState {
        match self.link.load(Ordering::Relaxed) {
            0 => PortState::Up,
            1 => PortState::Down,
            _ => PortState::Gone,
        }
    }

    /// The link for those who send: an "up" may be a little old.
    pub(super) fn link_for_sending(&self) -> PortState {
        let asked = Duration::from_millis(self.asked.load(Ordering::Relaxed));
        let fresh = self.start.elapsed().saturating_sub(asked) < FRESH;
        match self.link_last() {
            PortState::Up if fresh => PortState::Up,
            PortState::Up | PortState::Down => self.link_now(),
            PortState::Gone => PortState::Gone,
        }
    }

    /// The parent's MTU, as it was at the last look.
    pub(super) fn mtu(&self) -> usize {
        usize::try_from(self.mtu.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }
}

impl Shared {
    /// Frames that passed the filter, and those of them that the kernel dropped, from the beginning.
    pub(super) fn kernel_counts(&self) -> (u64, u64) {
        // Reading starts the kernel's counters anew, so each count is seen by one reader only.
        let new = self.socket.statistics().unwrap_or_default();
        let add = |counter: &AtomicU64, more: u32| {
            counter.fetch_add(u64::from(more), Ordering::Relaxed) + u64::from(more)
        };
        (
            add(&self.passed, new.passed),
            add(&self.dropped, new.dropped),
        )
    }
}

/// Counters, written by the data path.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) asked: AtomicU64,
    pub(super) heard: AtomicU64,
    pub(super) foreign: AtomicU64,
    pub(super) outgoing: AtomicU64,
    pub(super) truncated: AtomicU64,
    pub(super) unreadable: AtomicU64,
}

/// What passed an uplink, and what it turned away. An uplink that has asked and never heard a unicast frame
/// is on a network that lets only the parent's own address through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UplinkCounts {
    /// Frames that left.
    pub sent: u64,
    /// Frames to send that should have an answer, as long as nothing was heard.
    pub asked: u64,
    /// Unicast frames that came in for the segment.
    pub heard: u64,
    /// Frames of other segments, turned away.
    pub foreign: u64,
    /// Frames that this host sent, turned away.
    pub outgoing: u64,
    /// Frames that did not come whole, turned away.
    pub truncated: u64,
    /// Frames that the kernel could not describe to the switch, lost.
    pub unreadable: u64,
}

impl Counts {
    pub(super) fn read(&self) -> UplinkCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        UplinkCounts {
            sent: of(&self.sent),
            asked: of(&self.asked),
            heard: of(&self.heard),
            foreign: of(&self.foreign),
            outgoing: of(&self.outgoing),
            truncated: of(&self.truncated),
            unreadable: of(&self.unreadable),
        }
    }
}
