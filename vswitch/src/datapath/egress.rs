//! Stage 5: through which ports the frame leaves.

use std::sync::Arc;

use super::lookup::Destination;
use super::snapshot::PortView;
use super::{DropReason, Ingress};

/// What is to be done with a frame that was not dropped.
#[derive(Clone, Copy, Debug)]
pub enum Verdict<'a> {
    /// Send it to this port.
    To(&'a PortView),
    /// Send it to each of these ports but the one that it came from.
    Flood(&'a [Arc<PortView>]),
    /// The switch itself takes it.
    Consumed,
}

impl Ingress<'_> {
    /// Resolves the destination to ports of this network.
    ///
    /// # Errors
    /// [`DropReason::NoOtherPort`] when the frame came from the only one;
    /// [`DropReason::PortGone`] when the table still names a port that has left the network.
    #[inline]
    pub(super) fn egress(&self, destination: Destination) -> Result<Verdict<'_>, DropReason> {
        match destination {
            Destination::Port(id) => match self.snapshot.attachment(id) {
                Some(found) if found.network.id == self.network.id => Ok(Verdict::To(&found.port)),
                Some(_) | None => Err(DropReason::PortGone),
            },
            Destination::Everyone if self.network.members.len() > 1 => {
                Ok(Verdict::Flood(&self.network.members))
            }
            Destination::Everyone => Err(DropReason::NoOtherPort),
            Destination::Switch => Ok(Verdict::Consumed),
        }
    }
}
