//! A switch inside the test's own process, for what the command line cannot set up: ports of one
//! network that differ in their offload.
//!
//! The data path, the ports and the TAPs are the real ones; there is no daemon and no control plane.

use crate::{Must, Nic, Sandbox, deadline::SOON, eventually, guard::Guard};
use std::{
    net::{Ipv4Addr, Ipv6Addr},
    num::NonZeroUsize,
    sync::Arc,
};
use vswitch::{
    datapath::{Fdb, NetworkId, NetworkSettings, Switch, SwitchConfig},
    port::tap::{self, TapOptions},
    sys::{
        IfName, Netns, TapFactory,
        netlink::{self, LinkConfig},
    },
};

/// A switch with one network.
#[derive(Debug)]
pub struct Bench {
    switch: Arc<Switch>,
    network: NetworkId,
    mtu: u16,
    /// Given back last.
    _guard: Guard,
}

impl Bench {
    /// A switch with two workers, alone on the machine.
    #[must_use]
    pub fn alone(mtu: u16) -> Self {
        Self::start(mtu, Guard::alone())
    }

    /// A switch with two workers.
    #[must_use]
    pub fn shared(mtu: u16) -> Self {
        Self::start(mtu, Guard::shared())
    }

    fn start(mtu: u16, guard: Guard) -> Self {
        let config = SwitchConfig {
            workers: NonZeroUsize::MIN.saturating_add(1),
            ..SwitchConfig::default()
        };
        let switch = Switch::start(&config).must("a switch");
        let network = switch.add_network(NetworkSettings::default());
        Self {
            switch,
            network,
            mtu,
            _guard: guard,
        }
    }

    /// A new sandbox with the addresses 198.18.0.NUMBER and 2001:2::NUMBER.
    ///
    /// # Panics
    /// When it cannot be made.
    #[must_use]
    pub fn join(&self, name: &str, number: u8, offload: bool) -> Sandbox {
        let netns = Netns::create().must("a namespace");
        let ifname = IfName::new("eth0").must("a name");
        let ip4 = Ipv4Addr::new(198, 18, 0, number);
        let ip6 = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, number.into());
        let mac = crate::frames::station(number.into());
        let options = TapOptions {
            name: ifname.clone(),
            offload,
            mtu: self.mtu,
        };
        let link = LinkConfig {
            mac: Some(mac.octets()),
            mtu: Some(self.mtu.into()),
            addresses: vec![
                format!("{ip4}/24").parse().must("an address"),
                format!("{ip6}/64").parse().must("an address"),
            ],
            up: true,
            ..LinkConfig::new(ifname)
        };
        let factory = TapFactory::new().must("a namespace to make TAPs in");
        let port = tap::open(&factory, &netns, &options).must("a TAP");
        (netns.run(|| netlink::configure_link(&link)))
            .must("enter the namespace")
            .must("a configured TAP");
        let id = self.switch.add_port(self.network, port).must("a port");
        let nic = Nic {
            network: "bench".to_owned(),
            ifname: "eth0".to_owned(),
            port: id.get().into(),
            mac,
            ip4: Some(ip4),
            ip6: Some(ip6),
        };
        Sandbox::of(name, netns, Some(nic))
    }

    /// The switch.
    #[must_use]
    pub fn switch(&self) -> &Switch {
        &self.switch
    }

    /// The network's MAC table.
    ///
    /// # Panics
    /// Never; the network is there.
    #[must_use]
    pub fn fdb(&self) -> Arc<Fdb> {
        self.switch.fdb(self.network).must("the network")
    }

    /// Ends the bench; the books must close.
    ///
    /// # Panics
    /// When they do not.
    pub fn finish(self) {
        eventually(SOON, "the books close", || {
            (self.switch.totals().residual() == 0).then_some(())
        });
    }
}
