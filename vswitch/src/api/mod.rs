//! Front-ends: each only translates its own language into a [`Command`](crate::control::Command).
//!
//! So far there is one, the control socket: HTTP/1.1 with JSON on a unix socket.
//!
//! | file | what |
//! |---|---|
//! | `types` | the routes and their JSON |
//! | `client` | a client for Rust programs, the command line first |
//! | `routes`, `reply` | requests to commands, replies and errors to HTTP |
//! | `events` | the stream of events |
//! | `socket` | the socket file |
//! | `server` | all of these together; limits of time and number |
//! | `daemon` | the whole program but its command line |

pub mod client;
pub mod daemon;
pub mod server;
pub mod socket;
pub mod types;

mod events;
mod reply;
mod routes;

pub use client::{Client, ClientError, EventStream};
pub use daemon::{DaemonConfig, DaemonError};
pub use socket::{ControlSocket, SocketError};
