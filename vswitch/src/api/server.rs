//! The server of a unix socket: HTTP/1.1 with JSON bodies, by hyper. The control socket is one, Docker's plugin another.
//!
//! Here is who comes in, and how long they may stay; the routes say what they get. Nobody holds a place by
//! sending nothing: at most 64 connections at once, one request each, [`Limits`] for its head and for everything.
//! A monitor gives its place back when its events begin, so that monitors keep nobody out.
//!
//! What is no HTTP is answered by hyper itself: a status without a body, or, when the time for the head is over,
//! nothing at all. All else that is refused is explained in JSON.
//!
//! It runs on a tokio runtime; commands run on threads that may block ([`Handle::apply`]).

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Notify, OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};

use super::{
    docker::Engine,
    events::{Monitors, Streaming},
    routes::router,
};
use crate::control::Handle;

/// Requests at once; more wait in the socket's backlog.
const MAX_CONNECTIONS: usize = 64;
/// Bytes of a request's head.
const MAX_HEAD: usize = 16 * 1024;
/// Time that requests in progress have to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// How long a connection may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// For the head of the request.
    pub head: Duration,
    /// For the whole request and its reply.
    pub visit: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(5),
            visit: Duration::from_secs(60),
        }
    }
}

/// Serves the control socket until `stop` is ready; then no new requests are taken, monitors are closed, and those in
/// progress end. `docker` is asked what `docker:CONTAINER` means.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: std::os::unix::net::UnixListener,
    handle: Handle,
    docker: Engine,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (end, ending) = watch::channel(false);
    let router = router(handle.clone(), docker, Monitors::new(handle, ending));
    let stop = async move {
        stop.await;
        end.send_replace(true);
    };
    serve_routes(listener, "control socket", router, limits, stop).await
}

/// Serves routes on a socket until `stop` is ready; then no new requests are taken, and those in progress end.
pub(super) async fn serve_routes(
    listener: std::os::unix::net::UnixListener,
    socket: &'static str,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_header_size(MAX_HEAD)
        .keep_alive(false);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let guest = tokio::select! {
            () = &mut stop => break,
            guest = next_guest(&listener, &places) => guest,
        };
        match guest {
            Ok((stream, place)) => {
                let (service, streaming) = service(&router);
                let visit = http.serve_connection(TokioIo::new(stream), service);
                let visit = graceful.watch(visit);
                tokio::spawn(attend(visit, place, streaming, limits.visit));
            }
            Err(error) => {
                // Out of descriptors, as a rule: others have to go first.
                tracing::warn!(%error, socket, "cannot accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    if timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(socket, "requests in progress were cut off");
    }
    Ok(())
}

/// Waits for a place and then for somebody to take it.
async fn next_guest(
    listener: &UnixListener,
    places: &Arc<Semaphore>,
) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

/// The routes for one connection, and how they tell that it became a stream of events.
fn service(router: &Router) -> (TowerToHyperService<Router>, Arc<Notify>) {
    let streaming = Arc::new(Notify::new());
    let told = Extension(Streaming(Arc::clone(&streaming)));
    let service = TowerToHyperService::new(router.clone().layer(told));
    (service, streaming)
}

/// One connection from its first byte to its last, or to the end of its time.
async fn attend(
    visit: impl Future<Output = hyper::Result<()>>,
    place: OwnedSemaphorePermit,
    streaming: Arc<Notify>,
    limit: Duration,
) {
    let mut visit = pin!(visit);
    let ended = tokio::select! {
        ended = &mut visit => ended,
        () = streaming.notified() => {
            drop(place);
            visit.await
        }
        () = sleep(limit) => {
            tracing::debug!(?limit, "a connection was cut off, its time is over");
            return;
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests;
