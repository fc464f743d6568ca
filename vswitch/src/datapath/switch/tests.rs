//! What only the inside of a switch shows: the bound on ports, and that no thread stays behind.

use vswitch_wire::OffloadSet;

use super::*;
use crate::port::{Batch, Drained, PortLost, memory};

fn config(workers: usize) -> SwitchConfig {
    SwitchConfig {
        workers: NonZeroUsize::new(workers).unwrap(),
        ..SwitchConfig::default()
    }
}

#[test]
fn a_switch_that_is_dropped_ends_its_threads_and_closes_its_ports() {
    for workers in [1, 2, 4] {
        let switch = Switch::start(&config(workers)).unwrap();
        let network = switch.add_network(NetworkSettings::default());
        let ends: Vec<_> = (0..8)
            .map(|_| {
                let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
                switch.add_port(network, port).unwrap();
                end
            })
            .collect();
        let shared = Arc::downgrade(&switch.shared);
        assert_eq!(shared.strong_count(), 1 + workers, "one for each worker");
        drop(switch);
        assert_eq!(shared.strong_count(), 0);
        assert!(ends.iter().all(memory::MemoryEnd::is_closed));
    }
}

#[test]
fn a_worker_ends_with_its_handle() {
    // As when the switch cannot start for want of a later worker.
    let (events, _) = EventSender::channel();
    let shared = Arc::new(Shared {
        snapshot: ArcSwap::default(),
        events,
        start: Instant::now(),
        poll: Duration::ZERO,
    });
    let workers: Vec<_> = (0..4)
        .map(|index| start_worker(index, &shared).unwrap())
        .collect();
    assert_eq!(Arc::strong_count(&shared), 5);
    drop(workers);
    assert_eq!(Arc::strong_count(&shared), 1);
}

/// Fills the switch with records alone, so that it takes no descriptors.
fn fill(switch: &Switch, network: NetworkId) {
    let (port, _) = memory::pair(1500, OffloadSet::NONE).unwrap();
    let mut state = switch.lock();
    while let Some(id) = free_port(&state) {
        let view = Arc::new(PortView {
            id,
            mtu_now: port.mtu.into(),
            offload: OffloadSet::NONE,
            tx: Arc::clone(&port.tx),
            counters: PortCounters::new(switch.workers.len()),
            state: StateCell::up(),
        });
        let worker = switch.least_loaded(&state);
        let record = PortRecord {
            view,
            network,
            worker,
        };
        assert!(state.ports.insert(id, record).is_none());
    }
    assert_eq!(state.ports.len(), MAX_PORTS);
}

#[test]
fn the_4097th_port_is_refused_and_closed() {
    let switch = Switch::start(&config(2)).unwrap();
    let network = switch.add_network(NetworkSettings::default());
    fill(&switch, network);
    let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
    let refused = switch.add_port(network, port).unwrap_err();
    assert!(matches!(refused, AddPortError::TooMany));
    assert!(refused.to_string().contains("4096 ports"));
    assert!(end.is_closed());

    // The one number that is free is given to the next.
    let id = PortId::new(1234);
    switch.remove_port(id);
    let (port, _end) = memory::pair(1500, OffloadSet::ALL).unwrap();
    assert_eq!(switch.add_port(network, port).unwrap(), id);
}

#[test]
fn ports_are_spread_over_the_workers() {
    let switch = Switch::start(&config(3)).unwrap();
    let network = switch.add_network(NetworkSettings::default());
    let ends: Vec<_> = (0..9)
        .map(|_| {
            let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
            (switch.add_port(network, port).unwrap(), end)
        })
        .collect();
    let served = || -> Vec<_> {
        (switch.workers().iter())
            .map(|worker| worker.ports)
            .collect()
    };
    assert_eq!(served(), [3, 3, 3]);
    for (id, _) in &ends[..3] {
        switch.remove_port(*id);
    }
    assert_eq!(served(), [2, 2, 2]);
}

#[test]
fn a_descriptor_that_cannot_be_watched_adds_nothing() {
    /// A receiving half whose descriptor is closed.
    #[derive(Debug)]
    struct Closed;
    impl PortRx for Closed {
        fn recv(&mut self, _: &mut Batch) -> Result<Drained, PortLost> {
            Err(PortLost)
        }
        fn descriptor(&self) -> std::os::fd::RawFd {
            -1
        }
    }
    let switch = Switch::start(&config(2)).unwrap();
    let network = switch.add_network(NetworkSettings::default());
    let (mut port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
    port.rx = Box::new(Closed);
    let refused = switch.add_port(network, port);
    assert!(matches!(refused, Err(AddPortError::Watch(_))));
    assert!(end.is_closed());
    assert!(switch.port_stats(PortId::new(0)).is_none());
    assert!(switch.lock().ports.is_empty());
}

/// Delivers what a port receives for another one.
#[derive(Debug)]
struct For(PortId, Box<dyn PortRx>);

impl PortRx for For {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        let mut own = Batch::new();
        let drained = self.1.recv(&mut own)?;
        for index in 0..own.len() {
            let frame = own.get(index);
            batch
                .push_for(self.0, |room| {
                    room[..frame.len()].copy_from_slice(frame);
                    Ok(frame.len())
                })
                .unwrap();
        }
        Ok(drained)
    }
    fn descriptor(&self) -> std::os::fd::RawFd {
        self.1.descriptor()
    }
}

#[test]
fn a_trunk_is_served_until_it_is_removed() {
    let switch = Switch::start(&config(2)).unwrap();
    let network = switch.add_network(NetworkSettings::default());
    let add = || {
        let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
        (switch.add_port(network, port).unwrap(), end)
    };
    let ((tunnel, _far), (_, near)) = (add(), add());
    let ends: Vec<_> = (0..2)
        .map(|_| memory::pair(1500, OffloadSet::ALL).unwrap())
        .collect();
    let (mut halves, mut sockets): (Vec<Box<dyn PortRx>>, Vec<_>) = (Vec::new(), Vec::new());
    for (port, end) in ends {
        halves.push(Box::new(For(tunnel, port.rx)));
        sockets.push((port.tx, end));
    }
    let trunk = switch.add_trunk(halves).unwrap();
    let mut broadcast = vec![0; 12];
    broadcast.extend([0xff; 6]);
    broadcast.extend([2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    for (_, end) in &sockets {
        end.put(broadcast.clone()).unwrap();
        let seen = near.take_within(Duration::from_secs(10));
        assert_eq!(seen.as_ref(), Some(&broadcast));
    }
    assert_eq!(switch.port_stats(tunnel).unwrap().tally.rx.frames, 2);
    assert_eq!(switch.workers().iter().map(|w| w.ports).sum::<u64>(), 2);
    switch.remove_trunk(trunk);
    for (tx, end) in sockets {
        drop(tx);
        assert!(end.is_closed(), "both halves are gone");
    }
}
