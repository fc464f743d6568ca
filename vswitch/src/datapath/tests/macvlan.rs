//! Frames through a macvlan network: the engine decides, the stages carry it out, and the books close.

use std::time::Duration;

use macvlan_emu::{Child, Mode};
use vswitch_wire::{MacAddr, VnetHdr};

use super::bench::Bench;
use crate::port::PortId;
use crate::testing::{frame, mac};

/// The child at a port, with the port's number as address; IPv4 alone.
pub(super) fn child(port: u16, mode: Mode) -> Child<PortId> {
    Child {
        key: PortId::new(port),
        mac: mac(u8::try_from(port).unwrap()),
        mode,
        sources: Vec::new(),
        nodst: false,
        ipv6: false,
    }
}

const OUTSIDE: MacAddr = MacAddr::new([2, 0, 0, 0, 1, 1]);
const GROUP: MacAddr = MacAddr::new([0x01, 0x00, 0x5e, 0x01, 0x02, 0x03]);

/// Port 0 is the uplink, the others are children of this mode.
fn bench(children: u16, mode: Mode) -> Bench {
    let mut bench = Bench::with_ports(children + 1);
    let children: Vec<_> = (1..=children).map(|port| child(port, mode)).collect();
    bench.macvlan(&children, Some(0));
    bench
}

/// The ports that a frame arrives at.
fn reached(bench: &mut Bench, from: u16, dst: MacAddr, src: MacAddr) -> Vec<u16> {
    bench.send(from, frame(dst, src));
    let ports = bench.delivered().into_keys().collect();
    assert_eq!(bench.totals().residual(), 0);
    ports
}

#[test]
fn unicast_goes_to_one_place_and_is_never_flooded() {
    let mut bench = bench(3, Mode::Bridge);
    assert_eq!(reached(&mut bench, 1, mac(2), mac(1)), [2]);
    assert_eq!(reached(&mut bench, 1, OUTSIDE, mac(1)), [0]);
    assert_eq!(reached(&mut bench, 0, mac(3), OUTSIDE), [3]);
    assert_eq!(reached(&mut bench, 0, OUTSIDE, mac(7)), [0u16; 0]);
    assert_eq!(bench.tally(0).drops["macvlan_nobody"], 1);
}

#[test]
fn broadcast_reaches_the_children_and_the_wire() {
    let mut bench = bench(3, Mode::Bridge);
    assert_eq!(
        reached(&mut bench, 1, MacAddr::BROADCAST, mac(1)),
        [0, 2, 3]
    );
    assert_eq!(
        reached(&mut bench, 0, MacAddr::BROADCAST, OUTSIDE),
        [1, 2, 3]
    );
}

#[test]
fn private_children_have_the_wire_alone() {
    let mut bench = bench(2, Mode::Private);
    assert_eq!(reached(&mut bench, 1, mac(2), mac(1)), [0]);
    assert_eq!(reached(&mut bench, 1, MacAddr::BROADCAST, mac(1)), [0]);
}

#[test]
fn reserved_addresses_pass() {
    let mut bench = bench(1, Mode::Bridge);
    let lldp = MacAddr::new([0x01, 0x80, 0xc2, 0, 0, 0x0e]);
    assert_eq!(reached(&mut bench, 1, lldp, mac(1)), [0]);
}

#[test]
fn without_a_wire_the_children_have_one_another() {
    let mut bench = Bench::with_ports(3);
    let children = [1, 2].map(|port| child(port, Mode::Bridge));
    bench.macvlan(&children, None);
    assert_eq!(reached(&mut bench, 1, mac(2), mac(1)), [2]);
    assert_eq!(reached(&mut bench, 1, MacAddr::BROADCAST, mac(1)), [2]);
    assert_eq!(reached(&mut bench, 1, OUTSIDE, mac(1)), [0u16; 0]);
    assert_eq!(bench.tally(1).drops["no_other_port"], 1);
}

#[test]
fn a_child_that_is_not_plugged_in_yet_is_passed_over() {
    let mut bench = bench(2, Mode::Bridge);
    bench.remove(2);
    assert_eq!(reached(&mut bench, 1, mac(2), mac(1)), [0u16; 0]);
    assert_eq!(reached(&mut bench, 1, MacAddr::BROADCAST, mac(1)), [0]);
}

#[test]
fn a_group_reaches_those_that_have_asked_for_it() {
    let mut bench = bench(2, Mode::Bridge);
    assert_eq!(reached(&mut bench, 0, GROUP, OUTSIDE), [0u16; 0]);
    bench.send(2, membership_report());
    assert_eq!(bench.delivered().into_keys().collect::<Vec<_>>(), [0]);
    assert_eq!(reached(&mut bench, 0, GROUP, OUTSIDE), [2]);
}

#[test]
fn nothing_is_learned() {
    let mut bench = bench(2, Mode::Bridge);
    bench.send(0, frame(mac(1), OUTSIDE));
    bench.send(1, frame(mac(2), mac(1)));
    assert!(
        bench
            .fdb(0)
            .entries(super::super::Tick::from(Duration::ZERO))
            .is_empty()
    );
}

/// IGMPv2: the child at port 2 joins 224.1.2.3.
fn membership_report() -> Vec<u8> {
    let group = [224, 1, 2, 3];
    let mut bytes = VnetHdr::NONE.to_bytes().to_vec();
    bytes.extend(GROUP.octets());
    bytes.extend(mac(2).octets());
    bytes.extend([0x08, 0x00, 0x45, 0, 0, 28, 0, 0, 0, 0, 1, 2, 0, 0]);
    bytes.extend([198, 18, 0, 2]);
    bytes.extend(group);
    bytes.extend([0x16, 0, 0, 0]);
    bytes.extend(group);
    bytes.resize(12 + 60, 0);
    bytes
}
