//! What the data path tells control: a bounded queue that a worker never waits for.
//!
//! Stations are many, and whoever invents source addresses makes more; ports are few, and control
//! acts on what happens to them. So stations fill only half of the queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use vswitch_wire::MacAddr;

use super::NetworkId;
use crate::port::PortId;

/// Events that wait at most; further ones are counted and lost.
const CAPACITY: usize = 4096;

/// Of those, what events about stations may fill.
const FOR_STATIONS: usize = CAPACITY / 2;

/// Something that happened on the data path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchEvent {
    /// A station was seen for the first time.
    Learned {
        /// Its network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Its port.
        port: PortId,
    },
    /// A station was seen on another port than before.
    Moved {
        /// Its network.
        network: NetworkId,
        /// The station.
        mac: MacAddr,
        /// Its former port.
        from: PortId,
        /// Its port now.
        to: PortId,
    },
    /// A port's link came back.
    PortUp(PortId),
    /// A port's link went down.
    PortDown(PortId),
    /// A port's device is gone; it should be removed.
    PortGone(PortId),
}

/// The workers' end.
#[derive(Clone, Debug)]
pub(super) struct EventSender {
    queue: Sender<SwitchEvent>,
    lost: Arc<AtomicU64>,
}

impl EventSender {
    pub(super) fn channel() -> (Self, Receiver<SwitchEvent>) {
        let (queue, events) = bounded(CAPACITY);
        (
            Self {
                queue,
                lost: Arc::default(),
            },
            events,
        )
    }

    /// Queues an event, or counts it as lost.
    pub(super) fn tell(&self, event: SwitchEvent) {
        let room = match event {
            SwitchEvent::Learned { .. } | SwitchEvent::Moved { .. } => {
                self.queue.len() < FOR_STATIONS
            }
            SwitchEvent::PortUp(_) | SwitchEvent::PortDown(_) | SwitchEvent::PortGone(_) => true,
        };
        if !room || self.queue.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}
