//! The command line, as clap reads it: one file per group of commands.
//!
//! The doc comments of this room are the product's help, man pages included, so they speak to the
//! person at the terminal. Only what works is offered: a command or flag appears here on the day
//! that the daemon can do it. What is checked here is form alone (see [`values`]).

pub(crate) mod daemon;
pub(crate) mod fdb;
pub(crate) mod list;
pub(crate) mod network;
pub(crate) mod peer;
pub(crate) mod port;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod tools;
pub(crate) mod values;

#[cfg(test)]
mod tests;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Where the daemon listens unless told otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/run/vswitch/vswitch.sock";

const EXAMPLES: &str = "\
Examples:
  vswitch demo                                # three containers, one switch, nothing prepared
  vswitch daemon &                            # the switch itself
  vswitch network create lan --subnet 198.18.0.0/24
  vswitch sandbox create a
  vswitch network connect lan a
  vswitch run --network lan -- ping -c3 198.18.0.2
  vswitch fdb show lan                        # who is where: the MAC table

Exit status: 0 done, 1 refused or failed, 2 wrong usage; one line on stderr says why.
`sandbox exec` and `run` end with the status of their command, 128+N if signal N ended it.";

/// A virtual switch in userspace: joins containers on TAP devices, without a kernel bridge.
///
/// A sandbox is a network namespace, as a container has one. A network is a broadcast domain of the
/// switch. Connecting a sandbox to a network gives it an interface (eth0, eth1, ...) with a MAC
/// and an IP address; the other end of that interface is a port of the switch.
#[derive(Debug, Parser)]
#[command(name = "vswitch", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    /// What holds for every command.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command has.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// The daemon's control socket
    #[arg(long, global = true, env = "VSWITCH_SOCKET", value_name = "PATH")]
    #[arg(default_value = DEFAULT_SOCKET, hide_env_values = true)]
    pub(crate) socket: PathBuf,

    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Daemon(daemon::Daemon),
    #[command(after_help = STATUS_EXAMPLES)]
    /// Show what the daemon is doing, and that no frame got lost
    ///
    /// The last line is the conservation of frames: everything that was received, and every copy
    /// made for a flood, was delivered, consumed by the switch itself, or dropped for a named reason.
    /// A difference that stays is a bug of the switch.
    Status,
    #[command(after_help = DEMO_EXAMPLES)]
    /// See it work: three sandboxes, ping, throughput, MAC table; leaves nothing behind
    ///
    /// Needs nothing prepared. Starts a switch of its own (it never talks to a running daemon), joins
    /// three sandboxes, pings, measures, shows the MAC table and the counters, and removes it all
    /// again. Every command is shown as you would type it. Without root it works in a user namespace
    /// of its own.
    Demo,
    #[command(subcommand)]
    Network(network::Network),
    #[command(subcommand)]
    Sandbox(sandbox::Sandbox),
    Run(run::Run),
    #[command(subcommand)]
    Port(port::Port),
    #[command(subcommand)]
    Fdb(fdb::Fdb),
    #[command(subcommand)]
    Peer(peer::Peer),
    #[command(after_help = MONITOR_EXAMPLES)]
    /// Print what happens on the switch, a line per event, until Ctrl-C
    ///
    /// Networks and sandboxes that come and go, interfaces that go up and down, MAC addresses that
    /// are learned, move or age out, peers of overlay networks that are heard and lost. With --json
    /// each line is one JSON object.
    Monitor,
    Completions(tools::Completions),
    Man(tools::Man),
}

const STATUS_EXAMPLES: &str = "\
Examples:
  vswitch status
  vswitch status --json | jq .totals";

const DEMO_EXAMPLES: &str = "\
Examples:
  vswitch demo
  sudo vswitch demo";

const MONITOR_EXAMPLES: &str = "\
Examples:
  vswitch monitor
  vswitch monitor --json | jq -c 'select(.type == \"fdb-moved\")'";
