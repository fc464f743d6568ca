//! Every reason to drop a frame, produced on purpose. The match has no other arm, so that a new
//! reason without a test does not compile.

use macvlan_emu::{Mode, Refusal};
use vswitch_wire::{MacAddr, OffloadSet, VnetHdr};

use super::super::{DropReason, EntryKind, NetworkSettings, Tick};
use super::bench::{Bench, Mood};
use super::macvlan::child;
use crate::port::PortId;
use crate::testing::{frame, mac, tagged, with_header};

/// Makes one frame from port 0 end for this reason; returns the port that must have counted it.
fn provoke(bench: &mut Bench, reason: DropReason) -> u16 {
    let known = frame(mac(1), mac(2));
    let moody = |bench: &mut Bench, mood| {
        bench.set_mood(1, mood);
        bench.send(0, frame(mac(1), mac(2)));
        1
    };
    match reason {
        DropReason::Truncated => bench.send(0, known[..12 + 13].to_vec()),
        DropReason::BadOffload => {
            let header = VnetHdr {
                flags: vswitch_wire::FLAG_NEEDS_CSUM,
                csum_start: 2000,
                ..VnetHdr::NONE
            };
            bench.send(0, with_header(header, known));
        }
        DropReason::InvalidSource => bench.send(0, frame(mac(1), MacAddr::ZERO)),
        DropReason::ReservedAddress => {
            bench.send(0, frame(MacAddr::new([1, 0x80, 0xc2, 0, 0, 3]), mac(2)));
        }
        DropReason::SamePort => bench.send(0, frame(mac(2), mac(2))),
        DropReason::NoOtherPort => {
            bench.remove(1);
            bench.send(0, frame(MacAddr::BROADCAST, mac(2)));
        }
        DropReason::TooLong => {
            bench.send(0, tagged(mac(1), mac(2), &[], 1501));
            return 1;
        }
        DropReason::PortDown => return moody(bench, Mood::Down),
        DropReason::PortGone => return moody(bench, Mood::Gone),
        DropReason::ReceiverFull => return moody(bench, Mood::Room(0)),
        DropReason::Refused => return moody(bench, Mood::Refuses),
        DropReason::NoPeer => return moody(bench, Mood::Nobody),
        DropReason::Unreachable => return moody(bench, Mood::Unreachable),
        DropReason::Tunnel(refusal) => bench.refuse(0, refusal),
        DropReason::Macvlan(Refusal::Nobody) => {
            bench.macvlan(&[child(1, Mode::Bridge)], Some(0));
            bench.send(0, frame(mac(8), mac(9)));
        }
        DropReason::Macvlan(Refusal::Ipv6Off) => {
            bench.macvlan(&[child(0, Mode::Bridge)], Some(1));
            let mut ipv6 = frame(mac(1), mac(2));
            ipv6[12 + 12..][..2].copy_from_slice(&[0x86, 0xdd]);
            bench.send(0, ipv6);
        }
        DropReason::Macvlan(Refusal::UnknownChild) => {
            bench.macvlan(&[child(1, Mode::Bridge)], None);
            bench.send(0, known);
        }
    }
    0
}

#[test]
fn every_reason_is_counted_once_for_its_port_and_nowhere_else() {
    for reason in DropReason::ALL {
        let mut bench = Bench::with_ports(2);
        bench.send(1, frame(mac(9), mac(1)));
        assert_eq!(bench.delivered().len(), 1);
        let number = provoke(&mut bench, reason);
        assert!(bench.delivered().is_empty(), "{reason}");
        let totals = bench.totals();
        assert_eq!(totals.rx.frames, 2, "{reason}");
        assert_eq!(
            totals.drops.into_iter().collect::<Vec<_>>(),
            [(reason.label(), 1)]
        );
        assert_eq!(bench.tally(number).drops[reason.label()], 1);
        assert_eq!(bench.totals().residual(), 0, "{reason}");
    }
}

#[test]
fn nothing_is_too_short_to_be_counted() {
    let whole = tagged(mac(1), mac(2), &[[0x81, 0, 0, 1], [0x88, 0xa8, 0, 2]], 0);
    let header = 12 + 14 + 8;
    assert_eq!(whole.len(), header);
    for length in 0..=header {
        let mut bench = Bench::with_ports(2);
        bench.send(0, whole[..length].to_vec());
        let tally = bench.tally(0);
        let expected = if length < header { 1 } else { 0 };
        let counted = tally.drops.get("truncated").copied().unwrap_or_default();
        assert_eq!(counted, expected, "{length}");
        assert_eq!(tally.rx.bytes, (length as u64).saturating_sub(12));
        assert_eq!(bench.totals().residual(), 0);
    }
}

#[test]
fn an_offload_header_is_checked_though_it_asks_for_nothing() {
    // A TAP refuses these; they must not get as far.
    let lies = [
        VnetHdr {
            hdr_len: 61,
            ..VnetHdr::NONE
        },
        VnetHdr {
            flags: 0x80,
            ..VnetHdr::NONE
        },
    ];
    for header in lies {
        let mut bench = Bench::with_ports(2);
        bench.send(0, with_header(header, frame(mac(1), mac(2))));
        assert!(bench.delivered().is_empty());
        assert_eq!(bench.tally(0).drops["bad_offload"], 1);
    }
}

#[test]
fn an_entry_for_a_port_of_another_network_or_of_none_leads_nowhere() {
    let mut bench = Bench::new(2, NetworkSettings::default());
    for (number, network) in [(0, 0), (1, 0), (2, 1)] {
        bench.add(number, network, 1500, OffloadSet::ALL);
    }
    for (station, number) in [(1, 2), (3, 77), (4, u16::MAX)] {
        (bench.fdb(0))
            .add(
                mac(station),
                None,
                PortId::new(number),
                EntryKind::Static,
                Tick::default(),
            )
            .unwrap();
        bench.send(0, frame(mac(station), mac(2)));
    }
    assert!(bench.delivered().is_empty());
    assert_eq!(bench.tally(0).drops["port_gone"], 3);
    assert_eq!(bench.totals().residual(), 0);
}

#[test]
fn a_flood_is_counted_copy_by_copy() {
    let mut bench = Bench::with_ports(6);
    for (number, mood) in [
        (1, Mood::Down),
        (2, Mood::Gone),
        (3, Mood::Room(0)),
        (4, Mood::Refuses),
    ] {
        bench.set_mood(number, mood);
    }
    bench.send(0, frame(MacAddr::BROADCAST, mac(1)));
    let totals = bench.totals();
    assert_eq!((totals.tx.frames, totals.replicated), (1, 4));
    assert_eq!(bench.tally(0).drops.len(), 0);
    for (number, label) in [
        (1, "port_down"),
        (2, "port_gone"),
        (3, "receiver_full"),
        (4, "refused"),
    ] {
        assert_eq!(bench.tally(number).drops[label], 1);
    }
    assert_eq!(totals.residual(), 0);
}

#[test]
fn what_a_removed_port_still_delivers_is_not_received() {
    let mut bench = Bench::with_ports(3);
    bench.remove(0);
    bench.send(0, frame(MacAddr::BROADCAST, mac(1)));
    assert!(bench.delivered().is_empty());
    assert_eq!(bench.totals().rx.frames, 0);
    assert!(bench.fdb(0).entries(Tick::default()).is_empty());
}
