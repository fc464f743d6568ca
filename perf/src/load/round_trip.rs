//! Requests and responses of 64 bytes, one at a time: how long they take.
//!
//! Both ends are threads of this program with sockets of the hosts. A datagram that does not come back within
//! [`PATIENCE`] counts as lost and the next one is sent; numbers in them tell a late one from the one that is awaited.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail, ensure};

use super::{Bout, Measured, Transport, Work};
use crate::candidate::Ends;
use crate::interrupt::{self, Woken};
use crate::report::Metric;

/// Bytes of a request and of its response.
const SIZE: usize = 64;

/// A response that takes longer is lost. Also how often the other end looks whether it is still needed.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long a connection may take, and a way to be open.
const CONNECT: Duration = Duration::from_secs(5);

/// The share of the time that is not counted, at the beginning.
const WARM_UP: f64 = 0.1;

/// What a series of round trips was.
#[derive(Debug)]
pub(super) struct Trips {
    /// Of those that count, shortest first; not empty.
    times: Vec<Duration>,
    lost: usize,
    /// All of them, the warm-up included.
    made: usize,
}

/// Measures once.
pub(super) fn measure(bout: Bout<'_>, transport: Transport) -> Result<Measured> {
    let trips = match transport {
        Transport::Udp => over_udp(bout.ends, bout.time)?,
        Transport::Tcp => over_tcp(bout.ends, bout.time)?,
    };
    let mut figures = trips.figures();
    if transport == Transport::Udp {
        figures.push((Metric::Lost, trips.lost_share()));
    }
    Ok(Measured {
        figures,
        work: trips.work(),
    })
}

impl Trips {
    fn of(mut times: Vec<Duration>, lost: usize, made: usize) -> Result<Self> {
        ensure!(!times.is_empty(), "nothing came back");
        times.sort_unstable();
        Ok(Self { times, lost, made })
    }

    /// The percentiles in microseconds.
    pub(super) fn figures(&self) -> Vec<(Metric, f64)> {
        let metrics = [(Metric::P50, 500), (Metric::P99, 990), (Metric::P999, 999)];
        let time = |permille| percentile(&self.times, permille).as_secs_f64() * 1e6;
        let each = metrics.map(|(metric, permille)| (metric, time(permille)));
        each.into()
    }

    /// Lost ones, of a hundred.
    #[allow(clippy::cast_precision_loss)] // Far fewer than 2^53.
    pub(super) fn lost_share(&self) -> f64 {
        100.0 * self.lost as f64 / (self.lost + self.times.len()) as f64
    }

    /// What was done.
    #[allow(clippy::cast_precision_loss)] // Far fewer than 2^53.
    pub(super) fn work(&self) -> Work {
        Work::Operations(self.made as f64)
    }
}

/// The smallest of the times that so many thousandths of them do not exceed (nearest rank). They are in order, and
/// not none.
fn percentile(times: &[Duration], permille: usize) -> Duration {
    let rank = (times.len() * permille).div_ceil(1000);
    times[rank.clamp(1, times.len()) - 1]
}

/// Makes trips for a time. `trip` says how long one took, or that it was lost.
fn repeat(time: Duration, mut trip: impl FnMut(u64) -> Result<Option<Duration>>) -> Result<Trips> {
    let begin = Instant::now();
    let (mut times, mut lost, mut made) = (Vec::new(), 0, 0);
    while begin.elapsed() < time {
        interrupt::check()?;
        let counts = begin.elapsed() >= time.mul_f64(WARM_UP);
        made += 1;
        match trip(made as u64)? {
            Some(took) if counts => times.push(took),
            None if counts => lost += 1,
            _ => {}
        }
    }
    Trips::of(times, lost, made)
}

/// Round trips of datagrams.
pub(super) fn over_udp(ends: Ends<'_>, time: Duration) -> Result<Trips> {
    with_echo(ends, |socket| {
        repeat(time, |number| exchange(socket, number, SIZE))
    })
}

/// Calls with a client's socket while the other end echoes.
fn with_echo<T>(ends: Ends<'_>, call: impl FnOnce(&UdpSocket) -> Result<T>) -> Result<T> {
    let server = (ends.server.netns).run(|| UdpSocket::bind(ends.listen()))??;
    let client =
        (ends.client.netns).run(|| UdpSocket::bind((ends.client.place.address(), 0)))??;
    client.connect(ends.at)?;
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(PATIENCE))?;
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| echo(&server, &over));
        let result = call(&client);
        over.store(true, Ordering::Relaxed);
        echo.join()
            .map_err(|_| anyhow!("the echo server panicked"))??;
        result
    })
}

