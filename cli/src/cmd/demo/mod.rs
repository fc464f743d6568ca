//! `vswitch demo`: the whole thing in ten seconds, on a machine with nothing prepared.
//!
//! A real daemon (this program once more, as a child), and then the very functions behind the
//! commands that are shown, so that what is printed is what a student gets who types them.
//!
//! | file | what |
//! |---|---|
//! | `story` | what is shown, in order |
//! | `stage` | directory, daemon, and the proof that nothing is left of them |
//! | `traffic`, `sockets` | ping and throughput, with the machine's tools or without |
//! | `show` | how it looks |
//!
//! The complication is the end. The story is a future that can be dropped at any point (Ctrl-C, a
//! failed step), and the stage is cleared afterwards in any case; processes of the story end when it
//! is dropped.
//!
//! # Thread rule
//!
//! Without root we first enter a user namespace, which takes a process of one thread. So the runtime
//! comes second.

mod show;
mod sockets;
mod stage;
mod story;
mod traffic;

use super::{
    block_on,
    process::{Stop, ended_by},
};
use anyhow::Context as _;
use show::Show;
use stage::Stage;
use std::process::ExitCode;
use vswitch::sys::{caps, enter_own_namespaces};

/// Shows it all; fails if any step fails or anything is left behind.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let own = !rustix::process::geteuid().is_root();
    if own {
        enter_own_namespaces().context("demo")?;
    }
    caps::preflight().context("demo")?;
    block_on(perform(own))
}

async fn perform(own: bool) -> anyhow::Result<ExitCode> {
    let mut stop = Stop::install().context("cannot watch for signals")?;
    let show = Show::new();
    let mut stage = Stage::new().context("demo")?;
    let told = tokio::select! {
        told = story::tell(&mut stage, show, own) => told.map(|()| ExitCode::SUCCESS),
        signal = stop.next() => Ok(ended_by(signal)),
    };
    // From here on a second Ctrl-C is not looked at: clearing takes a moment and has an end.
    let cleared = stage.clear().await.context("demo: clearing up");
    match (told, cleared) {
        (Ok(status), Ok(proof)) => {
            show.heading("Cleared up. What is left of it:")?;
            show.text(&proof)?;
            Ok(status)
        }
        // The first error is the one to tell; the second would hide it, and often comes from it.
        (Err(error), _) => Err(error.context("demo")),
        (Ok(_), Err(error)) => Err(error),
    }
}
