//! Ports and networks that come and go while frames pass.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::super::{AddPortError, EntryKind, SwitchEvent};
use super::*;
use crate::port::PortState;

/// Events of ports alone.
fn of_ports(switch: &Switch) -> Vec<SwitchEvent> {
    (switch.events().try_iter())
        .filter(|event| {
            matches!(
                event,
                SwitchEvent::PortDown(_) | SwitchEvent::PortUp(_) | SwitchEvent::PortGone(_)
            )
        })
        .collect()
}

#[test]
fn a_link_that_goes_down_up_and_away_is_told_once_each() {
    const FRAMES: u64 = 200;
    let (switch, network) = switch(2);
    // The ports go to the workers in turn, so two of the senders are on one and one on the other.
    let target = Host::attach(&switch, network, 1);
    let senders: Vec<_> = (2..5)
        .map(|number| Host::attach(&switch, network, number))
        .collect();
    let fdb = switch.fdb(network).unwrap();
    fdb.add(target.mac, None, target.id, EntryKind::Static, switch.now())
        .unwrap();
    let counted = |label: Option<&str>| {
        let tally = switch.port_stats(target.id).unwrap().tally;
        label.map_or(tally.tx.frames, |label| {
            tally.drops.get(label).copied().unwrap_or_default()
        })
    };
    let mut delivered = 0;
    for (state, label, event) in [
        (PortState::Up, None, None),
        (
            PortState::Down,
            Some("port_down"),
            Some(SwitchEvent::PortDown(target.id)),
        ),
        (PortState::Up, None, Some(SwitchEvent::PortUp(target.id))),
        (
            PortState::Gone,
            Some("port_gone"),
            Some(SwitchEvent::PortGone(target.id)),
        ),
    ] {
        target.end.set_state(state).unwrap();
        thread::scope(|scope| {
            for sender in &senders {
                let dst = target.mac;
                scope.spawn(move || (0..FRAMES).for_each(|turn| sender.put(dst, turn)));
            }
        });
        let goal = 3 * FRAMES + if label.is_none() { delivered } else { 0 };
        eventually("all frames are counted", || counted(label) == goal);
        delivered = counted(None);
        if state == PortState::Gone {
            // Its worker notices by itself.
            eventually("the worker lets go of the port", || {
                switch
                    .workers()
                    .iter()
                    .map(|worker| worker.ports)
                    .sum::<u64>()
                    == 3
            });
        }
        assert_eq!(switch.port_stats(target.id).unwrap().state, state);
        assert_eq!(of_ports(&switch), Vec::from_iter(event));
    }
    close(&switch, network);
    assert!(of_ports(&switch).is_empty());
    assert!(target.end.is_closed());
}

#[test]
fn a_port_that_goes_away_in_silence_is_told_too() {
    let (switch, network) = switch(2);
    let hosts: Vec<_> = (1..20)
        .map(|number| Host::attach(&switch, network, number))
        .collect();
    for host in &hosts {
        host.end.set_state(PortState::Gone).unwrap();
    }
    let events = switch.events();
    let mut gone: Vec<_> = (hosts.iter())
        .map(|_| match events.recv_timeout(PATIENCE) {
            Ok(SwitchEvent::PortGone(id)) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    gone.sort_unstable();
    let ids: Vec<_> = hosts.iter().map(|host| host.id).collect();
    assert_eq!(gone, ids);
    close(&switch, network);
    assert!(of_ports(&switch).is_empty());
}

#[test]
fn a_port_is_closed_when_its_removal_returns_though_frames_pass() {
    let (switch, network) = switch(2);
    let senders = [
        Host::attach(&switch, network, 1),
        Host::attach(&switch, network, 2),
    ];
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for sender in &senders {
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    sender.put(mac(9), 0); // known for as long as the port is there
                    while sender.end.take().is_some() {}
                }
            });
        }
        for turn in 0..300 {
            let target = Host::attach(&switch, network, 9);
            target.put(MacAddr::BROADCAST, turn);
            for _ in 0..10 {
                target.take();
            }
            switch.remove_port(target.id);
            assert!(target.end.is_closed());
            assert!(switch.port_stats(target.id).is_none());
            let entries = switch.fdb(network).unwrap().entries(switch.now());
            assert!(entries.iter().all(|entry| entry.port != Some(target.id)));
        }
        stop.store(true, Ordering::Relaxed);
    });
    close(&switch, network);
}

