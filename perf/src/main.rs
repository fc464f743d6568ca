//! Measurements that a user runs on their own machine.
//!
//! `vswitch-perf compare` puts this switch beside others, all taking turns within one run (see [`compare`]).
//! Everything happens in namespaces that the program makes, and nothing of it is left when it ends, whether it
//! ends by itself, by an error or by Ctrl-C.

mod candidate;
mod compare;
mod cpu;
mod interrupt;
mod load;
mod process;
mod report;
mod scenario;

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
    }
}
