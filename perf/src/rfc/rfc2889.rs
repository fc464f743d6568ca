//! The tests of RFC 2889 for a switch's ports: meshes, congestion, address handling, broadcast.
//!
//! What differs from the RFC, because there is no wire:
//!
//! - The maximum load is what the generators can offer together, not the rate of a medium, so the "intended
//!   load" of 5.1.2 is always in frames a second of all ports together.
//! - A trial is short by default; the RFC wants 30 s (5.1.2).
//! - The tests that need a wire or a second device are left out: forward pressure (5.6), errored frames with
//!   wrong check sequences (5.9), several devices (5.3).
//!
//! Rates count frames that were delivered where they belong. What reached another port is "flooded" and counts
//! for nothing.

mod addresses;
mod congestion;

use anyhow::Result;
use clap::ValueEnum;

use super::finding::Measure;
use super::pattern::Pattern;
use super::rfc2544::{latency, throughput};
use super::series::Test;
use super::tester::Tester;
use crate::generate::FrameSize;

pub(crate) use addresses::AddressSettings;

/// A test, with its settings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rfc2889 {
    pub(crate) kind: Kind,
    pub(crate) addresses: AddressSettings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Every port to every other: throughput, loss, forwarding rates (5.1)
    FullMesh,
    /// The first port to all others: the same (5.2)
    OneToMany,
    /// All others to the first port: the same (5.2)
    ManyToOne,
    /// One half of the ports to the other half: the same (5.4)
    Unidirectional,
    /// Whether a congested port holds up frames to another one (5.5)
    Congestion,
    /// How many addresses the switch remembers (5.7)
    AddressCaching,
    /// How fast it learns them (5.8)
    AddressLearning,
    /// Broadcast frames: throughput, forwarding rates, latency (5.10)
    Broadcast,
}

impl Test for Rfc2889 {
    const STANDARD: &'static str = "RFC 2889";

    fn title(self) -> &'static str {
        match self.kind {
            Kind::FullMesh => "5.1 Fully meshed",
            Kind::OneToMany => "5.2 Partially meshed, one to many",
            Kind::ManyToOne => "5.2 Partially meshed, many to one",
            Kind::Unidirectional => "5.4 Partially meshed, unidirectional",
            Kind::Congestion => "5.5 Congestion control",
            Kind::AddressCaching => "5.7 Address caching capacity",
            Kind::AddressLearning => "5.8 Address learning rate",
            Kind::Broadcast => "5.10 Broadcast frame forwarding and latency",
        }
    }

    fn explanation(self) -> &'static str {
        match self.kind {
            Kind::FullMesh | Kind::OneToMany | Kind::ManyToOne | Kind::Unidirectional => {
                "Loads and rates of all ports together. Throughput is the highest offered load of which no \
                 more was lost than is tolerated."
            }
            Kind::Congestion => {
                "Two ports send as much as the throughput between two ports: one of them half to each of two \
                 others, the other one all to the second of these, which so is offered 150 %. Loss at \
                 the uncongested port is head-of-line blocking, or a machine without time for both senders."
            }
            Kind::AddressCaching => {
                "The most addresses behind one port for which every frame is sent to that port alone."
            }
            Kind::AddressLearning => {
                "The highest rate of frames with new source addresses of which every one was learned."
            }
            Kind::Broadcast => {
                "Loads in frames offered, forwarding rates in frames received, one for each of the other ports."
            }
        }
    }

    fn ports(self) -> usize {
        match self.kind {
            Kind::FullMesh
            | Kind::OneToMany
            | Kind::ManyToOne
            | Kind::Unidirectional
            | Kind::Broadcast => 2,
            Kind::AddressCaching | Kind::AddressLearning => 3,
            Kind::Congestion => 4,
        }
    }

    fn sizes(self, chosen: &[FrameSize]) -> Vec<FrameSize> {
        match self.kind {
            // Addresses are a matter of frames, not of their length.
            Kind::AddressCaching | Kind::AddressLearning => vec![FrameSize::SMALLEST],
            Kind::FullMesh
            | Kind::OneToMany
            | Kind::ManyToOne
            | Kind::Unidirectional
            | Kind::Congestion
            | Kind::Broadcast => chosen.to_vec(),
        }
    }

    fn measure(self, tester: &mut Tester, size: FrameSize) -> Result<Vec<Measure>> {
        match self.kind {
            Kind::FullMesh => throughput(tester, Pattern::FullMesh, size),
            Kind::OneToMany => throughput(tester, Pattern::OneToMany, size),
            Kind::ManyToOne => throughput(tester, Pattern::ManyToOne, size),
            Kind::Unidirectional => throughput(tester, Pattern::Halves, size),
            Kind::Congestion => congestion::measure(tester, size),
            Kind::AddressCaching => addresses::capacity(tester, size, &self.addresses),
            Kind::AddressLearning => addresses::learning_rate(tester, size, &self.addresses),
            Kind::Broadcast => {
                let mut measures = throughput(tester, Pattern::Broadcast, size)?;
                measures.extend(latency(tester, Pattern::Broadcast, size)?);
                Ok(measures)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_names_its_section_and_what_it_measures() {
        let addresses = AddressSettings::default();
        let tests = Kind::value_variants().iter().map(|kind| Rfc2889 {
            kind: *kind,
            addresses,
        });
        for test in tests {
            assert!(test.title().starts_with("5."));
            assert!(test.explanation().ends_with('.'));
            assert!((2..=4).contains(&test.ports()));
            assert!(!test.sizes(&FrameSize::STANDARD).is_empty());
        }
    }
}
