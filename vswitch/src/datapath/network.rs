//! What a network is to the data path: a number and a few settings.

use std::sync::Arc;

use serde::Serialize;

use crate::port::macvlan::Macvlan;

/// A network's number on the switch; never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NetworkId(pub(super) u32);

impl std::fmt::Display for NetworkId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Ageing time of learned entries in seconds: 10 to 1,000,000 (802.1Q table 8-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ageing(u32);

impl Ageing {
    /// The standard's default: 300 s.
    pub const DEFAULT: Self = Self(300);

    /// The ageing time, if the standard allows it.
    #[must_use]
    pub const fn from_secs(secs: u32) -> Option<Self> {
        if secs >= 10 && secs <= 1_000_000 {
            Some(Self(secs))
        } else {
            None
        }
    }

    /// Seconds.
    #[must_use]
    pub const fn secs(self) -> u32 {
        self.0
    }
}

/// Bound of a forwarding database: 1 to 1,000,000 learned entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxEntries(u32);

impl MaxEntries {
    /// As in Open vSwitch: 8192.
    pub const DEFAULT: Self = Self(8192);

    /// The bound, if it is within the range.
    #[must_use]
    pub const fn new(entries: u32) -> Option<Self> {
        if entries >= 1 && entries <= 1_000_000 {
            Some(Self(entries))
        } else {
            None
        }
    }

    /// Entries.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    pub(super) const fn as_usize(self) -> usize {
        self.0 as usize
    }
}

/// How a network's relay behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Ageing time of learned entries.
    pub ageing: Ageing,
    /// Bound of the forwarding database.
    pub max_entries: MaxEntries,
    /// Whether source addresses are learned; without, the network is a hub.
    pub learning: bool,
    /// Whether 01-80-C2-00-00-0X is relayed, so that the substrate of a lab is invisible.
    pub relay_reserved: bool,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            ageing: Ageing::DEFAULT,
            max_entries: MaxEntries::DEFAULT,
            learning: true,
            relay_reserved: false,
        }
    }
}

/// How a network finds the port behind which a station is.
#[derive(Clone, Debug, Default)]
pub enum Relay {
    /// It learns from source addresses, and floods what it does not know (802.1Q).
    #[default]
    Learning,
    /// It asks the macvlan engine, which knows every child.
    Macvlan(Arc<Macvlan>),
}
