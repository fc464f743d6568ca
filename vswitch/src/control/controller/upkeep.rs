//! What happens without a command: ports come and go by themselves, entries age, a killed daemon left pins behind.
//!
//! One thread, [`Upkeep`], waits for the switch's events, for changes of the host's links and, only while some forwarding database holds entries that
//! age, for the time of the next sweep. When nothing moves it sleeps without a timer.
//!
//! The queue of events is bounded and a worker never waits for room, so an event may be lost, and among the lost ones
//! that a port is gone. The switch counts them: where the count has grown, the states of all ports are read once, a
//! little later, so that a storm of events is followed by one reading and not by one for each event.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};

use super::{Controller, links::Links};
use crate::{
    control::{
        ControlError,
        endpoint::End,
        kernel::Kernel,
        name::ObjectId,
        sandbox::Sandbox,
        view::{EventKind, SandboxKind},
    },
    datapath::{Ageing, Fdb, NetworkId, SwitchEvent},
    port::{PortId, PortState},
};

/// Bounds of the time between two sweeps; between them it is a tenth of the shortest ageing time. A lookup never
/// finds an entry past its age, so a sweep only makes room and tells monitors.
const SWEEP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// From the first sign of lost events to the reading of the ports' states.
const RECONCILE: Duration = Duration::from_secs(1);

impl<K: Kernel> Controller<K> {
    /// Takes note of what happened on the data path.
    pub fn on_switch_event(&mut self, event: SwitchEvent) {
        match event {
            SwitchEvent::Learned { network, mac, port } => {
                let remote = self.remote_of_event(network, mac, port);
                if let Some(network) = self.watched_relay(network) {
                    self.events.publish(EventKind::FdbLearned {
                        network,
                        mac,
                        port,
                        remote,
                    });
                }
            }
            SwitchEvent::Moved {
                network,
                mac,
                from,
                to,
            } => {
                let remote = self.remote_of_event(network, mac, to);
                if let Some(network) = self.watched_relay(network) {
                    self.events.publish(EventKind::FdbMoved {
                        network,
                        mac,
                        from,
                        to,
                        remote,
                    });
                }
            }
            SwitchEvent::PortUp(port) => {
                if let Some((name, network)) = self.port_and_network(port) {
                    tracing::info!(%port, %name, "port up");
                    self.settle_if_guest(port);
                    self.events.publish(EventKind::PortUp {
                        port,
                        name,
                        network,
                    });
                }
            }
            SwitchEvent::PortDown(port) => {
                if let Some((name, network)) = self.port_and_network(port) {
                    tracing::info!(%port, %name, "port down");
                    self.events.publish(EventKind::PortDown {
                        port,
                        name,
                        network,
                    });
                }
            }
            SwitchEvent::PortGone(port) => self.port_gone(port),
        }
    }

    /// A front-end sets the device up when it is where it belongs.
    fn settle_if_guest(&mut self, port: PortId) {
        let guest = (self.endpoints.get(&port)).filter(|endpoint| endpoint.end == End::Guest);
        if let Some(id) = guest.map(|endpoint| endpoint.id.clone())
            && self.settle_guest(&id)
        {
            self.keep();
        }
    }

    fn watched_relay(&self, relay: NetworkId) -> Option<String> {
        let ours = |id| id == relay;
        (self.events.watched())
            .then(|| {
                self.networks
                    .values()
                    .find(|n| n.relay.as_ref().is_some_and(|r| ours(r.id)))
            })
            .flatten()
            .map(|network| network.name.clone())
    }

    fn port_and_network(&self, port: PortId) -> Option<(String, String)> {
        let endpoint = self.endpoints.get(&port)?;
        Some((
            self.port_name(endpoint),
            self.network_name(&endpoint.network),
        ))
    }

    /// Removes the ports that are gone and whose event was lost.
    pub(super) fn reconcile(&mut self) {
        let gone: Vec<PortId> = (self.endpoints.keys().copied())
            .filter(|port| {
                let stats = self.switch.port_stats(*port);
                stats.is_none_or(|stats| stats.state == PortState::Gone)
            })
            .collect();
        tracing::debug!(gone = gone.len(), "events were lost, ports are looked at");
        for port in gone {
            self.port_gone(port);
        }
    }

