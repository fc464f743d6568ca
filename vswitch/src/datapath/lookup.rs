//! Stage 4: where the destination is.

use macvlan_emu::Delivery;
use vswitch_wire::{Head, VlanId};

use super::{DropReason, EntryKind, FdbKey, Ingress, Tick};
use crate::port::PortId;

/// Where a frame is to go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Destination<'a> {
    /// One port.
    Port(PortId),
    /// Every other port of the network.
    Everyone,
    /// Children of a macvlan network, the wire, or both.
    Children(Delivery<'a, PortId>),
    /// The switch itself.
    Switch,
}

impl Ingress<'_> {
    /// Looks the destination up. Group addresses and unknown stations go to everyone.
    ///
    /// # Errors
    /// [`DropReason::SamePort`] when the station is behind the port that the frame came from
    /// (802.1Q 8.6.1: its other copy has already reached it); [`DropReason::Macvlan`].
    #[inline]
    pub(super) fn lookup(
        &self,
        vlan: Option<VlanId>,
        head: &Head,
        now: Tick,
    ) -> Result<Destination<'_>, DropReason> {
        if let Some(view) = self.macvlan {
            let delivery = view.deliver(self.port.id, head);
            return delivery
                .map(Destination::Children)
                .map_err(DropReason::Macvlan);
        }
        let destination = head.dst;
        if destination.is_multicast() {
            return Ok(Destination::Everyone);
        }
        match self.fdb.lookup(FdbKey::new(destination, vlan), now) {
            None => Ok(Destination::Everyone),
            Some(hit) if hit.kind == EntryKind::Local => Ok(Destination::Switch),
            Some(hit) if hit.port == self.port.id => Err(DropReason::SamePort),
            Some(hit) => Ok(Destination::Port(hit.port)),
        }
    }
}
