//! Frames of 64 bytes of our own ([`crate::generate`]): iperf3 sends datagrams so slowly that with small ones it is
//! measured more than the switch is.

use std::time::Duration;

use anyhow::Result;

use super::{Bout, Measured, Work};
use crate::generate::{FrameSize, Port};
use crate::report::Metric;
use crate::rfc::{FrameRates, frame_rates};

/// How long one trial of the search lasts at most.
const TRIAL: Duration = Duration::from_secs(1);

/// Sends from the client to the server, as fast as can be and then as fast as nothing is lost.
pub(super) fn measure(bout: Bout<'_>) -> Result<Measured> {
    let hosts = [bout.ends.client, bout.ends.server];
    let [from, to] = hosts.map(|host| Port::open(&host.netns, host.interface));
    let time = bout.time.min(TRIAL);
    let rates = frame_rates(&from?, &to?, FrameSize::SMALLEST, time, 0.0)?;
    Ok(told(&rates))
}

fn told(rates: &FrameRates) -> Measured {
    #[expect(clippy::cast_precision_loss, reason = "frames below 2^53")]
    let received = rates.received as f64;
    Measured {
        figures: vec![
            (Metric::Delivered, rates.forwarded / 1e3),
            (Metric::Lost, 100.0 * rates.lost),
            (Metric::LossFree, rates.throughput / 1e3),
        ],
        work: Work::Operations(received),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_told_in_thousands() {
        let rates = FrameRates {
            forwarded: 150_000.0,
            lost: 0.25,
            throughput: 120_000.0,
            received: 500_000,
        };
        let Measured { figures, work } = told(&rates);
        let wanted = [
            (Metric::Delivered, 150.0),
            (Metric::Lost, 25.0),
            (Metric::LossFree, 120.0),
        ];
        assert_eq!(figures, wanted);
        assert_eq!(work.price(1.0), Some(2.0));
    }
}
