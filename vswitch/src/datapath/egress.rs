//! Stage 5: through which ports the frame leaves.

use std::sync::Arc;

use macvlan_emu::Delivery;

use super::lookup::Destination;
use super::snapshot::PortView;
use super::{DropReason, Ingress, NetworkId, Snapshot};
use crate::port::PortId;

/// What is to be done with a frame that was not dropped.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// Send it to this port.
    To(&'a PortView),
    /// Send it to each of these ports but the one that it came from.
    Flood(&'a [Arc<PortView>]),
    /// Send it to each of these, of which there is at least one.
    Each(Copies<'a>),
    /// The switch itself takes it.
    Consumed,
}

/// The ports that a macvlan network sends a frame to.
#[derive(Clone, Copy, Debug)]
pub struct Copies<'a> {
    snapshot: &'a Snapshot,
    network: NetworkId,
    uplink: Option<PortId>,
    delivery: Delivery<'a, PortId>,
}

impl<'a> Copies<'a> {
    /// The ports. A child that the engine knows and the snapshot does not, because it is coming or going, is passed
    /// over.
    pub fn ports(&self) -> impl Iterator<Item = &'a PortView> + use<'a> {
        let Self {
            snapshot, network, ..
        } = *self;
        let wire = self.uplink.filter(|_| self.delivery.wire);
        (wire.into_iter().chain(self.delivery.children()))
            .filter_map(move |id| snapshot.attachment(id))
            .filter(move |found| found.network.id == network)
            .map(|found| &*found.port)
    }
}

impl Ingress<'_> {
    /// Resolves the destination to ports of this network.
    ///
    /// # Errors
    /// [`DropReason::NoOtherPort`] when the frame came from the only one, or would leave by a wire that is not there;
    /// [`DropReason::PortGone`] when the table still names a port that has left the network.
    #[inline]
    pub(super) fn egress<'a>(
        &'a self,
        destination: Destination<'a>,
    ) -> Result<Verdict<'a>, DropReason> {
        match destination {
            Destination::Port(id) => match self.snapshot.attachment(id) {
                Some(found) if found.network.id == self.network.id => Ok(Verdict::To(&found.port)),
                Some(_) | None => Err(DropReason::PortGone),
            },
            Destination::Everyone if self.network.members.len() > 1 => {
                Ok(Verdict::Flood(&self.network.members))
            }
            Destination::Everyone => Err(DropReason::NoOtherPort),
            Destination::Children(delivery) => {
                let copies = Copies {
                    snapshot: self.snapshot,
                    network: self.network.id,
                    uplink: self.macvlan.and_then(|view| view.uplink),
                    delivery,
                };
                let first = copies.ports().next();
                first.map_or(Err(DropReason::NoOtherPort), |_| Ok(Verdict::Each(copies)))
            }
            Destination::Switch => Ok(Verdict::Consumed),
        }
    }
}
