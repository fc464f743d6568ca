//! The reference: a learning bridge written as plainly as the standard reads. Maps, loops and
//! clones; nothing in it is shared with the switch but the names of the settings and reasons.
//!
//! It has no bound on its tables: eviction is left out, and tested on its own with the table.

use std::collections::BTreeMap;

use vswitch_wire::MacAddr;

use super::super::super::{DropReason, EntryKind, Flush, NetworkSettings};
use super::super::bench::Mood;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) port: u16,
    pub(super) kind: EntryKind,
    /// Milliseconds.
    seen: u64,
}

#[derive(Debug, Default)]
pub(super) struct Network {
    pub(super) settings: NetworkSettings,
    /// With entries past their age, until something removes them.
    table: BTreeMap<MacAddr, Entry>,
    pub(super) learned: u64,
    pub(super) moved: u64,
    pub(super) refused: u64,
    pub(super) expired: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) consumed: u64,
    pub(super) dropped: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
pub(super) struct Port {
    pub(super) network: u32,
    pub(super) mtu: usize,
    pub(super) mood: Mood,
    pub(super) counted: Counted,
    /// Numbers of the frames that were delivered here since the last look.
    pub(super) taken: Vec<u64>,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) number: u64,
    pub(super) dst: MacAddr,
    pub(super) src: MacAddr,
    /// What is wrong with it from the start.
    pub(super) bad: Option<DropReason>,
    /// Behind the Ethernet header.
    pub(super) payload: usize,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) networks: BTreeMap<u32, Network>,
    pub(super) ports: BTreeMap<u16, Port>,
    pub(super) now: u64,
}

impl Network {
    fn old(&self, entry: Entry, now: u64) -> bool {
        let ages = matches!(entry.kind, EntryKind::Learned | EntryKind::Sticky);
        // Both to the second.
        ages && now / 1000 - entry.seen / 1000 >= u64::from(self.settings.ageing.secs())
    }

    pub(super) fn find(&self, mac: MacAddr, now: u64) -> Option<Entry> {
        let entry = *self.table.get(&mac)?;
        (!self.old(entry, now)).then_some(entry)
    }

    pub(super) fn entries(&self, now: u64) -> Vec<(MacAddr, Option<u16>, EntryKind, u64)> {
        (self.table.iter())
            .filter(|(_, entry)| !self.old(**entry, now))
            .map(|(mac, entry)| {
                let port = (entry.kind != EntryKind::Local).then_some(entry.port);
                (*mac, port, entry.kind, now / 1000 - entry.seen / 1000)
            })
            .collect()
    }

    pub(super) fn count(&self, by_hand: bool) -> usize {
        let learned = |entry: &&Entry| entry.kind == EntryKind::Learned;
        let count = self.table.values().filter(learned).count();
        if by_hand {
            self.table.len() - count
        } else {
            count
        }
    }

    pub(super) fn add(&mut self, mac: MacAddr, port: u16, kind: EntryKind, now: u64) -> usize {
        if mac.octets()[0] % 2 == 1 || mac.octets() == [0; 6] {
            return 0;
        }
        let seen = now;
        self.table.insert(mac, Entry { port, kind, seen });
        1
    }

    pub(super) fn remove(&mut self, mac: MacAddr) -> usize {
        self.remove_all(|other, _| other == mac)
    }

    fn remove_all(&mut self, doomed: impl Fn(MacAddr, Entry) -> bool) -> usize {
        let before = self.table.len();
        self.table.retain(|mac, entry| !doomed(*mac, *entry));
        before - self.table.len()
    }

    pub(super) fn flush(&mut self, filter: &Flush) -> usize {
        let kind = filter.kind.unwrap_or(EntryKind::Learned);
        let port = filter.port.map(|port| port.get());
        self.remove_all(|mac, entry| {
            let at_port = port.is_none() || port == Some(entry.port) && kind != EntryKind::Local;
            entry.kind == kind && at_port && (filter.mac.is_none() || filter.mac == Some(mac))
        })
    }

