//! `vswitch-perf instructions`: what a frame costs in instructions, counted and not timed.
//!
//! A count is the same on a busy machine as on an idle one, so that a regression of a few instructions shows where a
//! timing would drown it. What it does not show is what the instructions wait for: memory above all. For that there
//! are the timings (`cargo bench`).
//!
//! The program runs itself under callgrind, once for each case, and has it count inside one function only
//! ([`vswitch_micro::probe`]). The counts that were agreed stand in a file ([`counts::Record`]) together with what they
//! depend on: the compiler, its options and the processor, for which the C library chooses its `memcpy`.

mod callgrind;
mod counts;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use vswitch_micro::{Build, Case, catalogue, probe};

use counts::{Comparison, Record};

/// Cases that are counted: those whose instructions the project's own code decides.
const COUNTED: [&str; 11] = [
    "parse/frame",
    "parse/superframe",
    "forward/verdict-unicast/2",
    "forward/verdict-flood/16",
    "forward/verdict-learn",
    "forward/batch-unicast",
    "forward/batch-flood/16",
    "segment/tcp4",
    "coalesce/tcp4",
    "vxlan/encapsulate/2",
    "vxlan/decapsulate/2",
];

/// Runs of a case under callgrind.
const RUNS: u64 = 200;

/// What of the counts is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Write the counts to the file, in place of those that are there
    #[arg(long)]
    record: bool,
    /// The counts that were agreed
    #[arg(long, value_name = "FILE", default_value = "perf/instructions.json")]
    file: PathBuf,
    /// How much more a frame may cost than was agreed, in per cent
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0)]
    tolerance: f64,
}

/// What callgrind is to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    /// A case of the catalogue
    case: String,
    /// How many batches or superframes
    runs: u64,
}

/// Counts, and compares or records.
///
/// # Errors
/// When a frame costs too much, or cannot be counted.
pub(crate) fn run(args: &Args) -> Result<()> {
    let build = Build::this()?;
    anyhow::ensure!(
        build.level == "3",
        "this program was built without optimisation, and its counts mean nothing: use `cargo run --release -p \
         vswitch-perf -- instructions`"
    );
    // Before minutes are spent on counting.
    let agreed = if args.record {
        None
    } else {
        Some(Record::read(&args.file)?)
    };
    let mut per_frame = BTreeMap::new();
    for case in COUNTED {
        per_frame.insert(case.to_owned(), callgrind::count(case, RUNS)?);
    }
    let now = Record { build, per_frame };
    let Some(agreed) = agreed else {
        now.write(&args.file)?;
        print!("{now}");
        return Ok(());
    };
    let comparison = Comparison::of(&agreed, &now, args.tolerance);
    print!("{comparison}");
    match comparison.complaint() {
        Some(complaint) => bail!(complaint),
        None => Ok(()),
    }
}

/// Runs a case where callgrind counts, and prints of how many frames the count is.
///
/// # Errors
/// When there is no such case, or its ports cannot be made.
pub(crate) fn run_probe(args: &Probe) -> Result<()> {
    let case = find(&args.case)?;
    println!("{}", probe::run(&case, args.runs)?);
    Ok(())
}

fn find(id: &str) -> Result<Case> {
    (catalogue().into_iter())
        .find(|case| case.id() == id)
        .with_context(|| {
            format!("there is no case {id}: see `cargo bench -p vswitch-perf -- --list`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_that_is_counted_is_in_the_catalogue_and_runs() {
        for id in COUNTED {
            let case = find(id).unwrap();
            assert!(probe::run(&case, 1).unwrap() >= case.frames, "{id}");
        }
        assert!(find("forward/nowhere").is_err());
    }
}
