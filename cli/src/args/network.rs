//! `vswitch network ...`.

use super::{
    list::List,
    values::{self, Bindings, KeyValue, NamedAddress},
};
use clap::{Args, Subcommand};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use vswitch_wire::MacAddr;

/// Make, show and remove networks; connect sandboxes to them
#[derive(Debug, Subcommand)]
pub(crate) enum Network {
    Create(Create),
    /// List networks
    #[command(alias = "list", after_help = LS_EXAMPLES)]
    Ls {
        /// Only those that it holds for: driver=, id=, label=KEY[=VALUE], name=, scope=, type=builtin|custom,
        /// dangling=true|false. One key several times: any; labels and different keys: all
        #[arg(short, long, value_name = "KEY=VALUE", value_parser = values::key_value)]
        filter: Vec<KeyValue>,

        /// How to show them
        #[command(flatten)]
        list: List,
    },
    /// Show networks in full, as JSON in the shape of `docker network inspect`
    Inspect {
        /// A Go template instead, such as '{{(index .IPAM.Config 0).Subnet}}'; a line for each network
        #[arg(short, long, value_name = "TEMPLATE")]
        format: Option<String>,

        /// Name, ID or unique beginning of an ID
        #[arg(required = true, value_name = "NETWORK")]
        networks: Vec<String>,
    },
    /// Remove networks that no sandbox is connected to
    #[command(alias = "remove")]
    Rm {
        /// One that is not there is no failure
        #[arg(short, long)]
        force: bool,

        /// Name, ID or unique beginning of an ID
        #[arg(required = true, value_name = "NETWORK")]
        networks: Vec<String>,
    },
    /// Remove all networks that no sandbox is connected to
    ///
    /// On a terminal it asks first.
    Prune {
        /// Only those that it holds for: label=KEY[=VALUE], label!=KEY[=VALUE], until=24h (older than that, or than
        /// a date)
        #[arg(long, value_name = "KEY=VALUE", value_parser = values::key_value)]
        filter: Vec<KeyValue>,

        /// Do not ask
        #[arg(short, long)]
        force: bool,
    },
    Connect(Connect),
    Disconnect(Disconnect),
}

const LS_EXAMPLES: &str = "\
Examples:
  vswitch network ls --filter driver=bridge --filter label=team=blue
  vswitch network ls --filter name=^lan --format '{{.ID}} {{.Name}}'
  vswitch network rm $(vswitch network ls -q --filter dangling=true)

Fields of --format: .ID .Name .Driver .Scope .Internal .Labels .CreatedAt .Subnets .Endpoints";

const CREATE_EXAMPLES: &str = "\
Examples:
  vswitch network create lan
  vswitch network create lan --subnet 198.18.0.0/24 --gateway 198.18.0.254
  vswitch network create jumbo -o mtu=9000
  vswitch network create dual --subnet 198.18.1.0/24 --subnet 2001:2:0:1::/64 --ipv6
  vswitch network create blue -d overlay -o vni=42 -o peers=198.18.100.2,198.18.100.3 \\
    --subnet 198.18.50.0/24
  vswitch network create phys -d macvlan -o parent=eth0 --subnet 198.18.7.0/24 \\
    --gateway 198.18.7.1 --ip-range 198.18.7.128/25

Options of the bridge driver:
  mtu=BYTES ageing=SECONDS max_entries=N learning=on|off relay_reserved=on|off offload=on|off

Options of the overlay driver (VXLAN; vni, dstport and group are the same on all hosts):
  vni=N               the network's number, 1 to 16777215
  peers=IP,IP         the other hosts; more with `vswitch peer add`
  local=IP            this host's address; default: the one from which the first peer is reached
  dstport=N           UDP port; default 4789
  group=IP            multicast group for frames that go to many; default: a copy to each peer
  mtu=BYTES           default: what the underlay leaves, and followed when it changes
  ttl=N|inherit tos=N|inherit   of the outer packet; default 64 and 0
  strict=on|off       refuse reserved bits of the VXLAN header; default off
  learning=on|off     learn behind which peer an address is; default on
  suppress=on|off     answer ARP and neighbour discovery from what is known; default off
  ageing=SECONDS max_entries=N offload=on|off