#[test]
fn a_removed_network_takes_no_port_and_its_ports_are_closed() {
    let (switch, network) = switch(2);
    let hosts: Vec<_> = (1..5)
        .map(|number| Host::attach(&switch, network, number))
        .collect();
    switch.remove_network(network);
    assert!(hosts.iter().all(|host| host.end.is_closed()));
    assert!(switch.fdb(network).is_none());
    let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
    let refused = switch.add_port(network, port);
    assert!(matches!(refused, Err(AddPortError::NoSuchNetwork(id)) if id == network));
    assert!(end.is_closed());
    assert!(!switch.update_network(network, NetworkSettings::default()));
    switch.remove_network(network);
    switch.remove_port(hosts[0].id);
    // Its number is not given to another network, its ports' numbers are given to other ports.
    let next = switch.add_network(NetworkSettings::default());
    assert_ne!(next, network);
    assert_eq!(Host::attach(&switch, next, 1).id, hosts[0].id);
}

#[test]
fn no_port_outlives_its_network() {
    let (switch, _) = switch(2);
    for _ in 0..30 {
        let network = switch.add_network(NetworkSettings::default());
        thread::scope(|scope| {
            let adding = scope.spawn(|| {
                let mut ends = Vec::new();
                // A port is a descriptor, and the test may have no more than 1024.
                while ends.len() < 500 {
                    let (port, end) = memory::pair(1500, OffloadSet::ALL).unwrap();
                    ends.push(end);
                    if switch.add_port(network, port).is_err() {
                        break;
                    }
                }
                ends
            });
            eventually("a few ports", || {
                switch
                    .workers()
                    .iter()
                    .map(|worker| worker.ports)
                    .sum::<u64>()
                    > 10
            });
            switch.remove_network(network);
            let ends = adding.join().unwrap();
            assert!(ends.iter().all(MemoryEnd::is_closed));
        });
        assert_eq!(
            switch
                .workers()
                .iter()
                .map(|worker| worker.ports)
                .sum::<u64>(),
            0
        );
    }
}

#[test]
fn a_number_in_other_hands_gets_nothing_of_its_former_owners() {
    let (switch, network) = switch(2);
    let sender = Host::attach(&switch, network, 1);
    let other = switch.add_network(NetworkSettings::default());
    for turn in 0..200 {
        let former = Host::attach(&switch, network, 9);
        former.announce(&sender);
        sender.put(former.mac, turn);
        assert_eq!(number(&former.take()), turn);
        switch.remove_port(former.id);
        let home = if turn % 2 == 0 { other } else { network };
        let heir = Host::attach(&switch, home, 10);
        assert_eq!(heir.id, former.id);
        // Unknown again: flooded in its own network, and never sent to another.
        let alone = || {
            switch
                .totals()
                .drops
                .get("no_other_port")
                .copied()
                .unwrap_or(0)
        };
        let before = alone();
        sender.put(former.mac, turn);
        if home == network {
            assert_eq!(destination(&heir.take()), former.mac);
        } else {
            // Under way no longer, or the next port of that number would hear it.
            eventually("the sender found alone", || alone() > before);
        }
        switch.remove_port(heir.id);
        assert_eq!(heir.end.take(), None);
    }
    let drops = switch.totals().drops;
    assert_eq!(drops.get("port_gone"), None, "{drops:?}");
    close(&switch, network);
}

#[test]
fn learning_that_is_turned_off_forgets_what_was_learned() {
    let (switch, network) = switch(2);
    let hosts: Vec<_> = (1..4)
        .map(|number| Host::attach(&switch, network, number))
        .collect();
    hosts[0].announce(&hosts[2]);
    let settings = NetworkSettings {
        learning: false,
        ..NetworkSettings::default()
    };
    assert!(switch.update_network(network, settings));
    assert!(
        switch
            .fdb(network)
            .unwrap()
            .entries(switch.now())
            .is_empty()
    );
    // A hub: the third hears what the second says to the first.
    hosts[1].put(hosts[0].mac, 5);
    assert_eq!(destination(&hosts[2].take()), hosts[0].mac);
    close(&switch, network);
}

#[test]
fn networks_on_one_switch_never_see_each_other() {
    let (switch, network) = switch(2);
    let other = switch.add_network(NetworkSettings::default());
    let (ours, theirs): (Vec<_>, Vec<_>) = (0..4)
        .map(|number| {
            (
                Host::attach(&switch, network, number + 1),
                Host::attach(&switch, other, number + 1),
            )
        })
        .unzip();
    for turn in 0..500 {
        ours[0].put(MacAddr::BROADCAST, turn);
        theirs[1].put(ours[3].mac, 10_000 + turn);
        for host in &ours[1..] {
            assert_eq!(number(&host.take()), turn);
        }
        assert_eq!(number(&theirs[3].take()), 10_000 + turn);
    }
    switch.remove_network(other);
    close(&switch, network);
}
