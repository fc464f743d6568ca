//! What the switch serves itself, as the control plane asks for it: names, gateways, published ports, the way out.
//!
//! The control plane decides that a service is needed and until when; how it is done is the room `service`, which stands
//! above. [`Services`] is the seam: the daemon puts the real ones behind it, tests put recorders there and let any of
//! them fail. A running service is a [`Service`]: dropping it ends the service.
//!
//! What names mean is told as a whole, a [`Directory`] after every change, never asked for: a question of a container
//! must not wait for a command.

use std::{any::Any, collections::BTreeMap, fmt, net::IpAddr};

use ipnet::IpNet;
use vswitch_wire::MacAddr;

use super::{ControlError, name::ObjectId, publish::Binding, sandbox::Place};
use crate::{port::Port, sys::NetnsId};

/// A running service. Dropping it ends the service.
pub struct Service(#[expect(dead_code, reason = "held for its end")] Box<dyn Any + Send + Sync>);

impl Service {
    /// Whatever ends the service when it is dropped.
    pub fn new(running: impl Any + Send + Sync) -> Self {
        Self(Box::new(running))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}

/// Where a sandbox's sockets are made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    /// Where its namespace can be opened.
    pub place: Place,
    /// Which namespace it has to be; another one found there is refused. None where a front-end has yet to make it: then
    /// it is the one that is there when it is needed, at a place that is the sandbox's alone.
    pub netns: Option<NetnsId>,
}

impl Home {
    /// Whether a namespace that was found at the place is the one.
    pub fn is(&self, found: NetnsId) -> bool {
        self.netns.is_none_or(|netns| netns == found)
    }
}

/// A gateway that the switch itself holds, as a host of its own on a network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InsideGateway {
    /// The network.
    pub network: ObjectId,
    /// Its MAC address.
    pub mac: MacAddr,
    /// Its addresses, with the prefix lengths of their subnets.
    pub addresses: Vec<IpNet>,
    /// The network's MTU, in bytes.
    pub mtu: u16,
    /// Whether the interfaces have IPv6.
    pub ipv6: bool,
}

/// What the switch serves itself. All functions may block for some milliseconds; a service that was begun goes on by
/// itself.
pub trait Services: Send + Sync + fmt::Debug + 'static {
    /// Tells what names mean from now on.
    fn tell(&self, directory: Directory);

    /// Answers DNS at 127.0.0.11 inside a sandbox.
    ///
    /// # Errors
    /// The namespace is gone, the address is taken.
    fn resolver(&self, home: &Home, sandbox: &ObjectId) -> Result<Service, ControlError>;

    /// Answers DNS at addresses that the host itself has, for those in the subnets that these are of.
    ///
    /// # Errors
    /// Another server of the host has the addresses.
    fn gateway_resolver(
        &self,
        network: &ObjectId,
        addresses: &[IpNet],
    ) -> Result<Service, ControlError>;

    /// A host of the switch's own that holds the gateway's addresses: it answers ARP, neighbour discovery, ping and
    /// DNS, and forwards nothing.
    ///
    /// # Errors
    /// No thread, no descriptor.
    fn inside_gateway(&self, gateway: &InsideGateway) -> Result<(Port, Service), ControlError>;

    /// Lets a network's subnets out by the host's other interfaces, under the host's own addresses. `interface` is the
    /// host's on the network.
    ///
    /// # Errors
    /// No nftables, no right to.
    fn way_out(&self, interface: &str, subnets: &[IpNet]) -> Result<Service, ControlError>;

    /// An engine that has a firewall of its own, Docker's, has begun to run on the host, before us or only now.
    fn engine_began(&self);

    /// Publishes a port of the sandbox at a port of the host, and tells which: that asked for, or a free one where the
    /// binding leaves it open. `addresses` are those of the sandbox on the network.
    ///
    /// # Errors
    /// The port is taken, the address is not the host's, no right to.
    fn publish(
        &self,
        binding: &Binding,
        home: &Home,
        addresses: &[IpAddr],
    ) -> Result<(u16, Service), ControlError>;
}

/// What names mean, as DNS answers it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Directory {
    /// By the ID of the network.
    pub zones: BTreeMap<ObjectId, Zone>,
}

/// One network of the [`Directory`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Zone {
    /// The network's name.
    pub name: String,
    /// No way out: nothing is forwarded for who is on internal networks only.
    pub internal: bool,
    /// Whether names are answered here; not on the predefined networks, as with Docker.
    pub named: bool,
    /// The endpoints.
    pub stations: Vec<Station>,
}

/// One endpoint of a [`Zone`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Station {
    /// Whose it is. A sandbox on several networks has a station in each of the zones.
    pub sandbox: ObjectId,
    /// The name that a reverse lookup gives.
    pub name: String,
    /// Further names: aliases of the endpoint, the short ID.
    pub aliases: Vec<String>,
    /// At most one of each family.
    pub addresses: Vec<IpAddr>,
    /// Which of the sandbox's networks is asked first: the highest.
    pub gateway_priority: i32,
}

/// Who asks: what is answered depends on the networks that it is on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Querier {
    /// A sandbox, at 127.0.0.11 inside of it.
    Sandbox(ObjectId),
    /// Whoever has the address on the network, at its gateway.
    Address(ObjectId, IpAddr),
}
