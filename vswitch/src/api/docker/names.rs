//! What the engine calls networks and containers: a plugin is told their IDs only.
//!
//! After a network is made and after an endpoint has joined, a task asks the engine, as often as it takes: it may not
//! know yet what it is making. The name of a container and its ID are there at once; its aliases only when it has started,
//! because until then the engine keeps the container locked.
//!
//! One more task follows the engine's events, for containers that get another name. Whenever it has found the engine, it
//! looks at all that there is: the engine may have been gone, or we. Endpoints that it does not know any more go: one that
//! is killed drops them at its next start without a word. It looks for the engine at its start, for a minute after it went,
//! and whenever the engine asks us something; otherwise it sleeps.

use std::{pin::pin, sync::Arc, time::Duration};

use tokio::{
    sync::{Notify, Semaphore},
    time::{sleep, timeout},
};

use super::{
    Engine, EngineError,
    engine::{Container, EndpointSettings, EngineEvent},
    ids::id,
};
use crate::control::{
    ErrorKind, Handle,
    guest::{About, Guest, GuestReply},
    name::ObjectId,
};

/// Questions at once.
const MAX_QUESTIONS: usize = 16;

/// How long to wait, in milliseconds, before a question is asked again.
const PAUSES: [u64; 9] = [0, 20, 50, 100, 200, 500, 1000, 2000, 4000];

/// How long to wait, in seconds, before the engine is looked for again. After the last one it has to come to us.
const SEARCH: [u64; 6] = [1, 2, 4, 8, 16, 32];

/// How long the engine may take to note an endpoint that it has asked us for.
pub(super) const NOTED: Duration = Duration::from_secs(10);

/// Digits of the ID that is a name.
const SHORT: usize = 12;

/// Who finds out names.
#[derive(Clone)]
pub(super) struct Names(Arc<Inner>);

struct Inner {
    engine: Engine,
    control: Handle,
    /// The name by which the engine knows us.
    driver: String,
    /// See [`NOTED`].
    noted: Duration,
    places: Semaphore,
    awake: Notify,
}

/// A network of the engine's, and the endpoints that we keep on it.
type Kept = (String, Vec<ObjectId>);

impl Names {
    pub(super) fn new(engine: Engine, control: Handle, driver: String, noted: Duration) -> Self {
        Self(Arc::new(Inner {
            engine,
            control,
            driver,
            noted,
            places: Semaphore::new(MAX_QUESTIONS),
            awake: Notify::new(),
        }))
    }

    /// The engine lives: it has asked something.
    pub(super) fn wake(&self) {
        self.0.awake.notify_one();
    }

    /// Finds out the name of a network that the engine is making. It goes by the engine's ID.
    pub(super) fn network(&self, network: String) {
        let names = self.clone();
        tokio::spawn(async move { names.0.name_network(&network).await });
    }

    /// Finds out whose an endpoint is that the engine is joining to a container.
    pub(super) fn endpoint(&self, network: String, endpoint: String) {
        let names = self.clone();
        tokio::spawn(async move { names.0.describe(&network, &endpoint).await });
    }

    /// Follows the engine, without an end.
    pub(super) async fn follow(self) {
        let mut searched = SEARCH.iter();
        loop {
            if self.0.watch().await {
                searched = SEARCH.iter();
            }
            let awake = self.0.awake.notified();
            match searched.next() {
                Some(seconds) => {
                    // Either of both is a reason to look again.
                    let _woken = timeout(Duration::from_secs(*seconds), awake).await;
                }
                None => {
                    awake.await;
                    searched = SEARCH.iter();
                }
            }
        }
    }
}

