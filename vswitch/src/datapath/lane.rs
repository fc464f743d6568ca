//! The data path on the caller's own thread.
//!
//! A [`Lane`] is what one worker does, without its thread, its event loop and its clock: the caller says which port is
//! to be served and what time it is. It has one network, which learns. That is what a frame costs with nothing around
//! it, and so what is measured; and it is how somebody with an event loop of their own forwards frames in it.
//!
//! Nothing is shared: a lane is used by one thread at a time, and every call runs to completion.

use std::sync::Arc;

use crossbeam_channel::Receiver;

use super::counters::{PortCounters, Tally};
use super::events::EventSender;
use super::outbox::Outbox;
use super::snapshot::{Attachment, NetworkView, PortView, StateCell};
use super::worker::process;
use super::{
    AddPortError, Fdb, Ingress, NetworkId, NetworkSettings, Relay, Snapshot, SwitchEvent, Tick,
};
use crate::port::{Batch, Drained, MAX_PORTS, Port, PortId, PortLost, PortRx};

/// The only worker that counts here.
const WORKER: usize = 0;

/// See the module's essay.
#[derive(Debug)]
pub struct Lane {
    settings: NetworkSettings,
    fdb: Arc<Fdb>,
    /// By port number, as in the snapshot.
    sources: Vec<Box<dyn PortRx>>,
    ports: Vec<Arc<PortView>>,
    snapshot: Snapshot,
    sender: EventSender,
    events: Receiver<SwitchEvent>,
    batch: Batch,
    outbox: Outbox,
}

impl Lane {
    /// A network without ports. `seed` is that of its forwarding database ([`Fdb::new`]): random, unless two runs are
    /// to do the very same.
    #[must_use]
    pub fn new(settings: NetworkSettings, seed: u64) -> Self {
        let (sender, events) = EventSender::channel();
        let (ageing, bound) = (settings.ageing.secs(), settings.max_entries.as_usize());
        Self {
            settings,
            fdb: Arc::new(Fdb::new(ageing, bound, seed)),
            sources: Vec::new(),
            ports: Vec::new(),
            snapshot: Snapshot::default(),
            sender,
            events,
            batch: Batch::new(),
            outbox: Outbox::default(),
        }
    }

    /// Puts a port into the network. Ports are numbered from 0, in the order in which they come.
    ///
    /// # Errors
    /// [`AddPortError::TooMany`]; the port is closed then.
    pub fn add_port(&mut self, port: Port) -> Result<PortId, AddPortError> {
        let number = (self.ports.len() < MAX_PORTS).then_some(self.ports.len());
        let id = number
            .and_then(|number| u16::try_from(number).ok())
            .map(PortId::new)
            .ok_or(AddPortError::TooMany)?;
        self.sources.push(port.rx);
        self.ports.push(Arc::new(PortView {
            id,
            mtu_now: port.mtu.into(),
            offload: port.tx.offload(),
            tx: port.tx,
            counters: PortCounters::new(WORKER + 1),
            state: StateCell::up(),
        }));
        self.publish();
        Ok(id)
    }

    fn publish(&mut self) {
        let network = Arc::new(NetworkView {
            id: NetworkId(0),
            settings: self.settings,
            fdb: Arc::clone(&self.fdb),
            relay: Relay::Learning,
            members: self.ports.clone(),
        });
        let attach = |port: &Arc<PortView>| {
            Some(Attachment {
                port: Arc::clone(port),
                network: Arc::clone(&network),
            })
        };
        self.snapshot = Snapshot {
            ports: self.ports.iter().map(attach).collect(),
        };
    }

    /// The forwarding database.
    #[must_use]
    pub fn fdb(&self) -> &Fdb {
        &self.fdb
    }

    /// What happens on the data path, in a queue that is bounded: what nobody takes in time is lost.
    #[must_use]
    pub fn events(&self) -> Receiver<SwitchEvent> {
        self.events.clone()
    }

