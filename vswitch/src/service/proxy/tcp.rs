//! TCP ports: a task that accepts, and one for each connection.
//!
//! Each direction ends by itself: a client that has said all may still be answered. When one side fails the other is
//! reset. A side that takes nothing any more may have said something before (an error, then RST): the direction from
//! there is carried to its end first.
//!
//! Both sockets are set to end with RST from the start, and only a connection that both sides closed is set to end
//! otherwise: whatever cuts it (a limit, the end of the port, of the daemon) is seen as a cut.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::{
    io::Interest,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Running, Shared,
    back::Backend,
    copy::{Carriers, End, direction},
    is_exhaustion,
    slot::Slot,
};

/// A client that has vanished without a word is missed after this time, and some probes.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Between two probes.
const PROBES: Duration = Duration::from_secs(15);

/// Time to take what a side had said before it failed.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// How long nobody is accepted when there are no descriptors.
const RECOVERY: Duration = Duration::from_millis(100);

/// Serves a listening socket.
pub(super) fn serve(
    shared: &Arc<Shared>,
    socket: Socket,
    backend: &Arc<Backend>,
    running: &mut Running,
) -> io::Result<()> {
    let slot = Arc::new(Slot::new(TcpListener::from_std(socket.into())?));
    let accepting = accept(Arc::clone(shared), Arc::clone(&slot), Arc::clone(backend));
    running.add(&tokio::spawn(accepting), move || slot.close());
    Ok(())
}

/// Accepts until the socket is closed. The connections are its own and end with it.
async fn accept(shared: Arc<Shared>, slot: Arc<Slot<TcpListener>>, backend: Arc<Backend>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = slot.poll(TcpListener::poll_accept) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            None => return,
            Some(Ok((client, from))) => {
                admit(&shared, client, from, &backend, &mut connections);
            }
            Some(Err(error)) if is_exhaustion(&error) => {
                if let Some(times) = shared.exhausted.happened(Instant::now()) {
                    tracing::warn!(%error, times, "published ports accept nobody; raise the limit on open files");
                }
                sleep(RECOVERY).await;
            }
            // That of a client that is gone already (accept(2)).
            Some(Err(error)) => {
                tracing::debug!(%error, "a client of a published port was not accepted")
            }
        }
    }
}

/// Gives a client its place and its task, or resets it.
fn admit(
    shared: &Arc<Shared>,
    client: TcpStream,
    from: SocketAddr,
    backend: &Arc<Backend>,
    connections: &mut JoinSet<()>,
) {
    if let Err(error) = prepare(&client) {
        tracing::debug!(%error, %from, "a client of a published port is gone");
        return;
    }
    let Ok(place) = Arc::clone(&shared.connections).try_acquire_owned() else {
        if let Some(times) = shared.full.happened(Instant::now()) {
            let most = shared.limits.connections;
            tracing::warn!(
                most,
                times,
                "published ports have as many connections as they may; clients were reset"
            );
        }
        return;
    };
    let (shared, backend) = (Arc::clone(shared), Arc::clone(backend));
    connections.spawn(async move {
        let _place = place;
        match attend(&shared, &client, from, &backend).await {
            Ok(()) => {}
            Err(error) => {
                tracing::debug!(%error, %from, "a connection to a published port was cut")
            }
        }
    });
}

/// The client's socket ends with RST unless told otherwise, and notices when the client vanishes.
fn prepare(client: &TcpStream) -> io::Result<()> {
    client.set_zero_linger()?;
    client.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(PROBES);
    SockRef::from(client).set_tcp_keepalive(&keepalive)
}

async fn attend(
    shared: &Shared,
    client: &TcpStream,
    from: SocketAddr,
    backend: &Backend,
) -> io::Result<()> {
    let container = backend.connect(from, shared.limits.connect).await?;
    container.set_zero_linger()?;
    both(&shared.carriers, client, &container).await?;
    for side in [client, &container] {
        SockRef::from(side).set_linger(None)?;
    }
    Ok(())
}

/// Carries both ways until both sides have ended.
///
/// # Errors
/// One side failed: what is left is to be cut.
async fn both(carriers: &Carriers, client: &TcpStream, container: &TcpStream) -> io::Result<()> {
    let cut = AtomicBool::new(false);
    let mut up = pin!(direction(carriers, client, container, &cut));
    let mut down = pin!(direction(carriers, container, client, &cut));
    tokio::select! {
        end = &mut up => rest(end, client, down, &cut).await,
        end = &mut down => rest(end, container, up, &cut).await,
    }
}

/// One direction has ended, in which `source` spoke; what becomes of the other one.
async fn rest(
    end: End,
    source: &TcpStream,
    other: impl Future<Output = End>,
    cut: &AtomicBool,
) -> io::Result<()> {
    match end {
        End::Source(error) => Err(error),
        End::Sink(error) => {
            cut.store(true, Ordering::Relaxed);
            // Who takes nothing any more has nothing more to say than what is there; only the other side may be slow.
            let _spoken = timeout(LAST_WORDS, other).await;
            Err(error)
        }
        End::Closed => tokio::select! {
            end = other => match end {
                End::Closed => Ok(()),
                End::Source(error) | End::Sink(error) => Err(error),
            },
            // It has said all; nobody reads there any more, and only the error tells that it is gone.
            error = failure(source) => Err(error),
        },
    }
}

/// Waits until a socket that is no longer read fails.
async fn failure(socket: &TcpStream) -> io::Error {
    match socket.ready(Interest::ERROR).await {
        Ok(_) => match socket.take_error() {
            Ok(Some(error)) | Err(error) => error,
            Ok(None) => io::ErrorKind::ConnectionReset.into(),
        },
        Err(error) => error,
    }
}
