//! Comparisons that a user runs on their own machine.
//!
//! `vswitch-perf bridge` alternates this switch and the kernel's bridge, `vswitch-perf overlay` this
//! switch and the kernel's VXLAN device, `vswitch-perf macvlan` this switch and the kernel's macvlan
//! devices on one parent, `vswitch-perf publish` a published port of this switch and Docker's userland proxy,
//! each within one run, because a machine's speed drifts and only
//! a ratio within one run means anything. Congestion control is set for every TCP flow and printed, because
//! it decides more than the switch does.

mod bare;
mod candidate;
mod instructions;
mod latency;
mod load;
mod plot;
#[allow(dead_code, unused_imports)] // The runs move over to it next.
mod report;
mod results;
mod scenario;
mod summary;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use candidate::{Candidate, Container, Lan, Program};
use instructions::{Instructions, Probe};
use load::Load;
use results::Results;
use scenario::{Path, Scenario};
use summary::Report;

/// Compare switches, alternating within one run.
#[derive(Debug, Parser)]
#[command(name = "vswitch-perf", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// This switch beside the kernel's bridge: TCP, small UDP, round trips
    Bridge(Bridge),
    /// Two of this switch beside two kernel bridges with VXLAN devices, over a veth pair
    Overlay(Run),
    /// This switch beside the kernel's macvlan devices, on the same parent interface
    Macvlan(Macvlan),
    /// A published port of this switch beside Docker's userland proxy: TCP both ways
    Publish(Publish),
    /// Instructions per frame of the data path, counted by callgrind and compared with those that were agreed
    Instructions(Instructions),
    /// Put results into a document: tables, pictures, how to repeat them
    Results(Results),
    #[command(hide = true)]
    Probe(Probe),
}

#[derive(Debug, clap::Args)]
struct Bridge {
    /// Also measure a bare loop that reads one TAP and writes the other: what TAPs cost without a switch
    #[arg(long)]
    bare: bool,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, clap::Args)]
struct Macvlan {
    /// Also measure a bare loop between a TAP and a packet socket: what these cost without a switch
    #[arg(long)]
    bare: bool,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, clap::Args)]
struct Publish {
    /// Docker's userland proxy
    #[arg(long, value_name = "FILE", default_value = "docker-proxy")]
    docker_proxy: PathBuf,
    #[command(flatten)]
    rounds: Rounds,
}

#[derive(Debug, clap::Args)]
struct Rounds {
    /// Rounds; each measures every candidate once, in turning order
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each throughput measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Write the report, every single figure included, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    rounds: Rounds,
    /// Worker threads of each switch [default: one per core]
    #[arg(long)]
    workers: Option<usize>,
    /// The `vswitch` binary [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    vswitch: Option<PathBuf>,
}

impl Run {
    fn program(&self) -> Result<Program> {
        let path = match &self.vswitch {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("vswitch"),
        };
        anyhow::ensure!(
            path.exists(),
            "{} is missing: build it with `cargo build --release`",
            path.display()
        );
        let workers = self.workers;
        Ok(Program { path, workers })
    }
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Bridge(args) => {
            let mut candidates = vec![
                Candidate::kernel_bridge()?,
                Candidate::vswitch_bridge(&args.run.program()?)?,
            ];
            if args.bare {
                candidates.push(Candidate::bare_loop()?);
            }
            compare(&args.run.rounds, Scenario::Bridge, candidates)
        }
        Command::Overlay(args) => {
            let candidates = vec![
                Candidate::kernel_vxlan()?,
                Candidate::vswitch_overlay(&args.program()?)?,
            ];
            compare(&args.rounds, Scenario::Overlay, candidates)
        }
        Command::Macvlan(args) => {
            let lan = Lan::create()?;
            let mut candidates = vec![lan.kernel_macvlan()?, lan.vswitch(&args.run.program()?)?];
            if args.bare {
                candidates.push(lan.bare_loop()?);
            }
            compare(&args.run.rounds, Scenario::Macvlan, candidates)
        }
        Command::Publish(args) => {
            let container = Container::create()?;
            let candidates = vec![
                container.docker_proxy(&args.docker_proxy)?,
                container.vswitch()?,
            ];
            compare(&args.rounds, Scenario::Published, candidates)
        }
        Command::Instructions(args) => instructions::run(&args),
        Command::Results(args) => results::run(&args),
        Command::Probe(args) => instructions::run_probe(&args),
    }
}

fn compare(args: &Rounds, scenario: Scenario, mut candidates: Vec<Candidate>) -> Result<()> {
    let names = candidates.iter().map(Candidate::name).collect();
    let mut report = Report::new(scenario, names, args.seconds)?;
    for round in 0..args.rounds {
        measure_round(args, scenario, &mut candidates, round, &mut report)?;
    }
    report.print()?;
    if let Some(path) = &args.json {
        report.write_json(path)?;
    }
    for candidate in candidates {
        candidate.finish()?;
    }
    Ok(())
}

/// Measures every load on every path over every candidate that has it, a candidate after the other.
fn measure_round(
    args: &Rounds,
    scenario: Scenario,
    candidates: &mut [Candidate],
    round: usize,
    report: &mut Report,
) -> Result<()> {
    let time = Duration::from_secs(args.seconds);
    let count = candidates.len();
    let label = format!("{}/{}", round + 1, args.rounds);
    for path in scenario.paths() {
        for load in Load::of(scenario) {
            for turn in 0..count {
                let candidate = &mut candidates[(round + turn) % count];
                let what = format!("{load}, {path}, {}", candidate.name());
                report.progress(&label, &what);
                if let Some(figure) = measure(candidate, *path, load, time).context(what)? {
                    report.add(*path, load, candidate.name(), figure);
                }
            }
        }
    }
    Ok(())
}

/// The figure of one candidate in its turn; nothing when it has no such path.
fn measure(
    candidate: &mut Candidate,
    path: Path,
    load: Load,
    time: Duration,
) -> Result<Option<f64>> {
    if candidate.ends(path).is_none() {
        return Ok(None);
    }
    candidate.take_turn()?;
    let figure = candidate.ends(path).map(|ends| load.run(ends, time));
    candidate.give_way()?;
    figure.transpose()
}
