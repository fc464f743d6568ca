//! The routes of the control socket, each a translation to a [`Command`]; [`super::types`] lists them.
//!
//! A sandbox may be given as `docker:CONTAINER`. What that is only Docker's engine knows, so that it is asked here, and
//! the command has the answer in it.

use std::fmt::Display;

use axum::{
    Router,
    extract::{FromRef, FromRequest, Path, Request, State},
    http::{StatusCode, Uri},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use serde::de::DeserializeOwned;

use super::{
    docker::Engine,
    events::{Monitors, watch_events},
    http::{BodyError, asked},
    reply::{error, finish},
    types::{
        Connect, Disconnect, FdbAdd, FdbFlush, FdbRemove, NetworkCreate, PeerRef, SandboxCreate,
    },
};
use crate::control::{Command, ErrorKind, Handle};

/// Bytes of a request's body.
const MAX_BODY: usize = 1024 * 1024;

type Control = State<Handle>;

/// What the routes have at hand.
#[derive(Clone)]
struct Hand {
    control: Handle,
    docker: Engine,
}

impl FromRef<Hand> for Handle {
    fn from_ref(hand: &Hand) -> Self {
        hand.control.clone()
    }
}

pub(super) fn router(control: Handle, docker: Engine, monitors: Monitors) -> Router {
    Router::new()
        .route(
            "/v1/status",
            get(|State(h): Control| run(h, Command::Status)),
        )
        .route(
            "/v1/networks",
            get(|State(h): Control| run(h, Command::NetworkList)).post(network_create),
        )
        .route(
            "/v1/networks/prune",
            post(|State(h): Control| run(h, Command::NetworkPrune)),
        )
        .route(
            "/v1/networks/{n}",
            get(network_inspect).delete(network_remove),
        )
        .route("/v1/networks/{n}/connect", post(connect))
        .route("/v1/networks/{n}/disconnect", post(disconnect))
        .route(
            "/v1/networks/{n}/fdb",
            get(fdb_show).post(fdb_add).delete(fdb_remove),
        )
        .route("/v1/networks/{n}/fdb/flush", post(fdb_flush))
        .route("/v1/networks/{n}/fdb/stats", get(fdb_stats))
        .route(
            "/v1/networks/{n}/peers",
            get(peer_list).post(peer_add).delete(peer_remove),
        )
        .route(
            "/v1/sandboxes",
            get(|State(h): Control| run(h, Command::SandboxList)).post(sandbox_create),
        )
        .route(
            "/v1/sandboxes/{s}",
            get(sandbox_inspect).merge(delete(sandbox_remove)),
        )
        .route(
            "/v1/ports",
            get(|State(h): Control| run(h, Command::PortList)),
        )
        .route("/v1/ports/{p}", get(port_inspect))
        .route("/v1/events", get(watch_events).with_state(monitors))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(map_response(finish))
        .with_state(Hand { control, docker })
}

async fn run(handle: Handle, command: Command) -> Response {
    match handle.apply(command).await {
        Ok(reply) => reply.into_response(),
        Err(error) => error.into_response(),
    }
}

async fn no_route(uri: Uri) -> Response {
    let message = format!(
        "{}: no such route; the routes are listed in `vswitch::api::types`",
        shown(&uri)
    );
    error(StatusCode::NOT_FOUND, ErrorKind::NotFound, message)
}

async fn wrong_method(uri: Uri) -> Response {
    let message = format!(
        "{}: method not allowed; the routes are listed in `vswitch::api::types`",
        shown(&uri)
    );
    error(StatusCode::METHOD_NOT_ALLOWED, ErrorKind::Invalid, message)
}

/// As much of a path as an error needs.
fn shown(uri: &Uri) -> &str {
    uri.path().get(..100).unwrap_or_else(|| uri.path())
}

/// A JSON body of at most [`MAX_BODY`] bytes, whatever type it claims to have.
struct Asked<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Asked<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let wrong = |cause: &dyn Display| {
            let message =
                format!("request body: {cause}; send the JSON object that the route expects");
            error(StatusCode::BAD_REQUEST, ErrorKind::Invalid, message)
        };
        let bytes = asked(request, MAX_BODY)
            .await
            .map_err(|cause| match cause {
                BodyError::TooLarge(_) => {
                    let message = format!("request body: {cause}; send less");
                    error(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::Invalid, message)
                }
                BodyError::Broken(_) => wrong(&cause),
            })?;
        serde_json::from_slice(&bytes)
            .map(Self)
            .map_err(|cause| wrong(&cause))
    }
}

