//! A series: every test with every frame size over every candidate, the candidates taking turns, because a machine's
//! speed drifts and only figures that were measured one after the other can be compared.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::finding::{Finding, Measure};
use super::tester::Tester;
use crate::compare::one_line;
use crate::generate::FrameSize;
use crate::interrupt;

/// A test of an RFC.
pub(crate) trait Test: Copy {
    /// The RFC.
    const STANDARD: &'static str;

    /// Section and title there.
    fn title(self) -> &'static str;

    /// What the figures are, in a sentence.
    fn explanation(self) -> &'static str;

    /// Ports that it needs.
    fn ports(self) -> usize;

    /// The frame sizes that it has, of those that were chosen.
    fn sizes(self, chosen: &[FrameSize]) -> Vec<FrameSize>;

    /// Measures once.
    fn measure(self, tester: &mut Tester, size: FrameSize) -> Result<Vec<Measure>>;
}

/// A candidate of the series.
#[derive(Debug)]
pub(crate) struct Entrant {
    pub(crate) name: String,
    /// The MTU of its hosts.
    pub(crate) mtu: u32,
    pub(crate) tester: Tester,
}

/// Refuses tests for which there are not ports enough.
pub(crate) fn check_ports<T: Test>(tests: &[T], ports: usize) -> Result<()> {
    for test in tests {
        ensure!(
            test.ports() <= ports,
            "the test {} needs {} ports: give --ports {}, or leave it out with --tests",
            test.title(),
            test.ports(),
            test.ports()
        );
    }
    Ok(())
}

/// What a series found.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) findings: Vec<Finding>,
    pub(crate) failures: Vec<Failure>,
}

/// A test that failed over a candidate; the others went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) candidate: String,
    pub(crate) test: &'static str,
    pub(crate) frame_size: FrameSize,
    pub(crate) why: String,
}

/// Runs all of them. What was found is kept also where the user ends the series, which is the error.
pub(crate) fn run<T: Test>(
    tests: &[T],
    sizes: &[FrameSize],
    entrants: &mut [Entrant],
    results: &mut Results,
) -> Result<()> {
    for test in tests {
        for (turn, size) in test.sizes(sizes).into_iter().enumerate() {
            for place in 0..entrants.len() {
                // Who was first is last the next time.
                let place = (place + turn) % entrants.len();
                one(*test, size, &mut entrants[place], results)?;
            }
        }
    }
    progress("");
    Ok(())
}

/// One test with one size over one candidate.
fn one<T: Test>(
    test: T,
    size: FrameSize,
    entrant: &mut Entrant,
    results: &mut Results,
) -> Result<()> {
    let Entrant { name, mtu, tester } = entrant;
    let what = format!("{}, {size} bytes, {name}", test.title());
    progress(&what);
    if !size.fits(*mtu) {
        note(&format!("{what}: left out, as the MTU is {mtu}"));
        return Ok(());
    }
    let measured = turn_of(test, tester, size);
    let trials = tester.take_trials();
    let (candidate, frame_size) = (name.clone(), size);
    match measured {
        Ok(measures) => results.findings.push(Finding {
            candidate,
            test: test.title(),
            frame_size,
            measures,
            trials,
        }),
        Err(error) => {
            interrupt::check()?;
            let why = one_line(&error);
            note(&format!("{what}: {why}"));
            results.failures.push(Failure {
                candidate,
                test: test.title(),
                frame_size,
                why,
            });
        }
    }
    Ok(())
}

/// A test in the candidate's turn.
fn turn_of<T: Test>(test: T, tester: &mut Tester, size: FrameSize) -> Result<Vec<Measure>> {
    tester.device().take_turn()?;
    let measures = test.measure(tester, size);
    // Also after a failure; what went wrong first is the error.
    let left = tester.device().give_way();
    let measures = measures?;
    left.map(|()| measures)
}

/// Shows on a terminal what is being measured.
fn progress(what: &str) {
    let mut err = std::io::stderr();
    if err.is_terminal() {
        // Progress that cannot be shown is no reason to stop.
        drop(write!(err, "\r\x1b[K{what}"));
    }
}

/// Says something that stays.
pub(crate) fn note(what: &str) {
    progress("");
    drop(writeln!(std::io::stderr(), "{what}"));
}

#[cfg(test)]
mod tests {
    use super::super::rfc2544::{Kind, Rfc2544};
    use super::super::simulated::Simulated;
    use super::*;

    fn entrant(name: &str, mtu: u32) -> Entrant {
        let (name, tester) = (name.to_owned(), Simulated::default().tester());
        Entrant { name, mtu, tester }
    }

    #[test]
    fn every_candidate_has_its_turn_with_every_size() {
        let kind = Kind::Throughput;
        let tests = [Rfc2544 {
            kind,
            both_ways: false,
        }];
        let mut entrants = [entrant("a", 1500), entrant("b", 1450)];
        let mut results = Results::default();
        run(
            &tests,
            &FrameSize::STANDARD[5..],
            &mut entrants,
            &mut results,
        )
        .unwrap();
        let Results { findings, failures } = results;
        assert!(failures.is_empty());
        let runs: Vec<_> = (findings.iter())
            .map(|one| (one.candidate.as_str(), one.frame_size.to_string()))
            .collect();
        let wanted = [("a", "1280"), ("b", "1280"), ("a", "1518")];
        assert_eq!(runs, wanted.map(|(name, size)| (name, size.to_owned())));
        assert!(findings.iter().all(|one| one.trials.len() > 3));
    }

    #[test]
    fn a_candidate_that_fails_does_not_end_the_series() {
        let tests = [Rfc2544 {
            kind: Kind::Throughput,
            both_ways: false,
        }];
        let deaf = Simulated {
            capacity: 0.0,
            buffer: 0.0,
            ..Simulated::default()
        };
        let (name, mtu) = ("deaf".to_owned(), 1500);
        let tester = deaf.tester();
        let mut entrants = [Entrant { name, mtu, tester }, entrant("b", 1500)];
        let mut results = Results::default();
        run(&tests, &[FrameSize::SMALLEST], &mut entrants, &mut results).unwrap();
        assert_eq!(results.findings[0].candidate, "b");
        let [failure] = &results.failures[..] else {
            panic!("{:?}", results.failures);
        };
        assert_eq!(
            (&*failure.candidate, failure.frame_size),
            ("deaf", FrameSize::SMALLEST)
        );
        assert!(failure.why.contains("does not hear"), "{}", failure.why);
    }

    #[test]
    fn a_test_that_lacks_ports_is_refused_with_the_remedy() {
        let kind = Kind::Latency;
        let tests = [Rfc2544 {
            kind,
            both_ways: false,
        }];
        assert!(check_ports(&tests, 2).is_ok());
        let refused = check_ports(&tests, 1).unwrap_err().to_string();
        assert!(refused.contains("--ports 2"), "{refused}");
    }
}
