//! The server of the control socket: HTTP/1.1 with JSON bodies.
//!
//! [`ControlSocket`](super::ControlSocket) is the file, `door` the limits, `routes` the translation.
//! It runs on a tokio runtime; commands run on threads that may block ([`Handle::apply`]).

use std::{future::Future, io, time::Duration};

use tokio::{net::UnixListener, sync::watch, time::timeout};

pub use super::door::Limits;
use super::{door::Door, routes::router};
use crate::control::Handle;

/// Time that requests in progress have to end when the server stops.
const GRACE: Duration = Duration::from_secs(5);

/// Serves requests until `stop` is ready; then no new ones are taken, monitors are closed, and those in progress end.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: std::os::unix::net::UnixListener,
    handle: Handle,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    let (end, ending) = watch::channel(false);
    let door = Door::new(listener, handle.clone(), limits, ending.clone());
    let stopped = async move {
        stop.await;
        end.send_replace(true);
    };
    let mut stopping = ending;
    let serving = axum::serve(door, router(handle)).with_graceful_shutdown(stopped);
    let serving = async { serving.await };
    tokio::pin!(serving);
    tokio::select! {
        ended = &mut serving => return ended,
        // An error means that the sender is gone, which it is only after the stop.
        _ = stopping.wait_for(|ending| *ending) => {}
    }
    timeout(GRACE, serving).await.unwrap_or_else(|_| {
        tracing::warn!("requests in progress were cut off");
        Ok(())
    })
}

#[cfg(test)]
mod tests;
