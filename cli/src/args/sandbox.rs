//! `vswitch sandbox ...`.

use super::list::List;
use clap::{Args, Subcommand};
use std::ffi::OsString;

/// Make, show and remove sandboxes; run commands in them
#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Make a sandbox: a network namespace with nothing in it but `lo`
    Create {
        /// The sandbox's name
        name: String,
    },
    /// List sandboxes
    ///
    /// Fields of --format: .ID .Name .Kind .Networks .Path .CreatedAt
    #[command(alias = "list")]
    Ls {
        /// How to show them
        #[command(flatten)]
        list: List,
    },
    /// Show sandboxes in full, as JSON
    Inspect {
        /// The sandboxes' names
        #[arg(required = true, value_name = "SANDBOX")]
        sandboxes: Vec<String>,
    },
    /// Remove sandboxes
    #[command(alias = "remove")]
    Rm {
        /// Disconnect them first from the networks they are on
        #[arg(short, long)]
        force: bool,
        /// The sandboxes' names
        #[arg(required = true, value_name = "SANDBOX")]
        sandboxes: Vec<String>,
    },
    Exec(Exec),
}

const EXEC_EXAMPLES: &str = "\
Examples:
  vswitch sandbox exec a -- ip addr
  vswitch sandbox exec a -- ping -c3 198.18.0.3
  vswitch sandbox exec a -- bash";

/// Run a command inside a sandbox, and end with its status
///
/// The network is the sandbox's; files, processes and the user are those of the caller. In a sandbox of
/// ours the command finds its own /etc/resolv.conf, /etc/hosts and /etc/hostname, as with `run`. Needs
/// CAP_SYS_ADMIN.
#[derive(Debug, Args)]
#[command(after_help = EXEC_EXAMPLES)]
pub(crate) struct Exec {
    /// A sandbox's name, pid:N, netns:/path or docker:CONTAINER
    pub(crate) sandbox: String,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
