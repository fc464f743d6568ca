//! A physical LAN, played by the test: a switch, stations on it, and the *host under test*, whose `eth0` is
//! what macvlan networks have as their parent.
//!
//! - The switch is the kernel's bridge in a namespace of its own, without snooping. Its port to the host sends
//!   frames back where they came from when the test [says so](Lan::set_hairpin), as the switch of 802.1Qbg does.
//! - The host has 198.18.7.2 and 2001:2:0:7::2, station N, from 1, has 198.18.7.(10+N) and 2001:2:0:7::(10+N),
//!   all of them on an interface `eth0`.
//! - A daemon runs in the host as in any other [`Lab`]: [`Lan::lab`].
//! - [`dhcp`] is a server from a package on a station, [`trunk`] what speaks with VLAN tags.
//!
//! All of it ends with the value.

pub mod dhcp;
pub mod trunk;

use crate::{Lab, Must, Nic, Sandbox, Setup, frames::station, ip};
use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};
use vswitch::sys::Netns;
use vswitch_wire::MacAddr;

/// The interface of every station and of the host.
pub const IFNAME: &str = "eth0";
/// The third part of the LAN's IPv4 addresses.
pub const SUBNET: u8 = 7;
/// The switch's port to the host under test.
pub const HOST_PORT: &str = "port0";

/// How the LAN is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Stations other than the host.
    pub stations: u8,
    /// Bytes of an IP packet.
    pub mtu: u16,
    /// Whether the interface of the host under test takes superframes and partial checksums.
    pub host_offload: bool,
    /// Whether those of the stations do. Off is what makes the kernel put checksums and segments right on the
    /// way to them, so that a capture there shows real frames.
    pub station_offload: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            stations: 2,
            mtu: 1500,
            host_offload: true,
            station_offload: false,
        }
    }
}

/// The host under test, the stations, and what joins them.
#[derive(Debug)]
pub struct Lan {
    host: Sandbox,
    stations: Vec<Sandbox>,
    switch: Sandbox,
}