    fn port_gone(&mut self, port: PortId) {
        // The number may belong to another port by now: ask.
        if self
            .switch
            .port_stats(port)
            .is_some_and(|stats| stats.state != PortState::Gone)
        {
            return;
        }
        if self.segments.uplinks().any(|(uplink, ..)| uplink == port) {
            self.follow_parents();
            return;
        }
        let Some((name, network)) = self.port_and_network(port) else {
            return;
        };
        tracing::info!(%port, %name, %network, "port gone");
        self.events.publish(EventKind::PortGone {
            port,
            name,
            network,
        });
        let sandbox = self
            .endpoints
            .get(&port)
            .map(|endpoint| endpoint.sandbox.clone());
        for warning in self.remove_endpoint(port) {
            tracing::warn!(%port, warning, "while a port was removed");
        }
        if let Some(id) = sandbox {
            self.forget_if_gone(&id);
        }
        self.keep();
    }

    /// Forgets a named sandbox whose namespace somebody took away, once it has no endpoints.
    fn forget_if_gone(&mut self, id: &ObjectId) {
        let Some(sandbox) = self.sandboxes.get(id) else {
            return;
        };
        let alive = (self.kernel.open_netns(&sandbox.place))
            .and_then(|netns| self.kernel.identify(&netns))
            .is_ok_and(|netns| Some(netns) == sandbox.netns);
        if alive || self.endpoints_of_sandbox(id).next().is_some() {
            return;
        }
        for warning in self.forget(id) {
            tracing::warn!(warning, "while a sandbox was forgotten");
        }
    }

    /// Removes entries past their age, and looks after peers; tells how long to wait for the next time, none when nothing
    /// ages.
    pub(super) fn sweep(&mut self) -> Option<Duration> {
        let now = self.switch.now();
        let mut next = self.sweep_tunnels();
        for network in self.networks.values() {
            let Some(relay) = &network.relay else {
                continue;
            };
            let Some(fdb) = self.switch.fdb(relay.id) else {
                continue;
            };
            let aged = fdb.sweep(now).len();
            if aged > 0 {
                self.events.publish(EventKind::FdbAged {
                    network: network.name.clone(),
                    entries: aged,
                });
            }
            if ages(&fdb, now) {
                let wait = between_sweeps(relay.options.settings.ageing);
                next = Some(next.map_or(wait, |next| next.min(wait)));
            }
        }
        next
    }

    /// Tells the upkeep that something was added that ages.
    pub(super) fn wake_ageing(&self) {
        // A full channel says the same already; a closed one means that the daemon ends.
        if let Some(Err(error)) = self.ageing.as_ref().map(|ageing| ageing.try_send(())) {
            tracing::trace!(%error, "ageing is awake or gone");
        }
    }

    /// Removes pins that a killed daemon left, one line of the log each.
    pub(super) fn remove_stale_pins(&self) {
        let outcome = self.kernel.pins(&self.pin_directory()).map(|pins| {
            let ours = |path: &std::path::Path| {
                let mut sandboxes = self.sandboxes.values();
                sandboxes.any(|sandbox| sandbox.place.path() == path)
            };
            for path in pins.into_iter().filter(|path| !ours(path)) {
                match self.kernel.unpin(&path) {
                    Ok(()) => tracing::info!(path = %path.display(), "removed a pin left by a killed daemon"),
                    Err(error) => tracing::warn!(path = %path.display(), %error, "cannot remove a stale pin"),
                }
            }
        });
        if let Err(error) = outcome {
            tracing::warn!(%error, "cannot look for stale pins");
        }
    }

    /// Removes every device and, when nothing is to outlive the daemon, every sandbox; what goes wrong is logged, and the
    /// rest goes on. What is kept stays as it is.
    pub fn shut_down(&mut self) {
        self.restoring = true;
        self.resolvers.clear();
        let ports: Vec<PortId> = self.endpoints.keys().copied().collect();
        let mut warnings: Vec<String> = ports
            .into_iter()
            .flat_map(|port| self.remove_endpoint(port))
            .collect();
        if self.store.is_some() {
            let named = |sandbox: &Sandbox| sandbox.kind == SandboxKind::Named;
            if !self.sandboxes.values().any(named) {
                warnings.extend(self.remove_pin_directory());
            }
            warn(warnings);
            return;
        }
        let named: Vec<ObjectId> = (self.sandboxes.values())
            .filter(|sandbox| sandbox.kind == SandboxKind::Named)
            .map(|sandbox| sandbox.id.clone())
            .collect();
        warnings.extend(
            named
                .iter()
                .flat_map(|id| self.forget(id))
                .collect::<Vec<_>>(),
        );
        warnings.extend(self.remove_pin_directory());
        warn(warnings);
    }

