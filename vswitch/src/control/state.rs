//! The desired state as it is kept: what is needed to make everything again, and no more.
//!
//! What was chosen (subnets, addresses, MAC addresses, names of interfaces) is kept as if it had been asked for, so that
//! making it again is carrying out the same wishes. What the machine tells anew (MTUs of an underlay, what was learned)
//! is not kept. A field that is missing has its default, so that a later version reads an earlier one's file.

use std::{net::IpAddr, path::PathBuf};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};
use vswitch_wire::{MacAddr, VlanId};

use super::{
    command::{Connect, NetworkCreate},
    endpoint::End,
    guest::About,
    ipam::Cursor,
    name::ObjectId,
    network::Owner,
    publish::Binding,
    sandbox::Place,
    view::{FdbKind, SandboxKind},
};
use crate::sys::{IfName, NetnsId};

/// All of it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Which run of the machine wrote it: identities of namespaces mean nothing in another one.
    pub boot: String,
    /// The predefined ones included.
    pub networks: Vec<SavedNetwork>,
    /// In no order.
    pub sandboxes: Vec<SavedSandbox>,
    /// In the order in which they were made.
    pub endpoints: Vec<SavedEndpoint>,
    /// Endpoints of front-ends that bring objects of their own.
    pub guests: Vec<SavedGuest>,
    /// Address pools of such front-ends.
    pub pools: Vec<SavedPool>,
}

/// A network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedNetwork {
    /// ID.
    pub id: ObjectId,
    /// RFC 3339.
    pub created: String,
    /// Whose it is.
    #[serde(default)]
    pub owner: Owner,
    /// As if everything had been asked for. The driver of `host` and `none` is `host` and `null`.
    pub create: NetworkCreate,
    /// How far the addresses were given out, by subnet.
    #[serde(default)]
    pub cursors: Vec<Cursor>,
    /// Peers of an overlay network.
    #[serde(default)]
    pub peers: Vec<IpAddr>,
    /// Entries of the forwarding database that were added by hand.
    #[serde(default)]
    pub entries: Vec<SavedEntry>,
}

/// An entry of a forwarding database.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedEntry {
    /// Its address.
    pub mac: MacAddr,
    /// Its VLAN.
    pub vlan: Option<VlanId>,
    /// Never learned.
    pub kind: FdbKind,
    /// The endpoint that it leads to.
    pub endpoint: Option<ObjectId>,
    /// The peer that it leads to.
    pub remote: Option<IpAddr>,
}

/// A sandbox.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedSandbox {
    /// ID.
    pub id: ObjectId,
    /// Name.
    pub name: String,
    /// How it came about.
    pub kind: SandboxKind,
    /// Where it can be opened.
    pub place: Place,
    /// What tells it from others; none before its namespace is there.
    pub netns: Option<NetnsId>,
    /// RFC 3339.
    pub created: String,
}

/// An endpoint.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedEndpoint {
    /// ID.
    pub id: ObjectId,
    /// Its network.
    pub network: ObjectId,
    /// Its sandbox.
    pub sandbox: ObjectId,
    /// Whose end it is.
    pub end: End,
    /// As if everything had been asked for.
    pub connect: Connect,
}

/// An endpoint of a front-end that brings objects of its own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedGuest {
    /// ID.
    pub id: ObjectId,
    /// Its network.
    pub network: ObjectId,
    /// MAC address.
    pub mac: MacAddr,
    /// Address and prefix length.
    pub ipv4: Option<Ipv4Net>,
    /// Address and prefix length.
    pub ipv6: Option<Ipv6Net>,
    /// Whether super-frames pass, where the endpoint does not leave that to the network.
    pub offload: Option<bool>,
    /// Where it has joined.
    pub joined: Option<SavedJoin>,
    /// What the front-end knows of the container.
    pub about: About,
    /// Published ports.
    pub bindings: Vec<Binding>,
}

/// Where an endpoint has joined.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedJoin {
    /// Where the namespace is.
    pub sandbox: PathBuf,
    /// Name of the device in the switch's own namespace.
    pub device: IfName,
    /// Its name in the sandbox, once it is there.
    pub ifname: Option<IfName>,
}

/// An address pool of a front-end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct SavedPool {
    /// By which it is referred to.
    pub pool: String,
    /// Address space.
    pub space: String,
    /// The subnet.
    pub subnet: IpNet,
    /// Where automatic addresses come from.
    pub range: Option<IpNet>,
    /// How often it was asked for.
    pub count: usize,
    /// Addresses that were given out.
    pub leased: Vec<IpAddr>,
    /// How far they were given out.
    pub cursor: Cursor,
}
