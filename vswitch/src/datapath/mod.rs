//! The life of a frame: [`Ingress::forward`], one file a stage.
//!
//! ```text
//!  PortRx --> Batch --> parse -> admit -> learn -> lookup -> egress --> Outbox --> PortTx
//!                       frame    admit    learn    lookup    egress     offload
//!                                            \      /
//!                                              Fdb
//! ```
//!
//! - **Threads.** A worker owns the receiving halves of some ports and runs every frame of
//!   theirs to completion; a port never changes its worker, so the order of frames never changes.
//!   Workers share the [`Fdb`] and, through an immutable [`Snapshot`], everything else.
//! - **Drops are values.** A stage ends a frame by returning a [`DropReason`]; it is counted for
//!   the port that the frame came from, or, when one copy could not leave, for the port that it
//!   should have left through.
//! - **Time is an argument**, read once per batch.
//! - **No allocation and no lock** per frame.
//! - **Two kinds of relay** ([`Relay`]): most networks learn where stations are; on a macvlan network everybody's place
//!   is known, and its engine is asked instead of the [`Fdb`]. The stages are the same.

mod admit;
mod counters;
mod drop;
mod egress;
mod events;
mod fdb;
mod frame;
mod lane;
mod learn;
mod lookup;
mod network;
mod offload;
mod outbox;
mod polling;
mod snapshot;
mod switch;
mod tick;
mod worker;

#[cfg(test)]
mod tests;

pub use counters::{Tally, Traffic};
pub use drop::DropReason;
pub use egress::{Copies, Verdict};
pub use events::SwitchEvent;
pub use fdb::{
    EntryKind, EntryKindParseError, Fdb, FdbEntry, FdbError, FdbKey, FdbReader, FdbStats, Flush,
    Hit, Learned,
};
pub use frame::Frame;
pub use lane::Lane;
pub use network::{Ageing, MaxEntries, NetworkId, NetworkSettings, Relay};
pub use snapshot::{NetworkView, PortView, Snapshot};
pub use switch::{AddPortError, PortStats, StartError, Switch, SwitchConfig};
pub use tick::Tick;
pub use worker::{TrunkId, WorkerStats};

use crate::port::macvlan::View;
use events::EventSender;

/// What a batch from one port sees of the switch.
#[derive(Debug)]
pub struct Ingress<'a> {
    snapshot: &'a Snapshot,
    port: &'a PortView,
    network: &'a NetworkView,
    fdb: FdbReader<'a>,
    /// On a macvlan network: its children.
    macvlan: Option<&'a View>,
    events: &'a EventSender,
}

impl Ingress<'_> {
    /// To be called with the frames of a batch before they are forwarded, for their sake only: a large forwarding
    /// database answers sooner then. Frames that are not whole are passed over.
    #[inline]
    pub fn expect<'f>(&self, frames: impl Iterator<Item = Frame<'f>>) {
        if self.macvlan.is_none() {
            let addresses = frames.filter_map(|frame| frame.addresses());
            let keys = addresses.flatten().map(|mac| FdbKey::new(mac, None));
            self.fdb.expect(keys);
        }
    }

    /// Read this first.
    ///
    /// # Errors
    /// The reason why the frame goes nowhere.
    #[inline]
    pub fn forward(&self, frame: &Frame<'_>, now: Tick) -> Result<Verdict<'_>, DropReason> {
        let head = frame.parse()?; // Ethernet, tags and offload header, checked once
        let vlan = self.admit(&head)?; // what is refused teaches nothing
        self.learn(vlan, &head, frame, now);
        let destination = self.lookup(vlan, &head, now)?; // a station, everyone, ourselves
        self.egress(destination) // members of the network but the port it came from
    }
}
