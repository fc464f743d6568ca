//! How front-ends reach the control plane.

use std::sync::{Arc, Mutex, PoisonError};

use super::{
    Command, ControlError, Reply,
    controller::Controller,
    events::{EventHub, Monitor},
    kernel::Kernel,
};

type Apply = dyn Fn(Command) -> Result<Reply, ControlError> + Send + Sync;

/// The control plane as front-ends see it, whatever kernel is behind it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    apply: Arc<Apply>,
    events: EventHub,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Handle {
    /// A handle on a controller that others may share.
    pub fn new<K: Kernel>(controller: Arc<Mutex<Controller<K>>>) -> Self {
        let events = controller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .events()
            .clone();
        // A panic in one command must not end the service for all others.
        let apply = move |command| {
            controller
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .apply(command)
        };
        Self {
            apply: Arc::new(apply),
            events,
        }
    }

    /// Carries out a command on a thread that may block.
    ///
    /// # Errors
    /// See [`Controller::apply`].
    pub async fn apply(&self, command: Command) -> Result<Reply, ControlError> {
        let apply = Arc::clone(&self.apply);
        tokio::task::spawn_blocking(move || apply(command))
            .await
            .unwrap_or_else(|error| {
                tracing::error!(%error, "a command panicked");
                Err(ControlError::internal(
                    "the command failed inside the switch; look at the daemon's log",
                ))
            })
    }

    /// A new monitor of events, from now on.
    pub fn monitor(&self) -> Monitor {
        self.events.subscribe()
    }
}
