//! The engine's requests: `POST /DRIVER.METHOD` with a JSON body, of whatever type it claims to be.
//!
//! What is refused is told with status 200 and a text, under the key that the driver in question has for it: this is what
//! the engine shows to people unchanged. Other statuses are for what is no request at all. A method that is unknown has
//! to have 404, which the engine takes for "not implemented".

use std::future::Future;

use axum::{
    Router,
    extract::{Request, State},
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, post},
};
use hyper::body::Bytes;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Plugin, ipam, network,
    shapes::{Activated, Nothing},
};
use crate::{
    api::http::{BodyError, asked},
    control::ControlError,
};

/// Bytes of a request's body.
const MAX_BODY: usize = 1024 * 1024;
/// What Docker's own plugins answer with.
const CONTENT_TYPE: &str = "application/vnd.docker.plugins.v1.1+json";

/// Whose key an error has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Driver {
    Network,
    Ipam,
}

impl Driver {
    fn error_key(self) -> &'static str {
        match self {
            Self::Network => "Err",
            Self::Ipam => "Error",
        }
    }
}

pub(super) fn router(plugin: Plugin) -> Router {
    let router = Router::new().route("/Plugin.Activate", plain(Driver::Network, activate));
    ipam_driver(network_driver(router))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(plugin)
}

fn network_driver(router: Router<Plugin>) -> Router<Plugin> {
    use Driver::Network as D;
    router
        .route(
            "/NetworkDriver.GetCapabilities",
            plain(D, network::capabilities),
        )
        .route(
            "/NetworkDriver.GwAllocCheck",
            plain(D, network::check_gateways),
        )
        .route("/NetworkDriver.AllocateNetwork", json(D, network::allocate))
        .route("/NetworkDriver.FreeNetwork", json(D, network::free))
        .route("/NetworkDriver.CreateNetwork", json(D, network::create))
        .route("/NetworkDriver.DeleteNetwork", json(D, network::delete))
        .route(
            "/NetworkDriver.CreateEndpoint",
            json(D, network::create_endpoint),
        )
        .route(
            "/NetworkDriver.EndpointOperInfo",
            json(D, network::oper_info),
        )
        .route(
            "/NetworkDriver.DeleteEndpoint",
            json(D, network::delete_endpoint),
        )
        .route("/NetworkDriver.Join", json(D, network::join))
        .route("/NetworkDriver.Leave", json(D, network::leave))
        .route(
            "/NetworkDriver.ProgramExternalConnectivity",
            json(D, network::publish),
        )
        .route(
            "/NetworkDriver.RevokeExternalConnectivity",
            json(D, network::unpublish),
        )
        .route("/NetworkDriver.DiscoverNew", json(D, network::discover))
        .route("/NetworkDriver.DiscoverDelete", json(D, network::discover))
}

fn ipam_driver(router: Router<Plugin>) -> Router<Plugin> {
    use Driver::Ipam as D;
    router
        .route("/IpamDriver.GetCapabilities", plain(D, ipam::capabilities))
        .route(
            "/IpamDriver.GetDefaultAddressSpaces",
            plain(D, ipam::spaces),
        )
        .route("/IpamDriver.RequestPool", json(D, ipam::request_pool))
        .route("/IpamDriver.ReleasePool", json(D, ipam::release_pool))
        .route("/IpamDriver.RequestAddress", json(D, ipam::request_address))
        .route("/IpamDriver.ReleaseAddress", json(D, ipam::release_address))
}

async fn activate(_: Plugin, _: Nothing) -> Result<Activated, ControlError> {
    Ok(Activated {
        implements: ["NetworkDriver", "IpamDriver"],
    })
}

/// A method whose body tells nothing.
fn plain<F, A>(
    driver: Driver,
    method: impl Fn(Plugin, Nothing) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<Plugin>
where
    F: Future<Output = Result<A, ControlError>> + Send,
    A: Serialize + 'static,
{
    post(async move |State(plugin): State<Plugin>| {
        plugin.names.wake();
        answer(driver, method(plugin, Nothing {}).await)
    })
}

/// A method whose body is a JSON object.
fn json<Q, F, A>(
    driver: Driver,
    method: impl Fn(Plugin, Q) -> F + Clone + Send + Sync + 'static,
) -> MethodRouter<Plugin>
where
    Q: DeserializeOwned + Send + 'static,
    F: Future<Output = Result<A, ControlError>> + Send,
    A: Serialize + 'static,
{
    post(
        async move |State(plugin): State<Plugin>, request: Request| {
            plugin.names.wake();
            let uri = request.uri().clone();
            let outcome = match read(request).await {
                Ok(asked) => method(plugin, asked).await,
                Err(error) => Err(error),
            };
            if let Err(error) = &outcome {
                tracing::debug!(method = uri.path(), %error, "refused");
            }
            answer(driver, outcome)
        },
    )
}

async fn read<Q: DeserializeOwned>(request: Request) -> Result<Q, ControlError> {
    let wrong = |cause: &dyn std::fmt::Display| {
        ControlError::invalid(format!(
            "request body: {cause}; send what libnetwork's remote drivers are sent"
        ))
    };
    let body: Result<Bytes, BodyError> = asked(request, MAX_BODY).await;
    let body = body.map_err(|cause| wrong(&cause))?;
    // To serde a list may be an object, too.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(wrong(&"not a JSON object"));
    }
    serde_json::from_slice(&body).map_err(|cause| wrong(&cause))
}

fn answer(driver: Driver, outcome: Result<impl Serialize, ControlError>) -> Response {
    let json = outcome.and_then(|reply| {
        serde_json::to_vec(&reply)
            .map_err(|error| ControlError::internal(format!("reply: {error}; report it")))
    });
    match json {
        Ok(json) => respond(StatusCode::OK, json),
        Err(error) => respond(StatusCode::OK, told(driver.error_key(), &error.message)),
    }
}

async fn no_route(uri: Uri) -> Response {
    let shown: String = uri.path().chars().take(100).collect();
    let message = format!("{shown}: no method of a network or IPAM driver");
    respond(StatusCode::NOT_FOUND, told("Err", &message))
}

async fn wrong_method(uri: Uri) -> Response {
    let message = format!("{}: only POST is understood", uri.path());
    respond(StatusCode::METHOD_NOT_ALLOWED, told("Err", &message))
}

fn told(key: &str, message: &str) -> Vec<u8> {
    serde_json::json!({ key: message }).to_string().into_bytes()
}

fn respond(status: StatusCode, json: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], json).into_response()
}

#[cfg(test)]
mod tests;
