//! The DNS server: names of a sandbox's networks are answered here, all others are asked for outside.
//!
//! | file | what |
//! |---|---|
//! | `index` | the directory, arranged for lookups (pure) |
//! | `request` | a query and its replies on the wire (pure) |
//! | `answer` | what a query gets (pure): start here |
//! | `files` | resolv.conf, hosts and hostname of a sandbox (pure) |
//! | `upstream`, `forward` | the servers outside, and asking them |
//! | `udp`, `tcp` | the servers, one task for each socket |
//! | `sockets` | sockets in a sandbox and at a gateway |
//! | `running` | a server as a service that ends |
//!
//! There are two ways in, with the same answers. Inside a sandbox we listen at 127.0.0.11, as Docker does, but at port
//! 53 itself, so that no NAT is needed. At a gateway the asker's address on the network tells who it is; a gateway that
//! has its own IP stack brings the queries itself ([`Dns::ask`]).
//!
//! # Threads
//! Sockets are tasks of the services' runtime. A question that can be answered here is answered at once by the
//! task that received it, without a lock: the [`Index`] is behind an `ArcSwap`. Only forwarded ones get a task of their
//! own; how many there can be is bounded by [`Limits`]. Nothing wakes while nobody asks.
//!
//! # Floods
//! Nobody holds a place by doing nothing. A TCP listener has so many places; when they are taken, the connection that
//! has been idle longest, of whoever has most, goes for the newcomer. Forwarded queries are bounded in all and for each
//! querier, and what is above is REFUSED at once, so that the client may try elsewhere.

pub mod answer;
pub mod files;
pub mod index;
pub mod request;

mod forward;
mod running;
mod sockets;
mod tcp;
mod udp;
mod upstream;

use std::{
    fmt,
    net::{IpAddr, TcpListener, UdpSocket},
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use tokio::runtime::Handle;

pub use request::Transport;
pub use sockets::{gateway_sockets, sockets_in};
pub use upstream::Upstreams;

use crate::{
    control::{
        ControlError,
        name::ObjectId,
        services::{Directory, Home, Querier, Service},
    },
    sys::Netns,
};
use answer::{Outcome, answer};
use forward::{Errand, Forwarder};
use index::Index;
use running::Scope;

/// The port of DNS.
pub const PORT: u16 = 53;
/// Where a sandbox finds its resolver. The kernel takes all of 127/8 as its own, so no interface needs the address.
pub const RESOLVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 11));

/// How much the server takes on at once, and for how long it waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// For the reply of one server outside.
    pub server: Duration,
    /// For the next query on a TCP connection, and for the client to take a reply.
    pub idle: Duration,
    /// Queries that are asked outside at once.
    pub forwards: usize,
    /// Of these, those of one querier.
    pub forwards_each: usize,
    /// TCP connections of one listener.
    pub guests: usize,
}

impl Default for Limits {
    /// Docker's values, where it has some. Clients wait 5 s as a rule, so the second server is still asked in time.
    fn default() -> Self {
        Self {
            server: Duration::from_secs(4),
            idle: Duration::from_secs(10),
            forwards: 1024,
            forwards_each: 256,
            guests: 256,
        }
    }
}

/// Whom a socket serves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Who {
    /// One sandbox: the socket is inside of it.
    Sandbox(ObjectId),
    /// All on a network with these subnets, told apart by their addresses: the socket is at its gateway. Nobody else is
    /// answered, so that who has a way to the host finds no open resolver there.
    Network(ObjectId, Vec<IpNet>),
}

impl Who {
    /// Who asks from an address; none who is not served.
    fn querier(&self, peer: IpAddr) -> Option<Querier> {
        match self {
            Self::Sandbox(sandbox) => Some(Querier::Sandbox(sandbox.clone())),
            Self::Network(network, subnets) => {
                let peer = peer.to_canonical();
                let ours = subnets.iter().any(|subnet| subnet.contains(&peer));
                ours.then(|| Querier::Address(network.clone(), peer))
            }
        }
    }
}

/// The DNS server. A clone is the same server.
#[derive(Clone)]
pub struct Dns(Arc<Shared>);

struct Shared {
    runtime: Handle,
    told: ArcSwap<Told>,
    forwarder: Arc<Forwarder>,
    limits: Limits,
}

/// What control told last. It is arranged when the first question comes: of many changes in a row only the last counts.
#[derive(Default)]
struct Told {
    directory: Directory,
    index: OnceLock<Index>,
}

impl Told {
    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::new(&self.directory))
    }
}

