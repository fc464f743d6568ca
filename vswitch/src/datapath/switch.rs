//! The switch as control sees it: networks and ports come and go, numbers are read.
//!
//! All changes go through one lock, build a new [`Snapshot`] and swap it in. Removing a port
//! returns only when no worker can touch it any more, so that its device is gone when the caller
//! goes on.

mod mtu;
mod trunk;

use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use mio::{Poll, Waker};
use vswitch_wire::OffloadSet;

use super::counters::{PortCounters, Tally};
use super::events::EventSender;
use super::snapshot::{Attachment, NetworkView, PortView, StateCell};
use super::worker::{Activity, Order, Shared, Source, WAKER, Worker};
use super::{
    Fdb, Flush, NetworkId, NetworkSettings, Relay, Snapshot, SwitchEvent, Tick, WorkerStats,
};
use crate::port::macvlan::ChildError;
use crate::port::{MAX_PORTS, Port, PortId, PortRx, PortState};
use crate::sys::prepare_writes;

/// How a switch is to run.
#[derive(Clone, Copy, Debug)]
pub struct SwitchConfig {
    /// Worker threads.
    pub workers: NonZeroUsize,
    /// How long a worker keeps polling after the last frame before it sleeps.
    pub poll: Duration,
}

impl SwitchConfig {
    /// The adaptive polling window when nothing else is asked for.
    pub const DEFAULT_POLL: Duration = Duration::from_micros(100);
}

impl Default for SwitchConfig {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            poll: Self::DEFAULT_POLL,
        }
    }
}

/// The switch could not start.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot start worker thread {worker}: {source}; check the limits on threads and open files"
)]
pub struct StartError {
    worker: usize,
    source: io::Error,
}

/// A port could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddPortError {
    /// All numbers are in use.
    #[error("the switch has {MAX_PORTS} ports, which is all it can have: remove one")]
    TooMany,
    /// The network was removed.
    #[error("network {0} is not on the switch")]
    NoSuchNetwork(NetworkId),
    /// The macvlan segment refuses it.
    #[error(transparent)]
    Child(ChildError),
    /// The worker could not watch the port's descriptor.
    #[error("cannot watch the port's descriptor: {0}")]
    Watch(#[source] io::Error),
}

/// A port's counters and state.
#[derive(Clone, Debug)]
pub struct PortStats {
    /// Its counters.
    pub tally: Tally,
    /// Its state.
    pub state: PortState,
    /// What it takes over.
    pub offload: OffloadSet,
    /// Its MTU.
    pub mtu: u16,
}

#[derive(Debug)]
struct WorkerHandle {
    orders: Sender<Order>,
    waker: Waker,
    activity: Arc<Activity>,
    thread: Option<JoinHandle<()>>,
}

impl WorkerHandle {
    fn order(&self, order: Order) {
        // A worker ends only with its handle; a failed wake-up has no remedy but the next one.
        if self.orders.send(order).is_err() || self.waker.wake().is_err() {
            tracing::error!("a worker thread does not take orders any more");
        }
    }
}

/// Also when the switch could not start, for want of a later worker: no thread stays behind.
impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.order(Order::Stop);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("a worker thread had panicked");
        }
    }
}

#[derive(Debug)]
struct PortRecord {
    view: Arc<PortView>,
    network: NetworkId,
    worker: usize,
}

#[derive(Debug)]
struct NetworkRecord {
    settings: NetworkSettings,
    fdb: Arc<Fdb>,
    relay: Relay,
}

#[derive(Debug, Default)]
struct State {
    ports: BTreeMap<PortId, PortRecord>,
    networks: BTreeMap<NetworkId, NetworkRecord>,
    next_network: u32,
    next_trunk: u32,
    /// Counters of ports that were removed, so that the books still close.
    retired: Tally,
}

/// A running switch. Dropping it ends the workers and closes all ports.
#[derive(Debug)]
pub struct Switch {
    shared: Arc<Shared>,
    workers: Vec<WorkerHandle>,
    events: Receiver<SwitchEvent>,
    state: Mutex<State>,
}

