//! Commands of front-ends that have objects of their own: Docker's engine, and later CNI and netavark.
//!
//! Such a front-end brings its own IDs, and takes the steps of a connection one by one, as libnetwork does: an endpoint
//! is *reserved* (it has addresses and a MAC, nothing else), then *joins* (it has a device, which the front-end moves
//! into the sandbox and configures), *leaves* (the device goes, the addresses stay) and is *released*. All of it
//! outlives the daemon. Each step may be repeated: a request that was carried out and whose reply was lost is carried
//! out again with the same reply.
//!
//! Address pools of the front-end's IPAM are apart from those of networks: a pool is asked for before there is a
//! network, and the addresses that it gives are wished for when the endpoint is reserved.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use vswitch_wire::MacAddr;

use super::{command::NetworkCreate, name::ObjectId, publish::Binding};

/// What a front-end with objects of its own may ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Guest {
    /// The front-end's engine was found to run: it may have begun only now, and have changed the host.
    EngineBegan,
    /// Make a network with this ID; made already is fine.
    NetworkCreate {
        /// The front-end's.
        id: ObjectId,
        /// The rest; an empty name becomes `docker-` and the first digits of the ID.
        create: NetworkCreate,
    },
    /// Give a network its front-end's name for it, once that is known; taken by another network is refused.
    NetworkRename {
        /// The front-end's.
        id: ObjectId,
        /// The name.
        name: String,
    },
    /// Remove a network; absent is fine.
    NetworkRemove {
        /// The front-end's.
        id: ObjectId,
    },
    /// Keep a place on a network. The front-end gives each address once at a time: another place of its own that has a
    /// wished address was given up without a word, and goes.
    Reserve(Reserve),
    /// Which places on a network are kept.
    Reserved {
        /// The network.
        network: ObjectId,
    },
    /// Make the device of an endpoint, in the switch's own namespace. Once it is in the sandbox, or for another sandbox,
    /// the endpoint has to leave first.
    Join {
        /// The endpoint.
        endpoint: ObjectId,
        /// Where the sandbox's namespace is or will be.
        sandbox: PathBuf,
    },
    /// What the front-end knows of an endpoint's sandbox by now: names, for people and for DNS.
    Describe {
        /// The endpoint.
        endpoint: ObjectId,
        /// What there is to know.
        about: About,
    },
    /// Publish ports of an endpoint that has joined, all or none; others published before are given up, also those of
    /// endpoints of the same sandbox on networks without a way out: one with a way out takes them over.
    Publish {
        /// The endpoint.
        endpoint: ObjectId,
        /// None gives all up.
        bindings: Vec<Binding>,
    },
    /// Remove the device of an endpoint; absent is fine.
    Leave {
        /// The endpoint.
        endpoint: ObjectId,
    },
    /// Give up a place on a network; absent is fine.
    Release {
        /// The endpoint.
        endpoint: ObjectId,
    },
    /// Take a pool of addresses, or once more the same one: pools are counted.
    PoolRequest(PoolRequest),
    /// Give a pool back.
    PoolRelease {
        /// As given.
        pool: String,
    },
    /// Take an address of a pool.
    AddressRequest {
        /// As given.
        pool: String,
        /// Any when absent.
        address: Option<IpAddr>,
    },
    /// Give an address back; absent is fine.
    AddressRelease {
        /// As given.
        pool: String,
        /// Which.
        address: IpAddr,
    },
}

/// The answer to a [`Guest`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GuestReply {
    /// To [`Guest::Reserve`].
    Reserved(Reserved),
    /// To [`Guest::Reserved`].
    Places(Vec<ObjectId>),
    /// To [`Guest::Join`].
    Joined(Joined),
    /// To [`Guest::Publish`]: what was published, free ports chosen.
    Published(Vec<Binding>),
    /// To [`Guest::PoolRequest`].
    Pool(PoolGiven),
    /// To [`Guest::AddressRequest`].
    Address(IpNet),
    /// To those that have nothing to tell.
    Done,
}

/// A place on a network, before there is a sandbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reserve {
    /// The network.
    pub network: ObjectId,
    /// The front-end's.
    pub endpoint: ObjectId,
    /// IPv4 address; automatic when absent.
    pub ip: Option<std::net::Ipv4Addr>,
    /// IPv6 address; automatic when absent and the network has an IPv6 subnet.
    pub ip6: Option<std::net::Ipv6Addr>,
    /// MAC address; automatic when absent.
    pub mac_address: Option<MacAddr>,
    /// As of `network connect`.
    pub options: BTreeMap<String, String>,
}

/// What was reserved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reserved {
    /// MAC address.
    pub mac_address: MacAddr,
    /// Address and prefix length.
    pub ipv4: Option<Ipv4Net>,
    /// Address and prefix length.
    pub ipv6: Option<Ipv6Net>,
}

/// The device that a front-end is to move into its sandbox. It has its MAC address and MTU already.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joined {
    /// Its name in the switch's own namespace.
    pub device: String,
    /// The way out, where there is one, at most one of each family. None: there is no way out, and none shall be made.
    pub gateways: Vec<IpAddr>,
    /// Whether nobody outside of the network may reach the endpoint, not by a published port either.
    pub internal: bool,
}

/// What a front-end knows of a sandbox.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct About {
    /// Name of the container.
    pub name: String,
    /// Its ID, 64 hexadecimal digits; the short one is a name in DNS.
    pub container: String,
    /// Further names on this network.
    pub aliases: Vec<String>,
    /// Which of the sandbox's networks is asked first for a name: the highest.
    pub gateway_priority: i32,
}

/// A pool that is asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PoolRequest {
    /// Address space: pools of one do not overlap.
    pub space: String,
    /// The subnet; automatic when absent.
    pub subnet: Option<IpNet>,
    /// Where automatic addresses come from.
    pub range: Option<IpNet>,
    /// IPv6, for an automatic one.
    pub ipv6: bool,
}

/// A pool that was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolGiven {
    /// By which it is referred to.
    pub pool: String,
    /// The subnet.
    pub subnet: IpNet,
}
