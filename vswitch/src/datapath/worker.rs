//! A worker: one thread, one event loop, the receiving halves of some ports.
//!
//! - **Run to completion.** A batch is read, forwarded and sent before the next one is read.
//! - **Fairness.** A port that has more than a batch goes to the back of the line of ready ports,
//!   and the event loop is asked for others after every round.
//! - **Edge-triggered.** mio reports a port once; it stays in the line until a read finds it empty.
//! - **Adaptive polling** before it sleeps ([`super::polling`]). An idle switch polls nothing.
//! - **Trunks.** A tunnel's socket delivers for the ports of many networks. Each worker has a
//!   receiving half of its own of a trunk; the batch says per frame which port it is for.
//! - A worker never waits for control. Control's orders come through a channel and a waker.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender};
use hashbrown::HashMap;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::counters::Counter;
use super::events::EventSender;
use super::outbox::Outbox;
use super::polling::Polling;
use super::{DropReason, Frame, Ingress, Snapshot, SwitchEvent, Tick, Verdict};
use crate::port::{Batch, Drained, PortId, PortLost, PortRx, PortState};

/// The token of the waker; those of sources are smaller.
pub(super) const WAKER: Token = Token(usize::MAX);

/// The number of a trunk; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrunkId(pub(super) u32);

/// What a receiving half delivers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Port(PortId),
    Trunk(TrunkId),
}

impl Source {
    /// Tokens of ports are their numbers, those of trunks begin behind the last.
    const FIRST_TRUNK: usize = 1 << 16;

    fn token(self) -> Token {
        Token(match self {
            Self::Port(id) => id.index(),
            Self::Trunk(TrunkId(number)) => Self::FIRST_TRUNK + number as usize,
        })
    }

    /// `None` for the waker.
    fn of(token: Token) -> Option<Self> {
        match (
            u16::try_from(token.0),
            token.0.checked_sub(Self::FIRST_TRUNK),
        ) {
            (Ok(number), _) => Some(Self::Port(PortId::new(number))),
            (Err(_), number) => Some(Self::Trunk(TrunkId(number?.try_into().ok()?))),
        }
    }
}

/// What all workers of a switch share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) events: EventSender,
    pub(super) start: Instant,
    pub(super) poll: Duration,
}

impl Shared {
    pub(super) fn now(&self) -> Tick {
        Tick::from(self.start.elapsed())
    }
}

/// What control tells a worker.
#[derive(Debug)]
pub(super) enum Order {
    /// Serve this source. A port is in the current snapshot.
    Add {
        source: Source,
        rx: Box<dyn PortRx>,
        /// Answered with the outcome of the registration.
        done: Sender<io::Result<()>>,
    },
    /// Serve this source no longer, and close its receiving half.
    Remove { source: Source },
    /// Answer once no batch of an older snapshot is under way.
    Settle { done: Sender<()> },
    /// End.
    Stop,
}

/// Counters of one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Activity {
    frames: Counter,
    batches: Counter,
    sleeps: Counter,
    ports: AtomicU64,
}

/// What a worker has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WorkerStats {
    /// Ports that it serves.
    pub ports: u64,
    /// Frames received.
    pub frames: u64,
    /// Batches that they came in.
    pub batches: u64,
    /// Times it went to sleep.
    pub sleeps: u64,
}

impl Activity {
    pub(super) fn read(&self) -> WorkerStats {
        WorkerStats {
            ports: self.ports.load(Ordering::Relaxed),
            frames: self.frames.get(),
            batches: self.batches.get(),
            sleeps: self.sleeps.get(),
        }
    }
}

/// The state of a worker's thread.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) activity: Arc<Activity>,
    pub(super) orders: Receiver<Order>,
    poll: Poll,
    sources: HashMap<Source, Box<dyn PortRx>>,
    ready: VecDeque<Source>,
    batch: Batch,
    outbox: Outbox,
}