    /// What a batch from `port` sees; nothing when there is no such port. To be made anew for every batch: it holds
    /// on to the table that it began with.
    #[must_use]
    pub fn ingress(&self, port: PortId) -> Option<Ingress<'_>> {
        let attachment = self.snapshot.attachment(port)?;
        Some(Ingress {
            snapshot: &self.snapshot,
            port: &attachment.port,
            network: &attachment.network,
            fdb: self.fdb.reader(),
            macvlan: None,
            events: &self.sender,
        })
    }

    /// Serves a port once: receives a batch, forwards it, sends what comes of it.
    ///
    /// # Errors
    /// [`PortLost`] when the port will never deliver again, or there is no such port; what it had delivered before is
    /// forwarded.
    pub fn serve(&mut self, port: PortId, now: Tick) -> Result<Drained, PortLost> {
        let rx = self.sources.get_mut(port.index()).ok_or(PortLost)?;
        self.batch.begin(port);
        let outcome = rx.recv(&mut self.batch);
        process(
            &self.batch,
            &self.snapshot,
            now,
            WORKER,
            &self.sender,
            &mut self.outbox,
        );
        outcome
    }

    /// A port's counters.
    #[must_use]
    pub fn tally(&self, port: PortId) -> Option<Tally> {
        Some(self.ports.get(port.index())?.counters.read())
    }
}

#[cfg(test)]
mod tests {
    use vswitch_wire::{MacAddr, OffloadSet, VNET_LEN};

    use super::super::{DropReason, Frame, Verdict};
    use super::*;
    use crate::port::PortState;
    use crate::port::memory::{self, MemoryEnd};

    const A: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 1]);
    const B: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 2]);

    fn frame(dst: MacAddr, src: MacAddr) -> Vec<u8> {
        let mut bytes = vec![0; VNET_LEN];
        bytes.extend(dst.octets());
        bytes.extend(src.octets());
        bytes.extend([0x88, 0xb5]);
        bytes.resize(VNET_LEN + 60, 7);
        bytes
    }

    fn lane(ports: usize) -> (Lane, Vec<(PortId, MemoryEnd)>) {
        let mut lane = Lane::new(NetworkSettings::default(), 1);
        let ends = (0..ports)
            .map(|_| {
                let (port, end) = memory::pair(1500, OffloadSet::NONE).unwrap();
                (lane.add_port(port).unwrap(), end)
            })
            .collect();
        (lane, ends)
    }

    #[test]
    fn frames_go_from_port_to_port_and_the_books_close() {
        let (mut lane, ends) = lane(3);
        let now = Tick::default();
        let [(a, at_a), (b, at_b), (c, at_c)] = &ends[..] else {
            panic!("three ports");
        };
        at_a.put(frame(B, A)).unwrap();
        assert_eq!(lane.serve(*a, now), Ok(Drained::Yes));
        for end in [at_b, at_c] {
            assert_eq!(end.take(), Some(frame(B, A)), "unknown: flooded");
        }
        at_b.put(frame(A, B)).unwrap();
        assert_eq!(lane.serve(*b, now), Ok(Drained::Yes));
        assert_eq!(at_a.take(), Some(frame(A, B)));
        assert_eq!(at_c.take(), None, "learned: to its port alone");
        assert_eq!(lane.fdb().stats().entries, 2);
        assert_eq!(lane.events().try_iter().count(), 2);
        let mut all = Tally::default();
        for id in [a, b, c] {
            all.add(&lane.tally(*id).unwrap());
        }
        assert_eq!((all.rx.frames, all.tx.frames, all.replicated), (2, 3, 1));
        assert_eq!(all.residual(), 0);
    }

    #[test]
    fn a_verdict_is_to_be_had_without_a_batch() {
        let (lane, ends) = lane(2);
        let ingress = |port| lane.ingress(port).unwrap();
        let now = Tick::default();
        let bytes = frame(B, A);
        let verdict = ingress(ends[0].0)
            .forward(&Frame::new(&bytes), now)
            .map(|verdict| matches!(verdict, Verdict::Flood(members) if members.len() == 2));
        assert_eq!(verdict, Ok(true));
        let back = frame(A, A);
        let dropped = ingress(ends[0].0).forward(&Frame::new(&back), now).err();
        assert_eq!(dropped, Some(DropReason::SamePort));
        assert!(ends[1].1.take().is_none(), "a verdict sends nothing");
    }

    #[test]
    fn a_port_that_is_lost_or_was_never_there_says_so() {
        let (mut lane, ends) = lane(1);
        ends[0].1.set_state(PortState::Gone).unwrap();
        let now = Tick::default();
        assert_eq!(lane.serve(ends[0].0, now), Err(PortLost));
        let nobody = PortId::new(7);
        assert_eq!(lane.serve(nobody, now), Err(PortLost));
        assert!(lane.ingress(nobody).is_none() && lane.tally(nobody).is_none());
    }
}
