//! Tests of switches after RFC 2544 and RFC 2889, with frames of our own, over any candidate.
//!
//! The procedures are pure: they see a [`device::Device`] that carries out plans, and are tested with one that
//! exists on paper.
//!
//! | file | |
//! |---|---|
//! | `rfc2544`, `rfc2889` | the tests |
//! | `throughput`, `search` | what most of them share |
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
mod search;
mod series;
#[cfg(test)]
mod simulated;
mod tester;
mod throughput;

use std::io::Write as _;

use anyhow::{Context as _, Result};

use args::Common;
pub(crate) use args::{Args2544, Args2889};
use bench::{Bench, Recipe};
pub(crate) use frames::{FrameRates, frame_rates};
use report::{Conditions, Report};
use series::{Entrant, Test};
use tester::Tester;
use throughput::Settings;

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
    let mut entrants = Vec::new();
    for kind in kinds {
        let name = kind.to_string();
        let recipe = Recipe {
            kind,
            scenario: common.setup.scenario(),
            programs: programs.clone(),
            mtu: common.mtu,
            hosts,
        };
        let bench = Bench::new(recipe).with_context(|| name.clone())?;
        entrants.push(Entrant {
            name,
            mtu: bench.mtu(),
            tester: Tester::new(Box::new(bench), settings),
        });
    }
    let findings = series::run(tests, &common.sizes, &mut entrants)?;
    drop(entrants);
    let report = Report::new(tests, conditions, findings);
    std::io::stdout().write_all(report.markdown().as_bytes())?;
    report.write(common.json.as_deref(), common.out.as_deref())
}
