//! Edge-triggered and asleep: no frame waits for another to come, no port waits for another to
//! fall silent, and nobody polls when nothing moves.

use std::os::fd::RawFd;

use super::*;
use crate::port::{Batch, Drained, MAX_BATCH, Port, PortLost, PortRx};

#[test]
fn every_single_frame_wakes_a_worker() {
    for poll in [Duration::ZERO, Duration::from_micros(20)] {
        let switch = Switch::start(&SwitchConfig {
            workers: NonZeroUsize::new(2).unwrap(),
            poll,
        })
        .unwrap();
        let network = switch.add_network(NetworkSettings::default());
        let (one, two) = (
            Host::attach(&switch, network, 1),
            Host::attach(&switch, network, 2),
        );
        for turn in 0..5_000 {
            one.put(two.mac, turn);
            assert_eq!(number(&two.take()), turn);
            // Just before, just after and while the worker falls asleep.
            for _ in 0..turn % 64 * 16 {
                std::hint::spin_loop();
            }
            two.put(one.mac, turn);
            assert_eq!(number(&one.take()), turn);
        }
        close(&switch, network);
    }
}

#[test]
fn frames_that_came_before_the_port_are_not_forgotten() {
    let (switch, network) = switch(1);
    let other = Host::attach(&switch, network, 2);
    let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
    // Several batches, and no bell after the port was added.
    let frames = 3 * MAX_BATCH as u64 + 1;
    for turn in 0..frames {
        end.put(numbered(mac(2), mac(1), turn)).unwrap();
    }
    switch.add_port(network, port).unwrap();
    for turn in 0..frames {
        assert_eq!(number(&other.take()), turn);
    }
    close(&switch, network);
}

/// A port that is never empty.
#[derive(Debug)]
struct Endless {
    inner: Box<dyn PortRx>,
    frame: Vec<u8>,
}

impl PortRx for Endless {
    fn recv(&mut self, batch: &mut Batch) -> Result<Drained, PortLost> {
        while !batch.is_full() {
            let copied = batch.push_with(|room| {
                room[..self.frame.len()].copy_from_slice(&self.frame);
                Ok(self.frame.len())
            });
            assert!(copied.is_ok());
        }
        Ok(Drained::No)
    }

    fn descriptor(&self) -> RawFd {
        self.inner.descriptor()
    }
}

#[test]
fn a_port_that_is_never_empty_starves_neither_ports_nor_orders() {
    let (switch, network) = switch(1);
    let mut endless = Vec::new();
    for number in 50..53 {
        let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
        let endless_rx = Endless {
            inner: port.rx,
            // To itself, which goes nowhere.
            frame: numbered(mac(number), mac(number), 0),
        };
        let port = Port {
            rx: Box::new(endless_rx),
            tx: port.tx,
            mtu: port.mtu,
        };
        endless.push((switch.add_port(network, port).unwrap(), end));
    }
    let (one, two) = (
        Host::attach(&switch, network, 1),
        Host::attach(&switch, network, 2),
    );
    for turn in 0..500 {
        one.put(two.mac, turn);
        assert_eq!(number(&two.take()), turn);
    }
    for (id, end) in endless {
        assert!(switch.port_stats(id).unwrap().tally.rx.frames > 500);
        switch.remove_port(id);
        assert!(end.is_closed());
    }
    close(&switch, network);
}

#[test]
fn an_idle_switch_sleeps() {
    let (switch, network) = switch(2);
    let hosts: Vec<_> = (1..=6)
        .map(|number| Host::attach(&switch, network, number))
        .collect();
    hosts[0].announce(&hosts[1]);
    for turn in 0..100 {
        hosts[1].put(hosts[0].mac, turn);
        hosts[0].take();
    }
    // A worker counts a sleep when it falls asleep, and none while it sleeps on.
    let before = switch.workers();
    switch.remove_port(hosts[4].id); // which wakes them all
    eventually("all workers fall asleep again", || {
        (switch.workers().iter().zip(&before)).all(|(now, then)| now.sleeps > then.sleeps)
    });
    // Woken twice, perhaps, but not for long.
    let asleep = (0..20).any(|_| {
        let before = switch.workers();
        while hosts[5].end.take().is_some() {}
        let nothing = hosts[5].end.take_within(Duration::from_millis(200));
        nothing.is_none() && switch.workers() == before
    });
    assert!(asleep, "an idle worker wakes up: {:?}", switch.workers());
    close(&switch, network);
}
