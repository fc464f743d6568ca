//! `vswitch run`.

use super::values;
use clap::Args;
use std::{
    ffi::OsString,
    net::{Ipv4Addr, Ipv6Addr},
};
use vswitch_wire::MacAddr;

const EXAMPLES: &str = "\
Examples:
  vswitch run --network lan -- ping -c3 198.18.0.2
  vswitch run --network lan --name web --ip 198.18.0.80 -- python3 -m http.server 80
  vswitch run --network lan --network lab -- bash";

/// Run a command in a new sandbox on a network, and remove the sandbox afterwards
///
/// Sandbox, connection and command in one. The sandbox is removed however the command ends: by
/// itself, by Ctrl-C, or by a SIGTERM, which is passed on to the command (which then has 10 s).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// The network to connect to; repeat it to have eth0, eth1, ...
    #[arg(long, required = true, value_name = "NETWORK")]
    pub(crate) network: Vec<String>,

    /// The sandbox's name. Default: run- and eight random hexadecimal digits
    #[arg(long)]
    pub(crate) name: Option<String>,

    /// Its IPv4 address on the first network. Default: the next free one
    #[arg(long, value_name = "IP", value_parser = values::ipv4)]
    pub(crate) ip: Option<Ipv4Addr>,

    /// Its IPv6 address on the first network. Default: the next free one
    #[arg(long, value_name = "IP", value_parser = values::ipv6)]
    pub(crate) ip6: Option<Ipv6Addr>,

    /// Its MAC address on the first network
    #[arg(long, value_name = "MAC")]
    pub(crate) mac_address: Option<MacAddr>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
