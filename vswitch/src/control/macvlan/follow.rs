//! The parent's life: what has become of the parents since they were last looked at.
//!
//! A parent that is gone takes its uplink with it; the children stay, without a carrier, and have a new uplink as soon
//! as an interface of that name is there again, which may be another one with another address.

use super::{Segment, SegmentId, Segments, Wire};
use crate::{
    control::kernel::Kernel,
    datapath::{NetworkId, Switch},
    port::{
        PortState,
        packet::{ParentFacts, UplinkError},
    },
};

/// What happened to the parent of a segment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Which segment.
    pub segment: SegmentId,
    /// Its number on the switch.
    pub relay: NetworkId,
    /// How the link is now.
    pub link: PortState,
    /// Whether it was otherwise before.
    pub link_changed: bool,
    /// The parent's MTU, in bytes; none while it is away.
    pub mtu: Option<u16>,
}

impl Segments {
    /// Looks at all parents, opens what is back and closes what is gone; tells what is different.
    pub fn follow<K: Kernel>(&mut self, kernel: &K, switch: &Switch) -> Vec<Change> {
        let segments = self.0.iter_mut();
        segments
            .filter_map(|(id, segment)| segment.follow(kernel, switch, id))
            .collect()
    }
}

impl Segment {
    fn follow<K: Kernel>(&mut self, kernel: &K, switch: &Switch, id: &SegmentId) -> Option<Change> {
        let Some(wire) = &mut self.wire else {
            return self.look_for(kernel, switch, id);
        };
        match wire.uplink.parent() {
            Ok(facts) => {
                let change = wire.notice(self.relay, id, &facts)?;
                switch.set_port_mtu(wire.port, facts.mtu);
                if facts.mac != wire.facts.mac
                    && let Err(error) = self.macvlan.set_parent(facts.mac)
                {
                    tracing::warn!(parent = %id, mac = %facts.mac, %error, "the parent's new address");
                }
                wire.facts = facts;
                Some(change)
            }
            Err(UplinkError::NoSuchParent { .. }) => {
                tracing::warn!(parent = %id, "the parent is gone; its children wait for it to come back");
                self.macvlan.unplug();
                switch.remove_port(wire.port);
                let link_changed = wire.facts.link == PortState::Up;
                self.wire = None;
                Some(self.change(id, PortState::Gone, link_changed))
            }
            Err(error) => {
                tracing::warn!(parent = %id, %error, "cannot look at the parent");
                None
            }
        }
    }

    fn look_for<K: Kernel>(
        &mut self,
        kernel: &K,
        switch: &Switch,
        id: &SegmentId,
    ) -> Option<Change> {
        if !kernel.has_interface(&id.parent) {
            return None;
        }
        if let Err(error) = self.plug(kernel, switch, id) {
            tracing::warn!(parent = %id, %error, "an interface of the parent's name is there, and cannot be it");
            return None;
        }
        tracing::info!(parent = %id, "the parent is back");
        let link = self.wire.as_ref()?.facts.link;
        Some(self.change(id, link, true))
    }

    fn change(&self, id: &SegmentId, link: PortState, link_changed: bool) -> Change {
        Change {
            segment: id.clone(),
            relay: self.relay,
            link,
            link_changed,
            mtu: self.wire.as_ref().map(|wire| wire.facts.mtu),
        }
    }
}

impl Wire {
    /// What is different; none when nothing that matters is.
    fn notice(&self, relay: NetworkId, id: &SegmentId, facts: &ParentFacts) -> Option<Change> {
        (*facts != self.facts).then(|| Change {
            segment: id.clone(),
            relay,
            link: facts.link,
            link_changed: facts.link != self.facts.link,
            mtu: Some(facts.mtu),
        })
    }
}
