//! Measurements that a user runs on their own machine.
//!
//! `vswitch-perf compare` puts this switch beside others, all taking turns within one run (see [`compare`]);
//! `rfc2544` and `rfc2889` load switches with frames of their own, as those RFCs have it (see [`rfc`]).
//! `instructions` counts what a frame costs inside this switch ([`instructions`]), and `results` makes tables and
//! pictures of what was measured ([`results`]).
//!
//! Everything happens in namespaces that the program makes, and nothing of it is left when it ends, whether it
//! ends by itself, by an error or by Ctrl-C.

mod candidate;
mod compare;
mod cpu;
mod generate;
mod instructions;
mod interrupt;
mod load;
mod plot;
mod process;
mod report;
mod results;
mod rfc;
mod scenario;
mod search;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use interrupt::Interrupted;

/// Exit status of a program that was interrupted, as shells have it for SIGINT.
const INTERRUPTED: u8 = 130;

/// Measure this switch beside others.
#[derive(Debug, Parser)]
#[command(name = "vswitch-perf", version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Candidates alternate within one run: medians, spread, ratios to a baseline
    Compare(compare::Args),
    /// RFC 2544: throughput, latency, frame loss rate and back-to-back frames between two hosts
    Rfc2544(rfc::Args2544),
    /// RFC 2889: meshes, congestion, address caching and learning, broadcast between several hosts
    Rfc2889(rfc::Args2889),
    /// Instructions per frame of the data path, counted by callgrind and compared with those that were agreed
    Instructions(instructions::Args),
    /// Put results into a document: tables, pictures, how to repeat them
    Results(results::Args),
    #[command(hide = true)]
    Probe(instructions::Probe),
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("vswitch-perf: {error:#}");
            if error.is::<Interrupted>() {
                ExitCode::from(INTERRUPTED)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn run(args: &Args) -> Result<()> {
    interrupt::watch()?;
    match &args.command {
        Command::Compare(args) => compare::run(args),
        Command::Rfc2544(args) => rfc::rfc2544(args),
        Command::Rfc2889(args) => rfc::rfc2889(args),
        Command::Instructions(args) => instructions::run(args),
        Command::Results(args) => results::run(args),
        Command::Probe(args) => instructions::run_probe(args),
    }
}
