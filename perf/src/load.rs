//! What is measured between two hosts of a candidate; a file here is one kind of load.
//!
//! | name | what | figures |
//! |---|---|---|
//! | `tcp-FLOWS-CONGESTION[-reverse\|-bidir]` | iperf3, 1 to 16 flows | throughput, retransmits |
//! | `udp-SIZE-overload` | iperf3 as fast as the sender can | what arrives, what is lost |
//! | `udp-SIZE-lossfree` | iperf3, the rate is searched for | the highest rate without a loss |
//! | `frames-64` | frames of our own, as fast as can be, then a search | what arrives, what is lost, the highest rate without a loss |
//! | `rr-udp`, `rr-tcp` | requests and responses of 64 bytes, one at a time | p50, p99, p99.9 |
//! | `rr-loaded` | `rr-udp` beside a TCP flow | the same, lost datagrams, the flow's throughput |
//! | `connect` | connections made, used once and closed | connections in a second |
//!
//! Beside them each has the processor time of the switch and of the machine for a gigabit or an operation.
//! Congestion control is set for every TCP flow and read back, because it decides more than the switch does.

mod connect;
mod frames;
mod goal;
mod iperf;
mod loaded;
mod round_trip;
mod tcp;
mod udp;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::candidate::Ends;
use crate::report::Metric;
use crate::scenario::Scenario;
pub(crate) use goal::goal;
pub(crate) use round_trip::reaches;

/// Congestion control of the hosts' TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Congestion {
    /// What Linux has by default
    Cubic,
    /// BBR, which paces
    Bbr,
}

impl Congestion {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }
}

/// Who sends the data of TCP flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The client.
    Forward,
    /// The server.
    Reverse,
    /// Both at the same time.
    Both,
}

/// How fast datagrams are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    /// As fast as the sender can.
    Overload,
    /// As fast as nothing is lost.
    LossFree,
}

/// By what requests and responses travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// A connection.
    Tcp,
    /// Datagrams.
    Udp,
}

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// iperf3 TCP.
    Tcp {
        flows: u8,
        congestion: Congestion,
        direction: Direction,
    },
    /// iperf3 UDP with datagrams of a size.
    Udp { size: u16, rate: Rate },
    /// Frames of 64 bytes that are not iperf3's.
    Frames,
    /// Requests and responses.
    RoundTrip(Transport),
    /// The same by datagrams, beside a TCP flow.
    Loaded,
    /// Connections.
    Connect,
}

/// A measurement that is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bout<'a> {
    /// Between whom.
    pub(crate) ends: Ends<'a>,
    /// For how long.
    pub(crate) time: Duration,
    /// Where what iperf3 says is kept.
    pub(crate) keep: &'a Keep,
}

/// Where raw results go: files of one stem in a directory, if any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keep {
    /// Directory and stem.
    pub(crate) file: Option<(PathBuf, String)>,
}

/// What a measurement found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// A figure for each metric.
    pub(crate) figures: Vec<(Metric, f64)>,
    /// What was done for them.
    pub(crate) work: Work,
}

/// What processor time was used for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// Payload that arrived.
    Gigabits(f64),
    /// Round trips or connections.
    Operations(f64),
}

impl Keep {
    /// Writes a file, with the number of the trial where a measurement has several.
    fn write(&self, trial: Option<usize>, raw: &[u8]) -> Result<()> {
        let Some((directory, stem)) = &self.file else {
            return Ok(());
        };
        let trial = trial.map_or_else(String::new, |number| format!("-trial{number}"));
        let path = directory.join(format!("{stem}{trial}.json"));
        std::fs::write(&path, raw).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Work {
    /// Processor time for a unit of it, in the unit of [`Load::unit`]. Nothing for no work.
    pub(crate) fn price(self, seconds: f64) -> Option<f64> {
        let (amount, scale) = match self {
            Self::Gigabits(amount) => (amount, 1e3),
            Self::Operations(amount) => (amount, 1e6),
        };
        (amount > 0.0).then(|| seconds * scale / amount)
    }
}

impl Load {
    /// All of them, in the order of the report.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for direction in [Direction::Forward, Direction::Reverse, Direction::Both] {
            for flows in [1, 4, 8, 16] {
                for congestion in [Congestion::Cubic, Congestion::Bbr] {
                    all.push(Self::Tcp {
                        flows,
                        congestion,
                        direction,
                    });
                }
            }
        }
        for rate in [Rate::Overload, Rate::LossFree] {
            all.extend([64, 512, 1400].map(|size| Self::Udp { size, rate }));
        }
        all.push(Self::Frames);
        let trips = [Transport::Udp, Transport::Tcp].map(Self::RoundTrip);
        all.extend(trips);
        all.extend([Self::Loaded, Self::Connect]);
        all
    }

    /// Whether it is measured when no loads are named: what shows most within a reasonable time.
    pub(crate) const fn is_default(self, scenario: Scenario) -> bool {
        match (scenario, self) {
            (
                Scenario::Publish,
                Self::Tcp {
                    flows: 1 | 8,
                    direction: Direction::Forward | Direction::Reverse,
                    ..
                }
                | Self::RoundTrip(Transport::Tcp)
                | Self::Connect,
            )
            | (
                Scenario::Bridge | Scenario::Overlay | Scenario::Macvlan,
                Self::Tcp {
                    flows: 1 | 8,
                    direction: Direction::Forward,
                    ..
                }
                | Self::Udp {
                    size: 64,
                    rate: Rate::Overload,
                }
                | Self::RoundTrip(Transport::Udp),
            ) => true,
            (
                _,
                Self::Tcp { .. }
                | Self::Udp { .. }
                | Self::Frames
                | Self::RoundTrip(_)
                | Self::Loaded
                | Self::Connect,
            ) => false,
        }
    }

