//! Ping and throughput with nothing but the standard library's sockets.
//!
//! A socket stays in the namespace where it was made, whichever thread uses it later, so only its
//! making needs [`Netns::run`]. Everything blocks, but never for longer than [`PATIENCE`].

use crate::print::size;
use anyhow::Context as _;
use std::{
    fmt,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket},
    time::{Duration, Instant},
};
use tokio::task::spawn_blocking;
use vswitch::sys::Netns;

/// Nothing on one machine takes longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the stream is.
const MEASURE: Duration = Duration::from_secs(3);
/// Datagrams there and back.
const PROBES: usize = 3;
/// Bytes of one write: large enough that the number of calls does not matter.
const CHUNK: usize = 256 * 1024;

/// Sends datagrams from one namespace to `target` in the other and back; how long each took.
pub(crate) fn echo(from: &Netns, to: &Netns, target: Ipv4Addr) -> anyhow::Result<Vec<Duration>> {
    let bind = |address| {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        io::Result::Ok(socket)
    };
    let server = to.run(|| bind(target))??;
    let client = from.run(|| bind(Ipv4Addr::UNSPECIFIED))??;
    client.connect(server.local_addr()?)?;
    let probe = || {
        let mut buffer = [0; 64];
        let start = Instant::now();
        client.send(&buffer[..56])?;
        let (length, sender) = server.recv_from(&mut buffer)?;
        server.send_to(&buffer[..length], sender)?;
        client.recv(&mut buffer)?;
        io::Result::Ok(start.elapsed())
    };
    let times: io::Result<Vec<Duration>> = (0..PROBES).map(|_| probe()).collect();
    times
        .with_context(|| format!("no answer from {target}: the sandboxes do not reach one another"))
}

/// Round-trip times in the words of `ping`.
pub(crate) fn times(times: &[Duration]) -> String {
    let milliseconds = |time: &Duration| format!("{:.3}", time.as_secs_f64() * 1000.0);
    let each: Vec<String> = times.iter().map(milliseconds).collect();
    format!(
        "{} probes came back, rtt {} ms",
        times.len(),
        each.join(", ")
    )
}

/// What a stream has brought.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Flow {
    bytes: u64,
    time: Duration,
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, time } = self;
        // Bits in a nanosecond are Gbit/s; a stream of no length has no rate.
        let bits = u128::from(*bytes) * 8;
        let hundredths = (bits * 100).checked_div(time.as_nanos()).unwrap_or(0);
        let (whole, part) = (hundredths / 100, hundredths % 100);
        write!(
            f,
            "{:.2} s, {}, {whole}.{part:02} Gbit/s",
            time.as_secs_f64(),
            size(*bytes)
        )
    }
}

/// Streams over TCP from one namespace to `target` in the other, as fast as it goes.
pub(crate) async fn stream(from: &Netns, to: &Netns, target: Ipv4Addr) -> anyhow::Result<Flow> {
    let listener = to.run(|| TcpListener::bind((target, 0)))??;
    let address: SocketAddr = listener.local_addr()?;
    let sender = from.run(|| TcpStream::connect_timeout(&address, PATIENCE))?;
    let sender = sender.with_context(|| format!("no connection to {address}"))?;
    let (receiver, _) = listener.accept()?;
    // One thread each, as two hosts would have.
    let sent = spawn_blocking(move || send(sender));
    let received = spawn_blocking(move || receive(receiver));
    sent.await??;
    Ok(received.await??)
}

fn send(mut stream: TcpStream) -> io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let chunk = vec![0; CHUNK];
    let start = Instant::now();
    while start.elapsed() < MEASURE {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(Shutdown::Write)
}

fn receive(mut stream: TcpStream) -> io::Result<Flow> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut chunk = vec![0; CHUNK];
    let start = Instant::now();
    let mut bytes = 0;
    loop {
        match stream.read(&mut chunk)? {
            0 => {
                return Ok(Flow {
                    bytes,
                    time: start.elapsed(),
                });
            }
            length => bytes += u64::try_from(length).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_has_a_rate() {
        let flow = Flow {
            bytes: 3_750_000_000,
            time: Duration::from_secs(3),
        };
        assert_eq!(flow.to_string(), "3.00 s, 3.8GB, 10.00 Gbit/s");
        let none = Flow {
            bytes: 0,
            time: Duration::ZERO,
        };
        assert_eq!(none.to_string(), "0.00 s, 0B, 0.00 Gbit/s");
    }

    #[test]
    fn times_are_in_milliseconds() {
        let text = times(&[Duration::from_micros(50), Duration::from_millis(2)]);
        assert_eq!(text, "2 probes came back, rtt 0.050, 2.000 ms");
    }
}
