//! The daemon: everything started in order, and stopped in reverse.

use std::{num::NonZeroUsize, path::PathBuf};

/// What the daemon is told at its start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DaemonConfig {
    /// Control socket; its directory is also where namespaces are pinned.
    pub socket: PathBuf,
    /// Directory of the state that outlives a restart. Reserved: nothing is kept there yet.
    pub state_dir: PathBuf,
    /// Worker threads; one for each core when absent.
    pub workers: Option<NonZeroUsize>,
}

/// Why the daemon did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {}

/// Runs the daemon until SIGTERM or SIGINT. `ready` is called once, when the control socket accepts requests.
///
/// # Errors
/// [`DaemonError`], one line that says what, why, and what to do.
pub fn run(config: &DaemonConfig, ready: impl FnOnce()) -> Result<(), DaemonError> {
    todo!("{config:?} {}", std::any::type_name_of_val(&ready))
}
