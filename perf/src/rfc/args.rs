//! What the command line says.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use clap::ValueEnum;

use super::rfc2544::{self, Rfc2544};
use super::rfc2889::{self, AddressSettings, Rfc2889};
use super::throughput::Settings;
use crate::candidate::{Kind, Programs};
use crate::compare;
use crate::generate::FrameSize;
use crate::scenario::{Place, Scenario};

/// What the hosts are connected by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Setup {
    /// One switch
    Bridge,
    /// Two machines with a switch each and a tunnel between them; two hosts
    Overlay,
}

impl Setup {
    pub(crate) const fn scenario(self) -> Scenario {
        match self {
            Self::Bridge => Scenario::Bridge,
            Self::Overlay => Scenario::Overlay,
        }
    }
}

/// What both RFCs have.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// Frame sizes in bytes, with frame check sequence
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = FrameSize::STANDARD)]
    pub(crate) sizes: Vec<FrameSize>,
    /// Seconds of a trial; for figures to publish RFC 2544 wants 60, RFC 2889 30
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Frames that may be lost at the throughput, in percent; the RFCs want 0, where every delay of a busy
    /// machine counts
    #[arg(long, value_name = "PERCENT", default_value = "0", value_parser = percent)]
    pub(crate) tolerance: f64,
    /// How exactly to find rates, in percent of the maximum
    #[arg(long, value_name = "PERCENT", default_value = "2", value_parser = percent)]
    pub(crate) resolution: f64,
    /// Who takes part: names or globs as `compare bridge --list` shows them, variants of this switch such as
    /// `vswitch:workers=1` [default: the kernel's own and this switch]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) candidates: Vec<String>,
    /// Where the hosts are: on one switch, or on two with a tunnel
    #[arg(long, value_enum, default_value_t = Setup::Bridge)]
    pub(crate) setup: Setup,
    /// MTU of the network (for overlays the underlay's)
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(576..=65_521))]
    pub(crate) mtu: u32,
    /// The `vswitch` binary [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    pub(crate) vswitch: Option<PathBuf>,
    /// Write everything, every trial included, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the report into a directory: Markdown, CSV and JSON
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

impl Common {
    /// The candidates that were named; without names the kernel's own and this switch.
    pub(crate) fn kinds(&self) -> Result<Vec<Kind>> {
        let scenario = self.setup.scenario();
        let mut names = self.candidates.clone();
        if names.is_empty() {
            names = vec![Kind::reference(scenario).to_string(), Kind::OWN.to_owned()];
        }
        compare::candidates(scenario, &names)
    }

    /// Where the programs are that candidates are made of.
    pub(crate) fn programs(&self) -> Result<Programs> {
        let beside = || Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name("vswitch"));
        Ok(Programs {
            vswitch: self.vswitch.clone().map_or_else(beside, Ok)?,
            docker_proxy: PathBuf::new(),
        })
    }

    /// With so many repetitions where the RFC wants an average.
    pub(crate) fn settings(&self, repeats: u32) -> Settings {
        Settings {
            time: self.seconds,
            tolerance: self.tolerance,
            resolution: self.resolution,
            repeats,
        }
    }
}

/// The tests of RFC 2544.
#[derive(Debug, clap::Args)]
pub(crate) struct Args2544 {
    /// Tests to run [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    tests: Vec<rfc2544::Kind>,
    /// Load both directions at once (section 14); rates are those of both together
    #[arg(long)]
    bidirectional: bool,
    /// Repetitions of the back-to-back test, whose results are averaged; the RFC wants 50
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeats: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Args2544 {
    pub(crate) fn tests(&self) -> Vec<Rfc2544> {
        let both_ways = self.bidirectional;
        let test = |kind| Rfc2544 { kind, both_ways };
        chosen(&self.tests).into_iter().map(test).collect()
    }
}

/// The tests of RFC 2889.
#[derive(Debug, clap::Args)]
pub(crate) struct Args2889 {
    /// Tests to run [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    tests: Vec<rfc2889::Kind>,
    /// Ports of the switch, each with a host
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(2..=i64::from(Place::MOST)))]
    pub(crate) ports: u8,
    /// Most addresses that the caching capacity is searched up to
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    most_addresses: u32,
    /// Addresses of a trial of the learning rate; no more than the caching capacity
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    learning_addresses: u32,
    /// Frames a second of the address tests, where their rate is not what is searched
    #[arg(long, value_name = "FRAMES", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    address_rate: u32,
    #[command(flatten)]
    pub(crate) common: Common,
}

impl Args2889 {
    pub(crate) fn tests(&self) -> Vec<Rfc2889> {
        let addresses = AddressSettings {
            most: self.most_addresses,
            rate: f64::from(self.address_rate),
            count: self.learning_addresses,
            resolution: self.common.resolution,
        };
        let test = |kind| Rfc2889 { kind, addresses };
        chosen(&self.tests).into_iter().map(test).collect()
    }
}

/// Those that were named, in the order of the RFC; all when none was.
fn chosen<K: ValueEnum + PartialEq + Copy>(named: &[K]) -> Vec<K> {
    let all = K::value_variants().iter().copied();
    all.filter(|kind| named.is_empty() || named.contains(kind))
        .collect()
}

fn seconds(text: &str) -> Result<Duration> {
    let seconds: f64 = text.parse().map_err(|_| anyhow!("seconds are a number"))?;
    ensure!(
        (0.05..=3600.0).contains(&seconds),
        "a trial takes 0.05 to 3600 seconds"
    );
    Ok(Duration::from_secs_f64(seconds))
}

/// As a share, 0 to 1.
fn percent(text: &str) -> Result<f64> {
    let percent: f64 = text.parse().map_err(|_| anyhow!("percent are a number"))?;
    ensure!((0.0..=100.0).contains(&percent), "0 to 100 percent");
    Ok(percent / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_those_named_in_the_order_of_the_rfc() {
        use rfc2544::Kind::{BackToBack, FrameLoss, Latency, Throughput};
        let all = [Throughput, Latency, FrameLoss, BackToBack];
        assert_eq!(chosen::<rfc2544::Kind>(&[]), all);
        assert_eq!(
            chosen(&[BackToBack, Latency, Latency]),
            [Latency, BackToBack]
        );
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(seconds("0.5").unwrap(), Duration::from_millis(500));
        for wrong in ["0", "-1", "nan", "inf", "4000", "x"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
        assert_eq!(percent("0.5").unwrap(), 0.005);
        for wrong in ["-1", "101", "nan", ""] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
