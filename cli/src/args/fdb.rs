//! `vswitch fdb ...`.

use super::values;
use clap::{Args, Subcommand, ValueEnum};
use std::net::IpAddr;
use vswitch_wire::{MacAddr, VlanId};

/// Show and change a network's MAC table (forwarding database, 802.1Q 8.8)
#[derive(Debug, Subcommand)]
pub(crate) enum Fdb {
    /// List the MAC addresses that the switch knows on a network, and behind which port and peer
    Show {
        /// Name, ID or unique beginning of an ID
        network: String,
    },
    Add(Add),
    Del(Del),
    Flush(Flush),
}

const ADD_EXAMPLES: &str = "\
Examples:
  vswitch fdb add lan 02:00:5e:10:00:0a web/eth0
  vswitch fdb add lan 02:00:5e:10:00:0a 3 --sticky
  vswitch fdb add lan 02:00:5e:10:00:0b --local
  vswitch fdb add blue 02:00:5e:10:00:0c --remote 198.18.100.2";

/// Enter a MAC address by hand: it does not age
#[derive(Debug, Args)]
#[command(after_help = ADD_EXAMPLES)]
pub(crate) struct Add {
    /// Name, ID or unique beginning of an ID
    pub(crate) network: String,
    /// The address
    pub(crate) mac: MacAddr,
    /// The port behind which it is: number or SANDBOX/IFNAME, as `port ls` shows them; none with --local and --remote
    #[arg(required_unless_present_any = ["local", "remote"])]
    pub(crate) port: Option<String>,
    /// Let it be learned on no other port
    #[arg(long)]
    pub(crate) sticky: bool,
    /// It is the switch itself, at no port: what is sent there is consumed
    #[arg(long, conflicts_with_all = ["port", "sticky", "remote"])]
    pub(crate) local: bool,
    /// It is behind this peer of an overlay network
    #[arg(long, value_name = "IP", value_parser = values::ip, conflicts_with_all = ["port", "sticky"])]
    pub(crate) remote: Option<IpAddr>,
    /// In this VLAN only
    #[arg(long, value_name = "VID")]
    pub(crate) vlan: Option<VlanId>,
}

/// Forget a MAC address
#[derive(Debug, Args)]
pub(crate) struct Del {
    /// Name, ID or unique beginning of an ID
    pub(crate) network: String,
    /// The address
    pub(crate) mac: MacAddr,
    /// In this VLAN
    #[arg(long, value_name = "VID")]
    pub(crate) vlan: Option<VlanId>,
}

/// The kinds of entries that can be flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Learned from a frame's source address
    Learned,
    /// Added by hand
    Static,
    /// Added by hand with --sticky
    Sticky,
}

const FLUSH_EXAMPLES: &str = "\
Examples:
  vswitch fdb flush lan
  vswitch fdb flush lan --port 3";

/// Forget what was learned on a network, and print how many entries that were
///
/// The conditions narrow it down: an entry must meet all that are given.
#[derive(Debug, Args)]
#[command(after_help = FLUSH_EXAMPLES)]
pub(crate) struct Flush {
    /// Name, ID or unique beginning of an ID
    pub(crate) network: String,
    /// Only behind this port: number or SANDBOX/IFNAME
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// Only this address
    #[arg(long)]
    pub(crate) mac: Option<MacAddr>,
    /// Only in this VLAN
    #[arg(long, value_name = "VID")]
    pub(crate) vlan: Option<VlanId>,
    /// Entries of this kind
    #[arg(long, value_enum, default_value_t = Kind::Learned)]
    pub(crate) kind: Kind,
}
