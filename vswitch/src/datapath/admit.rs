//! Stage 2: whether the frame may enter, and in which VLAN.
//!
//! It comes before learning: what is refused teaches nothing.

use vswitch_wire::{Head, VlanId};

use super::{DropReason, Ingress};

impl Ingress<'_> {
    /// Admits a frame.
    ///
    /// A source that is a group address or all zeroes ends the frame, as in the kernel's bridge:
    /// no station sends so. Reserved destinations stay on their link (802.1Q 8.6.3) unless the
    /// network relays them for teaching; macvlan is no bridge but a network card for many, and lets its children speak
    /// LACP or LLDP with the switch outside. Networks have no VLANs of their own yet: the frame's tags
    /// pass through, and all of it is one broadcast domain.
    ///
    /// # Errors
    /// [`DropReason::InvalidSource`], [`DropReason::ReservedAddress`].
    #[inline]
    pub(super) fn admit(&self, head: &Head) -> Result<Option<VlanId>, DropReason> {
        if !head.src.is_unicast() {
            return Err(DropReason::InvalidSource);
        }
        if head.dst.is_link_local_reserved()
            && !self.network.settings.relay_reserved
            && self.macvlan.is_none()
        {
            return Err(DropReason::ReservedAddress);
        }
        Ok(None)
    }
}
