//! Ctrl-C, SIGTERM and SIGHUP: the run ends early, and orderly.
//!
//! Processes that this program starts are in process groups of their own, so a Ctrl-C at the terminal reaches this
//! program alone. It sets a flag and makes a descriptor readable; everything that waits waits for that descriptor
//! too ([`wait`]) and gives up with [`Interrupted`]. What has been built is then dropped as after any other error,
//! and drops end the processes.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Readable from the first signal on.
static EVENT: OnceLock<OwnedFd> = OnceLock::new();

static PENDING: AtomicBool = AtomicBool::new(false);

/// The user has had enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted: everything that was started has been ended")
    }
}

impl std::error::Error for Interrupted {}

/// What a wait came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// The descriptor is readable, or at its end.
    Ready,
    /// The time is over.
    Late,
}

/// Takes the signals over, from now on and for good.
pub(crate) fn watch() -> Result<()> {
    let event = eventfd(0, EventfdFlags::CLOEXEC)?;
    let told = event.try_clone()?;
    EVENT.get_or_init(|| event);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let entered = runtime.enter();
    let signals: Vec<Signal> = kinds.into_iter().map(signal).collect::<Result<_, _>>()?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(any(signals));
        PENDING.store(true, Ordering::Relaxed);
        // An eventfd that nobody reads takes its first write.
        rustix::io::write(&told, &1_u64.to_ne_bytes()).is_ok()
    });
    Ok(())
}

/// The first of them.
async fn any(mut signals: Vec<Signal>) {
    std::future::poll_fn(|context| {
        let mut all = signals.iter_mut();
        if all.any(|one| one.poll_recv(context).is_ready()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// Goes on unless a signal has come.
pub(crate) fn check() -> Result<(), Interrupted> {
    if PENDING.load(Ordering::Relaxed) {
        return Err(Interrupted);
    }
    Ok(())
}

/// Waits until a descriptor is readable, for a time at most. A signal is an error.
pub(crate) fn wait(descriptor: BorrowedFd<'_>, time: Duration) -> Result<Woken> {
    let event = EVENT.get().map(AsFd::as_fd);
    let descriptors: Vec<_> = [descriptor].into_iter().chain(event).collect();
    let woken = wait_for(&descriptors, time)?;
    check()?;
    Ok(woken)
}

/// The same without an ear for signals: for ends, which take place whatever happens.
pub(crate) fn wait_undisturbed(descriptor: BorrowedFd<'_>, time: Duration) -> Result<Woken> {
    wait_for(&[descriptor], time)
}

fn wait_for(descriptors: &[BorrowedFd<'_>], time: Duration) -> Result<Woken> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let mut ready: Vec<_> = (descriptors.iter())
            .map(|one| PollFd::new(one, PollFlags::IN))
            .collect();
        match poll(&mut ready, Some(&Timespec::try_from(left)?)) {
            Ok(0) => return Ok(Woken::Late),
            Ok(_) => return Ok(Woken::Ready),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
