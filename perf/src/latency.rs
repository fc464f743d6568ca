//! Round trips: one small UDP datagram there and back, again and again.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::candidate::{Ends, Host};

/// Round trips of one measurement.
const ROUND_TRIPS: usize = 20_000;

/// Round trips that are not counted, first.
const WARM_UP: usize = 1_000;

/// A lost datagram fails the measurement instead of hanging it.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The median round trip between two hosts, in microseconds.
pub(crate) fn median_round_trip(ends: Ends<'_>) -> Result<f64> {
    let [server, client] = [ends.server, ends.client]
        .map(|Host { place, netns }| netns.run(|| UdpSocket::bind((place.address(), 0))));
    let (server, client) = (server??, client??);
    let address = server.local_addr()?;
    server.set_read_timeout(Some(TIMEOUT))?;
    client.set_read_timeout(Some(TIMEOUT))?;
    client.connect(address)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || {
            let mut buffer = [0; 64];
            for _ in 0..WARM_UP + ROUND_TRIPS {
                let (length, from) = server.recv_from(&mut buffer)?;
                server.send_to(&buffer[..length], from)?;
            }
            Ok::<_, std::io::Error>(())
        });
        let mut times = Vec::with_capacity(ROUND_TRIPS);
        let mut buffer = [0; 64];
        for trip in 0..WARM_UP + ROUND_TRIPS {
            let start = Instant::now();
            client.send(&buffer)?;
            client.recv(&mut buffer).context("a datagram was lost")?;
            if trip >= WARM_UP {
                times.push(start.elapsed());
            }
        }
        echo.join()
            .map_err(|_| anyhow::anyhow!("the echo server panicked"))??;
        times.sort_unstable();
        Ok(times[times.len() / 2].as_secs_f64() * 1e6)
    })
}
