//! A socket that one task serves and another owner closes.
//!
//! The end of a task that is aborted comes a moment later; a port has to be free when its service is gone, because the
//! next command may want it. So the task looks into the slot each time that it is polled, and who closes takes the
//! socket out.

use std::{
    future::poll_fn,
    sync::{PoisonError, RwLock},
    task::{Context, Poll},
};

/// The socket, until it is closed.
#[derive(Debug)]
pub(super) struct Slot<T>(RwLock<Option<T>>);

impl<T> Slot<T> {
    pub(super) const fn new(socket: T) -> Self {
        Self(RwLock::new(Some(socket)))
    }

    /// Closes the socket. Nobody uses it when this returns.
    pub(super) fn close(&self) {
        let socket = self
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(socket);
    }

    /// What `f` does with the socket; nothing where it is closed.
    pub(super) fn with<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let socket = self.0.read().unwrap_or_else(PoisonError::into_inner);
        socket.as_ref().map(f)
    }

    /// Waits until `f` is ready; nothing where the socket is closed.
    pub(super) async fn poll<R>(
        &self,
        mut f: impl FnMut(&T, &mut Context<'_>) -> Poll<R>,
    ) -> Option<R> {
        poll_fn(|cx| match self.with(|socket| f(socket, cx)) {
            None => Poll::Ready(None),
            Some(polled) => polled.map(Some),
        })
        .await
    }
}
