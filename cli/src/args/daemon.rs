//! `vswitch daemon`.

use clap::Args;
use std::{num::NonZeroUsize, path::PathBuf};

const EXAMPLES: &str = "\
Examples:
  vswitch daemon
  vswitch daemon --socket /tmp/lab/vswitch.sock --workers 2
  VSWITCH_LOG=debug vswitch daemon

VSWITCH_LOG sets what is logged to stderr (error, warn, info, debug, trace, or a filter
such as vswitch::control=debug); the default is info.";

/// Run the switch until SIGINT or SIGTERM
///
/// Stays in the foreground and logs to stderr. When it ends it detaches every sandbox and removes
/// what it made. Needs CAP_NET_ADMIN, CAP_SYS_ADMIN and /dev/net/tun.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Daemon {
    /// Where the state that outlives a restart shall be kept. None is yet: a warning says so
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Threads that forward frames. Default: one per core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
}
