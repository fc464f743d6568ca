//! Tests of switches after RFC 2544 and RFC 2889, with frames of our own, over any candidate.
//!
//! The procedures are pure: they see a [`device::Device`] that carries out plans, and are tested with one that
//! exists on paper.
//!
//! | file | |
//! |---|---|
//! | `rfc2544`, `rfc2889` | the tests |
//! | `throughput` | what most of them share |
//! | `pattern` | who sends to whom |
//! | `device`, `bench`, `tester` | the switch under test |
//! | `frames` | the same search as a load of `compare` |
//! | `series`, `finding`, `report`, `args` | all tests in turn, what they found, how it is told and asked for |

mod args;
mod bench;
mod device;
mod finding;
mod frames;
mod pattern;
mod report;
mod rfc2544;
mod rfc2889;
mod series;
#[cfg(test)]
mod simulated;
mod tester;
mod throughput;

use std::io::Write as _;

use anyhow::{Result, ensure};

use args::Common;
pub(crate) use args::{Args2544, Args2889};
use bench::{Bench, Recipe};
pub(crate) use frames::{FrameRates, frame_rates};
pub(crate) use report::Conditions;
use report::Report;
use series::{Entrant, Results, Test};
use tester::Tester;
use throughput::Settings;

use crate::compare;
use crate::interrupt;
use crate::report::Absence;

/// `vswitch-perf rfc2544`.
pub(crate) fn rfc2544(args: &Args2544) -> Result<()> {
    let settings = args.common.settings(args.repeats);
    run(&args.tests(), 2, &args.common, settings)
}

/// `vswitch-perf rfc2889`.
pub(crate) fn rfc2889(args: &Args2889) -> Result<()> {
    let settings = args.common.settings(1);
    run(&args.tests(), args.ports, &args.common, settings)
}

fn run<T: Test>(tests: &[T], hosts: u8, common: &Common, settings: Settings) -> Result<()> {
    series::check_ports(tests, hosts.into())?;
    let (kinds, programs) = (common.kinds()?, common.programs()?);
    let conditions = Conditions::new(&settings, hosts, &programs, &kinds)?;
    let (mut entrants, mut absent) = (Vec::new(), Vec::new());
    for kind in kinds {
        let name = kind.to_string();
        let recipe = Recipe {
            kind,
            scenario: common.setup.scenario(),
            programs: programs.clone(),
            mtu: common.mtu,
            hosts,
        };
        match Bench::new(recipe) {
            Ok(bench) => entrants.push(Entrant {
                name,
                mtu: bench.mtu(),
                tester: Tester::new(Box::new(bench), settings),
            }),
            Err(error) => {
                interrupt::check()?;
                let (mtu, why) = (None, compare::one_line(&error));
                series::note(&format!("{name} is left out: {why}"));
                absent.push(Absence { name, mtu, why });
            }
        }
    }
    ensure!(
        !entrants.is_empty(),
        "no candidate can be had here: the reasons are above"
    );
    let mut results = Results::default();
    let outcome = series::run(tests, &common.sizes, &mut entrants, &mut results);
    drop(entrants);
    let failed = results.failures.len();
    if !results.findings.is_empty() || outcome.is_ok() {
        let report = Report::new(tests, conditions, results, absent);
        std::io::stdout().write_all(report.markdown().as_bytes())?;
        report.write(common.json.as_deref(), common.out.as_deref())?;
    }
    outcome?;
    ensure!(failed == 0, "{failed} tests failed: they are named above");
    Ok(())
}
