//! Any sequence of changes, then any frame, against a model that does everything the long way round: lists, no
//! indices, and the modes as the bits that the kernel's driver has for them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use vswitch_wire::{Head, MacAddr};

use crate::membership::{group_mac, is_always_wanted};
use crate::mode::Mode;
use crate::segment::{Child, Segment};
use crate::testing::any::{KEYS, Step, address, station, step};
use crate::testing::{PARENT, ethernet, head};

const PRIVATE: u8 = 1;
const VEPA: u8 = 2;
const BRIDGE: u8 = 4;
const PASSTHRU: u8 = 8;
const SOURCE: u8 = 16;

const fn bit(mode: Mode) -> u8 {
    match mode {
        Mode::Private => PRIVATE,
        Mode::Vepa => VEPA,
        Mode::Bridge => BRIDGE,
        Mode::Passthru => PASSTHRU,
        Mode::Source => SOURCE,
    }
}

#[derive(Debug, Default)]
struct Model {
    parent: Option<MacAddr>,
    children: Vec<(Child<u16>, BTreeSet<IpAddr>)>,
}

impl Model {
    fn owner(&self, mac: MacAddr) -> Option<&Child<u16>> {
        self.children
            .iter()
            .map(|(child, _)| child)
            .find(|child| child.mac == mac)
    }

    fn passthru(&self) -> bool {
        self.children
            .iter()
            .any(|(child, _)| child.mode == Mode::Passthru)
    }

    fn may_add(&self, child: &Child<u16>) -> bool {
        let source = child.mode == Mode::Source;
        let address_is_free = if child.mode == Mode::Passthru {
            self.children.is_empty() && self.parent == Some(child.mac)
        } else {
            self.parent != Some(child.mac) && self.owner(child.mac).is_none()
        };
        child.mac.is_unicast()
            && child.sources.iter().all(|mac| mac.is_unicast())
            && (source || (child.sources.is_empty() && !child.nodst))
            && self
                .children
                .iter()
                .all(|(other, _)| other.key != child.key)
            && !self.passthru()
            && address_is_free
    }

    fn step(&mut self, step: &Step) -> bool {
        match step {
            Step::Add(child) => {
                let good = self.may_add(child);
                if good {
                    self.children.push((child.clone(), BTreeSet::new()));
                }
                good
            }
            Step::Remove(key) => {
                let before = self.children.len();
                self.children.retain(|(child, _)| child.key != *key);
                self.children.len() < before
            }
            Step::Tell(key, group, joins) => {
                let Some((child, groups)) = self
                    .children
                    .iter_mut()
                    .find(|(child, _)| child.key == *key)
                else {
                    return false;
                };
                if bit(child.mode) & (PASSTHRU | SOURCE) != 0
                    || (group.is_ipv6() && !child.ipv6)
                    || is_always_wanted(group_mac(*group))
                {
                    return false;
                }
                if *joins {
                    groups.insert(*group)
                } else {
                    groups.remove(group)
                }
            }
            Step::Parent(mac) => {
                let in_the_way = self
                    .owner(*mac)
                    .is_some_and(|child| child.mode != Mode::Passthru);
                if in_the_way || !mac.is_unicast() {
                    return false;
                }
                self.parent = Some(*mac);
                for (child, _) in &mut self.children {
                    if child.mode == Mode::Passthru {
                        child.mac = *mac;
                    }
                }
                true
            }
        }
    }

    fn broadcast(&self, head: &Head, src: Option<u16>, modes: u8) -> Vec<u16> {
        let wants = |(child, groups): &&(Child<u16>, BTreeSet<IpAddr>)| {
            Some(child.key) != src
                && bit(child.mode) & modes != 0
                && (child.mode == Mode::Passthru
                    || is_always_wanted(head.dst)
                    || groups.iter().any(|&group| group_mac(group) == head.dst))
        };
        self.children
            .iter()
            .filter(wants)
            .map(|(child, _)| child.key)
            .collect()
    }

