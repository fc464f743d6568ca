//! `GET /v1/events`: the one reply without an end, a line of JSON for each event until either side closes.
//!
//! Monitors have places of their own, [`MAX_MONITORS`]; one that does not read loses events, not others their time.

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, Semaphore, watch};

use super::reply::error;
use crate::control::{ErrorKind, Handle};

/// Monitors at once; more are refused.
const MAX_MONITORS: usize = 64;

/// What every monitor needs.
#[derive(Clone, Debug)]
pub(super) struct Monitors {
    handle: Handle,
    places: Arc<Semaphore>,
    /// Becomes true, or is dropped, when the server ends.
    ending: watch::Receiver<bool>,
}

impl Monitors {
    pub(super) fn new(handle: Handle, ending: watch::Receiver<bool>) -> Self {
        Self {
            handle,
            places: Arc::new(Semaphore::new(MAX_MONITORS)),
            ending,
        }
    }
}

/// Tells the server that the limits of a request do not hold for this connection any more.
#[derive(Clone, Debug)]
pub(super) struct Streaming(pub(super) Arc<Notify>);

/// Sends every event from now on, until the monitor goes or the server ends.
pub(super) async fn watch_events(
    State(monitors): State<Monitors>,
    Extension(streaming): Extension<Streaming>,
) -> Response {
    let Ok(place) = monitors.places.try_acquire_owned() else {
        let message =
            format!("events: {MAX_MONITORS} monitors are connected already; end one of them");
        return error(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Unavailable,
            message,
        );
    };
    streaming.0.notify_one();
    let seat = (monitors.handle.monitor(), place);
    let lines = stream::unfold(seat, async |(mut monitor, place)| {
        let event = monitor.next().await?;
        let line = serde_json::to_vec(&event).map(|mut line| {
            line.push(b'\n');
            line
        });
        Some((line, (monitor, place)))
    });
    let mut ending = monitors.ending;
    let ended = async move { ending.wait_for(|ending| *ending).await.is_ok() };
    let head = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    let body = Body::from_stream(lines.take_until(Box::pin(ended)));
    (head, body).into_response()
}
