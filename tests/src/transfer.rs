//! A checked stream over TCP: every byte that arrives is compared with what was sent.

use crate::{Must, Sandbox, deadline::uninterrupted, pattern::Pattern};
use std::{
    io::{Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

/// A stall of this length is a failure.
const STALL: Duration = Duration::from_secs(20);

/// Sends `bytes` bytes from one sandbox to the other and checks each.
///
/// # Panics
/// When one is wrong, missing or too many, or nothing moves any more.
#[track_caller]
pub fn tcp(from: &Sandbox, to: &Sandbox, address: IpAddr, bytes: u64) {
    let what = format!("{bytes} bytes from {} to {address}", from.name);
    let listener = to.run(|| TcpListener::bind(SocketAddr::new(address, 0)));
    let listener = listener.must("a listener");
    let target = listener.local_addr().must("the listener's address");
    let writer = from
        .run(|| TcpStream::connect_timeout(&target, STALL))
        .must(&what);
    let (reader, _) = listener.accept().must(&what);
    stream(writer, reader, bytes, &what);
}

/// Sends `bytes` bytes into one end of a connection and checks each at the other; then this direction is closed.
///
/// # Panics
/// With `what` when one is wrong, missing or too many, or nothing moves any more.
#[track_caller]
pub fn stream(writer: TcpStream, reader: TcpStream, bytes: u64, what: &str) {
    writer.set_write_timeout(Some(STALL)).must("a timeout");
    reader.set_read_timeout(Some(STALL)).must("a timeout");
    let outcome = thread::scope(|scope| {
        let sender = scope.spawn(|| send(writer, bytes));
        let received = receive(reader);
        let sent = sender.join().unwrap_or_else(|_| Err("panicked".to_owned()));
        (sent, received)
    });
    assert_eq!(outcome, (Ok(()), Ok(bytes)), "{what}");
}

/// Sends into one end of a connection until `enough` and checks each byte that arrives at the other, which may be cut
/// off at any time. How many arrived.
///
/// # Panics
/// When a byte is wrong.
pub fn until(enough: &AtomicBool, mut writer: TcpStream, mut reader: TcpStream) -> u64 {
    const LOOK: Option<Duration> = Some(Duration::from_millis(50));
    writer.set_write_timeout(LOOK).must("a timeout");
    reader.set_read_timeout(LOOK).must("a timeout");
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut pattern, mut room) = (Pattern::new(SEED), vec![0; 1 << 16]);
            let mut waiting = 0..0;
            while !enough.load(Ordering::Relaxed) {
                if waiting.is_empty() {
                    pattern.fill(&mut room);
                    waiting = 0..room.len();
                }
                // Nothing goes out while there is no way.
                waiting.start += writer.write(&room[waiting.clone()]).unwrap_or(0);
            }
        });
        let (mut pattern, mut room) = (Pattern::new(SEED), vec![0; 1 << 16]);
        let mut received = 0;
        while !enough.load(Ordering::Relaxed) {
            let length = reader.read(&mut room).unwrap_or(0);
            let wrong = pattern.check(&room[..length]);
            assert_eq!(wrong, Ok(()), "behind byte {received}");
            received += length as u64;
        }
        received
    })
}

/// A seed is as good as another; this one is not 0.
const SEED: u64 = 2544;

fn send(mut writer: TcpStream, bytes: u64) -> Result<(), String> {
    let mut pattern = Pattern::new(SEED);
    let mut room = vec![0; 1 << 18];
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).map_or(room.len(), |left| left.min(room.len()));
        pattern.fill(&mut room[..length]);
        (writer.write_all(&room[..length]))
            .map_err(|e| format!("{left} bytes before the end: {e}"))?;
        left -= length as u64;
    }
    // There may be another descriptor, for the way back.
    (writer.shutdown(Shutdown::Write)).map_err(|e| format!("at the end: {e}"))
}

fn receive(mut reader: TcpStream) -> Result<u64, String> {
    let mut pattern = Pattern::new(SEED);
    let mut room = vec![0; 1 << 18];
    let mut received = 0;
    loop {
        let length = uninterrupted(|| reader.read(&mut room))
            .map_err(|e| format!("at byte {received}: {e}"))?;
        if length == 0 {
            return Ok(received);
        }
        (pattern.check(&room[..length]))
            .map_err(|at| format!("byte {} is wrong", received + at as u64))?;
        received += length as u64;
    }
}
