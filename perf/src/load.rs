//! What is measured: iperf3 between two hosts of a candidate, and round trips.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use vswitch::sys::spawn_in;

use crate::candidate::Ends;
use crate::latency;
use crate::scenario::Scenario;

/// Congestion control of the hosts' TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    Cubic,
    Bbr,
}

impl Congestion {
    const fn name(self) -> &'static str {
        match self {
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }
}

/// One kind of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// iperf3 TCP from the client to the server.
    Tcp { flows: u8, congestion: Congestion },
    /// iperf3 UDP with 64-byte datagrams as fast as the sender can: what arrives.
    SmallUdp,
    /// The median round trip of a small datagram.
    RoundTrip,
}

impl Load {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Self; 6] = [
        Self::Tcp {
            flows: 1,
            congestion: Congestion::Cubic,
        },
        Self::Tcp {
            flows: 1,
            congestion: Congestion::Bbr,
        },
        Self::Tcp {
            flows: 8,
            congestion: Congestion::Cubic,
        },
        Self::Tcp {
            flows: 8,
            congestion: Congestion::Bbr,
        },
        Self::SmallUdp,
        Self::RoundTrip,
    ];

    /// Those that a scenario has.
    pub(crate) fn of(scenario: Scenario) -> impl Iterator<Item = Self> {
        let has = move |load: &Self| match scenario {
            Scenario::Bridge | Scenario::Overlay | Scenario::Macvlan => true,
            // The connection that the proxy makes has the machine's congestion control, whatever the client's is.
            Scenario::Published => matches!(
                load,
                Self::Tcp {
                    congestion: Congestion::Cubic,
                    ..
                }
            ),
        };
        Self::ALL.into_iter().filter(has)
    }

    /// Unit of the figures.
    pub(crate) const fn unit(self) -> &'static str {
        match self {
            Self::Tcp { .. } => "Gbit/s",
            Self::SmallUdp => "k datagrams/s",
            Self::RoundTrip => "µs",
        }
    }

    /// What the ratio to the kernel's own has to be: at least, or for times at most.
    pub(crate) const fn goal(self, scenario: Scenario) -> Option<f64> {
        use Congestion::{Bbr, Cubic};
        let (one_cubic, one_bbr, many_cubic, small, trip) = match scenario {
            Scenario::Bridge => (0.9, 0.65, Some(0.35), Some(0.5), Some(4.0)),
            Scenario::Macvlan => (0.8, 0.4, None, None, None),
            Scenario::Overlay => (0.5, 0.75, None, Some(0.9), Some(4.0)),
            Scenario::Published => return None,
        };
        match self {
            Self::Tcp {
                flows: 1,
                congestion: Cubic,
            } => Some(one_cubic),
            Self::Tcp {
                flows: 1,
                congestion: Bbr,
            } => Some(one_bbr),
            Self::Tcp {
                congestion: Cubic, ..
            } => many_cubic,
            Self::Tcp {
                congestion: Bbr, ..
            } => None,
            Self::SmallUdp => small,
            Self::RoundTrip => trip,
        }
    }

    /// Whether a smaller figure is better.
    pub(crate) const fn is_time(self) -> bool {
        matches!(self, Self::RoundTrip)
    }

    /// Measures once.
    pub(crate) fn run(self, ends: Ends<'_>, time: Duration) -> Result<f64> {
        match self {
            Self::Tcp { flows, congestion } => tcp(ends, time, flows, congestion),
            Self::SmallUdp => small_udp(ends, time),
            Self::RoundTrip => latency::median_round_trip(ends),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Tcp {
                flows: 1,
                congestion,
            } => format!("TCP 1 flow, {}", congestion.name()),
            Self::Tcp { flows, congestion } => format!("TCP {flows} flows, {}", congestion.name()),
            Self::SmallUdp => "UDP 64 bytes, delivered".to_owned(),
            Self::RoundTrip => "round trip, median".to_owned(),
        };
        f.pad(&text)
    }
}

fn tcp(ends: Ends<'_>, time: Duration, flows: u8, congestion: Congestion) -> Result<f64> {
    let flows = flows.to_string();
    let end = iperf3(ends, time, &["-P", &flows, "-C", congestion.name()])?;
    let used = end["sender_tcp_congestion"].as_str().unwrap_or("unknown");
    if used != congestion.name() {
        bail!("the kernel used {used} instead of {}", congestion.name());
    }
    Ok(number(&end["sum_received"]["bits_per_second"])? / 1e9)
}

fn small_udp(ends: Ends<'_>, time: Duration) -> Result<f64> {
    let end = iperf3(ends, time, &["-u", "-b", "0", "-l", "64"])?;
    let sum = &end["sum"];
    let arrived = number(&sum["packets"])? - number(&sum["lost_packets"])?;
    Ok(arrived / number(&sum["seconds"])? / 1e3)
}

fn number(value: &Value) -> Result<f64> {
    value
        .as_f64()
        .with_context(|| format!("iperf3 gave {value} where a number belongs"))
}

/// Runs a server that serves once and a client; returns the `end` part of the client's JSON.
fn iperf3(ends: Ends<'_>, time: Duration, options: &[&str]) -> Result<Value> {
    let mut server = spawn_in(
        &ends.server.netns,
        Command::new("iperf3")
            .args(["-s", "-1", "--forceflush"])
            .stdout(Stdio::piped()),
    )
    .context("cannot run iperf3: install it")?;
    let output = server.stdout.take().context("the server has no output")?;
    let mut output = BufReader::new(output);
    let mut line = String::new();
    while !line.contains("Server listening") {
        line.clear();
        if output.read_line(&mut line)? == 0 {
            bail!("the iperf3 server ended: {}", server.wait()?);
        }
    }
    let seconds = time.as_secs().to_string();
    let mut client = Command::new("iperf3");
    let (address, port) = (ends.at.ip().to_string(), ends.at.port().to_string());
    client
        .args(["-J", "-t", &seconds, "-c", &address, "-p", &port])
        .args(options);
    if ends.is_reversed {
        client.arg("-R");
    }
    let client = spawn_in(&ends.client.netns, client.stdout(Stdio::piped()))?.wait_with_output()?;
    if !client.status.success() {
        server.kill()?;
    }
    output.read_to_string(&mut line)?;
    server.wait()?;
    let mut json: Value = serde_json::from_slice(&client.stdout)?;
    if let Some(error) = json["error"].as_str() {
        bail!("iperf3: {error}");
    }
    Ok(json["end"].take())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_port_is_measured_by_tcp_alone() {
        let flows: Vec<_> = Load::of(Scenario::Published)
            .map(|load| load.to_string())
            .collect();
        assert_eq!(flows, ["TCP 1 flow, cubic", "TCP 8 flows, cubic"]);
        assert!(Load::of(Scenario::Macvlan).eq(Load::ALL));
    }

    #[test]
    fn macvlan_has_floors_for_a_single_flow() {
        let goals = Load::ALL.map(|load| load.goal(Scenario::Macvlan));
        assert_eq!(goals, [Some(0.8), Some(0.4), None, None, None, None]);
    }
}
