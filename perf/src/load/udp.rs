//! Datagrams: what arrives of too many, and how many there may be.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::iperf::{self, number};
use super::{Bout, Measured, Work};
use crate::generate::whole;
use crate::report::Metric;
use crate::search::Bisection;

/// How long one trial of a search lasts.
const TRIAL: Duration = Duration::from_secs(1);

/// To which part of the ceiling the rate is found.
const FINENESS: f64 = 64.0;

/// What became of the datagrams of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Tally {
    sent: f64,
    lost: f64,
    seconds: f64,
}

impl Tally {
    fn of(end: &Value) -> Result<Self> {
        Ok(Self {
            sent: number(end, "sum", "packets")?,
            lost: number(end, "sum", "lost_packets")?,
            seconds: number(end, "sum", "seconds")?,
        })
    }

    fn arrived(self) -> f64 {
        self.sent - self.lost
    }

    fn gigabits(self, size: u16) -> f64 {
        self.arrived() * f64::from(size) * 8.0 / 1e9
    }
}

/// Sends as fast as the sender can.
pub(super) fn overload(bout: Bout<'_>, size: u16) -> Result<Measured> {
    let tally = send(bout, size, None, None)?;
    ensure!(tally.arrived() > 0.0, "nothing arrived");
    Ok(Measured {
        figures: vec![
            (Metric::Delivered, tally.arrived() / tally.seconds / 1e3),
            (Metric::Lost, 100.0 * tally.lost / tally.sent),
        ],
        work: Work::Gigabits(tally.gigabits(size)),
    })
}

/// Searches for the highest rate at which nothing is lost, in trials of a second each. The ceiling is what the sender
/// reaches without a limit.
pub(super) fn loss_free(bout: Bout<'_>, size: u16) -> Result<Measured> {
    let bout = Bout {
        time: TRIAL,
        ..bout
    };
    let (mut trials, mut gigabits) = (0, 0.0);
    let mut trial = |rate| {
        trials += 1;
        let tally = send(bout, size, rate, Some(trials))?;
        gigabits += tally.gigabits(size);
        Ok::<_, anyhow::Error>(tally)
    };
    let unlimited = trial(None)?;
    let ceiling = unlimited.sent / unlimited.seconds;
    let rate = if unlimited.lost == 0.0 {
        ceiling
    } else {
        highest(ceiling, |rate| {
            let tally = trial(Some(rate))?;
            Ok((tally.lost == 0.0).then(|| tally.arrived() / tally.seconds))
        })?
    };
    Ok(Measured {
        figures: vec![(Metric::LossFree, rate / 1e3)],
        work: Work::Gigabits(gigabits),
    })
}

/// Searches below a ceiling that is too high. A trial gives the rate that was really reached when it was good; the result
/// is the highest of these, 0 where none was good. A trial that fails is made once more: a hiccup of the machine costs
/// a trial, and not half of the range.
fn highest(ceiling: f64, mut trial: impl FnMut(f64) -> Result<Option<f64>>) -> Result<f64> {
    let mut search = Bisection::below(whole(ceiling), whole(ceiling / FINENESS));
    let mut best = 0.0_f64;
    while let Some(wanted) = search.next() {
        #[expect(clippy::cast_precision_loss, reason = "a rate below 2^53")]
        let rate = wanted as f64;
        let reached = match trial(rate)? {
            Some(reached) => Some(reached),
            None => trial(rate)?,
        };
        search.note(wanted, reached.is_some());
        best = best.max(reached.unwrap_or_default());
    }
    Ok(best)
}

/// Sends at a rate in datagrams a second, without a limit where there is none.
fn send(bout: Bout<'_>, size: u16, rate: Option<f64>, trial: Option<usize>) -> Result<Tally> {
    let bits = rate.map_or(0.0, |rate| rate * f64::from(size) * 8.0);
    let (bits, size) = (format!("{bits:.0}"), size.to_string());
    let end = iperf::run(bout, &["-u", "-b", &bits, "-l", &size], trial)?;
    Tally::of(&end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_found_whatever_a_single_hiccup_says() {
        for limit in [1000.0, 10_500.0, 31_900.0, 63_000.0] {
            let mut trials = 0;
            let found = highest(64_000.0, |rate| {
                trials += 1;
                Ok((trials != 1 && rate <= limit).then_some(rate))
            });
            let found = found.unwrap();
            assert!(
                found <= limit && found >= limit - 1000.0,
                "{limit}: {found}"
            );
            assert!(trials <= 12, "{trials}");
        }
        assert_eq!(highest(64_000.0, |_| Ok(None)).unwrap(), 0.0);
        assert!(highest(64_000.0, |_| anyhow::bail!("no")).is_err());
    }

    #[test]
    fn what_arrives_is_what_was_sent_and_not_lost() {
        let end =
            serde_json::json!({"sum": {"packets": 1000, "lost_packets": 250, "seconds": 2.0}});
        let tally = Tally::of(&end).unwrap();
        assert_eq!(tally.arrived(), 750.0);
        assert_eq!(tally.gigabits(1000), 0.006);
    }
}
