//! The multicast groups that a child wants.
//!
//! The kernel's driver asks the child's interface for its list of groups. From outside the container there is no such
//! list; but a host tells the routers which groups it listens to ([`crate::reports`]), and this is what it told them.
//! The complications:
//!
//! - **A frame has no group, it has a MAC address.** 32 IPv4 groups share one (RFC 1112 section 6.4), and 2^80 IPv6
//!   groups do (RFC 2464 section 7). Groups are kept by IP address, so that leaving one does not take its twin away.
//! - **Some groups are never reported, or must not depend on it** ([`is_always_wanted`]): broadcast; 224.0.0.0/24, which
//!   RFC 4541 section 2.1.2 floods; ff02::1; and the solicited-node groups, because a lost report may cost a group but
//!   must not cost neighbour discovery.
//! - **A child can join without end.** After [`MAX_GROUPS`] it gets all multicast, as a network card that runs out of
//!   filters does, and keeps it until it is removed: what else it joined was not written down.
//! - **Leaving is not always said**: by IGMPv1 never, by IGMPv2 only when one was the last to report. Then the
//!   child goes on getting the group, which costs time and nothing else. The reverse, a report held back because
//!   another host's was heard first, cannot happen: those go to the group, and who is no member does not hear them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vswitch_wire::MacAddr;

use crate::reports::{Change, Reports};

/// How many groups of a child are kept apart.
pub const MAX_GROUPS: usize = 256;

/// The address of all groups of 224.0.0.0/24, but for the last octet.
pub(crate) const LOCAL_CONTROL: MacAddr = MacAddr::new([0x01, 0x00, 0x5e, 0, 0, 0]);
/// ff02::1, all nodes.
pub(crate) const ALL_NODES: MacAddr = MacAddr::new([0x33, 0x33, 0, 0, 0, 1]);
/// What solicited-node addresses begin with (RFC 4291 section 2.7.1).
pub(crate) const SOLICITED_NODE: MacAddr = MacAddr::new([0x33, 0x33, 0xff, 0, 0, 0]);

/// Whether a group address goes to every child that group frames go to at all.
#[must_use]
pub const fn is_always_wanted(group: MacAddr) -> bool {
    let bits = group.to_u64();
    group.is_broadcast()
        || bits == ALL_NODES.to_u64()
        || bits & !0xff == LOCAL_CONTROL.to_u64()
        || bits & !0xff_ffff == SOLICITED_NODE.to_u64()
}

/// The MAC address of an IP group: 01-00-5E and 23 bits (RFC 1112 section 6.4), 33-33 and 32 bits (RFC 2464
/// section 7).
#[must_use]
pub const fn group_mac(group: IpAddr) -> MacAddr {
    match group {
        IpAddr::V4(group) => v4_mac(group),
        IpAddr::V6(group) => v6_mac(group),
    }
}

const fn v4_mac(group: Ipv4Addr) -> MacAddr {
    let [_, b, c, d] = group.octets();
    MacAddr::new([0x01, 0x00, 0x5e, b & 0x7f, c, d])
}

const fn v6_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr::new([0x33, 0x33, a, b, c, d])
}

/// What one child wants.
#[derive(Debug, Clone, Default)]
pub(crate) struct Membership {
    /// Sorted; by MAC address first, which is what is asked for.
    groups: Vec<(MacAddr, IpAddr)>,
    /// All multicast.
    everything: bool,
}

impl Membership {
    /// Whether frames to this group address are wanted.
    #[inline]
    pub(crate) fn takes(&self, group: MacAddr) -> bool {
        let at = self.groups.partition_point(|&(mac, _)| mac < group);
        let joined = self.groups.get(at).is_some_and(|&(mac, _)| mac == group);
        joined || self.everything || is_always_wanted(group)
    }

    /// Whether there were too many groups to keep them apart.
    pub(crate) const fn is_everything(&self) -> bool {
        self.everything
    }

    /// The addresses of the groups; twins give theirs twice.
    pub(crate) fn macs(&self) -> impl Iterator<Item = MacAddr> {
        self.groups.iter().map(|&(mac, _)| mac)
    }

    /// Does what the child said; whether anything is different now.
    pub(crate) fn note(&mut self, reports: &Reports) -> bool {
        if self.everything {
            return false;
        }
        let mut changed = false;
        for change in reports.changes() {
            changed |= match *change {
                Change::Join(group) => self.join(group),
                Change::Leave(group) => self.leave(group),
            };
        }
        if reports.is_cut_short() || self.groups.len() > MAX_GROUPS {
            self.groups = Vec::new();
            self.everything = true;
        }
        changed || self.everything
    }

    fn join(&mut self, group: IpAddr) -> bool {
        let mac = group_mac(group);
        if is_always_wanted(mac) {
            return false;
        }
        let Err(at) = self.groups.binary_search(&(mac, group)) else {
            return false;
        };
        self.groups.insert(at, (mac, group));
        true
    }

    fn leave(&mut self, group: IpAddr) -> bool {
        let found = self.groups.binary_search(&(group_mac(group), group));
        found.map(|at| self.groups.remove(at)).is_ok()
    }
}

#[cfg(test)]
mod tests;
