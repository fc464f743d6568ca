//! Datagrams: what arrives of too many, and how many there may be.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::iperf::{self, number};
use super::{Bout, Measured, Work, search};
use crate::report::Metric;

/// How long one trial of a search lasts.
const TRIAL: Duration = Duration::from_secs(1);

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
        search::highest(ceiling, |rate| {
            let tally = trial(Some(rate))?;
            Ok((tally.lost == 0.0).then(|| tally.arrived() / tally.seconds))
        })?
    };
    Ok(Measured {
        figures: vec![(Metric::LossFree, rate / 1e3)],
        work: Work::Gigabits(gigabits),
    })
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
    fn what_arrives_is_what_was_sent_and_not_lost() {
        let end =
            serde_json::json!({"sum": {"packets": 1000, "lost_packets": 250, "seconds": 2.0}});
        let tally = Tally::of(&end).unwrap();
        assert_eq!(tally.arrived(), 750.0);
        assert_eq!(tally.gigabits(1000), 0.006);
    }
}
