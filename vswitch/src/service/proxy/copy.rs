//! One direction of a connection: bytes from one socket to another.
//!
//! A [`Carrier`] is a pipe, through which `splice(2)` moves pages without looking at them, or, where the kernel cannot,
//! a buffer. It is filled only when it is empty: then "would block" can only mean that nothing has come, not that the
//! pipe is full. And it is borrowed only while bytes move, so that thousands of idle connections hold neither pipes
//! nor buffers.

use std::{
    io,
    net::Shutdown,
    os::fd::{AsFd, OwnedFd},
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    io::Errno,
    pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice},
};
use socket2::SockRef;
use tokio::{io::Interest, net::TcpStream, task::yield_now};

use super::pool::Pool;

/// Most bytes of one splice, and what a pipe is asked to hold.
const PIPE: usize = 1 << 20;

/// Bytes of a buffer.
const BUFFER: usize = 1 << 18;

/// Carriers that are kept for the next one.
const SPARE: usize = 32;

/// Bytes after which others have their turn.
const TURN: usize = 1 << 20;

/// How a direction ended.
#[derive(Debug)]
pub(super) enum End {
    /// The source had nothing more to say, and the sink was told.
    Closed,
    /// The source failed.
    Source(io::Error),
    /// The sink failed.
    Sink(io::Error),
}

/// What bytes are carried in; empty.
#[derive(Debug)]
enum Carrier {
    Pipe { out: OwnedFd, into: OwnedFd },
    Buffer(Box<[u8]>),
}

/// Where carriers come from.
#[derive(Debug)]
pub(super) struct Carriers {
    spare: Pool<Carrier>,
    /// The kernel does not splice sockets.
    no_splice: AtomicBool,
}

impl Default for Carriers {
    fn default() -> Self {
        Self {
            spare: Pool::new(SPARE),
            no_splice: AtomicBool::new(false),
        }
    }
}

impl Carriers {
    /// As on a kernel that does not splice sockets.
    #[cfg(test)]
    pub(super) fn refuse_splice(&self) {
        self.no_splice.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> Carrier {
        self.spare.take().unwrap_or_else(|| self.make())
    }

    fn make(&self) -> Carrier {
        if !self.no_splice.load(Ordering::Relaxed) {
            match pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK) {
                Ok((out, into)) => {
                    // Refused where the user has many pipes; the usual size carries as well.
                    let _kept = fcntl_setpipe_size(&into, PIPE);
                    return Carrier::Pipe { out, into };
                }
                Err(error) => tracing::debug!(%error, "no pipe, a buffer instead"),
            }
        }
        Carrier::Buffer(vec![0; BUFFER].into())
    }

    /// Fills an empty carrier, which may become a buffer.
    fn fill(&self, carrier: &mut Carrier, from: &TcpStream) -> io::Result<usize> {
        match carrier {
            Carrier::Pipe { into, .. } => {
                let spliced = from.try_io(Interest::READABLE, || splice_once(from, &*into, PIPE));
                match spliced.as_ref().map_err(Errno::from_io_error) {
                    Err(Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)) => {
                        tracing::debug!("no splice of sockets here, published ports are copied");
                        self.no_splice.store(true, Ordering::Relaxed);
                        *carrier = self.make();
                        self.fill(carrier, from)
                    }
                    _ => spliced,
                }
            }
            Carrier::Buffer(buffer) => from.try_read(buffer),
        }
    }
}

fn splice_once(from: &impl AsFd, to: &impl AsFd, most: usize) -> io::Result<usize> {
    let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
    Ok(splice(from, None, to, None, most, flags)?)
}

/// Empties a carrier that holds so many bytes.
async fn drain(carrier: &Carrier, held: usize, to: &TcpStream) -> io::Result<()> {
    let mut done = 0;
    while done < held {
        let moved = match carrier {
            // Exactly what is left: the kernel takes a greater number for a promise of more to come and waits.
            Carrier::Pipe { out, .. } => {
                to.try_io(Interest::WRITABLE, || splice_once(out, to, held - done))
            }
            Carrier::Buffer(buffer) => to.try_write(&buffer[done..held]),
        };
        match moved {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => to.writable().await?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Carries until the source ends, and passes the end on; not where the connection is `cut`: who told the other
/// direction of the failure has left nothing but an end to be seen here.
pub(super) async fn direction(
    carriers: &Carriers,
    from: &TcpStream,
    to: &TcpStream,
    cut: &AtomicBool,
) -> End {
    loop {
        if let Err(error) = from.readable().await {
            return End::Source(error);
        }
        let mut carrier = carriers.take();
        if let Some(end) = burst(carriers, &mut carrier, from, to, cut).await {
            return end;
        }
        carriers.spare.give(carrier);
    }
}

/// Carries what is there. Nothing when the source is silent but may go on; then the carrier is empty.
async fn burst(
    carriers: &Carriers,
    carrier: &mut Carrier,
    from: &TcpStream,
    to: &TcpStream,
    cut: &AtomicBool,
) -> Option<End> {
    let mut turn = 0;
    loop {
        match carriers.fill(carrier, from) {
            Ok(0) if cut.load(Ordering::Relaxed) => {
                return Some(End::Source(io::ErrorKind::ConnectionReset.into()));
            }
            Ok(0) => {
                let told = SockRef::from(to).shutdown(Shutdown::Write);
                return Some(told.map_or_else(End::Sink, |()| End::Closed));
            }
            Ok(held) => {
                if let Err(error) = drain(carrier, held, to).await {
                    return Some(End::Sink(error));
                }
                turn += held;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Some(End::Source(error)),
        }
        if turn >= TURN {
            turn = 0;
            yield_now().await;
        }
    }
}
