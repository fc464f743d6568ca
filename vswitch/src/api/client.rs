//! A small client of the control socket.
//!
//! HTTP/1.1 by hyper, one connection for each request. All functions are async and need a tokio runtime with I/O
//! enabled, on which a task of its own moves the bytes of each connection.

mod peers;

use std::path::{Path, PathBuf};

use http_body_util::Full;
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use super::http::{BodyError, Lines, escaped, send, whole};
use super::types::{
    Connect, Connected, Created, Disconnect, Disconnected, ErrorBody, ErrorKind, Event, FdbAdd,
    FdbEntry, FdbFlush, FdbRemove, FdbStats, Flushed, NetworkCreate, NetworkInspect,
    NetworkSummary, PortInfo, Pruned, SandboxCreate, SandboxInspect, SandboxSummary, Status,
};

/// Bytes of a reply's body: more than any switch has to tell.
const MAX_BODY: usize = 256 * 1024 * 1024;

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
    /// The socket is there, but not for us.
    #[error("cannot reach the switch at {}: {source}; run as root, or as a member of the socket's group", path.display())]
    Denied {
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
    Broken(#[from] std::io::Error),
    /// What came back is not what this client understands.
    #[error("unexpected reply of the switch: {0}; are client and daemon of the same version?")]
    Protocol(String),
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        if error.is_parse() {
            Self::Protocol(error.to_string())
        } else {
            Self::Broken(std::io::Error::other(error))
        }
    }
}

impl ClientError {
    /// The kind of an error that the daemon reported.
    pub fn kind(&self) -> Option<ErrorKind> {
        match self {
            Self::Server { kind, .. } => Some(*kind),
            Self::Unreachable { .. }
            | Self::Denied { .. }
            | Self::Broken(_)
            | Self::Protocol(_) => None,
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
pub struct EventStream(Lines);

impl EventStream {
    /// The next event; `None` when the daemon has closed the stream. Nothing is lost when the future is dropped before
    /// it is ready.
    pub async fn next(&mut self) -> Option<Result<Event, ClientError>> {
        let line = self.0.next().await?;
        Some(line.map_err(Into::into).and_then(|line| parsed(&line)))
    }
}

const NOTHING: Option<&()> = None;

impl Client {
    /// A client of the daemon behind the socket.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] or [`ClientError::Denied`] when nobody accepts connections there.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ClientError> {
        let client = Self {
            path: path.as_ref().to_owned(),
        };
        client.open().await.map(|_| client)
    }

    /// Path of the socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    async fn open(&self) -> Result<UnixStream, ClientError> {
        UnixStream::connect(&self.path).await.map_err(|source| {
            let path = self.path.clone();
            if source.kind() == std::io::ErrorKind::PermissionDenied {
                ClientError::Denied { path, source }
            } else {
                ClientError::Unreachable { path, source }
            }
        })
    }

    /// Sends a request and gives back a success.
    async fn ask(
        &self,
        method: Method,
        target: &str,
        body: Option<&(impl Serialize + Sync)>,
    ) -> Result<Response<Incoming>, ClientError> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(protocol)?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "vswitch")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(protocol)?;
        let answer = send(self.open().await?, request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let error: ErrorBody = serde_json::from_slice(&read(answer).await?)
            .map_err(|_| protocol(format!("status {status} without an explanation")))?;
        Err(ClientError::Server {
            kind: error.kind,
            message: error.error,
        })
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        asked: Option<&(impl Serialize + Sync)>,
    ) -> Result<T, ClientError> {
        let answer = self.ask(method, target, asked).await?;
        parsed(&read(answer).await?)
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, ClientError> {
        self.call(Method::GET, target, NOTHING).await
    }

    /// `GET /v1/status`.
    ///
    /// # Errors
    /// See [`ClientError`], as for all calls.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/v1/status").await
    }

