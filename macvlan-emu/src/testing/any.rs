//! Strategies: few addresses, so that things meet.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use vswitch_wire::MacAddr;

use super::{PARENT, mac, tell, v4, v6};
use crate::membership::group_mac;
use crate::mode::Mode;
use crate::segment::{Child, Segment};

/// Children have keys below this.
pub(crate) const KEYS: u16 = 6;

/// A change of a segment, maybe one that is refused.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Add(Child<u16>),
    Remove(u16),
    Tell(u16, IpAddr, bool),
    Parent(MacAddr),
}

impl Step {
    /// Whether anything changed.
    pub(crate) fn apply(&self, segment: &mut Segment<u16>) -> bool {
        match self {
            Self::Add(child) => segment.add(child.clone()).is_ok(),
            Self::Remove(key) => segment.remove(*key),
            Self::Tell(key, group, joins) => tell(segment, *key, *group, *joins),
            Self::Parent(mac) => segment.set_parent(*mac).is_ok(),
        }
    }
}

fn group() -> impl Strategy<Value = IpAddr> {
    // The third shares its address with the second.
    prop::sample::select(vec![
        v4(224, 0, 0, 9),
        v4(239, 1, 1, 1),
        v4(225, 129, 1, 1),
        v4(239, 2, 2, 2),
        v6(7),
    ])
}

/// Two beginnings, so that addresses share their low 32 bits.
pub(crate) fn station() -> impl Strategy<Value = MacAddr> {
    let two = (0..KEYS + 2, any::<bool>()).prop_map(|(number, twin)| {
        let mut octets = mac(number).octets();
        octets[0] |= u8::from(twin) << 2;
        MacAddr::new(octets)
    });
    prop_oneof![9 => two, 1 => Just(PARENT)]
}

/// A station, a group, or something odd.
pub(crate) fn address() -> impl Strategy<Value = MacAddr> {
    let odd = prop::sample::select(vec![
        MacAddr::BROADCAST,
        MacAddr::ZERO,
        MacAddr::new([0x33, 0x33, 0, 0, 0, 1]),
        MacAddr::new([0x33, 0x33, 0xff, 1, 2, 3]),
        MacAddr::new([0x33, 0x34, 0xff, 1, 2, 3]),
        MacAddr::new([1, 0, 0x5e, 0, 0, 251]),
        MacAddr::new([3, 0, 0x5e, 0, 0, 251]),
        MacAddr::new([1, 0x80, 0xc2, 0, 0, 1]),
        MacAddr::new([1, 0x80, 0xc2, 0, 0, 2]),
    ]);
    prop_oneof![4 => station(), 2 => odd, 2 => group().prop_map(group_mac)]
}

fn child() -> impl Strategy<Value = Child<u16>> {
    let mode = prop::sample::select(vec![
        Mode::Bridge,
        Mode::Bridge,
        Mode::Private,
        Mode::Vepa,
        Mode::Source,
        Mode::Source,
        Mode::Passthru,
    ]);
    let mac = prop_oneof![30 => station(), 1 => address()];
    let rest = (
        vec(station(), 0..4),
        any::<bool>(),
        prop::bool::weighted(0.8),
    );
    (0..KEYS, mac, mode, rest).prop_map(|(key, mac, mode, (sources, nodst, ipv6))| {
        let is_source = mode == Mode::Source;
        Child {
            key,
            mac,
            mode,
            sources: if is_source { sources } else { Vec::new() },
            nodst: nodst && is_source,
            ipv6,
        }
    })
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let told = (0..KEYS, group(), prop::bool::weighted(0.7));
    prop_oneof![
        8 => child().prop_map(Step::Add),
        2 => (0..KEYS).prop_map(Step::Remove),
        6 => told.prop_map(|(key, group, joins)| Step::Tell(key, group, joins)),
        1 => station().prop_map(Step::Parent),
    ]
}
