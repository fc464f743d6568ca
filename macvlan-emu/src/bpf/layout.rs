//! What the program of a segment tests, and in which order; written from the end, as [`super::build`] wants it.

use core::fmt::Debug;
use core::hash::Hash;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;
use vswitch_wire::{EtherType, MacAddr};

use super::build::{AND, Builder, JEQ, JSET, LD_B, LD_H, LD_W, Label, TAX, TXA};
use super::{MAX_FILTER_GROUPS, Precision, Program, VlanRule};
use crate::membership::{ALL_NODES, LOCAL_CONTROL, SOLICITED_NODE};
use crate::mode::{Cast, Origin};
use crate::segment::{PAUSE_ADDRESS, Segment};

/// Verdicts: how many bytes of the frame the socket gets.
const ALL_OF_IT: u32 = u32::MAX;
const NOTHING: u32 = 0;

/// Offsets in a frame without its outermost tag.
mod at {
    pub(super) const DST: u32 = 0;
    pub(super) const SRC: u32 = 6;
    pub(super) const TYPE: u32 = 12;
    /// In an address: what `HIGH` bits are followed by.
    pub(super) const LOW: u32 = 2;
}

/// Offsets at which the kernel puts what is known beside the frame (`SKF_AD_OFF` and `SKF_AD_VLAN_*`).
mod beside {
    const OFF: u32 = 0xffff_f000;
    pub(super) const TCI: u32 = OFF + 44;
    pub(super) const TAG_PRESENT: u32 = OFF + 48;
    pub(super) const TPID: u32 = OFF + 60;
}

/// The VID in a TCI.
const VID: u32 = 0xfff;
/// In the first octet of an address.
const GROUP_BIT: u32 = 1;

/// What the program has to know of a segment.
#[derive(Debug, Default)]
struct Wanted {
    /// A child takes whatever comes.
    everything: bool,
    /// Children's own addresses.
    addresses: BTreeSet<MacAddr>,
    /// Addresses on source lists.
    sources: BTreeSet<MacAddr>,
    /// Addresses of children that are given what they sent to a group.
    reflected: BTreeSet<MacAddr>,
    /// Whether any child gets group frames.
    broadcast: bool,
    groups: BTreeSet<MacAddr>,
    /// Whether a child gets all groups.
    all_multicast: bool,
}

impl Wanted {
    fn of<K: Copy + Eq + Hash + Debug>(segment: &Segment<K>) -> Self {
        let mut wanted = Self::default();
        for entry in &segment.entries {
            let child = &entry.child;
            wanted.everything |= child.mode.is_alone();
            wanted.sources.extend(&child.sources);
            if child.mode.takes(Origin::Outside, Cast::Unicast) {
                wanted.addresses.insert(child.mac);
            }
            if child.mode.takes_own_reflection() {
                wanted.reflected.insert(child.mac);
            }
            if child.mode.takes(Origin::Outside, Cast::Group) {
                wanted.broadcast = true;
                wanted.groups.extend(entry.membership.macs());
                wanted.all_multicast |= entry.membership.is_everything();
            }
        }
        wanted
    }
}

/// The most precise program that fits into `limit` instructions, of which there are two at least.
pub(super) fn program<K: Copy + Eq + Hash + Debug>(
    segment: &Segment<K>,
    vlan: VlanRule<'_>,
    limit: usize,
) -> Program {
    let mut wanted = Wanted::of(segment);
    let mut precision = Precision::Exact;
    loop {
        let too_many_groups = wanted.groups.len() > MAX_FILTER_GROUPS && !wanted.all_multicast;
        let instructions = write(&wanted, vlan);
        if instructions.len() <= limit && !too_many_groups {
            return Program {
                instructions,
                precision,
            };
        }
        // Coarser, one step at a time; the last one always fits.
        precision = match precision {
            Precision::Exact => {
                wanted.all_multicast = true;
                Precision::AllMulticast
            }
            Precision::AllMulticast if !wanted.everything => {
                wanted.everything = true;
                Precision::Everything
            }
            Precision::AllMulticast | Precision::Everything => {
                let mut build = Builder::default();
                let pass = build.ret(ALL_OF_IT);
                let instructions = build.finish(pass);
                let precision = Precision::Everything;
                return Program {
                    instructions,
                    precision,
                };
            }
        };
    }
}

fn write(wanted: &Wanted, vlan: VlanRule<'_>) -> Vec<super::Instruction> {
    let mut build = Builder::default();
    let drop = build.ret(NOTHING);
    let pass = build.ret(ALL_OF_IT);
    let mut writer = Writer { build, pass, drop };
    let start = if wanted.everything {
        pass
    } else {
        writer.addresses(wanted)
    };
    let start = writer.vlan(vlan, start);
    writer.build.finish(start)
}

struct Writer {
    build: Builder,
    pass: Label,
    drop: Label,
}

impl Writer {
    /// Tests 3 to 5.
    fn addresses(&mut self, wanted: &Wanted) -> Label {
        let mut unicast = self.among(at::DST, &wanted.addresses, self.drop);
        let mut group = self.group(wanted);
        if !wanted.sources.is_empty() {
            let neither = self.by_cast(group, unicast);
            unicast = self.among(at::SRC, &wanted.sources, neither);
            group = unicast;
        }
        let group = self.unless_pause(group);
        self.by_cast(group, unicast)
    }