    /// `GET /v1/networks`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn networks(&self) -> Result<Vec<NetworkSummary>, ClientError> {
        self.get("/v1/networks").await
    }

    /// `GET /v1/networks/{network}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn network(&self, network: &str) -> Result<NetworkInspect, ClientError> {
        self.get(&network_path(network, "")).await
    }

    /// `POST /v1/networks`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_network(&self, create: &NetworkCreate) -> Result<Created, ClientError> {
        self.call(Method::POST, "/v1/networks", Some(create)).await
    }

    /// `DELETE /v1/networks/{network}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_network(&self, network: &str) -> Result<(), ClientError> {
        self.ask(Method::DELETE, &network_path(network, ""), NOTHING)
            .await
            .map(|_| ())
    }

    /// `POST /v1/networks/prune`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn prune_networks(&self) -> Result<Pruned, ClientError> {
        self.call(Method::POST, "/v1/networks/prune", NOTHING).await
    }

    /// `POST /v1/networks/{network}/connect`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn connect_endpoint(
        &self,
        network: &str,
        connect: &Connect,
    ) -> Result<Connected, ClientError> {
        self.call(
            Method::POST,
            &network_path(network, "/connect"),
            Some(connect),
        )
        .await
    }

    /// `POST /v1/networks/{network}/disconnect`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn disconnect_endpoint(
        &self,
        network: &str,
        sandbox: &str,
    ) -> Result<Disconnected, ClientError> {
        let disconnect = Disconnect {
            sandbox: sandbox.to_owned(),
        };
        self.call(
            Method::POST,
            &network_path(network, "/disconnect"),
            Some(&disconnect),
        )
        .await
    }

    /// `GET /v1/sandboxes`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sandboxes(&self) -> Result<Vec<SandboxSummary>, ClientError> {
        self.get("/v1/sandboxes").await
    }

    /// `GET /v1/sandboxes/{sandbox}`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn sandbox(&self, sandbox: &str) -> Result<SandboxInspect, ClientError> {
        self.get(&format!("/v1/sandboxes/{}", escaped(sandbox)))
            .await
    }

    /// `POST /v1/sandboxes`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn create_sandbox(&self, name: &str) -> Result<Created, ClientError> {
        self.call(
            Method::POST,
            "/v1/sandboxes",
            Some(&SandboxCreate {
                name: name.to_owned(),
            }),
        )
        .await
    }

    /// `DELETE /v1/sandboxes/{sandbox}`; with `force` it is disconnected first.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn remove_sandbox(
        &self,
        sandbox: &str,
        force: bool,
    ) -> Result<Disconnected, ClientError> {
        let query = if force { "?force=true" } else { "" };
        self.call(
            Method::DELETE,
            &format!("/v1/sandboxes/{}{query}", escaped(sandbox)),
            NOTHING,
        )
        .await
    }

    /// `GET /v1/ports`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn ports(&self) -> Result<Vec<PortInfo>, ClientError> {
        self.get("/v1/ports").await
    }

    /// `GET /v1/ports/{port}`: number or name.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn port(&self, port: &str) -> Result<PortInfo, ClientError> {
        self.get(&format!("/v1/ports/{}", escaped(port))).await
    }

    /// `GET /v1/networks/{network}/fdb`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fdb(&self, network: &str) -> Result<Vec<FdbEntry>, ClientError> {
        self.get(&network_path(network, "/fdb")).await
    }

    /// `GET /v1/networks/{network}/fdb/stats`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fdb_stats(&self, network: &str) -> Result<FdbStats, ClientError> {
        self.get(&network_path(network, "/fdb/stats")).await
    }

    /// `POST /v1/networks/{network}/fdb`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fdb_add(&self, network: &str, add: &FdbAdd) -> Result<(), ClientError> {
        self.ask(Method::POST, &network_path(network, "/fdb"), Some(add))
            .await
            .map(|_| ())
    }

    /// `DELETE /v1/networks/{network}/fdb`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fdb_remove(&self, network: &str, remove: &FdbRemove) -> Result<(), ClientError> {
        self.ask(Method::DELETE, &network_path(network, "/fdb"), Some(remove))
            .await
            .map(|_| ())
    }

    /// `POST /v1/networks/{network}/fdb/flush`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn fdb_flush(&self, network: &str, flush: &FdbFlush) -> Result<Flushed, ClientError> {
        self.call(
            Method::POST,
            &network_path(network, "/fdb/flush"),
            Some(flush),
        )
        .await
    }

    /// `GET /v1/events`: every event from the moment at which this returns.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn events(&self) -> Result<EventStream, ClientError> {
        let answer = self.ask(Method::GET, "/v1/events", NOTHING).await?;
        Ok(EventStream(Lines::new(answer.into_body())))
    }
}

async fn read(answer: Response<Incoming>) -> Result<Bytes, ClientError> {
    match whole(answer.into_body(), MAX_BODY).await {
        Ok(body) => Ok(body),
        Err(BodyError::Broken(error)) => Err(error.into()),
        Err(error @ BodyError::TooLarge(_)) => Err(protocol(format!("a body of {error}"))),
    }
}

fn parsed<T: DeserializeOwned>(json: &[u8]) -> Result<T, ClientError> {
    serde_json::from_slice(json).map_err(protocol)
}

fn protocol(error: impl ToString) -> ClientError {
    ClientError::Protocol(error.to_string())
}

fn network_path(network: &str, rest: &str) -> String {
    format!("/v1/networks/{}{rest}", escaped(network))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_daemon_is_named_with_the_remedy() {
        let error = Client::connect("/nonexistent/vswitch.sock")
            .await
            .unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot reach the switch at /nonexistent/vswitch.sock: "),
            "{text}"
        );
        assert!(text.ends_with("start it with `vswitch daemon`"), "{text}");
        assert_eq!(error.kind(), None);
    }
}
