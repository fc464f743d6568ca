//! Round trips of datagrams beside a TCP flow: what bulk traffic does to them.

use std::time::Duration;

use anyhow::{Result, anyhow};

use super::iperf::{self, number};
use super::{Bout, Congestion, Measured, Work, round_trip};
use crate::report::Metric;

/// The flow runs longer than the round trips, which must not outlast it.
const LONGER: Duration = Duration::from_secs(1);

/// Measures once. The flow is up before the warm-up of the round trips is over.
pub(super) fn measure(bout: Bout<'_>) -> Result<Measured> {
    let flow = Bout {
        time: bout.time + LONGER,
        ..bout
    };
    let options = ["-C", Congestion::Cubic.name()];
    let (trips, end) = std::thread::scope(|scope| {
        let flow = scope.spawn(|| iperf::run(flow, &options, None));
        let trips = round_trip::over_udp(bout.ends, bout.time);
        let end = flow.join().map_err(|_| anyhow!("the flow panicked"))?;
        Ok::<_, anyhow::Error>((trips?, end?))
    })?;
    let mut figures = trips.figures();
    let throughput = number(&end, "sum_received", "bits_per_second")? / 1e9;
    figures.push((Metric::Lost, trips.lost_share()));
    figures.push((Metric::Throughput, throughput));
    let gigabits = number(&end, "sum_received", "bytes")? * 8.0 / 1e9;
    Ok(Measured {
        figures,
        // Beside the flow the round trips are no work.
        work: Work::Gigabits(gigabits),
    })
}