impl Worker {
    pub(super) fn new(
        index: usize,
        shared: Arc<Shared>,
        activity: Arc<Activity>,
        orders: Receiver<Order>,
        poll: Poll,
    ) -> Self {
        Self {
            index,
            shared,
            activity,
            orders,
            poll,
            sources: HashMap::new(),
            ready: VecDeque::new(),
            batch: Batch::new(),
            outbox: Outbox::default(),
        }
    }

    /// Serves until told to stop.
    ///
    /// # Errors
    /// When the event loop itself fails, which nothing can mend.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut polling = Polling::new(self.shared.poll, self.shared.start);
        loop {
            let ordered = self.gather(&mut events, &mut polling)?;
            if ordered && self.obey().is_break() {
                return Ok(());
            }
            let mut busy = false;
            for _ in 0..self.ready.len() {
                busy |= self.serve_next();
            }
            if busy {
                polling.busy(Instant::now());
            }
        }
    }

    /// Waits until a port is ready or control has an order; tells whether it has.
    fn gather(&mut self, events: &mut Events, polling: &mut Polling) -> io::Result<bool> {
        let mut timeout = Some(Duration::ZERO);
        loop {
            match self.poll.poll(events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ordered = false;
            for event in &*events {
                match Source::of(event.token()) {
                    Some(source) if !self.ready.contains(&source) => self.ready.push_back(source),
                    Some(_) => {}
                    None => ordered = true,
                }
            }
            if ordered || !self.ready.is_empty() {
                return Ok(ordered);
            }
            let now = Instant::now();
            if polling.asks_again(now) {
                std::thread::yield_now();
                polling.gave_way(now, Instant::now());
            } else if timeout.is_some() {
                timeout = None;
                self.activity.sleeps.add(1);
            }
        }
    }

    /// Carries out control's orders.
    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Add { source, rx, done } => {
                    let outcome = self.add(source, rx);
                    // Control waits for the answer, unless it is ending.
                    drop(done.send(outcome));
                }
                Order::Remove { source } => self.remove(source),
                Order::Settle { done } => drop(done.send(())),
                Order::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn add(&mut self, source: Source, rx: Box<dyn PortRx>) -> io::Result<()> {
        let descriptor = rx.descriptor();
        self.poll.registry().register(
            &mut SourceFd(&descriptor),
            source.token(),
            Interest::READABLE,
        )?;
        self.sources.insert(source, rx);
        // What came before the registration is not reported.
        self.ready.push_back(source);
        self.count_ports();
        Ok(())
    }

    fn remove(&mut self, source: Source) {
        self.ready.retain(|ready| *ready != source);
        if let Some(rx) = self.sources.remove(&source) {
            // A device that is gone has left the event loop by itself.
            drop(
                self.poll
                    .registry()
                    .deregister(&mut SourceFd(&rx.descriptor())),
            );
        }
        self.count_ports();
    }

    fn count_ports(&self) {
        let ports = (self.sources.keys()).filter(|source| matches!(source, Source::Port(_)));
        self.activity
            .ports
            .store(ports.count() as u64, Ordering::Relaxed);
    }

    /// Serves the source at the head of the line: one batch. Tells whether frames came.
    fn serve_next(&mut self) -> bool {
        let Some(source) = self.ready.pop_front() else {
            return false;
        };
        let Some(rx) = self.sources.get_mut(&source) else {
            return false;
        };
        match source {
            Source::Port(id) => self.batch.begin(id),
            // Says for each frame which port it is for.
            Source::Trunk(_) => self.batch.clear(),
        }
        let outcome = rx.recv(&mut self.batch);
        let busy = !self.batch.is_empty();
        if busy || !self.batch.refused().is_empty() {
            self.forward_batch();
        }
        match outcome {
            Ok(Drained::Yes) => {}
            Ok(Drained::No) => self.ready.push_back(source),
            Err(PortLost) => self.lose(source),
        }
        busy
    }

    fn forward_batch(&mut self) {
        let snapshot = self.shared.snapshot.load();
        let now = self.shared.now();
        process(
            &self.batch,
            &snapshot,
            now,
            self.index,
            &self.shared.events,
            &mut self.outbox,
        );
        self.activity.frames.add(self.batch.len() as u64);
        self.activity.batches.add(1);
    }

    /// The source's device is gone: out of the event loop, so that it cannot spin, and reported.
    fn lose(&mut self, source: Source) {
        self.remove(source);
        match source {
            Source::Port(id) => {
                let snapshot = self.shared.snapshot.load();
                if let Some(port) = snapshot.port(id)
                    && port.state.enter(PortState::Gone)
                {
                    self.shared.events.tell(SwitchEvent::PortGone(id));
                }
            }
            Source::Trunk(id) => tracing::error!(?id, "a tunnel's socket does not work any more"),
        }
    }
}

