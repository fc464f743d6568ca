//! What the workers know of the configuration: an immutable picture.
//!
//! Control builds a new picture for every change and swaps it in; a worker loads the current one
//! once per batch. A port that was removed lives on in the old picture until the last batch that
//! began with it has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, Ordering};

use arc_swap::Guard;
use vswitch_wire::OffloadSet;

use super::counters::PortCounters;
use super::{Fdb, NetworkId, NetworkSettings, Relay};
use crate::port::macvlan::View;
use crate::port::{PortId, PortState, PortTx};

/// The picture.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By port number.
    pub(super) ports: Vec<Option<Attachment>>,
}

/// A port and the network that it is in.
#[derive(Clone, Debug)]
pub(super) struct Attachment {
    pub(super) port: Arc<PortView>,
    pub(super) network: Arc<NetworkView>,
}

/// A port as the workers see it.
#[derive(Debug)]
pub struct PortView {
    pub(super) id: PortId,
    /// See [`Self::mtu`].
    pub(super) mtu_now: AtomicU16,
    pub(super) offload: OffloadSet,
    pub(super) tx: Arc<dyn PortTx>,
    pub(super) counters: PortCounters,
    pub(super) state: StateCell,
}

impl PortView {
    /// Largest payload of an untagged Ethernet frame that may leave here, in bytes. Control changes it
    /// where the interface's changes.
    #[inline]
    pub(super) fn mtu(&self) -> u16 {
        self.mtu_now.load(Ordering::Relaxed)
    }
}

/// A network as the workers see it.
#[derive(Debug)]
pub struct NetworkView {
    pub(super) id: NetworkId,
    pub(super) settings: NetworkSettings,
    pub(super) fdb: Arc<Fdb>,
    pub(super) relay: Relay,
    pub(super) members: Vec<Arc<PortView>>,
}

impl NetworkView {
    /// The children of a macvlan network, as they are now.
    #[inline]
    pub(super) fn macvlan(&self) -> Option<Guard<Arc<View>>> {
        match &self.relay {
            Relay::Learning => None,
            Relay::Macvlan(macvlan) => Some(macvlan.view()),
        }
    }
}

impl Snapshot {
    #[inline]
    pub(super) fn attachment(&self, id: PortId) -> Option<&Attachment> {
        self.ports.get(id.index())?.as_ref()
    }

    /// The port with this number.
    #[must_use]
    #[inline]
    pub fn port(&self, id: PortId) -> Option<&PortView> {
        self.attachment(id).map(|attachment| &*attachment.port)
    }
}

/// A port's state, changed by whoever notices first.
#[derive(Debug)]
pub(super) struct StateCell(AtomicU8);

impl StateCell {
    pub(super) const fn up() -> Self {
        Self(AtomicU8::new(Self::code(PortState::Up)))
    }

    const fn code(state: PortState) -> u8 {
        match state {
            PortState::Up => 0,
            PortState::Down => 1,
            PortState::Gone => 2,
        }
    }

    #[inline]
    pub(super) fn get(&self) -> PortState {
        match self.0.load(Ordering::Relaxed) {
            0 => PortState::Up,
            1 => PortState::Down,
            _ => PortState::Gone,
        }
    }

    /// Enters `next`; tells whether that is a change. A port that is gone stays gone.
    pub(super) fn enter(&self, next: PortState) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                (old != Self::code(next) && old != Self::code(PortState::Gone))
                    .then_some(Self::code(next))
            })
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_entered_once_and_gone_is_final() {
        let cell = StateCell::up();
        assert!(!cell.enter(PortState::Up));
        assert!(cell.enter(PortState::Down));
        assert!(!cell.enter(PortState::Down));
        assert!(cell.enter(PortState::Up));
        assert!(cell.enter(PortState::Gone));
        assert!(!cell.enter(PortState::Up));
        assert!(!cell.enter(PortState::Gone));
        assert_eq!(cell.get(), PortState::Gone);
    }
}
