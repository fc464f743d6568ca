//! What the switch serves itself: names, gateways, published ports, the way out.
//!
//! The control plane decides what is served and until when ([`crate::control::services`]); here it is done. Every
//! running service ends when its handle is dropped, and takes its sockets, threads and rules with it.
//!
//! | file | what |
//! |---|---|
//! | `dns` | names: who asks, what is answered, what is asked outside |
//! | `gateway` | gateways that the switch itself holds, a small host of one's own on each network |
//! | `proxy` | published ports |
//! | `nat` | the way out by the host |

pub mod dns;
pub mod gateway;
pub mod nat;
pub mod proxy;

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use tokio::runtime::Handle;

use crate::{
    control::{
        ControlError,
        name::ObjectId,
        publish::Binding,
        services::{Directory, Home, InsideGateway, Service, Services},
    },
    port::Port,
};
use dns::{Dns, Upstreams};
use gateway::{Gateways, Question, Reply};
use proxy::Proxies;

/// All services of this switch.
#[derive(Debug)]
pub struct Switchboard {
    dns: Dns,
    gateways: Gateways,
    proxies: Proxies,
    ways_out: nat::WaysOut,
}

impl Switchboard {
    /// Nothing is served yet; what will be are tasks of `runtime`, which needs I/O and time. What a killed daemon left in
    /// the host's tables of rules is removed.
    pub fn new(runtime: &Handle) -> Self {
        if let Err(error) = nat::remove_leftovers() {
            tracing::debug!(%error, "no leftovers of ways out are looked for");
        }
        let dns = Dns::new(runtime.clone(), Upstreams::host());
        let (asked, spawner) = (dns.clone(), runtime.clone());
        let ask = move |question: Question, reply: Reply| {
            let transport = match question.transport {
                gateway::Transport::Udp { room } => dns::Transport::Udp {
                    most: room.try_into().unwrap_or(u16::MAX),
                },
                gateway::Transport::Tcp => dns::Transport::Tcp,
            };
            let answer = asked.ask(&question.message, &question.from, transport);
            spawner.spawn(async move {
                if let Some(answer) = answer.await {
                    reply.send(answer);
                }
            });
        };
        Self {
            dns,
            gateways: Gateways::new(Arc::new(ask)),
            proxies: Proxies::new(runtime.clone()),
            ways_out: nat::WaysOut::default(),
        }
    }
}

impl Services for Switchboard {
    fn tell(&self, directory: Directory) {
        self.dns.tell(directory);
    }

    fn resolver(&self, home: &Home, sandbox: &ObjectId) -> Result<Service, ControlError> {
        self.dns.resolver(home, sandbox)
    }

    fn gateway_resolver(
        &self,
        network: &ObjectId,
        addresses: &[IpNet],
    ) -> Result<Service, ControlError> {
        self.dns.gateway_resolver(network, addresses)
    }

    fn inside_gateway(&self, gateway: &InsideGateway) -> Result<(Port, Service), ControlError> {
        self.gateways.open(gateway)
    }

    fn way_out(&self, interface: &str, subnets: &[IpNet]) -> Result<Service, ControlError> {
        self.ways_out.open(interface, subnets)
    }

    fn engine_began(&self) {
        self.ways_out.admit_again();
    }

    fn publish(
        &self,
        binding: &Binding,
        home: &Home,
        addresses: &[IpAddr],
    ) -> Result<(u16, Service), ControlError> {
        self.proxies.publish(binding, home, addresses)
    }
}