    fn handle_frame(&self, head: &Head) -> Vec<u16> {
        if head.dst.is_multicast() && pause(head) {
            return Vec::new();
        }
        let listing = self
            .children
            .iter()
            .map(|(child, _)| child)
            .filter(|child| child.sources.contains(&head.src));
        let mut got: Vec<u16> = listing.clone().map(|child| child.key).collect();
        if listing.clone().any(|child| child.nodst) {
            return got;
        }
        if head.dst.is_multicast() {
            let src = self.owner(head.src);
            let key = src.map(|src| src.key);
            got.extend(match src.map(|src| (src.key, bit(src.mode))) {
                None => self.broadcast(head, None, PRIVATE | VEPA | PASSTHRU | BRIDGE),
                Some((_, VEPA)) => self.broadcast(head, key, VEPA | BRIDGE),
                Some((_, BRIDGE)) => self.broadcast(head, key, VEPA),
                Some((key, _)) if got.contains(&key) => Vec::new(),
                Some((key, _)) => vec![key],
            });
            return got;
        }
        let to = if self.passthru() {
            self.children.first().map(|(child, _)| child)
        } else {
            self.owner(head.dst)
        };
        got.extend(
            to.filter(|child| child.mode != Mode::Source)
                .map(|child| child.key),
        );
        got
    }

    fn queue_xmit(&self, from: u16, head: &Head) -> Option<(Vec<u16>, bool)> {
        let (sender, _) = self.children.iter().find(|(child, _)| child.key == from)?;
        let mut children = Vec::new();
        let mut wire = self.parent.is_some();
        if sender.mode == Mode::Bridge && head.dst.is_multicast() {
            if !pause(head) {
                children = self.broadcast(head, Some(from), BRIDGE);
            }
        } else if sender.mode == Mode::Bridge
            && self
                .owner(head.dst)
                .is_some_and(|to| to.mode == Mode::Bridge)
        {
            children = self.handle_frame(head);
            children.retain(|&key| key != from);
            wire = false;
        }
        Some((children, wire))
    }

    fn without_ipv6(&self, head: &Head, keys: Vec<u16>) -> Vec<u16> {
        let takes = |key: &u16| {
            self.children
                .iter()
                .any(|(child, _)| child.key == *key && child.ipv6)
        };
        let ipv6 = head.ethertype().is_some_and(|kind| kind.0 == 0x86dd);
        let mut keys: Vec<u16> = keys.into_iter().filter(|key| !ipv6 || takes(key)).collect();
        keys.sort_unstable();
        keys
    }
}

fn pause(head: &Head) -> bool {
    head.dst == MacAddr::new([1, 0x80, 0xc2, 0, 0, 1])
        || head.ethertype().is_some_and(|kind| kind.0 == 0x8808)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn any_changes_then_any_frame(
        parent: bool,
        steps in vec(step(), 0..30),
        frames in vec((address(), station(), prop::sample::select(vec![0x0800u16, 0x86dd, 0x8808])), 20),
    ) {
        let parent = parent.then_some(PARENT);
        let mut segment = Segment::new(parent);
        let mut model = Model { parent, ..Model::default() };
        for step in &steps {
            prop_assert_eq!(step.apply(&mut segment), model.step(step), "{:?}", step);
        }
        for (dst, src, kind) in frames {
            let head = head(&ethernet(dst, src, kind, &[0; 46]));
            let got = segment.from_wire(&head);
            let expected = model.without_ipv6(&head, model.handle_frame(&head));
            let mut keys: Vec<u16> = got.into_iter().flat_map(|to| to.children()).collect();
            keys.sort_unstable();
            prop_assert_eq!(&keys, &expected, "from the wire: {:?}", head);
            prop_assert_eq!(got.is_err(), expected.is_empty());
            prop_assert!(!got.is_ok_and(|to| to.wire));
            for from in 0..KEYS {
                check_from_child(&segment, &model, from, &head)?;
            }
        }
    }
}

fn check_from_child(
    segment: &Segment<u16>,
    model: &Model,
    from: u16,
    head: &Head,
) -> Result<(), TestCaseError> {
    let got = segment.from_child(from, head);
    let allowed = !model.without_ipv6(head, vec![from]).is_empty();
    let expected = model.queue_xmit(from, head).filter(|_| allowed);
    let (children, wire) = expected.unwrap_or_default();
    let children = model.without_ipv6(head, children);
    let mut keys: Vec<u16> = got.into_iter().flat_map(|to| to.children()).collect();
    keys.sort_unstable();
    prop_assert_eq!(&keys, &children, "from {}: {:?}", from, head);
    prop_assert!(!keys.contains(&from));
    prop_assert_eq!(got.is_ok_and(|to| to.wire), wire);
    prop_assert_eq!(got.is_err(), children.is_empty() && !wire);
    Ok(())
}