async fn network_create(State(h): Control, Asked(create): Asked<NetworkCreate>) -> Response {
    run(h, Command::NetworkCreate(create)).await
}

async fn network_inspect(State(h): Control, Path(network): Path<String>) -> Response {
    run(h, Command::NetworkInspect { network }).await
}

async fn network_remove(State(h): Control, Path(network): Path<String>) -> Response {
    run(h, Command::NetworkRemove { network }).await
}

async fn connect(
    State(hand): State<Hand>,
    Path(network): Path<String>,
    Asked(mut connect): Asked<Connect>,
) -> Response {
    match hand.docker.sandbox(&connect.sandbox).await {
        Ok(sandbox) => connect.sandbox = sandbox,
        Err(error) => return error.into_response(),
    }
    run(hand.control, Command::Connect { network, connect }).await
}

async fn disconnect(
    State(hand): State<Hand>,
    Path(network): Path<String>,
    Asked(Disconnect { sandbox }): Asked<Disconnect>,
) -> Response {
    let command = |sandbox| Command::Disconnect {
        network: network.clone(),
        disconnect: Disconnect { sandbox },
    };
    run_on(hand, sandbox, command).await
}

/// Runs a command on a sandbox that is known. A container that Docker does not know, or not any more, may still be known
/// to the switch, by the name that it had.
async fn run_on(hand: Hand, sandbox: String, command: impl Fn(String) -> Command) -> Response {
    match hand.docker.sandbox(&sandbox).await {
        Ok(sandbox) => run(hand.control, command(sandbox)).await,
        Err(unknown) => match hand.control.apply(command(sandbox)).await {
            Ok(reply) => reply.into_response(),
            Err(error) if error.kind == ErrorKind::NotFound => unknown.into_response(),
            Err(error) => error.into_response(),
        },
    }
}

async fn fdb_show(State(h): Control, Path(network): Path<String>) -> Response {
    run(h, Command::FdbShow { network }).await
}

async fn fdb_stats(State(h): Control, Path(network): Path<String>) -> Response {
    run(h, Command::FdbStats { network }).await
}

async fn fdb_add(
    State(h): Control,
    Path(network): Path<String>,
    Asked(add): Asked<FdbAdd>,
) -> Response {
    run(h, Command::FdbAdd { network, add }).await
}

async fn fdb_remove(
    State(h): Control,
    Path(network): Path<String>,
    Asked(remove): Asked<FdbRemove>,
) -> Response {
    run(h, Command::FdbRemove { network, remove }).await
}

async fn fdb_flush(
    State(h): Control,
    Path(network): Path<String>,
    Asked(flush): Asked<FdbFlush>,
) -> Response {
    run(h, Command::FdbFlush { network, flush }).await
}

async fn peer_list(State(h): Control, Path(network): Path<String>) -> Response {
    run(h, Command::PeerList { network }).await
}

async fn peer_add(
    State(h): Control,
    Path(network): Path<String>,
    Asked(peer): Asked<PeerRef>,
) -> Response {
    run(h, Command::PeerAdd { network, peer }).await
}

async fn peer_remove(
    State(h): Control,
    Path(network): Path<String>,
    Asked(peer): Asked<PeerRef>,
) -> Response {
    run(h, Command::PeerRemove { network, peer }).await
}

async fn sandbox_create(State(h): Control, Asked(create): Asked<SandboxCreate>) -> Response {
    run(h, Command::SandboxCreate(create)).await
}

async fn sandbox_inspect(State(hand): State<Hand>, Path(sandbox): Path<String>) -> Response {
    run_on(hand, sandbox, |sandbox| Command::SandboxInspect { sandbox }).await
}

async fn sandbox_remove(
    State(hand): State<Hand>,
    Path(sandbox): Path<String>,
    uri: Uri,
) -> Response {
    let force = match uri.query() {
        None | Some("force=false") => false,
        Some("force=true" | "force") => true,
        Some(other) => {
            let message = format!("query {other:?}: unknown; the route knows force=true");
            return error(StatusCode::BAD_REQUEST, ErrorKind::Invalid, message);
        }
    };
    let command = |sandbox| Command::SandboxRemove { sandbox, force };
    run_on(hand, sandbox, command).await
}

async fn port_inspect(State(h): Control, Path(port): Path<String>) -> Response {
    run(h, Command::PortInspect { port }).await
}
