//! What the forwarding database says and is asked: plain values.

use std::time::Duration;

use vswitch_wire::{MacAddr, VlanId};

use super::entry::EntryKind;
use crate::port::PortId;

/// What learning did with a source address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The station is where it was.
    Known,
    /// A new station.
    New,
    /// The station was at `from` before.
    Moved {
        /// Its former port.
        from: PortId,
    },
    /// An entry put in by hand says otherwise and stays.
    Refused,
    /// Another writer was at work; the station's next frame tries again.
    Skipped,
}

/// Where a station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The port that leads to it; meaningless for [`EntryKind::Local`].
    pub port: PortId,
    /// How the switch knows.
    pub kind: EntryKind,
}

/// One entry as a person sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FdbEntry {
    /// The station.
    pub mac: MacAddr,
    /// Its VLAN, if the network has any.
    pub vlan: Option<VlanId>,
    /// The port that leads to it; nothing for the switch's own addresses.
    pub port: Option<PortId>,
    /// How the switch knows.
    pub kind: EntryKind,
    /// Time since the station was last seen as a source (for entries put in by hand: added).
    pub age: Duration,
}

/// Which entries a flush removes; an empty filter removes all learned ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flush {
    /// Only entries of this port.
    pub port: Option<PortId>,
    /// Only this station.
    pub mac: Option<MacAddr>,
    /// Only this VLAN.
    pub vlan: Option<VlanId>,
    /// Entries of this kind; [`EntryKind::Learned`] when absent.
    pub kind: Option<EntryKind>,
}

/// An entry that cannot be put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FdbError {
    /// Group and all-zero addresses are not stations.
    #[error("{0} is not the address of a station: give a unicast address")]
    NotUnicast(MacAddr),
    /// Learned entries come from frames alone.
    #[error("a learned entry cannot be put in by hand: use sticky, static or local")]
    NotByHand,
    /// The bound of the table is reached.
    #[error("the table already holds {0} entries put in by hand: raise max_entries or remove some")]
    Full(usize),
}

/// Counters of the table's life. The books close: entries + pinned = learned + added - evicted -
/// expired - removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FdbStats {
    /// Learned entries alive, those past their age but not yet swept included.
    pub entries: usize,
    /// Entries put in by hand.
    pub pinned: usize,
    /// Stations learned since the start.
    pub learned: u64,
    /// Entries put in by hand since the start.
    pub added: u64,
    /// Station moves since the start.
    pub moved: u64,
    /// Entries evicted because the table was full.
    pub evicted: u64,
    /// Entries removed by age.
    pub expired: u64,
    /// Entries removed otherwise: flushed, by hand, replaced by one put in by hand, with their port.
    pub removed: u64,
    /// Frames whose source an entry put in by hand contradicted.
    pub refused: u64,
    /// Frames that taught nothing because another writer was at work.
    pub skipped: u64,
}