fn echo(server: &UdpSocket, over: &AtomicBool) -> Result<()> {
    let mut room = vec![0; 65_536];
    while !over.load(Ordering::Relaxed) {
        match server.recv_from(&mut room) {
            // What cannot be sent is lost, and counted by who waits for it.
            Ok((length, from)) => drop(server.send_to(&room[..length], from)),
            Err(error) if is_late(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Sends one and waits for its return: how long it took, or nothing for a lost one.
fn exchange(socket: &UdpSocket, number: u64, size: usize) -> Result<Option<Duration>> {
    let mut room = vec![0; size];
    room[..8].copy_from_slice(&number.to_ne_bytes());
    let sent = Instant::now();
    socket.send(&room)?;
    loop {
        match socket.recv(&mut room) {
            Ok(length) if length == size && room[..8] == number.to_ne_bytes() => {
                return Ok(Some(sent.elapsed()));
            }
            Ok(_) if sent.elapsed() < PATIENCE => {}
            Ok(_) => return Ok(None),
            Err(error) if is_late(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Round trips on a connection.
fn over_tcp(ends: Ends<'_>, time: Duration) -> Result<Trips> {
    let listener = (ends.server.netns).run(|| TcpListener::bind(ends.listen()))??;
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| echo_stream(&listener));
        let result = requests(ends, time);
        let echoed = echo
            .join()
            .map_err(|_| anyhow!("the echo server panicked"))?;
        // Where the client could not connect, that is the error and not that nobody came.
        result.and_then(|trips| echoed.map(|()| trips))
    })
}

fn requests(ends: Ends<'_>, time: Duration) -> Result<Trips> {
    let at = SocketAddr::V4(ends.at);
    let mut stream = (ends.client.netns).run(|| TcpStream::connect_timeout(&at, CONNECT))??;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(CONNECT))?;
    let mut room = [0; SIZE];
    repeat(time, |_| {
        let sent = Instant::now();
        stream.write_all(&room)?;
        stream.read_exact(&mut room)?;
        Ok(Some(sent.elapsed()))
    })
}

/// Serves one connection until its end.
fn echo_stream(listener: &TcpListener) -> Result<()> {
    if interrupt::wait(listener.as_fd(), CONNECT)? == Woken::Late {
        bail!("nobody connects");
    }
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(CONNECT))?;
    let mut room = [0; SIZE];
    loop {
        match stream.read(&mut room) {
            Ok(0) => return Ok(()),
            Ok(length) => stream.write_all(&room[..length])?,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until a way is open, and carries what it is said to carry: datagrams that fill the MTU, or where only a
/// port leads there, a connection. New switches first have to learn, and neighbours to be found.
pub(crate) fn reaches(ends: Ends<'_>, transport: Transport, mtu: u32) -> Result<()> {
    match transport {
        Transport::Tcp => over_tcp(ends, PATIENCE).map(drop),
        Transport::Udp => {
            // IPv4's header and UDP's are 28 bytes.
            let (full, small) = (usize::try_from(mtu)? - 28, SIZE);
            with_echo(ends, |socket| {
                let open = |size| {
                    let begin = Instant::now();
                    for number in 0.. {
                        interrupt::check()?;
                        if exchange(socket, number, size)?.is_some() {
                            return Ok(true);
                        }
                        if begin.elapsed() > CONNECT {
                            break;
                        }
                    }
                    Ok::<_, anyhow::Error>(false)
                };
                ensure!(open(small)?, "nothing gets through");
                ensure!(open(full)?, "packets of {mtu} bytes do not get through");
                Ok(())
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(count: u64) -> Vec<Duration> {
        (1..=count).map(Duration::from_micros).collect()
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let all = times(1000);
        let micros = |permille| percentile(&all, permille).as_micros();
        assert_eq!((micros(500), micros(990), micros(999)), (500, 990, 999));
        assert_eq!(percentile(&times(1), 999).as_micros(), 1);
        assert_eq!(percentile(&times(3), 500).as_micros(), 2);
        assert_eq!(percentile(&times(3), 999).as_micros(), 3);
    }

    #[test]
    fn lost_ones_are_counted_and_not_timed() {
        let trips = Trips::of(times(75), 25, 110).unwrap();
        assert_eq!(trips.lost_share(), 25.0);
        assert_eq!(trips.work(), Work::Operations(110.0));
        assert!(Trips::of(Vec::new(), 25, 30).is_err());
    }
}
