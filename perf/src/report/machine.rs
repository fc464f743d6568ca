//! The machine that was measured on: nothing in a report means anything without it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A machine and the programs that were used on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// When the run began, as RFC 3339 has it, in UTC.
    pub(crate) date: String,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The processor's model.
    pub(crate) processor: String,
    /// How many cores this program may use.
    pub(crate) cores: usize,
    /// Memory, in MiB.
    pub(crate) memory: u64,
    /// The load average of the minute before the run: whether others had work.
    pub(crate) busy: String,
    /// Programs and their versions, as they say themselves.
    pub(crate) versions: BTreeMap<String, String>,
    /// Offload features of the interfaces that sent and received.
    pub(crate) offload: Vec<Offload>,
}

/// What `ethtool -k` says of an interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Offload {
    /// On which candidate.
    pub(crate) candidate: String,
    /// In the part of the run with this MTU.
    pub(crate) mtu: u32,
    /// In which host.
    pub(crate) host: String,
    /// The interface.
    pub(crate) interface: String,
    /// The features that decide how large a packet travels and who sums it up, and whether each is on.
    pub(crate) features: BTreeMap<String, bool>,
}
