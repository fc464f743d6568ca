//! Several hosts on one machine: each a site of an [`Underlay`] with its own daemon, and overlay networks
//! across them, made through the real command line.
//!
//! - A host is a [`Lab`], so its end is the same test: the books close, nothing is left behind.
//! - Sites beyond the hosts have no daemon: there a test puts the kernel's endpoint, or an attacker.
//! - Addresses are the test's: all hosts share the subnets of a network, and container number N has
//!   198.18.SUBNET.N and 2001:2:0:SUBNET::N, whichever host it is on.

use crate::{Lab, Must, Sandbox, Setup, Underlay, guard::Guard};
use std::{net::IpAddr, sync::Arc};

/// An overlay network: what is the same on all hosts.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// Name.
    pub name: String,
    /// VXLAN network identifier.
    pub vni: u32,
    /// The third part of its IPv4 addresses.
    pub subnet: u8,
    /// Whether the underlay is used over IPv6.
    pub over_ipv6: bool,
    /// UDP port.
    pub port: u16,
    /// Further options, `KEY=VALUE`.
    pub options: Vec<String>,
}

impl Overlay {
    /// VNI 42 on port 4789 over IPv4, with 198.18.50.0/24.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            vni: 42,
            subnet: 50,
            over_ipv6: false,
            port: 4789,
            options: Vec::new(),
        }
    }

    /// The same with one more option.
    #[must_use]
    pub fn with(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// The address under which a site takes part.
    #[must_use]
    pub fn address(&self, site: &Sandbox) -> IpAddr {
        if self.over_ipv6 {
            site.ip6()
        } else {
            site.ip4()
        }
    }
}

/// Hosts on an underlay.
#[derive(Debug)]
pub struct Hosts {
    labs: Vec<Lab>,
    underlay: Underlay,
    /// Given back last.
    _guard: Guard,
}

impl Hosts {
    /// A daemon on each of the first `count` sites, which share the machine with other tests.
    #[must_use]
    pub fn start(underlay: Underlay, count: usize) -> Self {
        Self::launch(underlay, count, Guard::shared(), &Setup::default())
    }

    /// The same with daemons as wanted, but for where they are.
    #[must_use]
    pub fn start_with(underlay: Underlay, count: usize, setup: &Setup) -> Self {
        Self::launch(underlay, count, Guard::shared(), setup)
    }

    /// The same, alone on the machine.
    #[must_use]
    pub fn alone(underlay: Underlay, count: usize) -> Self {
        Self::launch(underlay, count, Guard::alone(), &Setup::default())
    }

    fn launch(underlay: Underlay, count: usize, guard: Guard, setup: &Setup) -> Self {
        let setup = |site: &Sandbox| Setup {
            site: Some(Arc::clone(&site.netns)),
            ..setup.clone()
        };
        let sites = underlay.sites().iter().take(count);
        let labs: Vec<Lab> = sites.map(|site| Lab::launch(&setup(site), None)).collect();
        assert_eq!(labs.len(), count, "more hosts than sites");
        Self {
            labs,
            underlay,
            _guard: guard,
        }
    }

    /// What joins them.
    #[must_use]
    pub const fn underlay(&self) -> &Underlay {
        &self.underlay
    }

    /// All hosts.
    #[must_use]
    pub fn labs(&self) -> &[Lab] {
        &self.labs
    }

    /// Host `index`, from 0.
    #[track_caller]
    #[must_use]
    pub fn lab(&self, index: usize) -> &Lab {
        self.labs.get(index).must("a host")
    }

    /// The site of host `index`.
    #[track_caller]
    #[must_use]
    pub fn site(&self, index: usize) -> &Sandbox {
        self.underlay.site(index)
    }

    /// Makes the network on one host, with these sites as its peers.
    #[track_caller]
    pub fn create(&self, index: usize, overlay: &Overlay, peers: &[usize]) {
        let ip = |site: &usize| overlay.address(self.site(*site)).to_string();
        let peers: Vec<String> = peers.iter().map(ip).collect();
        let mut options = vec![
            format!("vni={}", overlay.vni),
            format!("local={}", overlay.address(self.site(index))),
        ];
        if !peers.is_empty() {
            options.push(format!("peers={}", peers.join(",")));
        }
        if overlay.port != 4789 {
            options.push(format!("dstport={}", overlay.port));
        }
        if !overlay
            .options
            .iter()
            .any(|option| option.starts_with("gateway="))
        {
            options.push("gateway=off".to_owned());
        }
        options.extend(overlay.options.iter().cloned());
        let v4 = format!("198.18.{}.0/24", overlay.subnet);
        let v6 = format!("2001:2:0:{:x}::/64", overlay.subnet);
        let mut words = vec!["network", "create", "-d", "overlay"];
        words.extend(["--subnet", &v4, "--subnet", &v6]);
        for option in &options {
            words.extend(["-o", option]);
        }
        words.push(&overlay.name);
        self.lab(index).cli(&words).done();
    }

    /// Makes the network on every host, with all other sites as its peers.
    #[track_caller]
    pub fn mesh(&self, overlay: &Overlay) {
        for index in 0..self.labs.len() {
            let all = 0..self.underlay.sites().len();
            let others: Vec<usize> = all.filter(|other| *other != index).collect();
            self.create(index, overlay, &others);
        }
    }

    /// A new container number `number` on a host.
    #[track_caller]
    #[must_use]
    pub fn join(&self, index: usize, overlay: &Overlay, number: u8) -> Sandbox {
        self.join_with(index, overlay, number, &[])
    }

    /// The same with further options of `network connect`.
    #[track_caller]
    #[must_use]
    pub fn join_with(
        &self,
        index: usize,
        overlay: &Overlay,
        number: u8,
        options: &[&str],
    ) -> Sandbox {
        let lab = self.lab(index);
        let ip4 = format!("198.18.{}.{number}", overlay.subnet);
        let ip6 = format!("2001:2:0:{:x}::{number:x}", overlay.subnet);
        let words = [&["--ip", &ip4, "--ip6", &ip6], options].concat();
        let sandbox = lab.sandbox(&format!("c{number}"));
        let nic = lab.connect(&overlay.name, &sandbox.name, &words);
        sandbox.with(nic)
    }

    /// `each` containers on every host, numbered from 10: those of one host after those of another.
    #[track_caller]
    #[must_use]
    pub fn populate(&self, overlay: &Overlay, each: u8) -> Vec<Vec<Sandbox>> {
        let mut numbers = 10..;
        (0..self.labs.len())
            .map(|index| {
                let numbers = numbers.by_ref().take(each.into());
                numbers
                    .map(|number| self.join(index, overlay, number))
                    .collect()
            })
            .collect()
    }

    /// Ends the hosts and tests their end.
    pub fn finish(self) {
        drop(self);
    }
}