Options of the macvlan driver (the host's own network, each sandbox a station on it):
  parent=IF[.VID]     interface of the host, or a VLAN on it; without one the network is internal
  mode=MODE           bridge (default), private, vepa, passthru or source
  sources=MAC,MAC     source mode: who may send to the sandboxes; nodst=on: and to nobody else
  host_access=on|off  the host reaches the sandboxes, through an interface of its own; default off
  mtu=BYTES           default: the parent's, and followed when it changes
  offload=on|off";

/// Make a network and print its ID
#[derive(Debug, Args)]
#[command(after_help = CREATE_EXAMPLES)]
pub(crate) struct Create {
    /// The network's name
    pub(crate) name: String,

    /// What the network is made of: bridge (this host), overlay (several hosts), macvlan (the host's
    /// physical network)
    #[arg(short, long, default_value = "bridge")]
    pub(crate) driver: String,

    /// Its addresses; once per family. Default: a free private IPv4 subnet
    #[arg(long, value_name = "CIDR", value_parser = values::cidr)]
    pub(crate) subnet: Vec<IpNet>,

    /// The router's address, which no sandbox gets; once per family. Default: the subnet's first
    #[arg(long, value_name = "IP", value_parser = values::ip)]
    pub(crate) gateway: Vec<IpAddr>,

    /// The part of the subnet to take addresses from; once per family
    #[arg(long, value_name = "CIDR", value_parser = values::cidr)]
    pub(crate) ip_range: Vec<IpNet>,

    /// An address that no sandbox gets, and what it is for
    #[arg(long, value_name = "NAME=IP", value_parser = values::named_address)]
    pub(crate) aux_address: Vec<NamedAddress>,

    /// Who gives addresses: default is the switch, null is nobody (or DHCP outside)
    #[arg(long, value_name = "DRIVER", default_value = "default")]
    pub(crate) ipam_driver: String,

    /// Give IPv6 addresses too; without an IPv6 --subnet a private one is chosen
    #[arg(long)]
    pub(crate) ipv6: bool,

    /// No way out of the network
    #[arg(long)]
    pub(crate) internal: bool,

    /// Accepted as Docker does: every sandbox may be connected to any network anyway
    #[arg(long)]
    pub(crate) attachable: bool,

    /// A note on the network, shown by `inspect`
    #[arg(long, value_name = "KEY=VALUE", value_parser = values::key_value)]
    pub(crate) label: Vec<KeyValue>,

    /// An option of the driver; an unknown one is answered with the known ones
    #[arg(short = 'o', long = "opt", value_name = "KEY=VALUE", value_parser = values::key_value)]
    pub(crate) options: Vec<KeyValue>,
}

const CONNECT_EXAMPLES: &str = "\
Examples:
  vswitch network connect lan a
  vswitch network connect lan a --ip 198.18.0.10 --mac-address 02:00:5e:10:00:0a
  vswitch network connect lan web --alias www --publish 8080:80
  vswitch network connect lan pid:4711 --ifname lan0
  vswitch network connect lan netns:/run/netns/red";

/// Give a sandbox an interface on a network
#[derive(Debug, Args)]
#[command(after_help = CONNECT_EXAMPLES)]
pub(crate) struct Connect {
    /// Name, ID or unique beginning of an ID
    pub(crate) network: String,

    /// A sandbox's name, pid:N, netns:/path or docker:CONTAINER
    pub(crate) sandbox: String,

    /// Its IPv4 address. Default: the next free one
    #[arg(long, value_name = "IP", value_parser = values::ipv4)]
    pub(crate) ip: Option<Ipv4Addr>,

    /// Its IPv6 address. Default: the next free one
    #[arg(long, value_name = "IP", value_parser = values::ipv6)]
    pub(crate) ip6: Option<Ipv6Addr>,

    /// Its MAC address. Default: 02:42 and the four octets of its IPv4 address, as in Docker
    #[arg(long, value_name = "MAC")]
    pub(crate) mac_address: Option<MacAddr>,

    /// The interface's name in the sandbox. Default: the first free of eth0, eth1, ...
    #[arg(long, value_name = "NAME")]
    pub(crate) ifname: Option<String>,

    /// A further name on this network; repeat it for more
    #[arg(long, visible_alias = "network-alias", value_name = "NAME")]
    pub(crate) alias: Vec<String>,

    /// Publish a port of the sandbox on the host: [IP:]HOST:CONTAINER[/tcp|udp], ranges too
    #[arg(short = 'p', long, value_name = "PORTS", value_parser = values::bindings)]
    pub(crate) publish: Vec<Bindings>,

    /// The network with the highest gives the default route and the first answer of DNS
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        allow_negative_numbers = true
    )]
    pub(crate) gw_priority: i32,

    /// An option of this interface alone: offload=on|off. Default: as the network
    #[arg(short = 'o', long = "opt", value_name = "KEY=VALUE", value_parser = values::key_value)]
    pub(crate) options: Vec<KeyValue>,
}

/// Take a sandbox's interface on a network away
#[derive(Debug, Args)]
pub(crate) struct Disconnect {
    /// Name, ID or unique beginning of an ID
    pub(crate) network: String,

    /// A sandbox's name, pid:N, netns:/path or docker:CONTAINER
    pub(crate) sandbox: String,
}
