//! Docker's engine as a front-end: the switch as a network driver and as an IPAM driver, `docker network create -d NAME`.
//!
//! The engine is the client here. It finds a plugin by its socket, `/run/docker/plugins/NAME.sock`, the first time that
//! somebody names it, and posts requests of libnetwork's remote drivers to it. Each becomes one or two
//! [`Guest`](crate::control::guest::Guest) commands, and nothing is remembered here: what has to outlive a restart is the
//! control plane's.
//!
//! | file | what |
//! |---|---|
//! | `routes` | requests to functions, their outcomes to HTTP |
//! | `shapes` | the JSON |
//! | `network`, `ports` | the network driver |
//! | `unasked` | ports of containers for which the engine does not ask |
//! | `adopt` | networks that the engine knows and we do not |
//! | `ipam` | the IPAM driver |
//! | `ids` | Docker's IDs as ours |
//! | `engine` | a client of the engine's own API |
//! | `names` | what networks and containers are called, which a plugin is not told |
//! | `sandbox` | `docker:CONTAINER` as a reference to a sandbox |
//!
//! # What has to be known of the engine
//! - It holds locks while it waits for us. Whoever asked it something in the middle of a request would wait for himself;
//!   names are therefore asked for afterwards, by tasks of their own, and without them all else works. Two things are asked
//!   at once, with a time-out: what a network is like that is unknown (`adopt`), and which networks a container has
//!   (`unasked`). No lock is held on networks then, and none needed for the list of containers.
//! - It repeats a request whose reply it has not got, for half a minute, on a connection that broke even with an empty
//!   body. Commands may be repeated; an empty body is an error.
//! - It takes a network without a gateway for one that needs a way out by a bridge of the engine's own, unless told not
//!   to (`Joined::no_gateway`).

mod adopt;
mod engine;
mod ids;
mod ipam;
mod names;
mod network;
mod ports;
mod routes;
mod sandbox;
mod shapes;
mod unasked;

use std::{future::Future, io, os::unix::net::UnixListener, path::PathBuf, sync::Arc};

use self::{
    names::{NOTED, Names},
    routes::router,
};
use super::server::{Limits, serve_routes};
use crate::control::{ControlError, Handle, name};

pub use engine::{DEFAULT_SOCKET, Engine, EngineError};
pub use shapes::Scope;

/// Where the engine looks for plugins.
const PLUGINS: &str = "/run/docker/plugins";

/// What the plugin is told at its start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PluginConfig {
    name: String,
    /// How far its networks reach.
    pub scope: Scope,
}

impl PluginConfig {
    /// A plugin of this name, as in `docker network create -d NAME`.
    ///
    /// # Errors
    /// Invalid when it cannot be one.
    pub fn new(name: &str, scope: Scope) -> Result<Self, ControlError> {
        name::check("plugin", name)?;
        Ok(Self {
            name: name.to_owned(),
            scope,
        })
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(format!("{PLUGINS}/{}.sock", self.name))
    }
}

/// What every request has at hand.
#[derive(Clone)]
struct Plugin {
    control: Handle,
    engine: Engine,
    names: Names,
    /// By which the engine knows us as a driver.
    name: Arc<str>,
    scope: Scope,
}

/// Serves the engine until `stop` is ready; then no new requests are taken, and those in progress end.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve(
    listener: UnixListener,
    handle: Handle,
    engine: Engine,
    config: &PluginConfig,
    limits: Limits,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let names = Names::new(engine.clone(), handle.clone(), config.name.clone(), NOTED);
    let plugin = Plugin {
        control: handle,
        engine,
        names: names.clone(),
        name: config.name.as_str().into(),
        scope: config.scope,
    };
    let following = tokio::spawn(names.follow());
    let served = serve_routes(listener, "Docker plugin", router(plugin), limits, stop).await;
    following.abort();
    served
}

#[cfg(test)]
mod testing;
