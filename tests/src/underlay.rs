//! The underlay: what joins several hosts of a test, made of the test's own parts.
//!
//! - Each host is a [site](Underlay::site): a namespace with one interface [`IFNAME`] that has
//!   198.18.100.N/24 and 2001:2:0:100::N/64. It is a [`Sandbox`] like any other, so a test can ping from
//!   it, capture in it, or put a daemon there (see [`hosts`](crate::hosts)).
//! - A [wire](Underlay::wire) is fast: veths into a namespace with the kernel's bridge. With offload a
//!   frame on it may be a superframe with partial checksums, as between containers of one machine; without
//!   it is what a wire would carry.
//! - A [relay](Underlay::relay) is bad on purpose, as much as its seed and its [rule](Impairment) say, and
//!   never has offload.
//!
//! All of it ends with the value, also after a panic: the relay's thread with the value itself, devices
//! with their namespaces.

mod impair;
mod relay;
mod wire;

pub use impair::{Impairment, Tally};
pub use wire::Wire;

use crate::{Must, Nic, Sandbox, frames::station, ip};
use relay::Relay;
use std::net::{Ipv4Addr, Ipv6Addr};
use vswitch::sys::{
    IfName, Netns, TapFactory, TunOptions,
    netlink::{self, LinkConfig},
};

/// The interface of every site.
pub const IFNAME: &str = "under0";

/// The third part of the underlay's IPv4 addresses.
const SUBNET: u8 = 100;

/// What is between the sites.
#[derive(Debug)]
enum Medium {
    /// The namespace with the bridge.
    Wire(Sandbox),
    /// The thread with the TAPs.
    Relay(Relay),
}

/// Hosts that reach one another.
#[derive(Debug)]
pub struct Underlay {
    sites: Vec<Sandbox>,
    medium: Medium,
}

impl Underlay {
    /// A fast wire with an MTU of 1500 and offload.
    #[must_use]
    pub fn wire(sites: u8) -> Self {
        Self::wire_with(sites, &Wire::default())
    }

    /// A wire as wanted.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn wire_with(sites: u8, wire: &Wire) -> Self {
        let sites: Vec<Sandbox> = (1..=sites).map(site).collect();
        let middle = wire::build(&sites, wire);
        for site in &sites {
            ip::configure(site, wire.mtu);
        }
        Self {
            sites,
            medium: Medium::Wire(middle),
        }
    }

    /// A relay that does what `rule` says, with an MTU of 1500.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn relay(sites: u8, rule: Impairment) -> Self {
        let factory = TapFactory::new().must("a namespace to make TAPs in");
        let ifname = IfName::new(IFNAME).must("a name");
        let options = TunOptions {
            vnet_hdr: false,
            multi_queue: false,
        };
        let sites: Vec<Sandbox> = (1..=sites).map(site).collect();
        let host = |site: &Sandbox| {
            let tap = factory.create(&site.netns, &ifname, options).must("a TAP");
            ip::configure(site, Wire::default().mtu);
            (tap, site.mac())
        };
        let hosts = sites.iter().map(host).collect();
        Self {
            sites,
            medium: Medium::Relay(Relay::start(hosts, rule)),
        }
    }

    /// All sites.
    #[must_use]
    pub fn sites(&self) -> &[Sandbox] {
        &self.sites
    }

    /// Site number `index`, from 0.
    ///
    /// # Panics
    /// When there are not so many.
    #[track_caller]
    #[must_use]
    pub fn site(&self, index: usize) -> &Sandbox {
        self.sites.get(index).must("a site")
    }

    /// Changes the MTU of the whole underlay.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[track_caller]
    pub fn set_mtu(&self, mtu: u16) {
        for site in &self.sites {
            set_mtu(site, mtu);
        }
        match &self.medium {
            Medium::Wire(middle) => wire::set_mtu(middle, self.sites.len(), mtu),
            // It takes frames of any length.
            Medium::Relay(_) => {}
        }
    }

    /// Makes the relay do what `rule` says from now on, with fresh dice.
    ///
    /// # Panics
    /// On a wire.
    #[track_caller]
    pub fn impair(&self, rule: Impairment) {
        self.as_relay().change(rule);
    }

    /// What the relay did so far.
    ///
    /// # Panics
    /// On a wire.
    #[track_caller]
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.as_relay().tally()
    }

    #[track_caller]
    fn as_relay(&self) -> &Relay {
        match &self.medium {
            Medium::Wire(_) => panic!("a wire impairs nothing"),
            Medium::Relay(relay) => relay,
        }
    }
}

/// Changes the MTU of one site.
///
/// # Panics
/// When the kernel refuses it.
#[track_caller]
pub fn set_mtu(site: &Sandbox, mtu: u16) {
    let config = LinkConfig {
        mtu: Some(mtu.into()),
        ..LinkConfig::new(IfName::new(IFNAME).must("a name"))
    };
    (site.run(|| netlink::configure_link(&config))).must(&site.name);
}

/// A namespace for site `number`, from 1, still without its interface.
fn site(number: u8) -> Sandbox {
    let nic = Nic {
        network: "underlay".to_owned(),
        ifname: IFNAME.to_owned(),
        port: 0,
        mac: station(u32::from_be_bytes([0, 0, SUBNET, number])),
        ip4: Some(Ipv4Addr::new(198, 18, SUBNET, number)),
        ip6: Some(Ipv6Addr::new(0x2001, 2, 0, 0x100, 0, 0, 0, number.into())),
    };
    let netns = Netns::create().must("a namespace");
    Sandbox::of(&format!("site {number}"), netns, Some(nic))
}