    /// Why a comparison has no such load at all.
    pub(crate) const fn misfit(self, scenario: Scenario) -> Option<&'static str> {
        match (scenario, self) {
            (
                Scenario::Publish,
                Self::Tcp {
                    congestion: Congestion::Bbr,
                    ..
                },
            ) => Some("the connection that a proxy makes has the machine's congestion control"),
            (
                Scenario::Publish,
                Self::Tcp {
                    direction: Direction::Both,
                    ..
                },
            ) => Some(
                "iperf3 knows directions by the order of connections, which a proxy does not keep",
            ),
            (
                Scenario::Publish,
                Self::Udp { .. } | Self::RoundTrip(Transport::Udp) | Self::Loaded,
            ) => Some("the port that is published here is a TCP port"),
            (Scenario::Publish, Self::Frames) => Some("a proxy passes no frames on"),
            _ => None,
        }
    }

    /// Unit of the figures of a metric.
    pub(crate) const fn unit(self, metric: Metric) -> &'static str {
        match metric {
            Metric::Throughput | Metric::Forward | Metric::Backward => "Gbit/s",
            Metric::Retransmits => "segments",
            Metric::Delivered | Metric::LossFree => match self {
                Self::Frames => "k frames/s",
                Self::Tcp { .. }
                | Self::Udp { .. }
                | Self::RoundTrip(_)
                | Self::Loaded
                | Self::Connect => "k datagrams/s",
            },
            Metric::Lost => "%",
            Metric::P50 | Metric::P99 | Metric::P999 => "µs",
            Metric::Connections => "connections/s",
            Metric::CpuSwitch | Metric::CpuMachine => match self {
                Self::Tcp { .. } | Self::Udp { .. } | Self::Loaded => "ms/Gbit",
                Self::Frames => "µs/frame",
                Self::RoundTrip(_) | Self::Connect => "µs/operation",
            },
        }
    }

    /// Measures once.
    pub(crate) fn run(self, bout: Bout<'_>) -> Result<Measured> {
        match self {
            Self::Tcp {
                flows,
                congestion,
                direction,
            } => tcp::measure(bout, flows, congestion, direction),
            Self::Udp {
                size,
                rate: Rate::Overload,
            } => udp::overload(bout, size),
            Self::Udp {
                size,
                rate: Rate::LossFree,
            } => udp::loss_free(bout, size),
            Self::Frames => frames::measure(bout),
            Self::RoundTrip(transport) => round_trip::measure(bout, transport),
            Self::Loaded => loaded::measure(bout),
            Self::Connect => connect::measure(bout),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp {
                flows,
                congestion,
                direction,
            } => {
                let direction = match direction {
                    Direction::Forward => "",
                    Direction::Reverse => "-reverse",
                    Direction::Both => "-bidir",
                };
                write!(f, "tcp-{flows}-{}{direction}", congestion.name())
            }
            Self::Udp { size, rate } => {
                let rate = match rate {
                    Rate::Overload => "overload",
                    Rate::LossFree => "lossfree",
                };
                write!(f, "udp-{size}-{rate}")
            }
            Self::Frames => f.write_str("frames-64"),
            Self::RoundTrip(Transport::Udp) => f.write_str("rr-udp"),
            Self::RoundTrip(Transport::Tcp) => f.write_str("rr-tcp"),
            Self::Loaded => f.write_str("rr-loaded"),
            Self::Connect => f.write_str("connect"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults(scenario: Scenario) -> Vec<String> {
        let all = Load::all().into_iter();
        let chosen =
            all.filter(|load| load.is_default(scenario) && load.misfit(scenario).is_none());
        chosen.map(|load| load.to_string()).collect()
    }

    #[test]
    fn names_differ() {
        let mut names: Vec<_> = Load::all().iter().map(ToString::to_string).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.contains(&"tcp-16-bbr-bidir".to_owned()), "{names:?}");
    }

    #[test]
    fn the_default_set_is_short() {
        let common = [
            "tcp-1-cubic",
            "tcp-1-bbr",
            "tcp-8-cubic",
            "tcp-8-bbr",
            "udp-64-overload",
            "rr-udp",
        ];
        for scenario in [Scenario::Bridge, Scenario::Overlay, Scenario::Macvlan] {
            assert_eq!(defaults(scenario), common);
        }
        let published = [
            "tcp-1-cubic",
            "tcp-8-cubic",
            "tcp-1-cubic-reverse",
            "tcp-8-cubic-reverse",
            "rr-tcp",
            "connect",
        ];
        assert_eq!(defaults(Scenario::Publish), published);
    }

    #[test]
    fn time_is_divided_by_work() {
        assert_eq!(Work::Gigabits(20.0).price(1.0), Some(50.0));
        assert_eq!(Work::Operations(1000.0).price(0.5), Some(500.0));
        assert_eq!(Work::Operations(0.0).price(0.5), None);
    }
}
