//! The candidates of one MTU, built and found to work.
//!
//! Building goes in parallel, since much of it is waiting for daemons. Then each has its first turn, in which its ways
//! have to be open and its interfaces are asked for their offload. Who fails in either is absent, for the reason that
//! the error gives.

use anyhow::{Context as _, Result, anyhow};

use super::facts;
use super::plan::Plan;
use crate::candidate::{Candidate, Kind, Lan, Programs, Setting};
use crate::interrupt;
use crate::load::{Transport, reaches};
use crate::report::{Absence, Offload};
use crate::scenario::Scenario;

/// A candidate that takes part.
#[derive(Debug)]
pub(super) struct Entrant {
    pub(super) kind: Kind,
    pub(super) candidate: Candidate,
}

/// All that take part, and who does not.
#[derive(Debug, Default)]
pub(super) struct Stage {
    pub(super) entrants: Vec<Entrant>,
    pub(super) absent: Vec<Absence>,
    pub(super) offload: Vec<Offload>,
}

impl Stage {
    /// Builds the candidates of a plan.
    pub(super) fn build(plan: &Plan, programs: &Programs, mtu: u32) -> Result<Self> {
        let lan = match plan.scenario {
            Scenario::Macvlan => Some(Lan::create(mtu)?),
            Scenario::Bridge | Scenario::Overlay | Scenario::Publish => None,
        };
        let setting = Setting {
            mtu,
            programs,
            lan: lan.as_ref(),
        };
        let built: Vec<Result<Candidate>> = std::thread::scope(|scope| {
            let start = |kind: &'_ Kind| {
                let kind = kind.clone();
                scope.spawn(move || kind.build(plan.scenario, &setting))
            };
            let threads: Vec<_> = plan.candidates.iter().map(start).collect();
            let each = threads.into_iter().map(|one| one.join());
            each.map(|one| one.map_err(|_| anyhow!("building it panicked"))?)
                .collect()
        });
        interrupt::check()?;
        let mut stage = Self::default();
        for (kind, candidate) in plan.candidates.iter().zip(built) {
            let entered = candidate.and_then(|one| stage.try_out(plan.scenario, kind, one, mtu));
            interrupt::check()?;
            match entered {
                Ok(entrant) => stage.entrants.push(entrant),
                Err(error) => stage.absent.push(Absence {
                    name: kind.to_string(),
                    mtu: Some(mtu),
                    why: one_line(&error),
                }),
            }
        }
        Ok(stage)
    }

    /// Gives a candidate its first turn.
    fn try_out(
        &mut self,
        scenario: Scenario,
        kind: &Kind,
        mut candidate: Candidate,
        mtu: u32,
    ) -> Result<Entrant> {
        candidate.take_turn()?;
        let transport = match scenario {
            Scenario::Bridge | Scenario::Overlay | Scenario::Macvlan => Transport::Udp,
            Scenario::Publish => Transport::Tcp,
        };
        for path in scenario.paths() {
            if let Some(ends) = candidate.ends(*path) {
                reaches(ends, transport, scenario.inner_mtu(mtu))
                    .with_context(|| path.to_string())?;
            }
        }
        for host in candidate.hosts() {
            if let Some(features) = facts::offload(host)? {
                self.offload.push(Offload {
                    candidate: kind.to_string(),
                    mtu,
                    host: host.place.name().to_owned(),
                    interface: host.interface.to_owned(),
                    features,
                });
            }
        }
        candidate.give_way()?;
        Ok(Entrant {
            kind: kind.clone(),
            candidate,
        })
    }
}

/// An error with its causes, in one line whatever a program has said.
pub(super) fn one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let lines: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        let error = anyhow!("first\n\n  second\n").context("what");
        assert_eq!(one_line(&error), "what: first; second");
    }
}