    pub(super) fn sweep(&mut self, now: u64) -> usize {
        let old: Vec<MacAddr> = (self.table.iter())
            .filter(|(_, entry)| self.old(**entry, now))
            .map(|(mac, _)| *mac)
            .collect();
        let count = self.remove_all(|mac, _| old.contains(&mac));
        self.expired += count as u64;
        count
    }

    pub(super) fn forget_port(&mut self, port: u16) {
        self.remove_all(|_, entry| entry.port == port && entry.kind != EntryKind::Local);
    }

    fn learn(&mut self, mac: MacAddr, port: u16, now: u64) {
        if !self.settings.learning {
            return;
        }
        let entry = Entry {
            port,
            kind: EntryKind::Learned,
            seen: now,
        };
        match self.find(mac, now) {
            None => {
                self.expired += u64::from(self.table.insert(mac, entry).is_some());
                self.learned += 1;
            }
            Some(former) if former.kind == EntryKind::Learned => {
                self.moved += u64::from(former.port != port);
                self.table.insert(mac, entry);
            }
            Some(former) if former.kind == EntryKind::Local || former.port != port => {
                self.refused += 1;
            }
            Some(former) if former.kind == EntryKind::Sticky => {
                let seen = now;
                self.table.insert(mac, Entry { seen, ..former });
            }
            Some(_) => {}
        }
    }
}

impl Model {
    fn drop(&mut self, port: u16, reason: DropReason) {
        let counted = &mut self.ports.get_mut(&port).unwrap().counted;
        *counted.dropped.entry(reason.label()).or_default() += 1;
    }

    pub(super) fn receive(&mut self, from: u16, frame: &Frame) {
        let Some(port) = self.ports.get_mut(&from) else {
            return;
        };
        port.counted.received += 1;
        let id = port.network;
        match self.relay(id, from, frame) {
            Ok(to) => to.into_iter().for_each(|to| self.send(to, frame)),
            Err(reason) => self.drop(from, reason),
        }
    }

    fn relay(&mut self, id: u32, from: u16, frame: &Frame) -> Result<Vec<u16>, DropReason> {
        let now = self.now;
        let network = self.networks.get_mut(&id).unwrap();
        if let Some(reason) = frame.bad {
            return Err(reason);
        }
        if frame.src.is_multicast() || frame.src.is_zero() {
            return Err(DropReason::InvalidSource);
        }
        let reserved =
            frame.dst.octets()[..5] == [1, 0x80, 0xc2, 0, 0] && frame.dst.octets()[5] < 16;
        if reserved && !network.settings.relay_reserved {
            return Err(DropReason::ReservedAddress);
        }
        network.learn(frame.src, from, now);
        let known = if frame.dst.is_multicast() {
            None
        } else {
            network.find(frame.dst, now)
        };
        match known {
            None => {
                let others: Vec<u16> = (self.ports.iter())
                    .filter(|(number, port)| port.network == id && **number != from)
                    .map(|(number, _)| *number)
                    .collect();
                let alone = others.is_empty();
                (!alone).then_some(others).ok_or(DropReason::NoOtherPort)
            }
            Some(entry) if entry.kind == EntryKind::Local => {
                self.ports.get_mut(&from).unwrap().counted.consumed += 1;
                Ok(Vec::new())
            }
            Some(entry) if entry.port == from => Err(DropReason::SamePort),
            Some(entry) => (self.ports.get(&entry.port))
                .filter(|port| port.network == id)
                .map(|_| vec![entry.port])
                .ok_or(DropReason::PortGone),
        }
    }

    fn send(&mut self, to: u16, frame: &Frame) {
        let port = self.ports.get_mut(&to).unwrap();
        let reason = match port.mood {
            _ if frame.payload > port.mtu => DropReason::TooLong,
            Mood::Takes | Mood::Room(1..) => {
                port.counted.sent += 1;
                port.taken.push(frame.number);
                return;
            }
            Mood::Room(0) => DropReason::ReceiverFull,
            Mood::Down => DropReason::PortDown,
            Mood::Gone => DropReason::PortGone,
            Mood::Refuses => DropReason::Refused,
            Mood::Nobody => DropReason::NoPeer,
            Mood::Unreachable => DropReason::Unreachable,
            Mood::Answers => panic!("no mood of the model's"),
        };
        self.drop(to, reason);
    }
}