    fn by_cast(&mut self, group: Label, unicast: Label) -> Label {
        let test = self.build.branch(JSET, GROUP_BIT, group, unicast);
        self.build.then(LD_B, at::DST, test)
    }

    fn unless_pause(&mut self, other: Label) -> Label {
        let high = self
            .build
            .branch(JEQ, high(PAUSE_ADDRESS), self.drop, other);
        let high = self.build.then(LD_H, at::DST, high);
        let low = self.build.branch(JEQ, low(PAUSE_ADDRESS), high, other);
        let address = self.build.then(LD_W, at::DST + at::LOW, low);
        let kind = u32::from(EtherType::PAUSE.0);
        let kind = self.build.branch(JEQ, kind, self.drop, address);
        self.build.then(LD_H, at::TYPE, kind)
    }

    /// Test 5.
    fn group(&mut self, wanted: &Wanted) -> Label {
        if wanted.all_multicast {
            return self.pass;
        }
        let mut start = self.drop;
        if wanted.broadcast {
            let mut groups = wanted.groups.clone();
            groups.extend([MacAddr::BROADCAST, ALL_NODES]);
            let one = self.among(at::DST, &groups, self.drop);
            start = self.ranges(one);
        }
        self.among(at::SRC, &wanted.reflected, start)
    }

    /// The groups that are always wanted and not one address, but many.
    fn ranges(&mut self, other: Label) -> Label {
        let octet = low(SOLICITED_NODE) >> 24;
        let v6 = self.build.branch(JEQ, octet, self.pass, other);
        let v6 = self.build.then(LD_B, at::DST + at::LOW, v6);
        let v4 = self.build.branch(JEQ, low(LOCAL_CONTROL), self.pass, other);
        let v4 = self.build.then(AND, !0xff, v4);
        let v4 = self.build.then(LD_W, at::DST + at::LOW, v4);
        let is_v4 = self.build.branch(JEQ, high(LOCAL_CONTROL), v4, other);
        let is_v6 = self.build.branch(JEQ, high(SOLICITED_NODE), v6, is_v4);
        self.build.then(LD_H, at::DST, is_v6)
    }

    /// Passes if the address at `offset` is one of these.
    fn among(&mut self, offset: u32, macs: &BTreeSet<MacAddr>, miss: Label) -> Label {
        if macs.is_empty() {
            return miss;
        }
        let mut by_low: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for &mac in macs {
            by_low.entry(low(mac)).or_default().push(high(mac));
        }
        let keys: Vec<u32> = by_low.keys().copied().collect();
        let pass = self.pass;
        // Most children's addresses begin alike; the test of that beginning is shared by those near it.
        let mut beginnings: HashMap<&[u32], Label> = HashMap::new();
        let mut found = |build: &mut Builder, key: u32| {
            let highs = by_low.get(&key).map_or(&[][..], Vec::as_slice);
            if let Some(&label) = beginnings.get(highs)
                && build.is_near(label)
            {
                return label;
            }
            let mut next = miss;
            for &high in highs {
                next = build.branch(JEQ, high, pass, next);
            }
            let label = build.then(TXA, 0, next);
            beginnings.insert(highs, label);
            label
        };
        let search = self.build.search(&keys, &mut found, miss);
        let low = self.build.then(LD_W, offset + at::LOW, search);
        let keep_high = self.build.then(TAX, 0, low);
        self.build.then(LD_H, offset, keep_high)
    }

    /// Test 1.
    fn vlan(&mut self, rule: VlanRule<'_>, admitted: Label) -> Label {
        let (untagged, other_kind, vid) = match rule {
            VlanRule::Only(vid) => {
                let only = u32::from(vid.get());
                let vid = self.build.branch(JEQ, only, admitted, self.drop);
                (self.drop, self.drop, vid)
            }
            VlanRule::AllBut([]) => return admitted,
            VlanRule::AllBut(others) => {
                let others: BTreeSet<u32> = others.iter().map(|vid| u32::from(vid.get())).collect();
                let keys: Vec<u32> = others.into_iter().collect();
                let drop = self.drop;
                let vid = self.build.search(&keys, &mut |_, _| drop, admitted);
                (admitted, admitted, vid)
            }
        };
        let vid = self.build.then(AND, VID, vid);
        let vid = self.build.then(LD_W, beside::TCI, vid);
        let kind = u32::from(EtherType::VLAN.0);
        let kind = self.build.branch(JEQ, kind, vid, other_kind);
        let kind = self.build.then(LD_W, beside::TPID, kind);
        let present = self.build.branch(JEQ, 0, untagged, kind);
        self.build.then(LD_W, beside::TAG_PRESENT, present)
    }
}

/// The first two octets.
const fn high(mac: MacAddr) -> u32 {
    let [a, b, ..] = mac.octets();
    u32::from_be_bytes([0, 0, a, b])
}

/// The other four.
const fn low(mac: MacAddr) -> u32 {
    let [_, _, octets @ ..] = mac.octets();
    u32::from_be_bytes(octets)
}
