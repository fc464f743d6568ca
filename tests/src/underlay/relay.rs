//! The seeded relay: a wire in user space between TAPs, one in each host's namespace, that treats frames as
//! badly as it is told.
//!
//! - The TAPs have no offload, so what is read is what a wire would carry: no superframe, every checksum
//!   complete. A flipped bit then means something.
//! - It knows every host's address, so it learns nothing: a frame for a host goes to that host, one for a
//!   group to all others, and one for nobody nowhere.
//! - One thread does it all, asleep unless a frame comes or one that is kept back is due. It ends, and the
//!   devices with it, when the value is dropped, also by a panic.

use super::impair::{Impairment, Lane, Tally};
use crate::Must;
use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};
use std::{
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Instant,
};
use vswitch::sys::{PortFault, Tun};
use vswitch_wire::MacAddr;

/// Frames read from one host before the next has its turn.
const TURN: usize = 64;
/// Longer than any frame of a TAP without offload.
const ROOM: usize = 70_000;

/// The lanes between all hosts.
#[derive(Debug)]
struct Lanes {
    /// From the first to each, from the second to each, ...
    lanes: Vec<Lane>,
    hosts: usize,
}

impl Lanes {
    fn number(index: usize) -> u64 {
        index as u64
    }

    fn new(hosts: usize, rule: Impairment) -> Self {
        let lane = |index| Lane::new(rule, Self::number(index));
        Self {
            lanes: (0..hosts * hosts).map(lane).collect(),
            hosts,
        }
    }

    fn change(&mut self, rule: Impairment) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            lane.change(rule, Self::number(index));
        }
    }

    fn tally(&self) -> Tally {
        let mut all = Tally::default();
        for lane in &self.lanes {
            all += lane.tally();
        }
        all
    }
}

/// What the thread shares with the test.
#[derive(Debug)]
struct Shared {
    lanes: Mutex<Lanes>,
    stop: AtomicBool,
    /// Readable when the thread shall look at `stop`.
    wake: OwnedFd,
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running relay.
#[derive(Debug)]
pub(super) struct Relay {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Relay {
    /// Joins hosts, each by its TAP and its address.
    pub(super) fn start(hosts: Vec<(Tun, MacAddr)>, rule: Impairment) -> Self {
        let shared = Arc::new(Shared {
            lanes: Mutex::new(Lanes::new(hosts.len(), rule)),
            stop: AtomicBool::new(false),
            wake: eventfd(0, EventfdFlags::CLOEXEC).must("an eventfd"),
        });
        let thread = {
            let shared = Arc::clone(&shared);
            let builder = thread::Builder::new().name("relay".to_owned());
            builder.spawn(move || run(&hosts, &shared))
        };
        Self {
            shared,
            thread: Some(thread.must("a thread")),
        }
    }

    /// Another rule from now on, with fresh dice.
    pub(super) fn change(&self, rule: Impairment) {
        self.shared.lanes().change(rule);
    }

    /// What it did so far.
    pub(super) fn tally(&self) -> Tally {
        self.shared.lanes().tally()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        let _woken = rustix::io::write(&self.shared.wake, &1u64.to_ne_bytes());
        let ended = self.thread.take().map(JoinHandle::join);
        // A relay that has panicked has relayed nothing since.
        if matches!(ended, Some(Err(_))) && !thread::panicking() {
            panic!("the relay's thread panicked");
        }
    }
}

fn run(hosts: &[(Tun, MacAddr)], shared: &Shared) {
    let mut room = vec![0; ROOM];
    while !shared.stop.load(Ordering::Acquire) {
        let next = {
            let mut lanes = shared.lanes();
            for (from, (tun, _)) in hosts.iter().enumerate() {
                read(tun, &mut room, |frame| {
                    forward(hosts, &mut lanes, from, frame);
                });
            }
            deliver(hosts, &mut lanes)
        };
        wait(hosts, shared, next);
    }
}

/// Takes what a host has sent, at most its turn.
fn read(tun: &Tun, room: &mut [u8], mut take: impl FnMut(&[u8])) {
    for _ in 0..TURN {
        match tun.recv(room) {
            Ok(length) => take(&room[..length]),
            Err(error) if PortFault::of(&error) == PortFault::WouldBlock => return,
            // Down, or gone with its host.
            Err(_) => return,
        }
    }
}

fn forward(hosts: &[(Tun, MacAddr)], lanes: &mut Lanes, from: usize, frame: &[u8]) {
    let Some(&dst) = frame.first_chunk::<6>() else {
        return;
    };
    let dst = MacAddr::new(dst);
    let now = Instant::now();
    let count = lanes.hosts;
    for (to, (_, mac)) in hosts.iter().enumerate() {
        if to != from && (*mac == dst || !dst.is_unicast()) {
            lanes.lanes[from * count + to].offer(frame, now);
        }
    }
}

/// Writes all that has arrived; when the next will have.
fn deliver(hosts: &[(Tun, MacAddr)], lanes: &mut Lanes) -> Option<Instant> {
    let now = Instant::now();
    let count = lanes.hosts;
    for (index, lane) in lanes.lanes.iter_mut().enumerate() {
        let (tun, _) = &hosts[index % count];
        while let Some(frame) = lane.take(now) {
            // To a host whose interface is down, nothing arrives.
            let _written = tun.send(&frame);
        }
    }
    lanes.lanes.iter().filter_map(Lane::next).min()
}

/// Until a frame comes, one is due, or the end.
fn wait(hosts: &[(Tun, MacAddr)], shared: &Shared, next: Option<Instant>) {
    let mut fds: Vec<PollFd<'_>> = (hosts.iter())
        .map(|(tun, _)| PollFd::new(tun, PollFlags::IN))
        .collect();
    fds.push(PollFd::new(&shared.wake, PollFlags::IN));
    let timeout = next.map(|next| {
        let left = next.saturating_duration_since(Instant::now());
        Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        }
    });
    match poll(&mut fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => panic!("poll: {error}"),
    }
}