impl Inner {
    /// Follows the engine as long as it lives; whether it did.
    async fn watch(&self) -> bool {
        let mut renames = match self.engine.renames().await {
            Ok(renames) => renames,
            Err(error) => {
                tracing::debug!(%error, "networks and containers of Docker get no names");
                return false;
            }
        };
        tracing::debug!("following Docker's engine");
        if let Err(error) = self.control.guest(Guest::EngineBegan).await {
            tracing::warn!(%error, "Docker's firewall may close the ways out");
        }
        let kept = self.look_at_all().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "names of Docker's networks and containers may be missing");
            Vec::new()
        });
        let mut sweep = pin!(self.sweep(kept));
        let mut swept = false;
        loop {
            tokio::select! {
                line = renames.next() => match line {
                    Some(Ok(line)) => self.renamed(&line).await,
                    Some(Err(_)) | None => break,
                },
                () = &mut sweep, if !swept => swept = true,
            }
        }
        tracing::debug!("Docker's engine is gone");
        true
    }

    async fn renamed(&self, line: &[u8]) {
        if let Ok(EngineEvent { actor }) = serde_json::from_slice(line) {
            self.describe_container(&actor.id).await;
        }
    }

    /// Everything of the engine's that is ours.
    async fn look_at_all(&self) -> Result<Vec<Kept>, EngineError> {
        let mut kept = Vec::new();
        for network in self.engine.networks(&self.driver).await? {
            self.rename(&network.id, network.name).await;
            kept.push((network.id.clone(), self.kept_on(&network.id).await));
            // In the list they have no containers.
            for container in self.engine.network(&network.id).await?.containers.keys() {
                self.describe_container(container).await;
            }
        }
        Ok(kept)
    }

    /// The endpoints that we keep on a network.
    async fn kept_on(&self, network: &str) -> Vec<ObjectId> {
        let Ok(network) = id("network", network) else {
            return Vec::new();
        };
        match self.control.guest(Guest::Reserved { network }).await {
            Ok(GuestReply::Places(kept)) => kept,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// Releases those endpoints that the engine still does not know when it must.
    async fn sweep(&self, kept: Vec<Kept>) {
        sleep(self.noted).await;
        for (network, kept) in kept {
            // If it does not know the network either we do not know whom it belongs to.
            let Ok(found) = self.engine.network(&network).await else {
                continue;
            };
            let known = found.containers.values();
            let known: Vec<_> = known
                .filter_map(|one| id("endpoint", &one.endpoint_id).ok())
                .collect();
            for endpoint in kept.into_iter().filter(|kept| !known.contains(kept)) {
                tracing::info!(
                    network = found.name,
                    endpoint = endpoint.short(),
                    "Docker's engine does not know it any more"
                );
                if let Err(error) = self.control.guest(Guest::Release { endpoint }).await {
                    tracing::warn!(%error, "an endpoint that Docker has forgotten does not go");
                }
            }
        }
    }

    async fn name_network(&self, network: &str) {
        for pause in PAUSES {
            sleep(Duration::from_millis(pause)).await;
            let Ok(_place) = self.places.acquire().await else {
                return;
            };
            match self.engine.network(network).await {
                Ok(found) => return self.rename(network, found.name).await,
                // It is still being made, or is gone already.
                Err(EngineError::NotFound(_)) => {}
                Err(error) => {
                    tracing::debug!(%error, network, "a network of Docker gets no name");
                    return;
                }
            }
        }
    }

    async fn rename(&self, network: &str, name: String) {
        let Ok(id) = id("network", network) else {
            return;
        };
        match self.control.guest(Guest::NetworkRename { id, name }).await {
            Ok(_) => {}
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a network of Docker does not get its name"),
        }
    }

    async fn describe(&self, network: &str, endpoint: &str) {
        for pause in PAUSES {
            sleep(Duration::from_millis(pause)).await;
            let Ok(_place) = self.places.acquire().await else {
                return;
            };
            let found = match self.engine.network(network).await {
                Ok(found) => found,
                Err(EngineError::NotFound(_)) => continue,
                Err(error) => {
                    tracing::debug!(%error, endpoint, "an endpoint of Docker gets no name");
                    return;
                }
            };
            let mut all = found.containers.into_iter();
            // One without a container yet has something else for its ID.
            let ours = all.find(|(id, one)| one.endpoint_id == endpoint && is_id(id));
            if let Some((container, one)) = ours {
                let about = About {
                    name: one.name,
                    container: container.clone(),
                    ..About::default()
                };
                self.tell(endpoint, about).await;
                return self.describe_container(&container).await;
            }
        }
    }

    /// Tells all that there is to know of a container, on all of its networks.
    async fn describe_container(&self, container: &str) {
        let container = match self.engine.container(container).await {
            Ok(container) => container,
            Err(error) => {
                tracing::debug!(%error, container, "a container of Docker is not described");
                return;
            }
        };
        for settings in container.network_settings.networks.values() {
            if !settings.endpoint_id.is_empty() {
                self.tell(&settings.endpoint_id, about(&container, settings))
                    .await;
            }
        }
    }

    async fn tell(&self, endpoint: &str, about: About) {
        let Ok(endpoint) = id("endpoint", endpoint) else {
            return;
        };
        match self
            .control
            .guest(Guest::Describe { endpoint, about })
            .await
        {
            Ok(_) => {}
            // On a network of another driver, or gone again.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(%error, "a container of Docker does not get its names"),
        }
    }
}

fn is_id(text: &str) -> bool {
    text.len() > SHORT && text.bytes().all(|c| c.is_ascii_hexdigit())
}

/// The names of a container on one of its networks. The short ID among them is the switch's to add.
fn about(container: &Container, settings: &EndpointSettings) -> About {
    let name = container.name.trim_start_matches('/');
    let short = container.id.get(..SHORT).unwrap_or_default();
    let hostname = [container.config.hostname.clone()];
    let mut aliases = Vec::new();
    for alias in (settings.aliases.iter())
        .chain(&settings.dns_names)
        .chain(&hostname)
    {
        if ![name, short, ""].contains(&alias.as_str()) && !aliases.contains(alias) {
            aliases.push(alias.clone());
        }
    }
    About {
        name: name.to_owned(),
        container: container.id.clone(),
        aliases,
        gateway_priority: settings.gw_priority,
    }
}

#[cfg(test)]
mod tests;
