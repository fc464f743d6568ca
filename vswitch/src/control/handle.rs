//! How front-ends reach the control plane.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    Command, ControlError, Reply,
    controller::Controller,
    events::{EventHub, Monitor},
    guest::{Guest, GuestReply},
    kernel::Kernel,
};

type Apply<Q, R> = dyn Fn(Q) -> Result<R, ControlError> + Send + Sync;

/// The control plane as front-ends see it, whatever kernel is behind it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    apply: Arc<Apply<Command, Reply>>,
    guest: Arc<Apply<Guest, GuestReply>>,
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
        let events = lock(&controller).events().clone();
        let commands = Arc::clone(&controller);
        Self {
            apply: Arc::new(move |command| lock(&commands).apply(command)),
            guest: Arc::new(move |guest| lock(&controller).guest(guest)),
            events,
        }
    }

    /// A handle on whatever answers front-ends with objects of their own.
    #[cfg(test)]
    pub(crate) fn on_guests(
        guest: impl Fn(Guest) -> Result<GuestReply, ControlError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            apply: Arc::new(|_| Err(ControlError::internal("no controller: a test; do not ask"))),
            guest: Arc::new(guest),
            events: EventHub::default(),
        }
    }

    /// Carries out a command on a thread that may block.
    ///
    /// # Errors
    /// See [`Controller::apply`].
    pub async fn apply(&self, command: Command) -> Result<Reply, ControlError> {
        blocking(Arc::clone(&self.apply), command).await
    }

    /// The same for front-ends with objects of their own.
    ///
    /// # Errors
    /// See [`Controller::guest`].
    pub async fn guest(&self, guest: Guest) -> Result<GuestReply, ControlError> {
        blocking(Arc::clone(&self.guest), guest).await
    }

    /// A new monitor of events, from now on.
    pub fn monitor(&self) -> Monitor {
        self.events.subscribe()
    }
}

async fn blocking<Q: Send + 'static, R: Send + 'static>(
    apply: Arc<Apply<Q, R>>,
    asked: Q,
) -> Result<R, ControlError> {
    tokio::task::spawn_blocking(move || apply(asked))
        .await
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a command panicked");
            Err(ControlError::internal(
                "the command failed inside the switch; look at the daemon's log",
            ))
        })
}

/// A panic in one command must not end the service for all others.
fn lock<K: Kernel>(controller: &Mutex<Controller<K>>) -> MutexGuard<'_, Controller<K>> {
    controller.lock().unwrap_or_else(PoisonError::into_inner)
}
