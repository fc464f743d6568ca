//! A worker: one thread, one event loop, the receiving halves of some ports.
//!
//! - **Run to completion.** A batch is read, forwarded and sent before the next one is read.
//! - **Fairness.** A port that has more than a batch goes to the back of the line of ready ports,
//!   and the event loop is asked for others after every round.
//! - **Edge-triggered.** mio reports a port once; it stays in the line until a read finds it empty.
//! - **Adaptive polling.** Waking a sleeping thread costs tens of microseconds, most of a round
//!   trip. So after the last frame the worker keeps asking for a short window, giving its core
//!   away to whoever else wants it at every turn, and then sleeps until something comes. An idle
//!   switch polls nothing.
//! - A worker never waits for control. Control's orders come through a channel and a waker.

use std::collections::VecDeque;
use std::io;
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
use super::{Frame, Ingress, Snapshot, SwitchEvent, Tick, Verdict};
use crate::port::{Batch, Drained, PortId, PortLost, PortRx, PortState};

/// The token of the waker; port numbers are smaller.
pub(super) const WAKER: Token = Token(usize::MAX);

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
    /// Serve this port, which is in the current snapshot.
    Add {
        id: PortId,
        rx: Box<dyn PortRx>,
        /// Answered with the outcome of the registration.
        done: Sender<io::Result<()>>,
    },
    /// Serve this port no longer, and close its receiving half.
    Remove { id: PortId },
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
    ports: HashMap<PortId, Box<dyn PortRx>>,
    ready: VecDeque<PortId>,
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
            ports: HashMap::new(),
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
        let mut last_frame = self.shared.start;
        loop {
            let ordered = self.gather(&mut events, last_frame)?;
            if ordered && self.obey().is_break() {
                return Ok(());
            }
            let mut busy = false;
            for _ in 0..self.ready.len() {
                busy |= self.serve_next();
            }
            if busy {
                last_frame = Instant::now();
            }
        }
    }

    /// Waits until a port is ready or control has an order; tells whether it has.
    fn gather(&mut self, events: &mut Events, last_frame: Instant) -> io::Result<bool> {
        let mut timeout = Some(Duration::ZERO);
        loop {
            match self.poll.poll(events, timeout) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut ordered = false;
            for event in &*events {
                match u16::try_from(event.token().0) {
                    Ok(number) if !self.ready.contains(&PortId::new(number)) => {
                        self.ready.push_back(PortId::new(number));
                    }
                    Ok(_) => {}
                    Err(_) => ordered = true,
                }
            }
            if ordered || !self.ready.is_empty() {
                return Ok(ordered);
            }
            if last_frame.elapsed() < self.shared.poll {
                std::thread::yield_now();
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
                Order::Add { id, rx, done } => {
                    let outcome = self.add(id, rx);
                    // Control waits for the answer, unless it is ending.
                    drop(done.send(outcome));
                }
                Order::Remove { id } => self.remove(id),
                Order::Settle { done } => drop(done.send(())),
                Order::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn add(&mut self, id: PortId, rx: Box<dyn PortRx>) -> io::Result<()> {
        let descriptor = rx.descriptor();
        let mut source = SourceFd(&descriptor);
        self.poll
            .registry()
            .register(&mut source, Token(id.index()), Interest::READABLE)?;
        self.ports.insert(id, rx);
        // What came before the registration is not reported.
        self.ready.push_back(id);
        self.activity
            .ports
            .store(self.ports.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn remove(&mut self, id: PortId) {
        self.ready.retain(|ready| *ready != id);
        if let Some(rx) = self.ports.remove(&id) {
            // A device that is gone has left the event loop by itself.
            drop(
                self.poll
                    .registry()
                    .deregister(&mut SourceFd(&rx.descriptor())),
            );
        }
        self.activity
            .ports
            .store(self.ports.len() as u64, Ordering::Relaxed);
    }

    /// Serves the port at the head of the line: one batch. Tells whether frames came.
    fn serve_next(&mut self) -> bool {
        let Some(id) = self.ready.pop_front() else {
            return false;
        };
        let Some(rx) = self.ports.get_mut(&id) else {
            return false;
        };
        self.batch.clear();
        let outcome = rx.recv(&mut self.batch);
        let busy = !self.batch.is_empty();
        if busy {
            self.forward_batch(id);
        }
        match outcome {
            Ok(Drained::Yes) => {}
            Ok(Drained::No) => self.ready.push_back(id),
            Err(PortLost) => self.lose(id),
        }
        busy
    }

    fn forward_batch(&mut self, id: PortId) {
        let snapshot = self.shared.snapshot.load();
        let now = self.shared.now();
        process(
            id,
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

    /// The port's device is gone: out of the event loop, so that it cannot spin, and reported.
    fn lose(&mut self, id: PortId) {
        self.remove(id);
        let snapshot = self.shared.snapshot.load();
        if let Some(port) = snapshot.port(id)
            && port.state.enter(PortState::Gone)
        {
            self.shared.events.tell(SwitchEvent::PortGone(id));
        }
    }
}

/// Forwards a batch received from port `id` and sends what comes of it.
pub(super) fn process(
    id: PortId,
    batch: &Batch,
    snapshot: &Snapshot,
    now: Tick,
    worker: usize,
    events: &EventSender,
    outbox: &mut Outbox,
) {
    // A port leaves the snapshot before it leaves its worker: what it delivers between is not
    // received, as with an interface that is taken down.
    let Some(attachment) = snapshot.attachment(id) else {
        return;
    };
    let ingress = Ingress {
        snapshot,
        port: &attachment.port,
        network: &attachment.network,
        fdb: attachment.network.fdb.reader(),
        events,
    };
    let block = attachment.port.counters.of(worker);
    for index in 0..batch.len() {
        let frame = Frame::new(batch.get(index));
        block.rx_frames.add(1);
        block.rx_bytes.add(frame.ethernet().len() as u64);
        // A batch has at most `MAX_BATCH` frames, which is below 256.
        let number = u8::try_from(index).unwrap_or(u8::MAX);
        match ingress.forward(&frame, now) {
            Ok(Verdict::To(port)) => outbox.push(port.id, number),
            Ok(Verdict::Flood(members)) => {
                block.replicated.add(members.len() as u64 - 2);
                for member in members.iter().filter(|member| member.id != id) {
                    outbox.push(member.id, number);
                }
            }
            Ok(Verdict::Consumed) => block.consumed.add(1),
            Err(reason) => block.drop_frames(reason, 1),
        }
    }
    outbox.flush(batch, snapshot, worker, events);
}
