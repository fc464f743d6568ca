//! Ports and networks without threads: frames go in by batches, at chosen times, and what comes
//! out is looked at.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crossbeam_channel::Receiver;
use macvlan_emu::Child;
use vswitch_wire::{MacAddr, OffloadSet};

use super::super::counters::{PortCounters, Tally};
use super::super::events::EventSender;
use super::super::outbox::Outbox;
use super::super::snapshot::{Attachment, NetworkView, PortView, Snapshot, StateCell};
use super::super::worker::process;
use super::super::{Fdb, FdbKey, NetworkId, NetworkSettings, Relay, SwitchEvent, Tick};
use crate::port::macvlan::Macvlan;
use crate::port::{Batch, PortId, PortState, PortTx, SendReport};

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// What a port does with the frames that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Takes,
    Down,
    Gone,
    /// Has room for so many frames, counted from the last time they were taken.
    Room(usize),
    Refuses,
    Nobody,
    Unreachable,
    /// Takes the part of whoever is asked for.
    Answers,
}

/// The far end of a port: keeps what was sent.
#[derive(Debug)]
pub(super) struct Far {
    offload: OffloadSet,
    mood: Mutex<Mood>,
    taken: Mutex<Vec<Vec<u8>>>,
}

impl PortTx for Far {
    fn send(&self, frames: &[&[u8]], report: &mut SendReport) {
        let mood = *self.mood.lock().unwrap();
        let mut taken = self.taken.lock().unwrap();
        for frame in frames {
            match mood {
                Mood::Room(room) if taken.len() >= room => report.full += 1,
                Mood::Takes | Mood::Room(_) => {
                    report.frames += 1;
                    report.bytes += frame.len() as u64 - 12;
                    taken.push(frame.to_vec());
                }
                Mood::Down => report.down += 1,
                Mood::Gone => report.gone += 1,
                Mood::Refuses => report.refused += 1,
                Mood::Nobody => report.nobody += 1,
                Mood::Unreachable => report.unreachable += 1,
                Mood::Answers => report.answered += 1,
            }
        }
    }

    fn offload(&self) -> OffloadSet {
        self.offload
    }
}

#[derive(Debug)]
struct Place {
    view: Arc<PortView>,
    far: Arc<Far>,
    network: u32,
}

/// See the module's essay.
#[derive(Debug)]
pub(super) struct Bench {
    networks: BTreeMap<u32, (NetworkSettings, Arc<Fdb>)>,
    /// How they relay; by learning, where nothing else was said.
    relays: BTreeMap<u32, Relay>,
    ports: BTreeMap<PortId, Place>,
    snapshot: Snapshot,
    sender: EventSender,
    events: Receiver<SwitchEvent>,
    batch: Batch,
    outbox: Outbox,
    retired: Tally,
}

impl Bench {
    /// `networks` networks without ports.
    pub(super) fn new(networks: u32, settings: NetworkSettings) -> Self {
        let (sender, events) = EventSender::channel();
        let table = || {
            let (ageing, bound) = (settings.ageing.secs(), settings.max_entries.as_usize());
            Arc::new(Fdb::new(ageing, bound, SEED))
        };
        Self {
            networks: (0..networks).map(|id| (id, (settings, table()))).collect(),
            relays: BTreeMap::new(),
            ports: BTreeMap::new(),
            snapshot: Snapshot::default(),
            sender,
            events,
            batch: Batch::new(),
            outbox: Outbox::default(),
            retired: Tally::default(),
        }
    }

    /// One network with ports 0, 1, ... that take everything.
    pub(super) fn with_ports(ports: u16) -> Self {
        let mut bench = Self::new(1, NetworkSettings::default());
        for number in 0..ports {
            bench.add(number, 0, 1500, OffloadSet::ALL);
        }
        bench
    }

    pub(super) fn add(&mut self, number: u16, network: u32, mtu: u16, offload: OffloadSet) {
        let far = Arc::new(Far {
            offload,
            mood: Mutex::new(Mood::Takes),
            taken: Mutex::default(),
        });
        let id = PortId::new(number);
        let view = Arc::new(PortView {
            id,
            mtu_now: mtu.into(),
            offload,
            tx: Arc::clone(&far) as Arc<dyn PortTx>,
            counters: PortCounters::new(1),
            state: StateCell::up(),
        });
        let place = Place { view, far, network };
        assert!(self.ports.insert(id, place).is_none());
        self.publish();
    }

    /// As the switch does it: out of the snapshot first, then out of the table.
    pub(super) fn remove(&mut self, number: u16) {
        let id = PortId::new(number);
        let place = self.ports.remove(&id).unwrap();
        self.publish();
        self.fdb(place.network).forget_port(id);
        self.retired.add(&place.view.counters.read());
    }

    /// Makes network 0 one of macvlan with these children, and perhaps an uplink.
    pub(super) fn macvlan(
        &mut self,
        children: &[Child<PortId>],
        uplink: Option<u16>,
    ) -> Arc<Macvlan> {
        let macvlan = Arc::new(Macvlan::of(children, uplink.map(PortId::new)));
        self.relays.insert(0, Relay::Macvlan(Arc::clone(&macvlan)));
        self.publish();
        macvlan
    }

