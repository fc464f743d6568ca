//! Connections: made, one byte from the server, closed; several clients at the same time.
//!
//! The client resets the connection when it has its byte, so that neither end keeps it in TIME_WAIT and no ports run
//! out however many there are.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use rustix::net::sockopt::set_socket_linger;

use super::{Bout, Measured, Work};
use crate::candidate::Ends;
use crate::interrupt::{self, Woken};
use crate::report::Metric;

/// Connections that are open at the same time.
const CLIENTS: usize = 8;

/// How long a connection may take, and how long its byte.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often the server looks whether it is still needed.
const LOOK: Duration = Duration::from_millis(50);

/// Measures once.
pub(super) fn measure(bout: Bout<'_>) -> Result<Measured> {
    let listener = (bout.ends.server.netns).run(|| TcpListener::bind(bout.ends.listen()))??;
    let over = AtomicBool::new(false);
    let begin = Instant::now();
    let made = std::thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, &over));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| client(bout.ends, begin, bout.time)))
            .collect();
        let each = (clients.into_iter())
            .map(|one| one.join().map_err(|_| anyhow!("a client panicked"))?);
        let made = each.sum::<Result<u32>>();
        over.store(true, Ordering::Relaxed);
        let served = server.join().map_err(|_| anyhow!("the server panicked"))?;
        made.and_then(|made| served.map(|()| f64::from(made)))
    })?;
    Ok(Measured {
        figures: vec![(Metric::Connections, made / begin.elapsed().as_secs_f64())],
        work: Work::Operations(made),
    })
}

fn serve(listener: &TcpListener, over: &AtomicBool) -> Result<()> {
    while !over.load(Ordering::Relaxed) {
        if interrupt::wait(listener.as_fd(), LOOK)? == Woken::Ready {
            let (mut stream, _) = listener.accept()?;
            // A client that has gone meanwhile says so itself.
            drop(stream.write_all(b"."));
        }
    }
    Ok(())
}

/// Makes connections until the time is over: how many.
fn client(ends: Ends<'_>, begin: Instant, time: Duration) -> Result<u32> {
    let at = SocketAddr::V4(ends.at);
    let inside = || {
        let mut made = 0;
        while begin.elapsed() < time {
            interrupt::check()?;
            let mut stream = TcpStream::connect_timeout(&at, PATIENCE)
                .with_context(|| format!("connection {}", made + 1))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.read_exact(&mut [0])?;
            set_socket_linger(&stream, Some(Duration::ZERO))?;
            made += 1;
        }
        Ok(made)
    };
    ends.client.netns.run(inside)?
}