    fn remove_pin_directory(&self) -> Option<String> {
        let removed = self.kernel.remove_pin_directory(&self.pin_directory());
        removed.err().map(|ControlError { message, .. }| message)
    }
}

fn warn(warnings: Vec<String>) {
    for warning in warnings {
        tracing::warn!(warning, "while shutting down");
    }
}

/// How long to wait for the next sweep of what has this ageing time.
pub(super) fn between_sweeps(ageing: Ageing) -> Duration {
    let tenth = Duration::from_secs(ageing.secs().into()) / 10;
    tenth.clamp(SWEEP.0, SWEEP.1)
}

/// Whether the table holds something that a later sweep may remove.
fn ages(fdb: &Fdb, now: crate::datapath::Tick) -> bool {
    let stats = fdb.stats();
    stats.entries > 0
        || (stats.pinned > 0 && fdb.entries(now).iter().any(|entry| entry.kind.ages()))
}

/// The thread that keeps the control plane up to date. Dropping it ends the thread.
#[derive(Debug)]
pub struct Upkeep {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    _links: Links,
}

impl Upkeep {
    /// Starts the thread.
    ///
    /// # Errors
    /// Unavailable when no thread can be made.
    pub fn start<K: Kernel>(controller: &Arc<Mutex<Controller<K>>>) -> Result<Self, ControlError> {
        let (wake, woken) = bounded(1);
        let (stop, stopped) = bounded(0);
        let events = {
            let mut locked = controller.lock().unwrap_or_else(PoisonError::into_inner);
            locked.ageing = Some(wake);
            locked.switch.events()
        };
        let controller = Arc::clone(controller);
        let (_links, changed) = Links::watch()?;
        let signs = Signs {
            events,
            woken,
            changed,
            stopped,
        };
        let thread = thread::Builder::new()
            .name("vswitch-upkeep".to_owned())
            .spawn(move || run(&controller, &signs))
            .map_err(no_thread)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            _links,
        })
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the upkeep thread had panicked");
        }
    }
}

fn no_thread(error: std::io::Error) -> ControlError {
    ControlError::unavailable(format!(
        "cannot start the upkeep thread: {error}; check the limit on threads"
    ))
}

/// What the upkeep waits for.
struct Signs {
    events: Receiver<SwitchEvent>,
    /// Something ages.
    woken: Receiver<()>,
    /// Something about the host's links has changed.
    changed: Receiver<()>,
    stopped: Receiver<()>,
}

/// Whether events were lost since the last look.
#[derive(Debug, Default)]
struct Losses {
    seen: u64,
}

impl Losses {
    fn grew_to(&mut self, lost: u64) -> bool {
        let grew = lost > self.seen;
        self.seen = lost;
        grew
    }
}

fn run<K: Kernel>(
    controller: &Mutex<Controller<K>>,
    Signs {
        events,
        woken,
        changed,
        stopped,
    }: &Signs,
) {
    let lock = || controller.lock().unwrap_or_else(PoisonError::into_inner);
    let timer = |at: Option<Instant>| at.map_or_else(never, crossbeam_channel::at);
    let mut next_sweep: Option<Instant> = None;
    let mut next_reconcile: Option<Instant> = None;
    let mut losses = Losses::default();
    let mut changed = changed.clone();
    loop {
        let (sweep, reconcile) = (timer(next_sweep), timer(next_reconcile));
        let learned = select! {
            recv(stopped) -> _ => return,
            recv(events) -> event => {
                let Ok(event) = event else { return };
                let mut controller = lock();
                controller.on_switch_event(event);
                // Where events are lost there are others, so it is enough to look here.
                if losses.grew_to(controller.switch.events_lost()) && next_reconcile.is_none() {
                    next_reconcile = Some(Instant::now() + RECONCILE);
                }
                matches!(event, SwitchEvent::Learned { .. })
            }
            recv(woken) -> _ => true,
            recv(changed) -> change => {
                match change {
                    Ok(()) => lock().follow_parents(),
                    // Nobody watches any more, which was logged.
                    Err(_) => changed = never(),
                }
                false
            }
            recv(sweep) -> _ => {
                next_sweep = lock().sweep().map(|wait| Instant::now() + wait);
                false
            }
            recv(reconcile) -> _ => {
                next_reconcile = None;
                lock().reconcile();
                false
            }
        };
        if learned && next_sweep.is_none() {
            next_sweep = Some(Instant::now() + SWEEP.0);
        }
    }
}
