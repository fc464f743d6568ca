//! Gateways through a real switch: a port of it is theirs, another one a client's, which is a host of smoltcp too, or
//! frames made by hand.

mod bounds;
mod client;
mod dns;
mod frames;
mod life;
mod link;
mod ping;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroUsize,
    sync::Mutex,
    time::Duration,
};

use ipnet::IpNet;
use vswitch_wire::{MacAddr, OffloadSet};

use super::*;
use crate::{
    control::name::ObjectId,
    datapath::{NetworkSettings, Switch, SwitchConfig},
    testing::mac,
};

/// Long enough for any machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

const GATEWAY: MacAddr = MacAddr::new([2, 0, 0, 0, 0, 0xfe]);
const GATEWAY4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 1);
const CLIENT4: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 2);
const CLIENT6: Ipv6Addr = Ipv6Addr::new(0x2001, 2, 0, 0, 0, 0, 0, 2);

fn net(ip: impl Into<IpAddr>) -> IpNet {
    let ip = ip.into();
    IpNet::new(ip, if ip.is_ipv4() { 24 } else { 64 }).unwrap()
}

fn gateway(network: u8, mtu: u16) -> InsideGateway {
    InsideGateway {
        network: ObjectId::from_bytes([network; 32]),
        mac: GATEWAY,
        addresses: vec![net(GATEWAY4), net(GATEWAY6)],
        mtu,
        ipv6: true,
    }
}

/// The questions that came, and what is answered: the question backwards.
#[derive(Clone, Default)]
struct Oracle(Arc<Mutex<Vec<Question>>>);

impl Oracle {
    fn ask(&self) -> Ask {
        let heard = Arc::clone(&self.0);
        Arc::new(move |question: Question, reply: Reply| {
            let answer = question.message.iter().rev().copied().collect();
            heard.lock().unwrap().push(question);
            reply.send(answer);
        })
    }

    fn heard(&self) -> Vec<Question> {
        self.0.lock().unwrap().clone()
    }
}

/// A switch with a gateway on a network of its own.
struct Site {
    switch: Arc<Switch>,
    network: crate::datapath::NetworkId,
    gateways: Gateways,
    service: Service,
}

impl Site {
    fn new(ask: Ask, mtu: u16) -> Self {
        let switch = Switch::start(&SwitchConfig {
            workers: NonZeroUsize::MIN,
            ..SwitchConfig::default()
        })
        .unwrap();
        let gateways = Gateways::new(ask);
        let network = switch.add_network(NetworkSettings::default());
        let (port, service) = gateways.open(&gateway(1, mtu)).unwrap();
        switch.add_port(network, port).unwrap();
        Self {
            switch,
            network,
            gateways,
            service,
        }
    }

    fn silent() -> Self {
        Self::new(Oracle::default().ask(), 1500)
    }

    /// A further port.
    fn plug(&self, offload: OffloadSet) -> MemoryEnd {
        let (port, end) = memory::pair(9000, offload).unwrap();
        self.switch.add_port(self.network, port).unwrap();
        end
    }

    fn turns(&self) -> u64 {
        let running = self.gateways.running.lock().unwrap();
        let hub = &running.as_ref().unwrap().hub;
        hub.turns.load(Ordering::Relaxed)
    }
}
