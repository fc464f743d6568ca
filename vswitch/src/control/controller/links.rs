//! Tells the upkeep that something about the host's links has changed.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use crate::{control::ControlError, sys::netlink::LinkMonitor};

/// A thread that sleeps until links change. Dropping this ends it.
#[derive(Debug)]
pub(super) struct Links {
    /// Closing it ends the thread.
    stop: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Links {
    /// Starts the thread. What it says may stand for any number of changes.
    ///
    /// # Errors
    /// Unavailable when there can be no thread, socket or pipe.
    pub(super) fn watch() -> Result<(Self, Receiver<()>), ControlError> {
        let refused = |error: io::Error| {
            ControlError::unavailable(format!(
                "cannot watch the host's links: {error}; check the limits on threads and open files"
            ))
        };
        let monitor = LinkMonitor::open()?;
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .map_err(|errno| refused(errno.into()))?;
        let (tell, told) = bounded(1);
        let thread = thread::Builder::new()
            .name("vswitch-links".to_owned())
            .spawn(move || run(&monitor, &stopped, &tell))
            .map_err(refused)?;
        let links = Self {
            stop: Some(stop),
            thread: Some(thread),
        };
        Ok((links, told))
    }
}

fn run(monitor: &LinkMonitor, stopped: &OwnedFd, tell: &Sender<()>) {
    loop {
        match monitor.wait(stopped.as_fd()) {
            Ok(true) => match tell.try_send(()) {
                // A full channel says the same already.
                Ok(()) | Err(TrySendError::Full(())) => {}
                Err(TrySendError::Disconnected(())) => return,
            },
            Ok(false) => return,
            Err(error) => {
                tracing::error!(%error, "the host's links are not watched any more");
                return;
            }
        }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that watched the links had panicked");
        }
    }
}
