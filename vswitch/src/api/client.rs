//! A small client of the control socket.
//!
//! One connection for each request; the server closes it after the reply. All functions are async and
//! need a tokio runtime with I/O enabled.

use std::path::{Path, PathBuf};

use super::types::{
    Connect, Connected, Created, Disconnected, ErrorKind, Event, FdbAdd, FdbEntry, FdbFlush,
    FdbRemove, FdbStats, Flushed, NetworkCreate, NetworkInspect, NetworkSummary, PortInfo, Pruned,
    SandboxInspect, SandboxSummary, Status,
};

/// Why a request got no good reply.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon answers at the socket.
    #[error("cannot reach the switch at {}: {source}; start it with `vswitch daemon`", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The daemon refused or failed; its text is complete.
    #[error("{message}")]
    Server {
        /// For programs.
        kind: ErrorKind,
        /// One line: what, why, what to do.
        message: String,
    },
    /// The connection broke in the middle of a reply.
    #[error("the switch closed the connection: {0}; look at the daemon's log")]
    Broken(std::io::Error),
    /// What came back is not what this client understands.
    #[error("unexpected reply of the switch: {0}; are client and daemon of the same version?")]
    Protocol(String),
}

impl ClientError {
    /// The kind of an error that the daemon reported.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Server { kind, .. } => Some(*kind),
            Self::Unreachable { .. } | Self::Broken(_) | Self::Protocol(_) => None,
        }
    }
}

/// A control socket.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

/// Events as they happen.
#[derive(Debug)]
pub struct EventStream {}

impl EventStream {
    /// The next event; `None` when the daemon has closed the stream.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        todo!()
    }
}

impl Client {
    /// A client of the daemon behind the socket.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] when nobody accepts connections there.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ClientError> {
        Ok(Self {
            path: path.as_ref().to_owned(),
        })
    }

    /// Path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `GET /v1/status`.
    pub async fn status(&self) -> Result<Status, ClientError> {
        todo!()
    }

    /// `GET /v1/networks`.
    pub async fn networks(&self) -> Result<Vec<NetworkSummary>, ClientError> {
        todo!()
    }

    /// `GET /v1/networks/{network}`.
    pub async fn network(&self, network: &str) -> Result<NetworkInspect, ClientError> {
        todo!("{network}")
    }

    /// `POST /v1/networks`.
    pub async fn create_network(&self, create: &NetworkCreate) -> Result<Created, ClientError> {
        todo!("{create:?}")
    }

    /// `DELETE /v1/networks/{network}`.
    pub async fn remove_network(&self, network: &str) -> Result<(), ClientError> {
        todo!("{network}")
    }

    /// `POST /v1/networks/prune`.
    pub async fn prune_networks(&self) -> Result<Pruned, ClientError> {
        todo!()
    }

    /// `POST /v1/networks/{network}/connect`.
    pub async fn connect_endpoint(
        &self,
        network: &str,
        connect: &Connect,
    ) -> Result<Connected, ClientError> {
        todo!("{network} {connect:?}")
    }

    /// `POST /v1/networks/{network}/disconnect`.
    pub async fn disconnect_endpoint(
        &self,
        network: &str,
        sandbox: &str,
    ) -> Result<Disconnected, ClientError> {
        todo!("{network} {sandbox:?}")
    }

    /// `GET /v1/sandboxes`.
    pub async fn sandboxes(&self) -> Result<Vec<SandboxSummary>, ClientError> {
        todo!()
    }

    /// `GET /v1/sandboxes/{sandbox}`.
    pub async fn sandbox(&self, sandbox: &str) -> Result<SandboxInspect, ClientError> {
        todo!("{sandbox}")
    }

    /// `POST /v1/sandboxes`.
    pub async fn create_sandbox(&self, name: &str) -> Result<Created, ClientError> {
        todo!("{name}")
    }

    /// `DELETE /v1/sandboxes/{sandbox}`; with `force` it is disconnected first.
    pub async fn remove_sandbox(
        &self,
        sandbox: &str,
        force: bool,
    ) -> Result<Disconnected, ClientError> {
        todo!("{sandbox} {force}")
    }

    /// `GET /v1/ports`.
    pub async fn ports(&self) -> Result<Vec<PortInfo>, ClientError> {
        todo!()
    }

    /// `GET /v1/ports/{port}`: number or name.
    pub async fn port(&self, port: &str) -> Result<PortInfo, ClientError> {
        todo!("{port}")
    }

    /// `GET /v1/networks/{network}/fdb`.
    pub async fn fdb(&self, network: &str) -> Result<Vec<FdbEntry>, ClientError> {
        todo!("{network}")
    }

    /// `GET /v1/networks/{network}/fdb/stats`.
    pub async fn fdb_stats(&self, network: &str) -> Result<FdbStats, ClientError> {
        todo!("{network}")
    }

    /// `POST /v1/networks/{network}/fdb`.
    pub async fn fdb_add(&self, network: &str, add: &FdbAdd) -> Result<(), ClientError> {
        todo!("{network} {add:?}")
    }

    /// `DELETE /v1/networks/{network}/fdb`.
    pub async fn fdb_remove(&self, network: &str, remove: &FdbRemove) -> Result<(), ClientError> {
        todo!("{network} {remove:?}")
    }

    /// `POST /v1/networks/{network}/fdb/flush`.
    pub async fn fdb_flush(&self, network: &str, flush: &FdbFlush) -> Result<Flushed, ClientError> {
        todo!("{network} {flush:?}")
    }

    /// `GET /v1/events`.
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        todo!()
    }
}
