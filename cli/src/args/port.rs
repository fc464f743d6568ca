//! `vswitch port ...`.

use clap::Subcommand;

/// Show the switch's ports and their counters
#[derive(Debug, Subcommand)]
pub(crate) enum Port {
    /// List ports with their counters
    ///
    /// RX is what the switch received from the sandbox, TX what it delivered to it, in frames; a
    /// large segment that was left whole counts once. DROPS are the frames from this port that went
    /// nowhere; `inspect` names the reasons. An overlay network has one port more, of kind vxlan: the
    /// tunnel to its peers.
    #[command(alias = "list")]
    Ls,
    /// Show ports in full, as JSON
    Inspect {
        /// Number or SANDBOX/IFNAME, as `port ls` shows them
        #[arg(required = true, value_name = "PORT")]
        ports: Vec<String>,
    },
}
