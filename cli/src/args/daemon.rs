//! `vswitch daemon`.

use clap::{Args, ValueEnum};
use std::{num::NonZeroUsize, path::PathBuf};
use vswitch::api::docker::{DEFAULT_SOCKET, Scope};

const EXAMPLES: &str = "\
Examples:
  vswitch daemon
  vswitch daemon --socket /tmp/lab/vswitch.sock --workers 2
  vswitch daemon --docker-plugin vswitch     then: docker network create -d vswitch lan
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

    /// Be a network and IPAM driver of Docker's engine, at /run/docker/plugins/NAME.sock
    ///
    /// `docker network create -d NAME` then makes networks on this switch; `-o driver=overlay` or `macvlan` chooses
    /// another kind than `bridge`, further `-o` are its options.
    #[arg(long, value_name = "NAME")]
    pub(crate) docker_plugin: Option<String>,

    /// How far networks of the plugin reach: `global` is for Swarm
    #[arg(
        long,
        value_name = "SCOPE",
        default_value = "local",
        requires = "docker_plugin"
    )]
    pub(crate) docker_scope: DockerScope,

    /// Where Docker's engine listens. It is asked for names, and for what docker:CONTAINER is
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(crate) docker_socket: PathBuf,
}

/// As [`Scope`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DockerScope {
    /// Each engine makes networks for itself
    Local,
    /// A manager makes them for all engines
    Global,
}

impl From<DockerScope> for Scope {
    fn from(scope: DockerScope) -> Self {
        match scope {
            DockerScope::Local => Self::Local,
            DockerScope::Global => Self::Global,
        }
    }
}
