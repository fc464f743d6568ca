//! What the parent is asked to receive besides its own.
//!
//! A network card filters by address. It is told each of the segment's; one whose filter is full refuses,
//! and is made promiscuous instead, as long as an address needs it. (An interface that has no filter at
//! all, as a veth, becomes promiscuous by itself with the first.) The kernel counts for each socket, and
//! takes everything back when it is closed.

use std::collections::BTreeMap;
use std::io;

use vswitch_wire::MacAddr;

use super::state::is_missing;
use crate::sys::packet::{Membership, PacketSocket};

/// Who can make an interface receive more; the socket, but for tests.
pub(super) trait Joins {
    fn join(&self, membership: Membership) -> io::Result<()>;
    fn leave(&self, membership: Membership) -> io::Result<()>;
}

impl Joins for PacketSocket {
    fn join(&self, membership: Membership) -> io::Result<()> {
        Self::join(self, membership)
    }

    fn leave(&self, membership: Membership) -> io::Result<()> {
        Self::leave(self, membership)
    }
}

/// How the parent is made to receive an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Member,
    /// It is promiscuous because it refused the address.
    Promiscuous,
}

/// What the parent receives for the uplink.
#[derive(Debug, Default)]
pub(super) struct Members {
    addresses: BTreeMap<MacAddr, How>,
    all: bool,
    groups: bool,
    promiscuous: bool,
    warned: bool,
}

impl Members {
    pub(super) fn is_promiscuous(&self) -> bool {
        self.promiscuous
    }

    pub(super) fn add(&mut self, parent: &impl Joins, address: MacAddr) -> io::Result<()> {
        if self.addresses.contains_key(&address) {
            return Ok(());
        }
        let how = match parent.join(membership(address)) {
            Ok(()) => How::Member,
            Err(error) if is_missing(&error) || address.is_multicast() => return Err(error),
            Err(error) => {
                self.set_promiscuous(parent, true)?;
                if !self.warned {
                    self.warned = true;
                    tracing::warn!(
                        %error, %address,
                        "the parent takes no further MAC address: it is promiscuous as long as that is needed"
                    );
                }
                How::Promiscuous
            }
        };
        self.addresses.insert(address, how);
        Ok(())
    }

    pub(super) fn remove(&mut self, parent: &impl Joins, address: MacAddr) {
        // What cannot be left is gone with the parent.
        match self.addresses.remove(&address) {
            Some(How::Member) => drop(parent.leave(membership(address))),
            Some(How::Promiscuous) => drop(self.settle(parent)),
            None => {}
        }
    }

    pub(super) fn want_all(&mut self, parent: &impl Joins, on: bool) -> io::Result<()> {
        let before = std::mem::replace(&mut self.all, on);
        self.settle(parent).inspect_err(|_| self.all = before)
    }

    pub(super) fn want_groups(&mut self, parent: &impl Joins, on: bool) -> io::Result<()> {
        match (self.groups, on) {
            (false, true) => parent.join(Membership::AllGroups)?,
            (true, false) => drop(parent.leave(Membership::AllGroups)),
            (true, true) | (false, false) => {}
        }
        self.groups = on;
        Ok(())
    }

    /// Makes the parent promiscuous when somebody needs it, and only then.
    fn settle(&mut self, parent: &impl Joins) -> io::Result<()> {
        let needed = self.all || self.addresses.values().any(|how| *how == How::Promiscuous);
        self.set_promiscuous(parent, needed)
    }

    fn set_promiscuous(&mut self, parent: &impl Joins, on: bool) -> io::Result<()> {
        match (self.promiscuous, on) {
            (false, true) => parent.join(Membership::Promiscuous)?,
            (true, false) => drop(parent.leave(Membership::Promiscuous)),
            (true, true) | (false, false) => {}
        }
        self.promiscuous = on;
        Ok(())
    }
}

const fn membership(address: MacAddr) -> Membership {
    if address.is_multicast() {
        Membership::Group(address.octets())
    } else {
        Membership::Unicast(address.octets())
    }
}
