//! Who gets a frame.
//!
//! A [`Delivery`] is a view of the segment and not a list: the children are found while they are asked for, so nothing
//! is allocated. It never is empty. A frame that nobody gets is a [`Refusal`], which is at once the reason, the text,
//! the counter's index and its label.
//!
//! The three ways to be chosen, in this order: listed by source address, addressed, member of what is flooded. No child
//! is chosen in two ways: the first takes source mode only, the third everything but source mode.

use core::hash::Hash;

use vswitch_wire::MacAddr;

use crate::Segment;
use crate::mode::{Cast, Origin};

/// Whom a frame goes to, in copies where there are several. Never nobody.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a, K> {
    /// Whether it leaves through the parent.
    pub wire: bool,
    pub(crate) segment: &'a Segment<K>,
    /// Slots of the source children that list the sender.
    pub(crate) listed: &'a [usize],
    /// Slot of the child that is addressed.
    pub(crate) one: Option<usize>,
    pub(crate) flood: Option<Flood>,
    /// Whether the frame is IPv6, which not every child takes.
    pub(crate) ipv6: bool,
}

/// Copies for all children that may have them and want them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flood {
    pub(crate) group: MacAddr,
    pub(crate) origin: Origin,
    /// Slot of the sender.
    pub(crate) except: Option<usize>,
}

impl<'a, K: Copy + Eq + Hash> Delivery<'a, K> {
    /// Nobody so far.
    pub(crate) const fn new(segment: &'a Segment<K>, ipv6: bool) -> Self {
        Self {
            wire: false,
            segment,
            listed: &[],
            one: None,
            flood: None,
            ipv6,
        }
    }

    /// The children that get it, each once, in no order.
    pub fn children(&self) -> impl Iterator<Item = K> + use<'a, K> {
        let Self { segment, ipv6, .. } = *self;
        self.slots().filter_map(move |slot| {
            let child = &segment.entries.get(slot)?.child;
            (child.ipv6 || !ipv6).then_some(child.key)
        })
    }

    /// The children that would get it if all took IPv6.
    fn slots(&self) -> impl Iterator<Item = usize> + use<'a, K> {
        let Self { segment, flood, .. } = *self;
        let flooded = flood.into_iter().flat_map(move |flood| {
            let entries = segment.entries.iter().enumerate();
            entries.filter_map(move |(slot, entry)| {
                let takes = flood.except != Some(slot)
                    && entry.child.mode.takes(flood.origin, Cast::Group)
                    && entry.takes_group(flood.group);
                takes.then_some(slot)
            })
        });
        self.listed.iter().copied().chain(self.one).chain(flooded)
    }

    /// This, unless nobody gets it.
    pub(crate) fn or_refusal(self) -> Result<Self, Refusal> {
        if self.wire || self.children().next().is_some() {
            Ok(self)
        } else if self.slots().next().is_some() {
            Err(Refusal::Ipv6Off)
        } else {
            Err(Refusal::Nobody)
        }
    }
}

/// Why nobody gets a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// No child takes it, and it does not go to the wire. From the wire that is every frame for somebody else.
    #[error("the frame is for no child of this parent")]
    Nobody,
    /// IPv6, and the sender or everybody who would get it is on an IPv4-only network.
    #[error("IPv6 is off on this network")]
    Ipv6Off,
    /// The sender is no child of this segment.
    #[error("the sender is not a child of this parent")]
    UnknownChild,
}

impl Refusal {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Nobody, Self::Ipv6Off, Self::UnknownChild];

    /// Index of the reason's counter.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The label: in JSON, in tables.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Nobody => "macvlan_nobody",
            Self::Ipv6Off => "macvlan_ipv6_off",
            Self::UnknownChild => "macvlan_unknown_child",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_its_own_counter_label_and_text() {
        let mut labels = BTreeSet::new();
        let mut texts = BTreeSet::new();
        for (index, reason) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert!(labels.insert(reason.label()) && texts.insert(reason.to_string()));
        }
    }
}
