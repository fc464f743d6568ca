//! `vswitch peer ...`.

use super::values;
use clap::Subcommand;
use std::net::IpAddr;

/// Show and change the peers of an overlay network: the other hosts that it is on
#[derive(Debug, Subcommand)]
pub(crate) enum Peer {
    #[command(after_help = ADD_EXAMPLES)]
    /// Add a peer: frames go to it, and what comes from it is accepted
    Add {
        /// Name, ID or unique beginning of an ID
        network: String,
        /// The peer's address on the underlay
        #[arg(value_parser = values::ip)]
        ip: IpAddr,
    },
    /// Remove a peer, and forget at once the MAC addresses behind it
    #[command(alias = "remove")]
    Rm {
        /// Name, ID or unique beginning of an ID
        network: String,
        /// The peer's address on the underlay
        #[arg(value_parser = values::ip)]
        ip: IpAddr,
    },
    /// List the peers of a network with what came from them and went to them
    ///
    /// RX and TX are inner frames and their bytes; a frame for many counts for each peer. LAST HEARD
    /// is the time since a frame of the peer was last accepted, PATH MTU the longest IP packet that
    /// the way to it takes.
    #[command(alias = "list")]
    Ls {
        /// Name, ID or unique beginning of an ID
        network: String,
    },
}

const ADD_EXAMPLES: &str = "\
Examples:
  vswitch peer add blue 198.18.100.3
  vswitch peer add blue 2001:2:0:100::3";
