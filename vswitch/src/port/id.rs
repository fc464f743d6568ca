//! The number of a port on the switch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Ports that one switch can have.
pub const MAX_PORTS: usize = 4096;

/// A port's number: the lowest free one when the port is added. It may be given again after the
/// port is removed, which is why the forwarding database tags its entries with a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PortId(u16);

impl PortId {
    /// The port with this number.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The number as an index into a table of ports.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_a_port_is_an_index_and_a_text() {
        let last = PortId::new(u16::try_from(MAX_PORTS - 1).unwrap());
        assert_eq!((last.get(), last.index()), (4095, 4095));
        assert_eq!(last.to_string(), "4095");
        assert_eq!(serde_json::to_string(&last).unwrap(), "4095");
        assert!(PortId::new(2) < PortId::new(10));
    }
}
