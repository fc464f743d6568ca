//! `vswitch-perf compare`: candidates alternate within one run, and medians, spread and ratios come out.
//!
//! A machine's speed drifts, so only a ratio within one run means anything, and the order turns from round to round, so
//! that nobody is always the one after the heavy one. For each MTU all candidates are built, then for each round, path
//! and load they are measured one after the other; ratios are taken within a round.
//!
//! What cannot be had here (a program that is not installed, a device that this kernel does not make, a switch that does
//! not carry the MTU) is named with the reason and left out.

mod facts;
mod figures;
mod list;
mod needs;
mod plan;
mod progress;
mod rounds;
mod stage;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::value_parser;

use crate::candidate::Programs;
use crate::load::Congestion;
use crate::report::{Report, check_writable, write};
use crate::scenario::Scenario;
use plan::Plan;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to compare
    scenario: Scenario,
    /// Who takes part: names or globs (`ovs-*`), `all`, variants of this switch such as
    /// `vswitch:workers=1:offload=off` [default: all but variants]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    candidates: Vec<String>,
    /// The candidate that ratios are to [default: the kernel's own, or Docker's]
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// What is measured: names or globs (`tcp-1-*`), `all` [default: the short list that --list marks]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    loads: Vec<String>,
    /// Congestion control of the TCP loads that are measured
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "cubic,bbr"
    )]
    congestion: Vec<Congestion>,
    /// MTUs of the network (for overlays the underlay's)
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1500",
          value_parser = value_parser!(u32).range(576..=65_521))]
    mtu: Vec<u32>,
    /// Rounds; each measures every candidate once, in turning order
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of each measurement (a search takes more)
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Keep what iperf3 says in this directory, a file for each measurement
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the report, every single figure included, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure nothing: list candidates and loads, and whether each can be had here
    #[arg(long)]
    list: bool,
    /// The `vswitch` binary [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    vswitch: Option<PathBuf>,
    /// Docker's userland proxy
    #[arg(long, value_name = "FILE", default_value = "docker-proxy")]
    docker_proxy: PathBuf,
}

/// Does what the command line says.
pub(crate) fn run(args: &Args) -> Result<()> {
    vswitch::sys::caps::preflight()?;
    let programs = args.programs()?;
    let mut plan = Plan::new(args)?;
    if let Some(path) = &args.json {
        check_writable(path)?;
    }
    if args.list {
        return list::run(&plan, &programs, args.json.as_deref());
    }
    plan.keep_possible(needs::missing)?;
    if let Some(directory) = &args.out {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make {}", directory.display()))?;
    }
    let (report, outcome) = rounds::run(&plan, &programs)?;
    if !report.rows.is_empty() || outcome.is_ok() {
        report.print()?;
        if let Some(path) = &args.json {
            write(path, &report)?;
        }
    }
    outcome?;
    verdict(&report)
}

/// An error where the report is not what was asked for.
fn verdict(report: &Report) -> Result<()> {
    if report.rows.is_empty() {
        bail!("nothing could be measured: the reasons are above");
    }
    match report.failures.len() {
        0 => Ok(()),
        1 => bail!("one measurement failed: it is named above"),
        count => bail!("{count} measurements failed: they are named above"),
    }
}

impl Args {
    fn programs(&self) -> Result<Programs> {
        let beside = || Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name("vswitch"));
        Ok(Programs {
            vswitch: self.vswitch.clone().map_or_else(beside, Ok)?,
            docker_proxy: self.docker_proxy.clone(),
        })
    }
}
