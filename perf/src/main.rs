//! Comparisons that a user runs on their own machine.
//!
//! `vswitch-perf bridge` alternates this switch and the kernel's bridge within one run, because a
//! machine's speed drifts and only a ratio within one run means anything. Congestion control is
//! set for every TCP flow and printed, because it decides more than the switch does.

mod bare;
mod candidate;
mod latency;
mod load;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use candidate::Candidate;
use load::Load;
use report::Report;

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
}

#[derive(Debug, clap::Args)]
struct Bridge {
    /// Rounds; each measures every candidate once, in turning order
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each throughput measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Worker threads of the switch [default: one per core]
    #[arg(long)]
    workers: Option<usize>,
    /// Also measure a bare loop that reads one TAP and writes the other: what TAPs cost without a switch
    #[arg(long)]
    bare: bool,
    /// The `vswitch` binary [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    vswitch: Option<PathBuf>,
    /// Write the report, every single figure included, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Bridge(args) => bridge(&args),
    }
}

fn bridge(args: &Bridge) -> Result<()> {
    let program = match &args.vswitch {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("vswitch"),
    };
    anyhow::ensure!(
        program.exists(),
        "{} is missing: build it with `cargo build --release`",
        program.display()
    );
    let mut candidates = vec![
        Candidate::kernel_bridge()?,
        Candidate::vswitch(&program, args.workers)?,
    ];
    if args.bare {
        candidates.push(Candidate::bare_loop()?);
    }
    let time = Duration::from_secs(args.seconds);
    let mut report = Report::new(&candidates, args.seconds)?;
    for round in 0..args.rounds {
        for load in Load::ALL {
            for turn in 0..candidates.len() {
                let candidate = &candidates[(round + turn) % candidates.len()];
                report.progress(round, args.rounds, load, candidate.name());
                let figure = load
                    .run(candidate, time)
                    .with_context(|| format!("{load} over {}", candidate.name()))?;
                report.add(load, candidate.name(), figure);
            }
        }
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
