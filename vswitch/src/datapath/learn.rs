//! Stage 3: the source address teaches where its station is.

use vswitch_wire::{MacAddr, VlanId};

use super::fdb::Learned;
use super::{FdbKey, Ingress, SwitchEvent, Tick};

impl Ingress<'_> {
    /// Notes the source. A full table, a lock that another holds, a full event queue: none of
    /// them stops the frame.
    #[inline]
    pub(super) fn learn(&self, vlan: Option<VlanId>, source: MacAddr, now: Tick) {
        if !self.network.settings.learning {
            return;
        }
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
}
