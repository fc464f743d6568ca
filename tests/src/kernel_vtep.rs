//! The reference: the kernel's own tunnel endpoint on a site of the underlay, a `vxlan` device with a
//! bridge, and containers behind it. No part of the product.

use crate::{Must, Nic, Sandbox, frames::station, ip};
use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use vswitch::sys::Netns;

/// The tunnel's device in the site.
const DEVICE: &str = "vxlan";

/// How the endpoint is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tunnel {
    /// Network identifier.
    pub vni: u32,
    /// UDP port of all endpoints.
    pub port: u16,
    /// Its own address on the underlay.
    pub local: IpAddr,
    /// Where frames for many are sent, a copy to each (head-end replication).
    pub peers: Vec<IpAddr>,
    /// Whether it learns where addresses are from what arrives.
    pub learning: bool,
    /// Whether its outer UDP headers have a checksum.
    pub checksums: bool,
    /// Bytes of an inner packet.
    pub mtu: u16,
}

/// Bytes of an inner packet on an underlay with an MTU of 1500 (RFC 7348 section 5): less Ethernet, VXLAN,
/// UDP and IP.
#[must_use]
pub const fn inner_mtu(underlay: u16, local: IpAddr) -> u16 {
    match local {
        IpAddr::V4(_) => underlay - 50,
        IpAddr::V6(_) => underlay - 70,
    }
}

impl Tunnel {
    /// VNI 42 on port 4789 with learning, over an underlay with an MTU of 1500.
    #[must_use]
    pub fn new(local: IpAddr, peers: &[IpAddr]) -> Self {
        Self {
            vni: 42,
            port: 4789,
            local,
            peers: peers.to_vec(),
            learning: true,
            checksums: true,
            mtu: inner_mtu(1500, local),
        }
    }
}

/// A running endpoint; it ends with the site.
#[derive(Debug)]
pub struct KernelVtep {
    site: Sandbox,
    mtu: u16,
}

impl KernelVtep {
    /// Makes the device and the bridge in a site.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[track_caller]
    #[must_use]
    pub fn start(site: &Sandbox, tunnel: &Tunnel) -> Self {
        let Tunnel {
            vni,
            port,
            local,
            mtu,
            ..
        } = tunnel;
        let learning = if tunnel.learning {
            "learning"
        } else {
            "nolearning"
        };
        let checksums = if tunnel.checksums {
            "udpcsum"
        } else {
            "noudpcsum udp6zerocsumtx udp6zerocsumrx"
        };
        let lines = format!(
            "link add name {DEVICE} mtu {mtu} type vxlan id {vni} dstport {port} local {local} {learning} {checksums}\n\
             link add name lan type bridge mcast_snooping 0\n\
             link set dev {DEVICE} master lan addrgenmode none up\n\
             link set dev lan mtu {mtu} addrgenmode none up\n"
        );
        ip::batch(site, &lines);
        let vtep = Self {
            site: site.clone(),
            mtu: *mtu,
        };
        for peer in &tunnel.peers {
            vtep.replicate_to(*peer);
        }
        vtep
    }

    /// One more endpoint that gets a copy of frames for many.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[track_caller]
    pub fn replicate_to(&self, peer: IpAddr) {
        let peer = peer.to_string();
        let words = [
            "bridge",
            "fdb",
            "append",
            "00:00:00:00:00:00",
            "dev",
            DEVICE,
            "dst",
            &peer,
        ];
        self.site.exec(&words).done();
    }

    /// A new container behind it, number `number` of the overlay network 198.18.`subnet`.0/24 and
    /// 2001:2:0:`subnet`::/64.
    ///
    /// # Panics
    /// When it cannot be made.
    #[track_caller]
    #[must_use]
    pub fn join(&self, name: &str, subnet: u8, number: u8) -> Sandbox {
        let nic = Nic {
            network: DEVICE.to_owned(),
            ifname: "eth0".to_owned(),
            port: 0,
            mac: station(u32::from_be_bytes([1, 0, subnet, number])),
            ip4: Some(Ipv4Addr::new(198, 18, subnet, number)),
            ip6: Some(Ipv6Addr::new(
                0x2001,
                2,
                0,
                subnet.into(),
                0,
                0,
                0,
                number.into(),
            )),
        };
        let netns = Netns::create().must("a namespace");
        let sandbox = Sandbox::of(name, netns, Some(nic));
        let (mtu, path, mac) = (self.mtu, sandbox.netns_path(), sandbox.mac());
        let pair = format!(
            "link add name c{number} mtu {mtu} type veth \
             peer name eth0 mtu {mtu} address {mac} netns {path}\n\
             link set dev c{number} master lan addrgenmode none up\n"
        );
        ip::batch(&self.site, &pair);
        let (ip4, ip6) = (sandbox.ip4(), sandbox.ip6());
        let mut inside = "link set dev eth0 up\n".to_owned();
        for address in [format!("{ip4}/24"), format!("{ip6}/64 nodad")] {
            writeln!(inside, "address add {address} dev eth0").must("a string grows");
        }
        ip::batch(&sandbox, &inside);
        sandbox
    }

    /// Where it has learned that a container is.
    ///
    /// # Panics
    /// When the table cannot be read.
    #[track_caller]
    #[must_use]
    pub fn learned(&self, container: &Sandbox) -> Option<IpAddr> {
        let shown = self.site.exec(&["bridge", "fdb", "show", "dev", DEVICE]);
        let mac = container.mac().to_string();
        (shown.ok().lines())
            .filter(|line| line.starts_with(&mac))
            .find_map(|line| line.split_once(" dst ")?.1.split(' ').next())
            .map(|ip| ip.parse().must("an address"))
    }
}
