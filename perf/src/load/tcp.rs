//! TCP: how much arrives, and how often a segment had to be sent again.

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::iperf::{self, number};
use super::{Bout, Congestion, Direction, Measured, Work};
use crate::report::Metric;

/// Runs iperf3 with these flows (in each direction).
pub(super) fn measure(
    bout: Bout<'_>,
    flows: u8,
    congestion: Congestion,
    direction: Direction,
) -> Result<Measured> {
    let flows = flows.to_string();
    let mut options = vec!["-P", &flows, "-C", congestion.name()];
    match direction {
        Direction::Forward => {}
        Direction::Reverse => options.push("-R"),
        Direction::Both => options.push("--bidir"),
    }
    let end = iperf::run(bout, &options, None)?;
    let used = end["sender_tcp_congestion"].as_str().unwrap_or("unknown");
    if used != congestion.name() {
        bail!("the kernel used {used} instead of {}", congestion.name());
    }
    figures(&end, direction)
}

/// The figures in what iperf3 says. The other direction of `--bidir` has sums of its own.
fn figures(end: &Value, direction: Direction) -> Result<Measured> {
    let rate = |sum| Ok::<_, anyhow::Error>(number(end, sum, "bits_per_second")? / 1e9);
    let gigabits = |sum| Ok::<_, anyhow::Error>(number(end, sum, "bytes")? * 8.0 / 1e9);
    let (near, far) = ("sum_received", "sum_received_bidir_reverse");
    let mut again = number(end, "sum_sent", "retransmits")?;
    let mut all = gigabits(near)?;
    let mut figures = match direction {
        Direction::Forward | Direction::Reverse => vec![(Metric::Throughput, rate(near)?)],
        Direction::Both => {
            again += number(end, "sum_sent_bidir_reverse", "retransmits")?;
            all += gigabits(far)?;
            let (there, back) = (rate(near)?, rate(far)?);
            vec![
                (Metric::Throughput, there + back),
                (Metric::Forward, there),
                (Metric::Backward, back),
            ]
        }
    };
    ensure!(all > 0.0, "nothing arrived");
    figures.push((Metric::Retransmits, again));
    Ok(Measured {
        figures,
        work: Work::Gigabits(all),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_that_carried_nothing_is_no_figure() {
        let end = serde_json::json!({
            "sum_sent": {"retransmits": 0},
            "sum_received": {"bits_per_second": 0, "bytes": 0},
        });
        assert!(figures(&end, Direction::Forward).is_err());
    }

    #[test]
    fn both_directions_are_added_up() {
        let end = serde_json::json!({
            "sum_sent": {"retransmits": 3},
            "sum_received": {"bits_per_second": 2e9, "bytes": 250_000_000},
            "sum_sent_bidir_reverse": {"retransmits": 4},
            "sum_received_bidir_reverse": {"bits_per_second": 1e9, "bytes": 125_000_000},
        });
        let measured = figures(&end, Direction::Both).unwrap();
        let expected = [
            (Metric::Throughput, 3.0),
            (Metric::Forward, 2.0),
            (Metric::Backward, 1.0),
            (Metric::Retransmits, 7.0),
        ];
        assert_eq!(measured.figures, expected);
        assert_eq!(measured.work, Work::Gigabits(3.0));
        let measured = figures(&end, Direction::Reverse).unwrap();
        assert_eq!(
            measured.figures,
            [(Metric::Throughput, 2.0), (Metric::Retransmits, 3.0)]
        );
    }
}