impl Switch {
    /// Starts the workers.
    ///
    /// # Errors
    /// When a thread or its event loop cannot be made.
    pub fn start(config: &SwitchConfig) -> Result<Arc<Self>, StartError> {
        let (sender, events) = EventSender::channel();
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::default(),
            events: sender,
            start: Instant::now(),
            poll: config.poll,
        });
        let workers = (0..config.workers.get())
            .map(|worker| {
                start_worker(worker, &shared).map_err(|source| StartError { worker, source })
            })
            .collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            shared,
            workers,
            events,
            state: Mutex::default(),
        }))
    }

    /// What happens on the data path. All receivers share one queue.
    #[must_use]
    pub fn events(&self) -> Receiver<SwitchEvent> {
        self.events.clone()
    }

    /// Events that were lost because nobody took them in time.
    #[must_use]
    pub fn events_lost(&self) -> u64 {
        self.shared.events.lost()
    }

    /// The data path's time.
    #[must_use]
    pub fn now(&self) -> Tick {
        self.shared.now()
    }

    /// Adds a network without ports, which learns.
    pub fn add_network(&self, settings: NetworkSettings) -> NetworkId {
        self.add_relay(settings, Relay::Learning)
    }

    /// Adds a network without ports.
    pub fn add_relay(&self, settings: NetworkSettings, relay: Relay) -> NetworkId {
        let mut state = self.lock();
        let id = NetworkId(state.next_network);
        state.next_network += 1;
        let seed = std::hash::RandomState::new().hash_one(id.0);
        let fdb = Arc::new(Fdb::new(
            settings.ageing.secs(),
            settings.max_entries.as_usize(),
            seed,
        ));
        let record = NetworkRecord {
            settings,
            fdb,
            relay,
        };
        state.networks.insert(id, record);
        id
    }

    /// Changes a network's settings; tells whether there is such a network.
    pub fn update_network(&self, id: NetworkId, settings: NetworkSettings) -> bool {
        let mut state = self.lock();
        let Some(network) = state.networks.get_mut(&id) else {
            return false;
        };
        network.settings = settings;
        network
            .fdb
            .configure(settings.ageing.secs(), settings.max_entries.as_usize());
        let fdb = Arc::clone(&network.fdb);
        self.publish(&state);
        if !settings.learning {
            // What was learned would mislead for as long as it takes to age: nothing moves it now.
            self.settle();
            fdb.flush(&Flush::default());
        }
        true
    }

    /// Removes a network and the ports still in it.
    pub fn remove_network(&self, id: NetworkId) {
        // One hold of the lock, or a port could be added in between and outlive its network.
        let mut state = self.lock();
        let ports: Vec<_> = (state.ports.iter())
            .filter(|(_, port)| port.network == id)
            .map(|(id, _)| *id)
            .collect();
        for port in ports {
            self.drop_port(&mut state, port);
        }
        state.networks.remove(&id);
    }

    /// Puts a port into a network; frames pass when this returns.
    ///
    /// # Errors
    /// See [`AddPortError`]; the port is closed then.
    pub fn add_port(&self, network: NetworkId, port: Port) -> Result<PortId, AddPortError> {
        self.add_port_with(network, port, |_| Ok(()))
    }

    /// As [`Self::add_port`]; `admit` is told the number before the first frame is received, and
    /// may refuse.
    ///
    /// # Errors
    /// See [`AddPortError`]; the port is closed then.
    pub fn add_port_with(
        &self,
        network: NetworkId,
        port: Port,
        admit: impl FnOnce(PortId) -> Result<(), ChildError>,
    ) -> Result<PortId, AddPortError> {
        let mut state = self.lock();
        if !state.networks.contains_key(&network) {
            return Err(AddPortError::NoSuchNetwork(network));
        }
        let id = free_port(&state).ok_or(AddPortError::TooMany)?;
        let view = Arc::new(PortView {
            id,
            mtu_now: port.mtu.into(),
            offload: port.tx.offload(),
            tx: port.tx,
            counters: PortCounters::new(self.workers.len()),
            state: StateCell::up(),
        });
        let worker = self.least_loaded(&state);
        state.ports.insert(
            id,
            PortRecord {
                view,
                network,
                worker,
            },
        );
        self.publish(&state);
        let served = admit(id)
            .map_err(AddPortError::Child)
            .and_then(|()| self.serve(worker, Source::Port(id), port.rx));
        match served {
            Ok(()) => Ok(id),
            Err(error) => {
                self.drop_port(&mut state, id);
                Err(error)
            }
        }
    }

    /// Gives a source to a worker, and waits until it is served.
    fn serve(
        &self,
        worker: usize,
        source: Source,
        rx: Box<dyn PortRx>,
    ) -> Result<(), AddPortError> {
        let (done, outcome) = bounded(1);
        self.workers[worker].order(Order::Add { source, rx, done });
        outcome
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
            .map_err(AddPortError::Watch)
    }

    /// Removes a port. When this returns, both halves are closed and nothing refers to it any
    /// more.
    pub fn remove_port(&self, id: PortId) {
        self.drop_port(&mut self.lock(), id);
    }

    fn drop_port(&self, state: &mut State, id: PortId) {
        let Some(record) = state.ports.remove(&id) else {
            return;
        };
        self.publish(state);
        let source = Source::Port(id);
        self.workers[record.worker].order(Order::Remove { source });
        self.settle();
        if let Some(network) = state.networks.get(&record.network) {
            network.fdb.forget_port(id);
        }
        state.retired.add(&record.view.counters.read());
    }

    /// Waits until every worker has ended the batch that it was at.
    fn settle(&self) {
        let (done, settled) = bounded(self.workers.len());
        for worker in &self.workers {
            worker.order(Order::Settle { done: done.clone() });
        }
        drop(done);
        while settled.recv().is_ok() {}
    }

    /// A network's forwarding database.
    #[must_use]
    pub fn fdb(&self, network: NetworkId) -> Option<Arc<Fdb>> {
        self.lock()
            .networks
            .get(&network)
            .map(|network| Arc::clone(&network.fdb))
    }

    /// A port's counters and state.
    #[must_use]
    pub fn port_stats(&self, id: PortId) -> Option<PortStats> {
        self.lock().ports.get(&id).map(|port| PortStats {
            tally: port.view.counters.read(),
            state: port.view.state.get(),
            offload: port.view.offload,
            mtu: port.view.mtu(),
        })
    }

    /// The counters of all ports, those that were removed included.
    #[must_use]
    pub fn totals(&self) -> Tally {
        let state = self.lock();
        let mut totals = state.retired.clone();
        for port in state.ports.values() {
            totals.add(&port.view.counters.read());
        }
        totals
    }

    /// What the workers have done.
    #[must_use]
    pub fn workers(&self) -> Vec<WorkerStats> {
        self.workers
            .iter()
            .map(|worker| worker.activity.read())
            .collect()
    }

    /// A panic under the lock leaves a state that is still whole: every change is one insertion
    /// or removal.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn least_loaded(&self, state: &State) -> usize {
        let mut load = vec![0usize; self.workers.len()];
        for port in state.ports.values() {
            load[port.worker] += 1;
        }
        (0..load.len())
            .min_by_key(|worker| load[*worker])
            .unwrap_or(0)
    }

    /// Swaps in the picture of `state`.
    fn publish(&self, state: &State) {
        let mut networks: BTreeMap<_, _> = (state.networks.iter())
            .map(|(id, record)| {
                let (fdb, settings) = (Arc::clone(&record.fdb), record.settings);
                (
                    *id,
                    NetworkView {
                        id: *id,
                        settings,
                        fdb,
                        relay: record.relay.clone(),
                        members: Vec::new(),
                    },
                )
            })
            .collect();
        for port in state.ports.values() {
            if let Some(network) = networks.get_mut(&port.network) {
                network.members.push(Arc::clone(&port.view));
            }
        }
        let networks: BTreeMap<_, _> = networks
            .into_iter()
            .map(|(id, network)| (id, Arc::new(network)))
            .collect();
        let slots = state
            .ports
            .last_key_value()
            .map_or(0, |(id, _)| id.index() + 1);
        let mut ports = vec![None; slots];
        for (id, port) in &state.ports {
            ports[id.index()] = networks.get(&port.network).map(|network| Attachment {
                port: Arc::clone(&port.view),
                network: Arc::clone(network),
            });
        }
        self.shared.snapshot.store(Arc::new(Snapshot { ports }));
    }
}

/// The lowest number that no port has.
fn free_port(state: &State) -> Option<PortId> {
    (0..MAX_PORTS)
        .filter_map(|number| u16::try_from(number).ok())
        .map(PortId::new)
        .find(|id| !state.ports.contains_key(id))
}

fn start_worker(index: usize, shared: &Arc<Shared>) -> io::Result<WorkerHandle> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    let (orders, inbox) = unbounded();
    let activity = Arc::new(Activity::default());
    let worker = Worker::new(
        index,
        Arc::clone(shared),
        Arc::clone(&activity),
        inbox,
        poll,
    );
    let (unprepared, prepared) = unbounded::<()>();
    let thread = std::thread::Builder::new()
        .name(format!("vswitch-w{index}"))
        .spawn(move || {
            prepare_writes();
            drop(unprepared);
            if let Err(error) = worker.run() {
                tracing::error!(%error, "a worker's event loop failed");
            }
        })?;
    let _ended = prepared.recv(); // the thread drops its end when it has all its descriptors
    Ok(WorkerHandle {
        orders,
        waker,
        activity,
        thread: Some(thread),
    })
}

#[cfg(test)]
mod tests;
