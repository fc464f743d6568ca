//! Stage 3: the source address teaches where its station is.
//!
//! On a macvlan network that is known. What a frame teaches there is which groups a child wants.

use vswitch_wire::{Head, VlanId};

use super::fdb::Learned;
use super::{FdbKey, Frame, Ingress, Relay, SwitchEvent, Tick};
use crate::port::macvlan::View;

impl Ingress<'_> {
    /// Notes the source. A full table, a lock that another holds, a full event queue: none of
    /// them stops the frame.
    #[inline]
    pub(super) fn learn(&self, vlan: Option<VlanId>, head: &Head, frame: &Frame<'_>, now: Tick) {
        if let Some(view) = self.macvlan {
            self.overhear(view, head, frame);
            return;
        }
        if !self.network.settings.learning {
            return;
        }
        let source = head.src;
        let network = self.network.id;
        let port = self.port.id;
        match self.fdb.learn(FdbKey::new(source, vlan), port, now) {
            Learned::Known | Learned::Refused | Learned::Skipped => {}
            Learned::New => self.events.tell(SwitchEvent::Learned {
                network,
                mac: source,
                port,
            }),
            Learned::Moved { from } => {
                self.events.tell(SwitchEvent::Moved {
                    network,
                    mac: source,
                    from,
                    to: port,
                });
            }
        }
    }

    /// Notes what a child tells the routers. The uplink is no child: nothing is heard from it.
    #[inline]
    fn overhear(&self, view: &View, head: &Head, frame: &Frame<'_>) {
        if let Some(reports) = view.segment.hears(self.port.id, head, frame.ethernet())
            && let Relay::Macvlan(macvlan) = &self.network.relay
        {
            macvlan.note(self.port.id, &reports);
        }
    }
}
