//! `vswitch run`.

use super::values::{self, Bindings};
use clap::Args;
use std::{
    ffi::OsString,
    net::{Ipv4Addr, Ipv6Addr},
};
use vswitch_wire::MacAddr;

const EXAMPLES: &str = "\
Examples:
  vswitch run -- ip address                             # on the network `bridge`
  vswitch run --network lan --name web -p 8080:80 -- python3 -m http.server 80
  vswitch run --network lan -- ping -c3 web             # by its name
  vswitch run --network lan --network lab -- bash
  vswitch run --network none -- bash                    # nothing but lo";

/// Run a command in a new sandbox on a network, and remove the sandbox afterwards
///
/// Sandbox, connection and command in one. The sandbox is removed however the command ends: by
/// itself, by Ctrl-C, or by a SIGTERM, which is passed on to the command (which then has 10 s).
///
/// As in a container the command finds its own /etc/resolv.conf, /etc/hosts and /etc/hostname; all other
/// files, processes and the user are those of the caller. Names are asked for at 127.0.0.11: those of the
/// others on its networks, and all that the host can resolve. On the network `bridge` the others have no
/// names, as with Docker.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Run {
    /// The network to connect to; repeat it to have eth0, eth1, ... Default: bridge. `none` is no network,
    /// `host` the host's own
    #[arg(long, alias = "net", value_name = "NETWORK")]
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

    /// A further name on the first network; repeat it for more
    #[arg(long, visible_alias = "network-alias", value_name = "NAME")]
    pub(crate) alias: Vec<String>,

    /// Publish a port on the host: [IP:]HOST:CONTAINER[/tcp|udp], ranges too
    #[arg(short = 'p', long, value_name = "PORTS", value_parser = values::bindings)]
    pub(crate) publish: Vec<Bindings>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}
