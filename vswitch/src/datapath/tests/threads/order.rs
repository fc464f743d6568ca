//! No frame overtakes another of the same source and destination, none comes twice, none is lost,
//! whatever happens to others meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::super::super::Flush;
use super::*;

const HOSTS: usize = 4;
const ROUNDS: u64 = 100;
/// Frames of a round from one host to another: few enough that all fit a port's queue even if
/// every one of them is flooded.
const BURST: u64 = 85;

/// Ports that come and go during a run, at least.
const ENOUGH_TURNS: u64 = 20;

/// Ports that come and go, with a station that moves between them, and flushes.
fn churn(switch: &Switch, network: NetworkId, victims: &[PortId], stop: &AtomicBool) -> u64 {
    let mut previous = Host::attach(switch, network, 100);
    let mut turns = 0;
    // However slow the machine: enough turns to mean something.
    while !stop.load(Ordering::Relaxed) || turns < ENOUGH_TURNS {
        let next = Host::attach(switch, network, 100);
        next.put(MacAddr::BROADCAST, turns);
        previous.put(mac(101), turns);
        let victim = victims[usize::try_from(turns).unwrap() % victims.len()];
        let fdb = switch.fdb(network).unwrap();
        match turns % 5 {
            0 => {
                fdb.flush(&Flush {
                    port: Some(victim),
                    ..Flush::default()
                });
            }
            1 => {
                fdb.sweep(switch.now());
            }
            2 => {
                fdb.flush(&Flush::default());
            }
            _ => {}
        }
        switch.remove_port(previous.id);
        assert!(previous.end.is_closed());
        previous = next;
        turns += 1;
    }
    switch.remove_port(previous.id);
    turns
}

/// Takes frames at `host` until all of this round have come, and checks the number of each.
fn drain(hosts: &[Host], to: usize, next: &mut [u64; HOSTS]) {
    let goal = next.map(|next| next + BURST);
    let missing =
        |next: &[u64; HOSTS]| (0..HOSTS).any(|from| from != to && next[from] < goal[from]);
    while missing(next) {
        let frame = hosts[to].take();
        if destination(&frame) != hosts[to].mac {
            continue; // flooded
        }
        let sender = source(&frame);
        let from = (hosts.iter().position(|host| host.mac == sender)).expect("one of them");
        assert_eq!(number(&frame), next[from], "from host {from} to host {to}");
        next[from] += 1;
    }
    while let Some(frame) = hosts[to].end.take() {
        assert_ne!(destination(&frame), hosts[to].mac, "none comes twice");
    }
}

fn run(workers: usize) {
    let (switch, network) = switch(workers);
    let hosts: Vec<_> = (1..=HOSTS)
        .map(|number| Host::attach(&switch, network, u8::try_from(number).unwrap()))
        .collect();
    let ids: Vec<_> = hosts.iter().map(|host| host.id).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let churning = scope.spawn(|| churn(&switch, network, &ids, &stop));
        let mut next = [[0; HOSTS]; HOSTS];
        for round in 0..ROUNDS {
            for number in round * BURST..(round + 1) * BURST {
                for (from, to) in (0..HOSTS * HOSTS).map(|pair| (pair / HOSTS, pair % HOSTS)) {
                    if from != to {
                        hosts[from].put(hosts[to].mac, number);
                    }
                }
            }
            for (to, next) in next.iter_mut().enumerate() {
                drain(&hosts, to, next);
            }
        }
        stop.store(true, Ordering::Relaxed);
        assert!(churning.join().unwrap() >= ENOUGH_TURNS);
    });
    // 4 * 3 * 85 * 100 frames, and those of the others.
    assert!(switch.totals().rx.frames > 102_000);
    assert_eq!(switch.totals().drops.get("receiver_full"), None);
    close(&switch, network);
}

#[test]
fn one_worker() {
    run(1);
}

#[test]
fn two_workers() {
    run(2);
}

#[test]
fn four_workers() {
    run(4);
}
