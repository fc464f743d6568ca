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
/// Stays in the foreground and logs to stderr. Networks, sandboxes and endpoints outlive it: they are
/// there again after a restart, a crash, a reboot. Needs CAP_NET_ADMIN, CAP_SYS_ADMIN and /dev/net/tun.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Daemon {
    /// Where networks, endpoints and addresses are kept over a restart. Default: /var/lib/vswitch, and
    /// with another --socket the directory `state` beside it
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    pub(crate) state_dir: Option<PathBuf>,

    /// Keep nothing: networks and sandboxes end with the daemon
    #[arg(long)]
    pub(crate) ephemeral: bool,

    /// Threads that forward frames. Default: one per core
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
}
