//! What control is told: changes of a port's state once, and not lost for a flood of stations.

use std::sync::Barrier;
use std::thread;

use vswitch_wire::MacAddr;

use super::super::events::EventSender;
use super::super::outbox::notice;
use super::super::{NetworkId, SwitchEvent};
use super::bench::{Bench, Mood};
use crate::port::{PortId, PortState, SendReport};
use crate::testing::{frame, mac};

const PORT: PortId = PortId::new(1);

fn of_ports(bench: &Bench) -> Vec<SwitchEvent> {
    let mut events = bench.events();
    events.retain(|event| !matches!(event, SwitchEvent::Learned { .. }));
    events
}

#[test]
fn each_change_of_a_ports_state_is_told_once() {
    let mut bench = Bench::with_ports(2);
    let mut go = |mood| {
        bench.set_mood(1, mood);
        for _ in 0..3 {
            bench.send(0, frame(MacAddr::BROADCAST, mac(1)));
        }
        (bench.state(1), of_ports(&bench))
    };
    assert_eq!(go(Mood::Takes), (PortState::Up, vec![]));
    let down = vec![SwitchEvent::PortDown(PORT)];
    assert_eq!(go(Mood::Down), (PortState::Down, down));
    assert_eq!(go(Mood::Room(0)), (PortState::Down, vec![]));
    let up = vec![SwitchEvent::PortUp(PORT)];
    assert_eq!(go(Mood::Takes), (PortState::Up, up));
    let gone = vec![SwitchEvent::PortGone(PORT)];
    assert_eq!(go(Mood::Gone), (PortState::Gone, gone));
    assert_eq!(go(Mood::Takes), (PortState::Gone, vec![]));
}

#[test]
fn two_workers_that_notice_at_once_tell_once() {
    let bench = Bench::with_ports(2);
    let port = bench.view(1);
    let (sender, events) = EventSender::channel();
    let reports = [
        (
            SendReport {
                down: 1,
                ..SendReport::default()
            },
            SwitchEvent::PortDown(PORT),
        ),
        (
            SendReport {
                frames: 1,
                ..SendReport::default()
            },
            SwitchEvent::PortUp(PORT),
        ),
    ];
    let (start, end) = (Barrier::new(2), Barrier::new(2));
    let race = |check: bool| {
        for _ in 0..20_000 {
            for (report, event) in &reports {
                start.wait();
                notice(port, report, &sender);
                end.wait();
                if check {
                    assert_eq!(events.try_iter().collect::<Vec<_>>(), [*event]);
                }
                start.wait();
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| race(false));
        race(true);
    });
}

#[test]
fn a_flood_of_stations_does_not_hide_what_happens_to_ports() {
    let (sender, events) = EventSender::channel();
    for number in 0..10_000 {
        sender.tell(SwitchEvent::Learned {
            network: NetworkId(0),
            mac: MacAddr::from_u64(0x0200_0000_0000 + number),
            port: PORT,
        });
    }
    for _ in 0..1_000 {
        sender.tell(SwitchEvent::PortDown(PORT));
        sender.tell(SwitchEvent::PortUp(PORT));
    }
    let told: Vec<_> = events.try_iter().collect();
    let learned = (told.iter())
        .filter(|event| matches!(event, SwitchEvent::Learned { .. }))
        .count();
    assert_eq!(told.len() - learned, 2_000);
    assert_eq!(sender.lost(), 10_000 - learned as u64);
    assert!(learned > 1_000);
}

#[test]
fn a_full_queue_counts_what_it_loses() {
    let (sender, events) = EventSender::channel();
    for _ in 0..5_000 {
        sender.tell(SwitchEvent::PortUp(PORT));
    }
    assert_eq!(events.len() as u64 + sender.lost(), 5_000);
    assert!(sender.lost() > 0);
}
