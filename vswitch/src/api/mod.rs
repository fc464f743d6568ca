//! Front-ends: each only translates its own language into commands of the control plane.
//!
//! There are two, both HTTP/1.1 with JSON on a unix socket: the control socket, and the plugin socket on which Docker's
//! engine asks.
//!
//! | file | what |
//! |---|---|
//! | `types` | the routes and their JSON |
//! | `client` | a client for Rust programs, the command line first |
//! | `routes`, `reply` | requests to commands, replies and errors to HTTP |
//! | `events` | the stream of events |
//! | `docker` | the plugin socket, and what the engine is asked in turn |
//! | `socket` | socket files |
//! | `http` | what clients and servers share |
//! | `server` | all of these together; limits of time and number |
//! | `daemon` | the whole program but its command line |

pub mod client;
pub mod daemon;
pub mod docker;
pub mod server;
pub mod socket;
pub mod types;

mod events;
mod http;
mod reply;
mod routes;

pub use client::{Client, ClientError, EventStream};
pub use daemon::{DaemonConfig, DaemonError};
pub use socket::{ControlSocket, SocketError, SocketFile};