/// What became of a query at once.
enum Begun {
    /// This is sent.
    Reply(Vec<u8>),
    /// Servers outside have to be asked.
    Errand(Errand),
    /// Nothing is sent.
    Nothing,
}

impl From<Option<Vec<u8>>> for Begun {
    fn from(reply: Option<Vec<u8>>) -> Self {
        reply.map_or(Self::Nothing, Self::Reply)
    }
}

impl Dns {
    /// A server that knows no names yet. Its sockets will be tasks of `runtime`, which needs I/O and time.
    pub fn new(runtime: Handle, upstreams: Upstreams) -> Self {
        Self::with_limits(runtime, upstreams, Limits::default())
    }

    /// The same with other limits.
    pub fn with_limits(runtime: Handle, upstreams: Upstreams, limits: Limits) -> Self {
        Self(Arc::new(Shared {
            runtime,
            told: ArcSwap::default(),
            forwarder: Arc::new(Forwarder::new(upstreams, limits)),
            limits,
        }))
    }

    /// Tells what names mean from now on; the next question is answered by it.
    pub fn tell(&self, directory: Directory) {
        self.0.told.store(Arc::new(Told {
            directory,
            index: OnceLock::new(),
        }));
    }

    /// Answers one query; none where nothing is to be sent. What can be answered here is ready at once; else it takes
    /// [`Limits::server`] for each server outside at most. Dropping the future gives the query up.
    pub fn ask(
        &self,
        query: &[u8],
        querier: &Querier,
        transport: Transport,
    ) -> impl Future<Output = Option<Vec<u8>>> + Send + use<> {
        let begun = self.begin(query, querier, transport);
        async move {
            match begun {
                Begun::Reply(reply) => Some(reply),
                Begun::Errand(errand) => errand.run().await,
                Begun::Nothing => None,
            }
        }
    }

    /// Serves at sockets. Those for a network are taken to be in the switch's own namespace: nothing is forwarded to
    /// their addresses.
    ///
    /// # Errors
    /// Unavailable: the runtime cannot watch a socket.
    pub fn serve(
        &self,
        udp: Vec<UdpSocket>,
        tcp: Vec<TcpListener>,
        who: &Who,
    ) -> Result<Service, ControlError> {
        let scope = match who {
            Who::Sandbox(_) => Scope::Elsewhere,
            Who::Network(..) => Scope::Here,
        };
        running::start(self, udp, tcp, who, scope)
    }

    /// Answers at 127.0.0.11 inside a sandbox, see [`Services::resolver`](crate::control::services::Services::resolver).
    ///
    /// The sockets keep the sandbox's namespace alive, as any socket does. Whoever holds the service has to drop it when
    /// the sandbox ends, and learns of that otherwise than from the namespace's end.
    ///
    /// # Errors
    /// See [`sockets_in`] and [`Dns::serve`].
    pub fn resolver(&self, home: &Home, sandbox: &ObjectId) -> Result<Service, ControlError> {
        let (udp, tcp) = sockets_in(home, RESOLVER, PORT)?;
        let scope = if home.netns == Some(Netns::current()?.id()?) {
            Scope::Here
        } else {
            Scope::Elsewhere
        };
        let who = Who::Sandbox(sandbox.clone());
        running::start(self, vec![udp], vec![tcp], &who, scope)
    }

    /// Answers at addresses of the host, see
    /// [`Services::gateway_resolver`](crate::control::services::Services::gateway_resolver).
    ///
    /// # Errors
    /// See [`gateway_sockets`] and [`Dns::serve`].
    pub fn gateway_resolver(
        &self,
        network: &ObjectId,
        addresses: &[IpNet],
    ) -> Result<Service, ControlError> {
        let at: Vec<IpAddr> = addresses.iter().map(IpNet::addr).collect();
        let (udp, tcp) = gateway_sockets(&at, PORT)?;
        self.serve(udp, tcp, &Who::Network(network.clone(), addresses.to_vec()))
    }

    fn begin(&self, query: &[u8], querier: &Querier, transport: Transport) -> Begun {
        let told = self.0.told.load();
        match answer(query, querier, told.index(), transport, forward::random()) {
            Outcome::Reply(reply) => Begun::Reply(reply),
            Outcome::Forward(request) => {
                match Errand::begin(&self.0.forwarder, query, querier, request) {
                    Ok(errand) => Begun::Errand(errand),
                    Err(refusal) => refusal.into(),
                }
            }
            Outcome::Drop => Begun::Nothing,
        }
    }

    fn limits(&self) -> &Limits {
        &self.0.limits
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns")
            .field("forwarder", &self.0.forwarder)
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
