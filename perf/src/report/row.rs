//! One line of the report: one metric of one load on one candidate.

use serde::{Deserialize, Serialize};

use super::Spread;

/// All figures of one metric of a load on a candidate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Row {
    /// The way that the traffic took, such as `host to host`.
    pub(crate) path: String,
    /// MTU of the hosts' interfaces.
    pub(crate) mtu: u32,
    /// Name of the load, such as `tcp-1-cubic`.
    pub(crate) load: String,
    /// What of it this row is about.
    pub(crate) metric: Metric,
    /// Unit of the figures.
    pub(crate) unit: String,
    /// Which direction is the good one.
    pub(crate) better: Better,
    /// Name of the candidate.
    pub(crate) candidate: String,
    /// Median and spread of the figures.
    #[serde(flatten)]
    pub(crate) value: Spread,
    /// Median and spread of the ratios to the baseline within each round; absent where the baseline has no figure.
    pub(crate) ratio: Option<Spread>,
    /// What this switch is to reach here, where that has been agreed.
    pub(crate) goal: Option<Goal>,
    /// A figure for each round, in order; absent where the measurement failed.
    pub(crate) figures: Vec<Option<f64>>,
}

/// What a ratio to the kernel's own has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Goal {
    /// The bound: at least, or where less is better at most.
    pub(crate) ratio: f64,
    /// Whether the median of the ratios keeps it.
    pub(crate) met: bool,
}

/// The good direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Better {
    /// As with throughput.
    More,
    /// As with times.
    Less,
}

/// What a figure is a figure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Metric {
    /// Payload that arrived, of all flows in all directions.
    Throughput,
    /// That part of it that went from the client to the server.
    Forward,
    /// That part of it that went from the server to the client.
    Backward,
    /// Segments that TCP sent again.
    Retransmits,
    /// Datagrams that arrived in a second.
    Delivered,
    /// The highest rate of datagrams of which none was lost.
    LossFree,
    /// Median time of a request and its response.
    P50,
    /// The time that one in a hundred exceeds.
    P99,
    /// The time that one in a thousand exceeds.
    P999,
    /// Connections that were made, used and closed in a second.
    Connections,
    /// Share of the datagrams that did not arrive.
    Lost,
    /// Processor time of the switch's processes for a unit of work.
    CpuSwitch,
    /// Processor time of the whole machine for a unit of work.
    CpuMachine,
}

impl Metric {
    /// Which direction is the good one.
    pub(crate) const fn better(self) -> Better {
        match self {
            Self::Throughput
            | Self::Forward
            | Self::Backward
            | Self::Delivered
            | Self::LossFree
            | Self::Connections => Better::More,
            Self::Retransmits
            | Self::Lost
            | Self::P50
            | Self::P99
            | Self::P999
            | Self::CpuSwitch
            | Self::CpuMachine => Better::Less,
        }
    }
}

impl Goal {
    /// The goal `ratio` beside what was measured.
    pub(crate) fn of(ratio: f64, better: Better, measured: f64) -> Self {
        let met = match better {
            Better::More => measured >= ratio,
            Better::Less => measured <= ratio,
        };
        Self { ratio, met }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_a_floor_for_throughput_and_a_ceiling_for_times() {
        let met = |better, measured| Goal::of(0.9, better, measured).met;
        assert!(met(Better::More, 0.9) && met(Better::More, 1.2) && !met(Better::More, 0.89));
        assert!(met(Better::Less, 0.9) && met(Better::Less, 0.5) && !met(Better::Less, 0.91));
    }
}
