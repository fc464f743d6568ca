//! Stage 4: where the destination is.

use vswitch_wire::{MacAddr, VlanId};

use super::{DropReason, EntryKind, FdbKey, Ingress, Tick};
use crate::port::PortId;

/// Where a frame is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// One port.
    Port(PortId),
    /// Every other port of the network.
    Everyone,
    /// The switch itself.
    Switch,
}

impl Ingress<'_> {
    /// Looks the destination up. Group addresses and unknown stations go to everyone.
    ///
    /// # Errors
    /// [`DropReason::SamePort`] when the station is behind the port that the frame came from
    /// (802.1Q 8.6.1: its other copy has already reached it).
    #[inline]
    pub(super) fn lookup(
        &self,
        vlan: Option<VlanId>,
        destination: MacAddr,
        now: Tick,
    ) -> Result<Destination, DropReason> {
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