    pub(super) fn configure(&mut self, network: u32, settings: NetworkSettings) {
        let entry = self.networks.get_mut(&network).unwrap();
        entry.0 = settings;
        (entry.1).configure(settings.ageing.secs(), settings.max_entries.as_usize());
        self.publish();
    }

    fn publish(&mut self) {
        let mut networks: BTreeMap<u32, NetworkView> = (self.networks.iter())
            .map(|(id, (settings, fdb))| {
                let view = NetworkView {
                    id: NetworkId(*id),
                    settings: *settings,
                    fdb: Arc::clone(fdb),
                    relay: self.relays.get(id).cloned().unwrap_or_default(),
                    members: Vec::new(),
                };
                (*id, view)
            })
            .collect();
        for place in self.ports.values() {
            let network = networks.get_mut(&place.network).unwrap();
            network.members.push(Arc::clone(&place.view));
        }
        let networks: BTreeMap<u32, _> = (networks.into_iter())
            .map(|(id, view)| (id, Arc::new(view)))
            .collect();
        let slots = (self.ports.last_key_value()).map_or(0, |(id, _)| id.index() + 1);
        let mut ports = vec![None; slots];
        for (id, place) in &self.ports {
            ports[id.index()] = Some(Attachment {
                port: Arc::clone(&place.view),
                network: Arc::clone(&networks[&place.network]),
            });
        }
        self.snapshot = Snapshot { ports };
    }

    /// Lets one batch come in.
    pub(super) fn receive(&mut self, number: u16, frames: &[Vec<u8>], now: Tick) {
        self.batch.begin(PortId::new(number));
        for frame in frames {
            let before = self.batch.len();
            self.batch
                .push_with(|room| {
                    room[..frame.len()].copy_from_slice(frame);
                    Ok(frame.len())
                })
                .unwrap();
            assert_eq!(self.batch.len(), before + 1, "a batch takes all");
        }
        process(
            &self.batch,
            &self.snapshot,
            now,
            0,
            &self.sender,
            &mut self.outbox,
        );
    }

    /// Lets a frame of 60 bytes be turned away before it is one of the port's.
    pub(super) fn refuse(&mut self, number: u16, reason: vxlan::Refusal) {
        self.batch.clear();
        self.batch.refuse(PortId::new(number), reason, 60);
        process(
            &self.batch,
            &self.snapshot,
            Tick::default(),
            0,
            &self.sender,
            &mut self.outbox,
        );
    }

    /// Lets one batch come in that is of several ports, as a trunk delivers it.
    pub(super) fn trunk(&mut self, frames: &[(u16, Vec<u8>)], now: Tick) {
        self.batch.clear();
        for (number, frame) in frames {
            self.batch
                .push_for(PortId::new(*number), |room| {
                    room[..frame.len()].copy_from_slice(frame);
                    Ok(frame.len())
                })
                .unwrap();
        }
        process(
            &self.batch,
            &self.snapshot,
            now,
            0,
            &self.sender,
            &mut self.outbox,
        );
    }

    /// As [`Self::receive`], of one frame at time 0.
    pub(super) fn send(&mut self, number: u16, frame: Vec<u8>) {
        self.receive(number, &[frame], Tick::default());
    }

    pub(super) fn fdb(&self, network: u32) -> &Arc<Fdb> {
        &self.networks[&network].1
    }

    /// The port that the table of network 0 names for a station.
    pub(super) fn home(&self, station: MacAddr, now: Tick) -> Option<u16> {
        let hit = (self.fdb(0).reader()).lookup(FdbKey::new(station, None), now)?;
        Some(hit.port.get())
    }

    pub(super) fn view(&self, number: u16) -> &PortView {
        &self.ports[&PortId::new(number)].view
    }

    pub(super) fn set_mood(&self, number: u16, mood: Mood) {
        *self.ports[&PortId::new(number)].far.mood.lock().unwrap() = mood;
    }

    /// What was sent to a port since the last call.
    pub(super) fn take(&self, number: u16) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.ports[&PortId::new(number)].far.taken.lock().unwrap())
    }

    /// The ports that were sent something since the last call, and how many frames.
    pub(super) fn delivered(&self) -> BTreeMap<u16, usize> {
        (self.ports.keys())
            .map(|id| (id.get(), self.take(id.get()).len()))
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    pub(super) fn tally(&self, number: u16) -> Tally {
        self.ports[&PortId::new(number)].view.counters.read()
    }

    pub(super) fn state(&self, number: u16) -> PortState {
        self.ports[&PortId::new(number)].view.state.get()
    }

    /// Of all ports, those that were removed included.
    pub(super) fn totals(&self) -> Tally {
        let mut totals = self.retired.clone();
        for place in self.ports.values() {
            totals.add(&place.view.counters.read());
        }
        totals
    }

    /// The events since the last call.
    pub(super) fn events(&self) -> Vec<SwitchEvent> {
        self.events.try_iter().collect()
    }
}
