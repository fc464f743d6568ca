//! A small client of Docker's own API, for what the engine tells no plugin: names, and the processes of containers.
//!
//! HTTP/1.1 on the engine's socket, one connection for each question, without a version in the path: all that is read
//! here has been there since API 1.21. The engine holds locks while it starts a container, so that an answer may take as
//! long as that; nothing may wait for it in the middle of a request of the engine's own.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};

use super::shapes::or_default;
use crate::api::http::{BodyError, Lines, escaped, send, whole};

/// Where the engine listens, if nobody says otherwise.
pub const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Bytes of an answer.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// How long the engine may take for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why the engine gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody listens.
    #[error("Docker's engine cannot be reached at {}: {source}; start it, or give --docker-socket to the daemon", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not know what was asked for.
    #[error("Docker's engine says: {0}")]
    NotFound(String),
    /// It answered something that is of no use.
    #[error("Docker's engine at {} gives no answer: {why}; look at its log", path.display())]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// What came instead.
        why: String,
    },
}

/// Docker's engine.
#[derive(Clone, Debug)]
pub struct Engine {
    socket: PathBuf,
}

/// A container, as `GET /containers/ID/json` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    /// With a slash in front.
    pub(super) name: String,
    pub(super) state: ContainerState,
    pub(super) config: ContainerConfig,
    pub(super) network_settings: NetworkSettings,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerState {
    pub(super) status: String,
    /// 0 when it does not run.
    pub(super) pid: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerConfig {
    #[serde(default)]
    pub(super) hostname: String,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkSettings {
    /// By the name of the network.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) networks: BTreeMap<String, EndpointSettings>,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EndpointSettings {
    /// Empty when the container does not run.
    #[serde(rename = "EndpointID")]
    pub(super) endpoint_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) aliases: Vec<String>,
    /// All names, the container's own included; since API 1.44.
    #[serde(rename = "DNSNames", deserialize_with = "or_default")]
    pub(super) dns_names: Vec<String>,
    /// Since API 1.48.
    pub(super) gw_priority: i32,
}

/// A container, as `GET /containers/json` shows it: from the engine's notes, for which it takes no lock.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerSummary {
    /// With a slash in front.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) names: Vec<String>,
    /// Those too that it will only join.
    pub(super) network_settings: NetworkSettings,
}

/// A network, as `GET /networks/ID` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NetworkResource {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(default)]
    pub(super) driver: String,
    /// By the ID of the container.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) containers: BTreeMap<String, EndpointResource>,
    #[serde(rename = "EnableIPv6", default)]
    pub(super) enable_ipv6: bool,
    #[serde(default)]
    pub(super) internal: bool,
    /// Those of the driver.
    #[serde(default, deserialize_with = "or_default")]
    pub(super) options: BTreeMap<String, String>,
    #[serde(rename = "IPAM", default)]
    pub(super) ipam: Ipam,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Ipam {
    #[serde(deserialize_with = "or_default")]
    pub(super) config: Vec<IpamConfig>,
}

/// A subnet as its user wished for it; what is empty was left open.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct IpamConfig {
    pub(super) subnet: String,
    #[serde(rename = "IPRange")]
    pub(super) ip_range: String,
    pub(super) gateway: String,
    #[serde(deserialize_with = "or_default")]
    pub(super) auxiliary_addresses: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EndpointResource {
    /// The container's name.
    pub(super) name: String,
    #[serde(rename = "EndpointID")]
    pub(super) endpoint_id: String,
}

/// What is read of a line of `GET /events`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct EngineEvent {
    pub(super) actor: Actor,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Actor {
    #[serde(rename = "ID")]
    pub(super) id: String,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Engine {
    /// The engine behind a socket, which need not be there yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// A container by name, ID or unique ID prefix.
    pub(super) async fn container(&self, reference: &str) -> Result<Container, EngineError> {
        let target = format!("/containers/{}/json", escaped(reference));
        self.get(&target).await
    }

    /// A network by name, ID or unique ID prefix.
    pub(super) async fn network(&self, reference: &str) -> Result<NetworkResource, EngineError> {
        self.get(&format!("/networks/{}", escaped(reference))).await
    }

    /// All networks of a driver, without their containers.
    pub(super) async fn networks(&self, driver: &str) -> Result<Vec<NetworkResource>, EngineError> {
        let filter = serde_json::json!({"driver": [driver]}).to_string();
        let target = format!("/networks?filters={}", escaped(&filter));
        self.get(&target).await
    }

    /// All networks, without their containers.
    pub(super) async fn all_networks(&self) -> Result<Vec<NetworkResource>, EngineError> {
        self.get("/networks").await
    }

    /// A container by its name, whatever the engine is doing with it.
    pub(super) async fn summary(&self, name: &str) -> Result<ContainerSummary, EngineError> {
        // The filter takes the name as a pattern that may be found anywhere in one.
        let filter = serde_json::json!({"name": [name]}).to_string();
        let target = format!("/containers/json?all=1&filters={}", escaped(&filter));
        let found: Vec<ContainerSummary> = self.get(&target).await?;
        let is_it = |one: &ContainerSummary| {
            let mut names = one.names.iter();
            names.any(|one| one.trim_start_matches('/') == name)
        };
        let mut found = found.into_iter();
        found
            .find(is_it)
            .ok_or_else(|| EngineError::NotFound(format!("No such container: {name}")))
    }

    /// Containers that get another name, as they get it.
    pub(super) async fn renames(&self) -> Result<Lines, EngineError> {
        let filter = serde_json::json!({"type": ["container"], "event": ["rename"]}).to_string();
        let target = format!("/events?filters={}", escaped(&filter));
        let reply = self.ask(&target).await?;
        Ok(Lines::new(reply.into_body()))
    }

    async fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, EngineError> {
        let answer = async {
            let reply = self.ask(target).await?;
            let body = self.body(reply).await?;
            serde_json::from_slice(&body).map_err(|error| self.no_answer(error))
        };
        let late = || self.no_answer(format!("none within {} s", PATIENCE.as_secs()));
        timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn ask(&self, target: &str) -> Result<Response<Incoming>, EngineError> {
        let stream = UnixStream::connect(&self.socket).await;
        let stream = stream.map_err(|source| EngineError::Unreachable {
            path: self.socket.clone(),
            source,
        })?;
        let request = Request::get(target)
            .header(header::HOST, "docker")
            .body(Full::default())
            .map_err(|error| self.no_answer(error))?;
        let reply = send(stream, request).await;
        let reply = reply.map_err(|error| self.no_answer(error))?;
        let status = reply.status();
        if status.is_success() {
            return Ok(reply);
        }
        let body = self.body(reply).await?;
        let said = serde_json::from_slice(&body).map_or_else(
            |_| format!("status {status}"),
            |Message { message }| message,
        );
        Err(if status == StatusCode::NOT_FOUND {
            EngineError::NotFound(said)
        } else {
            self.no_answer(said)
        })
    }

    async fn body(&self, reply: Response<Incoming>) -> Result<Bytes, EngineError> {
        whole(reply.into_body(), MAX_BODY)
            .await
            .map_err(|error: BodyError| self.no_answer(error))
    }

    fn no_answer(&self, why: impl ToString) -> EngineError {
        EngineError::NoAnswer {
            path: self.socket.clone(),
            why: why.to_string(),
        }
    }
}