impl Lan {
    /// A LAN with two stations.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&Plan::default())
    }

    /// A LAN as wanted.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn start_with(plan: &Plan) -> Self {
        let host = member("the host", 2);
        let stations: Vec<Sandbox> = (1..=plan.stations)
            .map(|number| member(&format!("station {number}"), 10 + number))
            .collect();
        let switch = switch();
        let lan = Self {
            host,
            stations,
            switch,
        };
        lan.wire(plan.mtu);
        for (number, site) in lan.members().enumerate() {
            let offload = match number {
                0 => plan.host_offload,
                _ => plan.station_offload,
            };
            if !offload {
                lan.real_frames(number);
            }
            ip::configure(site, plan.mtu);
        }
        lan
    }

    /// The host, then the stations.
    fn members(&self) -> impl Iterator<Item = &Sandbox> {
        std::iter::once(&self.host).chain(&self.stations)
    }

    #[track_caller]
    fn wire(&self, mtu: u16) {
        let mut lines = "link add name lan type bridge mcast_snooping 0\n".to_owned();
        for (number, site) in self.members().enumerate() {
            let path = site.netns_path();
            let text = format!(
                "link add name port{number} mtu {mtu} type veth peer name {IFNAME} mtu {mtu} netns {path}\n\
                 link set dev port{number} master lan up\n"
            );
            lines.push_str(&text);
        }
        writeln!(lines, "link set dev lan mtu {mtu} up").must("a string grows");
        ip::batch(&self.switch, &lines);
    }

    /// Switches the offloads of member `number` off, at both ends of its cable.
    #[track_caller]
    fn real_frames(&self, number: usize) {
        let off = |site: &Sandbox, ifname: &str| {
            site.exec(&["ethtool", "--offload", ifname, "tx", "off", "rx", "off"])
                .done();
        };
        let site = self.members().nth(number).must("a member");
        off(site, IFNAME);
        off(&self.switch, &format!("port{number}"));
    }

    /// The host under test.
    #[must_use]
    pub const fn host(&self) -> &Sandbox {
        &self.host
    }

    /// All stations.
    #[must_use]
    pub fn stations(&self) -> &[Sandbox] {
        &self.stations
    }

    /// Station number `index`, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[track_caller]
    #[must_use]
    pub fn station(&self, index: usize) -> &Sandbox {
        self.stations.get(index).must("a station")
    }

    /// The namespace of the switch; the bridge in it is `lan`.
    #[must_use]
    pub const fn switch(&self) -> &Sandbox {
        &self.switch
    }

    /// Whether the switch sends frames back to the host.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[track_caller]
    pub fn set_hairpin(&self, on: bool) {
        let on = if on { "on" } else { "off" };
        let words = ["bridge", "link", "set", "dev", HOST_PORT, "hairpin", on];
        self.switch.exec(&words).done();
    }

    /// What a daemon needs to run in the host.
    #[must_use]
    pub fn setup(&self) -> Setup {
        Setup {
            site: Some(Arc::clone(&self.host.netns)),
            ..Setup::default()
        }
    }

    /// A daemon in the host, which shares the machine with other tests.
    #[must_use]
    pub fn lab(&self) -> Lab {
        Lab::start_with(&self.setup())
    }

    /// How often the kernel was asked to make the host's interface promiscuous, or does it for want of a filter.
    ///
    /// # Panics
    /// When it does not say.
    #[track_caller]
    #[must_use]
    pub fn promiscuity(&self) -> u64 {
        self.figure("promiscuity")
    }

    #[track_caller]
    fn figure(&self, name: &str) -> u64 {
        let shown = (self.host).exec(&["ip", "-d", "-j", "link", "show", "dev", IFNAME]);
        shown.json()[0][name].as_u64().must(name)
    }

    /// All that is held at the host's interface: promiscuity, unicast and group addresses, a line each.
    ///
    /// # Panics
    /// When the kernel does not say.
    #[track_caller]
    #[must_use]
    pub fn held(&self) -> String {
        let addresses = (self.host).exec(&["bridge", "fdb", "show", "dev", IFNAME]);
        let groups = self.host.exec(&["ip", "maddress", "show", "dev", IFNAME]);
        format!(
            "promiscuity {}, all groups {}\n{}\n{}",
            self.promiscuity(),
            self.figure("allmulti"),
            addresses.ok(),
            groups.ok()
        )
    }
}

fn switch() -> Sandbox {
    let netns = Netns::create().must("a namespace");
    let switch = Sandbox::of("the switch", netns, None);
    // Nothing but the stations' own frames on it.
    let silent = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
    switch.run(|| fs::write(silent, "1")).must(silent);
    switch
}

/// A namespace for whoever has 198.18.7.`number`, still without its interface.
fn member(name: &str, number: u8) -> Sandbox {
    let netns = Netns::create().must("a namespace");
    Sandbox::of(name, netns, Some(nic(SUBNET, number)))
}

/// The interface of whoever has 198.18.`subnet`.`number`, on the LAN or behind the host.
#[must_use]
pub fn nic(subnet: u8, number: u8) -> Nic {
    let (subnet6, number6) = (u16::from(subnet), u16::from(number));
    Nic {
        network: "lan".to_owned(),
        ifname: IFNAME.to_owned(),
        port: 0,
        mac: mac(subnet, number),
        ip4: Some(Ipv4Addr::new(198, 18, subnet, number)),
        ip6: Some(Ipv6Addr::new(0x2001, 2, 0, subnet6, 0, 0, 0, number6)),
    }
}

/// The MAC address of 198.18.`subnet`.`number`.
#[must_use]
pub fn mac(subnet: u8, number: u8) -> MacAddr {
    station(u32::from_be_bytes([2, 0, subnet, number]))
}