/// Forwards a batch and sends what comes of it.
pub(super) fn process(
    batch: &Batch,
    snapshot: &Snapshot,
    now: Tick,
    worker: usize,
    events: &EventSender,
    outbox: &mut Outbox,
) {
    for refused in batch.refused() {
        if let Some(port) = snapshot.port(refused.port) {
            let block = port.counters.of(worker);
            block.rx_frames.add(refused.frames);
            block.rx_bytes.add(refused.bytes);
            block.drop_frames(DropReason::Tunnel(refused.reason), refused.frames);
        }
    }
    let mut next = 0;
    while next < batch.len() {
        let port = batch.port(next);
        let end = (next + 1..batch.len())
            .find(|index| batch.port(*index) != port)
            .unwrap_or(batch.len());
        let run = Run {
            port,
            frames: next..end,
        };
        run.forward(batch, snapshot, now, worker, events, outbox);
        next = end;
    }
    outbox.flush(batch, snapshot, worker, events);
}

/// Frames of a batch, one behind the other, that came in through one port.
struct Run {
    port: PortId,
    frames: Range<usize>,
}

impl Run {
    #[inline]
    fn forward(
        self,
        batch: &Batch,
        snapshot: &Snapshot,
        now: Tick,
        worker: usize,
        events: &EventSender,
        outbox: &mut Outbox,
    ) {
        // A port leaves the snapshot before it leaves its worker: what it delivers between is not
        // received, as with an interface that is taken down.
        let Some(attachment) = snapshot.attachment(self.port) else {
            return;
        };
        let macvlan = attachment.network.macvlan();
        let ingress = Ingress {
            snapshot,
            port: &attachment.port,
            network: &attachment.network,
            fdb: attachment.network.fdb.reader(),
            macvlan: macvlan.as_deref().map(|view| &**view),
            events,
        };
        let block = attachment.port.counters.of(worker);
        ingress.expect(
            self.frames
                .clone()
                .map(|index| Frame::new(batch.get(index))),
        );
        block.rx_frames.add(self.frames.len() as u64);
        for index in self.frames {
            let frame = Frame::new(batch.get(index));
            block.rx_bytes.add(frame.ethernet().len() as u64);
            // A batch has at most `MAX_BATCH` frames, which is below 256.
            let number = u8::try_from(index).unwrap_or(u8::MAX);
            match ingress.forward(&frame, now) {
                Ok(Verdict::To(port)) => outbox.push(port.id, number),
                Ok(Verdict::Flood(members)) => {
                    block.replicated.add(members.len() as u64 - 2);
                    for member in members.iter().filter(|member| member.id != self.port) {
                        outbox.push(member.id, number);
                    }
                }
                Ok(Verdict::Each(copies)) => {
                    let mut sent = 0;
                    for port in copies.ports() {
                        outbox.push(port.id, number);
                        sent += 1;
                    }
                    block.replicated.add(sent - 1);
                }
                Ok(Verdict::Consumed) => block.consumed.add(1),
                Err(reason) => block.drop_frames(reason, 1),
            }
        }
    }
}
